//! F06, F07, F08, F14, F24, F41, F42: deadlines and cancels, against workers that do not care, at the
//! very moment of the answer, and with a coordinator that sleeps over them.

use crate::recovers;
use procpool::error::Stage;
use procpool::raw::JobLimits;
use procpool::raw::Payload;
use procpool::{Encoding, Executable, JobError, JobHandle, Pool};
use procpool_tests::binaries::binary;
use procpool_tests::library::{begin, echo, idle, misbehaving_once, outcomes, verbs};
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{eventually, http, process};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Returns a worker to which SIGTERM means nothing: ignoring it survives `exec`.
fn stubborn() -> Executable {
    let verbs = binary("verbs").display().to_string();
    Executable::path("/bin/sh").unwrap().with_args(["-c", "trap '' TERM; exec \"$0\"", &verbs])
}

/// No later than deadline + grace + 100 ms is the promise (FAULTS, F06), so here a time is asserted: the one
/// that the coordinator reports as `Server-Timing`.
#[tokio::test]
async fn a_worker_that_ignores_sigterm_and_spins_is_timed_out_in_time() {
    let (deadline, grace) = (Duration::from_secs(1), Duration::from_millis(50));
    let pool = Pool::<Verbs>::builder(stubborn()).workers(1..=1).grace(grace).start().await.unwrap();
    let pid = pool.workers()[0].pid.unwrap();
    process::signal(pid, Signal::TERM);
    let input = Payload::encode(&Verb::Spin, Encoding::Bincode).unwrap();
    let limits = JobLimits::new().timeout(deadline);
    let job = pool.raw().submit(input, Encoding::Bincode, limits).unwrap();
    let finished = job.outcome.await;
    let error = finished.result.unwrap_err();
    assert!(matches!(*error, JobError::TimedOut { stage: Stage::Running, .. }), "{error}");
    let took = finished.timing.wait + finished.timing.run;
    assert!(took <= deadline + grace + Duration::from_millis(100), "{took:?}");

    eventually("the kill", async || (!process::is_alive(pid)).then_some(())).await;
    recovers(&pool, 1).await;
    assert_eq!(outcomes(&pool), [("ok", 1), ("timed_out", 1)]);
}

#[tokio::test]
async fn an_answer_at_the_deadline_or_the_deadline_whichever_is_first_and_never_both() {
    let pool = verbs(4).grace(Duration::from_secs(20)).start().await.unwrap();
    idle(&pool, 4).await;
    let deadline = Duration::from_millis(6);
    let count = 1000;
    let (mut ok, mut timed_out) = (0, 0);
    // Naps of the deadline ± 2 ms, four at a time.
    for first in (0..count).step_by(4) {
        let submitted = Instant::now();
        let nap =
            |n: u64| pool.job(Verb::Nap(4_000 + n % 41 * 100)).run_timeout(deadline).try_submit().unwrap();
        for job in [nap(first), nap(first + 1), nap(first + 2), nap(first + 3)] {
            match job.await {
                Ok(_) => ok += 1,
                Err(JobError::TimedOut { .. }) => {
                    timed_out += 1;
                    assert!(submitted.elapsed() >= deadline, "it had time left");
                }
                Err(other) => panic!("neither: {other}"),
            }
        }
    }
    assert_eq!(ok + timed_out, count);
    assert!(ok > 0 && timed_out > 0, "no race: {ok} were in time, {timed_out} were not");
    // The workers that were late have answered all the same, within the grace. None was killed for it.
    recovers(&pool, 4).await;
    assert_eq!(outcomes(&pool), [("ok", ok + 1), ("timed_out", timed_out)]);
    assert_eq!(pool.status().deaths, 0);
}

/// When to cancel so that the answer comes at the same time: later after a cancel that was in time, earlier after one that was
/// not. So both occur, however fast this machine is.
struct Moment {
    pause: Duration,
    step: Duration,
    finished: u64,
    cancelled: u64,
}

impl Moment {
    fn new(step: Duration) -> Self {
        Self { pause: Duration::ZERO, step, finished: 0, cancelled: 0 }
    }

    /// Cancels the job at the moment, and has it end in one of the two ways.
    async fn cancel(&mut self, job: JobHandle<Verbs>) {
        let submitted = Instant::now();
        tokio::task::yield_now().await;
        while submitted.elapsed() < self.pause {
            tokio::task::yield_now().await;
        }
        job.cancel();
        match job.await {
            Ok(_) => {
                self.finished += 1;
                self.pause = self.pause.saturating_sub(self.step);
            }
            Err(JobError::Cancelled { .. }) => {
                self.cancelled += 1;
                self.pause += self.step;
            }
            Err(other) => panic!("neither: {other}"),
        }
    }

    /// How many had answered, and how many had not.
    fn both(&self) -> (u64, u64) {
        let Self { finished, cancelled, .. } = *self;
        assert!(finished > 0 && cancelled > 0, "no race: {finished} had answered, {cancelled} had not");
        (finished, cancelled)
    }
}

#[tokio::test]
async fn a_cancel_at_the_moment_of_the_answer_never_hits_the_next_job() {
    let pool = verbs(1).grace(Duration::from_secs(20)).start().await.unwrap();
    let worker = pool.workers()[0].pid;
    let mut moment = Moment::new(Duration::from_micros(10));
    for round in 0..1000_u64 {
        let job = pool.try_submit(Verb::Attend(round % 20 * 10)).unwrap();
        // A job that looks at its flag for longer is the one that a stray cancel would hit.
        let next = pool.try_submit(Verb::Attend(300)).unwrap();
        moment.cancel(job).await;
        assert_eq!(next.await.unwrap(), "undisturbed", "round {round}");
    }
    let (finished, cancelled) = moment.both();
    assert_eq!(outcomes(&pool), [("cancelled", cancelled), ("ok", finished + 1000)]);
    assert_eq!((pool.workers()[0].pid, pool.status().deaths), (worker, 0));
}

#[tokio::test]
async fn a_cancel_that_ends_in_a_kill_never_costs_the_next_job() {
    let pool = verbs(2).grace(Duration::ZERO).start().await.unwrap();
    let mut moment = Moment::new(Duration::from_micros(50));
    let mut workers = BTreeSet::new();
    for round in 0..100_u64 {
        workers.extend(pool.workers().into_iter().filter_map(|worker| worker.pid));
        let job = pool.try_submit(Verb::Nap(round % 10 * 100)).unwrap();
        let next = pool.try_submit(echo("next")).unwrap();
        moment.cancel(job).await;
        assert_eq!(next.await.unwrap(), "next", "round {round}");
    }
    moment.both();
    assert!(workers.len() > 2, "nobody was killed: {workers:?}");
    recovers(&pool, 2).await;
    assert_eq!(pool.status().deaths, 0, "a kill of our own is no death");
}

#[tokio::test]
async fn a_large_job_to_a_worker_that_does_not_read_runs_into_its_deadline_and_disturbs_nobody() {
    let scratch = Scratch::new();
    let pool = misbehaving_once("deaf", 2, &scratch).start().await.unwrap();
    idle(&pool, 2).await;
    let large = || pool.job(echo(&"x".repeat(1 << 20))).timeout(Duration::from_secs(1)).try_submit().unwrap();
    // One of them meets the deaf worker. The other one's worker does all the rest meanwhile.
    let (one, other) = (large(), large());
    for _ in 0..200 {
        assert_eq!(pool.run(Verb::Pid).await.unwrap(), "done");
    }
    let mut ends = [one.await, other.await];
    ends.sort_by_key(Result::is_ok);
    assert!(matches!(&ends[0], Err(JobError::TimedOut { .. })), "{ends:?}");
    assert_eq!(ends[1].as_deref().unwrap(), "done");
    recovers(&pool, 2).await;
    assert_eq!(outcomes(&pool), [("ok", 202), ("timed_out", 1)]);
}

#[tokio::test]
async fn a_cancel_says_whether_it_was_in_time_in_every_state() {
    let scratch = Scratch::new();
    let log = scratch.path().join("log");
    let pool = verbs(1).grace(Duration::from_secs(20)).start_lazy().unwrap();
    // Queued, for a worker that is not there yet, and behind one that runs: it is never begun.
    let unborn = pool.try_submit(Verb::Log(log.display().to_string(), "ran".into())).unwrap();
    assert!(unborn.cancel() && !unborn.cancel());
    assert!(matches!(unborn.await.unwrap_err(), JobError::Cancelled { stage: Stage::Queued, .. }));
    idle(&pool, 1).await;
    let worker = pool.workers()[0].pid;
    let (running, _) = begin(&pool, Verb::Obey).await;
    let queued = pool.try_submit(Verb::Log(log.display().to_string(), "ran".into())).unwrap();
    assert!(queued.cancel() && !queued.cancel());
    assert!(matches!(queued.await.unwrap_err(), JobError::Cancelled { stage: Stage::Queued, .. }));
    // Running, and obedient.
    assert!(running.cancel() && !running.cancel());
    assert!(matches!(running.await.unwrap_err(), JobError::Cancelled { stage: Stage::Running, .. }));
    // Done.
    let done = pool.try_submit(echo("done")).unwrap();
    let id = done.id();
    assert_eq!(done.await.unwrap(), "done");
    assert!(!pool.cancel(id) && !pool.cancel(id));
    assert_eq!(outcomes(&pool), [("cancelled", 3), ("ok", 1)]);
    assert_eq!((pool.workers()[0].pid, pool.status().deaths, log.exists()), (worker, 0, false));
}

/// The bound of F41: what a small job may take beside a worker that spins and one that moves huge frames,
/// with two processors for all of them.
const SMALL: Duration = Duration::from_millis(250);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_jobs_are_not_held_up_by_a_slow_one_and_huge_frames() {
    let pool = verbs(3).no_timeout().start().await.unwrap();
    idle(&pool, 3).await;
    let (slow, _) = begin(&pool, Verb::Spin).await;
    let huge = tokio::spawn({
        let pool = pool.clone();
        async move {
            for _ in 0..5 {
                assert_eq!(pool.run(echo(&"x".repeat(16 << 20))).await.unwrap().len(), 16 << 20);
            }
        }
    });
    let mut times = Vec::new();
    for n in 0..500 {
        let input = Payload::encode(&echo(&n.to_string()), Encoding::Bincode).unwrap();
        let job = pool.raw().submit(input, Encoding::Bincode, JobLimits::default()).unwrap();
        let finished = job.outcome.await;
        assert_eq!(finished.result.unwrap().decode::<String>().unwrap(), n.to_string());
        times.push(finished.timing.wait + finished.timing.run);
    }
    times.sort_unstable();
    let p99 = times[times.len() * 99 / 100];
    assert!(p99 <= SMALL, "p99 is {p99:?}");
    huge.await.unwrap();
    slow.cancel();
    recovers(&pool, 3).await;
}

#[tokio::test]
async fn a_coordinator_that_was_stopped_and_continued_kills_nobody() {
    let server = Server::of_verbs(4, "").await;
    let go = server.scratch.path().join("go.txt");
    let running = server.begin(&Verb::WaitFor(go.display().to_string())).await;
    server.busy("verbs", 1).await;
    let workers = server.workers("verbs").await;

    process::signal(server.pid(), Signal::STOP);
    eventually("the stop", async || (process::state(server.pid()) == Some('T')).then_some(())).await;
    // sleep: longer than every bound on a worker that is asked to answer or to go (`AFTER_EOF`, `stop_timeout`).
    tokio::time::sleep(Duration::from_secs(5)).await;
    process::signal(server.pid(), Signal::CONT);

    std::fs::write(&go, "").unwrap();
    assert_eq!(http::finish(running).await.unwrap().status, 200);
    server.idle("verbs", 4).await;
    assert_eq!(server.workers("verbs").await, workers);
    assert_eq!(server.pool("verbs").await["deaths"], 0);
}

#[tokio::test]
async fn after_a_stop_deadlines_are_kept_although_workers_come_and_go_all_the_time() {
    let server = Arc::new(Server::of_verbs(3, "process_per_job = true\nspares = 2").await);
    let (spinning, _) = server.begin_spinning("?timeout=1500ms").await;
    let stop = Arc::new(AtomicBool::new(false));
    let others: Vec<_> = (0..6)
        .map(|_| {
            let (server, stop) = (server.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(server.perform(&Verb::Pid).await.status, 200);
                }
            })
        })
        .collect();
    process::signal(server.pid(), Signal::STOP);
    eventually("the stop", async || (process::state(server.pid()) == Some('T')).then_some(())).await;
    // sleep: beyond the deadline, so that the tick for it comes late.
    tokio::time::sleep(Duration::from_secs(2)).await;
    process::signal(server.pid(), Signal::CONT);
    assert_eq!(http::finish(spinning).await.unwrap().status, 504);
    stop.store(true, Ordering::Relaxed);
    for other in others {
        other.await.unwrap();
    }
}
