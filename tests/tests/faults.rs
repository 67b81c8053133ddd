//! Faults behind a served pool, and their effect on its clients: one answer each, then business as usual.

use procpool_tests::http::{self, get, post};
use procpool_tests::served::gone;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, process};
use rustix::process::Signal;

const FIB: &str = "/v1/pools/fib/jobs";

fn echo(text: &str) -> Verb {
    Verb::Echo(text.into())
}

/// The pool is whole again: as many idle workers as there were, and a job goes through.
async fn assert_at_full_strength(server: &Server, workers: usize) {
    server.idle("verbs", workers).await;
    assert_eq!(server.perform(&echo("on we go")).await.text(), "\"on we go\"");
    assert_eq!(process::zombies(server.pid()), [] as [u32; 0]);
}

#[tokio::test]
async fn a_worker_that_is_killed_fails_its_own_job_and_no_other() {
    let server = Server::of_verbs(2, "").await;
    let (victim, pids) = server.begin_spinning("").await;
    let pid = pids[0];
    let neighbours: Vec<_> = (0..50)
        .map(|n| {
            let (address, body) = (server.address(), format!("{{\"echo\":\"{n}\"}}"));
            tokio::spawn(async move { post(address, "/v1/pools/verbs/jobs", &body).await })
        })
        .collect();
    process::kill(pid);

    let answer = http::finish(victim).await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (502, None));
    assert!(answer.header("job-id").is_some() && answer.header("server-timing").is_some());
    let problem = answer.problem();
    assert_eq!((&problem["outcome"], &problem["stage"]), (&"crashed".into(), &"running".into()));
    assert_eq!(problem["may_have_run"], true);
    let crash = &problem["crash"];
    assert_eq!((&crash["signal"], &crash["signal_name"]), (&9.into(), &"SIGKILL".into()), "{crash}");
    assert_eq!((&crash["pid"], &crash["exit_code"]), (&pid.into(), &serde_json::Value::Null), "{crash}");
    assert!(crash.get("peak_memory_bytes").is_some(), "{crash}");

    for (n, neighbour) in neighbours.into_iter().enumerate() {
        let answer = neighbour.await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, &*format!("\"{n}\"")));
    }
    assert_at_full_strength(&server, 2).await;
    assert_eq!(server.pool("verbs").await["deaths"], 1);
}

#[tokio::test]
async fn any_listed_worker_may_be_killed_and_the_next_request_succeeds() {
    let server = Server::start().await;
    for _ in 0..20 {
        let pids = server.workers("fib").await;
        // One that is listed may have ended by itself meanwhile.
        for &pid in &pids {
            let _ = process::try_signal(pid, Signal::KILL);
        }
        gone(&pids).await;
        let answer = post(server.address(), FIB, "10").await;
        assert_eq!((answer.status, answer.text()), (200, "55"));
    }
    eventually("an end of zombies", async || process::zombies(server.pid()).is_empty().then_some(())).await;
}

#[tokio::test]
async fn every_way_to_die_is_told_to_the_client() {
    let server = Server::of_verbs(1, "").await;
    let crash = async |verb| {
        let answer = server.perform(&verb).await;
        assert_eq!(answer.status, 502, "{verb:?}: {}", answer.text());
        answer.problem()["crash"].clone()
    };
    assert_eq!(crash(Verb::Abort).await["signal_name"], "SIGABRT");
    assert_eq!(crash(Verb::Exit(3)).await["exit_code"], 3);
    assert_eq!(crash(Verb::Exit(0)).await["exit_code"], 0);
    let words = vec!["loading the model".to_owned(), "out of cheese".to_owned()];
    assert_eq!(crash(Verb::LastWords(words.clone())).await["stderr"], serde_json::json!(words));
    assert_at_full_strength(&server, 1).await;
}

#[tokio::test]
async fn a_panic_is_a_500_with_its_message() {
    let server = Server::of_verbs(1, "").await;
    let answer = server.perform(&Verb::Panic("the sky is falling".into())).await;
    assert_eq!(answer.status, 500);
    let problem = answer.problem();
    assert_eq!(
        (&problem["outcome"], &problem["message"]),
        (&"panicked".into(), &"the sky is falling".into())
    );
    assert!(problem["location"].as_str().unwrap().contains("verbs.rs"), "{problem}");
    assert_at_full_strength(&server, 1).await;
}

#[tokio::test]
async fn an_output_above_the_limit_is_a_500_that_names_both_sizes() {
    let server = Server::of_verbs(1, "max_payload = 1000").await;
    let answer = server.perform(&Verb::Large(5000)).await;
    assert_eq!(answer.status, 500);
    let problem = answer.problem();
    assert_eq!((&problem["outcome"], &problem["limit"]), (&"output_too_large".into(), &1000.into()));
    assert_at_full_strength(&server, 1).await;
}

#[tokio::test]
async fn a_deadline_ends_in_a_kill() {
    let server = Server::of_verbs(1, "").await;
    // Long enough for the job to begin on any machine, or there would be nothing to kill.
    let (job, pids) = server.begin_spinning("?timeout=2s").await;
    let answer = http::finish(job).await.unwrap();
    assert_eq!(answer.status, 504);
    assert_eq!(answer.problem()["stage"], "running");
    gone(&pids).await;
    assert_at_full_strength(&server, 1).await;
}

#[tokio::test]
async fn a_stopped_worker_does_not_outlast_its_jobs_deadline() {
    let server = Server::of_verbs(1, "").await;
    let job = server.begin_with(&Verb::Spin, "?timeout=500ms").await;
    let pids = server.busy("verbs", 1).await;
    process::signal(pids[0], Signal::STOP);
    let answer = http::finish(job).await.unwrap();
    assert_eq!((answer.status, &answer.problem()["outcome"]), (504, &"timed_out".into()));
    gone(&pids).await;
    assert_at_full_strength(&server, 1).await;
}

#[tokio::test]
async fn the_operators_bound_is_not_lifted_by_a_client() {
    let server = Server::of_verbs(1, "max_timeout = \"200ms\"").await;
    for query in ["", "?timeout=20s", "?run_timeout=20s&timeout=20s"] {
        let answer = http::finish(server.begin_with(&Verb::Spin, query).await).await.unwrap();
        let problem = answer.problem();
        assert_eq!((answer.status, &problem["limit_ms"]), (504, &200.into()), "{query}");
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(
            detail.contains("asked for 20s, and the pool's `max_timeout`"),
            !query.is_empty(),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn the_chunks_of_a_job_over_http_are_dropped_and_counted() {
    let server = Server::of_verbs(1, "").await;
    for (verb, chunks) in [(Verb::Count(40), Some("40")), (echo("none"), None)] {
        let answer = http::finish(server.begin(&verb).await).await.unwrap();
        assert_eq!((answer.status, answer.header("job-chunks-dropped")), (200, chunks));
    }
}

#[tokio::test]
async fn a_full_queue_is_503_with_a_time_to_come_back() {
    let server = Server::of_verbs(1, "queue = 1").await;
    let running = server.begin(&Verb::Obey).await;
    server.busy("verbs", 1).await;
    let queued = server.begin(&echo("patience")).await;
    eventually("a queued job", async || (server.pool("verbs").await["queued"] == 1).then_some(())).await;

    let refused = server.perform(&echo("refused")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.header("job-id"), None);
    let problem = refused.problem();
    assert_eq!((&problem["type"], &problem["reason"]), (&"/problems/refused".into(), &"queue_full".into()));
    assert_eq!((&problem["limit"], &problem["may_have_run"]), (&1.into(), &false.into()));
    assert!(problem.get("outcome").is_none(), "{problem}");

    drop(running);
    let answer = http::finish(queued).await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, "\"patience\""));
    assert_eq!(server.pool("verbs").await["jobs"]["refused"], 1);
}

#[tokio::test]
async fn a_job_that_expires_in_the_queue_says_so() {
    let server = Server::of_verbs(1, "").await;
    let running = server.begin(&Verb::Obey).await;
    server.busy("verbs", 1).await;
    let answer = http::finish(server.begin_with(&echo("late"), "?timeout=50ms").await).await.unwrap();
    let problem = answer.problem();
    assert_eq!(
        (answer.status, &problem["stage"], &problem["may_have_run"]),
        (504, &"queued".into(), &false.into())
    );
    drop(running);
    assert_at_full_strength(&server, 1).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_its_job_even_if_that_takes_a_kill() {
    let server = Server::of_verbs(1, "").await;
    let (job, pids) = server.begin_spinning("").await;
    drop(job);
    gone(&pids).await;
    assert_at_full_strength(&server, 1).await;
    assert_ne!(server.workers("verbs").await, pids);
    assert_eq!(server.pool("verbs").await["jobs"]["cancelled"], 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_cost_an_obedient_job_its_worker() {
    let server = Server::of_verbs(1, "grace = \"20s\"").await;
    let job = server.begin(&Verb::Obey).await;
    let pids = server.busy("verbs", 1).await;
    drop(job);
    assert_at_full_strength(&server, 1).await;
    assert_eq!(server.workers("verbs").await, pids);
}

#[tokio::test]
async fn a_client_that_hangs_up_takes_its_job_out_of_the_queue() {
    let server = Server::of_verbs(1, "").await;
    let scratch = server.scratch.path().join("ran.txt");
    let running = server.begin(&Verb::Obey).await;
    server.busy("verbs", 1).await;
    let queued = server.begin(&Verb::Log(scratch.display().to_string(), "ran".into())).await;
    let waiting = async |count: usize| {
        let asked = async || (server.pool("verbs").await["queued"] == count).then_some(());
        eventually(&format!("{count} queued jobs"), asked).await;
    };
    waiting(1).await;
    drop(queued);
    waiting(0).await;
    drop(running);
    assert_at_full_strength(&server, 1).await;
    assert!(!scratch.exists());
}

#[tokio::test]
async fn everything_but_jobs_is_answered_while_every_worker_is_busy() {
    let server = Server::of_verbs(2, "").await;
    let spinning = [server.begin(&Verb::Spin).await, server.begin(&Verb::Spin).await];
    server.busy("verbs", 2).await;
    let waiting = server.begin(&echo("my turn")).await;
    for path in ["/livez", "/readyz", "/readyz?pool=verbs", "/", "/v1/pools", "/v1/pools/verbs/workers"] {
        for _ in 0..20 {
            assert_eq!(get(server.address(), path).await.status, 200, "{path}");
        }
    }
    drop(spinning);
    assert_eq!(http::finish(waiting).await.unwrap().text(), "\"my turn\"");
}

#[tokio::test]
async fn a_flood_on_standard_output_disturbs_nobody() {
    let server = Server::of_verbs(1, "").await;
    let answer = server.perform(&Verb::Flood(8 << 20)).await;
    assert_eq!((answer.status, answer.text()), (200, "\"8388608\""));
    assert_at_full_strength(&server, 1).await;
}

#[tokio::test]
async fn a_grandchild_goes_with_its_worker() {
    let server = Server::of_verbs(1, "").await;
    let answer = server.perform(&Verb::Grandchild).await;
    let grandchild: u32 = answer.json().as_str().unwrap().parse().unwrap();
    assert!(process::is_alive(grandchild));
    process::kill(server.workers("verbs").await[0]);
    gone(&[grandchild]).await;
    assert_at_full_strength(&server, 1).await;
}

#[tokio::test]
async fn workers_that_come_and_go_leave_neither_zombies_nor_descriptors() {
    let server = Server::of_verbs(1, "").await;
    assert_at_full_strength(&server, 1).await;
    process::watched_over(server.pid(), 1).await;
    let descriptors = process::descriptors(server.pid());
    for death in 0..50 {
        // The job proves the worker, so that its death is no sign of a worker that cannot start.
        assert_eq!(server.perform(&echo("prove it")).await.status, 200, "after {death} deaths");
        let pids = server.workers("verbs").await;
        pids.iter().for_each(|&pid| process::kill(pid));
        gone(&pids).await;
    }
    assert_at_full_strength(&server, 1).await;
    assert_eq!(server.pool("verbs").await["deaths"], 50);
    assert_eq!(process::children(server.pid()).len(), 1);
    let as_before = async || (process::descriptors(server.pid()) <= descriptors).then_some(());
    eventually("as many descriptors as before", as_before).await;
}
