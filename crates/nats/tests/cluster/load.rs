//! A thousand jobs, and the server killed amid load.

use crate::child::slots;
use crate::engine::{self, Sleeper, count, id, job, until};
use crate::server::Server;
use procpool_nats::{Front, Node};
use procpool_protocol::{JobId, OutcomeKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;
use tokio::time::Instant;

fn kind(finished: &procpool_protocol::outcome::Finished) -> OutcomeKind {
    finished.result.as_ref().map_or_else(|error| error.kind(), |_| OutcomeKind::Ok)
}

/// Enqueues jobs, `at_once` of them at a time, and waits for their outcomes. Counts those that have ended.
async fn play(
    front: Arc<Front>,
    jobs: usize,
    at_once: usize,
    done: Arc<AtomicUsize>,
) -> Vec<(JobId, OutcomeKind, &'static str)> {
    let (mut tasks, mut outcomes) = (JoinSet::new(), Vec::new());
    for nth in 0..jobs {
        if tasks.len() >= at_once {
            outcomes.push(tasks.join_next().await.unwrap().unwrap());
        }
        let (front, done, id) = (front.clone(), done.clone(), id());
        tasks.spawn(async move {
            let pool = if nth % 2 == 0 { "once" } else { "again" };
            while let Err(error) = front.enqueue(id, job(pool, 1)).await {
                assert_eq!(error.name(), "engine_unreachable", "{error}");
            }
            let finished = loop {
                match front.outcome(pool, id).await {
                    Ok(finished) => break finished.expect("the job was accepted"),
                    Err(error) => println!("{error}"),
                }
            };
            done.fetch_add(1, Ordering::Relaxed);
            (id, kind(&finished), pool)
        });
    }
    outcomes.extend(tasks.join_all().await);
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_jobs_run_once_each_on_two_nodes() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let nodes = [
        Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(16)).await.unwrap(),
        Node::start(cluster.clone(), Sleeper::new(&book), "b", slots(16)).await.unwrap(),
    ];
    let front = Arc::new(Front::start(cluster, "front").await.unwrap());
    let start = Instant::now();
    let outcomes = play(front, 1000, 64, Arc::default()).await;
    println!("1000 jobs in {:?}", start.elapsed());
    assert_eq!(outcomes.len(), 1000);
    assert!(outcomes.iter().all(|(_, kind, _)| *kind == OutcomeKind::Ok), "{outcomes:?}");
    let book = engine::read(&book);
    assert_eq!(book.len(), 1000);
    assert!(book.values().all(|words| words == &["began", "ended"]), "{book:?}");
    assert!(nodes.iter().all(|node| node.figures().told > 0), "one node did nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_kills_of_the_server_lose_nothing_and_run_nothing_twice() {
    let Some(mut server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let nodes = [
        Node::start(cluster.clone(), Sleeper::new(&book), "a", slots(16)).await.unwrap(),
        Node::start(cluster.clone(), Sleeper::new(&book), "b", slots(16)).await.unwrap(),
    ];
    let front = Arc::new(Front::start(cluster, "front").await.unwrap());
    let done = Arc::new(AtomicUsize::new(0));
    let playing = tokio::spawn(play(front, 2000, 64, done.clone()));
    for kill in 1..=4 {
        // Amid load: a share of the jobs has ended.
        until("the load goes on", async || done.load(Ordering::Relaxed) >= kill * 350).await;
        server.kill();
        server.restart();
    }
    let outcomes = playing.await.unwrap();
    assert_eq!(outcomes.len(), 2000);
    let book = engine::read(&book);
    let lost: Vec<_> = outcomes.iter().filter(|(_, kind, _)| *kind != OutcomeKind::Ok).collect();
    for (id, kind, pool) in &outcomes {
        let words = book.get(id).map(Vec::as_slice).unwrap_or_default();
        assert!(count(words, "began") <= 1 || *pool == "again", "{id} {kind} {pool} {words:?}");
        assert!(!words.is_empty() || *kind != OutcomeKind::Ok, "{id} never ran");
    }
    let twice = book.values().filter(|words| count(words, "began") > 1).count();
    println!(
        "{} of 2000 jobs not ok, {twice} begun twice; {:?}",
        lost.len(),
        nodes.map(|node| node.figures())
    );
    assert!(lost.len() <= 2, "{lost:?}");
}
