//! Why the pool refuses a job, or ends it as it does. Each answer has a reason that the submitter
//! could check.

use procpool_scheduler::{Event, JobId, Limit, Refusal, Verdict};

use crate::broken::Broken;
use crate::ledger::holds;
use crate::processes::Process;
use crate::run::Run;

/// A frame that kills its reader passes through this number of workers, and one more.
const MAX_RETURNS: u32 = 8;

impl Run {
    pub(crate) fn refuse(&mut self, job: JobId, reason: Refusal) -> Result<(), Broken> {
        self.check_refusal(job, reason)?;
        self.coverage.met("refused");
        match reason {
            Refusal::BreakerOpen { .. } => self.coverage.met("refused by the breaker"),
            Refusal::DuplicateId => self.coverage.met("duplicate ids"),
            Refusal::QueueBytesFull { .. } => self.coverage.met("refused for its bytes"),
            Refusal::Client { .. } => self.coverage.met("refused for its client"),
            Refusal::Closed => self.coverage.met("refused by order"),
            Refusal::Unreachable { .. } => self.coverage.met("refused for its deadline"),
            Refusal::QueueFull | Refusal::ShuttingDown => {}
        }
        if reason == Refusal::DuplicateId { Ok(()) } else { self.ledger.refuse(job) }
    }

    fn check_refusal(&mut self, job: JobId, reason: Refusal) -> Result<(), Broken> {
        let ((queued, queued_bytes), queue) = (self.before.in_line(), self.plan.config.queue);
        let is_suspect = self.has_killed(job)?;
        let serving = self.processes.ready();
        let idle = if self.is_held { 0 } else { self.processes.count(Process::is_idle) };
        let (is_true, promise) = match reason {
            Refusal::QueueFull if queued >= queue + idle => (true, "refusals_tell_the_truth"),
            Refusal::QueueFull => {
                self.coverage.met("refused as a suspect");
                (is_suspect && self.before.apart >= queue.max(1), "refusals_tell_the_truth")
            }
            Refusal::QueueBytesFull { waiting } => {
                let is_too_much = waiting + self.ledger.get(job)?.terms.bytes > self.plan.config.queue_bytes;
                let is_told = queued > 0 && waiting == queued_bytes;
                let is_told_aside = is_suspect && self.before.apart > 0 && waiting == self.before.apart_bytes;
                (is_too_much && (is_told || is_told_aside), "refusals_tell_the_truth")
            }
            Refusal::BreakerOpen { retry } => {
                let is_bounded = retry <= self.plan.config.backoff.max;
                (self.before.is_open && serving == 0 && is_bounded, "the_breaker_closes")
            }
            Refusal::Client { deaths, retry } => {
                (self.shunned(job)? == Some((deaths, retry)), "clients_that_kill_are_refused")
            }
            Refusal::Unreachable { predicted, .. } => {
                let timeout = self.ledger.get(job)?.terms.timeout;
                let is_late = timeout.is_some_and(|timeout| timeout < predicted);
                (is_late && idle == 0 && self.plan.config.admission, "refusals_tell_the_truth")
            }
            Refusal::Closed => (self.is_closed, "refusals_tell_the_truth"),
            Refusal::ShuttingDown => (self.is_ending, "refusals_tell_the_truth"),
            Refusal::DuplicateId => (self.again.take() == Some(job), "refusals_tell_the_truth"),
        };
        holds(is_true, promise, || {
            format!("job {job} is refused as {reason:?}: {queued} wait, {serving} serve, {idle} are idle")
        })
    }

    /// Returns whether the job's payload is known, and has killed a worker.
    fn has_killed(&mut self, job: JobId) -> Result<bool, Broken> {
        let (now, memory) = (self.now, self.plan.config.poison.memory);
        let entry = self.ledger.get(job)?;
        let strikes = self.strikes.get(&entry.payload).filter(|it| now < it.last + memory);
        Ok(entry.is_known && strikes.is_some())
    }

    /// Checks a job that the pool accepted.
    pub(crate) fn check_accepted(&mut self, job: JobId) -> Result<(), Broken> {
        holds(!self.is_ending, "nothing_after_shutdown", || format!("job {job} is accepted"))?;
        holds(!self.is_closed, "a_closed_pool_takes_no_job", || format!("job {job} is accepted"))?;
        self.check_client(job)?;
        let ((queued, waiting), more) = (self.before.in_line(), self.ledger.get(job)?.terms.bytes);
        let has_bytes = queued == 0 || waiting + more <= self.plan.config.queue_bytes;
        holds(has_bytes, "the_queue_is_bounded", || {
            format!("job {job} of {more} bytes waits with {waiting}")
        })?;
        let has_hope = !self.before.is_open || self.before.pause.is_none() || self.processes.ready() > 0;
        holds(has_hope, "the_breaker_refuses", || {
            format!("job {job} is to wait for a worker that is not tried")
        })
    }

    pub(crate) fn check_verdict(&mut self, job: JobId, verdict: Verdict) -> Result<(), Broken> {
        let is_true = self.is_true(job, verdict)?;
        holds(is_true, "verdicts_tell_the_truth", || format!("job {job} ends as {verdict:?}"))
    }

    fn is_true(&mut self, job: JobId, verdict: Verdict) -> Result<bool, Broken> {
        let (now, poison) = (self.now, self.plan.config.poison);
        let is_over = self.limit.is_some_and(|limit| limit <= now);
        let shunned = self.shunned(job)?;
        let entry = self.ledger.get(job)?;
        let strikes = self.strikes.get(&entry.payload).filter(|strikes| now < strikes.last + poison.memory);
        let died_with = self.obituary.and_then(|it| it.job) == Some(job) || self.also_lost.contains(&job);
        Ok(match verdict {
            Verdict::Finished => matches!(self.cause, Event::Done { job: it, .. } if it == job),
            Verdict::Crashed { handed_over: true, payload_deaths, quarantined } => {
                let is_condemned = strikes.filter(|strikes| strikes.are_enough(poison) && entry.is_known);
                let left = is_condemned.map(|strikes| (strikes.last + poison.memory).since(now));
                let is_spent =
                    entry.runs >= entry.allowed || entry.is_hopeless || shunned.is_some() || left.is_some();
                let known = strikes.map_or(0, |strikes| strikes.deaths);
                // The payloads of jobs that were lost along with another one are not reported.
                let is_told =
                    payload_deaths == known || (payload_deaths == 0 && self.also_lost.contains(&job));
                died_with && is_spent && is_told && quarantined == left
            }
            Verdict::Crashed { handed_over: false, .. } => died_with && entry.returns > MAX_RETURNS,
            Verdict::Poisoned { payload_deaths, remaining, .. } => strikes.is_some_and(|strikes| {
                let is_enough = strikes.are_enough(poison) && entry.is_known;
                let left = (strikes.last + poison.memory).since(now);
                // A job that a worker had begun when it died has crashed.
                let had_begun = matches!(self.cause, Event::Died { begun, .. } if begun > 0);
                !(died_with && had_begun)
                    && is_enough
                    && payload_deaths == strikes.deaths
                    && remaining == left
            }),
            Verdict::GivenBack { client_deaths, retry } => {
                entry.runs == 0 && !entry.is_running && shunned == Some((client_deaths, retry))
            }
            Verdict::Unreachable { predicted, .. } => {
                let is_late = entry.deadline.is_some_and(|end| now < end && end < now + predicted);
                is_late && entry.runs == 0 && !entry.is_running
            }
            Verdict::Protocol => matches!(self.cause, Event::Violated { .. }) && entry.is_running,
            Verdict::TimedOut { limit: Limit::Total, .. } => entry.deadline.is_some_and(|end| end <= now),
            Verdict::TimedOut { limit: Limit::Run, .. } => {
                let run_timeout = entry.terms.run_timeout.filter(|_| entry.is_running);
                run_timeout.is_some_and(|run_timeout| entry.assigned_at + run_timeout <= now)
            }
            Verdict::Cancelled { .. } => self.cause == (Event::Cancel { job }),
            Verdict::ShutDown { .. } => is_over,
        })
    }
}
