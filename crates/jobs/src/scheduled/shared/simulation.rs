//! Servers that share a schedule, over a model of the store: they die at each step, stall, lose answers and read old entries,
//! and the pool refuses jobs. Each due time has one job all the same. Bugs that are planted are noticed.

use super::ledger::{Entry, Kept};
use super::turn::{Answer, Ask, Of, Turn};
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_protocol::{JobError, JobId};
use procpool_schedules::{Calendar, Missed, Overlap, Schedule, Wall};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// Times are milliseconds since this second.
const START: i64 = 1_780_000_000;
const RETAIN: u64 = 60_000;
const FRONTS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    /// The store replaces entries of any version.
    Overwrites,
    /// A run is marked before its job is submitted.
    MarksFirst,
    /// A server submits the run of another one under an id of its own.
    OtherId,
    /// The age of an entry counts for nothing.
    Ageless,
}

#[derive(Clone, Copy)]
struct Plan {
    bug: Bug,
    overlap: Overlap,
    /// Time for which all servers are down in the middle, in milliseconds.
    outage: u64,
}

const PLAN: Plan = Plan { bug: Bug::None, overlap: Overlap::Queue, outage: 0 };

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }
}

#[derive(Default)]
struct Front<'a> {
    turn: Option<(Turn<'a>, Ask)>,
    mine: Option<JobId>,
    /// It does nothing before.
    until: u64,
}

struct World {
    plan: Plan,
    random: Random,
    now: u64,
    ids: u128,
    /// All entries that were written, the newest last, with their times.
    entries: Vec<(Kept, u64)>,
    due: HashMap<JobId, i64>,
    waiting: HashSet<JobId>,
    /// When the record of an ended job expires.
    records: HashMap<JobId, u64>,
    runs: Vec<JobId>,
    is_calm: bool,
    overlapped: bool,
}

impl World {
    fn id(&mut self) -> JobId {
        self.ids += 1;
        JobId::from_bits(self.ids)
    }

    fn wall(&self) -> Wall {
        Wall::from_secs(START + i64::try_from(self.now / 1000).unwrap())
    }

    /// Runs a job that waits, sometimes. A job with a record is dropped.
    fn run_one(&mut self) {
        let chance = if self.is_calm { 1 } else { 12 };
        if self.random.one_in(chance)
            && let Some(&job) = self.waiting.iter().min()
        {
            self.waiting.remove(&job);
            let now = self.now;
            self.records.retain(|_, expires| *expires > now);
            if self.records.insert(job, now + RETAIN).is_none() {
                self.runs.push(job);
            }
        }
    }

    fn read(&mut self) -> Option<Kept> {
        let is_old = !self.is_calm && self.random.one_in(8);
        let back = if is_old { self.random.below(3) } else { 0 };
        let index = self.entries.len().checked_sub(1 + usize::try_from(back).unwrap())?;
        let (kept, written) = self.entries[index].clone();
        let age = if self.plan.bug == Bug::Ageless { 6_000 } else { self.now - written };
        Some(Kept { age: Duration::from_millis(age), ..kept })
    }

    fn write(&mut self, expect: u64, mut entry: Entry) -> Answer {
        let version = self.entries.last().map_or(0, |(kept, _)| kept.version);
        if version != expect && self.plan.bug != Bug::Overwrites {
            return Answer::Conflict;
        }
        if let Some(run) = &entry.note.last
            && let Ok(job) = run.job
        {
            self.due.insert(job, run.at.as_secs());
        }
        entry.is_sent |= self.plan.bug == Bug::MarksFirst;
        let kept = Kept { version: version + 1, entry, age: Duration::ZERO };
        self.entries.push((kept, self.now));
        Answer::Written(version + 1)
    }

    fn submit(&mut self, job: JobId, is_mine: bool) -> Answer {
        if !self.is_calm && self.random.one_in(4) {
            return Answer::Refused(Refused::new("fib", Refusal::queue_full(1)).into());
        }
        let mut sent = job;
        if self.plan.bug == Bug::OtherId && !is_mine {
            sent = self.id();
            self.due.insert(sent, self.due[&job]);
        }
        // A job that has run is dropped where it is submitted again.
        let is_unfinished = |job: &JobId| !self.records.contains_key(job);
        let beside = self.waiting.iter().any(|job| *job != sent && is_unfinished(job));
        self.overlapped |= beside && is_unfinished(&sent);
        self.waiting.insert(sent);
        Answer::Submitted
    }

    fn answer(&mut self, ask: Ask, mine: Option<JobId>) -> Answer {
        match ask {
            Ask::Read => Answer::Read(self.read()),
            Ask::Look(_, job) => {
                let ended = self.records.get(&job).is_some_and(|expires| *expires > self.now);
                let is_known = ended || self.waiting.contains(&job);
                Answer::Looked(is_known.then_some(!self.waiting.contains(&job)))
            }
            Ask::Write(expect, entry) => self.write(expect, entry),
            Ask::Submit(job) => self.submit(job, mine == Some(job)),
            Ask::Rest(_) => Answer::Begin,
        }
    }

    /// Lets a server take one step, or fail at it.
    fn step<'a>(&mut self, front: &mut Front<'a>, of: Of<'a>) {
        if front.until > self.now {
            return;
        }
        let Some((mut turn, ask)) = front.turn.take() else {
            let mut turn = Turn::new(of, self.wall(), front.mine, None);
            let ask = turn.next(Answer::Begin, self.id());
            front.turn = Some((turn, ask));
            return;
        };
        if let Ask::Rest(wait) = ask {
            front.until = self.now + u64::try_from(wait.as_millis()).unwrap();
            return;
        }
        let fate = if self.is_calm { u64::MAX } else { self.random.below(40) };
        let is_performed = !matches!(fate, 0 | 2) || self.random.one_in(2);
        let answer = if is_performed { self.answer(ask, turn.mine()) } else { Answer::Conflict };
        match fate {
            // It dies before or after it.
            0 | 1 => *front = Front { until: self.now + self.random.below(8_000), ..Front::default() },
            // The answer is lost.
            2 | 3 => front.until = self.now + 5_000,
            _ => {
                let ask = turn.next(answer, self.id());
                front.mine = turn.mine();
                front.turn = Some((turn, ask));
                if fate == 4 {
                    front.until = self.now + self.random.below(8_000);
                }
            }
        }
    }
}

/// Returns what is wrong with the books after some minutes.
fn play(seed: u64, plan: Plan) -> Result<(), String> {
    let calendar = Calendar::parse("*/5 * * * * *", "UTC", Wall::from_secs(START)).unwrap();
    let schedule = Schedule::new(calendar).overlap(plan.overlap).missed(Missed::All);
    let of = Of { schedule: &schedule, pool: "fib", retain: Duration::from_millis(RETAIN) };
    let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut world = World {
        plan,
        random,
        now: 0,
        ids: 0,
        entries: Vec::new(),
        due: HashMap::new(),
        waiting: HashSet::new(),
        records: HashMap::new(),
        runs: Vec::new(),
        is_calm: true,
        overlapped: false,
    };
    let mut fronts: [Front<'_>; FRONTS] = Default::default();
    let (outage, calm, end) = (120_000, 240_000 + plan.outage, 300_000 + plan.outage);
    let mut is_out = plan.outage > 0;
    while world.now < end {
        world.is_calm = world.entries.is_empty() || world.now >= calm;
        // Amid a run: the worst moment.
        let is_amid = world.entries.last().is_some_and(|(kept, _)| !kept.entry.is_sent);
        if is_out && world.now > outage && is_amid && !world.waiting.is_empty() {
            is_out = false;
            fronts = Default::default();
            (0..200).for_each(|_| world.run_one());
            world.now += plan.outage;
        }
        let nth = usize::try_from(world.random.below(FRONTS as u64)).unwrap();
        world.step(&mut fronts[nth], of);
        world.run_one();
        world.now += world.random.below(150);
    }
    (0..1_000).for_each(|_| world.run_one());
    balance(&world)
}

fn balance(world: &World) -> Result<(), String> {
    let (first, last) = (&world.entries[0].0.entry.note, &world.entries.last().unwrap().0.entry.note);
    let mut runs: BTreeMap<i64, usize> = BTreeMap::new();
    world.runs.iter().for_each(|job| *runs.entry(world.due[job]).or_default() += 1);
    if let Some((at, count)) = runs.iter().find(|(_, count)| **count > 1) {
        return Err(format!("the run of {at} has run {count} times"));
    }
    if world.overlapped && world.plan.overlap == Overlap::Skip {
        return Err("two runs overlap".into());
    }
    let lasts = world.entries.iter().filter_map(|(kept, _)| kept.entry.note.last.as_ref());
    let given_up: HashSet<_> = lasts.filter(|run| run.job.is_err()).map(|run| run.at).collect();
    let given_up = given_up.len();
    let due = (first.done.as_secs() + 1..=last.done.as_secs()).filter(|at| at % 5 == 0).count();
    let left_out = usize::try_from(last.left_out).unwrap();
    let is_lossless = world.plan.overlap == Overlap::Skip || left_out == 0;
    // A run that is given up may have run.
    let covered = runs.len() + left_out;
    let may_give_up = world.plan.outage > 0 || given_up == 0;
    match is_lossless && may_give_up && covered <= due && due <= covered + given_up {
        true => Ok(()),
        false => {
            let count = runs.len();
            Err(format!("{due} due, {count} have run, {left_out} left out, {given_up} given up"))
        }
    }
}

/// Returns the first seed with a mistake in its books.
fn mistake(plan: Plan, seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| play(seed, plan).err().map(|mistake| (seed, mistake)))
}

#[test]
fn each_due_time_has_one_job_whatever_servers_do() {
    assert_eq!(mistake(PLAN, 120), None);
}

#[test]
fn runs_do_not_overlap_and_those_left_out_are_counted() {
    assert_eq!(mistake(Plan { overlap: Overlap::Skip, ..PLAN }, 120), None);
}

#[test]
fn after_a_long_outage_no_run_is_repeated_of_which_the_store_may_have_forgotten() {
    assert_eq!(mistake(Plan { outage: 70_000, ..PLAN }, 60), None);
}

#[test]
fn planted_bugs_are_noticed() {
    for bug in [Bug::Overwrites, Bug::MarksFirst, Bug::OtherId] {
        assert!(mistake(Plan { bug, ..PLAN }, 300).is_some(), "{bug:?}");
    }
    let ageless = Plan { bug: Bug::Ageless, outage: 70_000, ..PLAN };
    assert!(mistake(ageless, 300).is_some());
}

#[test]
fn a_run_by_hand_is_noted_after_the_run_that_waits_for_its_mark() {
    let calendar = Calendar::parse("@daily", "UTC", Wall::from_secs(START)).unwrap();
    let schedule = Schedule::new(calendar);
    let of = Of { schedule: &schedule, pool: "fib", retain: Duration::from_secs(60) };
    let (now, spare) = (Wall::from_secs(START), JobId::from_bits(9));
    let run = |job| super::Run { at: now, job: Ok(JobId::from_bits(job)) };
    let note = super::Note { done: now, last: Some(run(1)), left_out: 0 };
    let entry = Entry { note, pool: "fib".into(), is_sent: false };
    let mut turn = Turn::new(of, now, None, Some(run(2)));
    assert_eq!(turn.next(Answer::Begin, spare), Ask::Read);
    let kept = Kept { version: 4, entry: entry.clone(), age: Duration::ZERO };
    assert_eq!(turn.next(Answer::Read(Some(kept)), spare), Ask::Look("fib".into(), JobId::from_bits(1)));
    assert_eq!(turn.next(Answer::Looked(None), spare), Ask::Submit(JobId::from_bits(1)));
    let marked = Entry { is_sent: true, ..entry };
    assert_eq!(turn.next(Answer::Submitted, spare), Ask::Write(4, marked.clone()));
    let mut noted = marked;
    noted.note.last = Some(run(2));
    assert_eq!(turn.next(Answer::Written(5), spare), Ask::Write(5, noted));
}

#[test]
fn a_run_of_a_pool_that_the_schedule_no_longer_has_is_given_up() {
    let calendar = Calendar::parse("@daily", "UTC", Wall::from_secs(START)).unwrap();
    let schedule = Schedule::new(calendar);
    let of = Of { schedule: &schedule, pool: "fib", retain: Duration::from_secs(60) };
    let (now, spare) = (Wall::from_secs(START), JobId::from_bits(9));
    let last = Some(super::Run { at: now, job: Ok(JobId::from_bits(1)) });
    let note = super::Note { done: now, last, left_out: 0 };
    let entry = Entry { note, pool: "other".into(), is_sent: false };
    let mut turn = Turn::new(of, now, None, None);
    turn.next(Answer::Begin, spare);
    let kept = Kept { version: 4, entry, age: Duration::from_secs(9) };
    assert_eq!(turn.next(Answer::Read(Some(kept)), spare), Ask::Look("other".into(), JobId::from_bits(1)));
    let Ask::Write(4, entry) = turn.next(Answer::Looked(None), spare) else { panic!("it is noted") };
    assert!(entry.is_sent && entry.note.last.unwrap().job.unwrap_err().contains("another pool"));
}

#[test]
fn a_job_that_is_refused_for_good_is_not_submitted_again() {
    let calendar = Calendar::parse("* * * * *", "UTC", Wall::from_secs(START)).unwrap();
    let schedule = Schedule::new(calendar);
    let of = Of { schedule: &schedule, pool: "fib", retain: Duration::from_secs(60) };
    let (now, spare) = (Wall::from_secs(START), JobId::from_bits(9));
    let note = super::Note { done: Wall::from_secs(START - 60), last: None, left_out: 0 };
    let entry = Entry { note, pool: "fib".into(), is_sent: true };
    let mut turn = Turn::new(of, now, None, None);
    turn.next(Answer::Begin, spare);
    let kept = Kept { version: 4, entry, age: Duration::from_secs(9) };
    let Ask::Write(4, _) = turn.next(Answer::Read(Some(kept)), spare) else { panic!("it is noted") };
    assert_eq!(turn.next(Answer::Written(5), spare), Ask::Submit(spare));
    let refused: JobError = Refused::new("fib", Refusal::input_too_large(2, 1)).into();
    let Ask::Write(5, entry) = turn.next(Answer::Refused(refused), spare) else { panic!("it is noted") };
    assert!(entry.is_sent && entry.note.last.unwrap().job.is_err());
    assert!(matches!(turn.next(Answer::Written(6), spare), Ask::Rest(_)));
}
