//! Schedules whose notes are beside their jobs: a run and its note are one step.

use crate::engine::{Desk, once, soon};
use procpool_jobs::{
    DurableJobs, DurablePools, JobNote, Jobs, LocalJobs, Note, NoteOfJob, Notes, RoutedJobs, Run,
    ScheduleReport as Report, Scheduled, Schedules,
};
use procpool_protocol::engine::{BoxFuture, Submission};
use procpool_protocol::outcome::Refusal;
use procpool_protocol::{Encoding, JobId, Payload};
use procpool_registry::Settings;
use procpool_schedules::{Calendar, Schedule, Wall};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// A full minute.
const NOW: i64 = 1_780_000_000 - 1_780_000_000 % 60;

/// Notes as three words: how far, when the last run was due, its job.
struct Beside(DurableJobs);

fn written(note: &Note) -> Vec<u8> {
    let last =
        note.last.as_ref().and_then(|run| Some((run.at.as_secs(), run.job.as_ref().ok()?.to_string())));
    let (at, job) = last.unwrap_or_default();
    format!("{} {at} {job}", note.done.as_secs()).into_bytes()
}

fn read(note: &[u8]) -> Option<Note> {
    let text = std::str::from_utf8(note).ok()?;
    let mut words = text.split(' ');
    let mut number = || Some(Wall::from_secs(words.next()?.parse().ok()?));
    let (done, at) = (number()?, number()?);
    let last = words.next()?.parse::<JobId>().ok().map(|job| Run { at, job: Ok(job) });
    Some(Note { done, last, left_out: 0 })
}

impl Notes for Beside {
    fn get(&self, schedule: &str) -> BoxFuture<'_, Option<Note>> {
        let name = schedule.to_owned();
        Box::pin(async move { read(&self.0.note(name).await?) })
    }

    fn put(&self, schedule: &str, note: Note) -> BoxFuture<'_, bool> {
        let name = schedule.to_owned();
        Box::pin(async move { self.0.put_note(name, Some(written(&note))).await.is_ok() })
    }

    fn beside(&self, schedule: &str, note: NoteOfJob) -> Option<JobNote> {
        Some(JobNote::new(schedule, move |job| written(&note(job))))
    }

    fn forget(&self, _: &str) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// The same, and a reload makes other pools durable as soon as a run has been prepared.
struct Reloading {
    notes: Beside,
    pools: DurablePools,
    after: Vec<&'static str>,
    /// There is no space for a note without a job.
    is_full: Arc<AtomicBool>,
}

impl Notes for Reloading {
    fn get(&self, schedule: &str) -> BoxFuture<'_, Option<Note>> {
        self.notes.get(schedule)
    }

    fn put(&self, schedule: &str, note: Note) -> BoxFuture<'_, bool> {
        if self.is_full.load(Ordering::Relaxed) {
            return Box::pin(async { false });
        }
        self.notes.put(schedule, note)
    }

    fn beside(&self, schedule: &str, note: NoteOfJob) -> Option<JobNote> {
        self.pools.replace(self.after.iter().copied());
        self.notes.beside(schedule, note)
    }

    fn forget(&self, schedule: &str) -> BoxFuture<'_, ()> {
        self.notes.forget(schedule)
    }
}

async fn minutely(desk: &Desk) -> Schedules {
    let notes = Arc::new(Beside(desk.jobs.clone()));
    minutely_of(Arc::new(desk.jobs.clone()), notes).await
}

async fn minutely_of(jobs: Arc<dyn Jobs>, notes: Arc<dyn Notes>) -> Schedules {
    let schedules = Schedules::new(jobs, notes, || Wall::from_secs(NOW));
    let calendar = Calendar::parse("* * * * *", "UTC", Wall::from_secs(NOW)).unwrap();
    let job = Submission::new("fib", Payload::json("7"), Encoding::Json);
    let written = ("* * * * *".into(), "UTC".into());
    schedules
        .replace(vec![Scheduled { name: "often".into(), written, schedule: Schedule::new(calendar), job }])
        .await;
    schedules
}

/// Returns when the last run was due, and its job, as the next process knows them.
async fn noted(desk: &Desk) -> (i64, JobId) {
    let desk = desk.crash(once());
    let note = read(&soon(desk.jobs.note("often")).await.expect("a note")).expect("as it was written");
    let Run { at, job } = note.last.expect("a run");
    let job = job.expect("a job");
    assert!(desk.jobs.job(job).await.is_some(), "the job is there, too");
    (at.as_secs(), job)
}

/// Lets the schedules run until they report something.
async fn report(schedules: &Schedules) -> Report {
    let (sender, mut told) = mpsc::unbounded_channel();
    let running = schedules.run(move |_, report| drop(sender.send(report)));
    let report = async {
        tokio::select! {
            () = running => unreachable!("it runs for ever"),
            report = told.recv() => report,
        }
    };
    soon(report).await.expect("a report")
}

#[tokio::test]
async fn a_run_and_its_note_are_one_commit() {
    let desk = Desk::new(once());
    let schedules = minutely(&desk).await;
    let due = Note { done: Wall::from_secs(NOW - 1), last: None, left_out: 0 };
    soon(desk.jobs.put_note("often", Some(written(&due)))).await.unwrap();

    let before = desk.store.commits();
    let Report::Submitted(at, job) = report(&schedules).await else { panic!("a job is submitted") };
    // A crash between two commits would run it twice, or never.
    assert_eq!(desk.store.commits(), before + 1);
    assert_eq!(noted(&desk).await, (at.as_secs(), job));

    let desk = Desk::new(once());
    let schedules = minutely(&desk).await;
    let before = desk.store.commits();
    let job = soon(schedules.run_now("often")).await.unwrap().unwrap();
    assert_eq!(desk.store.commits(), before + 1);
    assert_eq!(noted(&desk).await, (NOW, job));
}

#[tokio::test]
async fn a_run_for_which_there_is_no_space_is_not_noted() {
    let desk = Desk::new(once());
    let schedules = minutely(&desk).await;
    let job = soon(schedules.run_now("often")).await.unwrap().unwrap();
    desk.store.set_full(true);
    assert!(soon(schedules.run_now("often")).await.unwrap().is_err());
    desk.store.set_full(false);
    assert_eq!(noted(&desk).await, (NOW, job));
}

#[tokio::test]
async fn a_run_is_noted_once_also_if_a_reload_makes_its_pool_durable_at_that_moment_or_no_longer() {
    for (before, after) in [(vec!["fib"], vec![]), (vec![], vec!["fib"])] {
        let desk = Desk::new(once());
        let memory = LocalJobs::new(desk.engine.clone(), Settings::default()).unwrap();
        let pools = DurablePools::new(before);
        let durable = Arc::new(desk.jobs.clone());
        let jobs = RoutedJobs::new(durable, Arc::new(memory), pools.clone());
        let is_durable = !after.is_empty();
        let notes = Reloading { notes: Beside(desk.jobs.clone()), pools, after, is_full: Arc::default() };
        let schedules = minutely_of(Arc::new(jobs), Arc::new(notes)).await;
        let due = Note { done: Wall::from_secs(NOW - 1), last: None, left_out: 0 };
        soon(desk.jobs.put_note("often", Some(written(&due)))).await.unwrap();
        let commits = desk.store.commits();

        let Report::Submitted(at, job) = report(&schedules).await else { panic!("a job is submitted") };
        // The job in its store with its note, or the note alone: one commit in either case.
        assert_eq!(desk.store.commits(), commits + 1, "durable: {is_durable}");
        assert_eq!(soon(desk.jobs.job(job)).await.is_some(), is_durable);
        let note = read(&soon(desk.jobs.note("often")).await.unwrap()).unwrap();
        assert_eq!((note.done, note.last), (Wall::from_secs(NOW), Some(Run { at, job: Ok(job) })));
    }
}

#[tokio::test]
async fn a_run_whose_note_finds_no_space_is_not_submitted_again_by_the_same_process() {
    let desk = Desk::new(once());
    let memory = LocalJobs::new(desk.engine.clone(), Settings::default()).unwrap();
    let (notes, pools) = (Beside(desk.jobs.clone()), DurablePools::default());
    let is_full = Arc::new(AtomicBool::new(true));
    let notes = Reloading { notes, pools, after: Vec::new(), is_full: is_full.clone() };
    let schedules = minutely_of(Arc::new(memory), Arc::new(notes)).await;
    let due = Note { done: Wall::from_secs(NOW - 1), last: None, left_out: 0 };
    soon(desk.jobs.put_note("often", Some(written(&due)))).await.unwrap();
    let Report::Submitted(at, job) = report(&schedules).await else { panic!("a job is submitted") };
    let last = |schedules: &Schedules| {
        let schedules = schedules.clone();
        async move { soon(schedules.list()).await[0].last.clone() }
    };
    assert_eq!(last(&schedules).await, Some(Run { at, job: Ok(job) }));
    // A note that is written later counts again.
    is_full.store(false, Ordering::Relaxed);
    let job = soon(schedules.run_now("often")).await.unwrap().unwrap();
    assert_eq!(last(&schedules).await, Some(Run { at: Wall::from_secs(NOW), job: Ok(job) }));
    let note = read(&soon(desk.jobs.note("often")).await.unwrap()).unwrap();
    assert_eq!((note.done, note.last.unwrap().job), (Wall::from_secs(NOW), Ok(job)));
}

#[tokio::test]
async fn a_run_whose_pool_a_reload_has_just_removed_goes_to_the_pool_of_the_next_configuration() {
    let desk = Desk::new(once());
    let memory = LocalJobs::new(desk.engine.clone(), Settings::default()).unwrap();
    let schedules = minutely_of(Arc::new(memory), Arc::new(Beside(desk.jobs.clone()))).await;
    let due = Note { done: Wall::from_secs(NOW - 1), last: None, left_out: 0 };
    soon(desk.jobs.put_note("often", Some(written(&due)))).await.unwrap();

    desk.engine.refuse(Some(Refusal::unknown_pool(vec!["other".into()])));
    let Report::Postponed(at, _) = report(&schedules).await else { panic!("the run is not given up") };
    desk.engine.refuse(None);
    let Report::Submitted(again, _) = report(&schedules).await else { panic!("a job is submitted") };
    assert_eq!(at, again);
}
