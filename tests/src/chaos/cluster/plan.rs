//! The pools of the cluster, and the jobs that are sent to them.

use super::super::effects::{Effects, Tag};
use super::super::random::Random;
use super::super::store::plan::{Kind, Order, Pool};
use crate::verbs::Verb;
use std::time::Duration;

/// Workers of each pool on each node.
pub(super) const WORKERS: usize = 2;

/// Maximum number of nodes that may claim a job of `again`, one after the other.
pub(super) const CLAIMS: u8 = 3;

/// Time after which the job of a silent node goes to another.
pub(super) const LEASE: Duration = Duration::from_secs(5);

/// Maximum number of jobs of a run. Each record takes half a kilobyte of nats-server's memory.
pub(super) const MOST_JOBS: u64 = 120_000;

const ONCE: Pool = Pool { name: "once", attempts: 1, keys: "" };

/// Each node that claims a job hands it to as many workers, one after the other.
const AGAIN: Pool =
    Pool { name: "again", attempts: CLAIMS * CLAIMS, keys: "idempotent = true\nmax_attempts = 3\n" };

pub(super) const POOLS: &[Pool] = &[ONCE, AGAIN];

const KINDS: &[(u32, Kind)] = &[(30, Kind::Echo), (3, Kind::Large), (60, Kind::Log), (4, Kind::LogAndAbort)];

/// Larger than what fits into a packet or two.
const LARGE: usize = 100_000;

/// Of a hundred jobs that take their time, how many take longer than a lease may be.
const LONG: u64 = 4;

/// The way in which a client sends a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It takes the job's id, and asks later. If it cancels the job, then after this time.
    Asynchronous(Duration),
    /// It waits for the outcome.
    Synchronous,
    /// It waits for this time, and hangs up.
    HangsUp(Duration),
}

/// Returns the next job, or `None` if it would be one with a side effect too many.
pub(super) fn draw(random: &mut Random, file: &str, effects: &mut Effects) -> Option<(Order, Way)> {
    let pool = &POOLS[usize::from(random.below(2) == 0)];
    let kind = *random.weighted(KINDS);
    let text = format!("{:016x}", random.next());
    let moment = random.millis(0, 200);
    let way = match random.below(10) {
        0..3 => Way::Synchronous,
        3 => Way::HangsUp(moment),
        _ => Way::Asynchronous(moment),
    };
    let is_cancelled = matches!(way, Way::Asynchronous(_)) && random.below(12) == 0;
    let micros = match random.below(100) {
        0..LONG => random.below(8_000_000),
        // Otherwise most would have ended before that.
        _ if is_cancelled || matches!(way, Way::HangsUp(_)) => random.below(400_000),
        _ => random.below(30_000),
    };
    let has_effect = matches!(kind, Kind::Log | Kind::LogAndAbort);
    let tag = if has_effect { Some(effects.tag(pool.attempts)?) } else { None };
    let line = tag.map(Tag::line).unwrap_or_default();
    let (verb, output) = match kind {
        Kind::Echo => (Verb::Echo(text.clone()), Some(text)),
        Kind::Large => {
            let text = text.repeat(LARGE / text.len());
            (Verb::Echo(text.clone()), Some(text))
        }
        Kind::Log => (Verb::LogThenNap(file.into(), line, micros), None),
        Kind::LogAndAbort => (Verb::LogThenAbort(file.into(), line), None),
    };
    let body = serde_json::to_string(&verb).unwrap_or_default();
    let output = output.map(|text| format!("\"{text}\""));
    Some((Order { pool, kind, tag, body, output, delay: None, key: None, is_cancelled }, way))
}

/// Returns the configuration of all processes. The servers are as many as there are copies.
pub(super) fn config(servers: &str, copies: usize) -> String {
    let lease = LEASE.as_secs();
    let accepted = if copies < 3 { "accept_loss_on_power_failure = true\n" } else { "" };
    let cluster = format!(
        "[cluster]\nnats = \"{servers}\"\nreplicas = {copies}\n{accepted}lease = \"{lease}s\"\nretain = \"100h\"\n"
    );
    POOLS.iter().fold(cluster, |config, Pool { name, keys, .. }| {
        format!(
            "{config}[pools.{name}]\ncommand = [\"verbs\"]\nmin_workers = {WORKERS}\nmax_workers = {WORKERS}\n\
             durable = true\ntimeout = \"600s\"\nstart_timeout = \"10s\"\n{keys}"
        )
    })
}
