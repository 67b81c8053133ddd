//! A worker of the job `verbs` with the next version of its contract. It says so in each answer, and does nothing else.

use procpool::Job;
use procpool::worker::serve;
use procpool_tests::verbs::Verb;
use std::process::ExitCode;

struct Upgraded;

impl Job for Upgraded {
    const NAME: &'static str = "verbs";
    const VERSION: u32 = 2;
    type Input = Verb;
    type Output = String;
}

fn main() -> ExitCode {
    serve::<Upgraded>(|verb, _| Ok(format!("version 2: {verb:?}")))
}
