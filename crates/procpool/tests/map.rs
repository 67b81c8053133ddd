//! `Pool::map`: order, failures, time, a full queue, and the options.

#[path = "map/bounds.rs"]
mod bounds;
#[path = "map/pieces.rs"]
mod pieces;
#[path = "map/unready.rs"]
mod unready;

use procpool::error::Refusal;
use procpool::worker::serve_if_spawned;
use procpool::{Bytes, Executable, Failure, Job, JobError, Pool, PoolBuilder};
use std::collections::BTreeSet;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

struct Work;

impl Job for Work {
    const NAME: &'static str = "work";
    type Input = u64;
    type Output = u64;
}

/// Inputs above this sleep for as many milliseconds as they are above it.
const SLEEP: u64 = 1_000_000;

/// Inputs above this wait for one another in pairs: they differ in their last bit.
const MEET: u64 = 1 << 40;

/// Returns the first input of a pair that no other test has. The second is the next number.
fn meeting() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    MEET + (u64::from(std::process::id()) << 16) + 2 * LAST.fetch_add(1, Ordering::Relaxed)
}

/// Lets the job of this first input of a pair end.
async fn release(first: u64) {
    tokio::task::spawn_blocking(move || work(first + 1)).await.unwrap().unwrap();
}

/// Fails unless the other one of the pair runs at the same time.
fn meet(place: u64) -> Result<u64, Failure> {
    // The names are those of no file, and go with the process.
    let door = |place: u64| SocketAddr::from_abstract_name(format!("procpool-map-{place}"));
    let (ours, theirs) = (UnixListener::bind_addr(&door(place)?)?, door(place ^ 1)?);
    let deadline = Instant::now() + Duration::from_secs(10);
    while UnixStream::connect_addr(&theirs).is_err() {
        if Instant::now() > deadline {
            return Err(Failure::new("nobody came"));
        }
        std::thread::yield_now();
    }
    // The other one is here, and it sees this one too.
    ours.accept()?;
    Ok(place)
}

fn work(input: u64) -> Result<u64, Failure> {
    match input {
        MEET.. => meet(input),
        13 => Err(Failure::new("thirteen")),
        14 => panic!("fourteen"),
        15 => std::process::abort(),
        _ => {
            // sleep: what makes a job long.
            std::thread::sleep(Duration::from_millis(input.saturating_sub(SLEEP)));
            Ok(2 * input)
        }
    }
}

struct Double;

impl Job for Double {
    const NAME: &'static str = "double";
    type Input = Bytes;
    type Output = Bytes;
}

/// Not a test of its own: returns at once, unless this process was spawned as a worker.
#[test]
fn worker() {
    serve_if_spawned::<Work>(|input, _| work(input));
    serve_if_spawned::<Double>(|input, _| match &input[..] {
        b"long failure" => Err(Failure::new("x".repeat(10_000))),
        input => Ok([input, input].concat().into()),
    });
}

fn builder(workers: usize) -> PoolBuilder<Work> {
    Pool::<Work>::builder(Executable::this_test("worker")).workers(workers)
}

#[tokio::test]
async fn outcomes_come_in_the_order_of_the_inputs_each_with_its_own() {
    let pool = builder(2).start().await.unwrap();
    let mut outcomes = pool.map(0..1_000);
    for input in 0..1_000 {
        let outcome = outcomes.next().await.expect("one for each input");
        match (input, outcome) {
            (13, Err(JobError::Failed(failure))) => assert_eq!(failure.message(), "thirteen"),
            (14, Err(JobError::Panicked { message, .. })) => assert_eq!(message, "fourteen"),
            (15, Err(JobError::Crashed(_))) => {}
            (_, Ok(output)) => assert_eq!(output, 2 * input),
            (_, other) => panic!("{input}: {other:?}"),
        }
    }
    assert!(outcomes.next().await.is_none());
    assert!(outcomes.next().await.is_none(), "and it stays so");
}

#[tokio::test]
async fn unordered_outcomes_are_not_held_up_by_a_long_job() {
    let pool = builder(2).start().await.unwrap();
    let long = meeting();
    let mut outcomes = pool.map(std::iter::once(long).chain(100..200)).unordered();
    let mut seen = BTreeSet::new();
    for _ in 100..200 {
        seen.insert(outcomes.next().await.unwrap().unwrap());
    }
    assert_eq!(seen, (100..200).map(|input| 2 * input).collect());
    let ((), last) = tokio::join!(release(long), outcomes.next());
    assert_eq!(last.unwrap().unwrap(), long);
    assert!(outcomes.next().await.is_none());
}

/// Each job runs a quarter of the pool's `timeout`, and the last one waits for longer than that.
#[tokio::test]
async fn the_time_of_a_job_counts_from_its_start() {
    let pool = builder(1).timeout(Duration::from_secs(2)).start().await.unwrap();
    let mut outcomes = pool.map([SLEEP + 500; 6]);
    while let Some(outcome) = outcomes.next().await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn a_job_that_runs_too_long_ends_as_timed_out() {
    let pool = builder(1).start().await.unwrap();
    let mut outcomes = pool.map([SLEEP + 60_000, 1]).run_timeout(Duration::from_millis(50));
    let end = outcomes.next().await.unwrap();
    assert!(matches!(end, Err(JobError::TimedOut { .. })), "{end:?}");
    assert_eq!(outcomes.next().await.unwrap().unwrap(), 2);
}

#[tokio::test]
async fn a_full_queue_makes_it_wait_and_refuses_nobody() {
    let pool = builder(1).queue(1).start().await.unwrap();
    for ahead in [1, 100] {
        let mut outcomes = pool.map(100..300).ahead(ahead);
        for input in 100..300 {
            assert_eq!(outcomes.next().await.unwrap().unwrap(), 2 * input);
        }
        assert!(outcomes.next().await.is_none());
    }
    assert_eq!(pool.status().jobs[&procpool::OutcomeKind::Refused], 0);
}

/// A slot that comes free is offered to the caller that waits for one, and a map that nobody reads takes
/// none.
#[tokio::test]
async fn a_map_that_is_not_read_stands_in_nobodys_way() {
    use futures_util::Stream as _;
    let pool = builder(1).queue(0).start().await.unwrap();
    let mut outcomes = pool.map([100, 200, 300]).ahead(3);
    let mut outcome = std::pin::pin!(&mut outcomes);
    std::future::poll_fn(|context| {
        assert!(outcome.as_mut().poll_next(context).is_pending(), "the first job is under way");
        std::task::Poll::Ready(())
    })
    .await;
    assert_eq!(pool.job(400).timeout(Duration::from_secs(5)).run().await.unwrap(), 800);
    for input in [100, 200, 300] {
        assert_eq!(outcomes.next().await.unwrap().unwrap(), 2 * input);
    }
}

#[tokio::test]
async fn it_is_a_stream_that_can_be_spawned() {
    use futures_util::TryStreamExt as _;
    let pool = builder(2).start().await.unwrap();
    let outputs = tokio::spawn(pool.map(100..200).try_collect::<Vec<_>>());
    drop(pool);
    assert_eq!(outputs.await.unwrap().unwrap(), Vec::from_iter((100..200).map(|input| 2 * input)));
}

#[tokio::test]
async fn dropping_it_cancels_what_is_open() {
    let pool = builder(1).start().await.unwrap();
    let mut outcomes = pool.map([1, SLEEP + 60_000, 2]);
    assert_eq!(outcomes.next().await.unwrap().unwrap(), 2);
    drop(outcomes);
    assert_eq!(pool.run(3).await.unwrap(), 6);
    assert_eq!(pool.status().jobs[&procpool::OutcomeKind::Cancelled], 2);
}

#[tokio::test]
async fn a_pool_that_shuts_down_refuses_the_rest() {
    let pool = builder(1).start().await.unwrap();
    let mut outcomes = pool.map(100..200).ahead(1);
    assert_eq!(outcomes.next().await.unwrap().unwrap(), 200);
    pool.shutdown(Duration::from_secs(10)).await;
    let end = loop {
        match outcomes.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(end, JobError::Refused(refused) if refused.reason == Refusal::ShuttingDown));
}

/// Jobs that the pool has run: a chunk is one.
fn ended(pool: &Pool<Work>) -> u64 {
    pool.status().jobs.values().sum()
}

#[tokio::test]
async fn the_inputs_of_a_chunk_have_their_own_outcomes() {
    let pool = builder(2).start().await.unwrap();
    let inputs = || (0..1_000).filter(|&input| input != 15);
    let mut outcomes = pool.map(inputs()).chunks(100);
    for input in inputs() {
        let outcome = outcomes.next().await.expect("one for each input");
        match (input, outcome) {
            (13, Err(JobError::Failed(failure))) => assert_eq!(failure.message(), "thirteen"),
            (14, Err(JobError::Panicked { message, .. })) => assert_eq!(message, "fourteen"),
            (_, Ok(output)) => assert_eq!(output, 2 * input),
            (_, other) => panic!("{input}: {other:?}"),
        }
    }
    assert!(outcomes.next().await.is_none());
    assert_eq!(ended(&pool), 11, "ten chunks, and the rest of that which panicked");
}

#[tokio::test]
async fn unordered_chunks_lose_nothing() {
    let pool = builder(2).start().await.unwrap();
    let mut outcomes = pool.map(100..1_105).chunks(10).unordered();
    let mut seen = BTreeSet::new();
    while let Some(outcome) = outcomes.next().await {
        assert!(seen.insert(outcome.unwrap()));
    }
    assert_eq!(seen, (100..1_105).map(|input| 2 * input).collect());
}

#[tokio::test]
async fn a_crash_costs_its_chunk_and_no_other() {
    let pool = builder(1).start().await.unwrap();
    let mut outcomes = pool.map((0..50).filter(|input| *input != 13 && *input != 14)).chunks(10);
    let mut crashed = 0;
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(_) => {}
            Err(JobError::Crashed(_)) => crashed += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(crashed, 10);
    assert_eq!(pool.status().deaths, 1);
}

#[tokio::test]
async fn a_crash_costs_one_input_if_jobs_may_be_repeated() {
    let pool = builder(1).idempotent(true).max_attempts(2).start().await.unwrap();
    let inputs = || (0..50).filter(|input| *input != 13 && *input != 14);
    let mut outcomes = pool.map(inputs()).chunks(10);
    for input in inputs() {
        match (input, outcomes.next().await.unwrap()) {
            (15, Err(error)) => assert!(error.crash_report().is_some(), "{error:?}"),
            (_, outcome) => assert_eq!(outcome.unwrap(), 2 * input),
        }
    }
    assert!(outcomes.next().await.is_none());
}

#[tokio::test]
async fn an_input_in_quarantine_costs_no_chunk() {
    let pool = builder(1).poison_deaths(1).start().await.unwrap();
    pool.run(15).await.unwrap_err();
    pool.ready(1).await.unwrap();
    let mut outcomes = pool.map([100, 15, 200]).chunks(3);
    assert_eq!(outcomes.next().await.unwrap().unwrap(), 200);
    let poisoned = outcomes.next().await.unwrap();
    assert!(matches!(poisoned, Err(JobError::Poisoned { .. })), "{poisoned:?}");
    assert_eq!(outcomes.next().await.unwrap().unwrap(), 400);
    assert_eq!(pool.status().deaths, 1);
}

/// Its inputs are jobs of their own the second time, and only the one that kills costs a worker.
#[tokio::test]
async fn a_chunk_in_quarantine_is_taken_apart() {
    let pool = builder(1).poison_deaths(1).start().await.unwrap();
    let names = async || {
        pool.ready(1).await.unwrap();
        let mut outcomes = pool.map([100, 15, 200]).chunks(3);
        let mut names = Vec::new();
        while let Some(outcome) = outcomes.next().await {
            names.push(outcome.map_or_else(|error| error.name(), |_| "ok"));
        }
        names
    };
    assert_eq!(names().await, ["crashed"; 3]);
    assert_eq!(names().await, ["ok", "crashed", "ok"]);
    assert_eq!(pool.status().deaths, 2);
}

#[tokio::test]
async fn a_process_for_each_job_is_one_for_each_input() {
    let pool = builder(1).process_per_job(true).start().await.unwrap();
    let mut outcomes = pool.map(100..104).chunks(4);
    for input in 100..104 {
        assert_eq!(outcomes.next().await.unwrap().unwrap(), 2 * input);
    }
    assert_eq!(ended(&pool), 4);
}

#[tokio::test]
async fn raw_and_large_inputs_and_outputs_are_chunked_as_far_as_they_fit() {
    let builder = Pool::<Double>::builder(Executable::this_test("worker")).workers(2);
    let pool = builder.max_payload(4 << 20).start().await.unwrap();
    let input = |number: usize| vec![u8::try_from(number).unwrap(); number * 20_000];
    let mut outcomes = pool.map((0..100).map(|number| input(number).into())).chunks(1_000);
    for number in 0..100 {
        let output = outcomes.next().await.unwrap().unwrap();
        assert_eq!(output.len(), 2 * input(number).len());
        assert!(output.iter().all(|&byte| usize::from(byte) == number));
    }
    assert!(outcomes.next().await.is_none());
}

/// Each would be answered alone: a chunk adds nothing to what the pool allows, and takes nothing away.
#[tokio::test]
async fn a_long_failure_and_a_large_output_fit_into_the_answer_of_a_chunk() {
    let builder = || Pool::<Double>::builder(Executable::this_test("worker")).workers(1);
    let pool = builder().max_payload(4096).start().await.unwrap();
    let inputs = ["1", "long failure", "2", "3"].map(Bytes::from);
    let mut outcomes = pool.map(inputs).chunks(4);
    assert_eq!(outcomes.next().await.unwrap().unwrap(), Bytes::from("11"));
    let failed = outcomes.next().await.unwrap();
    assert!(matches!(&failed, Err(JobError::Failed(it)) if it.message().len() == 10_000), "{failed:?}");
    for output in ["22", "33"] {
        assert_eq!(outcomes.next().await.unwrap().unwrap(), Bytes::from(output));
    }
    let pool = builder().max_payload(1 << 20).start().await.unwrap();
    let lengths = [200_000, 400_000, 100];
    let mut outcomes = pool.map(lengths.map(|length| vec![7; length].into())).chunks(3);
    for length in lengths {
        assert_eq!(outcomes.next().await.unwrap().unwrap().len(), 2 * length);
    }
}

#[tokio::test]
async fn a_chunk_that_runs_too_long_is_cancelled_between_two_inputs() {
    let pool = builder(1).grace(Duration::from_secs(20)).start().await.unwrap();
    let before = pool.workers()[0].pid;
    let mut outcomes = pool.map([SLEEP + 200; 100]).chunks(100).run_timeout(Duration::from_millis(50));
    while let Some(outcome) = outcomes.next().await {
        assert!(matches!(outcome, Err(JobError::TimedOut { .. })), "{outcome:?}");
    }
    assert_eq!(pool.run(100).await.unwrap(), 200);
    assert_eq!(pool.workers()[0].pid, before);
}
