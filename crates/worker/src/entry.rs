//! The public ways in: what a worker executable's `main` calls.

use crate::arguments;
use crate::context::Context;
use crate::ending::{Ending, WorkerError, conclude};
use crate::identity::Identity;
use crate::port::{self, ParentPort};
use crate::session::Session;
use crate::startup::Startup;
use crate::{conversation, jobs, os, replay, spawned};
use procpool_protocol::handshake::Mode;
use procpool_protocol::{Failure, Job};
use serde::{Serialize, de::DeserializeOwned};
use std::process::ExitCode;
use std::time::Duration;

/// How long a worker whose jobs connection broke off unannounced waits for its guard.
///
/// A coordinator that dies closes both connections, one after the other. If the main thread, which may
/// see its end of file first, just exited, the guard would have no time to take the process group along.
const PARTING: Duration = Duration::from_secs(1);

/// Runs jobs with `f`, one after the other, until the coordinator has no more. To be returned by `main`.
///
/// Where the coordinator wants free messages instead of jobs, each message is answered with `f`'s
/// output. Started by hand, it explains itself; see the [crate's documentation](crate) for that and for
/// the exit codes.
///
/// ```no_run
/// # use procpool_worker::{Job, serve};
/// # struct Double;
/// # impl Job for Double {
/// #     const NAME: &'static str = "double";
/// #     type Input = u64;
/// #     type Output = u64;
/// # }
/// fn main() -> std::process::ExitCode {
///     serve::<Double>(|n, _cx| Ok(2 * n))
/// }
/// ```
pub fn serve<J: Job>(mut f: impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure>) -> ExitCode {
    let init = |_startup: &Startup| Ok(());
    start::<J, ()>(Introduction::WithReady, init, move |(), input, context| f(input, context))
}

/// Like [`serve`], with state that `init` makes once and every job may use and change: a model, a
/// connection, a cache.
///
/// `init` runs when the coordinator has taken the worker in, so it ends with the coordinator and within
/// its limits, and before the first job is sent. Its failure or panic is reported and ends the worker.
///
/// ```no_run
/// # use procpool_worker::{Job, serve_with};
/// # struct Lookup;
/// # impl Job for Lookup {
/// #     const NAME: &'static str = "lookup";
/// #     type Input = String;
/// #     type Output = Option<String>;
/// # }
/// use std::collections::HashMap;
///
/// fn main() -> std::process::ExitCode {
///     serve_with::<Lookup, HashMap<String, String>>(
///         |startup| Ok(startup.worker_data()?),
///         |words, word, _cx| Ok(words.get(&word).cloned()),
///     )
/// }
/// ```
pub fn serve_with<J: Job, S>(
    init: impl FnOnce(&Startup) -> Result<S, Failure>,
    f: impl FnMut(&mut S, J::Input, &Context<J>) -> Result<J::Output, Failure>,
) -> ExitCode {
    start::<J, S>(Introduction::Ahead, init, f)
}

/// When a worker introduces itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Introduction {
    /// Before its state is made, which may take long.
    Ahead,
    /// Together with the word that it is ready: one write for both.
    WithReady,
}

fn start<J: Job, S>(
    introduction: Introduction,
    init: impl FnOnce(&Startup) -> Result<S, Failure>,
    f: impl FnMut(&mut S, J::Input, &Context<J>) -> Result<J::Output, Failure>,
) -> ExitCode {
    if let Some(jobs) = arguments::replay() {
        return replay::replay::<J, S>(replay::read(&jobs), init, f).into();
    }
    let identity = Identity::of_job::<J>();
    arguments::answer(&identity).unwrap_or_else(|| work::<J, S>(&identity, introduction, init, f)).into()
}

/// Does nothing unless this process was spawned as a worker of `J`; then it serves and exits. Likewise it runs a
/// saved job of `J` and exits, where the last arguments are `--replay` and its file.
///
/// For executables that are their own worker, such as examples and tests: call it first in `main`. It
/// is a worker of `J` that was spawned where the coordinator asked for `J`, or for no job in particular.
///
/// ```no_run
/// # use procpool_worker::{Job, serve_if_spawned};
/// # struct Double;
/// # impl Job for Double {
/// #     const NAME: &'static str = "double";
/// #     type Input = u64;
/// #     type Output = u64;
/// # }
/// fn main() {
///     serve_if_spawned::<Double>(|n, _cx| Ok(2 * n));
///     // From here on this is the service.
/// }
/// ```
pub fn serve_if_spawned<J: Job>(mut f: impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure>) {
    let init = |_startup: &Startup| Ok(());
    let f = move |(): &mut (), input, context: &Context<J>| f(input, context);
    if procpool_birth::was_spawned() || arguments::attach().is_some() {
        // The arguments are the executable's own.
        match spawned::is_wanted(J::NAME) {
            Ok(true) => {
                let introduction = Introduction::WithReady;
                std::process::exit(work::<J, ()>(&Identity::of_job::<J>(), introduction, init, f).into())
            }
            Ok(false) => return,
            Err(error) => error.exit(),
        }
    }
    // So they may be, even if they look like a saved job's: the file decides.
    if let Some(jobs) = arguments::replay()
        && let Ok(sitting) = replay::read(&jobs)
        && sitting.is_of(J::NAME)
    {
        std::process::exit(replay::replay::<J, ()>(Ok(sitting), init, f).into());
    }
}

/// Hands `f` the port to the coordinator's `Worker`, as in the first program of Node's worker-threads
/// tutorial. Return its result from `main`.
///
/// The worker ends when `f` returns. An error or a panic of `f` is reported to the other side first.
/// Such a worker runs no jobs.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     procpool_worker::messages::<String, String>(|port| {
///         for message in &port {
///             if message == "ping" {
///                 port.post(&"pong".to_owned())?;
///             }
///         }
///         Ok(())
///     })
/// }
/// ```
pub fn messages<In, Out>(f: impl FnOnce(ParentPort<In, Out>) -> Result<(), Failure>) -> ExitCode
where
    In: DeserializeOwned + 'static,
    Out: Serialize + 'static,
{
    let identity = Identity::of_messages();
    arguments::answer(&identity)
        .unwrap_or_else(|| conclude(employed(&identity, |session| talk(session, f))))
        .into()
}

/// Joins the coordinator, works, and leaves when the coordinator knows of it.
fn employed(
    identity: &Identity,
    work: impl FnOnce(Session) -> Result<Ending, WorkerError>,
) -> Result<Ending, WorkerError> {
    let session = spawned::join(identity)?;
    let board = session.bench.board.clone();
    let end = work(session);
    if let Ok(Ending::Finished) | Err(WorkerError::Orphaned) = end
        && !os::has_been_stopped()
    {
        board.await_shutdown(PARTING);
    }
    end
}

fn work<J: Job, S>(
    identity: &Identity,
    introduction: Introduction,
    init: impl FnOnce(&Startup) -> Result<S, Failure>,
    f: impl FnMut(&mut S, J::Input, &Context<J>) -> Result<J::Output, Failure>,
) -> u8 {
    conclude(employed(identity, |session| answer::<J, S>(session, introduction, init, f)))
}

/// Makes the state and works with it in the way that the coordinator asked for.
pub(crate) fn answer<J: Job, S>(
    mut session: Session,
    introduction: Introduction,
    init: impl FnOnce(&Startup) -> Result<S, Failure>,
    mut f: impl FnMut(&mut S, J::Input, &Context<J>) -> Result<J::Output, Failure>,
) -> Result<Ending, WorkerError> {
    if introduction == Introduction::Ahead {
        session.introduce()?;
    }
    let mut state = match session.begin(init)? {
        Ok(state) => state,
        Err(ending) => return Ok(ending),
    };
    let f = |input: J::Input, context: &Context<J>| f(&mut state, input, context);
    let end = match session.mode {
        Mode::Jobs => jobs::run::<J>(&mut session, f),
        Mode::Messages => conversation::run::<J>(&mut session, f),
    };
    if let Ok(Ending::Panicked) = end {
        // A destructor is not to be trusted with a state that a panic may have broken.
        std::mem::forget(state);
    }
    end
}

fn talk<In, Out>(
    mut session: Session,
    f: impl FnOnce(ParentPort<In, Out>) -> Result<(), Failure>,
) -> Result<Ending, WorkerError> {
    match session.begin(|_startup| Ok(()))? {
        Ok(()) => port::run(session, f),
        Err(ending) => Ok(ending),
    }
}
