//! Everything that can be read from the server: the routes of Node's worker-threads tutorial, health, pools
//! and workers.

use procpool_tests::http::{get, post, request};
use procpool_tests::server::Server;
use procpool_tests::{eventually, process};

const DIGITS: &str = "235702256859.7696";

#[tokio::test]
async fn the_seeds_routes_answer_as_the_seed_does() {
    let server = Server::start().await;
    let root = get(server.address(), "/").await;
    assert_eq!((root.status, root.text()), (200, "OK"));

    let compute = get(server.address(), "/compute").await;
    assert_eq!((compute.status, compute.text()), (200, &*format!("Result: {DIGITS}")));
    assert_eq!(compute.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(compute.header("job-id").is_some() && compute.header("server-timing").is_some());

    let small = get(server.address(), "/compute?n=5").await;
    let sum = procpool_compute::compute(5);
    assert_eq!((small.status, small.text()), (200, &*format!("Result: {sum}")));
    let whole = get(server.address(), "/compute?n=2").await;
    assert_eq!(whole.text(), "Result: 1", "as Node prints it");
    let same = get(server.address(), "/compute?n=50000000&timeout=20s").await;
    assert_eq!(same.text(), format!("Result: {DIGITS}"));
}

#[tokio::test]
async fn a_bad_number_or_timeout_for_compute_is_refused_by_name() {
    let server = Server::start().await;
    for (query, parameter) in
        [("n=many", "n"), ("n=-1", "n"), ("m=5", "m"), ("timeout=1", "timeout"), ("n=5&n=6", "n")]
    {
        let answer = get(server.address(), &format!("/compute?{query}")).await;
        assert_eq!((answer.status, &answer.problem()["parameter"]), (400, &parameter.into()), "{query}");
    }
}

#[tokio::test]
async fn health_is_told_of_the_server_and_of_each_pool() {
    let server = Server::start().await;
    for path in ["/livez", "/readyz", "/readyz?pool=fib", "/readyz?pool=ping", "/readyz?pool=compute"] {
        let answer = get(server.address(), path).await;
        assert_eq!((answer.status, answer.text()), (200, "OK"), "{path}");
    }
    assert_eq!(get(server.address(), "/readyz?pool=none").await.status, 404);
    assert_eq!(get(server.address(), "/readyz?pol=fib").await.status, 400);
}

#[tokio::test]
async fn a_pool_that_cannot_replace_its_worker_is_unready_and_nothing_else_is() {
    let scratch = procpool_tests::server::Scratch::new();
    let worker = scratch.path().join("worker");
    // A script goes by its path, so that it can be taken away under a pool that runs.
    let script = format!("#!/bin/sh\nexec {:?}\n", procpool_tests::binaries::binary("verbs"));
    procpool_tests::binaries::install(&worker, script);
    let config = format!("[pools.verbs]\ncommand = [{worker:?}]\nmax_workers = 1\n");
    let server = Server::with_config(&config).await;
    assert_eq!(get(server.address(), "/readyz?pool=verbs").await.status, 200);

    std::fs::remove_file(&worker).unwrap();
    process::kill(server.workers("verbs").await[0]);
    let unready = eventually("an unready pool", async || {
        let answer = get(server.address(), "/readyz?pool=verbs").await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(unready.problem()["type"], "/problems/not_ready");
    assert_eq!(get(server.address(), "/readyz").await.status, 200);
    assert_eq!(get(server.address(), "/livez").await.status, 200);
}

#[tokio::test]
async fn pools_are_listed_with_their_counts() {
    let server = Server::start().await;
    let answer = get(server.address(), "/v1/pools").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let list = answer.json();
    let pools = list["pools"].as_array().unwrap();
    let names: Vec<_> = pools.iter().map(|pool| pool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["compute", "fib", "ping"]);
    for pool in pools {
        for count in [
            "queued",
            "running",
            "queue_limit",
            "queued_bytes",
            "queue_bytes_limit",
            "output_bytes",
            "min_workers",
            "max_workers",
            "deaths",
        ] {
            assert!(pool[count].is_u64(), "{count} in {pool}");
        }
        for state in ["starting", "idle", "busy"] {
            assert!(pool["workers"][state].is_u64(), "{state} in {pool}");
        }
        let executable = format!("procpool-{}", pool["name"].as_str().unwrap());
        assert!(pool["executable"].as_str().unwrap().ends_with(&executable), "{pool}");
    }
}

#[tokio::test]
async fn one_pool_counts_its_jobs_by_outcome() {
    let server = Server::start().await;
    for input in ["10", "94", "\"ten\""] {
        post(server.address(), "/v1/pools/fib/jobs", input).await;
    }
    let pool = server.pool("fib").await;
    assert_eq!(
        (&pool["name"], &pool["queue_limit"], &pool["min_workers"]),
        (&"fib".into(), &1024.into(), &1.into())
    );
    for outcome in ["ok", "failed", "bad_input"] {
        assert_eq!(pool["jobs"][outcome], 1, "{pool}");
    }
    assert_eq!((&pool["queued"], &pool["running"], &pool["deaths"]), (&0.into(), &0.into(), &0.into()));
    assert_eq!(pool["run"]["count"], 3);

    let unknown = get(server.address(), "/v1/pools/none").await;
    assert_eq!(unknown.status, 404);
    let problem = unknown.problem();
    assert_eq!(problem["type"], "/problems/unknown_pool");
    assert_eq!(problem["known"], serde_json::json!(["compute", "fib", "ping"]));
}

#[tokio::test]
async fn workers_are_listed_with_process_ids_that_are_really_theirs() {
    let server = Server::start().await;
    server.idle("fib", 1).await;
    let listed = async || get(server.address(), "/v1/pools/fib/workers").await.json()["workers"][0].clone();
    let before = listed().await;
    let pid = u32::try_from(before["pid"].as_u64().unwrap()).unwrap();
    assert!(process::is_alive(pid) && process::children(server.pid()).contains(&pid));
    assert!(before["id"].as_str().unwrap().starts_with("fib-"), "{before}");
    assert_eq!((&before["state"], &before["jobs_done"]), (&"idle".into(), &0.into()), "{before}");
    assert!(before["job"].is_null() && before["uptime_ms"].is_u64(), "{before}");
    assert_eq!(before["version"], 1);
    assert_eq!(before["build"].as_str(), <procpool_fib::Fib as procpool::Job>::BUILD, "{before}");
    assert!(before["build"].is_string(), "{before}");

    for done in 1..=3 {
        assert_eq!(post(server.address(), "/v1/pools/fib/jobs", "10").await.text(), "55");
        let after = listed().await;
        assert_eq!((&after["jobs_done"], &after["pid"]), (&done.into(), &before["pid"]), "{after}");
    }
    assert_eq!(get(server.address(), "/v1/pools/none/workers").await.status, 404);
}

#[tokio::test]
async fn what_a_worker_is_at_is_listed() {
    let server = Server::start().await;
    let hopeless =
        procpool_tests::http::open(server.address(), "POST", "/v1/pools/fib/jobs", &[], b"93").await;
    let pids = server.busy("fib", 1).await;
    let list = get(server.address(), "/v1/pools/fib/workers").await.json();
    let worker = list["workers"].as_array().unwrap().iter().find(|worker| worker["state"] == "busy").unwrap();
    assert_eq!(worker["pid"], pids[0]);
    let job = worker["job"].as_str().unwrap();
    assert!(job.len() == 32 && job.bytes().all(|digit| digit.is_ascii_hexdigit()), "{job}");
    assert_eq!(server.pool("fib").await["running"], 1);
    drop(hopeless);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = Server::start().await;
    for path in ["/", "/livez", "/readyz", "/v1/pools", "/v1/pools/fib", "/v1/pools/fib/workers"] {
        let answer = request(server.address(), "HEAD", path, &[], b"").await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
        assert_ne!(answer.header("content-length"), Some("0"), "{path}");
    }
}

#[tokio::test]
async fn every_type_of_problem_is_explained_at_its_address() {
    let server = Server::start().await;
    let problem = post(server.address(), "/v1/pools/fib/jobs", "94").await.problem();
    let page = get(server.address(), problem["type"].as_str().unwrap()).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert!(page.text().contains(problem["title"].as_str().unwrap()), "{}", page.text());
    assert_eq!(get(server.address(), "/problems/none").await.status, 404);
}
