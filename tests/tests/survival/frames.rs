//! F11, F12, F13: a worker that sends what is no frame, half a frame, a frame too large, or a frame of
//! another job. The job has one outcome, the worker dies where it broke the protocol, the pool recovers.

use crate::recovers;
use procpool::raw::Payload;
use procpool::{Encoding, Job, JobError, Pool};
use procpool_tests::library::{executable, misbehaving, misbehaving_once, outcomes};
use procpool_tests::server::Scratch;
use procpool_tests::verbs::{Verb, Verbs};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Returns a pool whose first worker does this, the outcome of a job that it was given, and the pool
/// recovered.
async fn outcome(how: &str, timeout: Duration) -> (Pool<Verbs>, Result<String, JobError>) {
    let scratch = Scratch::new();
    let pool = misbehaving_once(how, 1, &scratch).start().await.unwrap();
    let outcome = pool.job(Verb::Pid).timeout(timeout).run().await;
    recovers(&pool, 1).await;
    (pool, outcome)
}

const LONG: Duration = Duration::from_secs(20);

/// Long enough for half an answer to arrive, and soon over.
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn half_a_frame_and_no_more_runs_into_the_deadline() {
    for how in ["half_and_no_more", "dribble_slowly"] {
        let (pool, outcome) = outcome(how, SHORT).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, JobError::TimedOut { .. }), "{how}: {error}");
        assert_eq!(outcomes(&pool), [("ok", 1), ("timed_out", 1)], "{how}");
    }
}

#[tokio::test]
async fn half_a_frame_and_then_an_exit_is_a_crash() {
    let (pool, outcome) = outcome("half", LONG).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.crash_report().and_then(|report| report.death.exit.code()), Some(0), "{error}");
    assert_eq!(outcomes(&pool), [("crashed", 1), ("ok", 1)]);
}

#[tokio::test]
async fn a_frame_that_comes_byte_by_byte_is_a_frame() {
    let (pool, outcome) = outcome("dribble", LONG).await;
    assert_eq!(outcome.unwrap(), "done");
    recovers(&pool, 1).await;
}

#[tokio::test]
async fn a_breach_of_the_protocol_ends_the_job_and_the_worker_and_nothing_else() {
    for how in ["garbage", "oversize", "unknown_kind", "wrong_id", "wrong_connection"] {
        let (pool, outcome) = outcome(how, LONG).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, JobError::Protocol { .. }), "{how}: {error}");
        assert_eq!(outcomes(&pool), [("ok", 1), ("protocol_error", 1)], "{how}");
    }
}

/// The answers of a batch may be longer than `max_payload`, and this is none.
#[tokio::test]
async fn a_worker_that_takes_batches_sends_no_longer_output_for_a_job() {
    let scratch = Scratch::new();
    let pool = misbehaving_once("long_output", 1, &scratch).max_payload(1 << 20).start().await.unwrap();
    let error = pool.job(Verb::Pid).timeout(LONG).run().await.unwrap_err();
    let told = "1048577 bytes exceeds max_payload";
    assert!(matches!(&error, JobError::Protocol { violation, .. } if violation.contains(told)), "{error}");
    recovers(&pool, 1).await;
}

#[tokio::test]
async fn an_answer_to_the_job_before_is_no_answer() {
    let pool = misbehaving("old_id").timeout(LONG).start().await.unwrap();
    let old = pool.workers()[0].pid;
    assert_eq!(pool.run(Verb::Pid).await.unwrap(), "done");
    let error = pool.run(Verb::Pid).await.unwrap_err();
    assert!(
        matches!(&error, JobError::Protocol { violation, .. } if violation.contains("job number 1 while it has 2")),
        "{error}"
    );
    recovers(&pool, 1).await;
    assert_ne!(pool.workers()[0].pid, old);
}

#[tokio::test]
async fn an_answer_after_the_cancel_is_only_counted() {
    let pool = misbehaving("after_the_cancel").grace(LONG).start().await.unwrap();
    let worker = pool.workers()[0].pid;
    for round in 1..=20 {
        let job = pool.try_submit(Verb::Pid).unwrap();
        procpool_tests::eventually("the job to be handed over", async || {
            (pool.status().workers.busy == 1).then_some(())
        })
        .await;
        assert!(job.cancel());
        assert!(matches!(job.await.unwrap_err(), JobError::Cancelled { .. }));
        procpool_tests::library::idle(&pool, 1).await;
        assert_eq!(outcomes(&pool), [("cancelled", round)]);
    }
    assert_eq!((pool.workers()[0].pid, pool.status().deaths), (worker, 0));
}

#[tokio::test]
async fn a_header_that_is_a_bomb_is_a_breach_of_the_protocol() {
    // `Failed` (2), its text's length: 2^64 - 1, in bincode's longest form; bytes that abort a process
    // which decodes them without a limit.
    for header in ["02fdffffffffffffffff", "03fcffffffff", "ff", ""] {
        let (pool, outcome) = outcome(&format!("header={header}"), LONG).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, JobError::Protocol { .. }), "{header}: {error}");
        assert_eq!(outcomes(&pool), [("ok", 1), ("protocol_error", 1)], "{header}");
    }
}

/// A caller that expects this type of the same worker.
struct Expecting<T>(std::marker::PhantomData<T>);

impl<T: Serialize + DeserializeOwned + Send + 'static> Job for Expecting<T> {
    const NAME: &'static str = Verbs::NAME;
    type Input = Verb;
    type Output = T;
}

#[derive(Debug, Serialize, Deserialize)]
enum Nested {
    Leaf,
    Deeper(Box<Nested>),
}

/// The output of these bytes does not decode; the job has ended well, and its worker goes on.
async fn bomb<T: Serialize + DeserializeOwned + Send + std::fmt::Debug + 'static>(hex: &str) {
    let misbehave = executable("misbehave").with_args([format!("output={hex}")]);
    let pool = Pool::<Expecting<T>>::builder(misbehave).workers(1..=1).start().await.unwrap();
    let worker = pool.workers()[0].pid;
    for _ in 0..3 {
        let error = pool.run(Verb::Pid).await.unwrap_err();
        assert!(matches!(error, JobError::Output(_)), "{error}");
    }
    assert_eq!((outcomes(&pool), pool.workers()[0].pid), (vec![("ok", 3)], worker));
}

/// Announces 2^64 - 1 elements, or as many bytes of text.
const ENDLESS: &str = "fdffffffffffffffff";
/// Announces 2^32 - 1 elements of no size, which take no bytes and for ever.
const NOTHINGS: &str = "fcffffffff";

#[tokio::test]
async fn an_output_that_is_a_bomb_is_an_error_of_its_caller() {
    bomb::<String>(ENDLESS).await;
    bomb::<Vec<u8>>(ENDLESS).await;
    bomb::<Vec<String>>(ENDLESS).await;
    bomb::<Vec<()>>(NOTHINGS).await;
    bomb::<Nested>(&"01".repeat(10_000)).await;
}

/// Less than 10 ms is the promise (FAULTS, F13), so here a time is asserted: of the quickest of three, as
/// a busy machine may interrupt any one of them.
#[test]
fn a_bomb_is_refused_in_less_than_10_ms() {
    fn quickest<T: DeserializeOwned + 'static>(bytes: Vec<u8>) -> Duration {
        let payload = Payload::new(Encoding::Bincode, bytes);
        let refuse = |_| {
            let begun = Instant::now();
            assert!(payload.decode::<T>().is_err());
            begun.elapsed()
        };
        (0..3).map(refuse).min().expect("three of them")
    }
    let endless = || [&[0xfd][..], &[0xff; 8]].concat();
    let times = [
        quickest::<String>(endless()),
        quickest::<Vec<String>>(endless()),
        quickest::<Vec<()>>(vec![0xfc, 0xff, 0xff, 0xff, 0xff]),
        quickest::<Nested>(vec![1; 100_000]),
    ];
    assert!(times.iter().all(|&time| time < Duration::from_millis(10)), "{times:?}");
}
