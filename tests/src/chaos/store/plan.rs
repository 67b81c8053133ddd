//! The durable pools that are served, and the jobs that are sent to them.

use super::super::effects::{Effects, Tag};
use super::super::outcome::Outcome;
use super::super::random::Random;
use crate::verbs::Verb;
use std::path::Path;
use std::time::Duration;

/// A pool.
#[derive(Debug)]
pub(in crate::chaos) struct Pool {
    pub(in crate::chaos) name: &'static str,
    /// Maximum number of times that a job may begin, through all servers.
    pub(in crate::chaos) attempts: u8,
    /// Further keys of its table.
    pub(in crate::chaos) keys: &'static str,
}

/// Workers of each pool.
pub(in crate::chaos) const WORKERS: usize = 3;

const ONCE: Pool = Pool { name: "once", attempts: 1, keys: "" };

const AGAIN: Pool = Pool {
    name: "again",
    attempts: 4,
    keys: "idempotent = true\nretry = { max_attempts = 4, first = \"20ms\", max = \"200ms\" }\n",
};

pub(in crate::chaos) const POOLS: &[Pool] = &[ONCE, AGAIN];

/// Maximum number of jobs of a run. The server remembers each until the end, and it remembers 150,000.
pub(in crate::chaos) const MOST_JOBS: u64 = 120_000;

/// Larger than a payload that lies in the database: it is a file.
const LARGE: usize = 100_000;

/// The longest that a job waits for its time, in milliseconds: through a restart or two.
const LATEST: u64 = 3000;

/// The action of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chaos) enum Kind {
    Echo,
    /// Much is echoed.
    Large,
    /// Leaves a line in the file of side effects, and takes some milliseconds after that.
    Log,
    /// Leaves its line, and kills its worker.
    LogAndAbort,
}

const KINDS: &[(u32, Kind)] = &[(30, Kind::Echo), (2, Kind::Large), (60, Kind::Log), (5, Kind::LogAndAbort)];

/// A job as its client sends it.
#[derive(Debug)]
pub(in crate::chaos) struct Order {
    pub(in crate::chaos) pool: &'static Pool,
    pub(in crate::chaos) kind: Kind,
    /// Of its line in the file of side effects.
    pub(in crate::chaos) tag: Option<Tag>,
    pub(in crate::chaos) body: String,
    /// The answer of a job that ends well.
    pub(in crate::chaos) output: Option<String>,
    pub(in crate::chaos) delay: Option<Duration>,
    pub(in crate::chaos) key: Option<String>,
    /// Whether it is cancelled once it is accepted. Never one with a key, which would be free again.
    pub(in crate::chaos) is_cancelled: bool,
}

impl Order {
    /// Returns the next job, or `None` if it would be one with a side effect too many.
    pub(in crate::chaos) fn draw(random: &mut Random, file: &str, effects: &mut Effects) -> Option<Self> {
        let pool = if random.below(2) == 0 { &ONCE } else { &AGAIN };
        let kind = *random.weighted(KINDS);
        let text = format!("{:016x}", random.next());
        let micros = random.below(30_000);
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
        let delay = (random.below(4) == 0).then(|| Duration::from_millis(1 + random.below(LATEST)));
        let key = (random.below(3) == 0).then(|| format!("{:016x}", random.next()));
        let is_cancelled = key.is_none() && random.below(20) == 0;
        let body = serde_json::to_string(&verb).unwrap_or_default();
        let output = output.map(|text| format!("\"{text}\""));
        Some(Self { pool, kind, tag, body, output, delay, key, is_cancelled })
    }

    pub(in crate::chaos) fn path(&self) -> String {
        let delay = self.delay.map(|delay| format!("?delay={}ms", delay.as_millis())).unwrap_or_default();
        format!("/v1/pools/{}/jobs{delay}", self.pool.name)
    }

    /// Returns whether it may end so. Its worker may be killed at any time.
    pub(in crate::chaos) fn may_be(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Ok => self.kind != Kind::LogAndAbort,
            Outcome::Crashed => true,
            Outcome::Cancelled => self.is_cancelled,
            // As many deaths as attempts are also enough for that.
            Outcome::Poisoned => self.kind == Kind::LogAndAbort && self.pool.attempts > 1,
            _ => false,
        }
    }
}

/// Returns the server's configuration.
pub(in crate::chaos) fn config(state: &Path) -> String {
    let jobs = format!("[jobs]\nstate_dir = {state:?}\nmax_result_bytes = \"1 GiB\"\n");
    POOLS.iter().fold(jobs, |config, Pool { name, keys, .. }| {
        format!(
            "{config}[pools.{name}]\ncommand = [\"verbs\"]\nmin_workers = {WORKERS}\nmax_workers = {WORKERS}\n\
             durable = true\ntimeout = \"600s\"\nstart_timeout = \"5s\"\n{keys}"
        )
    })
}
