//! How far the look at a worker has come whose job's time is up, and what that means for the kill of the worker and
//! for the outcome of the job. No I/O, no clock.

/// How far a look has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It waits for a place among those that are taken.
    Queued,
    /// The worker is stopped about now, and its stack is copied.
    Taking,
    /// The stack is copied, and is that of the job. It is unwound and named.
    Taken,
    /// There is nothing to wait for any longer.
    Over,
}

/// When to kill a worker that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kill {
    /// At once.
    Now,
    /// At once, and there will be no stack.
    Unseen,
    /// As soon as the stack is copied, or the time for that is up.
    AfterLook,
}

impl Phase {
    /// Begins to copy the stack. Returns `false` if nobody needs it any longer.
    pub(super) fn begin(&mut self) -> bool {
        let begins = *self == Self::Queued;
        if begins {
            *self = Self::Taking;
        }
        begins
    }

    /// Ends the copying. Returns whether the stack counts, which it does only if it `is_of_the_job`.
    pub(super) fn end(&mut self, is_of_the_job: bool) -> bool {
        let counts = *self == Self::Taking && is_of_the_job;
        *self = if counts { Self::Taken } else { Self::Over };
        counts
    }

    /// Takes in that the worker no longer runs the job: it has given the job up, or has died. Returns whether the
    /// outcome leaves now, without a stack. A stack that is copied tells where the job was, whatever happened
    /// afterwards, and the outcome waits for its names.
    pub(super) fn leave(&mut self) -> bool {
        let leaves = matches!(self, Self::Queued | Self::Taking);
        if leaves {
            *self = Self::Over;
        }
        leaves
    }

    /// Returns when to kill the worker.
    pub(super) fn kill(&mut self) -> Kill {
        match self {
            Self::Queued => {
                *self = Self::Over;
                Kill::Unseen
            }
            Self::Taking => Kill::AfterLook,
            Self::Taken | Self::Over => Kill::Now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the phase after these steps, whatever they answered.
    fn after(steps: &[fn(&mut Phase)]) -> Phase {
        steps.iter().fold(Phase::Queued, |mut phase, step| {
            step(&mut phase);
            phase
        })
    }

    fn begin(phase: &mut Phase) {
        phase.begin();
    }

    fn end(phase: &mut Phase) {
        phase.end(true);
    }

    fn leave(phase: &mut Phase) {
        phase.leave();
    }

    #[test]
    fn a_kill_waits_only_while_the_stack_is_copied() {
        assert_eq!(after(&[]).kill(), Kill::Unseen);
        assert_eq!(after(&[begin]).kill(), Kill::AfterLook);
        assert_eq!(after(&[begin, end]).kill(), Kill::Now);
        assert_eq!(after(&[begin, leave]).kill(), Kill::Now);
        let mut queued = Phase::Queued;
        queued.kill();
        assert!(!queued.begin(), "a killed worker is not looked at");
        assert_eq!(queued.kill(), Kill::Now, "it has its note already");
    }

    #[test]
    fn a_job_that_is_given_up_keeps_the_stack_that_was_copied_before() {
        assert!(after(&[]).leave() && after(&[begin]).leave(), "its outcome does not wait for a look");
        assert!(!after(&[begin, end]).leave(), "its outcome waits for the names");
        assert_eq!(after(&[begin, end, leave]), Phase::Taken);
        assert!(!after(&[leave]).leave(), "it leaves once");
    }

    #[test]
    fn a_stack_counts_only_if_the_job_still_ran_when_it_was_copied() {
        let mut of_the_next_job = after(&[begin]);
        assert!(!of_the_next_job.end(false));
        assert_eq!(of_the_next_job, Phase::Over);
        let mut given_up_meanwhile = after(&[begin, leave]);
        assert!(!given_up_meanwhile.end(true));
        assert!(!after(&[leave]).begin(), "nothing is copied that nobody needs");
    }
}
