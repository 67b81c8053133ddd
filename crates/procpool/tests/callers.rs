//! The code that callers write: futures that are spawned, selected over, joined and collected.

use procpool::error::Refusal;
use procpool::worker::{Context, serve_if_spawned};
use procpool::{
    Canceller, Executable, Failure, Job, JobError, JobEvent, JobEvents, JobHandle, JobRequest, Map, Pool,
    Streaming,
};
use std::time::Duration;
use tokio::task::JoinSet;

struct Count;

impl Job for Count {
    const NAME: &'static str = "count";
    type Input = u64;
    type Output = u64;
}

impl Streaming for Count {
    type Chunk = u64;
}

/// A number above this is a job that runs until it is cancelled.
const FOR_EVER: u64 = 1_000_000;

fn count(to: u64, cx: &Context<Count>) -> Result<u64, Failure> {
    cx.progress(0, Some(to));
    if to > FOR_EVER {
        loop {
            cx.check()?;
            // sleep: between two looks at the flag.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    for number in 0..to {
        cx.emit(number)?;
    }
    Ok(to)
}

/// Not a test of its own: returns at once, unless this process was spawned as a worker.
#[test]
fn worker() {
    serve_if_spawned::<Count>(count);
}

async fn pool() -> Pool<Count> {
    Pool::<Count>::builder(Executable::this_test("worker")).workers(1).start().await.unwrap()
}

const fn send<T: Send>() {}
const fn sync<T: Sync>() {}
const fn unpin<T: Unpin>() {}
const fn clone<T: Clone>() {}
const fn owned<T: 'static>() {}

/// Held by the compiler.
const _: () = {
    send::<Pool<Count>>();
    sync::<Pool<Count>>();
    clone::<Pool<Count>>();
    send::<JobHandle<Count>>();
    unpin::<JobHandle<Count>>();
    sync::<JobHandle<Count>>();
    send::<JobEvents<Count>>();
    unpin::<JobEvents<Count>>();
    send::<JobRequest<Count>>();
    owned::<JobRequest<Count>>();
    send::<Canceller>();
    sync::<Canceller>();
    clone::<Canceller>();
    send::<Map<Count, std::ops::Range<u64>>>();
    unpin::<Map<Count, std::ops::Range<u64>>>();
};

#[tokio::test]
async fn the_number_of_workers_is_a_number_or_a_range() {
    for builder in [
        Pool::<Count>::builder(Executable::this_test("worker")).workers(2),
        Pool::<Count>::builder(Executable::this_test("worker")).workers(2..=2),
    ] {
        let status = builder.start_lazy().unwrap().status();
        assert_eq!((status.min_workers, status.max_workers), (2, 2));
    }
}

#[tokio::test]
async fn a_run_is_spawned_as_it_is() {
    let pool = pool().await;
    let (one, other) = (tokio::spawn(pool.run(1)), tokio::spawn(pool.job(2).run()));
    let third = tokio::spawn(pool.try_run(3));
    // The futures keep the pool.
    drop(pool);
    assert_eq!(one.await.unwrap().unwrap(), 1);
    assert_eq!(other.await.unwrap().unwrap(), 2);
    assert_eq!(third.await.unwrap().unwrap(), 3);
}

#[tokio::test]
async fn a_handle_is_selected_over_and_cancelled_beside_it() {
    let pool = pool().await;
    let mut job = pool.submit(FOR_EVER + 1).await.unwrap();
    job.next_progress().await.expect("the job begins");
    let mut ticks = 0;
    let end = loop {
        tokio::select! {
            end = &mut job => break end,
            () = tokio::task::yield_now() => {
                ticks += 1;
                job.cancel();
            }
        }
    };
    assert!(matches!(end, Err(JobError::Cancelled { .. })), "{end:?}");
    assert!(ticks > 0);
    assert!(!job.cancel(), "it has its outcome");
}

#[tokio::test]
async fn a_canceller_outlives_the_handle_that_is_awaited() {
    let pool = pool().await;
    let mut job = pool.submit(FOR_EVER + 1).await.unwrap();
    job.next_progress().await.expect("the job begins");
    let canceller = job.canceller();
    assert_eq!(canceller.id(), job.id());
    let end = tokio::spawn(job);
    assert!(canceller.clone().cancel());
    assert!(matches!(end.await.unwrap(), Err(JobError::Cancelled { .. })));
    assert!(!canceller.cancel());
}

#[tokio::test]
async fn handles_are_joined_and_spawned_into_a_set() {
    let pool = pool().await;
    let mut handles = Vec::new();
    for to in 0..10 {
        handles.push(pool.submit(to).await.unwrap());
    }
    let outcomes = futures_util::future::join_all(handles).await;
    let outputs: Vec<u64> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(outputs, Vec::from_iter(0..10));

    let mut set = JoinSet::new();
    for to in 0..10 {
        set.spawn(pool.try_submit(to).unwrap());
    }
    let mut outputs: Vec<u64> = set.join_all().await.into_iter().map(Result::unwrap).collect();
    outputs.sort_unstable();
    assert_eq!(outputs, Vec::from_iter(0..10));
}

#[tokio::test]
async fn events_are_read_beside_the_outcome() {
    let pool = pool().await;
    let mut job = pool.submit(1_000).await.unwrap();
    let mut events = job.take_events().expect("taken once");
    assert!(job.take_events().is_none());
    assert!(job.next_event().await.is_none(), "the taken stream has them");
    let reader = tokio::spawn(async move {
        let mut chunks = Vec::new();
        while let Some(event) = events.next().await {
            if let JobEvent::Chunk(number) = event.unwrap() {
                chunks.push(number);
            }
        }
        chunks
    });
    assert_eq!(job.await.unwrap(), 1_000);
    assert_eq!(reader.await.unwrap(), Vec::from_iter(0..1_000));
}

#[tokio::test]
async fn a_stream_of_events_ends_with_the_job() {
    use futures_util::StreamExt as _;
    let pool = pool().await;
    let mut job = pool.submit(100).await.unwrap();
    let events = job.take_events().unwrap();
    let chunks = events.filter(|event| std::future::ready(matches!(event, Ok(JobEvent::Chunk(_)))));
    let (outcome, chunks) = tokio::join!(job, chunks.count());
    assert_eq!((outcome.unwrap(), chunks), (100, 100));
}

#[tokio::test]
async fn a_job_whose_events_are_dropped_goes_on_without_them() {
    let pool = pool().await;
    let mut job = pool.submit(1_000).await.unwrap();
    let mut events = job.take_events().unwrap();
    events.next().await.unwrap().unwrap();
    drop(events);
    assert_eq!(job.await.unwrap(), 1_000);
}

#[tokio::test]
async fn a_submission_waits_for_a_slot_or_is_refused_at_once() {
    let builder = Pool::<Count>::builder(Executable::this_test("worker")).workers(1).queue(1);
    let pool = builder.start().await.unwrap();
    let mut running = pool.submit(FOR_EVER + 1).await.unwrap();
    running.next_progress().await.expect("the job begins");
    let queued = pool.submit(1).await.unwrap();

    let refused = pool.try_submit(2).unwrap_err();
    assert_eq!(refused.reason, Refusal::queue_full(1));
    let limit = Duration::from_millis(20);
    let refused = pool.job(3).timeout(limit).submit().await.unwrap_err();
    assert_eq!(refused.reason, Refusal::no_slot_in_time(limit));
    assert!(JobError::from(refused).is_timeout());

    let patient = tokio::spawn(pool.submit(4));
    running.cancel();
    assert_eq!(queued.await.unwrap(), 1);
    assert_eq!(patient.await.unwrap().unwrap().await.unwrap(), 4);
}

#[tokio::test]
async fn a_handle_keeps_no_pool_alive() {
    let pool = pool().await;
    let job = pool.submit(FOR_EVER + 1).await.unwrap();
    drop(pool);
    assert!(matches!(job.await, Err(JobError::ShutDown { .. })));
}

#[tokio::test]
#[should_panic(expected = "polled after it was returned")]
async fn a_handle_that_is_polled_after_its_end_says_so() {
    let pool = pool().await;
    let mut job = pool.submit(1).await.unwrap();
    assert_eq!((&mut job).await.unwrap(), 1);
    let _ = (&mut job).await;
}

#[tokio::test]
async fn a_report_says_what_a_job_took() {
    let pool = pool().await;
    let pid = pool.workers()[0].pid;
    let reported = pool.job(7).run_reported().await;
    assert_eq!(reported.outcome.unwrap(), 7);
    let report = reported.report;
    assert_eq!((report.attempts, report.worker), (Some(1), pid));
    assert!(report.id.is_some() && report.run > Duration::ZERO);
    assert!(report.cpu_time.is_some() && report.peak_memory.is_some_and(|bytes| bytes > 0), "{report:?}");

    let job = pool.job(8).report_usage().submit().await.unwrap();
    let id = job.id();
    let reported = job.reported().await;
    assert_eq!(reported.outcome.unwrap(), 8);
    assert_eq!((reported.report.id, reported.report.worker), (Some(id), pid));
    assert!(reported.report.cpu_time.is_some());

    let reported = pool.submit(9).await.unwrap().reported().await;
    assert_eq!(reported.outcome.unwrap(), 9);
    assert!(reported.report.cpu_time.is_none() && reported.report.attempts.is_none(), "nobody asked");
}

#[tokio::test]
async fn a_report_comes_with_an_error_too() {
    let pool = pool().await;
    let limit = Duration::from_millis(50);
    let reported = pool.job(FOR_EVER + 1).run_timeout(limit).run_reported().await;
    assert!(matches!(reported.outcome, Err(JobError::TimedOut { .. })));
    assert!(reported.report.run >= limit && reported.report.worker.is_some());
    assert_eq!(reported.report.attempts, Some(1));

    pool.shutdown(Duration::ZERO).await;
    let reported = pool.job(1).run_reported().await;
    assert!(matches!(reported.outcome, Err(JobError::Refused(_))));
    assert_eq!(reported.report, procpool::RunReport::default());
}
