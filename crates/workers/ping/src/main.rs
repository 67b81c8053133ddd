//! The executable around [`procpool_ping::ping`].

use procpool_ping::{Ping, ping};

fn main() -> std::process::ExitCode {
    procpool_worker::serve::<Ping>(|text, _cx| ping(&text))
}
