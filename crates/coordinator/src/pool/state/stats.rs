//! The counters of a pool, in constant memory.

use procpool_protocol::engine::{Distribution, Latency, PayloadBytes, PoolFigures, Reloads};
use procpool_protocol::extras::JobReport;
use procpool_protocol::outcome::{JobError, Outcome, OutcomeKind, Refusal, Timing};
use procpool_scheduler::ReloadEnd;
use std::collections::BTreeMap;

/// Counters and distributions since the pool's start.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    ok: u64,
    refused: u64,
    /// Those of the refused that had been accepted before.
    given_back: u64,
    refusals: BTreeMap<&'static str, u64>,
    errors: BTreeMap<OutcomeKind, u64>,
    wait: Distribution,
    run: Distribution,
    /// Time that workers took to get ready.
    pub(crate) start: Distribution,
    pub(crate) reloads: Reloads,
    pub(crate) payloads: PayloadBytes,
    /// Highest peak of resident memory that a job's report tells, in bytes.
    peak_resident: u64,
}

impl Stats {
    /// Counts a job that was not accepted, for this reason.
    pub(crate) fn refused(&mut self, reason: &Refusal) {
        self.refused += 1;
        *self.refusals.entry(reason.name()).or_default() += 1;
    }

    /// Counts the outcome of an accepted job, which a worker may have begun. One that is given back is as if it had been refused.
    pub(crate) fn finished(&mut self, timing: Timing, has_begun: bool, result: &Outcome) {
        if let Err(error) = result
            && let JobError::Refused(refused) = &**error
        {
            self.given_back += 1;
            return self.refused(&refused.reason);
        }
        self.wait.record(timing.wait);
        if has_begun {
            self.run.record(timing.run);
        }
        match result {
            Ok(_) => self.ok += 1,
            Err(error) => *self.errors.entry(error.kind()).or_default() += 1,
        }
    }

    /// Takes in the report of a job that was asked for its usage.
    pub(crate) fn reported(&mut self, report: &JobReport) {
        self.peak_resident = self.peak_resident.max(report.peak_memory.unwrap_or_default());
    }

    /// Counts the end of a reload.
    pub(crate) fn reloaded(&mut self, end: ReloadEnd) {
        match end {
            ReloadEnd::Done => self.reloads.done += 1,
            ReloadEnd::CanaryDied => self.reloads.failed += 1,
            ReloadEnd::Superseded => self.reloads.superseded += 1,
            ReloadEnd::ShutDown => {}
        }
    }

    /// Becomes a copy of `other`. Allocates nothing until a job has failed or been refused.
    pub(crate) fn copy(&mut self, other: &Self) {
        let Self {
            ok,
            refused,
            given_back,
            refusals,
            errors,
            wait,
            run,
            start,
            reloads,
            payloads,
            peak_resident,
        } = self;
        (*ok, *refused, *given_back) = (other.ok, other.refused, other.given_back);
        refusals.clone_from(&other.refusals);
        errors.clone_from(&other.errors);
        wait.clone_from(&other.wait);
        run.clone_from(&other.run);
        start.clone_from(&other.start);
        (*reloads, *payloads, *peak_resident) = (other.reloads, other.payloads, other.peak_resident);
    }

    /// Writes what a status does not have.
    pub(crate) fn fill(&self, figures: &mut PoolFigures) {
        figures.wait.clone_from(&self.wait);
        figures.run.clone_from(&self.run);
        figures.start.clone_from(&self.start);
        figures.peak_resident_bytes = self.peak_resident;
        (figures.reloads, figures.payloads) = (self.reloads, self.payloads);
    }

    /// Returns the distributions of the times in the queue and with a worker.
    pub(crate) fn times(&self) -> (Distribution, Distribution) {
        (self.wait.clone(), self.run.clone())
    }

    /// Returns the number of jobs that were refused, and of those that ended without an output.
    pub(crate) fn refused_and_failed(&self) -> (u64, u64) {
        (self.refused, self.errors.values().sum())
    }

    /// Returns the number of jobs so far by outcome, refused jobs among them.
    pub(crate) fn jobs(&self) -> BTreeMap<OutcomeKind, u64> {
        let mut jobs = all(&OutcomeKind::ALL, &self.errors);
        jobs.insert(OutcomeKind::Ok, self.ok);
        jobs.insert(OutcomeKind::Refused, self.refused);
        jobs
    }

    /// Returns the number of finished jobs with and without an output, and of refused ones.
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        (self.ok, self.errors.values().sum(), self.refused)
    }

    /// Returns the number of refused jobs, by reason.
    pub(crate) fn refusals(&self) -> BTreeMap<&'static str, u64> {
        all(&Refusal::OF_POOLS, &self.refusals)
    }

    /// Returns the number of jobs that were accepted, given back later, and counted as refused.
    pub(crate) fn given_back(&self) -> u64 {
        self.given_back
    }

    /// Returns the number of jobs that have their outcome.
    pub(crate) fn outcomes(&self) -> u64 {
        self.ok + self.errors.values().sum::<u64>()
    }

    /// Returns the number of jobs that were ended as shut down.
    pub(crate) fn shut_down(&self) -> u64 {
        self.errors.get(&OutcomeKind::ShutDown).copied().unwrap_or(0)
    }

    pub(crate) fn wait(&self) -> Latency {
        self.wait.latency()
    }

    pub(crate) fn run(&self) -> Latency {
        self.run.latency()
    }
}

/// Returns the counts, with zero for every other name: a figure that appears with its first occurrence has no
/// rate before.
fn all<N: Copy + Ord>(names: &[N], counted: &BTreeMap<N, u64>) -> BTreeMap<N, u64> {
    let mut all: BTreeMap<_, _> = names.iter().map(|&name| (name, 0)).collect();
    all.extend(counted);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::outcome::Refused;
    use procpool_protocol::{Payload, Stage};
    use std::time::Duration;

    #[test]
    fn every_outcome_and_every_refusal_is_listed_before_there_is_one() {
        let mut stats = Stats::default();
        assert!(OutcomeKind::ALL.iter().all(|kind| stats.jobs().get(kind) == Some(&0)));
        assert!(Refusal::OF_POOLS.iter().all(|name| stats.refusals().get(name) == Some(&0)));
        stats.refused(&Refusal::queue_full(1));
        stats.refused(&Refusal::Starting);
        let refusals = stats.refusals();
        assert_eq!(
            (stats.jobs()[&OutcomeKind::Refused], refusals["queue_full"], refusals["starting"]),
            (2, 1, 1)
        );
        assert_eq!(stats.outcomes(), 0);
    }

    #[test]
    fn a_job_that_no_worker_has_begun_was_not_run() {
        let mut stats = Stats::default();
        let timing = Timing::new(Duration::from_secs(3), Duration::ZERO);
        let queued = JobError::cancelled(Stage::Queued);
        stats.finished(timing, false, &Err(queued.into()));
        assert_eq!((stats.wait().count, stats.run().count), (1, 0));
        stats.finished(timing, true, &Ok(Payload::none()));
        assert_eq!((stats.wait().count, stats.run().count), (2, 1));
    }

    #[test]
    fn a_job_that_is_given_back_is_refused_and_has_no_outcome() {
        let (mut stats, timing) = (Stats::default(), Timing::default());
        let given_back = Refused::new("p", Refusal::queue_full(1));
        stats.finished(timing, false, &Err(JobError::from(given_back).into()));
        stats.refused(&Refusal::queue_full(1));
        assert_eq!((stats.jobs()[&OutcomeKind::Refused], stats.outcomes(), stats.given_back()), (2, 0, 1));
        assert_eq!(stats.wait().count, 0);
    }
}
