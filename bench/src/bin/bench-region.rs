//! A worker that adds to a word of a shared region.

use procpool::worker::serve;
use procpool_bench::rows::Touch;
use std::sync::atomic::Ordering::Relaxed;

fn main() -> std::process::ExitCode {
    serve::<Touch>(|(region, at), _| {
        region[usize::try_from(at)? % region.len()].fetch_add(1, Relaxed);
        Ok(())
    })
}
