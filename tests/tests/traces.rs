//! The tracks of a request: its trace to the worker and back, the access log, and that none of it has what users
//! send in it.

use procpool_protocol::log::LogLevel;
use procpool_tests::binaries::binary;
use procpool_tests::http::{Answer, get, request};
use procpool_tests::library::echo;
use procpool_tests::process;
use procpool_tests::served::verbs;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStderr, Command};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const SECRET: &str = "canary-5d0f1a77";

/// Starts a server with an access log in JSON, and this much of everything else.
async fn logging(arguments: &[&str]) -> (Server, ChildStderr) {
    let config = format!("[server]\naccess_log = true\n{}", verbs(1, "poison_deaths = 0"));
    let mut command = Command::new(binary("procpool"));
    command.args(["--log-format", "json"]).args(arguments);
    Server::logging(command, &config).await
}

/// Ends the server. Returns its whole log.
async fn rest(mut server: Server, mut logs: ChildStderr) -> (String, Vec<Value>) {
    process::signal(server.pid(), Signal::TERM);
    let mut text = String::new();
    logs.read_to_string(&mut text).await.unwrap();
    assert!(server.ended().await.success());
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")));
    let lines = lines.collect();
    (text, lines)
}

async fn perform(server: &Server, verb: &Verb, headers: &[(&str, &str)]) -> Answer {
    let body = serde_json::to_vec(verb).unwrap();
    let headers = [&[("Content-Type", "application/json")], headers].concat();
    request(server.address(), "POST", "/v1/pools/verbs/jobs?usage=true", &headers, &body).await
}

#[tokio::test]
async fn a_request_is_a_line_of_the_access_log_unless_it_is_a_probe() {
    let (server, logs) = logging(&[]).await;
    let answer = perform(&server, &echo("hello"), &[("traceparent", PARENT)]).await;
    assert_eq!(answer.status, 200);
    for path in ["/livez", "/readyz", "/none"] {
        get(server.address(), path).await;
    }
    let (text, lines) = rest(server, logs).await;
    let of_access: Vec<_> = lines.iter().filter(|line| line["target"] == "procpool::access").collect();
    let paths: Vec<_> = of_access.iter().map(|line| &line["fields"]["path"]).collect();
    assert_eq!(paths, ["/v1/pools/verbs/jobs", "/none"], "{text}");
    let fields = &of_access[0]["fields"];
    assert_eq!((&fields["route"], &fields["status"]), (&"/v1/pools/{pool}/jobs".into(), &200.into()));
    assert_eq!((&fields["method"], &fields["peer"]), (&"POST".into(), &"127.0.0.1".into()));
    assert_eq!(
        (&fields["job"], &fields["trace_id"]),
        (&answer.header("job-id").unwrap().into(), &TRACE.into())
    );
    assert_eq!(&of_access[1]["fields"]["route"], "unknown");
}

#[tokio::test]
async fn nothing_that_a_user_sends_or_a_job_answers_is_in_a_log() {
    let (server, logs) = logging(&["-vv"]).await;
    let secrets = [echo(SECRET), Verb::Break(SECRET.into()), Verb::WaitFor(format!("/tmp/{SECRET}"))];
    let statuses = async |headers: &[(&str, &str)]| {
        let mut statuses = Vec::new();
        for (verb, query) in secrets.iter().zip(["", "", "&timeout=100ms"]) {
            let body = serde_json::to_vec(verb).unwrap();
            let path = format!("/v1/pools/verbs/jobs?tenant={SECRET}{query}");
            let headers = [&[("Content-Type", "application/json")], headers].concat();
            statuses.push(request(server.address(), "POST", &path, &headers, &body).await.status);
        }
        statuses
    };
    assert_eq!(statuses(&[]).await, [200, 500, 504]);
    let with_headers = [("Authorization", SECRET), ("Idempotency-Key", SECRET), ("Prefer", "wait=10")];
    assert_eq!(statuses(&with_headers[..1]).await, [200, 500, 504]);
    let keyed = perform(&server, &echo(SECRET), &with_headers).await;
    assert_eq!(keyed.status, 200, "{}", keyed.text());
    let malformed = format!("{{\"{SECRET}\"");
    let path = "/v1/pools/verbs/jobs";
    for (kind, body) in [("application/json", &malformed), ("application/octet-stream", &SECRET.to_owned())] {
        let refused =
            request(server.address(), "POST", path, &[("Content-Type", kind)], body.as_bytes()).await;
        assert!((400..500).contains(&refused.status), "{}", refused.text());
    }
    let (text, lines) = rest(server, logs).await;
    assert!(lines.len() > 10, "it does log: {text}");
    let found: Vec<_> = text.lines().filter(|line| line.contains(SECRET)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn a_worker_knows_its_jobs_trace_and_its_lines_carry_it() {
    let (server, logs) = logging(&["-v"]).await;
    let headers = [("traceparent", PARENT), ("tracestate", "vendor=1")];
    let told = perform(&server, &Verb::Trace, &headers).await;
    assert_eq!(told.json(), format!("{PARENT} vendor=1"));
    let untold = perform(&server, &Verb::Trace, &[("traceparent", "00-nonsense")]).await;
    assert_eq!((untold.status, untold.json()), (200, "none".into()));
    perform(&server, &Verb::Say(LogLevel::Info, "I am here".into()), &headers).await;
    let failed = perform(&server, &Verb::Break("no".into()), &headers).await;
    assert_eq!(failed.problem()["trace_id"], TRACE);
    let failed = perform(&server, &Verb::Break("no".into()), &[]).await;
    assert_eq!(failed.problem().get("trace_id"), None);
    let (text, lines) = rest(server, logs).await;
    let of_worker =
        lines.iter().find(|line| line["message"] == "I am here").unwrap_or_else(|| panic!("{text}"));
    assert_eq!(of_worker["fields"]["trace_id"], TRACE);
}
