//! Compares the example configuration and the guide with the code.

use super::{mistake, parse};
use procpool_coordinator::PoolLimits;

const EXAMPLE: &str = include_str!("../../../procpool.example.toml");
const CONFIGURATION: &str = include_str!("../../../../../docs/configuration.md");
const SERVER: &str = include_str!("../../../../../docs/server.md");

/// Returns the example with the lines that `mark` begins taken as settings.
fn example_with(marks: &[&str]) -> String {
    let setting = |line: &str| {
        marks.iter().find_map(|mark| {
            let rest = line.strip_prefix(mark)?;
            if rest.starts_with("[schedules.") {
                return Some(rest.to_owned());
            }
            let (key, _) = rest.split_once(" = ")?;
            let is_key = key.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
            is_key.then(|| rest.to_owned())
        })
    };
    let lines = EXAMPLE.lines().map(|line| setting(line).unwrap_or_else(|| line.to_owned()));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_parses_as_it_is_and_with_every_line_taken_as_a_setting() {
    assert_eq!(parse(EXAMPLE).unwrap().names(), ["fib"]);
    parse(&example_with(&["# ", "#e "])).unwrap();
}

#[test]
fn the_cluster_of_the_example_parses_for_a_durable_pool() {
    let lines = EXAMPLE.lines().filter_map(|line| line.strip_prefix("#c "));
    let text = lines.collect::<Vec<_>>().join("\n");
    let config = parse(&format!("[pools.fib]\ncommand = \"sh\"\ndurable = true\n{text}")).unwrap();
    let written = config.cluster.unwrap();
    let implied =
        parse("[pools.fib]\ncommand = \"sh\"\ndurable = true\n[cluster]\nnats = \"localhost\"").unwrap();
    let (written, implied) = (written.resolve().unwrap(), implied.cluster.unwrap().resolve().unwrap());
    assert_eq!((written.timings, written.replicas), (implied.timings, implied.replicas));
    assert_eq!((&written.namespace, written.pools[0].retain), (&implied.namespace, implied.pools[0].retain));
}

#[test]
fn what_the_example_calls_a_default_is_the_default() {
    let written = parse(&example_with(&["# "])).unwrap();
    let implied = parse("[pools.fib]\ncommand = [\"procpool-fib\"]").unwrap();
    assert_eq!(written.server, implied.server);
    // Not set means what the job's contract says, and the server knows no contract.
    let mut limits = written.pools[0].limits.clone();
    assert_eq!(limits.idempotent.take(), Some(false));
    // A program that has a pool asks for stacks, and a server takes them.
    let mut default = PoolLimits::default();
    assert!(!std::mem::replace(&mut default.stack_at_deadline, true));
    assert_eq!(limits, default);
    assert_eq!(implied.pools[0].limits, default);
}

#[test]
fn the_example_shows_every_key_and_so_do_the_tables_of_the_guide() {
    let known_in = |text: &str| {
        let message = mistake(&format!("{text}\nno_such_key_at_all = 1"));
        let line = message.lines().next().expect("a line");
        let (_, list) = line.split_once("expected one of ").expect("a list");
        list.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    let (server, pool) = EXAMPLE.split_once("[pools.fib]").expect("a pool");
    let (pool, schedule) = pool.split_once("[schedules.nightly]").expect("a schedule");
    let (server, jobs) = server.split_once("[jobs]").expect("the table of jobs");
    let parts = [
        (server, "[server]"),
        (jobs, "[jobs]"),
        (pool, "[pools.a]\ncommand = \"sh\""),
        (pool, "[cluster]\nnats = \"a\""),
        (schedule, "[schedules.a]\ncron = \"@daily\"\npool = \"a\""),
    ];
    for (part, text) in parts {
        for key in known_in(text) {
            let shown = ["", "# ", "#e ", "#c ", "#d "].map(|mark| format!("{mark}{key} = "));
            let is_shown = part.lines().any(|line| shown.iter().any(|shown| line.starts_with(shown)));
            assert!(is_shown, "{key} is not in the example");
            let row = format!("| `{key}` | ");
            let is_listed = CONFIGURATION.lines().any(|line| line.starts_with(&row));
            assert!(is_listed, "{key} is not in docs/configuration.md");
        }
    }
}

/// Returns the block of the guide that is fenced as a `procpool.toml`.
fn guide_block() -> &'static str {
    let (_, rest) = SERVER.split_once("```toml procpool.toml\n").expect("a block");
    rest.split_once("```").expect("an end of the block").0
}

#[test]
fn the_configuration_in_the_guide_parses() {
    assert_eq!(parse(guide_block()).unwrap().names(), ["word-count"]);
}
