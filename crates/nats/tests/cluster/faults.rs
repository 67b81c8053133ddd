//! Nodes that die or stop.

use crate::child::{NodeProcess, slots};
use crate::engine::{self, Sleeper, count, id, job, until};
use crate::later::waiting;
use crate::server::{Server, connect, fast, init};
use procpool_nats::{Front, JobState, Node};
use procpool_protocol::{JobId, OutcomeKind};
use std::time::Duration;
use tokio::time::Instant;

/// Waits until a node runs the job, and returns its name.
async fn node_of(front: &Front, pool: &str, id: JobId, nth: u32) -> String {
    let mut name = String::new();
    until("a node runs the job", async || match front.state(pool, id).await.unwrap() {
        JobState::Running { node, attempt, .. } if attempt == nth => {
            name = node.to_string();
            true
        }
        JobState::Finished(finished) => panic!("{finished:?}"),
        _ => false,
    })
    .await;
    name
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_jobs_of_a_killed_node_are_decided_after_its_lease() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let front = Front::start(cluster, "front").await.unwrap();
    let first = NodeProcess::start(&server, &book);
    let (once, again) = (id(), id());
    front.enqueue(once, job("once", 600_000)).await.unwrap();
    front.enqueue(again, job("again", 8_000)).await.unwrap();
    assert_eq!(node_of(&front, "once", once, 1).await, first.id);
    assert_eq!(node_of(&front, "again", again, 1).await, first.id);
    let second = NodeProcess::start(&server, &book);
    let (name, killed) = (first.id.clone(), Instant::now());
    first.signal(9);
    let finished = front.outcome("once", once).await.unwrap().unwrap();
    let error = finished.result.unwrap_err();
    println!("decided {:?} after the kill, with a lease of {:?}: {error}", killed.elapsed(), fast().lease);
    assert_eq!(error.kind(), OutcomeKind::Crashed);
    assert!(error.may_have_run() && error.to_string().contains(&name), "{error}");
    let finished = front.outcome("again", again).await.unwrap().unwrap();
    assert!(finished.result.is_ok(), "{finished:?}");
    let book = engine::read(&book);
    assert_eq!(book[&once], ["began"]);
    assert_eq!(count(&book[&again], "began"), 2);
    drop((first, second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_node_kills_its_job_and_its_result_is_refused() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let front = Front::start(cluster, "front").await.unwrap();
    let first = NodeProcess::start(&server, &book);
    let (once, again) = (id(), id());
    front.enqueue(once, job("once", 600_000)).await.unwrap();
    front.enqueue(again, job("again", 60_000)).await.unwrap();
    node_of(&front, "once", once, 1).await;
    node_of(&front, "again", again, 1).await;
    let second = NodeProcess::start(&server, &book);
    first.signal(19);
    let finished = front.outcome("once", once).await.unwrap().unwrap();
    assert_eq!(finished.result.unwrap_err().kind(), OutcomeKind::Crashed);
    assert_eq!(node_of(&front, "again", again, 2).await, second.id);
    first.signal(18);
    // It finds at once that it came too late, and kills both.
    let killed = || engine::read(&book).values().map(|words| count(words, "killed")).sum::<usize>();
    until("the stopped node kills its jobs", async || killed() == 2).await;
    assert_eq!(node_of(&front, "again", again, 2).await, second.id);
    let finished = front.outcome("once", once).await.unwrap().unwrap();
    assert_eq!(finished.result.unwrap_err().kind(), OutcomeKind::Crashed);
    assert_eq!(front.cancel("again", again).await.unwrap(), procpool_nats::CancelAnswer::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_is_the_outcome_and_kills_the_job_elsewhere() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let front = Front::start(cluster, "front").await.unwrap();
    let (waits, runs) = (id(), id());
    front.enqueue(waits, job("once", 600_000)).await.unwrap();
    assert!(matches!(front.state("once", waits).await.unwrap(), JobState::Queued));
    let cancelled = procpool_nats::CancelAnswer::Done;
    assert_eq!(front.cancel("once", waits).await.unwrap(), cancelled);
    let _node = NodeProcess::start(&server, &book);
    front.enqueue(runs, job("once", 600_000)).await.unwrap();
    node_of(&front, "once", runs, 1).await;
    until("the job begins", async || engine::read(&book).contains_key(&runs)).await;
    assert_eq!(front.cancel("once", runs).await.unwrap(), cancelled);
    for job in [waits, runs] {
        let error = front.outcome("once", job).await.unwrap().unwrap().result.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (OutcomeKind::Cancelled, job == runs));
    }
    until("the job is killed", async || engine::read(&book)[&runs] == ["began", "killed"]).await;
    let late = procpool_nats::CancelAnswer::TooLate(OutcomeKind::Cancelled);
    assert_eq!(front.cancel("once", runs).await.unwrap(), late);
    assert_eq!(front.cancel("once", id()).await.unwrap(), procpool_nats::CancelAnswer::Unknown);
    assert!(!engine::read(&book).contains_key(&waits));
}

/// A server that is killed may keep a message that was acknowledged, and deliver it to nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_stays_after_the_outcome_is_removed_and_no_other() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let _node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(2)).await.unwrap();
    let front = Front::start(cluster, "front").await.unwrap();
    let (ended, waits) = (id(), id());
    // More than one look has.
    for _ in 0..70 {
        front.enqueue_later(id(), job("once", 1), Duration::from_secs(600)).await.unwrap();
    }
    front.enqueue(ended, job("once", 1)).await.unwrap();
    assert!(front.outcome("once", ended).await.unwrap().unwrap().result.is_ok());
    let client = async_nats::connect(format!("127.0.0.1:{}", server.port)).await.unwrap();
    let ask = async |subject: String| {
        let answer = client.request(subject, "".into()).await.unwrap();
        serde_json::from_slice::<serde_json::Value>(&answer.payload).unwrap()
    };
    // No consumer has this priority.
    for job in [waits, ended] {
        let stored = ask(format!("pp.test.j.once.9.{job}")).await;
        assert!(stored["seq"].is_u64(), "{stored}");
    }
    let left = async || ask("$JS.API.STREAM.INFO.PP_test_J_once".into()).await["state"].clone();
    until("one is removed", async || left().await["messages"] == 71).await;
    // The last that is left is the older one, whose job has no outcome.
    let left = left().await["last_seq"].as_u64().unwrap();
    let get = async |seq: u64| {
        let asked = format!("{{\"seq\":{seq}}}");
        let answer = client.request("$JS.API.STREAM.MSG.GET.PP_test_J_once", asked.into()).await.unwrap();
        String::from_utf8_lossy(&answer.payload).contains(&waits.to_string())
    };
    assert!(get(left - 1).await && !get(left).await);
    assert_eq!(engine::read(&book)[&ended], ["began", "ended"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_claim_nothing_while_the_records_are_nearly_full_and_go_on_when_there_is_room() {
    let Some(server) = Server::start("") else { return };
    let mut settings = server.settings();
    settings.pools[0].records = 20;
    settings.pools[0].terms.timeout = Duration::from_secs(60);
    settings.pools[0].retain = Duration::from_secs(72);
    let cluster = connect(settings).await;
    init(&cluster).await.unwrap();
    let book = server.dir.join("book");
    let _node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(4)).await.unwrap();
    let front = Front::start(cluster, "front").await.unwrap();
    for _ in 0..30 {
        front.enqueue(id(), job("once", 1)).await.unwrap();
    }
    // A tenth of twenty stays free, and one may come that was asked for before.
    let begun = || engine::read(&book).len();
    until("the node has run as many as it may", async || begun() >= 18).await;
    // sleep: nothing is to happen
    tokio::time::sleep(fast().renew * 2).await;
    assert!(begun() < 20, "{}", begun());
    let client = async_nats::connect(format!("127.0.0.1:{}", server.port)).await.unwrap();
    client.request("$JS.API.STREAM.PURGE.PP_test_S_once", "{\"keep\":8}".into()).await.unwrap();
    // A job whose claim is gone has no outcome, and its node keeps its slot for long.
    until("28 have left the queue", async || waiting(&server).await == 2).await;
    client.request("$JS.API.STREAM.PURGE.PP_test_S_once", "".into()).await.unwrap();
    until("all have run", async || begun() == 30).await;
}
