//! The clients: each sends one job after the other, and has it written down what came of it.

use super::books::{Reply, Timing};
use super::client::Client;
use super::keyed;
use super::random::Random;
use super::run::Run;
use super::scenario::PLANS;
use super::task::{Kind, Task};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::timeout;

/// How long after its deadline an answer is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest pause between two jobs of a client, in milliseconds.
const PAUSE: u64 = 20;

/// Sends jobs to the pool of this number until told to end. `stream` is the client's own.
pub(crate) async fn client(run: Arc<Run>, pool: usize, stream: u64) {
    let mut random = Random::new(run.options.seed, stream);
    let mut client = Client::new(run.server);
    let end = run.end.subscribe();
    while !*end.borrow() {
        if let Some(task) = draw(&run, pool, &mut random) {
            let sent = run.clock.now();
            let (task, reply) = if random.below(1000) < PLANS[pool].keyed {
                keyed::perform(&run, pool, &mut client, task, &mut random).await
            } else {
                let reply = perform(pool, &mut client, &task).await;
                (task, reply)
            };
            run.record(pool, &task, &reply, sent..run.clock.now());
        }
        // sleep: the load must be steady, not as much as there can be.
        tokio::time::sleep(random.millis(0, PAUSE)).await;
    }
}

/// Returns the next job, or `None` if it would be one with a side effect too many.
pub(super) fn draw(run: &Run, pool: usize, random: &mut Random) -> Option<Task> {
    let plan = &PLANS[pool];
    let kind = *random.weighted(plan.jobs);
    let hangs_up = random.below(1000) < plan.hang_ups;
    let after = random.millis(0, PAUSE);
    let effect = match kind {
        Kind::Log | Kind::LogAndAbort => {
            Some((run.effects_file.as_str(), run.books.open().effects.tag(plan.attempts)?))
        }
        _ => None,
    };
    let task = Task::draw(kind, random, effect);
    Some(if hangs_up { task.hangs_up(after) } else { task })
}

pub(super) async fn perform(pool: usize, client: &mut Client, task: &Task) -> Reply {
    let patience = task.hang_up.unwrap_or(task.timeout + PATIENCE);
    let path = task.path(PLANS[pool].name);
    match timeout(patience, client.post(&path, task.body.clone())).await {
        Ok(Ok(answer)) => Reply::Answered(answer),
        Ok(Err(error)) => Reply::None(error.to_string()),
        Err(_) if task.hang_up.is_some() => Reply::HungUp,
        Err(_) => Reply::None(format!("not within {patience:?}")),
    }
}

impl Run {
    /// Writes down a job that was sent when `time` begins and had its reply when it ends.
    pub(crate) fn record(&self, pool: usize, task: &Task, reply: &Reply, time: Range<Duration>) {
        let timing = Timing {
            took: time.end - time.start,
            stopped: self.stops.open().within(&time),
            starved: self.starvation.open().within(&time),
            is_stormy: self.is_stormy.load(Relaxed),
        };
        self.books.open().record(pool, task, reply, timing);
    }
}
