//! Batches among the jobs: only workers that take them are given any.

use super::State;
use super::open_job::{NewJob, OpenJob};
use procpool_protocol::Payload;
use procpool_protocol::extras::{Extra, of_job};
use procpool_scheduler::WorkerId;

impl State {
    /// Returns whether a batch that is submitted now will find a worker that takes it: all workers that serve
    /// take batches. While none serves, the last one of the generation in service counts. `None`: none has ever
    /// served.
    pub(crate) fn takes_batches(&self) -> Option<bool> {
        let mut serving = self.slots.values().filter(|slot| slot.lines.is_some()).peekable();
        match serving.peek() {
            Some(_) => Some(serving.all(|slot| slot.takes_batches)),
            None => self.makes.takes_batches(self.scheduler.generation()),
        }
    }

    /// Takes note of whether a worker, which is ready, takes batches.
    pub(crate) fn hear_batches(&mut self, worker: WorkerId, takes_batches: bool) {
        if let Some(slot) = self.slots.get_mut(&worker) {
            slot.takes_batches = takes_batches;
            self.makes.hear_batches(slot.generation, takes_batches);
        }
    }

    /// Returns whether the worker's job of this number is a batch, or has its outcome already.
    pub(crate) fn may_be_batch(&self, worker: WorkerId, sequence: u64) -> bool {
        let held =
            self.slots.get(&worker).and_then(|slot| slot.held.iter().find(|it| it.sequence == sequence));
        held.is_some_and(|held| self.entry(held.job).is_none_or(|entry| entry.job.batch.is_some()))
    }
}

impl NewJob {
    /// Returns what its worker is told of it besides the rest.
    pub(super) fn extras(&self, takes_batches: bool) -> Vec<Extra> {
        let usage = self.reports_usage.then(|| Extra::flag(of_job::REPORT_USAGE));
        let batch = self.batch.filter(|_| takes_batches);
        let batch = batch.map(|encoding| Extra { tag: of_job::BATCH, value: vec![encoding as u8] });
        let rest = Extra::rest(of_job::REST, &self.input);
        let mut extras: Vec<_> = usage.into_iter().chain(batch).chain(rest).collect();
        if let Some(trace) = &self.trace {
            extras.extend(Extra::of_trace(trace));
        }
        extras
    }
}

impl OpenJob {
    /// Gives the input away for a while. A worker that cannot run it, since it is a batch and the worker takes none, gets what
    /// no function runs on: an empty text in the place of JSON. That worker came when the batch was on its way.
    pub(super) fn lend_input(&mut self, takes_batches: bool) -> Payload {
        self.was_withheld = self.job.batch.is_some() && !takes_batches;
        if self.was_withheld { Payload::json("") } else { std::mem::take(&mut self.job.input) }
    }

    /// Takes the input back.
    pub(super) fn take_back_input(&mut self, lent: Payload) {
        if !self.was_withheld {
            self.job.input = lent;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PoolLimits;
    use crate::pool::simulation::recipe::recipe;
    use crate::pool::state::effects::Effects;
    use procpool_protocol::{Encoding, JobError, JobId};
    use procpool_scheduler::{Config, Event, Generation, Scheduler, Time};
    use tokio::sync::oneshot;

    fn batch() -> OpenJob {
        let batch = Some(Encoding::Json);
        let job = NewJob { attempts: 2, reports_usage: true, batch, ..NewJob::of(Payload::raw("abc")) };
        OpenJob::new(JobId::from_bits(1), job, Time::ZERO, oneshot::channel().0)
    }

    #[test]
    fn a_generation_is_remembered_by_what_its_workers_said() {
        let scheduler = Scheduler::new(Config::default(), 1).unwrap();
        let mut state = State::new(recipe(), &PoolLimits::default(), false, scheduler);
        state.handle(Time::ZERO, Event::Start, &mut Effects::default());
        let worker = |state: &State, generation| {
            let slot = state.slots.iter().find(|(_, slot)| slot.generation == generation);
            *slot.expect("a worker that starts").0
        };
        assert_eq!(state.takes_batches(), None, "no worker has been ready");
        let first = worker(&state, Generation(0));
        state.hear_batches(first, true);
        state.slots.remove(&first);
        assert_eq!(state.takes_batches(), Some(true), "though no worker serves");
        let pinned = recipe().origin.pinned().unwrap().clone();
        state.reload(Time::ZERO, pinned, oneshot::channel().0, &mut Effects::default());
        let canary = worker(&state, Generation(1));
        state.hear_batches(canary, false);
        assert_eq!(state.takes_batches(), Some(true), "the other generation is not in service yet");
        state.handle(Time::ZERO, Event::Ready { worker: canary, takes_ahead: true }, &mut Effects::default());
        assert_eq!(state.takes_batches(), Some(false));
    }

    #[test]
    fn a_worker_that_takes_batches_is_told_of_one() {
        let mut job = batch();
        let tags: Vec<_> = job.job.extras(true).iter().map(|extra| extra.tag).collect();
        assert_eq!(tags, [of_job::REPORT_USAGE, of_job::BATCH]);
        let input = job.lend_input(true);
        assert_eq!(input, Payload::raw("abc"));
        job.take_back_input(input);
        assert_eq!(job.job.input, Payload::raw("abc"));
        assert_eq!(job.judge(Ok(Payload::raw("7"))).expect("its answer"), Payload::raw("7"));
    }

    #[test]
    fn a_batch_that_came_to_a_worker_of_another_make_has_not_run_whatever_it_says() {
        let mut job = batch();
        let tags: Vec<_> = job.job.extras(false).iter().map(|extra| extra.tag).collect();
        assert_eq!(tags, [of_job::REPORT_USAGE]);
        let lent = job.lend_input(false);
        assert_eq!(lent, Payload::json(""));
        job.take_back_input(lent);
        assert_eq!(job.job.input, Payload::raw("abc"));
        job.attempt = 2;
        for answer in [Ok(Payload::json("7")), Err(JobError::bad_input("empty").into())] {
            assert!(!job.judge(answer).expect_err("nothing was run").may_have_run());
        }
        // The next worker decides anew.
        let _ = job.lend_input(true);
        assert!(job.judge(Ok(Payload::json("7"))).is_ok());
    }
}
