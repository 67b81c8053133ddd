//! Jobs that wait for their time.

use crate::child::{NodeProcess, slots};
use crate::engine::{self, Sleeper, id, job, until};
use crate::keys::jobs;
use crate::server::{Server, connect, init};
use bytes::Bytes;
use procpool_jobs::{Jobs, Order};
use procpool_nats::{CancelAnswer, Front, JobState, Look, Node};
use procpool_protocol::{JobId, OutcomeKind};
use procpool_registry::State;
use std::time::Duration;

pub(crate) async fn look(front: &Front, id: JobId) -> Look {
    front.look("once", id).await.unwrap()
}

/// Returns the number of messages in the queue.
pub(crate) async fn waiting(server: &Server) -> u64 {
    let client = async_nats::connect(format!("127.0.0.1:{}", server.port)).await.unwrap();
    let info = client.request("$JS.API.STREAM.INFO.PP_test_J_once", Bytes::new()).await.unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.payload).unwrap();
    info["state"]["messages"].as_u64().expect("a number")
}

/// Waits until the server has handed this number of jobs to nodes that returned them.
async fn returned(server: &Server, jobs: u64) {
    let client = async_nats::connect(format!("127.0.0.1:{}", server.port)).await.unwrap();
    until("the nodes have seen them", async || {
        let mut seen = 0;
        for priority in ["0", "1", "2"] {
            let subject = format!("$JS.API.CONSUMER.INFO.PP_test_J_once.nodes-{priority}");
            let info = client.request(subject, Bytes::new()).await.unwrap();
            let info: serde_json::Value = serde_json::from_slice(&info.payload).unwrap();
            seen += info["num_ack_pending"].as_u64().unwrap_or_default();
        }
        seen >= jobs
    })
    .await;
}

/// Waits for the outcome, which is ok. Returns when the server stored it, in nanoseconds since 1970.
pub(crate) async fn done(front: &Front, id: JobId) -> u64 {
    let finished = loop {
        match front.outcome("once", id).await {
            Ok(finished) => break finished.expect("the job was accepted"),
            Err(error) => println!("{error}"),
        }
    };
    assert!(finished.result.is_ok(), "{finished:?}");
    look(front, id).await.since
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_waits_for_its_time_without_a_slot_and_its_timeout_begins_then() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let front = Front::start(cluster.clone(), "front").await.unwrap();
    let later: Vec<JobId> = (0..5).map(|_| id()).collect();
    for &id in &later {
        let mut job = job("once", 1);
        job.limits.timeout = Some(Duration::from_secs(6));
        front.enqueue_later(id, job, Duration::from_secs(6)).await.unwrap();
    }
    // No node has looked at it.
    let first = look(&front, later[0]).await;
    assert!(matches!(first.state, JobState::Queued) && first.due > 0, "{first:?}");
    let _node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(1)).await.unwrap();
    returned(&server, 5).await;
    let now = id();
    front.enqueue(now, job("once", 1)).await.unwrap();
    let at_once = done(&front, now).await;
    assert!(at_once < first.due, "the node had a slot for it");
    for &id in &later {
        let (due, ended) = (first.due.max(look(&front, id).await.due), done(&front, id).await);
        assert!(ended >= due, "job {id} ended {} ns early", due - ended);
    }
    assert_eq!(engine::read(&book).len(), 6);
    until("an empty queue", async || waiting(&server).await == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_the_server_and_of_nodes_lose_no_waiting_job_and_start_none_early() {
    let Some(mut server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let front = Front::start(cluster, "front").await.unwrap();
    let node = NodeProcess::start(&server, &book);
    let later: Vec<JobId> = (0..20).map(|_| id()).collect();
    let mut due = 0;
    for &id in &later {
        front.enqueue_later(id, job("once", 1), Duration::from_secs(6)).await.unwrap();
        due = look(&front, id).await.due.max(due);
    }
    returned(&server, 20).await;
    server.kill();
    node.signal(9);
    server.restart();
    let _next = NodeProcess::start(&server, &book);
    for (nth, &id) in later.iter().enumerate() {
        let ended = done(&front, id).await;
        // They were accepted in this order.
        assert!(nth + 1 < later.len() || ended >= due, "{} ns early", due - ended);
        assert_eq!(engine::read(&book)[&id], ["began", "ended"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_leaves_the_queue_and_a_message_that_stays_never_runs() {
    let Some(server) = Server::start("") else { return };
    let mut settings = server.settings();
    settings.pools[0].terms.timeout = Duration::from_secs(1);
    settings.pools[0].retain = Duration::from_secs(13);
    let cluster = connect(settings).await;
    init(&cluster).await.unwrap();
    let (front, book) = (Front::start(cluster.clone(), "front").await.unwrap(), server.dir.join("book"));
    let node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(2)).await.unwrap();
    let later = id();
    front.enqueue_later(later, job("once", 1), Duration::from_secs(12)).await.unwrap();
    returned(&server, 1).await;
    let client = async_nats::connect(format!("127.0.0.1:{}", server.port)).await.unwrap();
    let asked = format!("{{\"last_by_subj\":\"pp.test.j.once.*.{later}\"}}");
    let message = client.request("$JS.API.DIRECT.GET.PP_test_J_once", asked.into()).await.unwrap();
    let subject = message.headers.as_ref().unwrap().get("Nats-Subject").unwrap().to_string();

    assert_eq!(front.cancel("once", later).await.unwrap(), CancelAnswer::Done);
    assert_eq!(waiting(&server).await, 0, "its place is free");
    let error = front.outcome("once", later).await.unwrap().unwrap().result.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (OutcomeKind::Cancelled, false));
    // As if the removal had failed. The node looks at the record first, so it goes at once where a node sees it early.
    client.request(subject, message.payload).await.unwrap();
    until("an empty queue", async || waiting(&server).await == 0).await;

    // Without a node to see it early, it is held until its time, and so is the record.
    drop(node);
    let later = id();
    front.enqueue_later(later, job("once", 1), Duration::from_secs(16)).await.unwrap();
    assert_eq!(front.cancel("once", later).await.unwrap(), CancelAnswer::Done);
    // sleep: an outcome without a delay would have expired
    tokio::time::sleep(Duration::from_secs(15)).await;
    let state = look(&front, later).await.state;
    assert!(matches!(state, JobState::Finished(_)), "{state:?}");
    assert!(engine::read(&book).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_see_when_a_job_may_start() {
    let Some(server) = Server::start("") else { return };
    let cluster = server.cluster().await;
    let (front, other) = (jobs(&cluster).await, jobs(&cluster).await);
    let mut order = Order::new(job("once", 1));
    order.not_before = Some(Duration::from_secs(3600));
    let accepted = front.enqueue(order).await.unwrap();
    let record = accepted.decision.record().clone();
    assert!(record.due > Some(record.accepted + Duration::from_secs(3599)), "{record:?}");
    let seen = other.job(record.id).await.expect("the job");
    assert_eq!((seen.state, seen.may_have_run, seen.attempt), (State::Queued, false, 0));
    assert!(seen.due >= record.due, "the server stored it later: {seen:?}");
}

/// The clock of a node is that of the server, read over the network: a moment behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_without_a_delay_is_never_returned() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let front = Front::start(cluster.clone(), "front").await.unwrap();
    let node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(4)).await.unwrap();
    for _ in 0..30 {
        let now = id();
        front.enqueue(now, job("once", 0)).await.unwrap();
        assert!(front.outcome("once", now).await.unwrap().unwrap().result.is_ok());
    }
    let figures = node.figures();
    assert_eq!((figures.told, figures.left), (30, 0), "{figures:?}");
}
