//! Clients that watch jobs, are cut off at random, and continue.

use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_registry::{Entry, Happened, Phase, Resumed};

use crate::broken::{Broken, broken};
use crate::model::{Job, Seen};
use crate::run::{Run, Step};

/// Maximum number of clients that watch at once.
const MOST: usize = 6;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Watcher {
    job: JobId,
    /// The number of the last event that it has.
    seen: u64,
}

impl Run {
    /// Lets a client watch, or begin to.
    pub(crate) fn watch(&mut self) -> Result<Step, Broken> {
        if self.watchers.len() < MOST && self.random.percent(60) {
            let job = self.random.pick(&self.model.ids());
            self.watchers.extend(job.map(|job| Watcher { job, seen: 0 }));
        }
        let Some(at) = self.random.pick(&(0..self.watchers.len()).collect::<Vec<_>>()) else {
            return Ok(Step::Other);
        };
        let mut watcher = self.watchers.swap_remove(at);
        if self.continues(&mut watcher)? {
            self.watchers.push(watcher);
        }
        Ok(Step::Other)
    }

    /// Takes the next events of a watcher. Returns whether it continues.
    pub(crate) fn continues(&mut self, watcher: &mut Watcher) -> Result<bool, Broken> {
        let resumed = self.registry.events(watcher.job, watcher.seen);
        self.note(|| format!("{watcher:?} -> {resumed:?}"));
        let Some(job) = self.model.jobs.get(&watcher.job) else {
            self.coverage.met("watched a record that is gone");
            return if resumed.is_none() {
                Ok(false)
            } else {
                Err(broken("events_end", format!("{resumed:?}")))
            };
        };
        let last = job.events.len() as u64;
        match resumed {
            None => Err(broken("events_have_no_gaps", format!("none of {job:?}"))),
            Some(Resumed::Ended) if job.is_finished() && watcher.seen == last => {
                self.coverage.met("watched to the end");
                Ok(false)
            }
            Some(Resumed::Ended) => Err(broken("watchers_see_the_end", format!("{watcher:?} of {job:?}"))),
            Some(Resumed::Reset(record, number)) => {
                if number != last || record.version != job.record.version {
                    return Err(broken(
                        "resets_tell_the_truth",
                        format!("{record:?} at {number} of {job:?}"),
                    ));
                }
                let missed = job.events.get(usize::try_from(watcher.seen).unwrap_or(usize::MAX)..);
                let is_restarted = missed.is_none_or(|missed| missed.contains(&Seen::Lost));
                if !is_restarted && !job.is_squeezed {
                    return Err(broken("resets_have_a_reason", format!("{watcher:?} of {job:?}")));
                }
                self.coverage.met(if is_restarted { "reset by a restart" } else { "reset" });
                watcher.seen = number;
                Ok(true)
            }
            Some(Resumed::Next(events)) => {
                self.check_events(job, watcher.seen, &events)?;
                self.coverage.met("watched");
                if events.iter().any(|entry| entry.first < entry.id) {
                    self.coverage.met("progress replaced");
                }
                // The connection breaks anywhere.
                let taken = self.random.count(0, events.len() as u64);
                watcher.seen = events[..taken].last().map_or(watcher.seen, |entry| entry.id);
                Ok(true)
            }
        }
    }

    /// Checks that these are all events of a job after one, and nothing else.
    fn check_events(&self, job: &Job, seen: u64, events: &[Arc<Entry>]) -> Result<(), Broken> {
        let settings = self.plan.settings;
        let gap = |why: &str| {
            Err(broken("events_have_no_gaps", format!("{why}: {events:?} after {seen} of {job:?}")))
        };
        let chunk = |entry: &Arc<Entry>| match &entry.what {
            Happened::Chunk(chunk) => chunk.bytes.len() as u64,
            _ => 0,
        };
        let bytes: u64 = events.iter().map(chunk).sum();
        if events.len() > settings.max_events_per_job || bytes > settings.max_event_bytes_per_job {
            return Err(broken("events_are_bounded", format!("{} of {bytes} bytes", events.len())));
        }
        let mut last = seen;
        for entry in events {
            let is_next = entry.first == last + 1 || entry.first <= seen && last == seen && entry.id > seen;
            if !is_next {
                return gap("not the next");
            }
            let numbers = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            let Some(told) = job.events.get(numbers(entry.first - 1)..numbers(entry.id)) else {
                return gap("too far");
            };
            let Some((this, replaced)) = told.split_last() else { return gap("nothing") };
            if !is(this, &entry.what) || !replaced.iter().all(|seen| matches!(seen, Seen::Progress(_))) {
                return gap("another");
            }
            last = entry.id;
        }
        if last != job.events.len() as u64 {
            return gap("the last is missing");
        }
        if events.is_empty() && job.is_finished() {
            return Err(broken("watchers_see_the_end", format!("{job:?}")));
        }
        Ok(())
    }

    /// Lets every watcher see the end of its job.
    pub(crate) fn watch_to_the_end(&mut self) -> Result<(), Broken> {
        for mut watcher in std::mem::take(&mut self.watchers) {
            let mut turns = 0;
            while self.continues(&mut watcher)? {
                turns += 1;
                if turns > 10_000 {
                    return Err(broken("watchers_see_the_end", format!("{watcher:?} never does")));
                }
            }
        }
        Ok(())
    }
}

fn is(seen: &Seen, what: &Happened) -> bool {
    match (seen, what) {
        (Seen::Queued, Happened::Phase { phase, .. }) => *phase == Phase::Queued,
        (Seen::Running, Happened::Phase { phase, .. }) => *phase == Phase::Running,
        (Seen::Progress(seen), Happened::Progress(what)) => seen == what,
        (Seen::Chunk(seen), Happened::Chunk(what)) => *seen == what.bytes.len() as u64,
        (Seen::Cancelled, Happened::Cancelled { .. }) => true,
        (Seen::Outcome(seen), Happened::Outcome { outcome, .. }) => seen == outcome,
        _ => false,
    }
}
