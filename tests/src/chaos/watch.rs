//! Two watchers: one asks `/livez` all the time, one takes the server's memory.

use super::client::Client;
use super::distribution::Distribution;
use super::ledger::Oddities;
use super::run::Run;
use super::subject;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Between two questions.
const PROBE_EVERY: Duration = Duration::from_millis(25);

/// For one answer.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

/// Samples of memory, however long the run is.
const SAMPLES: u32 = 3000;

/// How `/livez` answered.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    pub(crate) failed: Oddities,
    /// Of the answers, those included that waited for a stopped server.
    pub(crate) times: Distribution,
}

/// Asks until told to end.
pub(crate) async fn probe(run: Arc<Run>) -> Probes {
    let mut client = Client::new(run.server);
    let mut probes = Probes::default();
    let end = run.end.subscribe();
    while !*end.borrow() {
        let asked = run.clock.now();
        let answer = timeout(PROBE_PATIENCE, client.get("/livez")).await;
        let took = run.clock.now() - asked;
        match answer {
            Ok(Ok(answer)) if answer.status == 200 => probes.times.record(took),
            Ok(Ok(answer)) => probes.failed.note(|| format!("status {}", answer.status)),
            Ok(Err(error)) => probes.failed.note(|| error.to_string()),
            Err(_) => probes.failed.note(|| format!("no answer within {took:.1?}")),
        }
        // sleep: between two questions.
        sleep(PROBE_EVERY).await;
    }
    probes
}

/// Takes the server's resident memory, in bytes, until told to end.
pub(crate) async fn memory(run: Arc<Run>, server: u32) -> Vec<u64> {
    let pause = (run.options.duration / SAMPLES).max(Duration::from_millis(100));
    let mut samples = Vec::new();
    let end = run.end.subscribe();
    while !*end.borrow() {
        samples.extend(subject::resident_memory(server));
        // sleep: between two samples.
        sleep(pause).await;
    }
    samples
}
