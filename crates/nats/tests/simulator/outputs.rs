//! Large outputs: a node stores the chunks of one before it tells its course that the job has ended.

use crate::books::Broken;
use crate::node::{Asked, Reply};
use crate::plan::Bug;
use crate::server::Job;
use crate::world::{Input, Request, World};
use procpool_nats::Timings;
use procpool_nats::course::Event;
use procpool_nats::transfer::{Step, Transfer};
use std::time::Duration;

/// Number of chunks of a large output.
pub(crate) const CHUNKS: u32 = 6;

/// An output on its way.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) run: u64,
    transfer: Transfer,
}

impl World {
    /// The worker has ended well.
    pub(crate) fn ended_well(&mut self, node: usize, job: Job, run: u64) -> Result<(), Broken> {
        if !self.books.entry(job).is_large {
            return self.feed(node, job, Event::Finished { is_killed: false, again: None });
        }
        let timings = Timings::default();
        let transfer = Transfer::new(self.now, CHUNKS, timings, timings.offer);
        if let Some(held) = self.nodes[node].held.get_mut(&job) {
            held.upload = Some(Upload { run, transfer });
        }
        if self.bug == Some(Bug::OutcomeBeforeOutput) {
            self.feed(node, job, Event::Finished { is_killed: false, again: None })?;
        }
        self.upload(node, job)
    }

    /// Sends what may go.
    pub(crate) fn upload(&mut self, node: usize, job: Job) -> Result<(), Broken> {
        let now = self.now;
        loop {
            let held = self.nodes[node].held.get_mut(&job);
            let Some(upload) = held.and_then(|held| held.upload.as_mut()) else { return Ok(()) };
            let run = upload.run;
            match upload.transfer.step(now) {
                Step::Move(nth) => {
                    let tag = self.ask(node, job, Asked::Chunk { run, nth }, Duration::from_secs(2));
                    self.send(node, tag, Request::Chunk { run, nth });
                }
                Step::Wait(until) => {
                    self.deliver_to(node, until.since(now), Input::Upload { job });
                    return Ok(());
                }
                step @ (Step::Done | Step::GiveUp) => {
                    self.stop_upload(node, job);
                    if let Some(held) = self.nodes[node].held.get_mut(&job) {
                        held.has_failed = step == Step::GiveUp;
                    }
                    self.books.coverage.met("stored output");
                    return self.feed(node, job, Event::Finished { is_killed: false, again: None });
                }
            }
        }
    }

    pub(crate) fn stop_upload(&mut self, node: usize, job: Job) -> bool {
        self.nodes[node].held.get_mut(&job).is_some_and(|held| held.upload.take().is_some())
    }

    /// A chunk was stored, or nobody knows.
    pub(crate) fn chunk(
        &mut self,
        node: usize,
        job: Job,
        (run, nth): (u64, u32),
        reply: Option<&Reply>,
    ) -> Result<(), Broken> {
        let now = self.now;
        let held = self.nodes[node].held.get_mut(&job);
        let Some(upload) = held.and_then(|held| held.upload.as_mut()).filter(|it| it.run == run) else {
            return Ok(());
        };
        match reply {
            Some(_) => upload.transfer.moved(now),
            None => upload.transfer.failed(now, nth),
        }
        self.upload(node, job)
    }
}
