//! Carries out the actions of one course: reads and writes its record, asks, runs the job, renews.

use crate::action::{Action, Event, Write, Written};
use crate::course::{Course, Delivery, Ending};
use crate::dead::{self, DeadLetter};
use crate::decide::{Answer, Found};
use crate::end::End;
use crate::hint;
use crate::large::Of;
use crate::link::{Link, LinkError};
use crate::node::{Holder, Shared};
use crate::node_id::NodeId;
use crate::order::Order;
use crate::payloads::{self, Place, Trouble};
use crate::record::{Decided, Record, Released};
use crate::run::{Played, Run, Stop};
use crate::subjects::PoolNames;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use procpool_protocol::JobId;
use procpool_protocol::engine::{BoxFuture, Priority};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep_until;

/// The answer of a node that runs the job.
pub(crate) const AT_IT: &[u8] = b"at_it";

/// A delivered job.
pub(crate) struct Handed {
    pub(crate) id: JobId,
    pub(crate) pool: String,
    pub(crate) names: PoolNames,
    pub(crate) order: Order,
    pub(crate) priority: Priority,
    /// The subject of acknowledgements.
    pub(crate) reply: String,
}

/// Returns a job to the queue.
pub(crate) async fn nak(link: &Link, reply: String, delay: Duration) {
    let delay = crate::streams::nanos(delay);
    link.tell(reply, format!("-NAK {{\"delay\":{delay}}}").into()).await;
}

/// An event for which a course waits.
enum Done {
    Event(Event),
    /// The same, with the outcome that the record has.
    Decided(Event, Decided),
    /// The job ended here, and may be tried again after this time.
    Ended(Option<(End, Bytes)>, Option<Duration>),
}

type Work<'a> = FuturesUnordered<BoxFuture<'a, Done>>;

/// Plays a delivery to its end.
pub(crate) async fn run(shared: &Shared, holder: &Holder, handed: Handed, delivery: Delivery) {
    let (mut course, first) = Course::new(shared.cluster.0.now(), delivery);
    let stop = watch::channel(Stop::Nothing).0;
    let mut custody = Custody { shared, handed, stop, result: None, decided: None };
    let mut work = Work::new();
    // The first action may be the claim, about which another node asks as soon as it is stored.
    holder.is_at_it.store(course.is_at_it(), Ordering::Relaxed);
    let mut actions = vec![first];
    let mut gone = shared.gone();
    loop {
        for action in actions {
            if let Action::End(ending) = action {
                return custody.end(ending).await;
            }
            custody.act(&course, action, &mut work).await;
        }
        let tick = course.timeout().map(|at| shared.cluster.0.instant(at));
        let tick = async {
            match tick {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            biased;
            _ = gone.wait_for(|gone| *gone) => return,
            Some(done) = work.next() => match done {
                Done::Event(event) => event,
                Done::Decided(event, decided) => {
                    custody.decided = Some(decided);
                    event
                }
                Done::Ended(end, again) => custody.ended(end, again),
            },
            () = holder.look.notified() => Event::Look,
            () = tick => Event::Tick,
        };
        let now = shared.cluster.0.now();
        actions = course.handle(now, event);
        holder.is_at_it.store(course.is_at_it(), Ordering::Relaxed);
        holder.is_shaky.store(course.is_shaky(now), Ordering::Relaxed);
    }
}

struct Custody<'a> {
    shared: &'a Shared,
    handed: Handed,
    stop: watch::Sender<Stop>,
    result: Option<(End, Bytes)>,
    /// The outcome of the job.
    decided: Option<Decided>,
}

impl<'a> Custody<'a> {
    fn link(&self) -> &'a Link {
        &self.shared.cluster.0.link
    }

    async fn act(&mut self, course: &Course, action: Action, work: &mut Work<'a>) {
        match action {
            Action::Read => {
                let read =
                    read(self.link(), self.handed.names.records(), self.handed.names.record(self.handed.id));
                work.push(Box::pin(async move {
                    match read.await {
                        Some((found, Some(decided))) => Done::Decided(Event::Read(Some(found)), decided),
                        found => Done::Event(Event::Read(found.map(|(found, _)| found))),
                    }
                }));
            }
            Action::Ask(node) => {
                let asked = ask(self.shared, node, self.handed.id);
                work.push(Box::pin(async move { Done::Event(Event::Answered(asked.await)) }));
            }
            Action::Write(write) => {
                let written = self.write(course, write);
                work.push(Box::pin(async move {
                    match written.await {
                        (written @ Written::Stored(_), Record::Decided(decided)) => {
                            Done::Decided(Event::Written(written), decided)
                        }
                        (written, _) => Done::Event(Event::Written(written)),
                    }
                }));
            }
            Action::Renew => work.push(self.renew()),
            Action::Start { attempt } => {
                work.push(self.start(attempt, course.left(self.shared.cluster.0.now())));
            }
            Action::Kill => {
                tracing::warn!(job = %self.handed.id, "kills a job whose lease or record is lost");
                self.stop.send_replace(if self.decided.is_some() { Stop::All } else { Stop::Run });
                self.shared.engine.cancel(self.handed.id);
            }
            Action::Ack => {
                // Else the next delivery is the next try.
                if self.bury().await && self.discard_input().await {
                    self.link().tell(self.handed.reply.clone(), "+ACK".into()).await;
                }
            }
            Action::Nak(delay) => nak(self.link(), self.handed.reply.clone(), delay).await,
            Action::End(_) => {}
        }
    }

    /// Writes the dead letter of a job that failed for good. Returns whether the job may leave the queue.
    async fn bury(&mut self) -> bool {
        let Some(decided) = self.decided.as_ref().filter(|decided| dead::is_letter(&decided.end)) else {
            return true;
        };
        let Handed { id, names, order, priority, .. } = &self.handed;
        if let Some(input) = &order.large {
            let (from, cluster) = (self.input(), &self.shared.cluster.0);
            let to = Place { stream: cluster.namespace.dead(), subject: names.dead(*id) };
            let of = Of { job: *id, what: "input" };
            match payloads::copy(cluster, (&from, &to), of, input).await {
                Ok(()) => {}
                Err(Trouble::Away(_)) => return false,
                // Or the letter was written before, and the acknowledgement was lost.
                Err(Trouble::Damaged(damage)) => tracing::debug!(job = %id, %damage, "a dead letter"),
                Err(Trouble::Full(error)) => tracing::warn!(job = %id, %error, "failed to keep an input"),
            }
        }
        let letter = DeadLetter { order: order.clone(), priority: *priority, decided: decided.clone() };
        let Ok(body) = letter.seal() else {
            tracing::warn!(job = %id, "the names and the error of a dead job are too large for a dead letter");
            return true;
        };
        match self.link().publish(names.dead(*id), None, None, body).await {
            Ok(_) => true,
            Err(error @ LinkError::Refused { .. }) => {
                tracing::warn!(job = %id, %error, "failed to keep a dead letter");
                true
            }
            Err(_) => false,
        }
    }

    /// Removes a large input from its stream. Returns whether the job may leave the queue.
    async fn discard_input(&self) -> bool {
        if self.handed.order.large.is_none() {
            return true;
        }
        match payloads::purge(&self.shared.cluster.0, &self.input(), None).await {
            Ok(()) => true,
            Err(error @ LinkError::Refused { .. }) => {
                tracing::warn!(job = %self.handed.id, %error, "the input of an ended job is kept until it expires");
                true
            }
            Err(_) => false,
        }
    }

    fn input(&self) -> Place {
        let Handed { id, names, .. } = &self.handed;
        Place { stream: names.inputs(), subject: names.input(*id) }
    }

    /// Tells the front that there is an outcome. Removes the output of a run that does not count.
    async fn end(self, ending: Ending) {
        self.shared.count(ending);
        let output = self.result.as_ref().and_then(|(end, _)| end.large());
        if let (Ending::Late | Ending::Fenced, Some(output)) = (ending, output) {
            let Handed { id, names, .. } = &self.handed;
            let place = Place { stream: names.outputs(), subject: names.output(*id) };
            // Else it expires.
            let _ = payloads::purge(&self.shared.cluster.0, &place, Some(output.nonce)).await;
        }
        if let (Ending::Told | Ending::Decided, Some(front)) = (ending, self.handed.order.reply.clone()) {
            let hint = hint::seal(self.handed.id, self.decided.clone());
            self.link().tell(front, hint).await;
        }
    }

    fn ended(&mut self, end: Option<(End, Bytes)>, again: Option<Duration>) -> Event {
        let Some((end, output)) = end else { return Event::Refused };
        let is_killed = matches!(end, End::Cancelled { .. });
        self.result = Some((end, output));
        Event::Finished { is_killed, again }
    }

    fn write(
        &self,
        course: &Course,
        write: Write,
    ) -> impl Future<Output = (Written, Record)> + Send + use<'a> {
        let me = self.shared.id.clone();
        let decided =
            |attempt, end, output| Record::Decided(Decided { by: me.clone(), attempt, end, output });
        let (expect, record) = match write {
            Write::Claim { expect, attempt } => (expect, Record::Claimed(course.claim(attempt))),
            Write::Release { expect, attempt, due } => {
                (expect, Record::Released(Released { node: me.clone(), attempt, due }))
            }
            Write::Again { expect, attempt, due } => {
                (expect, Record::Released(Released { node: me.clone(), attempt, due: Some(due) }))
            }
            Write::HostLost { expect, claim } => {
                (expect, decided(claim.attempt, End::HostLost { node: claim.node }, Bytes::new()))
            }
            Write::Expired { expect, attempts } => {
                let (ran, limit) = (attempts > 0, self.handed.order.terms.timeout);
                (expect, decided(attempts, End::TimedOut { ran, limit }, Bytes::new()))
            }
            Write::Result { expect, attempt } => {
                let lost = || (End::Other { message: "its node has lost the result".into() }, Bytes::new());
                let (end, output) = self.result.clone().unwrap_or_else(lost);
                (expect, decided(attempt, end.after(attempt), output))
            }
        };
        let retain = self.shared.cluster.0.pools.get(&self.handed.pool).map(|(pool, _)| pool.retain);
        // Only an outcome expires: a claim stays until it has one.
        let ttl = retain.filter(|_| matches!(record, Record::Decided(_)));
        let (link, subject) = (self.link(), self.handed.names.record(self.handed.id));
        async move {
            let Ok(body) = record.seal() else { return (Written::Unknown, record) };
            let written = match link.publish(subject, Some(expect), ttl, body).await {
                Ok(seq) => Written::Stored(seq),
                Err(error) if error.is_conflict() => Written::Conflict,
                Err(_) => Written::Unknown,
            };
            (written, record)
        }
    }

    /// Renews by a request: its answer says that the server is there, and the record whose job it is.
    fn renew(&self) -> BoxFuture<'a, Done> {
        let (link, reply, cluster) = (self.link(), self.handed.reply.clone(), &self.shared.cluster.0);
        let read = read(link, self.handed.names.records(), self.handed.names.record(self.handed.id));
        Box::pin(async move {
            let sent = cluster.now();
            let renewed = link.request(reply, None, "+WPI".into(), link.patience).await;
            let found = if renewed.is_ok() { read.await } else { None };
            match found {
                Some((found, Some(decided))) => {
                    Done::Decided(Event::Renewed { sent, found: Some(found) }, decided)
                }
                found => Done::Event(Event::Renewed { sent, found: found.map(|(found, _)| found) }),
            }
        })
    }

    fn start(&self, attempt: u32, left: Duration) -> BoxFuture<'a, Done> {
        let Handed { id, pool, names, order, priority, .. } = &self.handed;
        let run = Run {
            shared: self.shared,
            id: *id,
            pool: pool.clone(),
            names: names.clone(),
            order: order.clone(),
            priority: *priority,
            attempt,
            deadline: self.shared.cluster.0.now() + left,
            stop: self.stop.subscribe(),
        };
        Box::pin(async move {
            match run.play().await {
                Some(Played { end, output, again }) => Done::Ended(Some((end, output)), again),
                None => Done::Ended(None, None),
            }
        })
    }
}

/// Reads a record, and the outcome if it has one. `None` if there was no answer.
async fn read(link: &Link, stream: String, subject: String) -> Option<(Found, Option<Decided>)> {
    let Some(stored) = link.last(&stream, &subject).await.ok()? else { return Some((Found::Nothing, None)) };
    let seq = stored.seq;
    Some(match Record::open(&stored.body) {
        Ok(Record::Claimed(claim)) => (Found::Claimed { seq, claim }, None),
        Ok(Record::Released(Released { attempt, due, .. })) => (Found::Released { seq, attempt, due }, None),
        Ok(Record::Decided(decided)) => {
            (Found::Decided { seq, by: decided.by.clone(), attempt: decided.attempt }, Some(decided))
        }
        Err(_) => (Found::Unreadable, None),
    })
}

/// Asks a node about a job.
async fn ask(shared: &Shared, node: NodeId, job: JobId) -> Answer {
    let (link, timings) = (&shared.cluster.0.link, shared.cluster.0.settings.timings);
    let subject = shared.cluster.0.namespace.control(node.as_str());
    match link.request(subject, None, job.to_string().into(), timings.ask).await {
        Ok(answer) if answer.payload == AT_IT => Answer::AtIt,
        Ok(_) => Answer::NotAtIt,
        // A node that has no connection for this time has killed the job.
        Err(_) if link.is_up_for(timings.fence) => Answer::Silent,
        Err(_) => Answer::Unsure,
    }
}
