//! The signals that ask this process for something. What stopping or reloading means is for whoever waits for them.

use crate::error::Error;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM, caught from the moment this exists, and SIGHUP where there is something to reload.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<Signal>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// To end.
    Stop(Stop),
    /// SIGHUP: to use the worker executables of now.
    Reload,
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
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hang_up: None,
        })
    }

    /// Catches SIGHUP, too, unless whoever started this process had it ignored: a handler would undo `nohup`.
    pub(crate) fn and_reload(mut self) -> Result<Self, Error> {
        if !is_ignored(SignalKind::hangup()) {
            self.hang_up = Some(signal(SignalKind::hangup()).map_err(Error::Signals)?);
        }
        Ok(self)
    }

    /// The next one. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Order {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(()) = self.interrupt.recv() => Order::Stop(Stop::Interrupt),
            Some(()) = self.terminate.recv() => Order::Stop(Stop::Terminate),
            Some(()) = hang_up => Order::Reload,
            // No stream ends as long as the runtime is there.
            else => std::future::pending().await,
        }
    }

    /// The next one that asks to stop, for those who have nothing to reload. Safe to drop and call again.
    pub(crate) async fn stop(&mut self) -> Stop {
        loop {
            if let Order::Stop(stop) = self.next().await {
                return stop;
            }
        }
    }
}

/// Whether whoever started this process had the signal ignored.
fn is_ignored(signal: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal.as_raw_value() - 1)) != 0)
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
