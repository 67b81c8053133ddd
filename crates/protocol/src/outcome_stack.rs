//! The stack in a job's error: what its worker did at the deadline, or when it crashed.

use crate::outcome::JobError;
use crate::stack::Stack;
use std::sync::Arc;

impl JobError {
    /// Returns what the worker did when the time of the job was up, or when it crashed, if that is known.
    ///
    /// ```
    /// # use procpool_protocol::JobError;
    /// fn innermost(error: &JobError) -> Option<String> {
    ///     Some(error.stack()?.frames().first()?.to_string())
    /// }
    /// ```
    pub fn stack(&self) -> Option<&Stack> {
        match self {
            Self::TimedOut { stack, .. } => stack.as_deref(),
            other => other.crash_report()?.death.stack.as_deref(),
        }
    }

    /// Records what the worker did. Does nothing for an outcome without a death.
    pub fn seen_with(&mut self, seen: Arc<Stack>) {
        match self {
            Self::TimedOut { stack, .. } => *stack = Some(seen),
            Self::Crashed(report) => report.death.stack = Some(seen),
            _ => {}
        }
    }
}

/// Returns the part of a sentence that says where the worker was, if anything tells.
pub(crate) fn was_in(stack: Option<&Stack>) -> String {
    let call = stack.and_then(|stack| stack.telling_frames().iter().find(|frame| frame.function.is_some()));
    call.map_or_else(String::new, |call| format!("; it was in {call}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stage;
    use crate::stack::{StackFrame, ThreadStack};
    use std::time::Duration;

    fn timed_out_in(frames: Vec<StackFrame>) -> JobError {
        let mut error = JobError::timed_out(Stage::Running, Duration::from_secs(1));
        assert!(error.stack().is_none());
        error.seen_with(Arc::new(Stack::new(vec![ThreadStack::new(7, "fib", frames)])));
        error
    }

    #[test]
    fn a_job_whose_time_was_up_says_where_it_was() {
        let mut spin = StackFrame::new(Some("fib".into()), 0x12);
        spin.function = Some("fib::spin_forever".into());
        let error = timed_out_in(vec![StackFrame::new(None, 7), spin]);
        assert_eq!(error.stack().map(|stack| stack.frames().len()), Some(2));
        assert!(error.to_string().ends_with("; it was in fib::spin_forever"), "{error}");
        let error = timed_out_in(vec![StackFrame::new(None, 7)]);
        assert!(!error.to_string().contains("it was in"), "{error}");
    }

    #[test]
    fn a_job_that_had_no_worker_has_no_stack() {
        let mut error = JobError::cancelled(Stage::Queued);
        error.seen_with(Arc::default());
        assert!(error.stack().is_none());
    }
}
