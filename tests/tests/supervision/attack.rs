//! A client whose jobs kill their workers, beside one whose jobs are good.

use procpool::Pool;
use procpool_tests::http;
use procpool_tests::library::{echo, idle, verbs};
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::{Verb, Verbs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

/// Keeps this many jobs in flight that kill their workers, each with a payload of its own, until told to stop.
async fn attack(pool: Pool<Verbs>, file: String, jobs: usize, stop: Arc<AtomicBool>) {
    let mut attackers = JoinSet::new();
    for attacker in 0..jobs {
        let (pool, file, stop) = (pool.clone(), file.clone(), stop.clone());
        attackers.spawn(async move {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let killed = pool.run(Verb::LogThenAbort(file.clone(), format!("{attacker}.{number}"))).await;
                assert!(killed.is_err(), "it kills its worker");
            }
        });
    }
    while let Some(ended) = attackers.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn jobs_that_kill_their_workers_cost_no_other_client_its_jobs() {
    let scratch = Scratch::new();
    for attempts in [1, 3] {
        let pool = verbs(2).workers(1..=2).idempotent(true).max_attempts(attempts).start().await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let file = scratch.path().join("attacks").display().to_string();
        let attacking = tokio::spawn(attack(pool.clone(), file, 32, stop.clone()));
        for number in 0..50 {
            let text = format!("good {number}");
            assert_eq!(pool.run(echo(&text)).await.expect("a good job"), text);
        }
        stop.store(true, Ordering::Relaxed);
        attacking.await.unwrap();
        let status = pool.status();
        assert!(status.deaths > 50 && !status.breaker_open, "{status:?}");
        idle(&pool, 1).await;
    }
}

#[tokio::test]
async fn a_payload_that_kills_is_known_however_its_json_is_written() {
    let server = Server::of_verbs(1, "poison_deaths = 2").await;
    let ways = [r#"{"say_then_abort":["info","hi"]}"#, "{ \"say_then_abort\" : [\"info\",\t\"hi\"] }\n"];
    let mut outcomes = Vec::new();
    for way in ways.into_iter().chain([r#"{"say_then_abort":["\u0069nfo","h\u0069"]}"#]) {
        let answer = http::post(server.address(), "/v1/pools/verbs/jobs", way).await;
        outcomes.push(answer.problem()["outcome"].as_str().unwrap().to_owned());
    }
    assert_eq!(outcomes, ["crashed", "crashed", "poisoned"]);
    assert_eq!(server.pool("verbs").await["deaths"], 2);
}
