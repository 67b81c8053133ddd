//! Idempotency keys, with real workers that count by themselves how often they run: every cell of the table in the
//! guide, and many clients with one key at a time.

use procpool_tests::eventually;
use procpool_tests::http::{Answer, request};
use procpool_tests::process::kill;
use procpool_tests::served::verbs;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// A server of one worker, whose jobs write a line each time that they run.
struct Counting {
    server: Server,
    log: PathBuf,
}

/// How a client waits for the outcome.
const SYNC: Option<&str> = None;
const WAIT: Option<&str> = Some("wait=30");
const ASYNC: Option<&str> = Some("respond-async");

impl Counting {
    /// `keys` are those of the pool, `jobs` those of `[jobs]`.
    async fn with(keys: &str, jobs: &str) -> Self {
        let server = Server::with_config(&format!("[jobs]\n{jobs}\n{}", verbs(1, keys))).await;
        server.idle("verbs", 1).await;
        let log = server.scratch.path().join("runs.txt");
        Self { server, log }
    }

    /// Returns a job that writes this line, and ends at once.
    fn quick(&self, line: &str) -> Verb {
        Verb::Log(self.log.display().to_string(), line.into())
    }

    /// Returns a job that writes this line, and ends when the file of this name is there.
    fn waiting(&self, line: &str, gate: &str) -> Verb {
        let (log, gate) = (self.log.display(), self.server.scratch.path().join(gate));
        Verb::Shell(format!("echo {line} >> {log}; until test -e {gate:?}; do sleep .01; done"))
    }

    fn open(&self, gate: &str) {
        std::fs::write(self.server.scratch.path().join(gate), "").unwrap();
    }

    /// Sends a job under a key.
    async fn send(&self, key: &str, prefer: Option<&str>, verb: &Verb) -> Answer {
        self.send_with(key, prefer, verb, "").await
    }

    async fn send_with(&self, key: &str, prefer: Option<&str>, verb: &Verb, query: &str) -> Answer {
        let mut headers = vec![("Content-Type", "application/json"), ("Idempotency-Key", key)];
        headers.extend(prefer.map(|prefer| ("Prefer", prefer)));
        let path = format!("/v1/pools/verbs/jobs{query}");
        request(self.server.address(), "POST", &path, &headers, &serde_json::to_vec(verb).unwrap()).await
    }

    /// Returns the lines that jobs have written.
    fn runs(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    async fn until_run(&self, count: usize) {
        eventually("a run", async || (self.runs().len() == count).then_some(())).await;
    }
}

fn kind(answer: &Answer) -> String {
    answer.problem()["type"].as_str().unwrap().trim_start_matches("/problems/").to_owned()
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}

#[tokio::test]
async fn the_key_of_a_refused_job_is_free() {
    let it = Counting::with("queue = 1", "").await;
    let busy = it.send("busy", ASYNC, &it.waiting("busy", "gate")).await;
    it.until_run(1).await;
    it.send("queued", ASYNC, &it.quick("queued")).await;
    let refused = it.send("k", SYNC, &it.quick("first")).await;
    assert_eq!((refused.status, &refused.problem()["reason"]), (503, &json!("queue_full")));
    it.open("gate");
    it.send("queued", WAIT, &it.quick("queued")).await;
    // The same request, and another one: both would run as new. The first to come has the key.
    let other = it.send("k", SYNC, &it.quick("second")).await;
    assert_eq!((other.status, is_replayed(&other)), (200, false));
    assert_eq!(it.runs(), ["busy", "queued", "second"]);
    assert_eq!(busy.status, 202);
}

#[tokio::test]
async fn the_key_of_a_job_that_certainly_did_not_run_is_free() {
    let it = Counting::with("", "").await;
    it.send("busy", ASYNC, &it.waiting("busy", "gate")).await;
    it.until_run(1).await;
    let late = it.send_with("k", SYNC, &it.quick("k"), "?timeout=20ms").await;
    assert_eq!((late.status, &late.problem()["stage"]), (504, &json!("queued")));
    it.open("gate");
    let again = it.send("k", SYNC, &it.quick("k")).await;
    assert_eq!((again.status, is_replayed(&again)), (200, false));
    let replayed = it.send("k", SYNC, &it.quick("k")).await;
    assert_eq!((replayed.status, is_replayed(&replayed)), (200, true));
    assert_eq!(it.runs(), ["busy", "k"]);
}

#[tokio::test]
async fn a_bad_input_leaves_its_key_free() {
    let it = Counting::with("", "").await;
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "k")];
    let path = "/v1/pools/verbs/jobs";
    let bad = request(it.server.address(), "POST", path, &headers, b"\"no_such_verb\"").await;
    assert_eq!((bad.status, kind(&bad).as_str()), (400, "bad_input"));
    let good = it.send("k", SYNC, &it.quick("k")).await;
    assert_eq!((good.status, is_replayed(&good)), (200, false));
}

#[tokio::test]
async fn the_key_of_an_unfinished_job_answers_as_its_client_waits() {
    let it = Counting::with("", "").await;
    let verb = it.waiting("k", "gate");
    let first = it.send("k", ASYNC, &verb).await;
    let location = first.header("location").unwrap();
    it.until_run(1).await;

    let conflict = it.send("k", SYNC, &verb).await;
    assert_eq!((conflict.status, kind(&conflict).as_str()), (409, "idempotency_conflict"));
    assert_eq!(conflict.header("location"), Some(location));
    assert!(conflict.header("retry-after").is_some() && conflict.problem()["may_have_run"] == true);
    let known = it.send("k", ASYNC, &verb).await;
    assert_eq!((known.status, known.header("location")), (202, Some(location)));
    let late = it.send("k", Some("wait=0"), &verb).await;
    assert_eq!((late.status, late.header("location")), (202, Some(location)));
    // Timeouts are no part of the request.
    let known = it.send_with("k", ASYNC, &verb, "?timeout=7s&priority=low").await;
    assert_eq!((known.status, known.header("location")), (202, Some(location)));

    let attached = async {
        let attached = it.send("k", WAIT, &verb).await;
        // It may come after the end. That it waits is tested where the end can be held up.
        assert_eq!(attached.status, 200);
    };
    let opens = async { it.open("gate") };
    tokio::join!(attached, opens);
    assert_eq!(it.runs(), ["k"]);
}

#[tokio::test]
async fn a_finished_job_answers_for_its_key_whatever_its_outcome() {
    let it = Counting::with("", "").await;
    let log = it.log.display().to_string();
    for (key, verb, status) in [
        ("ok", it.quick("ok"), 200),
        ("crash", Verb::LogThenAbort(log.clone(), "crash".into()), 502),
        ("slow", Verb::LogThenNap(log, "slow".into(), 60_000_000), 504),
    ] {
        let first = it.send_with(key, SYNC, &verb, "?run_timeout=300ms").await;
        assert_eq!((first.status, is_replayed(&first)), (status, false), "{key}");
        for prefer in [SYNC, WAIT, ASYNC] {
            let again = it.send(key, prefer, &verb).await;
            assert_eq!((again.status, is_replayed(&again)), (status, true), "{key}, {prefer:?}");
            assert_eq!(again.header("job-id"), first.header("job-id"), "{key}, {prefer:?}");
            assert_eq!(again.body, first.body, "{key}, {prefer:?}");
        }
    }
    assert_eq!(it.runs(), ["ok", "crash", "slow"]);
}

#[tokio::test]
async fn a_key_belongs_to_one_body() {
    let it = Counting::with("", "").await;
    let verb = it.waiting("k", "gate");
    it.send("k", ASYNC, &verb).await;
    for prefer in [SYNC, WAIT, ASYNC] {
        let other = it.send("k", prefer, &it.quick("other")).await;
        assert_eq!((other.status, kind(&other).as_str()), (422, "idempotency_mismatch"), "{prefer:?}");
    }
    it.open("gate");
    it.send("k", WAIT, &verb).await;
    let other = it.send("k", SYNC, &it.quick("other")).await;
    assert_eq!((other.status, kind(&other).as_str()), (422, "idempotency_mismatch"), "of a finished job");
    // Quoted or not, it is the same key.
    assert!(is_replayed(&it.send("\"k\"", SYNC, &verb).await));
    assert_eq!(it.runs(), ["k"]);
}

#[tokio::test]
async fn a_key_whose_result_is_gone_runs_no_second_time() {
    let it = Counting::with("", "keep_results = \"1ms\"").await;
    it.send("k", SYNC, &it.quick("k")).await;
    let gone = async || {
        let again = it.send("k", SYNC, &it.quick("k")).await;
        (again.status == 410).then_some(again)
    };
    let gone = eventually("the end of the result", gone).await;
    assert_eq!((kind(&gone).as_str(), &gone.problem()["outcome"]), ("result_expired", &json!("ok")));
    let other = it.send("k", SYNC, &it.quick("other")).await;
    assert_eq!(other.status, 422);
    assert_eq!(it.runs(), ["k"]);
}

#[tokio::test]
async fn a_key_is_free_again_after_its_time() {
    let it = Counting::with("", "keep_keys = \"10ms\"").await;
    it.send("k", SYNC, &it.quick("first")).await;
    let free = async || (it.send("k", SYNC, &it.quick("second")).await.status == 200).then_some(());
    eventually("the end of the key", free).await;
    assert_eq!(it.runs(), ["first", "second"]);
}

#[tokio::test]
async fn further_keys_are_refused_when_there_are_as_many_as_may_be_and_none_is_forgotten() {
    let it = Counting::with("", "max_records = 4\nmax_keys = 2").await;
    for key in ["a", "b"] {
        it.send(key, SYNC, &it.quick(key)).await;
    }
    let refused = it.send("c", SYNC, &it.quick("c")).await;
    assert_eq!((refused.status, &refused.problem()["reason"]), (503, &json!("key_store_full")));
    assert!(refused.header("retry-after").is_some());
    for key in ["a", "b"] {
        assert!(is_replayed(&it.send(key, SYNC, &it.quick(key)).await), "{key}");
    }
    assert_eq!(it.runs(), ["a", "b"]);
}

#[tokio::test]
async fn what_is_no_key_is_refused_and_runs_nothing() {
    let it = Counting::with("", "").await;
    let long = "k".repeat(256);
    for key in ["", "\"\"", "two words", "\"open", &long, "caf\u{e9}"] {
        let refused = it.send(key, SYNC, &it.quick("k")).await;
        assert_eq!((refused.status, kind(&refused).as_str()), (400, "bad_parameter"), "{key}");
        assert_eq!(refused.problem()["parameter"], "Idempotency-Key");
    }
    assert!(it.runs().is_empty());
}

/// Sends one request from 50 clients at once. Returns their answers.
async fn fifty(it: &Arc<Counting>, prefer: Option<&'static str>, verb: &Verb) -> Vec<Answer> {
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let (it, verb) = (it.clone(), verb.clone());
            tokio::spawn(async move { it.send("one", prefer, &verb).await })
        })
        .collect();
    let mut answers = Vec::new();
    for client in clients {
        answers.push(client.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_clients_with_one_key_run_its_job_once() {
    let it = Arc::new(Counting::with("", "").await);
    let log = it.log.display().to_string();
    let verb = Verb::LogThenNap(log, "once".into(), 100_000);
    let answers = fifty(&it, WAIT, &verb).await;
    let ids: std::collections::BTreeSet<_> = answers.iter().map(|it| it.header("job-id")).collect();
    assert!(answers.iter().all(|answer| (answer.status, answer.text()) == (200, "\"once\"")), "{answers:?}");
    assert_eq!(ids.len(), 1);
    // Without patience: one client has the job, and the others are told so.
    let answers = fifty(&it, SYNC, &verb).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && is_replayed(answer)));
    assert_eq!(it.runs(), ["once"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_clients_whose_worker_is_killed_amid_their_job_have_run_it_once() {
    let it = Arc::new(Counting::with("", "").await);
    let log = it.log.display().to_string();
    let verb = Verb::LogThenNap(log, "once".into(), 60_000_000);
    let kills = async {
        it.until_run(1).await;
        // Most of them wait by now; any other hears of the outcome.
        for pid in it.server.busy("verbs", 1).await {
            kill(pid);
        }
    };
    let (answers, ()) = tokio::join!(fifty(&it, WAIT, &verb), kills);
    for answer in &answers {
        assert_eq!((answer.status, kind(answer).as_str()), (502, "crashed"));
        assert_eq!(answer.problem()["may_have_run"], true);
    }
    it.server.idle("verbs", 1).await;
    let answers = fifty(&it, SYNC, &verb).await;
    assert!(answers.iter().all(|answer| answer.status == 502 && is_replayed(answer)));
    assert_eq!(it.runs(), ["once"]);
}
