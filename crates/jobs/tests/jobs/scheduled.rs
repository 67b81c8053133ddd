//! The runner of schedules, with tokio's clock as the wall clock, which a test sets at will.

use crate::engine::{Answer, Scripted};
use procpool_jobs::{Jobs, LocalJobs, MemoryNotes, Notes, ScheduleReport as Report, Scheduled, Schedules};
use procpool_protocol::engine::Submission;
use procpool_protocol::{Encoding, Payload};
use procpool_registry::{Settings, State};
use procpool_schedules::{Calendar, Missed, Overlap, Schedule, Wall};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
/// A full hour.
const START: i64 = 1_780_000_000 - 1_780_000_000 % HOUR;

struct World {
    engine: Arc<Scripted>,
    jobs: LocalJobs,
    notes: MemoryNotes,
    /// Seconds by which the clock was set.
    set: Arc<AtomicI64>,
    begun: Instant,
    told: Arc<Mutex<Vec<Report>>>,
}

impl World {
    fn new() -> Self {
        let engine = Scripted::new();
        let jobs = LocalJobs::new(engine.clone(), Settings::default()).unwrap();
        let (notes, set, told) = (MemoryNotes::default(), Arc::default(), Arc::default());
        Self { engine, jobs, notes, set, begun: Instant::now(), told }
    }

    /// Returns the schedules of a server that starts now.
    async fn schedules(&self, all: Vec<Scheduled>) -> Schedules {
        let (set, begun) = (self.set.clone(), self.begun);
        let clock = move || {
            let elapsed = i64::try_from(begun.elapsed().as_secs()).unwrap();
            Wall::from_secs(START + elapsed + set.load(Ordering::Relaxed))
        };
        let schedules = Schedules::new(Arc::new(self.jobs.clone()), Arc::new(self.notes.clone()), clock);
        schedules.replace(all).await;
        schedules
    }

    /// Lets the server run for this time, and stops it.
    async fn run(&self, schedules: &Schedules, secs: i64) {
        let told = self.told.clone();
        let running = schedules.run(move |_, report| told.lock().unwrap().push(report));
        let time = Duration::from_secs(u64::try_from(secs).unwrap());
        let _ = tokio::time::timeout(time, running).await;
    }

    /// Returns the times of the runs since the last call, in seconds.
    fn submitted(&self) -> Vec<i64> {
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        let at = |report: &Report| match report {
            Report::Submitted(at, _) => Some(at.as_secs() - START),
            _ => None,
        };
        told.iter().filter_map(at).collect()
    }

    fn end_all(&self) {
        self.engine.end_all(|| Ok(Payload::json("1")));
    }
}

fn scheduled(line: &str, rule: impl FnOnce(Schedule) -> Schedule) -> Vec<Scheduled> {
    let calendar = Calendar::parse(line, "UTC", Wall::from_secs(START)).unwrap();
    vec![Scheduled {
        name: "nightly".into(),
        written: (line.into(), "UTC".into()),
        schedule: rule(Schedule::new(calendar)),
        job: Submission::new("fib", Payload::json("7"), Encoding::Json),
    }]
}

fn queued(schedule: Schedule) -> Schedule {
    schedule.overlap(Overlap::Queue)
}

#[tokio::test(start_paused = true)]
async fn each_run_is_one_job_of_the_schedules_principal() {
    let world = World::new();
    let schedules = world.schedules(scheduled("*/10 * * * *", queued)).await;
    world.run(&schedules, HOUR + 5).await;
    assert_eq!(world.submitted(), [600, 1200, 1800, 2400, 3000, 3600]);
    assert_eq!(world.engine.count(), 6);
    let [status] = &schedules.list().await[..] else { panic!("one schedule") };
    assert_eq!(status.next, Some(Wall::from_secs(START + HOUR + 600)));
    assert_eq!(status.last.as_ref().unwrap().at, Wall::from_secs(START + HOUR));
    let record = status.record.as_ref().unwrap();
    assert_eq!((record.principal.as_deref(), record.state), (Some("schedule:nightly"), State::Queued));
}

#[tokio::test(start_paused = true)]
async fn a_run_is_left_out_while_the_one_before_is_unfinished() {
    let world = World::new();
    let schedules = world.schedules(scheduled("*/10 * * * *", |it| it)).await;
    world.run(&schedules, 30 * MINUTE + 5).await;
    assert_eq!(world.submitted(), [600]);
    assert_eq!(schedules.list().await[0].left_out, 2);
    world.end_all();
    world.run(&schedules, 10 * MINUTE).await;
    assert_eq!(world.submitted(), [2400]);
}

#[tokio::test(start_paused = true)]
async fn runs_that_were_missed_while_the_server_was_down_follow_their_rule() {
    for (rule, expected) in [
        (Missed::Skip, vec![]),
        (Missed::Once, vec![3 * HOUR]),
        (Missed::All, vec![HOUR, 2 * HOUR, 3 * HOUR]),
    ] {
        let world = World::new();
        let hourly = scheduled("0 * * * *", |it| queued(it).missed(rule));
        let before = world.schedules(hourly.clone()).await;
        world.run(&before, 5).await;
        drop(before);
        // sleep: the time, which is paused, in which no server runs.
        sleep(Duration::from_secs(3 * 3600 + 600)).await;
        let after = world.schedules(hourly).await;
        world.run(&after, 5).await;
        assert_eq!(world.submitted(), expected, "{rule:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_repeats_no_run_and_is_noticed_within_half_a_minute() {
    let world = World::new();
    let schedules = world.schedules(scheduled("0 * * * *", queued)).await;
    world.run(&schedules, HOUR + 5).await;
    assert_eq!(world.submitted(), [HOUR]);
    world.set.store(-10 * MINUTE, Ordering::Relaxed);
    world.run(&schedules, 20 * MINUTE).await;
    assert_eq!(world.submitted(), [0; 0], "it was at this hour before");
    // Forward, into the next hour.
    world.set.store(HOUR, Ordering::Relaxed);
    world.run(&schedules, 35).await;
    assert_eq!(world.submitted(), [2 * HOUR]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_refused_for_the_moment_is_tried_again() {
    let world = World::new();
    let schedules = world.schedules(scheduled("0 * * * *", queued)).await;
    world.run(&schedules, HOUR - 5).await;
    world.engine.answer(Answer::RefuseSlowly);
    world.run(&schedules, 15).await;
    let told = std::mem::take(&mut *world.told.lock().unwrap());
    assert!(!told.is_empty() && told.iter().all(|it| matches!(it, Report::Postponed(..))), "{told:?}");
    world.engine.answer(Answer::Accept);
    world.run(&schedules, 15).await;
    assert_eq!(world.submitted(), [HOUR]);
}

#[tokio::test(start_paused = true)]
async fn schedules_that_are_replaced_go_on_and_those_that_are_removed_are_forgotten() {
    let world = World::new();
    let schedules = world.schedules(scheduled("0 * * * *", queued)).await;
    world.run(&schedules, HOUR + 5).await;
    schedules.replace(scheduled("*/30 * * * *", queued)).await;
    world.run(&schedules, 30 * MINUTE).await;
    assert_eq!(world.submitted(), [HOUR, HOUR + 30 * MINUTE]);
    schedules.replace(Vec::new()).await;
    assert_eq!(world.notes.get("nightly").await, None);
    world.run(&schedules, HOUR).await;
    assert_eq!((world.submitted(), schedules.list().await.len()), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn a_schedule_runs_now_by_order() {
    let world = World::new();
    let schedules = world.schedules(scheduled("0 * * * *", |it| it)).await;
    let job = schedules.run_now("nightly").await.unwrap().unwrap();
    assert!(world.jobs.job(job).await.is_some());
    assert_eq!(schedules.list().await[0].last.as_ref().unwrap().job, Ok(job));
    assert!(schedules.run_now("other").await.is_none());
}
