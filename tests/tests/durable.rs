//! Durable jobs with real processes: servers that are killed, and others that go on from the same directory.

use procpool_tests::binaries::binary;
use procpool_tests::http::{Answer, finish, get, request, send};
use procpool_tests::process::signal;
use procpool_tests::program;
use procpool_tests::served::pool;
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use procpool_tests::{PATIENCE, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

const HEADERS: [(&str, &str); 2] = [("Prefer", "respond-async"), ("Content-Type", "application/json")];

/// Returns a configuration of two durable pools, whose jobs may be begun once and again.
fn config(state: &Path) -> String {
    let verbs = binary("verbs");
    let once = pool("once", &verbs, 2, "durable = true");
    let again = "durable = true\nidempotent = true\nretry = { max_attempts = 100, first = \"10ms\" }";
    let again = pool("again", &verbs, 2, again);
    format!("{once}{again}[jobs]\nstate_dir = {state:?}\n")
}

async fn start(config: &str) -> Server {
    Server::by_command(Command::new(binary("procpool")), Scratch::new(), config).await
}

async fn kill(mut server: Server) {
    signal(server.pid(), Signal::KILL);
    server.ended().await;
}

/// Submits a job. Returns its path, or `None` if the server is gone or does not accept it.
async fn submit(server: SocketAddr, pool: &str, verb: &Verb, query: &str) -> Option<String> {
    let body = serde_json::to_vec(verb).unwrap();
    let stream = TcpStream::connect(server).await.ok()?;
    let path = format!("/v1/pools/{pool}/jobs{query}");
    let sent = send(stream, "localhost", "POST", &path, &HEADERS, &body).await.ok()?;
    let answer = finish(sent).await.ok()?;
    (answer.status == 202).then(|| answer.header("location").expect("a location").to_owned())
}

/// Waits for the result of a job.
async fn result(server: &Server, path: &str) -> Answer {
    request(server.address(), "GET", &format!("{path}/result"), &[("Prefer", "wait=30")], b"").await
}

/// Number of kills, by default few. Each costs about a second.
fn kills() -> usize {
    std::env::var("PROCPOOL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

#[tokio::test]
async fn every_accepted_job_has_its_outcome_through_kills_of_the_server() {
    const JOBS_A_ROUND: usize = 40;
    let (state, lines) = (Scratch::new(), Scratch::new());
    let config = config(&state.path().join("state"));
    let file = lines.path().join("lines.txt").display().to_string();
    let mut accepted = Vec::new();
    for round in 0..kills() {
        let server = start(&config).await;
        let (tell, mut told) = mpsc::unbounded_channel();
        let (address, file) = (server.address(), file.clone());
        let submitting = tokio::spawn(async move {
            for number in 0..JOBS_A_ROUND {
                let pool = if number % 2 == 0 { "once" } else { "again" };
                let line = format!("{pool}-{round}-{number}");
                let verb = Verb::LogThenNap(file.clone(), line.clone(), 20_000);
                if let Some(path) = submit(address, pool, &verb, "").await {
                    tell.send((line, path)).unwrap();
                }
            }
        });
        // Some jobs have run by then, some run, and some wait.
        for _ in 0..JOBS_A_ROUND * 3 / 4 {
            accepted.extend(told.recv().await);
        }
        kill(server).await;
        submitting.await.unwrap();
        while let Ok(job) = told.try_recv() {
            accepted.push(job);
        }
    }
    let server = start(&config).await;
    let mut outcomes = HashMap::new();
    for (line, path) in &accepted {
        result(&server, path).await;
        let job = get(server.address(), path).await.json();
        assert_eq!((&job["state"], &job["durable"]), (&json!("finished"), &json!(true)), "{line}: {job}");
        outcomes.insert(line.as_str(), job["outcome"].clone());
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let mut runs: HashMap<&str, usize> = HashMap::new();
    text.lines().for_each(|line| *runs.entry(line).or_default() += 1);
    assert!(accepted.len() >= kills() * JOBS_A_ROUND / 2, "{} were accepted", accepted.len());
    for (line, count) in &runs {
        assert!(line.starts_with("again") || *count == 1, "{line} ran {count} times");
    }
    for (line, outcome) in outcomes {
        let count = runs.get(line).copied().unwrap_or_default();
        if line.starts_with("again") || outcome == "ok" {
            assert_eq!((outcome, count > 0), (json!("ok"), true), "{line} ran {count} times");
        } else {
            assert_eq!(outcome, "crashed", "{line}");
        }
    }
}

#[tokio::test]
async fn a_second_server_of_a_directory_is_refused_and_its_operator_sees_why() {
    let state = Scratch::new();
    let directory = state.path().join("state");
    let config = config(&directory);
    let server = start(&config).await;
    let file = state.write("second.toml", &config);
    let mut second = Command::new(binary("procpool"));
    let ended =
        program::finish(second.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&file)).await;
    let words = format!("is in use by process {}", server.pid());
    assert!(ended.code == Some(1) && ended.stderr.contains(&words), "{ended:?}");
    assert!(ended.stderr.contains(&directory.display().to_string()), "{ended:?}");

    // The store of a server that runs may be counted, and not compacted.
    let tool = async |verb: &str| {
        let mut command = Command::new(binary("procpool"));
        program::finish(command.args(["store", verb, "--config"]).arg(&file)).await
    };
    let stats = tool("stats").await;
    assert!(stats.code == Some(0) && stats.stdout.starts_with("jobs        0\n"), "{stats:?}");
    assert_eq!(tool("compact").await.code, Some(1));
    kill(server).await;
    let checked = tool("check").await;
    assert_eq!((checked.code, &checked.stdout[..10]), (Some(0), "0 records "), "{checked:?}");
}

#[tokio::test]
async fn dead_jobs_of_an_earlier_server_run_again_by_filter() {
    let state = Scratch::new();
    let config = config(&state.path().join("state"));
    let server = start(&config).await;
    let mut dead = Vec::new();
    for number in 0..3 {
        let path = submit(server.address(), "once", &Verb::Panic(number.to_string()), "").await.unwrap();
        assert_eq!(result(&server, &path).await.status, 500, "{path}");
        dead.insert(0, path.rsplit('/').next().unwrap().to_owned());
    }
    let alive = submit(server.address(), "once", &Verb::Echo("x".into()), "").await.unwrap();
    assert_eq!(result(&server, &alive).await.status, 200);
    kill(server).await;
    let server = start(&config).await;

    let rerun = async |body: Value| {
        let body = body.to_string();
        let headers = [("Content-Type", "application/json")];
        let answer = request(server.address(), "POST", "/v1/jobs/rerun", &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let filter = json!({"pool": "once", "state": "dead"});
    let first = rerun(json!({"filter": filter, "limit": 2})).await;
    assert_eq!((&first["rerun"], &first["refused"]), (&json!(2), &json!(0)), "{first}");
    let second = rerun(json!({"filter": filter, "limit": 2, "cursor": first["next"]})).await;
    assert_eq!((&second["rerun"], &second["next"]), (&json!(1), &Value::Null), "{second}");
    let again: Vec<_> = [&first, &second].iter().flat_map(|it| it["jobs"].as_array().unwrap()).collect();
    assert_eq!(again.iter().map(|job| job["job"].as_str().unwrap()).collect::<Vec<_>>(), dead);
    for job in again {
        let path = format!("/v1/jobs/{}", job["rerun"].as_str().unwrap());
        assert_eq!(result(&server, &path).await.status, 500, "{path}");
        let record = get(server.address(), &path).await.json();
        assert_eq!((&record["rerun_of"], &record["durable"]), (&job["job"], &json!(true)), "{record}");
    }

    let mut command = Command::new(binary("procpool"));
    command.args(["job", "rerun", "--where", "state=dead", "--dry-run", "--server"]);
    let counted = program::finish(command.arg(format!("http://{}", server.address()))).await;
    assert_eq!((counted.code, &*counted.stdout), (Some(0), "6 jobs would run again\n"), "{counted:?}");
}

#[tokio::test]
async fn a_delay_continues_through_a_restart() {
    let state = Scratch::new();
    let config = config(&state.path().join("state"));
    let server = start(&config).await;
    let path = submit(server.address(), "once", &Verb::Echo("late".into()), "?delay=2s").await.unwrap();
    let before = get(server.address(), &path).await.json();
    assert!(before["state"] == "queued" && before["run_at"].is_string(), "{before}");
    kill(server).await;
    let server = start(&config).await;
    let result = result(&server, &path).await;
    assert_eq!((result.status, result.text()), (200, "\"late\""));
    let after = get(server.address(), &path).await.json();
    // The same form: they are compared as texts.
    assert!(after["started_at"].as_str() >= before["run_at"].as_str(), "{before} {after}");
}

#[tokio::test]
async fn a_schedule_runs_every_second_and_a_restart_knows_how_far_it_is() {
    let state = Scratch::new();
    let config = format!(
        "{}[schedules.tick]\ncron = \"* * * * * *\"\npool = \"once\"\ninput = {{ echo = \"tick\" }}\n",
        config(&state.path().join("state"))
    );
    let last = async |server: &Server| -> Option<Value> {
        let listed = get(server.address(), "/v1/schedules").await.json();
        let last = &listed["schedules"][0]["last"];
        (last["outcome"] == "ok").then(|| last.clone())
    };
    let server = start(&config).await;
    let first = eventually("a run", async || last(&server).await).await;
    kill(server).await;
    let server = start(&config).await;
    // A server that has said its address has its schedules: nothing is waited for.
    let listed = get(server.address(), "/v1/schedules").await.json();
    let known = listed["schedules"][0]["last"]["at"].clone();
    assert!(known.as_str() >= first["at"].as_str(), "{first} {known}");
    let job = format!("/v1/jobs/{}", first["job"].as_str().unwrap());
    assert_eq!(result(&server, &job).await.text(), "\"tick\"");
}

/// A server whose store cannot be opened until something is written into the file that is returned.
async fn opening(state: &Path) -> (Child, SocketAddr, PathBuf) {
    let directory = state.join("state");
    std::fs::create_dir(&directory).unwrap();
    let format = directory.join("FORMAT");
    assert!(Command::new("mkfifo").arg(&format).status().await.unwrap().success());
    let schedule = "[schedules.never]\ncron = \"0 0 29 2 *\"\npool = \"once\"\n";
    std::fs::write(state.join("procpool.toml"), format!("{}{schedule}", config(&directory))).unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new(binary("procpool"));
    command.args(["serve", "--listen", &address.to_string(), "--config"]).arg(state.join("procpool.toml"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let server = command.spawn().expect("a server starts");
    eventually("a connection", async || TcpStream::connect(address).await.ok().map(drop)).await;
    (server, address, format)
}

#[tokio::test]
async fn a_server_lives_while_its_store_is_opened_and_is_not_ready() {
    let state = Scratch::new();
    let (mut server, address, format) = opening(state.path()).await;
    let live = get(address, "/livez").await;
    assert_eq!((live.status, live.text()), (200, "OK"));
    let ready = get(address, "/readyz").await;
    assert_eq!((ready.status, &ready.problem()["reason"]), (503, &json!("opening")), "{}", ready.text());
    for path in ["/", "/v1/pools", "/v1/jobs", "/v1/schedules", "/v1/hosts", "/metrics", "/nothing"] {
        let early = get(address, path).await;
        assert_eq!((early.status, early.header("retry-after")), (503, Some("1")), "{path}: {}", early.text());
    }
    let refused = request(address, "POST", "/v1/pools/once/jobs", &HEADERS, b"7").await;
    assert_eq!((refused.status, &refused.problem()["may_have_run"]), (503, &json!(false)));

    std::fs::write(&format, "procpool-store 1\n").unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it opens").unwrap();
    assert_eq!(line.as_deref(), Some(&*format!("listening on http://{address}")));
    // A server that has said its address is ready, and has its schedules.
    assert_eq!(get(address, "/readyz").await.status, 200);
    assert_eq!(get(address, "/v1/schedules").await.json()["schedules"][0]["name"], "never");
    let path = submit(address, "once", &Verb::Echo("x".into()), "").await.expect("a job");
    let wait = [("Prefer", "wait=30")];
    let result = request(address, "GET", &format!("{path}/result"), &wait, b"").await;
    assert_eq!((result.status, result.text()), (200, "\"x\""));
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_while_its_store_is_opened_does() {
    let state = Scratch::new();
    let (mut server, address, _) = opening(state.path()).await;
    assert_eq!(get(address, "/readyz").await.status, 503);
    signal(server.id().expect("it runs"), Signal::TERM);
    let ended = tokio::time::timeout(PATIENCE, server.wait()).await.expect("it ends").unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn without_a_durable_pool_nothing_is_written() {
    let state = Scratch::new();
    let directory = state.path().join("state");
    let config = format!("{}[jobs]\nstate_dir = {directory:?}\n", pool("once", &binary("verbs"), 1, ""));
    let server = start(&config).await;
    let path = submit(server.address(), "once", &Verb::Echo("x".into()), "").await.unwrap();
    assert_eq!(result(&server, &path).await.status, 200);
    let pid = serde_json::to_vec(&Verb::Pid).unwrap();
    let refused = request(server.address(), "POST", "/v1/pools/once/jobs?delay=1s", &HEADERS, &pid).await;
    assert_eq!(refused.status, 422);
    kill(server).await;
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_leaves_waiting_jobs_for_the_next() {
    let state = Scratch::new();
    let config = config(&state.path().join("state"));
    let mut server = start(&config).await;
    let lines = state.path().join("lines.txt").display().to_string();
    let mut paths = Vec::new();
    for number in 0..50 {
        let verb = Verb::LogThenNap(lines.clone(), number.to_string(), 20_000);
        paths.push(submit(server.address(), "once", &verb, "").await.unwrap());
    }
    signal(server.pid(), Signal::TERM);
    let status = tokio::time::timeout(PATIENCE, server.ended()).await.unwrap();
    assert_eq!(status.code(), Some(0));
    let server = start(&config).await;
    for path in &paths {
        assert_eq!(result(&server, path).await.status, 200, "{path}");
    }
    let text = std::fs::read_to_string(&lines).unwrap();
    assert_eq!(text.lines().count(), paths.len());
}
