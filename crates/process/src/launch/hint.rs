//! Hints for a death before a worker was ready, beyond the report of the death. Does not: perform I/O.

use crate::worker_limits::WorkerLimits;
use procpool_protocol::{Exit, ExitReport, size};

/// The exit code of a worker that finds no connections, and so assumes that a person started it.
const BY_HAND: i32 = 2;

/// How a worker was started.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Start<'a> {
    /// The test of the running executable that serves.
    pub(super) test: Option<&'a str>,
    /// Its limits.
    pub(super) limits: WorkerLimits,
}

/// Returns the rest of a sentence that ends with this report.
pub(super) fn of(report: &ExitReport, start: Start<'_>) -> String {
    // Other programs use that exit code, too, but do not name procpool.
    let names_procpool = || report.stderr.iter().any(|line| line.contains("procpool"));
    let mut hint = match (report.exit, start.test) {
        (Exit::Code(BY_HAND), _) if names_procpool() => {
            "; it takes itself to be started by hand: it was built for version 1 of the wire (build it with this \
             procpool's SDK), or a program between closes descriptors 3 and 4 (npx, `subprocess` of Python, `child_process` of \
             Node): name the interpreter and its script in the command, without that program"
                .to_owned()
        }
        (Exit::Code(0), Some(test)) => {
            format!("; no test called `{test}` in this executable calls `serve_if_spawned`")
        }
        (Exit::Code(0), None) => "; it ended without serving: does its `main` call `serve`?".to_owned(),
        _ => String::new(),
    };
    let WorkerLimits { memory_limit, address_space_limit, .. } = start.limits;
    for (key, bytes) in [("memory_limit", memory_limit), ("address_space_limit", address_space_limit)] {
        if let Some(bytes) = bytes {
            hint += &format!("; its {key} was {}: try without, or with more", size(bytes));
        }
    }
    hint
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(exit: Exit, stderr: &str) -> ExitReport {
        let mut report = ExitReport::new("fib-1", 17, exit);
        report.stderr = vec![stderr.into()];
        report
    }

    #[test]
    fn a_worker_of_version_1_is_told_from_other_programs_that_exit_alike() {
        let hint = |code, stderr| of(&report(Exit::Code(code), stderr), Start::default());
        let old = hint(2, "fib: a procpool worker for job `fib`, contract version 1 (procpool-worker 0.1.0)");
        assert!(old.contains("it was built for version 1 of the wire"), "{old}");
        for other in [hint(2, "python3: can't open file 'w.py'"), hint(4, "procpool-worker: refused")] {
            assert_eq!(other, "");
        }
    }

    #[test]
    fn who_ends_well_and_has_not_served_is_asked_whether_it_would() {
        let start = |test| Start { test, ..Start::default() };
        let hint = |exit, test| of(&report(exit, ""), start(test));
        assert!(hint(Exit::Code(0), None).contains("does its `main` call `serve`?"));
        assert!(
            hint(Exit::Code(0), Some("wrker"))
                .contains("no test called `wrker` in this executable calls `serve_if_spawned`")
        );
        assert_eq!(hint(Exit::Code(1), None), "");
    }

    #[test]
    fn a_limit_of_memory_is_always_named() {
        let memory = WorkerLimits { memory_limit: Some(60 << 20), ..WorkerLimits::default() };
        let space = WorkerLimits { address_space_limit: Some(1 << 30), ..WorkerLimits::default() };
        for exit in [Exit::Code(0), Exit::Code(127), Exit::by_signal(11, false)] {
            let hint = |limits| of(&report(exit, ""), Start { limits, ..Start::default() });
            assert!(hint(memory).contains("its memory_limit was 60 MiB: try without"));
            assert!(hint(space).contains("its address_space_limit was 1 GiB"));
        }
    }
}
