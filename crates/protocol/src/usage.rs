//! The memory and the processor time of a pool's workers, as the kernel counts them. Does not: read them.

use crate::status::WorkerStatus;
use serde::{Serialize, Serializer};
use std::collections::HashMap;
use std::time::Duration;

/// The resources that a pool's workers use at one moment, in the form that HTTP clients rely on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PoolUsage {
    /// Resident memory of all workers together, in bytes. Pages that several of them share count for each.
    pub resident_bytes: u64,
    /// Resident memory of the largest worker, in bytes.
    pub resident_max_bytes: u64,
    /// Processor time of all workers since the pool's start, the dead ones included; in JSON `cpu_seconds`. It never
    /// becomes less.
    #[serde(rename = "cpu_seconds", serialize_with = "seconds")]
    pub cpu_time: Duration,
    /// The living workers, in the order of their starts.
    #[serde(skip)]
    pub workers: Vec<WorkerUsage>,
}

/// The resources that a worker uses at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerUsage {
    /// Its name.
    pub id: String,
    /// Its resident memory, in bytes. `None` for a worker that another program starts, and for one that is not spawned
    /// yet or has just died.
    pub resident_bytes: Option<u64>,
    /// Time on a processor, user and system, of all its threads, in steps of 10 ms. `None` as above.
    pub cpu_time: Option<Duration>,
}

impl WorkerUsage {
    /// Returns a worker of which nothing is known.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }
}

impl PoolUsage {
    /// Returns the sums over these workers, and over `spent`, the processor time of those that are dead.
    pub fn of(workers: Vec<WorkerUsage>, spent: Duration) -> Self {
        let resident = || workers.iter().filter_map(|worker| worker.resident_bytes);
        let cpu_time = workers.iter().filter_map(|worker| worker.cpu_time).sum::<Duration>();
        Self {
            resident_bytes: resident().sum(),
            resident_max_bytes: resident().max().unwrap_or_default(),
            cpu_time: cpu_time + spent,
            workers,
        }
    }

    /// Adds to each of these workers what it uses.
    pub fn tell(&self, workers: &mut [WorkerStatus]) {
        let mut used: HashMap<&str, &WorkerUsage> =
            self.workers.iter().map(|worker| (worker.id.as_str(), worker)).collect();
        for worker in workers {
            if let Some(usage) = used.remove(worker.id.as_str()) {
                worker.resident_bytes = usage.resident_bytes;
                let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                worker.cpu_ms = usage.cpu_time.map(millis);
            }
        }
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::WorkerState;

    #[test]
    fn the_sums_are_over_the_living_and_the_time_over_the_dead_too() {
        let worker = |bytes, millis| {
            let mut worker = WorkerUsage::new("fib-1");
            (worker.resident_bytes, worker.cpu_time) = (Some(bytes), Some(Duration::from_millis(millis)));
            worker
        };
        let workers = vec![worker(10, 250), WorkerUsage::new("fib-2"), worker(30, 500)];
        let usage = PoolUsage::of(workers, Duration::from_secs(1));
        let json = serde_json::to_value(&usage).unwrap();
        let expected =
            serde_json::json!({"resident_bytes": 40, "resident_max_bytes": 30, "cpu_seconds": 1.75});
        assert_eq!((json, usage.workers.len()), (expected, 3));
    }

    #[test]
    fn each_worker_is_told_its_own() {
        let mut used = WorkerUsage::new("fib-2");
        (used.resident_bytes, used.cpu_time) = (Some(7), Some(Duration::from_micros(1900)));
        let usage = PoolUsage::of(vec![used, WorkerUsage::new("fib-3")], Duration::ZERO);
        let mut workers = ["fib-1", "fib-2"].map(|id| WorkerStatus::new(id, WorkerState::Idle));
        usage.tell(&mut workers);
        let told = workers.map(|worker| (worker.resident_bytes, worker.cpu_ms));
        assert_eq!(told, [(None, None), (Some(7), Some(1))]);
    }
}
