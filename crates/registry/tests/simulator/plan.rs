//! A run's settings and its people, drawn from the seed.

use std::sync::Arc;
use std::time::Duration;

use procpool_registry::Settings;

use crate::random::Random;

/// Number of bytes of a record without key and principal, as the registry counts them.
pub(crate) const RECORD: u64 = 1088;

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) steps: u64,
    /// Maximum time between two steps.
    pub(crate) pace: Duration,
    pub(crate) pools: Vec<Arc<str>>,
    pub(crate) principals: Vec<Option<Arc<str>>>,
    /// Number of keys that clients use, and of the bodies that they send.
    pub(crate) keys: u64,
    pub(crate) bodies: u64,
    /// Share of the offers that have a key, in percent.
    pub(crate) keyed: u64,
    /// Maximum size of outputs, inputs and chunks, in bytes.
    pub(crate) output: u64,
}

impl Plan {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let pools = ["fib", "ping", "compute"].map(Arc::from);
        let principals = [None, Some(Arc::from("ci")), Some(Arc::from("ops"))];
        let (pools_used, principals_used) = (random.count(1, 3), random.count(1, 3));
        Self {
            settings: settings(random),
            steps: random.between(40, 160),
            pace: random.millis(10, 5_000),
            pools: pools[..pools_used].to_vec(),
            principals: principals[..principals_used].to_vec(),
            keys: random.between(1, 6),
            bodies: random.between(1, 3),
            keyed: random.between(0, 90),
            output: random.between(1, 4_000),
        }
    }
}

fn settings(random: &mut Random) -> Settings {
    let mut it = Settings::default();
    it.max_records = random.count(2, 24);
    it.max_keys = random.count(0, it.max_records as u64);
    // Sometimes the bytes end before the number does. The largest record always fits.
    let bytes = if random.percent(50) { random.between(RECORD, 2 * RECORD) } else { 4 * RECORD };
    it.max_record_bytes = (it.max_records as u64 * bytes).max(4 * RECORD);
    if it.max_keys > 0 && it.max_keyed_bytes() < 2 * RECORD {
        it.max_record_bytes = 2 * RECORD * (it.max_records as u64).div_ceil(it.max_keys as u64) + RECORD;
    }
    it.max_result_bytes = pick(random, &[0, 2_000, 8_000, 30_000, 1 << 30]);
    it.max_input_bytes = pick(random, &[0, 2_000, 8_000, 1 << 30]);
    it.max_events_per_job = pick(random, &[1, 2, 5, 20, 100]);
    it.max_event_bytes_per_job = pick(random, &[300, 1_000, 5_000, 1 << 20]);
    it.max_event_bytes = it.max_event_bytes_per_job + pick(random, &[0, 1_000, 10_000, 1 << 30]);
    it.retention.results = random.millis(500, 60_000);
    it.retention.records = random.millis(500, 200_000);
    it.retention.keys = random.millis(500, 200_000);
    it
}

fn pick<T: Clone>(random: &mut Random, from: &[T]) -> T {
    random.pick(from).expect("something to pick from")
}
