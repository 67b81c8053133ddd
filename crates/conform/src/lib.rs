//! The conformance kit of procpool's wire: a hostile coordinator that checks a worker against `WIRE.md`.
//!
//! The kit spawns the worker as a pool does, and plays the coordinator by itself: with broken frames, cancels
//! at the wrong time, and connections that end. Each [`Check`] names the sections of `WIRE.md` that it is
//! from, and runs fresh processes. Every wait has a bound. `procpool conform ./worker` is this crate on the
//! command line.
//!
//! Some checks run with any worker, others need an input that the worker answers with `Ok`. The rest needs
//! the fixture, a worker whose job is called `conformance` and whose input is a command. The README
//! describes it.
//!
//! ```no_run
//! use procpool_conform::{Subject, Verdict, run};
//!
//! let subject = Subject::new(["./ping"]).with_input(r#""ping""#);
//! let failed = run(&subject, None).filter(|finding| matches!(finding.verdict, Verdict::NotOk(_)));
//! assert_eq!(failed.count(), 0);
//! ```

#![deny(unsafe_code)]

mod check;
mod frame;
mod groups;
mod lab;
mod line;
mod os;
mod output;
pub mod report;
mod strict;
mod subject;
mod worker;

pub use check::{Check, Group, Level, Needs, Verdict};
pub use groups::groups;
pub use subject::Subject;

use check::{Stop, judge};
use lab::Lab;
use std::time::{Duration, Instant};

/// Name of the job of the fixture.
pub const FIXTURE: &str = "conformance";

/// Name of the fixture's job that returns the input of the job before.
pub const KEEPER: &str = "conformance-keep";

/// Name of the fixture's job whose value has a byte string.
pub const PARTS: &str = "conformance-parts";

/// Maximum time for any single event.
const PATIENCE: Duration = Duration::from_secs(10);

/// Maximum time for a start: an interpreter loads its libraries.
const START: Duration = Duration::from_secs(30);

/// Time for which the kit listens where it expects silence.
const SILENCE: Duration = Duration::from_millis(100);

/// The answer of one check.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The check.
    pub check: &'static Check,
    /// Name of its group.
    pub group: &'static str,
    /// The answer.
    pub verdict: Verdict,
    /// The time that it took.
    pub took: Duration,
}

/// Returns the checks whose name contains `only`, each with the name of its group.
pub fn selected(only: Option<&str>) -> impl Iterator<Item = (&'static str, &'static Check)> {
    let all = groups().iter().flat_map(|group| group.checks.iter().map(|check| (group.name, check)));
    let only = only.unwrap_or_default().to_owned();
    all.filter(move |(_, check)| check.name.contains(&only))
}

/// Runs the checks whose name contains `only`, one after the other, as the iterator advances.
pub fn run<'a>(subject: &'a Subject, only: Option<&'a str>) -> impl Iterator<Item = Finding> + 'a {
    let mut lab = None;
    selected(only).map(move |(group, check)| {
        let lab = lab.get_or_insert_with(|| Lab::open(subject));
        let start = Instant::now();
        let result = lab.provide(check.needs).and_then(|()| (check.run)(lab));
        // A check that a missing Hello stops is not about it: `hello` itself says what is wrong.
        let result = match (result, lab.hello().err()) {
            (Err(Stop::Wrong(_)), Some(Stop::Wrong(why))) if check.needs != Needs::Nothing => {
                Err(Stop::Skip(why))
            }
            (result, _) => result,
        };
        Finding { check, group, verdict: judge(check.level, result), took: start.elapsed() }
    })
}
