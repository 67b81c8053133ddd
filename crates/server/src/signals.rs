//! The signals that ask this process for something. Does not: stop or reload. Its callers do.
//!
//! SIGHUP has two senders: a terminal that is closed, and an operator who wants the configuration and the worker executables
//! read again. Which of them it can be is settled at the start: a process with a terminal ends with it.
//!
//! Signals that ask a server for nothing (SIGUSR1 and the like) are logged, as their default action would end it at once.
//! Not among them: SIGQUIT, by which a person ends a program at once, and SIGSYS, by which the kernel ends one whose system
//! call its filter forbids.

use crate::error::Error;
use crate::parent::Parent;
use crate::terminal;
use std::convert::Infallible;
use std::future::poll_fn;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Those that every C library leaves to programs.
const REAL_TIME: RangeInclusive<i32> = 35..=64;

/// SIGINT and SIGTERM, caught from the moment this exists, and SIGHUP where there is something to reload.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<(Signal, Order)>,
    /// Those that ask for nothing, with their names.
    unasked: Vec<(String, Signal)>,
    /// The process with which this one ends, until that has ended.
    parent: Option<Parent>,
}

/// The request of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// To end.
    Stop(Stop),
    /// SIGHUP without a terminal: to use the configuration and the worker executables of now.
    Reload,
}

/// A request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGINT, usually Ctrl-C.
    Interrupt,
    /// SIGTERM, usually from a service manager.
    Terminate,
    /// SIGHUP, from the terminal or the shell that this process was started in.
    HangUp,
    /// No signal: the process that started this one has ended.
    ParentEnded,
}

impl Signals {
    /// Catches them; has to be called on the runtime.
    pub(crate) fn catch() -> Result<Self, Error> {
        let catch = |kind| signal(kind).map_err(Error::Signals);
        // The parent process may have set it to be ignored, and then the kernel would throw away the exit
        // status of every worker. A handler, once there, stays.
        drop(catch(SignalKind::child())?);
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hang_up: None,
            unasked: Vec::new(),
            parent: None,
        })
    }

    /// Catches SIGHUP, too, unless the parent process had it ignored: a handler would undo `nohup`.
    pub(crate) fn and_hang_up(mut self) -> Result<Self, Error> {
        if !is_ignored(SignalKind::hangup()) {
            let order = if terminal::is_there() { Order::Stop(Stop::HangUp) } else { Order::Reload };
            self.hang_up = Some((signal(SignalKind::hangup()).map_err(Error::Signals)?, order));
        }
        Ok(self)
    }

    /// Takes the end of the parent process for a request to stop, too.
    pub(crate) fn and_parents_end(mut self) -> Result<Self, Error> {
        self.parent = Some(Parent::watch().map_err(Error::Parent)?);
        Ok(self)
    }

    /// Catches signals that ask for nothing, too, unless the parent process had them ignored.
    pub(crate) fn and_unasked(mut self) -> Result<Self, Error> {
        use rustix::process::Signal as Name;
        let named = [
            ("SIGUSR1", Name::USR1),
            ("SIGUSR2", Name::USR2),
            ("SIGALRM", Name::ALARM),
            ("SIGVTALRM", Name::VTALARM),
            ("SIGPROF", Name::PROF),
            ("SIGIO", Name::IO),
            ("SIGPWR", Name::POWER),
        ];
        let named = named.map(|(name, signal)| (name.to_owned(), signal.as_raw()));
        let real_time = REAL_TIME.map(|number| (format!("real-time signal {number}"), number));
        for (name, number) in named.into_iter().chain(real_time) {
            let kind = SignalKind::from_raw(number);
            if !is_ignored(kind) {
                self.unasked.push((name, signal(kind).map_err(Error::Signals)?));
            }
        }
        Ok(self)
    }

    /// Returns the next signal that asks for something. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Order {
        let hang_up = async {
            match &mut self.hang_up {
                Some((signal, order)) => signal.recv().await.map(|()| *order),
                None => std::future::pending().await,
            }
        };
        let parent_ended = async {
            match &mut self.parent {
                Some(parent) => parent.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(()) = self.interrupt.recv() => Order::Stop(Stop::Interrupt),
            Some(()) = self.terminate.recv() => Order::Stop(Stop::Terminate),
            Some(order) = hang_up => order,
            () = parent_ended => {
                // It ends once.
                self.parent = None;
                Order::Stop(Stop::ParentEnded)
            }
            never = log_each(&mut self.unasked) => match never {},
            // No stream ends as long as the runtime is there.
            else => std::future::pending().await,
        }
    }

    /// Returns the next signal that asks to stop, for callers that have nothing to reload. Safe to drop and
    /// call again.
    pub(crate) async fn stop(&mut self) -> Stop {
        loop {
            if let Order::Stop(stop) = self.next().await {
                return stop;
            }
        }
    }

    /// Returns the next signal that asks to stop at once. SIGHUP does not: a terminal that closes sends
    /// several, from the kernel and from the shell. Neither does the end of the parent. Safe to drop and call again.
    pub(crate) async fn stop_at_once(&mut self) -> Stop {
        loop {
            match self.stop().await {
                Stop::HangUp | Stop::ParentEnded => {}
                stop => return stop,
            }
        }
    }
}

/// Logs each of the signals that ask for nothing.
async fn log_each(unasked: &mut [(String, Signal)]) -> Infallible {
    poll_fn(|context| {
        for (signal, stream) in &mut *unasked {
            while let Poll::Ready(Some(())) = stream.poll_recv(context) {
                tracing::warn!(
                    signal,
                    "ignored a signal that has no meaning here; SIGTERM drains, SIGHUP reloads"
                );
            }
        }
        Poll::Pending
    })
    .await
}

/// Returns whether the parent process had the signal ignored.
fn is_ignored(signal: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal.as_raw_value() - 1)) != 0)
}

impl Stop {
    /// Returns 128 and the signal's number, as shells report a process that a signal ended.
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::Interrupt => ExitCode::from(130),
            Self::Terminate | Self::ParentEnded => ExitCode::from(143),
            Self::HangUp => ExitCode::from(129),
        }
    }
}
