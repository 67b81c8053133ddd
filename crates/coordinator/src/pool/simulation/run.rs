//! One run: who does what next, what is done about effects, and what has to hold.

use super::worker::{CHUNKS, Does, Fake, input};
use crate::limits::PoolLimits;
use crate::pool::burial::{self, Found};
use crate::pool::effects::Effects;
use crate::pool::entry::NewJob;
use crate::pool::events::Events;
use crate::pool::serving;
use crate::pool::slot::Answer;
use crate::pool::state::State;
use crate::sharing::Dropped;
use procpool_memory::arena::OutputArena;
use procpool_process::{EncodingAgreement, Ending, Executable, Origin, Pinned, Recipe, WorkerData};
use procpool_protocol::arena::{MIN_SHARED, Place, Shared, TakesArenas};
use procpool_protocol::engine::JobLimits;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::Mode;
use procpool_protocol::message::json_of;
use procpool_protocol::{Encoding, Exit, ExitReport, JobError, JobId, Payload};
use procpool_scheduler::{Config, Death, Event, JobId as Key, Scheduler, Time, WorkerId};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::oneshot;

/// A run that takes more steps than this stands still.
const MOST_STEPS: u32 = 60_000;

/// After so many steps nobody kills or cancels: what has not ended by then has to end by itself.
const CALM: u32 = 1_500;

const LARGEST: usize = 1 << 20;

/// What can be wrong with an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    BlamesTheFirst,
    DropsLastChunks,
    AnswersAnotherJob,
    ForgetsFlushes,
    TakesBackWhatIsInUse,
    LosesLastAnswers,
    GivesBackWhatHasBegun,
    TakesTheUnbegunForBegun,
    ForgetsCredit,
    ForgetsRecalls,
    ForgetsWhatIsPassedOver,
}

/// Each with the promise that it breaks.
pub(super) const ALL: &[(Bug, &str)] = &[
    (Bug::BlamesTheFirst, "blame"),
    (Bug::DropsLastChunks, "chunks"),
    (Bug::AnswersAnotherJob, "answers"),
    (Bug::ForgetsFlushes, "progress"),
    (Bug::TakesBackWhatIsInUse, "inputs"),
    (Bug::LosesLastAnswers, "innocence"),
    (Bug::GivesBackWhatHasBegun, "once"),
    (Bug::TakesTheUnbegunForBegun, "innocence"),
    (Bug::ForgetsCredit, "progress"),
    (Bug::ForgetsRecalls, "progress"),
    (Bug::ForgetsWhatIsPassedOver, "progress"),
];

/// How often things happened that a run is about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Met {
    kills: u32,
    last_answers: u32,
    recalls: u32,
    passed_over: u32,
    lent: u32,
    large_outputs: u32,
    taken_back: u32,
    cancels: u32,
}

impl Met {
    pub(super) fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.last_answers += other.last_answers;
        self.recalls += other.recalls;
        self.passed_over += other.passed_over;
        self.lent += other.lent;
        self.large_outputs += other.large_outputs;
        self.taken_back += other.taken_back;
        self.cancels += other.cancels;
    }

    /// Whether all of it happened often.
    pub(super) fn is_all(&self) -> bool {
        let Self { kills, last_answers, recalls, passed_over, lent, large_outputs, taken_back, cancels } =
            *self;
        [kills, last_answers, recalls, passed_over, lent, large_outputs, taken_back, cancels]
            .iter()
            .all(|&times| times > 10)
    }
}

/// A job as its caller sees it.
#[derive(Debug)]
struct Job {
    number: u8,
    does: Does,
    events: Option<Arc<Events>>,
    begun: u32,
    /// A worker was killed from outside while it had begun this.
    is_lost: bool,
    is_cancelled: bool,
    chunks: u32,
    outcome: Option<oneshot::Receiver<procpool_protocol::outcome::Finished>>,
}

#[derive(Debug)]
pub(super) struct Run {
    bug: Option<Bug>,
    random: StdRng,
    now: Time,
    state: State,
    workers: BTreeMap<WorkerId, Fake>,
    jobs: BTreeMap<u8, Job>,
    names: BTreeMap<u8, (Key, JobId)>,
    to_submit: u8,
    is_calm: bool,
    pub(super) journal: Vec<String>,
    pub(super) met: Met,
}

fn pinned() -> Pinned {
    static PINNED: OnceLock<Pinned> = OnceLock::new();
    let pin = || Executable::path("/bin/true").and_then(|it| it.pin()).expect("an executable");
    PINNED.get_or_init(pin).clone()
}

fn recipe() -> Recipe {
    let limits = PoolLimits::default();
    Recipe {
        name: "simulated".into(),
        origin: Origin::Spawned(pinned()),
        inherit_env: Vec::new(),
        env: Vec::new(),
        current_dir: None,
        sends_ahead: true,
        limits: limits.worker,
        mode: Mode::Jobs,
        expects: Arc::default(),
        takes_arenas: Arc::default(),
        worker_data: WorkerData::from(Payload::none()),
        encodings: Arc::new(EncodingAgreement::new(None)),
        max_payload: limits.max_payload,
        step_timeout: Duration::from_secs(1),
    }
}

type Checked = Result<(), String>;

impl Run {
    pub(super) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let workers = random.random_range(1..=3);
        let config =
            Config { min_workers: workers, max_workers: workers, queue: 200, ahead: 8, ..Config::default() };
        let scheduler = Scheduler::new(config, seed).expect("a configuration");
        Self {
            bug,
            now: Time::ZERO,
            state: State::new(recipe(), 200, false, LARGEST, scheduler),
            workers: BTreeMap::new(),
            jobs: BTreeMap::new(),
            names: BTreeMap::new(),
            to_submit: random.random_range(20..200),
            is_calm: false,
            random,
            journal: Vec::new(),
            met: Met::default(),
        }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn percent(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    /// Until every job has its outcome.
    pub(super) fn play(&mut self) -> Checked {
        self.act(|state, now, effects| state.handle(now, Event::Start, effects))?;
        for step in 0..MOST_STEPS {
            self.is_calm = step > CALM;
            if self.to_submit == 0 && self.jobs.values().all(|job| job.outcome.is_none()) {
                return Ok(());
            }
            self.step()?;
        }
        let open: Vec<_> =
            self.jobs.values().filter(|job| job.outcome.is_some()).map(|job| job.number).collect();
        Err(format!("progress: {open:?} do not end"))
    }

    fn step(&mut self) -> Checked {
        let pause = match self.random.random_range(0..500) {
            0 => Duration::from_millis(11_000),
            1..=3 => Duration::from_millis(3),
            _ => Duration::from_nanos(self.random.random_range(1..2_000)),
        };
        self.now = self.now + pause;
        if pause > Duration::from_secs(1) {
            self.take_back()?;
        }
        if self.state.armed().is_some_and(|armed| armed <= self.now) {
            self.act(|state, now, effects| state.handle(now, Event::Tick, effects))?;
        }
        let at = self.random.random_range(0..self.workers.len().max(1));
        let worker = self.workers.keys().nth(at).copied();
        match (self.random.random_range(0..100), worker) {
            (0..20, _) => self.submit(),
            (20, _) if !self.is_calm && self.percent(10) => self.cancel(),
            (21, _) => self.take_back(),
            (22, Some(worker)) if !self.is_calm && self.percent(15) => self.bury(worker, true),
            (20..45, Some(worker)) => {
                self.write(worker);
                Ok(())
            }
            (45..49, Some(worker)) => {
                self.workers.get_mut(&worker).map(Fake::obey);
                Ok(())
            }
            (49..75, Some(worker)) => self.work(worker),
            (75..95, Some(worker)) => self.hear(worker),
            (_, Some(worker)) => self.hear_control(worker),
            (_, None) => Ok(()),
        }
    }

    fn submit(&mut self) -> Checked {
        if self.to_submit == 0 {
            return Ok(());
        }
        self.to_submit -= 1;
        let number = self.to_submit;
        let does = match self.random.random_range(0..20) {
            0 => Does::Kills,
            1..=3 => Does::Streams,
            4 => Does::TakesLong,
            5..=6 => Does::AnswersMuch,
            _ => Does::Echoes,
        };
        let length = if self.percent(10) { MIN_SHARED } else { 10 };
        let events = (does == Does::Streams).then(Arc::<Events>::default);
        let job = NewJob {
            input: Payload::raw(input(number, does, length)),
            reply: Encoding::Bytes,
            limits: JobLimits::default(),
            attempts: 1,
            reports_usage: false,
            events: events.clone(),
        };
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
        let names = self.act(|state, now, effects| state.submit(now, job, None, sender, effects))?;
        self.names.insert(number, names);
        self.look()
    }

    fn cancel(&mut self) -> Checked {
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

    fn take_back(&mut self) -> Checked {
        let now = self.now;
        let (lines, mut dropped) = self.state.take_back_memory(now);
        self.met.taken_back += u32::try_from(lines.len()).unwrap_or_default();
        for fake in self.workers.values_mut() {
            fake.is_flushed |= lines.iter().any(|it| Arc::ptr_eq(it, &fake.lines));
        }
        if self.has(Bug::TakesBackWhatIsInUse) {
            for slot in self.state.slots.values_mut() {
                let rested = slot.sharing.inputs.rest(now + Duration::from_secs(20));
                dropped.extend(rested.map(Dropped::Input).inspect(Dropped::rest));
            }
        }
        for arena in dropped {
            arena.give_back().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Writes some of what somebody was asked to write.
    fn write(&mut self, worker: WorkerId) {
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

    fn work(&mut self, worker: WorkerId) -> Checked {
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
    fn hear(&mut self, worker: WorkerId) -> Checked {
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

    fn answer(&mut self, worker: WorkerId, mut frame: Frame) -> Result<Answer, String> {
        let is_shared = frame.by_reference;
        self.fetch(worker, &mut frame)?;
        let length = frame.payload.bytes.len();
        if self.has(Bug::AnswersAnotherJob)
            && let Some(&other) = frame.payload.bytes.first()
        {
            frame.payload.bytes = vec![other.wrapping_add(1)].into();
        }
        let (told, health) = serving::outcome(&mut frame)?;
        Ok(Answer { sequence: frame.sequence, told, health, is_shared, length })
    }

    /// Puts the output in its place.
    fn fetch(&mut self, worker: WorkerId, frame: &mut Frame) -> Checked {
        if !frame.by_reference {
            return Ok(());
        }
        self.met.large_outputs += 1;
        let place = Place::from_bytes(&frame.payload.bytes).ok_or("peace: no place")?;
        let slot = self.state.slots.get_mut(&worker).ok_or("peace: no slot")?;
        let arena = slot.sharing.outputs.find(place.arena, self.now);
        let arena = arena.ok_or_else(|| format!("peace: arena {} is forgotten", place.arena))?;
        let mut bytes = vec![0; usize::try_from(place.length).unwrap_or_default()];
        OutputArena::read(&arena.memory, place.offset, &mut bytes).map_err(|error| error.to_string())?;
        frame.payload.bytes = bytes.into();
        frame.by_reference = false;
        Ok(())
    }

    fn settle(&mut self, worker: WorkerId, answers: Vec<Answer>) -> Checked {
        if answers.is_empty() {
            return Ok(());
        }
        let told =
            self.act(|state, now, effects| state.answered(now, worker, answers.into_iter(), false, effects))?;
        told.map_err(|violation| format!("peace: {violation}"))?;
        self.look()
    }

    fn chunk(&mut self, worker: WorkerId, frame: Frame) -> Checked {
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

    /// The caller reads what is there, and the worker is granted more.
    fn read(&mut self, key: Key, events: &Events) {
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

    fn passed_over(&mut self, worker: WorkerId, sequence: u64) -> Checked {
        if self.has(Bug::ForgetsWhatIsPassedOver) {
            return Ok(());
        }
        let job = self.state.slots.get_mut(&worker).and_then(|slot| slot.passes_over(sequence));
        let Some(job) = job else { return Ok(()) };
        self.met.passed_over += 1;
        self.act(|state, now, effects| state.handle(now, Event::PassedOver { worker, job }, effects))
    }

    fn hear_control(&mut self, worker: WorkerId) -> Checked {
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

    /// The worker is dead, by somebody's hand or by its job.
    fn bury(&mut self, worker: WorkerId, from_outside: bool) -> Checked {
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
        let ending = Ending { report, last_frames, unread: false, begun: Some(begun), was_killed: false };
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
            state.handle_all(now, committed, effects);
            burial::died(state, now, found, None, effects);
        })?;
        self.look()
    }

    fn read_all(&mut self) {
        let listening = |(number, job): (&u8, &Job)| Some((self.names.get(number)?.0, job.events.clone()?));
        for (key, events) in self.jobs.iter().filter_map(listening).collect::<Vec<_>>() {
            self.read(key, &events);
        }
    }

    /// Feeds the state, and does what it leaves to be done.
    fn act<T>(&mut self, work: impl FnOnce(&mut State, Time, &mut Effects) -> T) -> Result<T, String> {
        let mut effects = Effects::default();
        let done = work(&mut self.state, self.now, &mut effects);
        while self.perform(&mut effects)? {}
        Ok(done)
    }

    /// `true` if there is more.
    fn perform(&mut self, effects: &mut Effects) -> Result<bool, String> {
        let flushed = effects.flush_jobs.drain(..).chain(effects.flush_soon.drain(..));
        for lines in flushed.chain(effects.flush_control.drain(..)) {
            for fake in self.workers.values_mut().filter(|it| Arc::ptr_eq(&it.lines, &lines)) {
                fake.is_flushed = true;
            }
        }
        for (caller, finished) in effects.outcomes.drain(..) {
            let _ = caller.send(finished);
        }
        for arena in effects.arenas.drain(..) {
            arena.give_back().map_err(|error| error.to_string())?;
        }
        let recalls = std::mem::take(&mut effects.recalls);
        for recall in &recalls {
            self.met.recalls += 1;
            let newest = self
                .workers
                .get_mut(&recall.worker)
                .and_then(|fake| recall.ask_of(fake.begun, &mut fake.recalled));
            if self.has(Bug::ForgetsRecalls) && newest.is_some() {
                let slot = self.state.slots.get_mut(&recall.worker).expect("a slot");
                slot.gives_back(newest.unwrap_or_default(), recall.last);
                continue;
            }
            let newest = if self.has(Bug::GivesBackWhatHasBegun) { newest.map(|it| it - 1) } else { newest };
            self.state.recalled(self.now, recall, newest, effects);
        }
        for (worker, wanted) in effects.wanted.drain(..) {
            self.met.lent += 1;
            let length = wanted.length;
            let memory = wanted.make("simulated").map_err(|error| error.to_string())?;
            if let Ok(lines) = self.state.offer_memory(worker, length, memory) {
                for fake in self.workers.values_mut().filter(|it| Arc::ptr_eq(&it.lines, &lines)) {
                    fake.is_flushed = true;
                }
            }
        }
        let mut started = VecDeque::from_iter(effects.spawn.drain(..).map(|(worker, _)| worker));
        let more = !recalls.is_empty() || !started.is_empty();
        while let Some(worker) = started.pop_front() {
            let fake = Fake::new("simulated");
            let slot = self.state.slots.get_mut(&worker).expect("a slot");
            slot.lines = Some(fake.lines.clone());
            slot.sharing.settle(Some(TakesArenas::Born), Some(fake.arenas()));
            self.workers.insert(worker, fake);
            self.state.handle(self.now, Event::Ready { worker, takes_ahead: true }, effects);
        }
        let killed: Vec<_> = effects.kill.drain(..).collect();
        if !killed.is_empty() {
            let dismissed: Vec<_> = self
                .state
                .slots
                .iter()
                .filter(|(_, slot)| slot.dismissed)
                .map(|(&worker, _)| worker)
                .collect();
            for worker in dismissed {
                self.bury(worker, true)?;
            }
        }
        Ok(more)
    }

    /// Looks at the outcomes that there are.
    fn look(&mut self) -> Checked {
        self.read_all();
        for job in self.jobs.values_mut() {
            let Some(finished) = job.outcome.as_mut().and_then(|outcome| outcome.try_recv().ok()) else {
                continue;
            };
            job.outcome = None;
            self.journal.push(format!("{:?} {} ends", self.now, job.number));
            match finished.result {
                Ok(output) => {
                    let is_right = output.bytes.iter().all(|&byte| byte == job.number);
                    if !is_right || output.bytes.is_empty() {
                        return Err(format!("answers: job {} has another's", job.number));
                    }
                    let expected = if job.does == Does::Streams { CHUNKS } else { 0 };
                    if job.chunks != expected {
                        return Err(format!("chunks: job {} has {} of {expected}", job.number, job.chunks));
                    }
                }
                Err(error) => match *error {
                    JobError::Crashed(_) if job.is_lost => {}
                    JobError::Cancelled { .. } if job.is_cancelled => {}
                    error => return Err(format!("innocence: job {} ends as {error}", job.number)),
                },
            }
        }
        Ok(())
    }
}
