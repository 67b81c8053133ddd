//! F103: a worker dies amid a batch of a map, or answers a batch with what is none. Each input has one
//! outcome, and none is run twice unless it may be.

use crate::recovers;
use procpool::raw::Payload;
use procpool::{Encoding, Pool, PoolBuilder};
use procpool_protocol::batch::Answers;
use procpool_protocol::message::Status;
use procpool_tests::library::{misbehaving, outcomes, verbs};
use procpool_tests::server::Scratch;
use procpool_tests::verbs::{Verb, Verbs};

/// Sends the inputs as one chunk and returns the names of their outcomes.
async fn names(pool: &Pool<Verbs>, inputs: Vec<Verb>) -> Vec<&'static str> {
    let count = inputs.len();
    let mut ends = pool.map(inputs).chunks(count);
    let mut names = Vec::new();
    while let Some(end) = ends.next().await {
        names.push(end.map_or_else(|error| error.name(), |_| "ok"));
    }
    names
}

/// Sends a chunk whose second input kills its worker once. Returns the outcomes of all three, and what the other two
/// have written whenever they were run.
async fn with_a_death(builder: PoolBuilder<Verbs>) -> (Pool<Verbs>, Vec<&'static str>, String) {
    let scratch = Scratch::new();
    let place = |name| scratch.path().join(name).display().to_string();
    let log = |text: &str| Verb::Log(place("log"), text.into());
    let pool = builder.start().await.unwrap();
    let names = names(&pool, vec![log("first"), Verb::AbortOnce(place("died")), log("third")]).await;
    recovers(&pool, 1).await;
    (pool, names, std::fs::read_to_string(place("log")).unwrap())
}

#[tokio::test]
async fn a_death_amid_a_batch_has_each_input_run_again_alone_if_jobs_may_be_repeated() {
    let (pool, names, log) = with_a_death(verbs(1).idempotent(true).max_attempts(2)).await;
    assert_eq!((names, log.as_str()), (vec!["ok"; 3], "first\nfirst\nthird\n"));
    assert_eq!(outcomes(&pool), [("crashed", 1), ("ok", 4)], "the batch, three inputs, and one more job");
    assert_eq!(pool.status().deaths, 1);
}

#[tokio::test]
async fn a_death_amid_a_batch_crashes_its_inputs_and_runs_none_twice_if_jobs_may_not_be_repeated() {
    let (pool, names, log) = with_a_death(verbs(1)).await;
    assert_eq!((names, log.as_str()), (vec!["crashed"; 3], "first\n"));
    assert_eq!(outcomes(&pool), [("crashed", 1), ("ok", 1)]);
    assert_eq!(pool.status().deaths, 1);
}

/// Sends a chunk of three inputs to a worker that answers each batch with these bytes.
async fn answered(bytes: &[u8]) -> (Pool<Verbs>, Vec<&'static str>) {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let pool = misbehaving(&format!("batch={hex}")).start().await.unwrap();
    let names = names(&pool, vec![Verb::Pid; 3]).await;
    recovers(&pool, 1).await;
    assert_eq!(pool.status().deaths, 0, "a batch that is no batch is a matter of its map");
    (pool, names)
}

/// Returns the right answers of this number of inputs.
fn answers(count: usize) -> Vec<u8> {
    let mut answers = Answers::default();
    for _ in 0..count {
        let done = Payload::encode(&"done".to_owned(), Encoding::Bincode).unwrap();
        answers.push(Status::Ok, &done).unwrap();
    }
    Payload::from(answers).bytes.to_vec()
}

#[tokio::test]
async fn answers_of_a_batch_count_up_to_the_first_that_is_none() {
    for bytes in [&[][..], b"\xff", &answers(1)[..5]] {
        assert_eq!(answered(bytes).await.1, ["protocol_error"; 3], "{bytes:?}");
    }
    let two = answers(2);
    let (_, names) = answered(&two[..two.len() - 1]).await;
    assert_eq!(names, ["ok", "protocol_error", "protocol_error"]);
    assert_eq!(answered(&answers(4)).await.1, ["ok"; 3], "there is no fourth input");
}

#[tokio::test]
async fn inputs_of_a_batch_that_have_no_answer_are_sent_again() {
    let (pool, names) = answered(&answers(1)).await;
    assert_eq!(names, ["ok"; 3]);
    assert_eq!(outcomes(&pool), [("ok", 4)], "three inputs, two, one, and one more job");
}
