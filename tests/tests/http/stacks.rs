//! Stacks and profiles by HTTP: of a job that is killed at its deadline, and of workers on demand.

use procpool_tests::binaries::binary;
use procpool_tests::crashes::{SOURCE, has_lines};
use procpool_tests::http::{self, Answer};
use procpool_tests::server::{Server, TAKES_ORDERS};
use procpool_tests::{eventually, served};
use serde_json::{Value, json};
use tokio::net::TcpStream;

const JSON: (&str, &str) = ("Content-Type", "application/json");
const SPIN: &[u8] = b"\"spin\"";

/// A server whose one worker can spin in C, with the lines of its source whatever the profile says.
async fn server() -> Server {
    let pool = served::pool("crashes", &binary("crashes"), 1, "grace = \"0s\"");
    let server = Server::with_config(&format!("{TAKES_ORDERS}{pool}")).await;
    server.idle("crashes", 1).await;
    server
}

async fn begin_spinning(server: &Server) -> TcpStream {
    http::open(server.address(), "POST", "/v1/pools/crashes/jobs?timeout=10m", &[JSON], SPIN).await
}

/// Returns the line of the source in C on which it spins.
fn line() -> Option<usize> {
    SOURCE.lines().position(|line| line.contains("/* spins */")).map(|at| at + 1)
}

/// Returns the calls of the first thread, unless the machine was too busy to name them in time. The
/// tables that were read for them are there the next time.
fn named(stack: &Value) -> Option<Vec<Value>> {
    let note = stack["note"].as_str().unwrap_or_default();
    let calls = stack["threads"][0]["frames"].as_array().filter(|_| !note.contains("in time"));
    calls.cloned()
}

#[track_caller]
fn spins(calls: &[Value]) {
    let spin = &calls[0];
    assert_eq!(
        (&spin["function"], &spin["module"]),
        (&json!("spin_forever"), &json!("crashes")),
        "{calls:?}"
    );
    if has_lines() {
        assert_eq!(spin["line"].as_u64(), line().map(|line| line as u64), "{spin}");
        assert!(spin["file"].as_str().is_some_and(|file| file.ends_with("crash.c")), "{spin}");
    }
    assert_eq!(calls[1]["function"], "crash_never");
    assert!(calls.iter().any(|call| call["function"] == "main"), "{calls:?}");
}

#[tokio::test]
async fn a_worker_tells_where_it_waits_and_when_it_runs_how_much_time_its_job_has() {
    let server = server().await;
    let seen = async |wanted: &str| {
        eventually(wanted, async || {
            let answer = http::request(server.address(), "GET", "/v1/workers/crashes-0", &[], b"").await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let seen = answer.json();
            // A worker without a job runs, too, before it waits for the next one.
            let has_job = seen.get("limit").is_some();
            (seen["activity"]["state"] == wanted && has_job == (wanted == "running")).then_some(seen)
        })
        .await
    };
    let idle = seen("blocked").await;
    assert!(idle["activity"]["syscall"].is_string(), "{idle}");
    assert_eq!((idle.get("limit"), &idle["pool"]), (None, &json!("crashes")));
    let _spinning = begin_spinning(&server).await;
    let busy = seen("running").await;
    assert_eq!(busy["limit"]["limit_ms"], 600_000, "{busy}");
    let remaining = busy["limit"]["remaining_ms"].as_u64().expect("a number");
    assert!((1..=600_000).contains(&remaining) && busy["resident_bytes"].is_u64(), "{busy}");
}

#[tokio::test]
async fn a_job_that_spins_is_timed_out_with_the_function_and_line_where_it_was() {
    let server = server().await;
    let calls = eventually("a timeout whose calls are named", async || {
        let path = "/v1/pools/crashes/jobs?timeout=1s";
        let answer = http::request(server.address(), "POST", path, &[JSON], SPIN).await;
        assert_eq!((answer.status, &answer.problem()["outcome"]), (504, &json!("timed_out")));
        // On a machine with too much to do, the stack comes too late, or the worker has not begun by then.
        named(&answer.problem()["stack"])
            .filter(|calls| calls.iter().any(|call| call["function"] == "crash_never"))
    });
    spins(&calls.await);
}

#[tokio::test]
async fn a_worker_shows_its_stack_and_all_of_its_threads() {
    let server = server().await;
    let job = begin_spinning(&server).await;
    let calls = eventually("the stack of a job that has begun", async || {
        let answer = server.order_by("GET", "/v1/workers/crashes-0/stack").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        named(&answer.json()).filter(|calls| calls[0]["function"] == "spin_forever")
    });
    spins(&calls.await);
    let all = server.order_by("GET", "/v1/workers/crashes-0/stack?threads=all").await.json();
    assert!(all["threads"].as_array().is_some_and(|threads| threads.len() >= 2), "{all}");
    assert_eq!(all["worker"], "crashes-0");
    drop(job);
}

#[tokio::test]
async fn a_worker_that_is_not_there_is_404_and_one_that_was_is_410() {
    let server = server().await;
    let unknown = server.order_by("GET", "/v1/workers/crashes-99/stack").await;
    assert_eq!((unknown.status, &unknown.problem()["known"]), (404, &json!(["crashes-0"])));
    assert_eq!(server.order_by("DELETE", "/v1/workers/crashes-0?how=kill").await.status, 200);
    eventually("its end", async || {
        let answer = server.order_by("GET", "/v1/workers/crashes-0/stack").await;
        (answer.status == 410 && answer.problem()["type"] == "/problems/worker_gone").then_some(())
    })
    .await;
    assert_eq!(server.order("/v1/workers/crashes-0/profile").await.status, 410);
}

#[tokio::test]
async fn a_profile_over_http_shows_where_a_worker_spins() {
    let server = server().await;
    let job = begin_spinning(&server).await;
    let profile = async |query: &str| -> Answer {
        server.order(&format!("/v1/workers/crashes-0/profile?{query}")).await
    };
    let folded = eventually("a profile", async || {
        let answer = profile("seconds=1&format=folded").await;
        (answer.status == 200).then_some(answer)
    });
    let folded = folded.await;
    let folded = folded.text();
    assert!(folded.lines().all(|line| line.starts_with("crashes-0;")), "{folded}");
    assert!(folded.contains("crash_never;spin_forever "), "{folded}");
    let firefox = profile("seconds=1&format=firefox").await.json();
    let strings = firefox["threads"][0]["stringArray"].as_array().unwrap();
    assert!(strings.contains(&json!("spin_forever")), "{strings:?}");
    let svg = profile("seconds=1&format=svg").await;
    let svg = svg.text();
    assert!(svg.starts_with("<svg ") && svg.contains("spin_forever"), "{svg}");
    drop(job);
}
