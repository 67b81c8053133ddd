//! Idempotency keys: one job a key, whatever fronts and servers do.

use crate::child::slots;
use crate::engine::{self, Sleeper, count, job, until};
use crate::server::Server;
use procpool_jobs::{Enqueued, Jobs, Order, fingerprint, key_digest};
use procpool_nats::{Cluster, ClusterJobs, Front, Node};
use procpool_protocol::JobError;
use procpool_protocol::engine::Submission;
use procpool_registry::{Decision, KeyText, Wait};
use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

pub(crate) async fn jobs(cluster: &Cluster) -> ClusterJobs {
    ClusterJobs::new(Front::start(cluster.clone(), "front").await.unwrap(), clock)
}

fn key(text: &str) -> KeyText {
    KeyText::parse(text.as_bytes()).unwrap()
}

async fn send(jobs: &ClusterJobs, text: &str, job: Submission) -> Result<Enqueued, JobError> {
    let mut order = Order::new(job.clone());
    order.key = Some((key(text), fingerprint(&job).await));
    jobs.enqueue(order).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_fronts_with_one_key_at_once_make_one_job_also_amid_kills_of_the_server() {
    const KEYS: usize = 200;
    let Some(mut server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let _node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(8)).await.unwrap();
    let fronts = [jobs(&cluster).await, jobs(&cluster).await];
    let mut all = HashSet::new();
    for nth in 0..KEYS {
        if nth % 50 == 25 {
            server.kill();
            server.restart();
        }
        let pool = if nth % 2 == 0 { "once" } else { "again" };
        let text = format!("k-{nth}");
        let send = async |front: &ClusterJobs| loop {
            match send(front, &text, job(pool, 1)).await {
                Ok(enqueued) => break enqueued.decision.record().id,
                // The client sends it again, as the refusal says.
                Err(JobError::Refused(refused)) => {
                    assert_eq!(refused.reason.name(), "engine_unreachable", "{refused}");
                }
                Err(error) => panic!("{error}"),
            }
        };
        let (one, other) = tokio::join!(send(&fronts[0]), send(&fronts[1]));
        assert_eq!(one, other, "{text}");
        all.insert(one);
    }
    assert_eq!(all.len(), KEYS);
    let mut lost = 0;
    for &id in &all {
        let mut finished = None;
        for pool in ["once", "again"] {
            let outcome = loop {
                match fronts[0].front().outcome(pool, id).await {
                    Ok(outcome) => break outcome,
                    Err(error) => println!("{error}"),
                }
            };
            finished = finished.or(outcome);
        }
        lost += usize::from(finished.expect("the job was accepted").result.is_err());
    }
    let book = engine::read(&book);
    let twice = book.values().filter(|words| count(words, "began") > 1).count();
    println!("{lost} of {KEYS} jobs not ok, {twice} begun twice");
    // A job whose claim or renewal met a kill may be given up for lost.
    assert!(lost <= 4 && twice <= 4, "{lost} {twice}");
    assert!(book.keys().all(|id| all.contains(id)), "a job ran that no front named");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_decides_as_on_one_machine() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let (front, other) = (jobs(&cluster).await, jobs(&cluster).await);
    let first = send(&front, "k", job("once", 1)).await.unwrap();
    let id = first.decision.record().id;
    assert!(matches!(first.decision, Decision::Run(_)), "{first:?}");
    for (wait, name) in [(Wait::None, "Known"), (Wait::Limited, "Attach"), (Wait::Outcome, "Conflict")] {
        let mut order = Order::new(job("once", 1));
        order.key = Some((key("k"), fingerprint(&order.job).await));
        order.wait = wait;
        let decision = other.enqueue(order).await.unwrap().decision;
        assert!(format!("{decision:?}").starts_with(name) && decision.record().id == id, "{decision:?}");
    }
    let mismatch = send(&other, "k", job("once", 2)).await.unwrap().decision;
    assert!(matches!(&mismatch, Decision::Mismatch(record) if record.id == id), "{mismatch:?}");
    // The same text for another pool or of another client is another key.
    let elsewhere = send(&other, "k", job("again", 1)).await.unwrap().decision;
    assert!(matches!(elsewhere, Decision::Run(_)), "{elsewhere:?}");
    let mut of_ann = Order::new(job("once", 1));
    (of_ann.key, of_ann.principal) = (Some((key("k"), fingerprint(&of_ann.job).await)), Some("ann".into()));
    let of_ann = other.enqueue(of_ann).await.unwrap().decision;
    assert!(matches!(of_ann, Decision::Run(_)), "{of_ann:?}");

    let _node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(2)).await.unwrap();
    assert!(first.outcome.await.unwrap().result.is_ok());
    let again = send(&other, "k", job("once", 1)).await.unwrap();
    assert!(matches!(&again.decision, Decision::Replay(record, _) if record.id == id), "{again:?}");
    let mismatch = send(&other, "k", job("once", 2)).await.unwrap().decision;
    assert!(matches!(mismatch, Decision::Mismatch(_)), "{mismatch:?}");
    assert_eq!(count(&engine::read(&book)[&id], "began"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accept_that_was_cut_off_is_finished_under_the_same_id() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let front = jobs(&cluster).await;
    // A front that dies between the key and the job leaves this.
    let (id, digest) = (engine::id(), key_digest(None, &key("k")));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let print = hex(&fingerprint(&job("once", 1)).await.0);
    let body = format!("{{\"id\":\"{id}\",\"fingerprint\":\"{print}\"}}");
    let client = async_nats::connect(format!("127.0.0.1:{}", server.port)).await.unwrap();
    let subject = format!("pp.test.k.once.{}", hex(&digest));
    let stored = client.request(subject.clone(), body.into()).await.unwrap();

    let mismatch = send(&front, "k", job("once", 2)).await.unwrap().decision;
    assert!(matches!(&mismatch, Decision::Mismatch(record) if record.id == id), "{mismatch:?}");
    let seq = |stored: &async_nats::Message| {
        let stored: serde_json::Value = serde_json::from_slice(&stored.payload).unwrap();
        stored["seq"].as_u64()
    };
    let first = seq(&stored).expect("a sequence");
    let sent = send(&front, "k", job("once", 1)).await.unwrap();
    assert!(matches!(&sent.decision, Decision::Run(record) if record.id == id), "{sent:?}");
    // The first front lives after all, and its own job was refused: it cannot free the key.
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Expected-Last-Subject-Sequence", first.to_string());
    let free = client.request_with_headers(subject, headers, "{\"fingerprint\":\"\"}".into()).await.unwrap();
    assert!(seq(&free).is_none_or(|seq| seq == 0), "{free:?}");
    let _node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(2)).await.unwrap();
    assert!(sent.outcome.await.unwrap().result.is_ok());
    assert_eq!(engine::read(&book)[&id], ["began", "ended"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_job_certainly_did_not_run_is_free() {
    let Some(server) = Server::start("") else { return };
    let mut settings = server.settings();
    settings.pools[0].queue = 1;
    let cluster = crate::server::connect(settings).await;
    while let Err(error) = cluster.init().await {
        println!("{error}");
    }
    let front = jobs(&cluster).await;
    let first = send(&front, "first", job("once", 1)).await.unwrap().decision.record().id;
    let refused = send(&front, "k", job("once", 1)).await.unwrap_err();
    assert!(matches!(&refused, JobError::Refused(it) if it.reason.name() == "queue_full"), "{refused}");
    front.cancel(first).await;
    // Its place in the queue is free.
    let book = server.dir.join("book");
    let _node = Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(1)).await.unwrap();
    until("room in the queue", async || {
        let sent = send(&front, "k", job("once", 2)).await;
        sent.is_ok_and(|sent| matches!(sent.decision, Decision::Run(_)))
    })
    .await;
    // The first was cancelled before it began.
    let again = send(&front, "first", job("again", 3)).await.unwrap().decision;
    assert!(matches!(again, Decision::Run(_)), "{again:?}");
    until("room in the queue", async || {
        let sent = send(&front, "first", job("once", 3)).await;
        sent.is_ok_and(|sent| matches!(&sent.decision, Decision::Run(record) if record.id != first))
    })
    .await;
    assert!(!engine::read(&book).contains_key(&first));
}
