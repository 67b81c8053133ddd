//! Virtual time, the network and the fronts. Nodes are in `node.rs`, the server in `server.rs`.

use crate::books::{Books, Broken};
use crate::faults::{self, Fault, PEACE};
use crate::node::{Node, Reply};
use crate::outputs::CHUNKS;
use crate::plan::{Bug, Plan};
use crate::random::Random;
use crate::server::{Job, Outcome, Pull, Server, Value};
use procpool_nats::NodeId;
use procpool_nats::decide::Found;
use procpool_nats::order::Terms;
use procpool_nats::retry::Retry;
use procpool_registry::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// When the play ends: every job has its outcome long before.
const END: Duration = Duration::from_secs(500);

/// A message of a node or a front to the server.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Read {
        job: Job,
    },
    Write {
        job: Job,
        expect: Option<u64>,
        value: Value,
    },
    Renew {
        job: Job,
    },
    Ack {
        job: Job,
    },
    Nak {
        job: Job,
        delay: Duration,
    },
    Pull {
        count: usize,
    },
    /// A part of the output of a run.
    Chunk {
        run: u64,
        nth: u32,
    },
    /// Passed on to a node.
    Ask {
        job: Job,
        node: NodeId,
    },
}

/// Something that will happen.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    AtServer { node: usize, life: u32, server_life: u32, tag: u64, sent: Time, request: Request },
    AtNode { node: usize, life: u32, input: Input },
    Due,
    Accept(Job),
    Cancel(Job),
    Fault(Fault),
}

/// An event that reaches a node.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Reply { tag: u64, reply: Reply },
    Timeout { tag: u64 },
    Asked { from: usize, life: u32, tag: u64, job: Job },
    Tick { job: Job },
    Ended { job: Job, run: u64, is_killed: bool, again: Option<Duration> },
    Upload { job: Job },
    Pull,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) bug: Option<Bug>,
    pub(crate) now: Time,
    pub(crate) random: Random,
    pub(crate) server: Server,
    pub(crate) nodes: Vec<Node>,
    pub(crate) books: Books,
    pub(crate) tags: u64,
    /// When the server or its network was last disturbed.
    pub(crate) server_disturbed: Time,
    agenda: BTreeMap<(Time, u64), Next>,
    entries: u64,
    due: Option<Time>,
    lines: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random);
        let mut world = Self {
            bug,
            now: Time::ZERO + Duration::from_secs(1),
            server: Server::new(),
            nodes: Vec::new(),
            books: Books::default(),
            tags: 0,
            server_disturbed: Time::ZERO,
            agenda: BTreeMap::new(),
            entries: 0,
            due: None,
            lines: Vec::new(),
            plan,
            random,
        };
        for node in 0..world.plan.nodes {
            world.nodes.push(Node::new(node, 0));
            world.deliver_to(node, Duration::from_millis(1), Input::Pull);
        }
        for job in 1..=world.plan.jobs {
            let at = world.random.millis(1, 80_000);
            let timeout = if world.random.happens(150) {
                world.random.millis(2_000, 9_000)
            } else {
                Duration::from_secs(300)
            };
            let terms = Terms {
                idempotent: world.random.happens(500),
                attempts: 1 + world.random.below(3) as u32,
                timeout,
                retry: None,
            };
            let terms = match world.plan.has_retries && world.random.happens(500) {
                true => Terms { retry: Some(world.retry()), ..terms },
                false => terms,
            };
            let delay = match world.plan.has_delays && world.random.happens(400) {
                true => world.random.millis(1, 40_000),
                false => Duration::ZERO,
            };
            let due = world.now + at + delay;
            let is_large = world.random.happens(400);
            world.books.open(job, terms, due, is_large);
            world.after(at, Next::Accept(job));
            if world.plan.has_cancels && world.random.happens(300) {
                let later = at + world.random.millis(1, 30_000);
                world.after(later, Next::Cancel(job));
            }
        }
        for (at, fault) in faults::draw(&world.plan, &mut world.random) {
            world.after(at, Next::Fault(fault));
        }
        world
    }

    fn retry(&mut self) -> Retry {
        let first = self.random.millis(1, 5_000);
        Retry {
            attempts: 2 + self.random.below(2) as u32,
            first,
            factor: 2.0,
            max: first * 3,
            whole: self.random.happens(500),
        }
    }

    pub(crate) fn play(&mut self) -> Result<(), Broken> {
        let end = Time::ZERO + END;
        while let Some((&key, _)) = self.agenda.first_key_value() {
            if key.0 >= end {
                break;
            }
            let next = self.agenda.remove(&key).expect("it was just there");
            self.now = key.0;
            if self.is_peace() {
                (self.plan.loss, self.plan.has_stalls) = (0, false);
            }
            self.happen(next)?;
        }
        self.books.close(self.server.waiting(), END)
    }

    pub(crate) fn is_peace(&self) -> bool {
        self.now > Time::ZERO + PEACE
    }

    pub(crate) fn journal(&self, lines: usize) -> String {
        self.lines[self.lines.len().saturating_sub(lines)..].join("\n")
    }

    pub(crate) fn note(&mut self, line: String) {
        let seconds = self.now.as_nanos() as f64 / 1e9;
        self.lines.push(format!("{seconds:8.3} {line}"));
    }

    pub(crate) fn after(&mut self, delay: Duration, next: Next) {
        self.entries += 1;
        self.agenda.insert((self.now + delay, self.entries), next);
    }

    pub(crate) fn deliver_to(&mut self, node: usize, delay: Duration, input: Input) {
        let life = self.nodes[node].life;
        self.after(delay, Next::AtNode { node, life, input });
    }

    /// Returns how long a message is on its way, or `None` if it is lost.
    pub(crate) fn way(&mut self) -> Option<Duration> {
        if self.random.happens(self.plan.loss) {
            return None;
        }
        let is_stalled = self.plan.has_stalls && self.random.happens(20);
        Some(if is_stalled { self.random.millis(0, 7_000) } else { self.random.millis(0, self.plan.latency) })
    }

    pub(crate) fn send(&mut self, node: usize, tag: u64, request: Request) {
        let Some(way) = self.way() else { return };
        if self.nodes[node].is_cut_off {
            return;
        }
        let (life, server_life, sent) = (self.nodes[node].life, self.server.life, self.now);
        self.after(way, Next::AtServer { node, life, server_life, tag, sent, request });
    }

    pub(crate) fn reply(&mut self, node: usize, life: u32, tag: u64, reply: Reply) {
        let Some(way) = self.way() else { return };
        if !self.nodes[node].is_cut_off {
            self.after(way, Next::AtNode { node, life, input: Input::Reply { tag, reply } });
        }
    }

    fn happen(&mut self, next: Next) -> Result<(), Broken> {
        match next {
            Next::AtServer { node, life, server_life, tag, sent, request } => {
                let arrives =
                    self.server.is_up && server_life == self.server.life && !self.nodes[node].is_cut_off;
                if arrives {
                    self.serve(node, life, tag, sent, request)?;
                    self.hand_out();
                }
            }
            Next::AtNode { node, life, input } => self.at_node(node, life, input)?,
            Next::Due => {
                self.due = None;
                self.hand_out();
            }
            Next::Accept(job) => self.accept(job),
            Next::Cancel(job) => self.cancel(job)?,
            Next::Fault(fault) => self.strike(fault)?,
        }
        Ok(())
    }

    fn serve(
        &mut self,
        node: usize,
        life: u32,
        tag: u64,
        sent: Time,
        request: Request,
    ) -> Result<(), Broken> {
        match request {
            Request::Read { job } | Request::Renew { job } => {
                if matches!(request, Request::Renew { .. }) {
                    self.server.progress(self.now, job);
                }
                let is_stale = self.plan.has_stale_reads && self.random.happens(100);
                let found = self.server.found(job, is_stale);
                self.reply(node, life, tag, Reply::Found(found));
            }
            Request::Write { job, expect, value } => {
                let written = self.write(job, expect, value)?;
                self.reply(node, life, tag, Reply::Written(written));
            }
            Request::Chunk { run, nth } => {
                self.server.store(run, nth);
                self.reply(node, life, tag, Reply::Stored);
            }
            Request::Ack { job } => self.server.ack(job),
            Request::Nak { job, delay } => self.server.delay(self.now, job, delay),
            Request::Pull { count } => {
                let expires = self.now + Duration::from_secs(2);
                self.server.pull(Pull { node, life, sent, left: count, expires });
            }
            Request::Ask { job, node: asked } => {
                let to = self.nodes.iter().position(|it| it.id == asked && !it.is_dead);
                let way = self.way();
                if let (Some(to), Some(way)) = (to, way)
                    && !self.nodes[to].is_cut_off
                {
                    self.deliver_to(to, way, Input::Asked { from: node, life, tag, job });
                }
            }
        }
        Ok(())
    }

    /// Writes a record, and checks what was stored.
    fn write(&mut self, job: Job, expect: Option<u64>, value: Value) -> Result<Option<u64>, Broken> {
        let over = self.server.found(job, false);
        let at_it = match &over {
            Found::Claimed { claim, .. }
                if !matches!(&value, Value::Outcome { what: Outcome::Cancelled, .. }) =>
            {
                self.would_say_so(job, &claim.node, &value)
            }
            _ => false,
        };
        let written = self.server.write(job, expect, value.clone());
        if written.is_some() {
            self.note(format!("server stores {value:?} of job {job}"));
            let over = match over {
                Found::Claimed { claim, .. } => Some(Value::Claim(claim)),
                // Only one that certainly did not start gives its number back.
                Found::Released { attempt, .. } if self.server.is_released(job) => {
                    Some(Value::Release { attempt, due: None })
                }
                _ => None,
            };
            self.books.stored(job, &over, &value, at_it)?;
            if let Value::Outcome { what: Outcome::Result { output: Some(run) }, .. } = value {
                Books::refers_to(job, run, self.server.stored(run) == CHUNKS as usize)?;
            }
        } else {
            self.books.coverage.met("conflict");
        }
        Ok(written)
    }

    /// Returns whether another node writes over the claim of one that would have answered that it is at the job.
    fn would_say_so(&self, job: Job, claimant: &NodeId, value: &Value) -> bool {
        let is_own = match value {
            Value::Claim(claim) => claim.node == *claimant,
            Value::Outcome { by, .. } => by == claimant,
            Value::Release { .. } | Value::Again { .. } => true,
        };
        let is_calm = |since: Time| self.now.since(since) > Duration::from_secs(4);
        let plan = &self.plan;
        let can_answer =
            plan.loss == 0 && !plan.has_stalls && is_calm(self.server_disturbed) && self.server.is_up;
        let node =
            self.nodes.iter().find(|node| node.id == *claimant && !node.is_dead && is_calm(node.disturbed));
        !is_own
            && can_answer
            && node.is_some_and(|node| !node.is_stopped && !node.is_cut_off && node.is_at_it(job))
            && self.nodes.iter().all(|node| is_calm(node.disturbed))
    }

    fn hand_out(&mut self) {
        if !self.server.is_up {
            return;
        }
        for (job, pull, deliveries) in self.server.deliver(self.now) {
            self.reply(pull.node, pull.life, 0, Reply::Delivered { job, sent: pull.sent, deliveries });
        }
        if let Some(due) = self.server.due()
            && due > self.now
            && self.due.is_none_or(|planned| due < planned || planned <= self.now)
        {
            self.due = Some(due);
            self.after(due.since(self.now), Next::Due);
        }
    }

    /// A front accepts a job: it tries again until it knows. Its second try may come after the job's end, so it looks
    /// at the record first.
    fn accept(&mut self, job: Job) {
        let (there, back) = (self.way().is_some() && self.server.is_up, self.way().is_some());
        if there && self.server.found(job, false) == Found::Nothing {
            self.server.accept(self.now, job);
            self.hand_out();
        }
        if there && back {
            self.books.entry(job).is_accepted = true;
        } else {
            self.after(Duration::from_secs(1), Next::Accept(job));
        }
    }

    /// A front cancels a job, with a compare-and-set as everybody.
    fn cancel(&mut self, job: Job) -> Result<(), Broken> {
        if self.books.entry(job).is_accepted && self.server.is_up && self.way().is_some() {
            let found = self.server.found(job, false);
            if !matches!(found, Found::Decided { .. }) {
                let by = NodeId::new("front", 1);
                let value = Value::Outcome { by, attempt: 0, what: Outcome::Cancelled };
                self.write(job, Some(found.expected()), value)?;
                self.books.entry(job).is_cancelled = true;
            }
            return Ok(());
        }
        self.after(Duration::from_secs(1), Next::Cancel(job));
        Ok(())
    }
}
