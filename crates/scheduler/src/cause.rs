//! Why workers are gone, and the number of workers for each cause. Does not: decide which workers
//! go.

/// Why a worker is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It ended by itself: it exited, aborted or faulted.
    Crashed,
    /// It closed its connection and lived on, so that it was killed.
    HungUp,
    /// It reached its memory limit, or the system ran out of memory.
    OutOfMemory,
    /// Another process killed it.
    Killed,
    /// It never became ready.
    Start,
    /// The pool killed it because it broke the protocol.
    Protocol,
    /// It did not give up its cancelled job within the grace.
    Cancelled,
    /// It did not give up its job within the grace after a timeout.
    TimedOut,
    /// Its job panicked.
    Panicked,
    /// It was stopped from outside and had begun no job.
    Stopped,
    /// It reached its maximum number of jobs, lifetime or growth, or each worker runs only one job.
    Recycled,
    /// A newer generation of its executable is in service.
    Reloaded,
    /// It was idle beyond the idle timeout, or the pool became smaller.
    Idle,
    /// The pool shut down.
    ShutDown,
    /// An operator killed or retired it.
    Ordered,
}

impl Cause {
    /// All causes, in the order of their declaration.
    pub const ALL: [Self; 15] = [
        Self::Crashed,
        Self::HungUp,
        Self::OutOfMemory,
        Self::Killed,
        Self::Start,
        Self::Protocol,
        Self::Cancelled,
        Self::TimedOut,
        Self::Panicked,
        Self::Stopped,
        Self::Recycled,
        Self::Reloaded,
        Self::Idle,
        Self::ShutDown,
        Self::Ordered,
    ];

    /// Returns the machine-readable name of the cause.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crashed => "crashed",
            Self::HungUp => "hung_up",
            Self::OutOfMemory => "out_of_memory",
            Self::Killed => "killed",
            Self::Start => "start",
            Self::Protocol => "protocol",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::Stopped => "stopped",
            Self::Recycled => "recycled",
            Self::Reloaded => "reloaded",
            Self::Idle => "idle",
            Self::ShutDown => "shut_down",
            Self::Ordered => "ordered",
        }
    }

    /// Returns whether the pool itself has decided that the worker goes: it killed it or asked it to exit. A worker
    /// that hung up was as good as dead.
    #[must_use]
    pub const fn is_the_pools(self) -> bool {
        !matches!(self, Self::Crashed | Self::HungUp | Self::OutOfMemory | Self::Killed | Self::Start)
    }
}

/// Number of workers gone, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deaths([u64; Cause::ALL.len()]);

impl Deaths {
    pub(crate) const fn count(&mut self, cause: Cause) {
        self.0[cause as usize] += 1;
    }

    pub(crate) const fn of(&self, cause: Cause) -> u64 {
        self.0[cause as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_counted_apart_and_has_a_name_of_its_own() {
        let mut deaths = Deaths::default();
        for (times, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, times);
            (0..times).for_each(|_| deaths.count(cause));
        }
        for (times, cause) in (0..).zip(Cause::ALL) {
            assert_eq!(deaths.of(cause), times);
            assert_eq!(Cause::ALL.iter().filter(|other| other.name() == cause.name()).count(), 1);
        }
    }
}
