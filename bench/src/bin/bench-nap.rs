//! A worker whose job takes a number of microseconds and no processor.

use procpool::worker::serve;
use procpool_bench::rows::Nap;
use std::time::Duration;

fn main() -> std::process::ExitCode {
    serve::<Nap>(|micros, _| {
        std::thread::sleep(Duration::from_micros(micros));
        Ok(())
    })
}
