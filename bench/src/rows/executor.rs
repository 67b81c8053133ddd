//! Python's `procpool.Executor` beside the executor that it replaces: the host is a Python program, too.

use super::Kit;
use crate::contest::{Goal, Row};
use crate::contestant::Result;
use crate::script::Needs;
use crate::{language, places};

const OURS: &str = "procpool.Executor";
const OTHER: &str = "ProcessPoolExecutor";

pub(super) fn one_by_one(kit: &Kit) -> Result<Row> {
    let what = "small calls of a Python program, one after another, two workers, p50";
    let row = row(kit, "executor-sequential", what, "µs", ("one-by-one", 2_000))?;
    Ok(row.goal(Goal::AtMost(1.0, OTHER)))
}

pub(super) fn in_flight(kit: &Kit) -> Result<Row> {
    let what = "64 small calls of a Python program in flight, two workers";
    let row = row(kit, "executor-in-flight", what, "calls/s", ("in-flight", 20_000))?;
    Ok(row.goal(Goal::AtLeast(1.0, OTHER)))
}

pub(super) fn arrays(kit: &Kit) -> Result<Row> {
    let what = "NumPy arrays of 16 MiB there and back, p50";
    let row = row(kit, "executor-arrays", what, "µs", ("arrays", 25))?;
    Ok(row.goal(Goal::Faster(4.0, OTHER)))
}

fn row(
    kit: &Kit,
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    (measurement, count): (&str, usize),
) -> Result<Row> {
    let sdk = language::sdk_python().display().to_string();
    let count = kit.args.effort(count).to_string();
    let server = places::file("procpool")?;
    let script = |name: &'static str, executor: &str| {
        let args = [&sdk, executor, measurement, &count].map(str::to_owned);
        let env = [("PROCPOOL", server.clone())];
        kit.peers.script_with(name, Needs::Python, "executors.py", &args, env)
    };
    Ok(Row::with(name, what, unit, (OURS, script(OURS, "procpool"))).peer(OTHER, script(OTHER, OTHER)))
}
