//! A worker that adds to a word of a shared region.

use procpool::worker::serve;
use procpool_bench::rows::Touch;
use std::sync::atomic::Ordering::Relaxed;

fn main() -> std::process::ExitCode {
    serve::<Touch>(|(region, at), _| {
        let words = region.words();
        words[usize::try_from(at)? % words.len()].fetch_add(1, Relaxed);
        Ok(())
    })
}
