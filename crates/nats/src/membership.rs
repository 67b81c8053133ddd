//! Whether a node belongs to a pool: it compares its workers' contract with that of the pool, again and again.

use crate::cluster::Cluster;
use crate::contract::{self, Contract, PoolContract, Step};
use crate::hosts::HostState;
use crate::link::LinkError;
use crate::node::Shared;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Number of tries of one look. Each fails because another node has written in between.
const TRIES: u32 = 20;

/// A pool of a node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodePool {
    /// Maximum number of jobs that it runs at a time.
    pub slots: usize,
    /// The contract of its workers. `None` joins the pool without a comparison, and runs all its jobs.
    pub contract: Option<Contract>,
}

impl NodePool {
    /// Returns a pool with this number of slots.
    pub fn new(slots: usize, contract: Option<Contract>) -> Self {
        Self { slots, contract }
    }
}

/// A pool of a node, and whether the node has joined it.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) own: NodePool,
    is_member: watch::Sender<bool>,
    /// The contract of the pool, while the node is apart because of it.
    other: Mutex<Option<Contract>>,
}

impl Membership {
    pub(crate) fn new(own: NodePool) -> Self {
        let is_member = watch::channel(own.contract.is_none()).0;
        Self { own, is_member, other: Mutex::default() }
    }

    pub(crate) fn follow(&self) -> watch::Receiver<bool> {
        self.is_member.subscribe()
    }

    /// Returns the contract of the pool if it keeps the node apart.
    pub(crate) fn other(&self) -> Option<Contract> {
        self.other.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether the workers may run jobs of this contract.
    pub(crate) fn fits(&self, of_job: Option<&Contract>) -> bool {
        match (&self.own.contract, of_job) {
            (Some(mine), Some(of_job)) => mine.fits(of_job),
            _ => true,
        }
    }

    fn set(&self, pool: &str, other: Option<Contract>) {
        let Some(mine) = &self.own.contract else { return };
        let mut apart = self.other.lock().unwrap_or_else(PoisonError::into_inner);
        match &other {
            Some(other) if apart.as_ref() != Some(other) => tracing::warn!(
                pool,
                "does not run jobs of this pool: its worker here has {mine}, and nodes of the cluster run {other}; joins it \
                 when the last of them has ended"
            ),
            None if !*self.is_member.borrow() => tracing::info!(pool, "has joined the pool with {mine}"),
            _ => {}
        }
        self.is_member.send_replace(other.is_none());
        *apart = other;
    }
}

/// Looks again and again until its task ends.
pub(crate) async fn keep(shared: Arc<Shared>, pool: String) {
    loop {
        sleep(shared.cluster.0.settings.timings.renew).await;
        look(&shared, &pool).await;
    }
}

/// Looks once. A node that gets no answer stays where it is: jobs name their contract, too.
pub(crate) async fn look(shared: &Shared, pool: &str) {
    if let Err(error) = try_look(shared, pool).await {
        tracing::debug!(pool, %error, "cannot compare the contract of a pool");
    }
}

async fn try_look(shared: &Shared, pool: &str) -> Result<(), LinkError> {
    let cluster = &shared.cluster;
    let Some(membership) = shared.pools.get(pool) else { return Ok(()) };
    let (Some(mine), Some((_, names))) = (&membership.own.contract, cluster.0.pools.get(pool)) else {
        return Ok(());
    };
    let mut conflict = None;
    for _ in 0..TRIES {
        let found = cluster.pool_contract(pool).await?;
        let seq = found.as_ref().map_or(0, |(seq, _)| *seq);
        let is_member = *membership.is_member.borrow();
        let next = match contract::decide(found.as_ref().map(|(_, it)| it), mine, is_member) {
            Step::Stay => return Ok(()),
            Step::Write(next) => next,
            Step::Contest(other, _) if cluster.has_live(pool, &other).await? => {
                membership.set(pool, Some(other));
                return Ok(());
            }
            Step::Contest(other, next) => {
                tracing::info!(pool, "replaces {other} by {mine}, as no live node has the former");
                next
            }
        };
        let body = serde_json::to_vec(&next).unwrap_or_default();
        match cluster.0.link.publish(names.contract(), Some(seq), None, body.into()).await {
            Ok(_) => {
                membership.set(pool, None);
                return Ok(());
            }
            Err(error) if error.is_conflict() => conflict = Some(error),
            Err(error) => return Err(error),
        }
        sleep(Duration::from_millis(5)).await;
    }
    Err(conflict.unwrap_or(LinkError::NoAnswer(Duration::ZERO)))
}

impl Cluster {
    /// Returns the contract of a pool with its sequence, as some copy of the stream has it.
    pub(crate) async fn pool_contract(&self, pool: &str) -> Result<Option<(u64, PoolContract)>, LinkError> {
        let Some((_, names)) = self.0.pools.get(pool) else { return Ok(None) };
        let stored = self.0.link.last(&self.0.namespace.contracts(), &names.contract()).await?;
        let Some(stored) = stored else { return Ok(None) };
        let found = serde_json::from_slice(&stored.body);
        let found =
            found.map_err(|error| LinkError::Unreadable(format!("the contract of a pool: {error}")))?;
        Ok(Some((stored.seq, found)))
    }

    /// Returns whether a live node has workers of this contract for the pool, joined or about to.
    async fn has_live(&self, pool: &str, contract: &Contract) -> Result<bool, LinkError> {
        let hosts = self.all_hosts().await?;
        Ok(hosts.iter().any(|host| match host {
            Some(host) => {
                host.state == HostState::Up && host.contracts.get(pool).is_some_and(|it| it.fits(contract))
            }
            // It has told of itself, and this copy does not have its words yet.
            None => true,
        }))
    }
}
