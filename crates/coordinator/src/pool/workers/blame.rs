//! Decides from a death's report who is to blame for it. Does not: know whether the pool had asked for the
//! death. The scheduler knows.

use procpool_protocol::{ExitReport, LimitHit};
use procpool_scheduler::Death;

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// Decides who is to blame for a worker's death. No process sends itself the signals by which people and
/// programs end others, so one that it died of was somebody else's: an operator's, a service manager's, or
/// the kernel's, which is short of memory and picks any process. If the pool sent SIGKILL and nobody had
/// asked for it, the worker gave the reason. A worker that hit a limit is at fault, however it ended.
pub(crate) fn of(report: &ExitReport, was_killed: bool) -> Death {
    match (report.limit, report.exit.signal()) {
        (Some(LimitHit::Memory { .. } | LimitHit::AddressSpace { .. }), _) => Death::OutOfMemory,
        _ if report.oom_killed => Death::OutOfMemory,
        (None, Some(SIGKILL)) if report.hung_up => Death::HungUp,
        (None, Some(SIGKILL)) if was_killed => Death::Own,
        (None, Some(SIGHUP | SIGINT | SIGQUIT | SIGKILL | SIGTERM)) => Death::Killed,
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
    fn a_signal_that_ends_programs_is_somebody_elses_where_no_limit_was_hit() {
        let signal = |number| Exit::by_signal(number, false);
        let memory = Some(LimitHit::address_space(1));
        let cpu = Some(LimitHit::cpu(std::time::Duration::from_secs(1)));
        for number in [1, 2, 3, 9, 15] {
            assert_eq!(blame(signal(number), None), Death::Killed, "{number}");
        }
        assert_eq!(blame(signal(9), memory), Death::OutOfMemory);
        assert_eq!(blame(signal(9), cpu), Death::Own);
        for number in (1..32).filter(|number| ![1, 2, 3, 9, 15].contains(number)) {
            assert_eq!(blame(signal(number), None), Death::Own, "{number}");
        }
        assert_eq!(blame(Exit::Code(0), None), Death::Own);
    }

    #[test]
    fn what_the_kernel_killed_for_its_memory_is_the_jobs_doing() {
        let mut report = ExitReport::new("fib-0", 1, Exit::by_signal(SIGKILL, false));
        report.oom_killed = true;
        assert_eq!(of(&report, false), Death::OutOfMemory);
    }

    #[test]
    fn a_sigkill_of_ours_that_nobody_asked_for_had_its_reason() {
        let report = ExitReport::new("fib-0", 1, Exit::by_signal(SIGKILL, false));
        assert_eq!((of(&report, false), of(&report, true)), (Death::Killed, Death::Own));
    }

    #[test]
    fn a_worker_that_hung_up_and_lived_on_is_to_blame_for_its_kill() {
        let mut report = ExitReport::new("fib-0", 1, Exit::by_signal(SIGKILL, false));
        report.hung_up = true;
        assert_eq!(of(&report, true), Death::HungUp);
        report.limit = Some(LimitHit::address_space(1));
        assert_eq!(of(&report, true), Death::OutOfMemory);
    }
}
