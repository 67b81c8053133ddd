//! [`Hosts`]: the hosts of a cluster for those who look at them over HTTP, asked for once for all of them.

use procpool_nats::{Cluster, Host, HostState as NodeState};
use procpool_protocol::engine::{self, HostState, HostStatus};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// Time for which an answer is given to others, too.
const FRESH: Duration = Duration::from_secs(1);

/// Maximum time of a look. Load balancers wait for no longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The last look at the hosts. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts(Arc<Mutex<Option<(Instant, engine::Hosts)>>>);

impl Hosts {
    /// Returns the hosts, as they were at most a second ago, or why they are not known.
    pub(crate) async fn look(&self, cluster: &Cluster) -> engine::Hosts {
        let mut last = self.0.lock().await;
        if let Some((at, hosts)) = &*last
            && at.elapsed() < FRESH
        {
            return hosts.clone();
        }
        let found = match timeout(PATIENCE, cluster.hosts()).await {
            Ok(Ok(hosts)) => Ok(hosts.iter().map(status).collect()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {PATIENCE:?}")),
        };
        *last = Some((Instant::now(), found.clone()));
        found
    }
}

/// Returns a host in the shape that clients rely on.
pub(super) fn status(host: &Host) -> HostStatus {
    let (figures, mut status) = (&host.figures, HostStatus::new(host.node.as_str()));
    (status.host, status.pid, status.version) = (host.host.clone(), host.pid, host.version.clone());
    status.state = match host.state {
        NodeState::Up => HostState::Up,
        NodeState::Left => HostState::Left,
        NodeState::Gone => HostState::Gone,
    };
    status.seen_ms = u64::try_from(host.seen.as_millis()).unwrap_or(u64::MAX);
    status.slots.clone_from(&host.slots);
    (status.held, status.told, status.late) = (figures.held, figures.told, figures.late);
    (status.decided, status.fenced, status.left) = (figures.decided, figures.fenced, figures.left);
    status
}
