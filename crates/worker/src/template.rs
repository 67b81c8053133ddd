//! A template: a worker that loads its state and runs no job, and forks a worker with that state for each `Fork`.
//!
//! It has one thread, which reads the control connection itself. The workers are its siblings: children of the
//! coordinator, with connections of their own.

use crate::ending::{Ending, WorkerError, complain};
use crate::guard;
use crate::handshake::{Admitted, Line, Opening};
use crate::identity::Identity;
use crate::loading;
use crate::os::{self, Side};
use crate::panics;
use crate::session::panicked;
use crate::spawned;
use crate::startup::Startup;
use procpool_protocol::Failure;
use procpool_protocol::birth::{INPUT_FD, OUTPUT_FD, PAGE_FD};
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::message::failure_frame;
use std::io::{self, Write};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

/// The number of a child's first descriptor from a `Fork`: its standard output.
const FIRST: RawFd = 1;

/// Numbers of a worker's memory, which only its forks have.
const RESERVED: [RawFd; 3] = [PAGE_FD, INPUT_FD, OUTPUT_FD];

/// How a template ends, on each side of its forks.
#[derive(Debug)]
pub(crate) enum Grown<S> {
    /// In a new worker: the state, and its coordinator's first message.
    Worker(S, Box<Opening>),
    /// In the template itself.
    Ended(Ending),
}

/// Introduces the template, creates the state and forks workers until the coordinator wants no further one.
pub(crate) fn grow<S>(
    opening: Opening,
    identity: &Identity,
    init: impl FnOnce(&Startup) -> Result<S, Failure>,
) -> Result<Grown<S>, WorkerError> {
    os::name_thread(&identity.job);
    procpool_birth::serves();
    let (mut template, startup) = Template::introduced(opening, identity)?;
    // The state must not have a descriptor that is a worker's own.
    os::reserve(&RESERVED).map_err(WorkerError::Handshake)?;
    let (failure, ending) = match template.watched(|| panics::caught(|| init(&startup)))? {
        Ok(Ok(state)) => {
            template.say_on_jobs(&Frame::new(Kind::Ready, 0, ""))?;
            return Ok(match template.serve()? {
                Some(opening) => Grown::Worker(state, Box::new(opening)),
                None => Grown::Ended(Ending::Finished),
            });
        }
        Ok(Err(failure)) => (failure, Ending::Failed),
        Err(report) => (panicked(&report), Ending::Panicked),
    };
    complain(&format!("failed to initialise: {failure}"));
    template.say_on_jobs(&failure_frame(Kind::StartFailed, &failure).map_err(WorkerError::Send)?)?;
    Ok(Grown::Ended(ending))
}

/// A template that has introduced itself.
#[derive(Debug)]
pub(crate) struct Template {
    identity: Identity,
    owned: bool,
    jobs: Line,
    control: Line,
}

impl Template {
    /// Introduces it to its coordinator.
    pub(crate) fn introduced(opening: Opening, identity: &Identity) -> Result<(Self, Startup), WorkerError> {
        let Admitted { owned, startup, jobs, control, .. } = opening.answer(identity)?;
        let mut template = Self { identity: identity.clone(), owned, jobs, control };
        template.jobs.writer.flush().map_err(|_| WorkerError::Orphaned)?;
        Ok((template, startup))
    }

    /// Does the work, during which the template does not outlive its coordinator.
    fn watched<T>(&self, work: impl FnOnce() -> T) -> Result<T, WorkerError> {
        let owned = self.owned;
        loading::watched(self.control.reader.source(), move || os::die(owned), work)
    }

    /// Answers the coordinator. Returns an opening in each child, and `None` at the end in the template.
    pub(crate) fn serve(mut self) -> Result<Option<Opening>, WorkerError> {
        loop {
            // Nothing that the template is for goes on without its coordinator.
            let Ok(Some(frame)) = self.control.reader.frame() else { os::die(self.owned) };
            match frame.kind {
                Kind::Fork => match self.fork(&frame) {
                    Ok(Side::Parent) => {}
                    Ok(Side::Child) => return self.be_born().map(Some),
                    // Said before the frame's descriptors are closed: the coordinator sees that, too.
                    Err(failure) => {
                        let answer = failure_frame(Kind::ForkFailed, &failure).map_err(WorkerError::Send)?;
                        self.say(&Frame { sequence: frame.sequence, ..answer })?;
                    }
                },
                Kind::Ping => self.say(&Frame::new(Kind::Pong, frame.sequence, ""))?,
                Kind::Describe => {
                    let frame = guard::description(self.identity.description()).map_err(WorkerError::Send)?;
                    self.say(&frame)?;
                }
                Kind::Shutdown => return Ok(None),
                got => return Err(WorkerError::Unexpected { got, expected: "a frame for a template" }),
            }
        }
    }

    /// Forks a worker with the frame's descriptors.
    fn fork(&self, frame: &Frame) -> Result<Side, Failure> {
        refuse_threads()?;
        let given = frame.payload.attachments.as_slice();
        let are_in_the_way = given.iter().any(|given| os::is_in_the_way(given.as_fd()));
        let aside = given.iter().filter(|_| are_in_the_way).map(|given| os::set_aside(given.as_fd()));
        let aside: Vec<OwnedFd> = aside.collect::<io::Result<_>>().map_err(|error| failed(&error))?;
        let given: Vec<_> = match are_in_the_way {
            true => aside.iter().map(AsFd::as_fd).collect(),
            false => given.iter().map(AsFd::as_fd).collect(),
        };
        // The child has copies of what was not written yet.
        let _ = io::stdout().flush();
        os::flush_c_buffers();
        let side = os::fork_sibling().map_err(|error| failed(&error))?;
        if side == Side::Child
            && let Err(error) = settle(&given)
        {
            WorkerError::Handshake(error).exit();
        }
        Ok(side)
    }

    /// Continues as a worker that was spawned just now.
    fn be_born(self) -> Result<Opening, WorkerError> {
        let Self { jobs, control, .. } = self;
        // Their numbers are the new connections'.
        mem::forget((jobs, control));
        spawned::meet_again()
    }

    fn say(&mut self, frame: &Frame) -> Result<(), WorkerError> {
        self.control.writer.send(frame).map_err(|_| WorkerError::Orphaned)
    }

    fn say_on_jobs(&mut self, frame: &Frame) -> Result<(), WorkerError> {
        self.jobs.writer.send(frame).map_err(|_| WorkerError::Orphaned)
    }
}

/// Gives the child the descriptors at their numbers.
fn settle(given: &[BorrowedFd<'_>]) -> io::Result<()> {
    for (number, &descriptor) in (FIRST..).zip(given) {
        os::place(descriptor, number)?;
    }
    let next = FIRST + RawFd::try_from(given.len()).map_err(io::Error::other)?;
    RESERVED.into_iter().filter(|&number| number >= next).for_each(os::vacate);
    Ok(())
}

fn refuse_threads() -> Result<(), Failure> {
    if os::is_single_threaded().map_err(|error| failed(&error))? {
        return Ok(());
    }
    let mut threads = os::threads().map_err(|error| failed(&error))?;
    threads.sort_unstable();
    let others = threads.join("`, `");
    Err(Failure::new(format!(
        "it has {} threads (`{others}`), whose locks would stay locked in a fork: start threads in the jobs, not in \
         `init`, or set `fork = false`",
        threads.len()
    ))
    .with_code("threads"))
}

fn failed(error: &io::Error) -> Failure {
    Failure::new(format!("the system did not fork it: {error}")).with_code("fork")
}
