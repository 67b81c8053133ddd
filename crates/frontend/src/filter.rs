//! Reads which jobs a list or an order is about: conditions by name, in a query or in JSON. Each unknown name and value
//! is an error that says what there is.

use crate::params;
use crate::problem::Problem;
use procpool_registry::{Filter, Time, outcome_named, phase_named};
use std::time::UNIX_EPOCH;

/// The conditions.
pub(crate) const CONDITIONS: [&str; 4] = ["pool", "state", "outcome", "since"];

/// Returns the filter of these conditions. `pools` are the pools of the server.
///
/// # Errors
/// A 400 problem that names the first condition that means nothing.
pub(crate) fn of<'a>(
    conditions: impl IntoIterator<Item = (&'a str, &'a str)>,
    pools: &[String],
) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    for (name, value) in conditions {
        match name {
            "pool" if pools.iter().any(|pool| pool == value) => filter.pools = Some(vec![value.into()]),
            "pool" => {
                let value: String = value.chars().take(64).collect();
                let known = pools.join(", ");
                return Err(params::bad(name, format!("there is no pool `{value}`; there are: {known}")));
            }
            "state" if value == DEAD => filter.dead = true,
            "state" => filter.phase = Some(phase_named(value).map_err(|unknown| params::bad(name, unknown))?),
            "outcome" => filter.outcome = Some(outcome_named(value).map_err(|it| params::bad(name, it))?),
            "since" => filter.since = Some(time(value).ok_or_else(|| params::bad(name, NO_TIME))?),
            _ => {
                let known = CONDITIONS.join("`, `");
                return Err(params::bad(name, format!("it is no condition; there are: `{known}`")));
            }
        }
    }
    Ok(filter)
}

/// The state of jobs that have failed for good: a part of the finished ones.
const DEAD: &str = "dead";

const NO_TIME: &str = "a time is needed, such as `2026-11-29T21:06:43Z` (RFC 3339, in UTC)";

fn time(text: &str) -> Option<Time> {
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    Some(Time::ZERO + time.duration_since(UNIX_EPOCH).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::OutcomeKind;
    use procpool_registry::Phase;
    use std::time::Duration;

    fn parsed(conditions: &[(&str, &str)]) -> Result<Filter, String> {
        let filter = of(conditions.iter().copied(), &["fib".into(), "ping".into()]);
        filter.map_err(|problem| serde_json::to_string(&problem).unwrap())
    }

    #[test]
    fn every_condition_is_read() {
        let conditions = [
            ("pool", "fib"),
            ("state", "finished"),
            ("outcome", "crashed"),
            ("since", "1970-01-01T00:00:09.5Z"),
        ];
        let mut expected = Filter::default();
        expected.pools = Some(vec!["fib".into()]);
        (expected.phase, expected.outcome) = (Some(Phase::Finished), Some(OutcomeKind::Crashed));
        expected.since = Some(Time::ZERO + Duration::from_millis(9500));
        assert_eq!(parsed(&conditions), Ok(expected));
        assert_eq!(parsed(&[]), Ok(Filter::default()));
        let mut dead = Filter::default();
        dead.dead = true;
        assert_eq!(parsed(&[("state", "dead")]), Ok(dead));
    }

    #[test]
    fn what_means_nothing_is_named_with_what_there_is() {
        for (condition, words) in [
            (("pool", "fob"), "fib, ping"),
            (("state", "runing"), "queued, running, finished, dead"),
            (("outcome", "refused"), "there is no outcome"),
            (("since", "yesterday"), "2026-11-29T21:06:43Z"),
            (("since", "1969-01-01T00:00:00Z"), "RFC 3339"),
            (("color", "red"), "`pool`, `state`, `outcome`, `since`"),
        ] {
            let problem = parsed(&[condition]).unwrap_err();
            assert!(problem.contains(words) && problem.contains(condition.0), "{problem}");
        }
    }
}
