//! Clients that share keys, hang up, and watch through connections that are cut, while workers are killed all the
//! time: no key runs twice, no key has two outcomes, and no event is lost.

use procpool_tests::chaos::random::Random;
use procpool_tests::http::{Answer, get, open, try_open};
use procpool_tests::process::try_signal;
use procpool_tests::served::verbs;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

const CLIENTS: u64 = 8;
/// Number of requests of each client.
const REQUESTS: u64 = 60;

/// The state that all clients share.
struct Storm {
    server: Server,
    /// The file in which each job writes its key.
    log: String,
    /// The number of keys so far.
    keys: Mutex<u64>,
    /// The jobs and statuses of each key whose job may have run.
    outcomes: Mutex<BTreeMap<String, BTreeSet<(String, u16)>>>,
}

impl Storm {
    /// Returns a key and its job: often one that others have used lately.
    fn draw(&self, random: &mut Random) -> (String, Verb) {
        let mut keys = self.keys.lock().unwrap();
        let number = if *keys > 0 && random.below(10) < 6 {
            *keys - random.below((*keys).min(4))
        } else {
            *keys += 1;
            *keys
        };
        let key = format!("k{number}");
        // The key alone decides about the job.
        let verb = match number % 5 {
            0 => Verb::LogThenAbort(self.log.clone(), key.clone()),
            1 => Verb::LogThenNap(self.log.clone(), key.clone(), 20_000),
            _ => Verb::Log(self.log.clone(), key.clone()),
        };
        (key, verb)
    }

    async fn request(&self, random: &mut Random) {
        let (key, verb) = self.draw(random);
        let mut headers = vec![("Content-Type", "application/json"), ("Idempotency-Key", key.as_str())];
        headers.extend(
            [None, Some(("Prefer", "wait=30")), Some(("Prefer", "respond-async"))]
                [usize::try_from(random.below(3)).unwrap()],
        );
        let body = serde_json::to_vec(&verb).unwrap();
        let stream = open(self.server.address(), "POST", "/v1/pools/verbs/jobs", &headers, &body).await;
        if random.below(6) == 0 {
            // sleep: some requests are given up before they are read, and some while their jobs run.
            tokio::time::sleep(Duration::from_millis(random.below(10))).await;
            return stream.set_zero_linger().unwrap();
        }
        let answer = procpool_tests::http::finish(stream).await.expect("an answer");
        match answer.status {
            200 => self.note(&key, &answer),
            502 | 503 if answer.problem()["may_have_run"] == true => self.note(&key, &answer),
            202 if random.below(2) == 0 => self.watch(answer.header("location").unwrap(), random).await,
            202 | 409 | 502 | 503 => {}
            other => panic!("{key}: {other} {}", answer.text()),
        }
    }

    fn note(&self, key: &str, answer: &Answer) {
        let job = answer.header("job-id").expect("a job").to_owned();
        self.outcomes.lock().unwrap().entry(key.to_owned()).or_default().insert((job, answer.status));
    }

    /// Watches a job to its end, by connections that are cut after some bytes.
    async fn watch(&self, path: &str, random: &mut Random) {
        let (mut last, mut names) = (0, Vec::new());
        while let Some(events) = self.glance(path, last, random.below(900)).await {
            for (id, name) in events {
                assert_eq!(id, last + 1, "{path}: {names:?}");
                last = id;
                names.push(name);
            }
        }
        assert_eq!(names.last().map(String::as_str), Some("outcome"), "{path}: {names:?}");
    }

    /// Returns the events that came before the cut, or `None` after the last one.
    async fn glance(&self, path: &str, last: u64, bytes: u64) -> Option<Vec<(u64, String)>> {
        let last = last.to_string();
        let path = format!("{path}/events");
        let stream =
            try_open(self.server.address(), "GET", &path, &[("Last-Event-ID", &last)], b"").await.ok()?;
        let mut text = Vec::new();
        let mut stream = stream.take(300 + bytes);
        stream.read_to_end(&mut text).await.expect("a stream of events");
        stream.into_inner().set_zero_linger().unwrap();
        let text = String::from_utf8(text).unwrap();
        if text.starts_with("HTTP/1.1 204") {
            return None;
        }
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        // Between the events are the lengths of chunks, which are no fields.
        let (whole, _) = text.rsplit_once("\n\n").unwrap_or_default();
        let event = |event: &str| {
            let field = |name| event.lines().find_map(|line: &str| line.strip_prefix(name));
            Some((field("id: ")?.parse().ok()?, field("event: ")?.to_owned()))
        };
        Some(whole.split("\n\n").filter_map(event).collect())
    }

    /// Kills one worker after the other until the clients are done.
    async fn kill(&self, end: watch::Receiver<bool>) -> u64 {
        let (mut random, mut kills) = (Random::new(1, CLIENTS), 0);
        while !*end.borrow() {
            let workers = get(self.server.address(), "/v1/pools/verbs/workers").await.json();
            let pids: Vec<_> =
                workers["workers"].as_array().unwrap().iter().filter_map(|it| it["pid"].as_u64()).collect();
            if let Some(&pid) = pids.get(usize::try_from(random.below(4)).unwrap()) {
                kills += u64::from(try_signal(u32::try_from(pid).unwrap(), Signal::KILL).is_ok());
            }
            // sleep: the pace of the storm.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        kills
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_key_runs_twice_and_no_event_is_lost_while_workers_are_killed() {
    let server = Server::with_config(&verbs(4, "breaker_failures = 0\npoison_deaths = 0")).await;
    server.idle("verbs", 4).await;
    let log = server.scratch.path().join("runs.txt");
    let (keys, outcomes) = (Mutex::default(), Mutex::default());
    let storm = Arc::new(Storm { server, log: log.display().to_string(), keys, outcomes });
    let (end, ends) = watch::channel(false);
    let killer = tokio::spawn({
        let storm = storm.clone();
        async move { storm.kill(ends).await }
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let storm = storm.clone();
            tokio::spawn(async move {
                let mut random = Random::new(1, number);
                for _ in 0..REQUESTS {
                    storm.request(&mut random).await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    end.send_replace(true);
    assert!(killer.await.unwrap() > 0, "it was no storm");

    let runs = std::fs::read_to_string(&log).unwrap();
    let mut seen = BTreeSet::new();
    assert!(runs.lines().all(|key| seen.insert(key)), "a key ran twice: {runs}");
    let outcomes = storm.outcomes.lock().unwrap().clone();
    let torn: Vec<_> = outcomes.iter().filter(|(_, outcomes)| outcomes.len() > 1).collect();
    assert!(torn.is_empty(), "keys with two outcomes: {torn:?}");
    assert!(outcomes.len() > 50, "{} keys have an outcome", outcomes.len());
    let left = get(storm.server.address(), "/v1/jobs?state=running").await.json();
    assert!(left["jobs"].as_array().is_some_and(|jobs| jobs.len() <= 4), "{left}");
}
