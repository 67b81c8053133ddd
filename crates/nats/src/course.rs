//! [`Course`]: the steps of a node for one delivered job, from the first look at its record to its end. A pure
//! state machine: the node and the simulator carry out its actions.
//!
//! ```text
//!  Reading ──► Asking ──► Writing(claim) ──► Running ──► Writing(result) ──► Ended
//!     │           │            │ unknown        │ lease lost     │ unknown, conflict
//!     └───────────┴──► …       └──► Reading     └──► Fenced      └──► Reading
//! ```
//!
//! The first delivery of a job begins with the claim, unless the job waits for its time. A failure that is worth another
//! attempt ends with Writing(again) in place of the result.

pub use crate::action::{Action, Ending, Event, Write, Written};
use crate::decide::{self, Answer, Found, Step};
use crate::lease::{self, Lease};
use crate::node_id::NodeId;
use crate::order::Terms;
use crate::record::Claim;
use crate::times::Times;
use crate::timings::Timings;
use crate::wall::Wall;
use procpool_registry::Time;
use std::time::Duration;

/// Time after which a job is looked at again that only a newer build can read, or only workers of another contract run.
const FOREIGN: Duration = Duration::from_secs(30);

/// A job that the server has handed to this node.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// This node.
    pub me: NodeId,
    /// A number that this node has not used for another delivery.
    pub nonce: u64,
    /// The terms of the job.
    pub terms: Terms,
    /// The times of leases.
    pub timings: Timings,
    /// When this node asked for jobs. The lease counts from here.
    pub requested: Time,
    /// The clock of the server that has the queue.
    pub wall: Wall,
    /// When the job may start first, by that clock, in milliseconds since 1970.
    pub due: u64,
    /// Whether it was to wait for that time.
    pub has_delay: bool,
    /// Whether the workers of this node have the contract of the job. It does not start here else.
    pub fits: bool,
    /// Whether nobody had it before. It is claimed without a look at its record, which nearly always is none.
    pub is_first: bool,
}

/// The life of one delivery on this node. A node has at most one course of a job at a time.
#[derive(Clone, Debug)]
pub struct Course {
    me: NodeId,
    nonce: u64,
    terms: Terms,
    timings: Timings,
    times: Times,
    fits: bool,
    lease: Lease,
    state: State,
    /// When to try again after an error.
    retry: Option<Time>,
    tries: u32,
    /// Since when the result waits for the server.
    offered: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Reading(After),
    Asking { seq: u64, claim: Claim },
    Writing(Write),
    Running { seq: u64, attempt: u32 },
    Fenced { seq: u64, attempt: u32, is_decided: bool },
    Ended,
}

/// Why the record is read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum After {
    /// To decide about a delivery.
    Delivery,
    /// It is not known whether the claim was stored.
    Claim { attempt: u32 },
    /// It is not known whether the result was stored, or it was not.
    Result { expect: u64, attempt: u32 },
    /// The same of the wish for another attempt.
    Again { expect: u64, attempt: u32, due: u64 },
}

impl Course {
    /// Returns the course of a delivery, with its first action.
    #[must_use]
    pub fn new(now: Time, delivery: Delivery) -> (Self, Action) {
        let Delivery { me, nonce, terms, timings, requested, wall, due, has_delay, fits, is_first } =
            delivery;
        let (retry, tries, offered, lease) = (None, 0, None, Lease::new(timings, requested));
        let (times, state) = (Times::new(wall, due, has_delay, &terms), State::Reading(After::Delivery));
        let mut course = Self { me, nonce, terms, timings, times, fits, lease, state, retry, tries, offered };
        if is_first && fits && times.wait(now).is_zero() && !times.has_expired(now) {
            let claim = Write::Claim { expect: 0, attempt: 1 };
            course.state = State::Writing(claim.clone());
            return (course, Action::Write(claim));
        }
        (course, Action::Read)
    }

    /// Returns the claim of this course with this number of an attempt.
    #[must_use]
    pub fn claim(&self, attempt: u32) -> Claim {
        let (lease, due) = (self.timings.lease, self.times.of_attempt);
        Claim { node: self.me.clone(), attempt, nonce: self.nonce, lease, due }
    }

    /// Returns what is left of the job's time.
    #[must_use]
    pub fn left(&self, now: Time) -> Duration {
        self.times.left(now)
    }

    /// Returns whether this node may run the job, or holds its result. The answer to another node that asks.
    #[must_use]
    pub fn is_at_it(&self) -> bool {
        match &self.state {
            State::Running { .. } | State::Fenced { .. } => true,
            State::Writing(write) => !matches!(write, Write::HostLost { .. } | Write::Expired { .. }),
            State::Reading(after) => *after != After::Delivery,
            State::Asking { .. } | State::Ended => false,
        }
    }

    /// Returns whether the job runs and its lease is not confirmed as it should be. A node with such a job requests no
    /// further ones.
    #[must_use]
    pub fn is_shaky(&self, now: Time) -> bool {
        match self.state {
            State::Running { .. } => !self.lease.is_fresh(now),
            State::Fenced { is_decided, .. } => !is_decided,
            _ => self.offered.is_some() && self.tries > 0,
        }
    }

    /// Returns when to tick.
    #[must_use]
    pub fn timeout(&self) -> Option<Time> {
        match self.state {
            State::Running { .. } => self.lease.timeout(),
            _ => self.retry,
        }
    }

    /// Takes an event. An event that does not fit the state changes nothing.
    pub fn handle(&mut self, now: Time, event: Event) -> Vec<Action> {
        match (self.state.clone(), event) {
            (State::Reading(after), Event::Read(Some(found))) => self.read(now, &after, &found),
            (State::Reading(_), Event::Read(None)) => self.again(now),
            (State::Reading(_), Event::Tick) if self.retry.is_some_and(|at| now >= at) => {
                self.retry = None;
                vec![Action::Read]
            }
            (State::Asking { seq, claim }, Event::Answered(answer)) => {
                self.answered(now, seq, &claim, answer)
            }
            (State::Writing(write), Event::Written(written)) => self.written(now, write, written),
            (State::Running { seq, attempt }, Event::Renewed { sent, found }) => {
                self.renewed(now, seq, attempt, sent, found.as_ref())
            }
            (State::Running { seq, attempt }, Event::Tick) => {
                self.leased(now, seq, attempt, lease::Event::Tick)
            }
            (State::Running { .. }, Event::Look) => vec![Action::Renew],
            (State::Running { seq, attempt }, Event::Finished { again, .. }) => {
                self.finished(now, seq, attempt, again)
            }
            (State::Running { seq, attempt }, Event::Refused) => self.release(seq, attempt),
            (State::Fenced { is_decided: true, .. }, Event::Finished { .. } | Event::Refused) => {
                self.end(Some(Action::Ack), Ending::Late)
            }
            // It ended just before the kill. The record decides whether that counts.
            (State::Fenced { seq, attempt, .. }, Event::Finished { is_killed: false, again }) => {
                self.finished(now, seq, attempt, again)
            }
            (State::Fenced { .. }, Event::Finished { .. } | Event::Refused) => self.end(None, Ending::Fenced),
            _ => Vec::new(),
        }
    }

    fn read(&mut self, now: Time, after: &After, found: &Found) -> Vec<Action> {
        match *after {
            After::Claim { attempt } if self.is_mine(found) => self.claimed(now, found.expected(), attempt),
            After::Delivery | After::Claim { .. } => {
                self.times.of_attempt = found.due();
                let (wait, has_expired) = (self.times.wait(now), self.times.has_expired(now));
                self.decide(now, decide::on_delivery(found, wait, has_expired, self.fits))
            }
            After::Result { expect, attempt } => match found {
                Found::Decided { by, attempt: last, .. } if *by == self.me && *last == attempt => {
                    self.end(Some(Action::Ack), Ending::Told)
                }
                Found::Decided { .. } => self.end(Some(Action::Ack), Ending::Late),
                found if found.expected() > expect => self.end(None, Ending::Late),
                found if found.expected() == expect => self.write(Write::Result { expect, attempt }),
                // An old copy: the record cannot have gone back.
                _ => self.again(now),
            },
            After::Again { expect, attempt, due } => match found {
                Found::Decided { .. } => self.end(Some(Action::Ack), Ending::Late),
                // It was stored after all.
                Found::Released { seq, attempt: next, due: at } if *seq > expect => {
                    let wait = self.times.until(at.unwrap_or_default(), now);
                    let is_ours = (*next, *at) == (attempt, Some(due));
                    self.end(is_ours.then_some(Action::Nak(wait)), Ending::Left)
                }
                found if found.expected() > expect => self.end(None, Ending::Late),
                found if found.expected() == expect => self.write(Write::Again { expect, attempt, due }),
                _ => self.again(now),
            },
        }
    }

    /// Returns whether this course wrote the record. An earlier course of the job on this node may have run it.
    fn is_mine(&self, found: &Found) -> bool {
        matches!(found, Found::Claimed { claim, .. } if claim.node == self.me && claim.nonce == self.nonce)
    }

    fn decide(&mut self, now: Time, step: Step) -> Vec<Action> {
        match step {
            // After the fence, another node may have the job.
            Step::Claim { .. } if !self.lease.holds(now) => self.end(None, Ending::GaveUp),
            Step::Claim { expect, attempt } => self.write(Write::Claim { expect, attempt }),
            // Only this course of the job is on this node, and it has not started: an earlier one has ended.
            Step::Ask { seq, claim } if claim.node == self.me => {
                self.answered(now, seq, &claim, Answer::NotAtIt)
            }
            Step::Ask { seq, claim } => {
                let node = claim.node.clone();
                self.state = State::Asking { seq, claim };
                vec![Action::Ask(node)]
            }
            Step::HostLost { expect, claim } => self.write(Write::HostLost { expect, claim }),
            Step::Expire { expect, attempts } => self.write(Write::Expired { expect, attempts }),
            Step::Ack => self.end(Some(Action::Ack), Ending::Known),
            // Not sooner: the node that runs it may lose its network now, and needs its lease to kill the job.
            Step::Later => self.end(Some(Action::Nak(self.timings.lease)), Ending::Left),
            // The server keeps the time of the next delivery. One that comes early is returned again.
            Step::NotYet(wait) => self.end(Some(Action::Nak(wait)), Ending::Left),
            Step::Foreign => {
                // When its time is up, any node may say so.
                let left = self.left(now);
                let pause = if left.is_zero() { FOREIGN } else { FOREIGN.min(left) };
                self.end(Some(Action::Nak(pause)), Ending::Left)
            }
        }
    }

    fn answered(&mut self, now: Time, seq: u64, claim: &Claim, answer: Answer) -> Vec<Action> {
        let has_expired = self.times.has_expired(now);
        self.decide(now, decide::on_answer(seq, claim, &self.terms, answer, has_expired, self.fits))
    }

    fn written(&mut self, now: Time, write: Write, written: Written) -> Vec<Action> {
        match (write, written) {
            (Write::Claim { attempt, .. }, Written::Stored(seq)) => self.claimed(now, seq, attempt),
            // Also a conflict may be with this very claim, of which a copy knew nothing yet.
            (Write::Claim { attempt, .. }, Written::Unknown | Written::Conflict) => {
                self.look_again(now, After::Claim { attempt })
            }
            (Write::Result { .. }, Written::Stored(_)) => self.end(Some(Action::Ack), Ending::Told),
            (Write::Result { expect, attempt }, _) => self.look_again(now, After::Result { expect, attempt }),
            (Write::Release { .. }, Written::Stored(_)) => {
                self.end(Some(Action::Nak(self.timings.returned)), Ending::Left)
            }
            (Write::Again { due, .. }, Written::Stored(_)) => {
                self.end(Some(Action::Nak(self.times.until(due, now))), Ending::Left)
            }
            (Write::Again { expect, attempt, due }, _) => {
                self.look_again(now, After::Again { expect, attempt, due })
            }
            // It has not started. So the next node to look finds that this one is not at it.
            (Write::Release { .. }, _) => self.end(None, Ending::GaveUp),
            (Write::HostLost { .. } | Write::Expired { .. }, Written::Stored(_)) => {
                self.end(Some(Action::Ack), Ending::Decided)
            }
            (_, Written::Conflict) => self.read_now(After::Delivery),
            (_, Written::Unknown) => self.look_again(now, After::Delivery),
        }
    }

    /// The claim is in the record. The job starts unless the node came too late for that.
    fn claimed(&mut self, now: Time, seq: u64, attempt: u32) -> Vec<Action> {
        if !self.lease.holds(now) || self.times.has_expired(now) {
            return self.release(seq, attempt);
        }
        self.tries = 0;
        self.state = State::Running { seq, attempt };
        vec![Action::Start { attempt }]
    }

    fn renewed(
        &mut self,
        now: Time,
        seq: u64,
        attempt: u32,
        sent: Time,
        found: Option<&Found>,
    ) -> Vec<Action> {
        match found {
            Some(Found::Decided { .. }) => self.fence(seq, attempt, true),
            Some(found) if found.expected() > seq => self.fence(seq, attempt, false),
            Some(found) if found.expected() == seq => {
                self.leased(now, seq, attempt, lease::Event::Confirmed { sent })
            }
            // No answer, or an old copy of the record.
            _ => self.leased(now, seq, attempt, lease::Event::Failed),
        }
    }

    fn leased(&mut self, now: Time, seq: u64, attempt: u32, event: lease::Event) -> Vec<Action> {
        match self.lease.handle(now, event) {
            Some(lease::Action::Renew) => vec![Action::Renew],
            Some(lease::Action::Kill) => self.fence(seq, attempt, false),
            None => Vec::new(),
        }
    }

    fn fence(&mut self, seq: u64, attempt: u32, is_decided: bool) -> Vec<Action> {
        self.state = State::Fenced { seq, attempt, is_decided };
        vec![Action::Kill]
    }

    /// The job has ended here. Its end is the outcome, unless another attempt follows.
    fn finished(&mut self, now: Time, expect: u64, attempt: u32, again: Option<Duration>) -> Vec<Action> {
        self.offered = Some(now);
        let again = again.filter(|_| decide::on_failure(attempt, &self.terms));
        self.write(match again.and_then(|wait| self.times.next(now, wait)) {
            Some(due) => Write::Again { expect, attempt: attempt + 1, due },
            None => Write::Result { expect, attempt },
        })
    }

    fn release(&mut self, expect: u64, attempt: u32) -> Vec<Action> {
        self.write(Write::Release { expect, attempt, due: self.times.of_attempt })
    }

    fn write(&mut self, write: Write) -> Vec<Action> {
        self.state = State::Writing(write.clone());
        vec![Action::Write(write)]
    }

    fn read_now(&mut self, after: After) -> Vec<Action> {
        self.state = State::Reading(after);
        vec![Action::Read]
    }

    fn look_again(&mut self, now: Time, after: After) -> Vec<Action> {
        self.state = State::Reading(after);
        self.again(now)
    }

    /// Reads again after a pause, unless it took too long already.
    fn again(&mut self, now: Time) -> Vec<Action> {
        let gives_up = match self.offered {
            Some(since) => now >= since + self.timings.offer,
            None => !self.lease.holds(now),
        };
        if gives_up {
            return self.end(None, Ending::GaveUp);
        }
        self.retry = Some(now + self.timings.pause_after(self.tries));
        self.tries = self.tries.saturating_add(1);
        Vec::new()
    }

    fn end(&mut self, last: Option<Action>, ending: Ending) -> Vec<Action> {
        (self.state, self.retry) = (State::Ended, None);
        last.into_iter().chain([Action::End(ending)]).collect()
    }
}
