//! The signals that ask this process to stop. What stopping means is for whoever waits for them.

use crate::error::Error;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM, caught from the moment this exists.
///
/// SIGHUP is left alone: a handler would undo `nohup`.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// A request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGINT, most often Ctrl-C.
    Interrupt,
    /// SIGTERM, most often from a service manager.
    Terminate,
}

impl Signals {
    /// Catches them; has to be called on the runtime.
    pub(crate) fn catch() -> Result<Self, Error> {
        let catch = |kind| signal(kind).map_err(Error::Signals);
        // Whoever started this process may have had it ignored, and then the kernel would throw the exit
        // status of every worker away. A handler, once there, stays.
        drop(catch(SignalKind::child())?);
        Ok(Self { interrupt: catch(SignalKind::interrupt())?, terminate: catch(SignalKind::terminate())? })
    }

    /// The next one. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Stop {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Stop::Interrupt,
            Some(()) = self.terminate.recv() => Stop::Terminate,
            // Neither stream ends as long as the runtime is there.
            else => std::future::pending().await,
        }
    }
}

impl Stop {
    /// 128 and the signal's number, as shells report a process that a signal ended.
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::Interrupt => ExitCode::from(130),
            Self::Terminate => ExitCode::from(143),
        }
    }
}
