//! The descriptors that a procpool worker is born with: recognised, taken, and declined.
//!
//! A spawned worker finds its jobs connection as descriptor 3 and its control connection as descriptor
//! 4, with the coordinator's preamble already in the former. No environment variable is involved, so
//! a program is a worker if it holds these descriptors, and nothing that it starts is one by accident.
//!
//! Both sides of a program use this crate: the worker SDK takes the connections, and the coordinator's
//! side asks [`unserved`] before it starts a worker. A program that is its own worker and does not
//! serve would start itself again and again.
//!
//! Does not: read frames, or know what they mean.

#![deny(unsafe_code)]

mod inherited;

use procpool_protocol::Failure;
use procpool_protocol::birth::{CONTROL_FD, INPUT_FD, JOBS_FD, OUTPUT_FD, PAGE_FD};
use procpool_protocol::frame::Kind;
use procpool_protocol::message::failure_frame;
use procpool_protocol::preamble::{MAGIC, Preamble};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Both connections of a spawned worker.
#[derive(Debug)]
pub struct Connections {
    /// Jobs and messages: descriptor 3.
    pub jobs: UnixStream,
    /// Cancels, credit, the shutdown: descriptor 4.
    pub control: UnixStream,
}

/// A worker that does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// The job that the coordinator wants, if it said so.
    pub wanted: Option<String>,
    /// The jobs that the program offered.
    pub offered: Vec<&'static str>,
}

#[derive(Debug)]
struct State {
    /// Some code has taken the connections.
    is_claimed: bool,
    /// Also true for an attached worker, which has no connections to claim.
    is_serving: bool,
    /// The descriptors were not there at the first check, and will not be.
    is_no_worker: bool,
    /// Descriptors beside the connections that were taken.
    taken: Vec<RawFd>,
    wanted: Option<String>,
    offered: Vec<&'static str>,
}

impl State {
    const NEW: Self = Self {
        is_claimed: false,
        is_serving: false,
        is_no_worker: false,
        taken: Vec::new(),
        wanted: None,
        offered: Vec::new(),
    };

    fn was_spawned(&mut self) -> bool {
        if self.is_claimed {
            return true;
        }
        self.is_no_worker = self.is_no_worker || !is_born();
        !self.is_no_worker
    }
}

static STATE: Mutex<State> = Mutex::new(State::NEW);

/// Returns whether a coordinator spawned this process as a worker.
pub fn was_spawned() -> bool {
    state().was_spawned()
}

/// Takes both connections, once. Returns `None` where no coordinator spawned this process, or other
/// code has taken them.
///
/// From then on they are close-on-exec: programs that the worker starts do not inherit them.
pub fn claim() -> Option<Connections> {
    let mut state = state();
    if state.is_claimed || !is_born() {
        return None;
    }
    let (jobs, control) = (inherited::take(JOBS_FD)?, inherited::take(CONTROL_FD)?);
    state.is_claimed = true;
    Some(Connections { jobs: jobs.into(), control: control.into() })
}

/// Takes both connections of a fork of a worker, which were put in the place of the old ones, and tells the
/// coordinator of them: its kernel says which process has sent the preamble.
///
/// The caller has forgotten the old connections. Returns `None` if the new ones are not there.
pub fn reborn() -> Option<Connections> {
    *state() = State::NEW;
    let connections = claim()?;
    serves();
    inherited::send(JOBS_FD, &Preamble::ours().to_bytes());
    Some(connections)
}

/// Takes memory that the `Welcome` has named, such as the page, once. Returns `None` if it was
/// taken before, or the connections were not claimed. Also if no memory has that number, because a
/// program between the coordinator and this one has closed it and another one has opened something.
pub fn take(number: RawFd) -> Option<OwnedFd> {
    let mut state = state();
    let is_born = [PAGE_FD, INPUT_FD, OUTPUT_FD].contains(&number) && state.is_claimed;
    if !is_born || state.taken.contains(&number) || !inherited::is_memory(number) {
        return None;
    }
    state.taken.push(number);
    inherited::take(number)
}

/// Notes a job that this program offers to serve, and in a worker the one which the coordinator wants,
/// if it said so.
pub fn offers(job: &'static str, wanted: Option<&str>) {
    let mut state = state();
    // A loop or many tests may offer the same one.
    if !state.offered.contains(&job) {
        state.offered.push(job);
    }
    state.wanted = wanted.map(str::to_owned);
}

/// Returns the jobs that this program has offered to serve so far, in the order of the offers.
pub fn offered() -> Vec<&'static str> {
    state().offered.clone()
}

/// Notes that the worker serves.
pub fn serves() {
    state().is_serving = true;
}

/// Returns the details of a worker that has not begun to serve, or `None` for every other process.
///
/// Such a process must not start workers: it would be a fork bomb where it is its own worker.
pub fn unserved() -> Option<Unserved> {
    let mut state = state();
    let is_unserved = !state.is_serving && state.was_spawned();
    is_unserved.then(|| Unserved { wanted: state.wanted.clone(), offered: state.offered.clone() })
}

/// Tells the coordinator that this process will not serve, and why: the start fails there at once.
pub fn decline(failure: &Failure) {
    let frame = failure_frame(Kind::StartFailed, failure).map(|frame| frame.to_bytes());
    let preamble = Preamble::ours().to_bytes();
    inherited::send(JOBS_FD, &[&preamble[..], &frame.unwrap_or_default()].concat());
}

/// Returns whether the descriptors are there and nobody has read from them: the coordinator wrote
/// its preamble before this process existed.
fn is_born() -> bool {
    let mut first = [0; MAGIC.len()];
    inherited::is_unix_stream(JOBS_FD)
        && inherited::is_unix_stream(CONTROL_FD)
        && inherited::peek(JOBS_FD, &mut first) == first.len()
        && first == MAGIC
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test executable may have anything as descriptors 3 and 4, but no coordinator's preamble.
    #[test]
    fn a_program_that_was_started_by_hand_is_no_worker() {
        assert!(!was_spawned());
        assert!(claim().is_none());
        assert_eq!(unserved(), None);
        assert!(take(5).is_none());
        // As one that attaches does.
        serves();
        assert!(!was_spawned() && take(5).is_none());
        ["decode", "classify", "decode"].iter().for_each(|job| offers(job, None));
        assert_eq!((offered(), unserved()), (vec!["decode", "classify"], None));
    }
}
