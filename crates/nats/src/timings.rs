//! [`Timings`]: the times of leases and retries, which have to fit together.

use std::time::Duration;

/// The times of leases and retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// Time between two renewals of a lease. 5 s.
    pub renew: Duration,
    /// Time without a confirmed renewal after which a node kills its job. 10 s.
    pub fence: Duration,
    /// Time without a renewal after which the server hands the job to another node. 15 s.
    pub lease: Duration,
    /// Time for which a node waits for an answer about a claim. 300 ms.
    pub ask: Duration,
    /// Time after which a job is handed out again that its node gave back. 1 s.
    pub returned: Duration,
    /// Time between two tries after an error. 50 ms, and twice as much with each try, up to 1 s.
    pub pause: Duration,
    /// Time for which a node offers an outcome that the server does not take. 10 min.
    pub offer: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            renew: Duration::from_secs(5),
            fence: Duration::from_secs(10),
            lease: Duration::from_secs(15),
            ask: Duration::from_millis(300),
            returned: Duration::from_secs(1),
            pause: Duration::from_millis(50),
            offer: Duration::from_secs(600),
        }
    }
}

/// Times do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "renew ({renew:?}) has to be shorter than fence ({fence:?}), and fence shorter than lease ({lease:?}): a job is renewed, or killed, before another node gets it"
)]
#[non_exhaustive]
pub struct UnfitTimings {
    /// Time between two renewals.
    pub renew: Duration,
    /// Time to the kill.
    pub fence: Duration,
    /// Time to another node.
    pub lease: Duration,
}

impl Timings {
    /// Checks that a node kills its job before another node gets it.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self) -> Result<(), UnfitTimings> {
        let &Self { renew, fence, lease, .. } = self;
        match !renew.is_zero() && renew < fence && fence < lease {
            true => Ok(()),
            false => Err(UnfitTimings { renew, fence, lease }),
        }
    }

    /// Returns the pause before the next try.
    #[must_use]
    pub fn pause_after(&self, tries: u32) -> Duration {
        (self.pause * (1 << tries.min(10))).min(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kill_comes_before_another_node() {
        assert_eq!(Timings::default().check(), Ok(()));
        let unfit = Timings { fence: Duration::from_secs(15), ..Timings::default() };
        assert!(unfit.check().unwrap_err().to_string().contains("15s"));
        assert!(Timings { renew: Duration::ZERO, ..Timings::default() }.check().is_err());
    }
}
