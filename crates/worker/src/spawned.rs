//! From a new process to a session. A spawned worker uses the descriptors that it inherited. A worker that
//! another program started attaches.
//!
//! Does not: know frames, except through the opening.

use crate::arguments;
use crate::attached;
use crate::ending::WorkerError;
use crate::guard::Lost;
use crate::handshake::{Opening, Sockets};
use crate::identity::Identity;
use crate::os;
use crate::session::Session;
use std::sync::{Mutex, PoisonError};

/// An opening that was read, and not served yet. In a program that is the worker of several jobs, the next of
/// them may be the requested one.
static OPENING: Mutex<Option<Opening>> = Mutex::new(None);

/// Reads the first message of the coordinator that spawned this process, or that it attaches to. From here
/// on, the worker does not outlive the coordinator.
pub(crate) fn meet() -> Result<Opening, WorkerError> {
    if was_spawned() {
        os::outlive_stops();
        // A stopped process cannot see the end of file that reports its coordinator's death.
        os::wake_with_parent().map_err(WorkerError::DeathSignal)?;
    }
    opening()
}

/// Reads the first message of the coordinator in a fork of a template, which has connections of its own.
pub(crate) fn meet_again() -> Result<Opening, WorkerError> {
    // A fork has no such wish of its own.
    os::wake_with_parent().map_err(WorkerError::DeathSignal)?;
    os::outlive_stops();
    let connections = procpool_birth::reborn().ok_or(WorkerError::Taken)?;
    // Not before the coordinator knows this process. A fork that dies earlier is found in the template's process group.
    os::lead_session().map_err(WorkerError::Handshake)?;
    Opening::of_fork(Sockets { jobs: connections.jobs.into(), control: connections.control.into() })
}

/// Joins the coordinator as a worker of this job.
pub(crate) fn join(opening: Opening, identity: &Identity) -> Result<Session, WorkerError> {
    os::name_thread(&identity.job);
    procpool_birth::serves();
    let session = Session::open(identity, opening, end)?;
    if !was_spawned() {
        // The worker's own supervisor may stop it, and then signals only this process.
        os::drain_at_stop(session.reader.source());
    }
    Ok(session)
}

/// Records that this program can serve `jobs`. Returns whether the coordinator wants one of them.
pub(crate) fn is_wanted(jobs: impl Iterator<Item = &'static str>) -> Result<bool, WorkerError> {
    let opening = opening()?;
    let wanted = opening.welcome.job.as_deref();
    let mut is_wanted = wanted.is_none();
    for job in jobs {
        is_wanted |= wanted == Some(job);
        procpool_birth::offers(job, wanted);
    }
    *OPENING.lock().unwrap_or_else(PoisonError::into_inner) = Some(opening);
    Ok(is_wanted)
}

fn was_spawned() -> bool {
    arguments::attach().is_none()
}

fn opening() -> Result<Opening, WorkerError> {
    if let Some(opening) = OPENING.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Ok(opening);
    }
    if let Some(socket) = arguments::attach() {
        return attached::attach(&socket);
    }
    let connections = procpool_birth::claim().ok_or(WorkerError::Taken)?;
    Opening::read(Sockets { jobs: connections.jobs.into(), control: connections.control.into() })
}

/// Ends the process when the guard's watch has ended.
fn end(owned: bool, lost: Lost) {
    match lost {
        Lost::Coordinator => os::die(owned),
        Lost::Protocol(error) => error.exit(),
    }
}
