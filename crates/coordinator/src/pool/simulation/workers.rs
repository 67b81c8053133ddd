//! The messages of workers, and their deaths.

use super::bugs::Bug;
use super::run::{Checked, Run};
use crate::pool::state::context::EventContext;
use crate::pool::state::slot::Answer;
use crate::pool::workers::burial::{self, Found};
use crate::pool::workers::frames;
use procpool_memory::arena::OutputArena;
use procpool_process::Ending;
use procpool_protocol::arena::Shared;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::message::json_of;
use procpool_protocol::{Exit, ExitReport};
use procpool_scheduler::{Death, Event, WorkerId};
use rand::RngExt as _;

impl Run {
    /// Writes some of what somebody was asked to write.
    pub(super) fn write(&mut self, worker: WorkerId) {
        let room = if self.percent(30) { self.random.random_range(1..60) } else { 1 << 20 };
        let goes_both_ways = self.percent(30);
        let forgets = self.has(Bug::ForgetsFlushes) && self.percent(90);
        let Some(fake) = self.workers.get_mut(&worker).filter(|it| it.is_flushed) else { return };
        if forgets {
            fake.is_flushed = false;
            return;
        }
        fake.jobs.open(room);
        fake.control.open(room);
        fake.lines.jobs.resume();
        fake.lines.jobs.flush(&fake.jobs);
        if goes_both_ways {
            fake.lines.control.resume();
            fake.lines.control.flush(&fake.control);
        }
    }

    pub(super) fn work(&mut self, worker: WorkerId) -> Checked {
        let Some(fake) = self.workers.get_mut(&worker) else { return Ok(()) };
        let begins = fake.work().map_err(|broken| format!("inputs: {broken}"))?;
        let dies = fake.is_killed;
        if let Some(number) = begins {
            self.journal.push(format!("{:?} {worker} begins {number}", self.now));
            let job = self.jobs.get_mut(&number).ok_or("inputs: of no job")?;
            job.begun += 1;
            if job.begun > 1 {
                return Err(format!("once: job {number} is begun again"));
            }
        }
        if dies { self.bury(worker, false) } else { Ok(()) }
    }

    /// Hears what the worker has said, some of it together.
    pub(super) fn hear(&mut self, worker: WorkerId) -> Checked {
        let most = self.random.random_range(1..6);
        let mut answers = Vec::new();
        for _ in 0..most {
            let Some(frame) = self.workers.get_mut(&worker).and_then(|it| it.said.pop_front()) else { break };
            if frame.kind == Kind::Done {
                answers.push(self.answer(worker, frame)?);
                continue;
            }
            self.settle(worker, std::mem::take(&mut answers))?;
            match frame.kind {
                Kind::Chunk => self.chunk(worker, frame)?,
                Kind::Recalled => self.passed_over(worker, frame.sequence)?,
                _ => {}
            }
        }
        self.settle(worker, answers)
    }

    pub(super) fn answer(&mut self, worker: WorkerId, mut frame: Frame) -> Result<Answer, String> {
        let is_shared = frame.place.is_some();
        self.fetch(worker, &mut frame)?;
        let length = frame.payload.bytes.len();
        if self.has(Bug::AnswersAnotherJob)
            && let Some(&other) = frame.payload.bytes.first()
        {
            frame.payload.bytes = vec![other.wrapping_add(1)].into();
        }
        let (told, health) = frames::outcome(&mut frame)?;
        Ok(Answer { sequence: frame.sequence, told, health, is_shared, length })
    }

    /// Puts the output in its place.
    pub(super) fn fetch(&mut self, worker: WorkerId, frame: &mut Frame) -> Checked {
        let Some(place) = frame.place.take() else { return Ok(()) };
        self.met.large_outputs += 1;
        let slot = self.state.slots.get_mut(&worker).ok_or("peace: no slot")?;
        let arena = slot.sharing.outputs.find(place.arena, self.now);
        let arena = arena.ok_or_else(|| format!("peace: arena {} is forgotten", place.arena))?;
        let mut bytes = vec![0; usize::try_from(place.length).unwrap_or_default()];
        OutputArena::read(&arena.memory, place.offset, &mut bytes).map_err(|error| error.to_string())?;
        frame.payload.bytes = bytes.into();
        Ok(())
    }

    pub(super) fn settle(&mut self, worker: WorkerId, answers: Vec<Answer>) -> Checked {
        if answers.is_empty() {
            return Ok(());
        }
        let told =
            self.act(|state, now, effects| state.answered(now, worker, answers.into_iter(), false, effects))?;
        told.map_err(|violation| format!("peace: {violation}"))?;
        self.look()
    }

    pub(super) fn chunk(&mut self, worker: WorkerId, frame: Frame) -> Checked {
        let slot = self.state.slots.get(&worker).ok_or("peace: no slot")?;
        let key = slot.job_of(frame.sequence).map_err(|violation| format!("peace: {violation}"))?;
        let Some(events) = self.state.entry(key).and_then(|entry| entry.job.events.clone()) else {
            return Ok(());
        };
        let taken = events.chunk(frame.payload).map_err(|violation| format!("peace: {violation}"))?;
        if taken.is_first {
            self.act(|state, now, effects| state.handle(now, Event::Committed { job: key }, effects))?;
        }
        self.read(key, &events);
        Ok(())
    }

    pub(super) fn passed_over(&mut self, worker: WorkerId, sequence: u64) -> Checked {
        if self.has(Bug::ForgetsWhatIsPassedOver) {
            return Ok(());
        }
        let job = self.state.slots.get_mut(&worker).and_then(|slot| slot.passes_over(sequence));
        let Some(job) = job else { return Ok(()) };
        self.met.passed_over += 1;
        self.act(|state, now, effects| state.handle(now, Event::PassedOver { worker, job }, effects))
    }

    pub(super) fn hear_control(&mut self, worker: WorkerId) -> Checked {
        let Some(frame) = self.workers.get_mut(&worker).and_then(|it| it.told.pop_front()) else {
            return Ok(());
        };
        let Shared { accepted } = json_of(&frame).map_err(|error| error.to_string())?;
        let now = self.now;
        let slot = self.state.slots.get_mut(&worker).ok_or("peace: no slot")?;
        let newest = if slot.held.is_empty() { 0 } else { slot.last_sequence };
        let dropped = slot.sharing.answered(frame.sequence, accepted, newest, now);
        let dropped = dropped.map_err(|violation| format!("peace: {violation}"))?;
        dropped.map_or(Ok(()), |arena| arena.give_back().map_err(|error| error.to_string()))
    }

    /// Buries a worker that was killed from outside or by its job.
    pub(super) fn bury(&mut self, worker: WorkerId, from_outside: bool) -> Checked {
        let Some(mut fake) = self.workers.remove(&worker) else { return Ok(()) };
        self.met.kills += 1;
        self.journal.push(format!("{:?} {worker} dies", self.now));
        let ran = fake.current();
        if let Some(number) = ran {
            self.jobs.get_mut(&number).ok_or("inputs: of no job")?.is_lost = true;
        }
        let mut last_frames: Vec<_> = fake.said.drain(..).collect();
        self.met.last_answers += u32::from(last_frames.iter().any(|frame| frame.kind == Kind::Done));
        for frame in &mut last_frames {
            self.fetch(worker, frame)?;
        }
        match self.bug {
            Some(Bug::DropsLastChunks) => last_frames.retain(|frame| frame.kind != Kind::Chunk),
            Some(Bug::LosesLastAnswers) => last_frames.retain(|frame| frame.kind != Kind::Done),
            _ => {}
        }
        let begun = if self.has(Bug::TakesTheUnbegunForBegun) { u64::MAX } else { fake.begun };
        let report = ExitReport::new("simulated", 1, Exit::Code(1));
        let first = self.state.slots.get(&worker).and_then(|slot| slot.held.front()).map(|held| held.job);
        let (begun, crash) = (Some(begun), None);
        let ending = Ending { report, last_frames, unread: false, begun, was_killed: false, crash };
        let death = if from_outside { Death::Killed } else { Death::Own };
        let Some(mut found) = Found::of(&mut self.state, worker, ending, death, true) else {
            return Err("peace: a worker without a slot".into());
        };
        let suspect = if self.has(Bug::BlamesTheFirst) {
            first.and_then(|first| self.state.entry(first)).map(|entry| entry.job.input.clone())
        } else {
            found.suspect.take()
        };
        if let (Some(suspect), Some(ran)) = (suspect, ran)
            && suspect.bytes.get(1) != Some(&ran)
        {
            return Err(format!("blame: job {ran} ran, and another's payload is held responsible"));
        }
        let committed = found.pass_on("simulated");
        self.read_all();
        self.act(|state, now, effects| {
            state.handle_all(now, committed, EventContext::default(), effects);
            burial::died(state, now, found, None, effects);
        })?;
        self.look()
    }
}
