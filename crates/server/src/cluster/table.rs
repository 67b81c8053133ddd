//! The hosts of a cluster as text. Pure.

use super::hosts::status;
use procpool_nats::{Contract, Host, HostState};
use procpool_protocol::printable::printable;
use serde_json::{Value, json};
use std::time::Duration;

const TITLES: [&str; 9] = ["NODE", "STATE", "SEEN", "RUNNING", "SLOTS", "DONE", "LATE", "FENCED", "VERSION"];

/// Returns a table, a line for each host.
pub(super) fn of(hosts: &[Host]) -> String {
    if hosts.is_empty() {
        return "no node has told of itself in the last day\n".into();
    }
    let rows: Vec<[String; 9]> =
        std::iter::once(TITLES.map(str::to_owned)).chain(hosts.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 9] = std::array::from_fn(width);
    let line = |row: &[String; 9]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).chain(hosts.iter().flat_map(apart)).collect()
}

/// Returns a line for each pool that a live host has not joined.
fn apart(host: &Host) -> impl Iterator<Item = String> {
    let other = host.apart.iter().filter(|_| host.state == HostState::Up);
    other.map(|(pool, contract)| {
        let line = format!("{} is not in pool {pool}: {}", host.node, why_apart(host, pool, contract));
        format!("{}\n", printable(&line))
    })
}

/// Returns why a host has not joined a pool that has this contract.
pub(super) fn why_apart(host: &Host, pool: &str, contract: &Contract) -> String {
    let own = host.contracts.get(pool).map_or_else(|| "an unknown contract".into(), ToString::to_string);
    format!("its worker has {own}, and live nodes run {contract}")
}

fn row(host: &Host) -> [String; 9] {
    let slots = host.slots.iter().map(|(pool, slots)| format!("{pool}:{slots}"));
    let slots = slots.collect::<Vec<_>>().join(",");
    // A node that is gone has no job: others have them, or decide about them.
    let running = match host.state.name() {
        "up" => host.figures.held.to_string(),
        _ => "-".into(),
    };
    [
        host.node.to_string(),
        host.state.name().to_owned(),
        ago(host.seen),
        running,
        printable(&slots).into_owned(),
        host.figures.told.to_string(),
        host.figures.late.to_string(),
        host.figures.fenced.to_string(),
        printable(&host.version).into_owned(),
    ]
}

fn ago(time: Duration) -> String {
    match time.as_secs() {
        secs if secs < 120 => format!("{secs}s"),
        secs if secs < 7200 => format!("{}m", secs / 60),
        secs => format!("{}h", secs / 3600),
    }
}

/// Returns a host as JSON, as `GET /v1/hosts` has it, with the contracts of its pools.
pub(super) fn json(host: &Host) -> Value {
    let mut json = serde_json::to_value(status(host)).unwrap_or_default();
    json["contracts"] = json!(host.contracts);
    json["apart"] = json!(host.apart);
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_a_line_below_the_titles() {
        let text = r#"{"node":"a-1","host":"a\u001b","pid":7,"version":"0.1.0","slots":{"fib":2},"held":1,"told":3,
            "late":0,"decided":0,"fenced":0,"left":0}"#;
        let host: Host = serde_json::from_str(text).unwrap();
        let text = of(std::slice::from_ref(&host));
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("NODE  STATE  SEEN"), "{text}");
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            ["a-1", "up", "0s", "1", "fib:2", "3", "0", "0", "0.1.0"]
        );
        assert_eq!(json(&host)["state"], "up");
        assert!(of(&[]).starts_with("no node"));
    }

    #[test]
    fn a_pool_of_another_contract_is_named_below_the_table() {
        let text = r#"{"node":"a-1","host":"a","pid":7,"version":"0.1.0","slots":{},"held":0,"told":0,"late":0,
            "decided":0,"fenced":0,"left":0,"contracts":{"fib":{"job":"fib","version":2}},
            "apart":{"fib":{"job":"fib","version":1,"schema_hash":"aa"}}}"#;
        let host: Host = serde_json::from_str(text).unwrap();
        let text = of(std::slice::from_ref(&host));
        let line = "a-1 is not in pool fib: its worker has job `fib` version 2, and live nodes run job `fib` version 1 \
                    (schema aa)";
        assert_eq!(text.lines().last(), Some(line));
        assert_eq!(json(&host)["apart"]["fib"]["version"], 1);
    }
}
