//! The nodes of a cluster as others see them: each one tells of itself every few seconds, and who falls silent is gone.

use crate::cluster::Cluster;
use crate::contract::Contract;
use crate::link::LinkError;
use crate::node::{NodeFigures, Shared};
use crate::node_id::NodeId;
use crate::streams;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use procpool_protocol::engine::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::sleep;

/// Maximum number of hosts of one answer. Those that were seen last come first.
const MOST: usize = procpool_protocol::engine::MAX_HOSTS;

/// Number of hosts that are asked for together.
const AT_ONCE: usize = 32;

/// A node as it tells of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Host {
    /// The name of the node, another one at each start.
    pub node: NodeId,
    /// Its label, usually the name of its host.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// Its version of procpool.
    pub version: String,
    /// Number of jobs that it runs at a time, of each pool that it has joined.
    pub slots: BTreeMap<String, usize>,
    /// The contracts of its workers, also of pools that it has not joined.
    #[serde(default)]
    pub contracts: BTreeMap<String, Contract>,
    /// The pools that it has not joined because they have these contracts.
    #[serde(default)]
    pub apart: BTreeMap<String, Contract>,
    /// Number of jobs that it has, and what became of earlier ones.
    #[serde(flatten)]
    pub figures: NodeFigures,
    /// It takes no further job, and ends.
    #[serde(default)]
    pub leaving: bool,
    /// Time since it told this, by the clock of the server. Zero in what a node writes.
    #[serde(skip)]
    pub seen: Duration,
    /// How it is.
    #[serde(skip)]
    pub state: HostState,
}

/// How a host is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostState {
    /// It tells of itself.
    #[default]
    Up,
    /// It has ended in order.
    Left,
    /// It has been silent for longer than a lease: others have its jobs, or decide about them.
    Gone,
}

impl HostState {
    /// Returns the state as a word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Left => "left",
            Self::Gone => "gone",
        }
    }

    fn of(host: &Host, seen: Duration, lease: Duration) -> Self {
        match (host.leaving, seen > lease) {
            (true, _) => Self::Left,
            (false, true) => Self::Gone,
            (false, false) => Self::Up,
        }
    }
}

#[derive(Deserialize)]
struct Info {
    state: State,
    #[serde(default)]
    ts: Option<String>,
}

#[derive(Deserialize)]
struct State {
    #[serde(default)]
    subjects: Option<BTreeMap<String, u64>>,
}

impl Cluster {
    /// Returns the hosts of the last day, those that were seen last first.
    ///
    /// # Errors
    /// When the server did not answer, or the streams are missing.
    pub async fn hosts(&self) -> Result<Vec<Host>, LinkError> {
        let mut hosts: Vec<Host> = self.all_hosts().await?.into_iter().flatten().collect();
        hosts.sort_by(|one, other| one.seen.cmp(&other.seen).then_with(|| one.node.cmp(&other.node)));
        hosts.truncate(MOST);
        Ok(hosts)
    }

    /// Returns the hosts of the last day in any order. `None` is one whose words this copy of the stream does not have, or
    /// that cannot be read.
    pub(crate) async fn all_hosts(&self) -> Result<Vec<Option<Host>>, LinkError> {
        let (link, of_hosts) = (&self.0.link, self.0.namespace.hosts());
        let info: Info =
            link.api(&format!("STREAM.INFO.{of_hosts}"), &json!({ "subjects_filter": ">" })).await?;
        let now = info.ts.as_deref().and_then(streams::parse_time).unwrap_or_default();
        let of_hosts = &of_hosts;
        let looks = info.state.subjects.unwrap_or_default().into_keys();
        let looks = looks.map(|subject| async move { link.last(of_hosts, &subject).await });
        let told: Vec<_> = stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await?;
        let mut hosts = Vec::new();
        for stored in told {
            let host = stored
                .and_then(|stored| Some((serde_json::from_slice::<Host>(&stored.body).ok()?, stored.time)));
            hosts.push(host.map(|(mut host, told)| {
                host.seen = Duration::from_nanos(now.saturating_sub(told));
                host.state = HostState::of(&host, host.seen, self.0.settings.timings.lease);
                host
            }));
        }
        Ok(hosts)
    }
}

/// Tells of a node until its task ends.
pub(crate) async fn tell_of(shared: std::sync::Arc<Shared>, host: Host) {
    loop {
        tell(&shared, &host, false).await;
        sleep(shared.cluster.0.settings.timings.renew).await;
    }
}

/// Tells of a node, and waits until the server has it.
///
/// # Errors
/// When the server did not answer, or refused.
pub(crate) async fn announce(shared: &Shared, host: &Host) -> Result<(), LinkError> {
    let (subject, body) = words(shared, host, false);
    shared.cluster.0.link.publish(subject, None, None, body).await.map(drop)
}

/// Tells of a node once. A lost word is followed by another, and the last one only spares a lease's time.
pub(crate) fn tell<'a>(shared: &'a Shared, host: &Host, leaving: bool) -> BoxFuture<'a, ()> {
    let (subject, body) = words(shared, host, leaving);
    Box::pin(async move { shared.cluster.0.link.tell(subject, body).await })
}

fn words(shared: &Shared, host: &Host, leaving: bool) -> (String, Bytes) {
    let mut host = host.clone();
    (host.figures, host.leaving) = (shared.figures(), leaving);
    for (name, pool) in &shared.pools {
        match pool.other() {
            Some(other) => _ = host.apart.insert(name.clone(), other),
            None => _ = host.slots.insert(name.clone(), pool.own.slots),
        }
        if let Some(contract) = &pool.own.contract {
            host.contracts.insert(name.clone(), contract.clone());
        }
    }
    let body = serde_json::to_vec(&host).unwrap_or_default();
    (shared.cluster.0.namespace.host(shared.id.as_str()), body.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_host_is_gone_and_one_that_has_said_so_has_left() {
        let text = r#"{"node":"a-1","host":"a","pid":7,"version":"0.1.0","slots":{"fib":2},"held":1,"told":3,
            "late":0,"decided":0,"fenced":0,"left":0}"#;
        let mut host: Host = serde_json::from_str(text).unwrap();
        assert_eq!((host.figures.held, host.slots["fib"]), (1, 2));
        let lease = Duration::from_secs(15);
        assert_eq!(HostState::of(&host, lease, lease), HostState::Up);
        assert_eq!(HostState::of(&host, lease * 2, lease), HostState::Gone);
        host.leaving = true;
        assert_eq!(HostState::of(&host, lease * 2, lease), HostState::Left);
    }
}
