//! Nodes whose workers have different contracts.

use crate::child::{pools, slots};
use crate::engine::{self, Sleeper, id, job, until};
use crate::server::Server;
use procpool_nats::{Cluster, Front, Node};
use procpool_protocol::OutcomeKind;
use std::time::Duration;

/// Returns the pools that each live node has joined, by its label.
async fn joined(cluster: &Cluster, label: &str) -> Vec<String> {
    let hosts = cluster.hosts().await.unwrap();
    let hosts = hosts.iter().filter(|host| host.host == label && host.state.name() == "up");
    hosts.flat_map(|host| host.slots.keys().cloned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_another_contract_stays_apart_until_the_last_one_has_left() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let start = async |label: &str, version| {
        Node::start(cluster.clone(), Sleeper::new(&book), label, pools(1, version)).await.unwrap()
    };
    let front = Front::start(cluster.clone(), "front").await.unwrap();
    let old = start("old", 1).await;
    let new = start("new", 2).await;
    until("the new node runs its other pool alone", async || {
        joined(&cluster, "new").await == ["again"] && joined(&cluster, "old").await == ["again", "once"]
    })
    .await;
    let host = cluster.hosts().await.unwrap().into_iter().find(|host| host.host == "new").unwrap();
    assert_eq!(host.apart["once"].to_string(), "job `sleep` version 1");
    assert_eq!(host.contracts["once"].version, 2);

    // One runs, one waits behind it and keeps the contract under which it was accepted.
    let (runs, waits) = (id(), id());
    front.enqueue(runs, job("once", 1500)).await.unwrap();
    until("the job begins", async || engine::read(&book).contains_key(&runs)).await;
    let mut short = job("once", 1);
    short.limits = short.limits.timeout(Duration::from_secs(12));
    front.enqueue(waits, short).await.unwrap();
    old.drain(Duration::from_secs(60)).await;
    until("the new node joins", async || joined(&cluster, "new").await == ["again", "once"]).await;
    assert!(front.outcome("once", runs).await.unwrap().unwrap().result.is_ok());
    let last = id();
    until("the front knows the contract", async || {
        let next = id();
        front.enqueue(next, job("once", 1)).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(3), front.outcome("once", next)).await;
        ended.is_ok_and(|ended| ended.unwrap().unwrap().result.is_ok())
    })
    .await;
    front.enqueue(last, job("once", 1)).await.unwrap();
    assert!(front.outcome("once", last).await.unwrap().unwrap().result.is_ok());
    let error = front.outcome("once", waits).await.unwrap().unwrap().result.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (OutcomeKind::TimedOut, false), "{error}");
    assert!(!engine::read(&book).contains_key(&waits), "workers of version 2 ran a job of version 1");

    // The old one comes back, and it is the one that stays apart.
    let back = start("back", 1).await;
    assert_eq!(joined(&cluster, "new").await, ["again", "once"]);
    until("the old node is apart", async || joined(&cluster, "back").await == ["again"]).await;
    drop((new, back));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_nodes_that_start_at_once_all_that_join_have_one_contract() {
    let Some(server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let starts = (0..8).map(|nth| {
        let (cluster, book) = (cluster.clone(), book.clone());
        tokio::spawn(async move {
            let label = format!("n{nth}");
            Node::start(cluster, Sleeper::new(&book), &label, pools(1, nth % 2)).await.unwrap()
        })
    });
    let mut nodes = Vec::new();
    for start in starts.collect::<Vec<_>>() {
        nodes.push(start.await.unwrap());
    }
    until("half of them join", async || {
        let hosts = cluster.hosts().await.unwrap();
        let versions = |is_joined: bool| {
            let of = hosts.iter().filter(|host| host.slots.contains_key("once") == is_joined);
            of.map(|host| host.contracts["once"].version).collect::<Vec<_>>()
        };
        let (inside, outside) = (versions(true), versions(false));
        let is_one = |all: &[u32]| all.len() == 4 && all.iter().all(|it| *it == all[0]);
        is_one(&inside) && is_one(&outside)
    })
    .await;
    drop(nodes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_does_not_change_the_contract() {
    let Some(mut server) = Server::start("") else { return };
    let (cluster, book) = (server.cluster().await, server.dir.join("book"));
    let old = Node::start(cluster.clone(), Sleeper::new(&book), "old", slots(1)).await.unwrap();
    let new = Node::start(cluster.clone(), Sleeper::new(&book), "new", pools(1, 2)).await.unwrap();
    server.kill();
    server.restart();
    let front = loop {
        match Front::start(cluster.clone(), "front").await {
            Ok(front) => break front,
            Err(error) => println!("{error}"),
        }
    };
    let one = id();
    while front.enqueue(one, job("once", 1)).await.is_err() {}
    assert!(front.outcome("once", one).await.unwrap().unwrap().result.is_ok());
    until("both tell of themselves", async || {
        let hosts = cluster.hosts().await.unwrap_or_default();
        hosts.iter().filter(|host| host.state.name() == "up").count() == 2
    })
    .await;
    assert_eq!(joined(&cluster, "new").await, ["again"]);
    assert_eq!(joined(&cluster, "old").await, ["again", "once"]);
    drop((old, new));
}
