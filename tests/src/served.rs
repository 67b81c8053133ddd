//! The misbehaving worker behind HTTP: its pool's configuration, its jobs, and what the server tells of it.

use crate::binaries::binary;
use crate::eventually;
use crate::http::{self, Answer};
use crate::server::Server;
use crate::verbs::Verb;
use serde_json::Value;
use std::path::Path;
use tokio::net::TcpStream;

const JOBS: &str = "/v1/pools/verbs/jobs";
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Returns a configuration of one pool, `verbs`, with this number of workers and these further keys.
pub fn verbs(workers: usize, keys: &str) -> String {
    pool("verbs", &binary("verbs"), workers, keys)
}

/// Returns a configuration of one pool.
pub fn pool(name: &str, command: &Path, workers: usize, keys: &str) -> String {
    format!(
        "[pools.{name}]\ncommand = [{command:?}]\nmin_workers = {workers}\nmax_workers = {workers}\n{keys}\n"
    )
}

/// The same of workers that break the protocol in this way, the first of which need not come up.
pub fn misbehaving(how: &[&str], keys: &str) -> String {
    let command: Vec<_> = [binary("misbehave").display().to_string()]
        .into_iter()
        .chain(how.iter().map(|&arg| arg.into()))
        .collect();
    format!("[pools.verbs]\ncommand = {command:?}\nmin_workers = 0\nmax_workers = 1\n{keys}\n")
}

impl Server {
    /// Returns a server of [`verbs`], every worker of which is ready.
    pub async fn of_verbs(workers: usize, keys: &str) -> Self {
        let server = Self::with_config(&verbs(workers, keys)).await;
        server.idle("verbs", workers).await;
        server
    }

    /// Performs a verb.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn perform(&self, verb: &Verb) -> Answer {
        http::finish(self.begin(verb).await).await.unwrap_or_else(|error| panic!("{verb:?}: {error}"))
    }

    /// Performs a verb in another pool than `verbs`.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn perform_in(&self, pool: &str, verb: &Verb) -> Answer {
        let body = serde_json::to_vec(verb).expect("a verb is JSON");
        http::request(self.address(), "POST", &format!("/v1/pools/{pool}/jobs"), &[JSON], &body).await
    }

    /// Starts a verb and leaves the answer to be read. Dropping it hangs up.
    pub async fn begin(&self, verb: &Verb) -> TcpStream {
        self.begin_with(verb, "").await
    }

    /// Has a job spin, and waits until its function has begun: a worker that is listed as busy may not even have
    /// read its job, and then a kill costs the job nothing and a cancel the worker nothing.
    pub async fn begin_spinning(&self, query: &str) -> (TcpStream, Vec<u32>) {
        let file = self.scratch.path().join("begun.txt");
        let job = self.begin_with(&Verb::SpinOnceBegun(file.display().to_string()), query).await;
        eventually("the job to begin", async || file.exists().then_some(())).await;
        (job, self.busy("verbs", 1).await)
    }

    /// The same with a query, such as `?timeout=1s`.
    ///
    /// # Panics
    /// When the server takes no connection.
    pub async fn begin_with(&self, verb: &Verb, query: &str) -> TcpStream {
        let body = serde_json::to_vec(verb).expect("a verb is JSON");
        http::open(self.address(), "POST", &format!("{JOBS}{query}"), &[JSON], &body).await
    }

    /// Returns the server's status of a pool.
    ///
    /// # Panics
    /// When there is no such pool.
    pub async fn pool(&self, pool: &str) -> Value {
        let answer = http::get(self.address(), &format!("/v1/pools/{pool}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Waits until this number of workers are idle and none is anything else.
    pub async fn idle(&self, pool: &str, count: usize) {
        let at_rest = async || {
            let pool = self.pool(pool).await;
            let total: u64 = pool["workers"].as_object()?.values().filter_map(Value::as_u64).sum();
            (pool["workers"]["idle"] == count && total == count as u64).then_some(())
        };
        eventually(&format!("{count} idle workers and no others"), at_rest).await;
    }

    /// Waits until this number of workers are busy, and returns their process ids.
    pub async fn busy(&self, pool: &str, count: usize) -> Vec<u32> {
        let at_work = async || {
            let answer = http::get(self.address(), &format!("/v1/pools/{pool}/workers")).await.json();
            let busy = answer["workers"].as_array()?.iter().filter(|worker| worker["state"] == "busy");
            let pids: Vec<_> =
                busy.filter_map(|worker| u32::try_from(worker["pid"].as_u64()?).ok()).collect();
            (pids.len() == count).then_some(pids)
        };
        eventually(&format!("{count} busy workers"), at_work).await
    }
}

/// Waits until all of these processes have ended.
pub async fn gone(pids: &[u32]) {
    let none_left = async || (!pids.iter().any(|&pid| crate::process::is_alive(pid))).then_some(());
    eventually("the end of all processes", none_left).await;
}
