//! Callers: they submit, cancel, and read chunks.

use super::bugs::Bug;
use super::run::{Checked, Job, Run};
use super::worker::{Does, input};
use crate::pool::state::events::Events;
use crate::pool::state::open_job::NewJob;
use procpool_protocol::arena::MIN_SHARED;
use procpool_protocol::{Encoding, Payload};
use procpool_scheduler::{Event, JobId as Key};
use rand::RngExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

impl Run {
    pub(super) fn submit(&mut self) -> Checked {
        if self.to_submit == 0 {
            return Ok(());
        }
        self.to_submit -= 1;
        let does = match self.random.random_range(0..20) {
            0 => Does::Kills,
            1..=3 => Does::Streams,
            4 => Does::TakesLong,
            5..=6 => Does::AnswersMuch,
            _ => Does::Echoes,
        };
        self.submit_one(self.to_submit, does)
    }

    /// Submits a job just when workers are told that their memory is taken back, so that it asks for it.
    pub(super) fn submit_late(&mut self) -> Checked {
        match self.late.next() {
            Some(number) => self.submit_one(number, Does::AnswersMuch),
            None => Ok(()),
        }
    }

    fn submit_one(&mut self, number: u8, does: Does) -> Checked {
        let length = if self.percent(10) { MIN_SHARED } else { 10 };
        let events = (does == Does::Streams).then(Arc::<Events>::default);
        let input = Payload::raw(input(number, does, length));
        let job = NewJob { reply: Encoding::Bytes, events: events.clone(), ..NewJob::of(input) };
        let (sender, outcome) = oneshot::channel();
        self.journal.push(format!("{:?} submit {number} {does:?} {length}", self.now));
        let job_seen = Job {
            number,
            does,
            events,
            begun: 0,
            is_lost: false,
            is_cancelled: false,
            chunks: 0,
            outcome: Some(outcome),
        };
        self.jobs.insert(number, job_seen);
        let waited = Duration::ZERO;
        let offered =
            self.act(|state, now, effects| state.submit(now, job, None, sender, waited, effects))?;
        let names =
            offered.map_err(|rejected| format!("room: job {number} is refused: {}", rejected.reason))?;
        self.names.insert(number, names);
        self.look()
    }

    pub(super) fn cancel(&mut self) -> Checked {
        let open: Vec<_> =
            self.jobs.values().filter(|job| job.outcome.is_some()).map(|job| job.number).collect();
        if open.is_empty() {
            return Ok(());
        }
        let number = open[self.random.random_range(0..open.len())];
        let (job, _) = self.names[&number];
        self.met.cancels += 1;
        self.jobs.get_mut(&number).expect("a job").is_cancelled = true;
        self.act(|state, now, effects| state.handle(now, Event::Cancel { job }, effects))
    }

    /// Lets the caller read the events that are there, and grants the worker more.
    pub(super) fn read(&mut self, key: Key, events: &Events) {
        let number = self.names.iter().find(|(_, names)| names.0 == key).map(|(&number, _)| number);
        let mut granted = 0;
        while let Some(more) = events.try_chunk() {
            granted += more;
            if let Some(job) = number.and_then(|number| self.jobs.get_mut(&number)) {
                job.chunks += 1;
            }
        }
        if granted > 0 && !self.has(Bug::ForgetsCredit) {
            let lines = self.state.grant(key, granted);
            for fake in self.workers.values_mut() {
                fake.is_flushed |= lines.as_ref().is_some_and(|it| Arc::ptr_eq(it, &fake.lines));
            }
        }
    }

    pub(super) fn read_all(&mut self) {
        let listening = |(number, job): (&u8, &Job)| Some((self.names.get(number)?.0, job.events.clone()?));
        for (key, events) in self.jobs.iter().filter_map(listening).collect::<Vec<_>>() {
            self.read(key, &events);
        }
    }
}
