//! A fixture of the conformance kit: returns the input of the job before, which it has kept.

use procpool::worker::serve;
use procpool::{Bytes, Job};
use std::process::ExitCode;

struct Keep;

impl Job for Keep {
    const NAME: &'static str = "conformance-keep";
    type Input = Bytes;
    type Output = Bytes;
}

fn main() -> ExitCode {
    let mut kept = Bytes::default();
    serve::<Keep>(move |input, _| Ok(std::mem::replace(&mut kept, input)))
}
