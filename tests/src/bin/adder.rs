//! A worker that adds to a number in memory which it shares with others.

use procpool::worker::serve;
use procpool_tests::large::Adder;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;

fn main() -> ExitCode {
    serve::<Adder>(|add, _| {
        for _ in 0..add.times {
            add.region[0].fetch_add(1, Relaxed);
        }
        if add.then_dies {
            std::process::abort();
        }
        Ok(())
    })
}
