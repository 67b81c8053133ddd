//! The executable around [`procpool_compute::compute`].

use procpool_compute::{Compute, compute};

fn main() -> std::process::ExitCode {
    procpool_worker::serve::<Compute>(|n, _cx| Ok(compute(n)))
}
