//! How many bytes an input, a result or a chunk counts.

use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::Finished;
use procpool_protocol::stack::Stack;
use procpool_protocol::{JobError, Payload};

/// Number of bytes of a result besides its payload or its texts, with its place in the indexes.
const RESULT: u64 = 320;

/// Number of bytes of an input besides its payload.
const INPUT: u64 = 384;

/// Returns the number of bytes of a payload.
pub(crate) fn of_payload(payload: &Payload) -> u64 {
    let rest = payload.rest().map_or(&[][..], |rest| &rest[..]);
    (payload.bytes.len() + rest.len()) as u64
}

/// Returns the number of bytes of a held input.
pub(crate) fn of_input(input: &Submission) -> u64 {
    INPUT + of_payload(&input.input) + input.pool.len() as u64
}

/// Returns the number of bytes of a held result.
pub(crate) fn of_result(finished: &Finished) -> u64 {
    let result = match &finished.result {
        Ok(output) => of_payload(output),
        Err(error) => of_error(error),
    };
    let report = finished.report.as_deref();
    let answers = report.and_then(|report| report.answers.as_ref()).map_or(0, of_payload);
    let report = report.map_or(0, |report| size_of_val(report) as u64);
    RESULT + result + report + answers
}

/// Returns the number of bytes of an error, by its texts. A report of a crash also has the last
/// lines of the worker.
fn of_error(error: &JobError) -> u64 {
    let lines = error.crash_report().map_or(&[][..], |report| &report.death.stderr);
    let lines: usize = lines.iter().map(|line| line.len() + size_of_val(line)).sum();
    let stack = error.stack().map_or(0, Stack::size);
    (size_of_val(error) + error.to_string().len() + lines + stack) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::outcome::Timing;
    use procpool_protocol::stack::{StackFrame, ThreadStack};
    use procpool_protocol::{CrashReport, Exit, ExitReport, JobId, Stage};
    use std::sync::Arc;

    fn of(result: Result<Payload, Box<JobError>>) -> u64 {
        of_result(&Finished::new(JobId::from_bits(1), Timing::default(), result))
    }

    #[test]
    fn a_result_counts_its_output() {
        let empty = of(Ok(Payload::none()));
        assert_eq!(of(Ok(Payload::raw(vec![0; 1000]))), empty + 1000);
        assert_eq!(of(Ok(Payload::raw(vec![0; 1000]).with_rest(vec![0; 10]))), empty + 1010);
    }

    #[test]
    fn an_error_counts_its_texts() {
        let error = |text: &str| of(Err(Box::new(JobError::bad_input(text))));
        assert!(error(&"x".repeat(1000)) >= error("") + 1000);

        let crash = |lines: usize| {
            let mut death = ExitReport::new("fib-1", 7, Exit::Code(1));
            death.stderr = vec!["x".repeat(100); lines];
            let report = CrashReport::new(JobId::from_bits(1), Stage::Running, death);
            of(Err(Box::new(JobError::Crashed(Box::new(report)))))
        };
        assert!(crash(20) >= crash(0) + 2000);
    }

    #[test]
    fn an_error_counts_its_stack() {
        let mut error = JobError::timed_out(Stage::Running, std::time::Duration::from_secs(1));
        let without = of(Err(Box::new(error.clone())));
        let mut frame = StackFrame::new(None, 7);
        frame.function = Some("x".repeat(1000));
        error.seen_with(Arc::new(Stack::new(vec![ThreadStack::new(7, "fib", vec![frame; 10])])));
        assert!(of(Err(Box::new(error))) >= without + 10_000);
    }
}
