//! A worker that adds to a number in memory which it shares with others.

use procpool::worker::{Startup, WorkerDataError, serve_with};
use procpool::{Failure, SharedRegion};
use procpool_tests::large::Adder;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

fn main() -> ExitCode {
    serve_with::<Adder, Option<SharedRegion<AtomicU32>>>(every_worker_s, |everybodys, add, _| {
        if let Some(everybodys) = everybodys {
            everybodys[0].fetch_add(1, Relaxed);
        }
        for _ in 0..add.times {
            add.region[0].fetch_add(1, Relaxed);
        }
        if add.then_dies {
            std::process::abort();
        }
        Ok(add.region)
    })
}

/// Returns the region in the worker data, where there is any: each job adds one to that, too.
fn every_worker_s(startup: &Startup) -> Result<Option<SharedRegion<AtomicU32>>, Failure> {
    match startup.worker_data() {
        Err(WorkerDataError::Absent) => Ok(None),
        found => Ok(Some(found?)),
    }
}
