//! Jobs that fail, and are tried again.

use crate::child::{NodeProcess, slots};
use crate::engine::{self, Sleeper, count, flaky, id, until};
use crate::later::{done, look, waiting};
use crate::server::{Server, connect, init};
use procpool_nats::retry::Retry;
use procpool_nats::{CancelAnswer, Cluster, Front, JobState, Look, Node};
use procpool_protocol::{JobId, OutcomeKind};
use std::time::Duration;

/// A cluster whose pool `once` tries a failed job again, twice, after this time.
async fn cluster(server: &Server, first: Duration) -> Cluster {
    let mut settings = server.settings();
    let retry = Retry { attempts: 3, first, factor: 1.0, max: first, whole: false };
    let pool = settings.pools.remove(0);
    settings.pools.insert(0, pool.retry(retry));
    let cluster = connect(settings).await;
    init(&cluster).await.unwrap();
    cluster
}

/// Waits until the job waits for its next attempt after this one.
async fn failed(front: &Front, id: JobId, attempt: u32) -> Look {
    let mut seen = look(front, id).await;
    until("the job waits again", async || {
        seen = look(front, id).await;
        matches!(seen.state, JobState::Queued) && seen.attempt == attempt
    })
    .await;
    assert!(seen.due > seen.since, "{seen:?}");
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_fails_twice_runs_three_times_and_no_more() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (cluster(&server, Duration::from_secs(3)).await, server.dir.join("book"));
    let front = Front::start(cluster.clone(), "front").await.unwrap();
    let _nodes = [
        Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(1)).await.unwrap(),
        Node::start(cluster.clone(), Sleeper::new(&book), "b", slots(1)).await.unwrap(),
    ];
    let (well, dead, short) = (id(), id(), id());
    front.enqueue(well, flaky("once", 1, 2)).await.unwrap();
    front.enqueue(dead, flaky("once", 1, 9)).await.unwrap();
    // A timeout that the client sets bounds all attempts together.
    let mut job = flaky("once", 1, 9);
    job.limits.timeout = Some(Duration::from_secs(2));
    front.enqueue(short, job).await.unwrap();
    let first = failed(&front, well, 1).await;
    let second = failed(&front, well, 2).await;
    assert!(second.since >= first.due, "the second attempt began early");
    assert!(done(&front, well).await >= second.due, "the third attempt began early");
    assert_eq!(look(&front, well).await.attempt, 3);
    for (id, attempts) in [(dead, 3), (short, 1)] {
        let error = front.outcome("once", id).await.unwrap().unwrap().result.unwrap_err();
        assert!(error.kind() == OutcomeKind::Failed && error.may_have_run(), "{error}");
        assert_eq!(look(&front, id).await.attempt, attempts);
        assert_eq!(count(&engine::read(&book)[&id], "began"), attempts as usize);
    }
    assert_eq!(engine::read(&book)[&well], ["began", "failed", "began", "failed", "began", "ended"]);
    until("an empty queue", async || waiting(&server).await == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_attempt_outlives_its_node_and_the_server_and_comes_in_time() {
    let Some(mut server) = Server::start("") else { return };
    let (cluster, book) = (cluster(&server, Duration::from_secs(8)).await, server.dir.join("book"));
    let front = Front::start(cluster.clone(), "front").await.unwrap();
    let node = NodeProcess::start(&server, &book);
    let job = id();
    front.enqueue(job, flaky("once", 1, 1)).await.unwrap();
    let seen = failed(&front, job, 1).await;
    node.signal(9);
    server.kill();
    server.restart();
    let _next = NodeProcess::start(&server, &book);
    let ended = done(&front, job).await;
    assert!(ended >= seen.due, "the second attempt began {} ns early", seen.due - ended);
    assert_eq!(engine::read(&book)[&job], ["began", "failed", "began", "ended"]);
    assert_eq!(look(&front, job).await.attempt, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_cancelled_between_attempts_has_run() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (cluster(&server, Duration::from_secs(600)).await, server.dir.join("book"));
    let front = Front::start(cluster.clone(), "front").await.unwrap();
    let _node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(1)).await.unwrap();
    let job = id();
    front.enqueue(job, flaky("once", 1, 1)).await.unwrap();
    failed(&front, job, 1).await;
    assert_eq!(front.cancel("once", job).await.unwrap(), CancelAnswer::Done);
    assert_eq!(waiting(&server).await, 0, "its place is free");
    let error = front.outcome("once", job).await.unwrap().unwrap().result.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (OutcomeKind::Cancelled, true));
    assert_eq!(look(&front, job).await.attempt, 1);
}
