//! Running jobs: the two routes of Node's worker-threads tutorial and the pools'.

use crate::fake::{Fake, ID_TEXT};
use crate::server::Server;
use procpool_protocol::engine::Priority;
use procpool_protocol::extras::{ContentType, JobReport};
use procpool_protocol::{Encoding, Payload};
use std::time::Duration;

#[tokio::test]
async fn the_root_says_ok_as_the_seeds_server_does() {
    let server = Server::of(Fake::echo()).await;
    let reply = server.get("/").await;
    assert_eq!((reply.status, reply.text()), (200, "OK"));
}

#[tokio::test]
async fn compute_prints_the_number_with_the_digits_that_the_worker_wrote() {
    let engine = Fake::ending(|_| Ok(Payload::json("235702256859.76960000000000000001")));
    let server = Server::of(engine.clone()).await;
    let reply = server.get("/compute").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.text(), "Result: 235702256859.76960000000000000001");
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(reply.header("job-id"), Some(ID_TEXT));
    assert_eq!(reply.header("server-timing"), Some("wait;dur=1.500, run;dur=20.000"));
    let job = engine.only_job();
    assert_eq!((job.pool.as_str(), &job.input.bytes[..]), ("compute", &b"50000000"[..]));
    assert_eq!((job.input.encoding, job.reply), (Encoding::Json, Encoding::Json));
}

#[tokio::test]
async fn compute_takes_n_and_limits_and_nothing_else() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    let reply = server.get("/compute?n=7&timeout=2s&run_timeout=1s").await;
    assert_eq!(reply.text(), "Result: 7");
    assert_eq!(engine.only_job().limits.timeout, Some(Duration::from_secs(2)));
    for (query, parameter) in [("n=-7", "n"), ("n=x", "n"), ("m=7", "m"), ("timeout=2", "timeout")] {
        let reply = server.get(&format!("/compute?{query}")).await;
        assert_eq!((reply.status, reply.kind().as_str()), (400, "bad_parameter"), "{query}");
        assert_eq!(reply.problem()["parameter"], parameter);
    }
    assert_eq!(engine.jobs_seen(), 1, "a bad request reaches no pool");
}

#[tokio::test]
async fn a_job_has_the_rank_and_the_tenant_that_its_client_names() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    let reply = server.post("/v1/pools/fib/jobs?priority=low&tenant=reports", "30").await;
    assert_eq!(reply.status, 200);
    let job = engine.only_job();
    assert_eq!((job.priority, job.tenant.as_deref()), (Priority::Low, Some("reports")));
    for parameter in ["priority", "tenant"] {
        let reply = server.post(&format!("/v1/pools/fib/jobs?{parameter}="), "30").await;
        assert_eq!((reply.status, reply.kind().as_str()), (400, "bad_parameter"));
        assert_eq!(reply.problem()["parameter"], parameter);
    }
    assert_eq!(engine.jobs_seen(), 1, "a bad request reaches no pool");
}

#[tokio::test]
async fn an_output_that_compute_cannot_print_is_a_problem_of_a_job_that_ran() {
    let server = Server::of(Fake::ending(|_| Ok(Payload::raw(&b"\x00"[..])))).await;
    let reply = server.get("/compute").await;
    assert_eq!((reply.status, reply.kind().as_str()), (500, "unreadable_output"));
    assert_eq!(reply.problem()["may_have_run"], true);
}

#[tokio::test]
async fn a_job_gets_its_input_and_the_client_its_output_byte_for_byte() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    let input = " {\"b\": 1.0e2, \"a\": [ ]}\n";
    let reply = server.post("/v1/pools/any%20pool/jobs", input).await;
    assert_eq!((reply.status, reply.text()), (200, input));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("job-id"), Some(ID_TEXT));
    assert_eq!(reply.header("server-timing"), Some("wait;dur=1.500, run;dur=20.000"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    let job = engine.only_job();
    assert_eq!(job.pool, "any pool");
    assert_eq!(job.limits, Default::default());
}

fn report(change: impl FnOnce(&mut JobReport)) -> JobReport {
    let mut report = JobReport::default();
    change(&mut report);
    report
}

#[tokio::test]
async fn a_job_whose_chunks_were_dropped_says_so() {
    let dropped = report(|it| it.chunks_dropped = Some(7));
    let server = Server::of(Fake::reporting(Payload::json("1"), dropped)).await;
    let reply = server.post("/v1/pools/any/jobs", "1").await;
    assert_eq!((reply.text(), reply.header("job-chunks-dropped")), ("1", Some("7")));
    let server = Server::of(Fake::echo()).await;
    assert_eq!(server.post("/v1/pools/any/jobs", "1").await.header("job-chunks-dropped"), None);
}

#[tokio::test]
async fn raw_bytes_are_what_their_worker_says_and_no_page_of_the_servers() {
    let png = report(|it| it.content_type = ContentType::new("image/png").ok());
    let server = Server::of(Fake::reporting(Payload::raw("picture"), png)).await;
    let reply = server.post("/v1/pools/any/jobs", "1").await;
    assert_eq!((reply.status, reply.text()), (200, "picture"));
    assert_eq!(reply.header("content-type"), Some("image/png"));
    assert_eq!(reply.header("content-security-policy"), Some("sandbox"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));

    let server = Server::of(Fake::ending(|_| Ok(Payload::raw("bytes")))).await;
    let reply = server.post("/v1/pools/any/jobs", "1").await;
    assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
    assert_eq!(reply.header("content-security-policy"), None);
}

#[tokio::test]
async fn json_stays_json_whatever_its_worker_says() {
    let html = report(|it| it.content_type = ContentType::new("text/html").ok());
    let server = Server::of(Fake::reporting(Payload::json("7"), html)).await;
    let reply = server.post("/v1/pools/any/jobs", "1").await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn what_a_job_used_is_asked_for_and_shown_to_those_who_want_it() {
    let used = report(|it| {
        it.cpu_time = Some(Duration::from_micros(12_345));
        it.peak_memory = Some(4096);
    });
    let engine = Fake::reporting(Payload::json("7"), used);
    let server = Server::of(engine.clone()).await;
    let reply = server.post("/v1/pools/any/jobs?usage=true", "1").await;
    let shown = "wait;dur=1.500, run;dur=20.000, cpu;dur=12.345, memory;desc=\"4096\"";
    assert_eq!(reply.header("server-timing"), Some(shown));
    assert!(engine.only_job().reports_usage);

    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    for path in ["/v1/pools/any/jobs", "/v1/pools/any/jobs?usage=false"] {
        let reply = server.post(path, "1").await;
        assert_eq!(reply.header("server-timing"), Some("wait;dur=1.500, run;dur=20.000"));
    }
    let reply = server.post("/v1/pools/any/jobs?usage=yes", "1").await;
    assert_eq!((reply.status, &reply.problem()["parameter"]), (400, &"usage".into()));
    assert!(engine.seen.lock().unwrap().iter().all(|job| !job.reports_usage));
}

#[tokio::test]
async fn the_clients_limits_travel_with_its_job() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    let path = "/v1/pools/fib/jobs?timeout=2s&run_timeout=500ms";
    assert_eq!(server.post(path, "40").await.status, 200);
    let limits = engine.only_job().limits;
    assert_eq!(limits.timeout, Some(Duration::from_secs(2)));
    assert_eq!(limits.run_timeout, Some(Duration::from_millis(500)));
}

#[tokio::test]
async fn a_bad_query_is_refused_before_any_pool_sees_the_job() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    for (query, parameter) in [
        ("timeout=2", "timeout"),
        ("timeout=0s", "timeout"),
        ("run_timeout=soon", "run_timeout"),
        ("n=1", "n"),
        ("timeout=1s&timeout=1s", "timeout"),
    ] {
        let reply = server.post(&format!("/v1/pools/fib/jobs?{query}"), "40").await;
        assert_eq!((reply.status, reply.kind().as_str()), (400, "bad_parameter"), "{query}");
        let problem = reply.problem();
        assert_eq!(problem["parameter"], parameter);
        assert_eq!((&problem["outcome"], &problem["may_have_run"]), (&"bad_input".into(), &false.into()));
    }
    assert_eq!(engine.jobs_seen(), 0);
}

#[tokio::test]
async fn a_bug_in_a_handler_is_a_problem_and_the_connection_lives_on() {
    let server = Server::of(Fake::new(|_| panic!("a bug, on purpose"))).await;
    let mut connection = server.connect().await;
    let reply = connection.get("/compute").await;
    assert_eq!((reply.status, reply.kind().as_str()), (500, "internal"));
    assert_eq!(reply.problem()["may_have_run"], true);
    assert_eq!(connection.get("/").await.text(), "OK");
}
