//! A job over HTTP: in as JSON, out as JSON, and every outcome that the built-in workers can have.

use procpool_tests::http::{Answer, post, request};
use procpool_tests::server::Server;

const FIB: &str = "/v1/pools/fib/jobs";
const PING: &str = "/v1/pools/ping/jobs";
const JSON: (&str, &str) = ("Content-Type", "application/json");

#[track_caller]
fn assert_output(answer: &Answer, output: &str) {
    assert_eq!((answer.status, answer.text()), (200, output));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn the_seeds_jobs_are_answered_as_curl_sends_them() {
    let server = Server::start().await;
    assert_output(&post(server.address(), FIB, "40").await, "102334155");
    assert_output(&post(server.address(), PING, "\"ping\"").await, "\"pong\"");
    let compute = post(server.address(), "/v1/pools/compute/jobs", "50000000").await;
    assert_output(&compute, "235702256859.7696");
}

#[tokio::test]
async fn json_is_taken_under_its_own_name_and_under_none() {
    let server = Server::start().await;
    let types: [&[_]; 4] = [
        &[JSON],
        &[("Content-Type", "application/json; charset=utf-8")],
        &[("Content-Type", "application/vnd.example+json")],
        &[],
    ];
    for headers in types {
        assert_output(&request(server.address(), "POST", FIB, headers, b" 10\n").await, "55");
    }
}

#[tokio::test]
async fn an_answer_names_its_job_and_says_where_the_time_went() {
    let server = Server::start().await;
    let mut seen = std::collections::BTreeSet::new();
    for input in ["10", "94", "\"ten\""] {
        let answer = post(server.address(), FIB, input).await;
        let job = answer.header("job-id").unwrap();
        assert!(job.len() == 32 && job.bytes().all(|digit| digit.is_ascii_hexdigit()), "{job}");
        assert!(seen.insert(job.to_owned()), "{job} twice");

        let timing = answer.header("server-timing").unwrap();
        let (wait, run) = timing.split_once(", ").unwrap();
        for (metric, name) in [(wait, "wait;dur="), (run, "run;dur=")] {
            let millis: f64 =
                metric.strip_prefix(name).unwrap_or_else(|| panic!("{timing}")).parse().unwrap();
            assert!(millis >= 0.0, "{timing}");
        }
    }
}

#[tokio::test]
async fn a_jobs_own_error_is_told_in_its_own_words() {
    let server = Server::start().await;
    let answer = post(server.address(), FIB, "94").await;
    assert_eq!(answer.status, 422);
    let problem = answer.problem();
    assert_eq!((&problem["type"], &problem["outcome"]), (&"/problems/failed".into(), &"failed".into()));
    assert_eq!((&problem["code"], &problem["retryable"]), (&"too_large".into(), &false.into()));
    assert_eq!(problem["message"], "fib(94) does not fit 64 bits; the largest input is 93");
    assert_eq!(problem["may_have_run"], true);
    assert_eq!(answer.header("retry-after"), None);

    let answer = post(server.address(), PING, "\"pong\"").await;
    assert_eq!((answer.status, &answer.problem()["code"]), (422, &"not_ping".into()));
}

#[tokio::test]
async fn what_is_not_json_costs_no_worker() {
    let server = Server::start().await;
    for input in ["", "{", "4x", "forty", "[1,]"] {
        let answer = post(server.address(), FIB, input).await;
        assert_eq!(answer.status, 400, "{input}");
        let problem = answer.problem();
        assert_eq!(
            (&problem["type"], &problem["outcome"]),
            (&"/problems/bad_input".into(), &"bad_input".into())
        );
        assert_eq!((&problem["may_have_run"], answer.header("job-id")), (&false.into(), None));
    }
    assert_eq!(server.pool("fib").await["run"]["count"], 0);
}

#[tokio::test]
async fn json_of_another_type_is_refused_by_the_worker() {
    let server = Server::start().await;
    for input in ["\"forty\"", "-1", "1.5", "[40]", "null", "18446744073709551616"] {
        let answer = request(server.address(), "POST", FIB, &[JSON], input.as_bytes()).await;
        assert_eq!(answer.status, 400, "{input}: {}", answer.text());
        let problem = answer.problem();
        assert_eq!((&problem["outcome"], &problem["may_have_run"]), (&"bad_input".into(), &false.into()));
        assert!(problem["message"].is_string() && answer.header("job-id").is_some(), "{problem}");
    }
    assert_output(&post(server.address(), FIB, "10").await, "55");
    assert_eq!(server.pool("fib").await["deaths"], 0);
}

#[tokio::test]
async fn raw_bytes_are_no_input_for_a_job_that_takes_a_number() {
    let server = Server::start().await;
    let raw = ("Content-Type", "application/octet-stream");
    let answer = request(server.address(), "POST", FIB, &[raw], b"40").await;
    assert_eq!((answer.status, &answer.problem()["outcome"]), (400, &"bad_input".into()));
}

#[tokio::test]
async fn a_job_that_runs_into_its_deadline_is_ended_and_the_pool_goes_on() {
    let server = Server::start().await;
    let answer = post(server.address(), &format!("{FIB}?timeout=1s"), "93").await;
    assert_eq!(answer.status, 504);
    let problem = answer.problem();
    assert_eq!((&problem["outcome"], &problem["stage"]), (&"timed_out".into(), &"running".into()));
    assert_eq!((&problem["limit_ms"], &problem["may_have_run"]), (&1000.into(), &true.into()));
    assert_eq!(answer.header("retry-after"), None);
    assert_output(&post(server.address(), FIB, "10").await, "55");
}

#[tokio::test]
async fn a_run_timeout_bounds_the_run() {
    let server = Server::start().await;
    let answer = post(server.address(), &format!("{FIB}?run_timeout=100ms"), "93").await;
    let problem = answer.problem();
    assert_eq!(
        (answer.status, &problem["stage"], &problem["limit_ms"]),
        (504, &"running".into(), &100.into())
    );
}

#[tokio::test]
async fn many_clients_at_once_each_get_their_own_answer() {
    let server = Server::start().await;
    let address = server.address();
    let clients: Vec<_> = (0..200_u64)
        .map(|client| {
            tokio::spawn(async move { (client, post(address, FIB, &(client % 20).to_string()).await) })
        })
        .collect();
    for client in clients {
        let (client, answer) = client.await.unwrap();
        assert_output(&answer, &procpool_fib::fib(client % 20).unwrap().to_string());
    }
}
