//! The data that came with an event, for those who are told of its consequences. Does not: know the
//! consequences.

use procpool_protocol::extras::JobReport;
use procpool_protocol::outcome::Outcome;
use procpool_protocol::{CrashReport, ExitReport, JobError, JobId, Stage};
use procpool_scheduler::JobId as Key;
use std::collections::VecDeque;
use std::time::Duration;

/// The data beyond the event itself, for the callers of the jobs that end by it.
#[derive(Debug, Default)]
pub(crate) struct EventContext {
    /// The outcomes of the jobs that ended by it.
    pub(crate) results: VecDeque<(Key, Told)>,
    pub(crate) death: Option<Box<Death>>,
    pub(crate) violation: Option<String>,
    /// Why a worker did not get ready.
    pub(crate) failed_start: Option<String>,
}

/// A worker's report of a job's end.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) result: Outcome,
    /// The other details of the report.
    pub(crate) report: Option<Box<JobReport>>,
}

/// A worker's death, and the job that it had not answered.
#[derive(Debug)]
pub(crate) struct Death {
    pub(crate) report: ExitReport,
    pub(crate) job: Option<Key>,
    /// Whether that was the first that it had begun.
    pub(crate) is_first: bool,
    /// Whether the worker recorded how it crashed, so that the job's outcome waits for the stack.
    pub(crate) has_record: bool,
}

impl EventContext {
    /// Returns the outcome of a job whose worker has died, with the number of workers that its payload has
    /// killed, and for how long it is in quarantine.
    pub(crate) fn crashed(
        &self,
        key: Key,
        id: JobId,
        stage: Stage,
        (payload_deaths, quarantined): (u32, Option<Duration>),
    ) -> Outcome {
        let death = self.death.as_ref().filter(|death| death.job == Some(key));
        let Some(death) = death else {
            // It went along with another, of which the report is.
            let poisoned =
                quarantined.map(|remaining| JobError::poisoned(stage, payload_deaths, remaining).into());
            return poisoned.map_or_else(|| self.lost(), Err);
        };
        let mut report = CrashReport::new(id, stage, death.report.clone());
        report.first_job = death.is_first;
        (report.payload_deaths, report.quarantined) = (payload_deaths, quarantined);
        Err(JobError::Crashed(Box::new(report)).into())
    }

    /// Returns whether the outcome of this job waits for the stack of the crash.
    pub(crate) fn waits_for_stack(&self, key: Key) -> bool {
        self.death.as_ref().is_some_and(|death| death.has_record && death.job == Some(key))
    }

    /// Returns its worker's report of this job.
    pub(crate) fn take_result(&mut self, key: Key) -> Told {
        // They are asked for in their order, unless one was late.
        let at = self.results.iter().position(|(job, _)| *job == key);
        let told = at.and_then(|at| self.results.remove(at)).map(|(_, told)| told);
        told.unwrap_or_else(|| Told { result: self.lost(), report: None })
    }

    /// Returns the outcome of a job whose worker gave none that can be passed on.
    pub(crate) fn lost(&self) -> Outcome {
        let violation = self.violation.clone().unwrap_or_else(|| "it ended a job without a result".into());
        Err(JobError::protocol(violation).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::Exit;

    #[test]
    fn a_death_ends_the_job_that_the_dead_worker_had_and_no_other() {
        let report = ExitReport::new("fib-0", 1, Exit::Code(0));
        let death = Death { report, job: Some(Key(1)), is_first: true, has_record: false };
        let known = EventContext { death: Some(Box::new(death)), ..EventContext::default() };
        let told = |key, quarantined| {
            let outcome = known.crashed(Key(key), JobId::from_bits(7), Stage::Queued, (3, quarantined));
            outcome.unwrap_err().name()
        };
        let remaining = Some(Duration::from_secs(9));
        assert_eq!((told(1, None), told(1, remaining)), ("crashed", "crashed"));
        assert_eq!((told(2, None), told(2, remaining)), ("protocol_error", "poisoned"));
    }
}
