//! A node: carries out the actions of its courses, as the real one does, over a network that loses and delays.

use crate::books::{Broken, Run};
use crate::outputs::Upload;
use crate::plan::Bug;
use crate::server::{Job, Outcome, Value};
use crate::world::{Input, Request, World};
use procpool_nats::course::{Action, Course, Delivery, Event, Write, Written};
use procpool_nats::decide::{Answer, Found};
use procpool_nats::wall::Wall;
use procpool_nats::{NodeId, Timings};
use procpool_registry::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// The clock of the server.
pub(crate) const WALL: Wall = Wall(1_796_026_612_000_000_000);

#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Found(Found),
    Written(Option<u64>),
    /// A chunk is there.
    Stored,
    Delivered {
        job: Job,
        sent: Time,
        deliveries: u32,
    },
    Answer(Answer),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    Chunk { run: u64, nth: u32 },
    Read,
    Write,
    Ask,
    Renew,
    Pull,
}

#[derive(Debug)]
pub(crate) struct Held {
    course: Course,
    deliveries: u32,
    run: Option<u64>,
    /// Whether it knows that the job has its outcome.
    is_decided: bool,
    pub(crate) upload: Option<Upload>,
    /// The run has no output: it has failed, or its output could not be stored.
    pub(crate) has_failed: bool,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) life: u32,
    pub(crate) is_dead: bool,
    pub(crate) is_stopped: bool,
    pub(crate) is_cut_off: bool,
    /// When a fault last began or ended here.
    pub(crate) disturbed: Time,
    /// When it was last stopped or continued.
    pub(crate) stopped: Option<Time>,
    pub(crate) held: BTreeMap<Job, Held>,
    pub(crate) pending: BTreeMap<u64, (Job, Asked, Time)>,
    pub(crate) pull: Option<u64>,
    /// Inputs that came while it was stopped.
    pub(crate) backlog: Vec<Input>,
}

impl Node {
    pub(crate) fn new(nth: usize, life: u32) -> Self {
        Self {
            id: NodeId::new("n", (nth as u64) << 32 | u64::from(life)),
            life,
            is_dead: false,
            is_stopped: false,
            is_cut_off: false,
            disturbed: Time::ZERO,
            stopped: None,
            held: BTreeMap::new(),
            pending: BTreeMap::new(),
            pull: None,
            backlog: Vec::new(),
        }
    }

    pub(crate) fn is_at_it(&self, job: Job) -> bool {
        self.held.get(&job).is_some_and(|held| held.course.is_at_it())
    }
}

impl World {
    pub(crate) fn at_node(&mut self, node: usize, life: u32, input: Input) -> Result<(), Broken> {
        let it = &mut self.nodes[node];
        if it.life != life || it.is_dead {
            return Ok(());
        }
        // A worker ends whether its node is stopped or not.
        if let Input::Ended { job, run, .. } = input {
            self.books.ended(job, run);
        }
        if it.is_stopped {
            it.backlog.push(input);
            return Ok(());
        }
        match input {
            Input::Reply { tag: 0, reply: Reply::Delivered { job, sent, deliveries } } => {
                self.delivered(node, job, sent, deliveries)
            }
            Input::Reply { tag, reply } => {
                if let Reply::Answer(_) | Reply::Found(_) | Reply::Written(_) | Reply::Stored = reply
                    && let Some((job, asked, sent)) = self.nodes[node].pending.remove(&tag)
                {
                    if let Asked::Chunk { run, nth } = asked {
                        return self.chunk(node, job, (run, nth), Some(&reply));
                    }
                    return self.feed(node, job, event(asked, Some(reply), sent));
                }
                Ok(())
            }
            Input::Timeout { tag } => {
                let Some((job, asked, sent)) = self.nodes[node].pending.remove(&tag) else { return Ok(()) };
                if let Asked::Chunk { run, nth } = asked {
                    return self.chunk(node, job, (run, nth), None);
                }
                if let Asked::Pull = asked {
                    self.nodes[node].pull = None;
                    self.deliver_to(node, Duration::from_millis(20), Input::Pull);
                    return Ok(());
                }
                let is_back = self.now.since(self.server_disturbed) < Timings::default().fence;
                match asked {
                    // Others may still be on their way back to the server.
                    Asked::Ask if is_back => self.feed(node, job, Event::Answered(Answer::Unsure)),
                    _ => self.feed(node, job, event(asked, None, sent)),
                }
            }
            Input::Asked { from, life, tag, job } => {
                let answer = if self.nodes[node].is_at_it(job) { Answer::AtIt } else { Answer::NotAtIt };
                self.reply(from, life, tag, Reply::Answer(answer));
                Ok(())
            }
            Input::Tick { job } => self.feed(node, job, Event::Tick),
            Input::Ended { job, run, is_killed, again } => {
                let is_current = self.nodes[node].held.get(&job).is_some_and(|held| held.run == Some(run));
                if let Some(held) = self.nodes[node].held.get_mut(&job).filter(|_| is_current) {
                    held.has_failed |= again.is_some();
                }
                match is_killed || again.is_some() {
                    _ if !is_current => Ok(()),
                    true => self.feed(node, job, Event::Finished { is_killed, again }),
                    false => self.ended_well(node, job, run),
                }
            }
            Input::Upload { job } => self.upload(node, job),
            Input::Pull => {
                self.pull(node);
                Ok(())
            }
        }
    }

    fn pull(&mut self, node: usize) {
        let (now, slots) = (self.now, self.plan.slots);
        let it = &self.nodes[node];
        if it.pull.is_some() {
            return;
        }
        let free = slots.saturating_sub(it.held.len());
        if free == 0 || it.held.values().any(|held| held.course.is_shaky(now)) {
            return self.deliver_to(node, Duration::from_millis(100), Input::Pull);
        }
        let tag = self.ask(node, 0, Asked::Pull, Duration::from_millis(2_500));
        self.nodes[node].pull = Some(tag);
        self.send(node, tag, Request::Pull { count: free });
    }

    fn delivered(&mut self, node: usize, job: Job, sent: Time, deliveries: u32) -> Result<(), Broken> {
        let timings = Timings::default();
        let (terms, requested, is_first) = (self.books.entry(job).terms, sent, deliveries == 1);
        let (wall, mut due) = (WALL, WALL.millis(self.books.entry(job).first));
        if self.bug == Some(Bug::NoDelay) {
            due = due.min(WALL.millis(self.now));
        }
        let it = &mut self.nodes[node];
        if it.held.contains_key(&job) {
            self.send(node, 0, Request::Nak { job, delay: timings.lease });
            return Ok(());
        }
        self.tags += 1;
        let (me, nonce) = (it.id.clone(), self.tags);
        let (course, first) = Course::new(
            self.now,
            Delivery {
                me,
                nonce,
                terms,
                timings,
                requested,
                wall,
                due,
                has_delay: true,
                fits: true,
                is_first,
            },
        );
        let held = Held { course, deliveries, run: None, is_decided: false, upload: None, has_failed: false };
        it.held.insert(job, held);
        self.act(node, job, first)
    }

    fn forgetful(&self, event: Event) -> Event {
        match event {
            Event::Read(Some(Found::Released { seq, attempt, .. }))
                if self.bug == Some(Bug::ForgetsAgain) =>
            {
                Event::Read(Some(Found::Released { seq, attempt, due: None }))
            }
            event => event,
        }
    }

    /// Gives an event to a course, and carries out what follows.
    pub(crate) fn feed(&mut self, node: usize, job: Job, event: Event) -> Result<(), Broken> {
        let (now, event) = (self.now, self.forgetful(event));
        let Some(held) = self.nodes[node].held.get_mut(&job) else { return Ok(()) };
        match &event {
            Event::Answered(Answer::AtIt) => self.books.coverage.met("AtIt"),
            Event::Answered(Answer::NotAtIt) => self.books.coverage.met("NotAtIt"),
            Event::Answered(Answer::Silent) => self.books.coverage.met("Silent"),
            Event::Answered(Answer::Unsure) => self.books.coverage.met("Unsure"),
            Event::Written(Written::Unknown) => self.books.coverage.met("unknown write"),
            Event::Read(Some(Found::Decided { .. }))
            | Event::Renewed { found: Some(Found::Decided { .. }), .. } => held.is_decided = true,
            _ => {}
        }
        for action in held.course.handle(now, event) {
            self.act(node, job, action)?;
        }
        if let Some(at) = self.nodes[node].held.get(&job).and_then(|held| held.course.timeout()) {
            self.deliver_to(node, at.since(now), Input::Tick { job });
        }
        Ok(())
    }

    fn act(&mut self, node: usize, job: Job, action: Action) -> Result<(), Broken> {
        let id = self.nodes[node].id.clone();
        self.note(format!("{id} does {action:?} of job {job}"));
        let patience = Duration::from_secs(2);
        match action {
            Action::Read => {
                let tag = self.ask(node, job, Asked::Read, patience);
                self.send(node, tag, Request::Read { job });
            }
            Action::Ask(_) if self.bug == Some(Bug::LostWithoutAsking) => {
                return self.feed(node, job, Event::Answered(Answer::Silent));
            }
            Action::Ask(asked) => {
                let tag = self.ask(node, job, Asked::Ask, Timings::default().ask);
                self.send(node, tag, Request::Ask { job, node: asked });
            }
            Action::Write(write) => {
                let (mut expect, value) = self.value(node, job, write);
                if self.bug == Some(Bug::ClaimWithoutCompare) && matches!(value, Value::Claim(_)) {
                    expect = None;
                }
                let tag = self.ask(node, job, Asked::Write, patience);
                self.send(node, tag, Request::Write { job, expect, value });
            }
            Action::Renew => {
                let tag = self.ask(node, job, Asked::Renew, Duration::from_secs(8));
                self.send(node, tag, Request::Renew { job });
            }
            Action::Start { attempt } => return self.start(node, job, attempt),
            Action::Kill if self.bug == Some(Bug::NoFence) => {}
            // The job has ended, and its output goes on to be stored, unless there is another outcome.
            Action::Kill if self.nodes[node].held.get(&job).is_some_and(|held| held.upload.is_some()) => {
                if self.nodes[node].held[&job].is_decided && self.stop_upload(node, job) {
                    return self.feed(node, job, Event::Finished { is_killed: true, again: None });
                }
            }
            Action::Kill => {
                if let Some(run) = self.nodes[node].held.get(&job).and_then(|held| held.run) {
                    let delay = self.random.millis(0, 1_000);
                    self.deliver_to(node, delay, Input::Ended { job, run, is_killed: true, again: None });
                }
            }
            Action::Ack => self.send(node, 0, Request::Ack { job }),
            Action::Nak(delay) => {
                if self.now < self.books.entry(job).due {
                    self.books.coverage.met("not yet");
                    if self.bug == Some(Bug::DropsWaiting) {
                        self.send(node, 0, Request::Ack { job });
                    }
                }
                self.send(node, 0, Request::Nak { job, delay });
            }
            Action::End(ending) => {
                let case: &'static str = match format!("{ending:?}").as_str() {
                    "Told" => "Told",
                    "Late" => "Late",
                    "Decided" => "Decided",
                    "Known" => "Known",
                    "Left" => "Left",
                    "Fenced" => "Fenced",
                    _ => "GaveUp",
                };
                self.books.coverage.met(case);
                self.nodes[node].held.remove(&job);
            }
        }
        Ok(())
    }

    fn value(&mut self, node: usize, job: Job, write: Write) -> (Option<u64>, Value) {
        let it = &self.nodes[node];
        let by = it.id.clone();
        let outcome = |what, attempt| Value::Outcome { by: by.clone(), attempt, what };
        let (expect, value) = match write {
            Write::Claim { expect, attempt } => {
                let held = &it.held[&job];
                let is_counted = self.bug == Some(Bug::AttemptByDelivery);
                (expect, Value::Claim(held.course.claim(if is_counted { held.deliveries } else { attempt })))
            }
            Write::Release { expect, attempt, due } => (expect, Value::Release { attempt, due }),
            Write::Again { expect, attempt, due } => {
                let is_counted = self.bug != Some(Bug::AgainCountsNothing);
                (expect, Value::Again { attempt: attempt - u32::from(!is_counted), due })
            }
            Write::HostLost { expect, claim } => (expect, outcome(Outcome::HostLost, claim.attempt)),
            Write::Expired { expect, .. } => (expect, outcome(Outcome::Expired, 0)),
            Write::Result { expect, attempt } => {
                let held = &it.held[&job];
                let is_large = self.books.jobs[&job].is_large && !held.has_failed;
                let output = if is_large { held.run } else { None };
                (expect, outcome(Outcome::Result { output }, attempt))
            }
        };
        (Some(expect), value)
    }

    fn start(&mut self, node: usize, job: Job, attempt: u32) -> Result<(), Broken> {
        if self.plan.has_refusals && self.random.happens(100) {
            return self.feed(node, job, Event::Refused);
        }
        self.tags += 1;
        let (number, life) = (self.tags, self.nodes[node].life);
        let (now, nodes) = (self.now, &self.nodes);
        // A stopped process cannot kill. Nor can it for as long as a kill takes after it goes on.
        let is_excused = |run: &Run| {
            nodes[run.node].stopped.is_some_and(|at| now.since(at) < Duration::from_secs(25))
                || nodes[run.node].is_stopped
        };
        self.books.started(job, Run { number, node, life }, now, &self.plan, is_excused)?;
        self.nodes[node].held.get_mut(&job).expect("it has a course").run = Some(number);
        let time = if self.random.happens(300) {
            self.random.millis(5_000, 40_000)
        } else {
            self.random.millis(1, 3_000)
        };
        let retry = self.books.entry(job).terms.retry;
        let again = retry.filter(|_| self.random.happens(600)).map(|retry| retry.wait(attempt, 0.0));
        self.deliver_to(node, time, Input::Ended { job, run: number, is_killed: false, again });
        if self.bug == Some(Bug::AckBeforeOutcome) {
            self.send(node, 0, Request::Ack { job });
        }
        Ok(())
    }

    pub(crate) fn ask(&mut self, node: usize, job: Job, asked: Asked, patience: Duration) -> u64 {
        self.tags += 1;
        let tag = self.tags;
        self.nodes[node].pending.insert(tag, (job, asked, self.now));
        self.deliver_to(node, patience, Input::Timeout { tag });
        tag
    }
}

/// Returns the event for an answer, or for its absence.
fn event(asked: Asked, reply: Option<Reply>, sent: Time) -> Event {
    match (asked, reply) {
        (Asked::Read, Some(Reply::Found(found))) => Event::Read(Some(found)),
        (Asked::Read, _) => Event::Read(None),
        (Asked::Write, Some(Reply::Written(Some(seq)))) => Event::Written(Written::Stored(seq)),
        (Asked::Write, Some(Reply::Written(None))) => Event::Written(Written::Conflict),
        (Asked::Write, _) => Event::Written(Written::Unknown),
        (Asked::Ask, Some(Reply::Answer(answer))) => Event::Answered(answer),
        (Asked::Ask, _) => Event::Answered(Answer::Silent),
        (Asked::Renew, Some(Reply::Found(found))) => Event::Renewed { sent, found: Some(found) },
        (Asked::Renew, _) => Event::Renewed { sent, found: None },
        (Asked::Pull | Asked::Chunk { .. }, _) => Event::Tick,
    }
}
