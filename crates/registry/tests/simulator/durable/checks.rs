//! The promises, checked after each group.

use procpool_registry::{Durable, State};

use super::run::Run;
use crate::broken::{Broken, broken};

impl Run {
    pub(super) fn check(&mut self) -> Result<(), Broken> {
        self.check_the_told()?;
        self.check_the_unknown()?;
        self.check_the_queue()
    }

    /// Checks what clients and workers know against the storage.
    fn check_the_told(&mut self) -> Result<(), Broken> {
        let mut gone = Vec::new();
        for (&id, job) in &mut self.model.jobs {
            let Some(record) = self.registry.job(id) else {
                let Some((_, at, _)) = job.outcome else {
                    return Err(broken("the_told_is_durable", format!("{job:?} is gone")));
                };
                if self.now < at + self.settings.retention.records {
                    return Err(broken("the_told_is_durable", format!("{job:?} is gone early")));
                }
                gone.push(id);
                continue;
            };
            if let Some((outcome, ..)) = job.outcome
                && record.state != State::Finished(outcome)
            {
                return Err(broken("the_told_is_durable", format!("{record:?} is {outcome:?}")));
            }
            if job.outcome.is_some() && record.attempt != job.record.attempt && job.record.state.is_finished()
            {
                return Err(broken("the_told_is_durable", format!("{record:?} after {job:?}")));
            }
            let is_older = record.version < job.record.version;
            if is_older || record.version == job.record.version && record.state != job.record.state {
                return Err(broken("versions_grow", format!("{record:?} after {:?}", job.record)));
            }
            if !job.may_repeat && job.starts > 1 {
                return Err(broken("jobs_run_at_most_once", format!("{job:?}")));
            }
            let is_unrun = record.state.is_finished() && !record.may_have_run;
            if is_unrun && job.has_begun {
                return Err(broken("the_unrun_has_not_run", format!("{record:?} after {job:?}")));
            }
            // A job that ends while a worker may have begun it counts an attempt that nobody has reported.
            let is_doubted = job.may_repeat && record.state.is_finished() && record.attempt == job.starts + 1;
            if record.attempt != job.starts && !is_doubted {
                return Err(broken(
                    "attempts_are_starts",
                    format!("{record:?} has had {} starts", job.starts),
                ));
            }
            if record.version > job.record.version {
                job.older = Some(std::mem::replace(&mut job.record, record));
            }
        }
        for id in gone {
            self.model.jobs.remove(&id);
        }
        Ok(())
    }

    /// Checks that there is nothing of which nobody was told.
    fn check_the_unknown(&self) -> Result<(), Broken> {
        match self.records().iter().find(|record| !self.model.jobs.contains_key(&record.id)) {
            Some(record) => Err(broken("the_undone_has_not_happened", format!("{record:?}"))),
            None => Ok(()),
        }
    }

    /// Checks that every unfinished job is in one place of the queue, in order.
    fn check_the_queue(&self) -> Result<(), Broken> {
        let mut queued = 0;
        for pool in self.store.busy_pools() {
            let waiting = self.store.waiting(&pool, None, 10_000);
            let order: Vec<_> = waiting.iter().map(|record| (record.priority, record.seq)).collect();
            if !order.is_sorted() || waiting.iter().any(|record| record.due.is_some() || record.pool != pool)
            {
                return Err(broken("the_queue_is_in_order", format!("{waiting:?}")));
            }
            queued += waiting.len();
        }
        queued += self.store.running(0, 10_000).len();
        queued += self.store.due(procpool_registry::Time::from_nanos(u64::MAX), 10_000).len();
        let unfinished = self.records().iter().filter(|record| !record.state.is_finished()).count();
        if queued == unfinished {
            return Ok(());
        }
        Err(broken("every_job_waits_somewhere", format!("{queued} of {unfinished}")))
    }
}
