//! A worker whose job takes about a microsecond.

use procpool::worker::serve;
use procpool_bench::rows::{Mix, mix};

fn main() -> std::process::ExitCode {
    serve::<Mix>(|number, _| Ok(mix(number)))
}
