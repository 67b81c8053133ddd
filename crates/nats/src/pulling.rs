//! The loop of one pool on one node: asks for jobs, the higher priorities first, as many as it has free slots.

use crate::custody;
use crate::node::{Shared, priority_of};
use crate::room::Room;
use crate::streams::nanos;
use crate::subjects::PoolNames;
use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use procpool_protocol::engine::Priority;
use procpool_registry::Time;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

/// Time for which a request waits at the server. A node that is stopped meanwhile gets what came in this time.
const WAIT: Duration = Duration::from_secs(2);

/// Time after the server's own after which an answer is missing.
const SLACK: Duration = Duration::from_millis(500);

/// Every such turn begins with the lowest priority, so that it is delayed and never stopped.
const FAIR: u64 = 16;

/// Maximum number of jobs of one request.
const BATCH: usize = 64;

/// Age of an unanswered request at which its answer is no longer waited for: it was lost, or this process was stopped.
const LOST: Duration = Duration::from_secs(5);

struct Puller {
    shared: Arc<Shared>,
    pool: String,
    names: PoolNames,
    slots: Arc<Semaphore>,
    room: Arc<Room>,
    inbox: String,
    answers: Subscriber,
    open: VecDeque<Request>,
    number: u64,
    /// Number of connections when the inbox was made.
    connections: u64,
}

/// A request for jobs that is not answered yet. The server answers those of one priority in order, so that it is known
/// to which one a job belongs, and since when its lease counts.
struct Request {
    reply: String,
    priority: Priority,
    sent: Time,
    left: usize,
}

/// Runs until the node stops. Asks for nothing while the node is not a member of the pool.
pub(crate) async fn run(
    shared: Arc<Shared>,
    pool: String,
    names: PoolNames,
    slots: Arc<Semaphore>,
    room: Arc<Room>,
    mut is_member: watch::Receiver<bool>,
) {
    let (inbox, answers) = subscribe(&shared).await;
    let connections = shared.cluster.0.link.connections();
    let mut stop = shared.stopped();
    let open = VecDeque::new();
    let mut puller =
        Puller { shared, pool, names, slots, room, inbox, answers, open, number: 0, connections };
    for turn in 1_u64.. {
        if *stop.borrow() {
            return;
        }
        if !*is_member.borrow_and_update() {
            if !puller.open.is_empty() {
                puller.begin_anew().await;
            }
            tokio::select! {
                _ = is_member.changed() => {}
                _ = stop.changed() => {}
            }
            continue;
        }
        tokio::select! {
            slot = puller.slots.acquire() => drop(slot),
            _ = stop.changed() => return,
        }
        if !puller.shared.cluster.0.link.is_up() || puller.shared.is_shaky() || puller.room.left() == 0 {
            sleep(Duration::from_millis(50)).await;
            continue;
        }
        puller.turn(turn).await;
    }
}

async fn subscribe(shared: &Shared) -> (String, Subscriber) {
    let client = &shared.cluster.0.link.client;
    loop {
        let inbox = client.new_inbox();
        if let Ok(Ok(answers)) = timeout(WAIT, client.subscribe(format!("{inbox}.*"))).await {
            return (inbox, answers);
        }
        sleep(SLACK).await;
    }
}

impl Puller {
    async fn turn(&mut self, turn: u64) {
        self.forget_lost().await;
        let mut order = Priority::ALL;
        if turn.is_multiple_of(FAIR) {
            order.reverse();
        }
        let mut got = 0;
        for priority in order {
            let free = self.free();
            if free == 0 {
                return;
            }
            // An open request says that nothing waits, or that a job is on its way.
            if self.is_open(priority) {
                continue;
            }
            self.request(priority, free, None).await;
            let came = self.receive(priority, free, SLACK).await;
            if came == 0 && self.free() >= Priority::ALL.len() && !self.is_open(priority) {
                self.request(priority, 1, Some(WAIT)).await;
            }
            got += came;
        }
        if got > 0 {
            return;
        }
        // One of each: what is beyond the free slots goes back at once.
        for priority in Priority::ALL {
            if !self.is_open(priority) {
                self.request(priority, 1, Some(WAIT)).await;
            }
        }
        if let Ok(Some(message)) = timeout(WAIT + SLACK, self.answers.next()).await {
            self.take(message).await;
        }
    }

    /// Returns how many jobs this node can take now.
    fn free(&self) -> usize {
        self.slots.available_permits().min(BATCH).min(self.room.left())
    }

    fn is_open(&self, priority: Priority) -> bool {
        self.open.iter().any(|request| request.priority == priority)
    }

    /// Begins with a new inbox where requests are lost, so that a late job is not taken for a new one.
    async fn forget_lost(&mut self) {
        let (now, connections) = (self.shared.cluster.0.now(), self.shared.cluster.0.link.connections());
        let is_lost = self.open.front().is_some_and(|oldest| now.since(oldest.sent) >= LOST);
        if is_lost || connections != self.connections {
            self.begin_anew().await;
        }
    }

    /// Begins with a new inbox. Jobs that still come to the old one go back to the queue.
    async fn begin_anew(&mut self) {
        let connections = self.shared.cluster.0.link.connections();
        let (inbox, answers) = subscribe(&self.shared).await;
        let mut late = std::mem::replace(&mut self.answers, answers);
        (self.inbox, self.connections) = (inbox, connections);
        self.open.clear();
        let shared = self.shared.clone();
        tokio::spawn(async move {
            let give_back = async {
                while let Some(message) = late.next().await {
                    if let (None, Some(reply)) = (message.status, message.reply) {
                        custody::nak(&shared.cluster.0.link, reply.to_string(), Duration::ZERO).await;
                    }
                }
            };
            let _ = timeout(WAIT + SLACK, give_back).await;
        });
    }

    async fn request(&mut self, priority: Priority, batch: usize, wait: Option<Duration>) {
        self.number += 1;
        let reply = format!("{}.{}", self.inbox, self.number);
        let (stream, consumer) = (self.names.queue(), self.names.consumer(priority));
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        let body = match wait {
            Some(wait) => json!({ "batch": batch, "expires": nanos(wait) }),
            None => json!({ "batch": batch, "no_wait": true }),
        };
        let sent = self.shared.cluster.0.now();
        self.open.push_back(Request { reply: reply.clone(), priority, sent, left: batch });
        let client = &self.shared.cluster.0.link.client;
        let published = client.publish_with_reply(subject, reply, body.to_string().into());
        let _ = timeout(SLACK, published).await;
    }

    /// Takes jobs until the last request of a priority is answered. Returns their number.
    async fn receive(&mut self, priority: Priority, batch: usize, patience: Duration) -> usize {
        let mut got = 0;
        let last = self.open.back().map(|request| request.reply.clone()).unwrap_or_default();
        while got < batch
            && self.open.iter().any(|request| request.priority == priority && request.reply == last)
        {
            let Ok(Some(message)) = timeout(patience, self.answers.next()).await else { break };
            got += usize::from(self.take(message).await);
        }
        got
    }

    /// Takes a job, or a word about a request. Returns whether it was a job.
    async fn take(&mut self, message: Message) -> bool {
        if message.status.is_some() || message.reply.is_none() {
            self.open.retain(|request| request.reply != *message.subject.as_str());
            return false;
        }
        let priority = priority_of(&message.subject);
        let nth = self.open.iter().position(|request| request.priority == priority);
        let requested = nth.and_then(|nth| {
            let request = self.open.get_mut(nth)?;
            request.left -= 1;
            let (sent, is_answered) = (request.sent, request.left == 0);
            if is_answered {
                self.open.remove(nth);
            }
            Some(sent)
        });
        self.room.take();
        self.shared.take(&self.pool, &self.names, &self.slots, message, requested).await;
        true
    }
}
