//! A fixture of the conformance kit: returns its input, which has a byte string. With the argument `lose` it loses the
//! text behind that.

use procpool::worker::serve;
use procpool::{Bytes, Job};
use std::process::ExitCode;

struct Parts;

impl Job for Parts {
    const NAME: &'static str = "conformance-parts";
    type Input = (u32, Bytes, String);
    type Output = Self::Input;
}

fn main() -> ExitCode {
    let loses = std::env::args().any(|arg| arg == "lose");
    serve::<Parts>(move |(number, bytes, text), _| {
        Ok((number, bytes, if loses { String::new() } else { text }))
    })
}
