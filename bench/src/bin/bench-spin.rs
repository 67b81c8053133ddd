//! A worker whose job never ends.

use procpool::worker::serve;
use procpool_bench::rows::Spin;
use std::hint::black_box;

fn main() -> std::process::ExitCode {
    serve::<Spin>(|(), _| spin_forever(0))
}

#[inline(never)]
fn spin_forever(mut turns: u64) -> ! {
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}
