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
    /// The priority of the last job that came.
    usual: Option<Priority>,
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
    let mut puller = Puller {
        shared,
        pool,
        names,
        slots,
        room,
        inbox,
        answers,
        open,
        usual: None,
        number: 0,
        connections,
    };
    for turn in 1_u64.. {
        if *stop.borrow() {
            return puller.leave().await;
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
        let beyond = tokio::select! {
            slot = puller.slots.acquire() => {
                drop(slot);
                None
            }
            Some(message) = puller.answers.next() => Some(message),
            // The next turn leaves.
            _ = stop.changed() => continue,
        };
        if let Some(message) = beyond {
            puller.take(message).await;
        } else if puller.is_unfit() {
            puller.rest().await;
        } else {
            puller.turn(turn, &mut stop).await;
        }
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

/// Returns the jobs to the queue that come on requests nobody has any longer.
async fn give_back(shared: Arc<Shared>, mut late: Subscriber) {
    let all = async {
        while let Some(message) = late.next().await {
            if let (None, Some(reply)) = (message.status, message.reply) {
                custody::nak(&shared.cluster.0.link, reply.to_string(), Duration::ZERO).await;
            }
        }
    };
    let _ = timeout(WAIT + SLACK, all).await;
}

impl Puller {
    /// Returns whether this node is to take no job now, although it has free slots.
    fn is_unfit(&self) -> bool {
        !self.shared.cluster.0.link.is_up() || self.shared.is_shaky() || self.room.left() == 0
    }

    /// Gives back for a moment what comes.
    async fn rest(&mut self) {
        const MOMENT: Duration = Duration::from_millis(50);
        match timeout(MOMENT, self.answers.next()).await {
            Ok(Some(message)) => self.refuse(message).await,
            Ok(None) => sleep(MOMENT).await,
            Err(_) => {}
        }
    }

    async fn turn(&mut self, turn: u64, stop: &mut watch::Receiver<bool>) {
        self.forget_lost().await;
        let mut order = Priority::ALL;
        if turn.is_multiple_of(FAIR) {
            order.reverse();
        }
        let mut got = 0;
        for priority in order {
            if self.free() == 0 {
                return;
            }
            // An open request says that nothing waits, or that a job is on its way.
            if self.is_open(priority) {
                continue;
            }
            let free = self.spare();
            if free == 0 {
                continue;
            }
            self.request(priority, free, None).await;
            let came = self.receive(priority, free, SLACK).await;
            if came == 0 && self.free() >= Priority::ALL.len() && !self.is_open(priority) {
                self.request(priority, self.several(priority), Some(self.wait())).await;
            }
            got += came;
        }
        if got > 0 {
            return;
        }
        // Of each: what is beyond the free slots goes back at once.
        for priority in Priority::ALL {
            if !self.is_open(priority) {
                self.request(priority, self.several(priority), Some(self.wait())).await;
            }
        }
        let came = tokio::select! {
            came = timeout(WAIT + SLACK, self.answers.next()) => came.ok().flatten(),
            _ = stop.changed() => None,
        };
        if let Some(message) = came {
            self.take(message).await;
        }
    }

    /// Returns how many jobs this node can take now.
    fn free(&self) -> usize {
        self.slots.available_permits().min(BATCH).min(self.room.left())
    }

    /// Returns how many of the free slots are not for jobs of open requests, each of which may bring one more.
    fn spare(&self) -> usize {
        let promised: usize = self.open.iter().map(|request| request.left.saturating_sub(1)).sum();
        self.free().saturating_sub(promised)
    }

    /// Returns the size of a request that waits where nothing came. While jobs of a priority come one by one, a request
    /// for several saves one for each of them.
    fn several(&self, priority: Priority) -> usize {
        if self.usual == Some(priority) { (self.spare() / 2).max(1) } else { 1 }
    }

    /// Returns for how long a request waits: a lease that counts from it must not be half over when a job comes.
    fn wait(&self) -> Duration {
        WAIT.min(self.shared.cluster.0.settings.timings.renew / 2)
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
        let late = std::mem::replace(&mut self.answers, answers);
        (self.inbox, self.connections) = (inbox, connections);
        self.open.clear();
        tokio::spawn(give_back(self.shared.clone(), late));
    }

    /// Gives back what still comes on open requests. They ask for a bounded number of jobs.
    async fn leave(mut self) {
        const SILENCE: Duration = Duration::from_millis(200);
        while !self.open.is_empty() {
            let Ok(Some(message)) = timeout(SILENCE, self.answers.next()).await else { return };
            self.refuse(message).await;
        }
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
        let Some(requested) = self.requested(&message) else { return false };
        self.room.take();
        self.shared.take(&self.pool, &self.names, &self.slots, message, requested).await;
        true
    }

    /// Gives a job back at once, or takes a word about a request.
    async fn refuse(&mut self, message: Message) {
        if let (Some(_), Some(reply)) = (self.requested(&message), &message.reply) {
            custody::nak(&self.shared.cluster.0.link, reply.to_string(), Duration::ZERO).await;
        }
    }

    /// Returns when this job was requested, if that is known. `None` for a word about a request, which is answered then.
    fn requested(&mut self, message: &Message) -> Option<Option<Time>> {
        if message.status.is_some() || message.reply.is_none() {
            self.open.retain(|request| request.reply != *message.subject.as_str());
            return None;
        }
        let priority = priority_of(&message.subject);
        self.usual = Some(priority);
        let nth = self.open.iter().position(|request| request.priority == priority);
        Some(nth.and_then(|nth| {
            let request = self.open.get_mut(nth)?;
            request.left = request.left.saturating_sub(1);
            let (sent, is_answered) = (request.sent, request.left == 0);
            if is_answered {
                self.open.remove(nth);
            }
            Some(sent)
        }))
    }
}
