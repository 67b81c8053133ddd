//! The executable around [`procpool_fib::fib`].

use procpool_fib::{Fib, fib};

fn main() -> std::process::ExitCode {
    procpool_worker::serve::<Fib>(|n, _cx| fib(n))
}
