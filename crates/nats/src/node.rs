//! [`Node`]: pulls jobs of a cluster by priority, and runs them on a local engine.

use crate::cluster::{Cluster, ClusterError};
use crate::course::{Delivery, Ending};
use crate::custody::{self, Handed};
use crate::envelope::Unreadable;
use crate::hosts::{self, Host, HostState};
use crate::link::LinkError;
use crate::membership::{self, Membership, NodePool};
use crate::node_id::NodeId;
use crate::order::Order;
use crate::pulling;
use crate::room::{self, Room};
use crate::streams;
use crate::subjects::{self, PoolNames};
use crate::sweep;
use crate::wall::Wall;
use async_nats::Message;
use futures_util::StreamExt;
use procpool_protocol::JobId;
use procpool_protocol::engine::{Engine, Priority};
use procpool_registry::Time;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Time between two questions for the server's clock.
const CLOCK: Duration = Duration::from_secs(30);

/// Runs the jobs of a cluster. Dropping it kills its jobs, and leaves them to other nodes.
#[derive(Debug)]
pub struct Node {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    /// Those that ask for jobs, one for each pool.
    pullers: JoinSet<()>,
    /// Its description of itself for others.
    host: Host,
}

/// How many courses of a node ended in each way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeFigures {
    /// Number of jobs that it has now.
    pub held: usize,
    /// Results that became the outcome.
    pub told: u64,
    /// Results that came too late.
    pub late: u64,
    /// Jobs of lost hosts, or whose time was up, that it decided.
    pub decided: u64,
    /// Jobs that it killed because it could not confirm its lease.
    pub fenced: u64,
    /// Deliveries that it left to later ones, or gave up.
    pub left: u64,
}

/// The state that all tasks of a node share.
pub(crate) struct Shared {
    pub(crate) cluster: Cluster,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) id: NodeId,
    pub(crate) pools: BTreeMap<String, Membership>,
    held: Mutex<HashMap<JobId, Arc<Holder>>>,
    nonces: AtomicU64,
    /// The leader's time, in nanoseconds since 1970, at the zero of our clock: up to the time of an answer too early.
    leader: AtomicU64,
    endings: [AtomicU64; 5],
    stop: watch::Sender<bool>,
    /// The node is dropped: nothing that happens to its jobs from now on is an outcome.
    gone: watch::Sender<bool>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Shared").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A job of this node, as others see it.
#[derive(Debug, Default)]
pub(crate) struct Holder {
    pub(crate) is_at_it: AtomicBool,
    pub(crate) is_shaky: AtomicBool,
    pub(crate) look: Notify,
}

impl Node {
    /// Checks the streams, and begins to run jobs of these pools, which the engine has under the same names. A pool whose
    /// other live nodes have workers of another contract is left alone until they have ended. The label names this process
    /// in claims.
    ///
    /// # Errors
    /// When the server does not answer, the streams are not as configured, or the cluster has no such pool.
    pub async fn start(
        cluster: Cluster,
        engine: Arc<dyn Engine>,
        label: &str,
        pools: BTreeMap<String, NodePool>,
    ) -> Result<Self, ClusterError> {
        if let Some(pool) = pools.keys().find(|pool| !cluster.0.pools.contains_key(*pool)) {
            return Err(ClusterError::UnknownPool { pool: pool.clone() });
        }
        cluster.check().await?;
        let shared = Arc::new(Shared {
            id: NodeId::new(label, rand::random()),
            engine,
            pools: pools.into_iter().map(|(name, pool)| (name, Membership::new(pool))).collect(),
            held: Mutex::default(),
            nonces: AtomicU64::new(1),
            leader: AtomicU64::new(0),
            endings: Default::default(),
            stop: watch::channel(false).0,
            gone: watch::channel(false).0,
            cluster,
        });
        let (mut tasks, mut pullers) = (JoinSet::new(), JoinSet::new());
        let control = shared.cluster.0.namespace.control(shared.id.as_str());
        let patience = shared.cluster.0.settings.patience;
        let subscribed = timeout(patience, shared.cluster.0.link.client.subscribe(control)).await;
        let Ok(Ok(mut questions)) = subscribed else { return Err(LinkError::NoAnswer(patience).into()) };
        let answering = shared.clone();
        tasks.spawn(async move {
            while let Some(question) = questions.next().await {
                answering.answer(question).await;
            }
        });
        let names_of = |pool: &String| shared.cluster.0.pools.get(pool).map(|(_, names)| names.clone());
        if let Some(names) = shared.pools.keys().find_map(names_of) {
            shared.set_clock(&names).await?;
            let keeping = shared.clone();
            tasks.spawn(async move {
                loop {
                    sleep(CLOCK).await;
                    let _ = keeping.set_clock(&names).await;
                }
            });
        }
        let host = Host {
            node: shared.id.clone(),
            host: label.to_owned(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            slots: BTreeMap::new(),
            contracts: BTreeMap::new(),
            apart: BTreeMap::new(),
            figures: NodeFigures::default(),
            leaving: false,
            seen: Duration::ZERO,
            state: HostState::Up,
        };
        // Before it joins a pool: a node that would replace the contract then finds it.
        hosts::announce(&shared, &host).await?;
        for (name, pool) in &shared.pools {
            let Some(names) = names_of(name) else { continue };
            membership::look(&shared, name).await;
            tasks.spawn(sweep::run(shared.clone(), name.clone(), names.clone()));
            let slots = Arc::new(Semaphore::new(pool.own.slots.max(1)));
            let room = Arc::<Room>::default();
            room.look(&shared, name, &names).await?;
            tasks.spawn(room::keep(shared.clone(), room.clone(), name.clone(), names.clone()));
            pullers.spawn(pulling::run(shared.clone(), name.clone(), names, slots, room, pool.follow()));
            if pool.own.contract.is_some() {
                tasks.spawn(membership::keep(shared.clone(), name.clone()));
            }
        }
        tasks.spawn(hosts::tell_of(shared.clone(), host.clone()));
        Ok(Self { shared, tasks, pullers, host })
    }

    /// Returns the name of this node.
    #[must_use]
    pub fn id(&self) -> &NodeId {
        &self.shared.id
    }

    /// Returns what this node has done.
    #[must_use]
    pub fn figures(&self) -> NodeFigures {
        self.shared.figures()
    }

    /// Stops pulling, and waits until the jobs that it has are told, at most for this time. Those that are left then
    /// are killed.
    pub async fn drain(mut self, patience: Duration) {
        self.shared.stop.send_replace(true);
        // They give back what still comes.
        let given_back = async { while self.pullers.join_next().await.is_some() {} };
        let _ = timeout(self.shared.cluster.0.settings.patience, given_back).await;
        let empty = async {
            while !self.shared.held().is_empty() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = timeout(patience, empty).await;
        self.tasks.abort_all();
        hosts::tell(&self.shared, &self.host, true).await;
        // Else the process may end before the client has sent it.
        let _ =
            timeout(self.shared.cluster.0.settings.patience, self.shared.cluster.0.link.client.flush()).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shared.stop.send_replace(true);
        // Before the kills, which end no job of the cluster.
        self.shared.gone.send_replace(true);
        let jobs: Vec<JobId> = self.shared.held().keys().copied().collect();
        for job in jobs {
            self.shared.engine.cancel(job);
        }
        self.tasks.abort_all();
        self.pullers.abort_all();
    }
}

impl Shared {
    pub(crate) fn held(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Holder>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn figures(&self) -> NodeFigures {
        let [told, late, decided, fenced, left] =
            [0, 1, 2, 3, 4].map(|nth: usize| self.endings[nth].load(Ordering::Relaxed));
        NodeFigures { held: self.held().len(), told, late, decided, fenced, left }
    }

    /// Returns whether a job runs whose lease is not confirmed: this node may be cut off.
    pub(crate) fn is_shaky(&self) -> bool {
        self.held().values().any(|holder| holder.is_shaky.load(Ordering::Relaxed))
    }

    pub(crate) fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    pub(crate) fn gone(&self) -> watch::Receiver<bool> {
        self.gone.subscribe()
    }

    pub(crate) fn count(&self, ending: Ending) {
        let nth = match ending {
            Ending::Told => 0,
            Ending::Late => 1,
            Ending::Decided => 2,
            Ending::Fenced => 3,
            _ => 4,
        };
        self.endings[nth].fetch_add(1, Ordering::Relaxed);
    }

    /// Answers another node, or looks at a record at once.
    async fn answer(&self, question: Message) {
        let text = std::str::from_utf8(&question.payload).unwrap_or_default();
        let (is_look, text) = text.strip_prefix("look ").map_or((false, text), |text| (true, text));
        let holder = text.parse().ok().and_then(|job: JobId| self.held().get(&job).cloned());
        if is_look {
            if let Some(holder) = holder {
                holder.look.notify_one();
            }
        } else if let Some(reply) = question.reply {
            let is_at_it = holder.is_some_and(|holder| holder.is_at_it.load(Ordering::Relaxed));
            let answer: &'static [u8] = if is_at_it { custody::AT_IT } else { b"not_at_it" };
            self.cluster.0.link.tell(reply.to_string(), answer.into()).await;
        }
    }

    async fn set_clock(&self, names: &PoolNames) -> Result<(), LinkError> {
        let leader = streams::leader_time(&self.cluster.0.link, &names.queue()).await?;
        // As if the answer had taken no time: no job starts before its own.
        self.leader.store(leader.saturating_sub(self.cluster.0.now().as_nanos()), Ordering::Relaxed);
        Ok(())
    }

    /// Takes a delivered message, requested at this time, as far as there is a free slot.
    pub(crate) async fn take(
        self: &Arc<Self>,
        pool: &str,
        names: &PoolNames,
        slots: &Arc<Semaphore>,
        message: Message,
        requested: Option<Time>,
    ) {
        let (link, timings) = (&self.cluster.0.link, self.cluster.0.settings.timings);
        let Some(reply) = message.reply.as_ref().map(ToString::to_string) else { return };
        let (id, stored) = (subjects::job_of(&message.subject), stored_at(&reply));
        let order = Order::open(&message.payload);
        let (Some(id), Some(stored), Ok(order)) = (id, stored, &order) else {
            return match order {
                Err(Unreadable::Newer(_)) => custody::nak(link, reply, Duration::from_secs(30)).await,
                _ => {
                    tracing::warn!(subject = %message.subject, "a message in the queue is no job, and is dropped");
                    link.tell(reply, "+TERM".into()).await;
                }
            };
        };
        let (Some(requested), Ok(slot)) = (requested, slots.clone().try_acquire_owned()) else {
            return custody::nak(link, reply, Duration::ZERO).await;
        };
        let holder = Arc::<Holder>::default();
        let is_new = {
            let mut held = self.held();
            let is_new = !held.contains_key(&id);
            if is_new {
                held.insert(id, holder.clone());
            }
            is_new
        };
        if !is_new {
            // It is ours already. Its own lease goes on.
            return custody::nak(link, reply, timings.lease).await;
        }
        let delivery = Delivery {
            me: self.id.clone(),
            nonce: self.nonces.fetch_add(1, Ordering::Relaxed),
            terms: order.terms,
            timings,
            requested,
            wall: Wall(self.leader.load(Ordering::Relaxed)),
            due: order.due(stored),
            has_delay: !order.delay.is_zero(),
            is_first: deliveries(&reply) == Some(1),
            fits: self.pools.get(pool).is_none_or(|pool| pool.fits(order.contract.as_ref())),
        };
        let priority = priority_of(&message.subject);
        let handed =
            Handed { id, pool: pool.to_owned(), names: names.clone(), order: order.clone(), priority, reply };
        let shared = self.clone();
        tokio::spawn(async move {
            custody::run(&shared, &holder, handed, delivery).await;
            shared.held().remove(&id);
            drop(slot);
        });
    }
}

/// Returns the priority of the subject of a waiting job.
pub(crate) fn priority_of(subject: &str) -> Priority {
    let nth = subject.rsplit('.').nth(1).and_then(|text| text.parse::<usize>().ok());
    nth.and_then(|nth| Priority::ALL.get(nth).copied()).unwrap_or_default()
}

/// Returns when the server stored a message, in nanoseconds since 1970, by the subject of its acknowledgement.
fn stored_at(reply: &str) -> Option<u64> {
    figure(reply, 7)
}

/// Returns how often a message was delivered, with this delivery, by the subject of its acknowledgement.
fn deliveries(reply: &str) -> Option<u64> {
    figure(reply, 4)
}

/// Returns a figure of `$JS.ACK.stream.consumer.delivered.seq.seq.TIME.pending`, which may have two parts more after `ACK`.
fn figure(reply: &str, nth: usize) -> Option<u64> {
    let parts: Vec<&str> = reply.split('.').collect();
    let nth = if parts.len() >= 11 { nth + 2 } else { nth };
    (parts.get(1) == Some(&"ACK")).then(|| parts.get(nth)?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_message_are_read_from_both_forms() {
        assert_eq!(stored_at("$JS.ACK.S.C.1.7.9.1796026612123456789.0"), Some(1_796_026_612_123_456_789));
        assert_eq!(stored_at("$JS.ACK.hub.hash.S.C.1.7.9.42.0.token"), Some(42));
        assert_eq!(stored_at("_INBOX.a.b"), None);
        assert_eq!(deliveries("$JS.ACK.S.C.1.7.9.1796026612123456789.0"), Some(1));
        assert_eq!(deliveries("$JS.ACK.hub.hash.S.C.3.7.9.42.0.token"), Some(3));
        assert_eq!(priority_of("pp.a.j.fib.0.x"), Priority::High);
    }
}
