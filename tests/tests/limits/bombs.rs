//! Fork bombs, and three greedy workers at once: contained, and the server answers.

use procpool_tests::http::{self, Answer};
use procpool_tests::served::pool;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, other_user, process};
use std::path::Path;
use std::time::Duration;

pub(crate) const PROCESSES: u32 = 60;

/// Returns one worker in a pool of its own, with these limits and no deadline.
pub(crate) fn greedy(name: &str, worker: &Path, limits: &str) -> String {
    // A backtrace of a debug build would take more than the processor time.
    let keys = format!("{limits}\ntimeout = \"none\"\nenv = {{ RUST_BACKTRACE = \"0\" }}");
    pool(name, worker, 1, &keys)
}

fn bomb(server: &Server) -> Verb {
    Verb::ForkBomb(server.scratch.path().join("refused.txt").display().to_string())
}

pub(crate) async fn a_bomb_is_contained_by(server: &Server) {
    server.idle("verbs", 1).await;
    let job = server.begin(&bomb(server)).await;
    let file = server.scratch.path().join("refused.txt");
    let count = async || std::fs::read_to_string(&file).ok()?.parse::<u32>().ok();
    let made = eventually("the bomb to be refused a process", count).await;
    assert!((1..PROCESSES).contains(&made), "{made}");
    let worker = server.busy("verbs", 1).await[0];
    let group = process::of_group(worker);
    assert!(group.len() > 1 && group.len() <= PROCESSES as usize, "{group:?}");

    // The client hangs up, and the worker does not listen.
    drop(job);
    eventually("the end of the bomb", async || process::of_group(worker).is_empty().then_some(())).await;
    server.idle("verbs", 1).await;
    assert_eq!(server.perform(&Verb::Echo("next".into())).await.json(), "next");
}

#[tokio::test]
async fn a_fork_bomb_is_contained_by_the_limit_of_its_user() {
    let limits = format!("process_limit = {PROCESSES}");
    if let Some(server) = other_user::server(|worker| greedy("verbs", worker, &limits)).await {
        a_bomb_is_contained_by(&server).await;
    }
}

#[tokio::test]
async fn a_fork_bomb_in_a_worker_that_was_forked_is_contained() {
    let limits = format!("process_limit = {PROCESSES}\nfork = true");
    if let Some(server) = other_user::server(|worker| greedy("verbs", worker, &limits)).await {
        a_bomb_is_contained_by(&server).await;
    }
}

/// Returns a fork bomb, an allocation loop and a spin loop. Only the bomb's pool limits processes: where that
/// means all processes of the user, no other worker could be started while the bomb lives.
pub(crate) fn three_greedy(worker: &Path) -> String {
    [
        greedy("bomb", worker, &format!("process_limit = {PROCESSES}\ncpu_limit = \"1s\"")),
        greedy("memory", worker, "memory_limit = \"256 MiB\""),
        greedy("spin", worker, "cpu_limit = \"1s\""),
    ]
    .concat()
}

/// Between two questions. Without it the test and the server would be greedier than the three, which have to use up their
/// processor time while the answer is waited for.
const PAUSE: Duration = Duration::from_millis(5);

/// All three at once; `/livez` is asked all the while.
pub(crate) async fn three_greedy_workers_harm_nobody_on(server: &Server) {
    let bomb = bomb(server);
    let greed = async {
        tokio::join!(
            server.perform_in("bomb", &bomb),
            server.perform_in("memory", &Verb::Allocate),
            server.perform_in("spin", &Verb::Spin),
        )
    };
    tokio::pin!(greed);
    let mut answers = 0;
    let (bomb, memory, spin) = loop {
        tokio::select! {
            ended = &mut greed => break ended,
            alive = http::get(server.address(), "/livez") => {
                assert_eq!(alive.status, 200, "{alive:?}");
                answers += 1;
                // sleep: to leave the processor to others
                tokio::time::sleep(PAUSE).await;
            }
        }
    };
    assert!(answers > 0);
    let hit = |answer: &Answer| answer.problem()["crash"]["limit_hit"].clone();
    assert_eq!([hit(&bomb), hit(&memory), hit(&spin)], ["cpu", "memory", "cpu"]);

    let group = bomb.problem()["crash"]["pid"].as_u64().and_then(|pid| pid.try_into().ok()).unwrap();
    eventually("the end of the bomb", async || process::of_group(group).is_empty().then_some(())).await;
    for pool in ["bomb", "memory", "spin"] {
        server.idle(pool, 1).await;
        assert_eq!(server.perform_in(pool, &Verb::Echo("next".into())).await.json(), "next");
    }
}

#[tokio::test]
async fn a_fork_bomb_an_allocation_loop_and_a_spin_loop_leave_livez_answering() {
    if let Some(server) = other_user::server(three_greedy).await {
        three_greedy_workers_harm_nobody_on(&server).await;
    }
}
