//! Whose doing a death was, by what is known of it. Refuses to know whether the pool had asked for it: the scheduler does.

use procpool_protocol::{ExitReport, LimitHit};
use procpool_scheduler::Death;

const SIGKILL: i32 = 9;

/// No process sends SIGKILL to itself by accident, so one that it died of was somebody else's: an operator's, or the
/// kernel's, which is short of memory and picks whom it likes. Unless it was ours: if nobody had asked for it, the worker
/// gave reason for it. A limit that was hit is its own doing however it ended.
pub(crate) fn of(report: &ExitReport, was_killed: bool) -> Death {
    match (report.limit, report.exit.signal()) {
        (Some(LimitHit::Memory { .. }), _) => Death::OutOfMemory,
        (None, Some(SIGKILL)) if !was_killed => Death::Killed,
        _ => Death::Own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::Exit;

    fn blame(exit: Exit, limit: Option<LimitHit>) -> Death {
        let mut report = ExitReport::new("fib-0", 1, exit);
        report.limit = limit;
        of(&report, false)
    }

    #[test]
    fn only_a_sigkill_without_a_limit_is_somebody_elses() {
        let signal = |number| Exit::Signal { number, core_dumped: false };
        let memory = Some(LimitHit::Memory { limit: 1 });
        let cpu = Some(LimitHit::Cpu { limit: std::time::Duration::from_secs(1) });
        assert_eq!(blame(signal(9), None), Death::Killed);
        assert_eq!(blame(signal(9), memory), Death::OutOfMemory);
        assert_eq!(blame(signal(9), cpu), Death::Own);
        assert_eq!(blame(signal(11), None), Death::Own);
        assert_eq!(blame(Exit::Code(0), None), Death::Own);
    }

    #[test]
    fn a_sigkill_of_ours_that_nobody_asked_for_had_its_reason() {
        let report = ExitReport::new("fib-0", 1, Exit::Signal { number: SIGKILL, core_dumped: false });
        assert_eq!((of(&report, false), of(&report, true)), (Death::Killed, Death::Own));
    }
}
