//! The public entry points for a worker executable's `main`.

use crate::arguments;
use crate::context::Context;
use crate::ending::{Ending, WorkerError, conclude};
use crate::handshake::Opening;
use crate::identity::Identity;
use crate::offers::Jobs;
use crate::port::{self, ParentPort};
use crate::session::Session;
use crate::startup::Startup;
use crate::template::{self, Grown};
use crate::{conversation, jobs, os, spawned};
use procpool_protocol::handshake::Mode;
use procpool_protocol::{Failure, Job};
use serde::{Serialize, de::DeserializeOwned};
use std::process::ExitCode;
use std::time::Duration;

/// Maximum time that a worker waits for its guard after its jobs connection broke unannounced.
///
/// A coordinator that dies closes both connections, one after the other. The main thread may see the end of
/// file first. If it just exited, the guard would have no time to kill the process group.
const PARTING: Duration = Duration::from_secs(1);

/// Runs jobs with `f`, one after the other, until the coordinator closes the connection. Return the result
/// from `main`.
///
/// If the coordinator sends free messages instead of jobs, the worker answers each message with `f`'s output.
/// Started by hand, it explains itself; see the [crate's documentation](crate) for that and for the exit
/// codes.
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
pub fn serve<J: Job>(f: impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure>) -> ExitCode {
    Jobs::new().job::<J>(f).serve()
}

/// Like [`serve`], with state that `init` creates once and that every job may use and change: a model, a
/// connection, a cache.
///
/// `init` runs after the coordinator has accepted the worker, and before the first job is sent. Therefore it
/// ends with the coordinator and within its limits. Its failure or panic is reported and ends the worker.
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
    Jobs::new().job_with::<J, S>(init, f).serve()
}

/// When a worker sends its introduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Introduction {
    /// Before its state is created, which may take long.
    Ahead,
    /// Together with its `Ready`: one write for both.
    WithReady,
}

/// Does nothing unless this process was spawned as a worker of `J`; then it serves and exits. If the last
/// arguments are `--replay` and a saved job of `J`, it runs that job and exits.
///
/// For executables that are their own worker, such as examples and tests: call it first in `main`. The
/// process is a worker of `J` if the coordinator that spawned it asked for `J`, or for no job in particular.
/// If an executable has several jobs, use [`Jobs`]: it knows all of them and does not guess. If the program
/// makes several calls, a worker that is asked for no job in particular serves the first. So a program that
/// has made several starts `Executable::current()` without arguments only for a job that is named.
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
pub fn serve_if_spawned<J: Job>(f: impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure>) {
    Jobs::new().job::<J>(f).serve_if_spawned();
}

/// Like [`serve_if_spawned`], with state that `init` creates once, as in [`serve_with`]. Only workers create
/// it.
///
/// ```no_run
/// # use procpool_worker::{Job, serve_if_spawned_with};
/// # struct Lookup;
/// # impl Job for Lookup {
/// #     const NAME: &'static str = "lookup";
/// #     type Input = String;
/// #     type Output = Option<String>;
/// # }
/// use std::collections::HashMap;
///
/// fn main() {
///     serve_if_spawned_with::<Lookup, HashMap<String, String>>(
///         |startup| Ok(startup.worker_data()?),
///         |words, word, _cx| Ok(words.get(&word).cloned()),
///     );
///     // From here on this is the service.
/// }
/// ```
pub fn serve_if_spawned_with<J: Job, S>(
    init: impl FnOnce(&Startup) -> Result<S, Failure>,
    f: impl FnMut(&mut S, J::Input, &Context<J>) -> Result<J::Output, Failure>,
) {
    Jobs::new().job_with::<J, S>(init, f).serve_if_spawned();
}

/// Returns whether this process is a worker: a coordinator spawned it, or it was started with `--attach
/// SOCKET`.
///
/// For code that a program that is its own worker runs before it calls [`serve_if_spawned`], such as setting
/// up its log.
///
/// ```
/// use procpool_worker::is_worker;
///
/// let log = if is_worker() { "worker" } else { "service" };
/// assert_eq!(log, "service");
/// ```
pub fn is_worker() -> bool {
    procpool_birth::was_spawned() || arguments::attach().is_some()
}

/// Passes the port to the coordinator's `Worker` to `f`, as in the first of the three programs of
/// Node's worker-threads tutorial. Return its result from `main`.
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
    let talk = || {
        let session = spawned::join(spawned::meet()?, &identity)?;
        attend(session, |session| talk(session, f))
    };
    arguments::answer(&[&identity]).unwrap_or_else(|| conclude(talk())).into()
}

/// Runs the jobs, and exits when the coordinator has been notified of the end.
pub(crate) fn attend(
    session: Session,
    work: impl FnOnce(Session) -> Result<Ending, WorkerError>,
) -> Result<Ending, WorkerError> {
    let board = session.bench.board.clone();
    let end = work(session);
    if let Ok(Ending::Finished) | Err(WorkerError::Orphaned) = end
        && !os::has_been_stopped()
    {
        board.await_shutdown(PARTING);
    }
    end
}

/// Creates the state and works in the mode that the coordinator requested.
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
        // A panic may have broken the state, so its destructor must not run.
        std::mem::forget(state);
    }
    end
}

/// Creates the state and forks workers with it. Each fork works as the coordinator wants.
pub(crate) fn grow<J: Job, S>(
    opening: Opening,
    init: impl FnOnce(&Startup) -> Result<S, Failure>,
    f: impl FnMut(&mut S, J::Input, &Context<J>) -> Result<J::Output, Failure>,
) -> Result<Ending, WorkerError> {
    let identity = Identity::of_job::<J>();
    match template::grow(opening, &identity, init)? {
        Grown::Ended(ending) => Ok(ending),
        Grown::Worker(state, opening) => {
            let session = spawned::join(*opening, &identity)?;
            attend(session, |session| answer::<J, S>(session, Introduction::WithReady, |_| Ok(state), f))
        }
    }
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
