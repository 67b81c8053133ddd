//! The request for the hosts of a cluster, and its answer.

use crate::request::Request;
use crate::target::Target;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Returns the request for all hosts. A server without a cluster answers with 404.
#[must_use]
pub fn list() -> Request {
    Request::get(Target::new("/v1/hosts"))
}

/// The answer of `GET /v1/hosts`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Hosts {
    /// The hosts, those that were heard of last first.
    pub hosts: Vec<Host>,
}

/// A host.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Host {
    /// The name of the node.
    pub node: String,
    /// `up`, `left` or `gone`.
    pub state: String,
    /// Number of jobs that it runs at a time, of each of its pools.
    pub slots: BTreeMap<String, u64>,
    /// Number of jobs that it has.
    pub held: u64,
    /// Number of jobs that it killed because it was cut off.
    pub fenced: u64,
}

impl Hosts {
    /// Returns a line about all of them: hosts by state, and what those that are up run.
    ///
    /// ```
    /// use procpool_client::hosts::Hosts;
    ///
    /// assert_eq!(Hosts::default().summary(), "hosts: none");
    /// ```
    #[must_use]
    pub fn summary(&self) -> String {
        if self.hosts.is_empty() {
            return "hosts: none".into();
        }
        let up = || self.hosts.iter().filter(|host| host.state == "up");
        let number = |state: &str| self.hosts.iter().filter(|host| host.state == state).count();
        let states = ["up", "left", "gone"].map(|state| (number(state), state));
        let states = states.iter().filter(|(number, state)| *number > 0 || *state == "up");
        let states: Vec<_> = states.map(|(number, state)| format!("{number} {state}")).collect();
        let running: u64 = up().map(|host| host.held).sum();
        let slots: u64 = up().flat_map(|host| host.slots.values()).sum();
        format!("hosts: {}   running there {running}/{slots}", states.join(", "))
    }

    /// Returns whether jobs may have to wait for a host: one is gone, or none is up.
    #[must_use]
    pub fn is_odd(&self) -> bool {
        let is = |state: &str| self.hosts.iter().any(|host| host.state == state);
        is("gone") || !is("up")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_counted_by_state_and_the_living_by_what_they_run() {
        assert_eq!(list().line(), "GET /v1/hosts");
        let hosts: Hosts = serde_json::from_str(
            r#"{"hosts":[{"node":"a","state":"up","slots":{"fib":2,"ping":3},"held":4},{"node":"b","state":"up"},
                {"node":"c","state":"gone","slots":{"fib":2},"held":2}]}"#,
        )
        .unwrap();
        assert_eq!(hosts.summary(), "hosts: 2 up, 1 gone   running there 4/5");
        assert!(hosts.is_odd() && Hosts::default().is_odd());
    }
}
