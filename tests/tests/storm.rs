//! A storm of random kills through `procpool serve`, for workers of each language: 32 clients, each of whose jobs gets
//! one answer and the right one.
//!
//! The workers are the fixtures of the conformance kit, which do the same in all languages.

use procpool_tests::binaries::{binary, workspace};
use procpool_tests::chaos::random::Random;
use procpool_tests::eventually;
use procpool_tests::http::{self, Answer};
use procpool_tests::languages::node;
use procpool_tests::process;
use procpool_tests::server::Server;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const CLIENTS: usize = 32;
const JOBS: usize = 25;
const WORKERS: usize = 3;

/// Number of answers after which the next worker is killed.
const PAUSE: usize = 40;

const PATH: &str = "/v1/pools/storm/jobs";

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).expect("it is below the bound")
}

async fn post(server: SocketAddr, command: &Value) -> Answer {
    http::post(server, PATH, &command.to_string()).await
}

/// Runs one client's jobs. Returns the number of those that a kill has cost.
async fn client(server: SocketAddr, number: usize, mut random: Random, answers: Arc<AtomicUsize>) -> usize {
    let mut crashed = 0;
    for job in 0..JOBS {
        // No two jobs have the same value.
        let value = json!([number, job, "é".repeat(below(&mut random, 2000))]);
        let (command, expected) = match random.below(4) {
            0 => (json!({"op": "sleep", "ms": random.below(10)}), json!("slept")),
            _ => (json!({"op": "echo", "value": value}), value),
        };
        let answer = post(server, &command).await;
        match answer.status {
            200 => assert_eq!(answer.json(), expected, "a wrong answer to {command}"),
            502 => {
                assert_eq!(answer.json()["outcome"], "crashed", "{}", answer.text());
                crashed += 1;
            }
            _ => panic!("{command} is answered with {} {}", answer.status, answer.text()),
        }
        answers.fetch_add(1, Ordering::Relaxed);
    }
    crashed
}

/// Processor time that a worker uses for nothing but its function.
const COMPUTES: Duration = Duration::from_millis(200);

/// Kills a worker of the pool's whenever some jobs were answered. Returns the number of kills.
async fn killer(server: &Server, mut random: Random, answers: &AtomicUsize) -> usize {
    let mut kills = 0;
    for next in (PAUSE..CLIENTS * JOBS).step_by(PAUSE) {
        eventually("the next answers", async || (answers.load(Ordering::Relaxed) >= next).then_some(()))
            .await;
        let workers = server.workers("storm").await;
        let victim = workers.get(below(&mut random, workers.len().max(1)));
        // One that has ended just now is not killed.
        kills += usize::from(victim.is_some_and(|&pid| process::try_signal(pid, Signal::KILL).is_ok()));
    }
    kills
}

async fn storm(command: &[String]) {
    let keys = "poison_deaths = 0\nbreaker_failures = 0";
    let config = format!(
        "[pools.storm]\ncommand = {command:?}\nmin_workers = {WORKERS}\nmax_workers = {WORKERS}\n{keys}\n"
    );
    let server = Server::with_config(&config).await;
    server.idle("storm", WORKERS).await;
    let (address, answers) = (server.address(), Arc::<AtomicUsize>::default());
    let seed = u64::from(std::process::id());
    let start = |number: usize| {
        let random = Random::new(seed, number as u64);
        tokio::spawn(client(address, number, random, answers.clone()))
    };
    let clients: Vec<_> = (0..CLIENTS).map(start).collect();
    let kills = killer(&server, Random::new(seed, CLIENTS as u64), &answers).await;
    let mut crashed = 0;
    for client in clients {
        crashed += client.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    assert_eq!(answers.load(Ordering::Relaxed), CLIENTS * JOBS);
    assert!(kills > 0 && crashed <= kills, "{kills} kills cost {crashed} jobs, with seed {seed}");

    // The job of a worker that is killed while it runs is `crashed`, for certain.
    server.idle("storm", WORKERS).await;
    let spin = json!({"op": "spin", "ms": 600_000}).to_string();
    let job = http::open(address, "POST", PATH, &[], spin.as_bytes()).await;
    let busy = server.busy("storm", 1).await[0];
    // A worker that has not begun the job yet would cost nothing: another one would run it.
    let begun = process::cpu_time(busy) + COMPUTES;
    eventually("the function to compute", async || (process::cpu_time(busy) >= begun).then_some(())).await;
    process::kill(busy);
    let answer = http::finish(job).await.expect("an answer");
    assert_eq!((answer.status, &answer.json()["outcome"]), (502, &json!("crashed")), "{}", answer.text());

    server.idle("storm", WORKERS).await;
    let echo = json!({"op": "echo", "value": "calm"});
    assert_eq!(post(address, &echo).await.json(), "calm");
}

/// Returns a fixture among the tests of an SDK.
fn fixture(path: &str) -> String {
    workspace().join("sdk").join(path).display().to_string()
}

#[tokio::test]
async fn a_storm_of_kills_costs_workers_in_rust_their_own_jobs_alone() {
    storm(&[binary("conformance").display().to_string()]).await;
}

#[tokio::test]
async fn a_storm_of_kills_costs_workers_in_python_their_own_jobs_alone() {
    storm(&["python3".into(), fixture("python/tests/conformance_fixture.py")]).await;
}

#[tokio::test]
async fn a_storm_of_kills_costs_workers_in_node_their_own_jobs_alone() {
    if let Some(node) = node() {
        storm(&[node, fixture("node/test/conformance-fixture.js")]).await;
    }
}
