//! Which deaths of workers viewers hear of: the place where each was, and what is reported of it. Pure.

use super::changes::{Change, What};
use super::storm::Told;
use procpool_protocol::crash::signal_name;
use procpool_protocol::engine::Death;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Arc;

/// Time after which a worker that is gone is told without a report, in milliseconds.
const PATIENCE: u64 = 1_000;

/// Maximum number of workers whose places are kept.
const MOST: usize = 1_024;

/// Workers that are gone and were not told yet, or were just now. A report may come a little after its worker is gone, or
/// never, from an engine that makes none.
#[derive(Debug, Default)]
pub(super) struct Gone(VecDeque<One>);

#[derive(Debug)]
struct One {
    pool: String,
    worker: String,
    place: usize,
    since: u64,
    is_told: bool,
}

impl Gone {
    /// Returns the deaths that viewers hear of now. `reports` are those since the last call, the newest first.
    pub(super) fn told(&mut self, at: u64, changes: &[Change], reports: &[Arc<Death>]) -> Vec<Told> {
        for Change { pool, what } in changes {
            let What::Death { place, number } = what else { continue };
            if self.0.len() == MOST {
                self.0.pop_front();
            }
            let worker = format!("{pool}-{number}");
            self.0.push_back(One { pool: pool.clone(), worker, place: *place, since: at, is_told: false });
        }
        let mut told: Vec<_> = reports.iter().rev().map(|death| self.reported(at, death)).collect();
        for one in self.0.iter_mut().filter(|one| !one.is_told && at.saturating_sub(one.since) >= PATIENCE) {
            one.is_told = true;
            told.push(one.unreported(at));
        }
        // A report may still come of one that is told.
        self.0.retain(|one| at.saturating_sub(one.since) < 10 * PATIENCE);
        told
    }

    fn reported(&mut self, at: u64, death: &Death) -> Told {
        let report = &death.report;
        let known = self.0.iter_mut().find(|one| one.worker == report.worker);
        let place = known.map(|one| {
            one.is_told = true;
            one.place
        });
        let signal = report.exit.signal();
        let data = json!({
            "t": at, "pool": death.pool, "slot": place, "worker": report.worker, "id": death.id, "cause": death.cause,
            "group": death.group, "signal": signal, "signal_name": signal.and_then(signal_name),
            "exit_code": report.exit.code(), "job": death.job,
        });
        Told { pool: death.pool.clone(), place, data }
    }
}

impl One {
    fn unreported(&self, at: u64) -> Told {
        let Self { pool, worker, place, .. } = self;
        let data = json!({"t": at, "pool": pool, "slot": place, "worker": worker});
        Told { pool: pool.clone(), place: Some(*place), data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::{Exit, ExitReport};
    use serde_json::Value;
    use std::time::UNIX_EPOCH;

    fn gone(number: u64, place: usize) -> Change {
        Change { pool: "fib".into(), what: What::Death { place, number } }
    }

    fn report(worker: &str) -> Arc<Death> {
        let report = ExitReport::new(worker, 7, Exit::by_signal(11, false));
        Arc::new(Death::new(3, UNIX_EPOCH, "fib", "crashed", report))
    }

    fn data(told: &[Told]) -> Vec<Value> {
        told.iter().map(|it| it.data.clone()).collect()
    }

    #[test]
    fn a_report_is_told_once_with_the_place_of_its_worker() {
        let mut all = Gone::default();
        assert!(data(&all.told(0, &[gone(5, 2)], &[])).is_empty(), "its report may come");
        let told = data(&all.told(250, &[], &[report("fib-5")]));
        assert_eq!((&told[0]["slot"], &told[0]["cause"]), (&json!(2), &json!("crashed")));
        assert_eq!((&told[0]["signal_name"], &told[0]["id"]), (&json!("SIGSEGV"), &json!(3)));
        assert!(data(&all.told(5_000, &[], &[])).is_empty());
        let unknown = data(&all.told(5_250, &[], &[report("fib-6")]));
        assert_eq!(unknown[0]["slot"], Value::Null, "it lived between two samples");
    }

    #[test]
    fn a_death_without_a_report_is_told_after_a_while() {
        let mut all = Gone::default();
        all.told(0, &[gone(5, 2)], &[]);
        let told = data(&all.told(PATIENCE, &[], &[]));
        assert_eq!(told, [json!({"t": PATIENCE, "pool": "fib", "slot": 2, "worker": "fib-5"})]);
        assert!(data(&all.told(2 * PATIENCE, &[], &[])).is_empty());
    }

    #[test]
    fn the_places_of_the_dead_are_bounded() {
        let mut all = Gone::default();
        let changes: Vec<_> = (0..2 * MOST as u64).map(|number| gone(number, 0)).collect();
        all.told(0, &changes, &[]);
        assert_eq!(all.0.len(), MOST);
        all.told(20 * PATIENCE, &[], &[]);
        assert!(all.0.is_empty());
    }
}
