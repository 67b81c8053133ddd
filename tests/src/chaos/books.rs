//! The record that a client writes after each job, in one place and under one lock.

use super::attack::Attack;
use super::client::{Answer, Told};
use super::distribution::Distribution;
use super::effects::Effects;
use super::ids::Ids;
use super::ledger::{Ledger, Oddities};
use super::outcome::Outcome;
use super::scenario::{ATTACKED, MEASURED, PLANS};
use super::task::{Kind, Task};
use std::time::Duration;

/// Maximum time of an answer after its deadline, by the server's own clock. A promise, so it is asserted.
pub(crate) const ALLOWED_LATENESS: Duration = Duration::from_millis(250);

/// All that is written down.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) ledger: Ledger,
    pub(crate) ids: Ids,
    pub(crate) effects: Effects,
    pub(crate) lateness: Lateness,
    pub(crate) attack: Attack,
    /// How long jobs took that survived, as their clients saw it: without kills, and with.
    pub(crate) calm: Distribution,
    pub(crate) stormy: Distribution,
}

/// Answers after their deadline.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    /// Those that came later than is allowed.
    pub(crate) late: Oddities,
    /// The kind of the latest.
    pub(crate) kind: Option<Kind>,
    /// By how much the latest was beyond its deadline, by the server's clock and by the client's.
    pub(crate) server: Duration,
    pub(crate) client: Duration,
}

/// The fate of a request.
#[derive(Debug)]
pub(crate) enum Reply {
    Answered(Answer),
    /// The answer of one job among others.
    Line(Answer),
    /// The client closed its connection before there was an answer.
    HungUp,
    /// There was none, for this reason.
    None(String),
}

/// When that was, as the client saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) took: Duration,
    /// For so much of that time the server was stopped.
    pub(crate) stopped: Duration,
    /// For so much of it somebody else, who had nothing else to do, was not given a processor.
    pub(crate) starved: Duration,
    /// Whether workers were being killed.
    pub(crate) is_stormy: bool,
}

impl Books {
    /// Writes down a job that was sent to the pool of this number.
    pub(crate) fn record(&mut self, pool: usize, task: &Task, reply: &Reply, timing: Timing) {
        let book = &mut self.ledger.books[pool];
        book.sent += 1;
        match reply {
            Reply::Answered(answer) => self.answered(pool, task, answer, timing, answer.told()),
            Reply::Line(answer) => self.answered(pool, task, answer, timing, answer.told_of_a_line()),
            Reply::HungUp => book.hung_up += 1,
            Reply::None(why) => self.unanswered(pool, task, why),
        }
    }

    fn unanswered(&mut self, pool: usize, task: &Task, why: &str) {
        self.ledger.books[pool].unanswered += 1;
        self.ledger.strange.note(|| format!("{:?} was not answered: {why}", task.kind));
    }

    fn answered(
        &mut self,
        pool: usize,
        task: &Task,
        answer: &Answer,
        timing: Timing,
        told: Result<Told, String>,
    ) {
        let told = match told {
            Ok(told) => told,
            Err(strange) => return self.unanswered(pool, task, &strange),
        };
        *self.ledger.books[pool].answered.entry(told.outcome).or_default() += 1;
        if let Some(id) = told.job {
            self.ids.answered(id);
        }
        if let Some(tag) = task.tag {
            self.effects.told(tag, told.outcome, told.may_have_run);
        }
        if PLANS[pool].name == ATTACKED {
            self.attack.told(task.kind, &told);
        }
        if !task.may_be(told.outcome, PLANS[pool].weather) {
            let name = told.outcome.name();
            self.ledger.strange.note(|| format!("{:?} ended {name}: {}", task.kind, excerpt(answer)));
        }
        if told.outcome == Outcome::Ok {
            self.ended_well(pool, task, answer, timing);
        }
        if let Some(took) = told.took {
            self.lateness.measure(task, took, timing);
        }
    }

    fn ended_well(&mut self, pool: usize, task: &Task, answer: &Answer, timing: Timing) {
        if task.output.as_ref().is_some_and(|output| output.as_bytes() != answer.body) {
            self.ledger.wrong.note(|| format!("{} was answered {}", task.body, excerpt(answer)));
        }
        // The chunks of the others went to those who watch.
        if !task.is_watched && task.chunks != answer.chunks() {
            let (told, emitted) = (answer.chunks(), task.chunks);
            self.ledger
                .wrong
                .note(|| format!("{told} chunks were told of, {emitted} emitted: {}", task.body));
        }
        // The smallest jobs are compared, beside all the others.
        if PLANS[pool].name == MEASURED && task.kind == Kind::Echo && timing.stopped.is_zero() {
            let latency = if timing.is_stormy { &mut self.stormy } else { &mut self.calm };
            latency.record(timing.took);
        }
    }
}

impl Lateness {
    /// The server's own measurement is asserted, but for the time in which it can have had no processor. The
    /// client's view has its own wait for one in it as well, so it is only told.
    fn measure(&mut self, task: &Task, took: Duration, timing: Timing) {
        let deadline = task.timeout + timing.stopped + timing.starved;
        let (server, client) = (took.saturating_sub(deadline), timing.took.saturating_sub(deadline));
        if server > ALLOWED_LATENESS {
            self.late.note(|| format!("{:?} took {took:.1?} and had {deadline:.1?}", task.kind));
        }
        if server > self.server {
            (self.server, self.kind) = (server, Some(task.kind));
        }
        self.client = self.client.max(client);
    }
}

fn excerpt(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).chars().take(300).collect()
}
