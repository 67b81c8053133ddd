//! Cancels of which the client knows where they hit. It fills the one worker of a pool that nobody else uses, hangs
//! up on a job behind it, and sees in one look at the pool that this, and nothing else, has happened.

use super::books::Reply;
use super::client::{Answer, Client};
use super::outcome::Outcome;
use super::run::Run;
use super::scenario::{GATE, PLANS};
use super::status::{self, Pool};
use super::task::Task;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// For any one thing to happen; the next round begins after it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Goes round until told to end.
pub(crate) async fn visitor(run: Arc<Run>) {
    let mut look = Look(Client::new(run.server));
    let end = run.end.subscribe();
    while !*end.borrow() {
        round(&run, &mut look).await;
        // sleep: these must be some jobs among many.
        sleep(Duration::from_millis(20)).await;
    }
}

async fn round(run: &Run, look: &mut Look) {
    let Some(tag) = run.books.open().effects.tag(1) else { return };
    let filler = Sent::send(run, Task::obey());
    let before = look.until(|pool| pool.running == 1 && pool.queued == 0).await;

    let waiter = Sent::send(run, Task::log(&run.effects_file, tag));
    let waiting = look.until(|pool| pool.queued == 1).await;
    waiter.hang_up(run).await;
    let after = look.until(|pool| pool.queued == 0).await;
    if let (Some(before), Some(_), Some(after)) = (before, waiting, after)
        && only_a_cancel(&before, &after)
    {
        run.books.open().effects.cancelled_in_queue(tag);
    }

    filler.hang_up(run).await;
    look.until(|pool| pool.queued + pool.running == 0).await;
}

/// The worker was at the same job before and after, and one other job was cancelled: it never left the queue. A reload brings
/// a second worker for a while, which takes the job that waits; one that is ready changes the generation.
fn only_a_cancel(before: &Pool, after: &Pool) -> bool {
    let cancelled = |pool: &Pool| pool.count(Outcome::Cancelled);
    after.running == 1
        && after.queued == 0
        && !before.reloading
        && after.generation == before.generation
        && after.outcomes() == before.outcomes() + 1
        && cancelled(after) == cancelled(before) + 1
}

/// A job whose client may hang up.
struct Sent {
    task: Task,
    at: Duration,
    answer: JoinHandle<(io::Result<Answer>, Duration)>,
}

impl Sent {
    fn send(run: &Run, task: Task) -> Self {
        let mut client = Client::new(run.server);
        let (path, body) = (task.path(GATE), task.body.clone());
        let clock = run.clock;
        let at = clock.now();
        let answer = tokio::spawn(async move { (client.post(&path, body).await, clock.now()) });
        Self { task, at, answer }
    }

    /// Hangs up, unless there is an answer already.
    async fn hang_up(self, run: &Run) {
        self.answer.abort();
        let (reply, now) = match self.answer.await {
            Ok((Ok(answer), now)) => (Reply::Answered(answer), now),
            Ok((Err(error), now)) => (Reply::None(error.to_string()), now),
            Err(_) => (Reply::HungUp, run.clock.now()),
        };
        let pool = PLANS.iter().position(|plan| plan.name == GATE).unwrap_or_default();
        run.record(pool, &self.task, &reply, self.at..now);
    }
}

struct Look(Client);

impl Look {
    /// The first look at the pool that shows this.
    async fn until(&mut self, is_so: impl Fn(&Pool) -> bool) -> Option<Pool> {
        let looking = async {
            loop {
                match status::pool(&mut self.0, GATE).await {
                    Ok(pool) if is_so(&pool) => return pool,
                    _ => {}
                }
                // sleep: between two looks.
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, looking).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(queued: u64, running: u64, cancelled: u64, crashed: u64) -> Pool {
        let jobs = serde_json::json!({ "cancelled": cancelled, "crashed": crashed, "ok": 1, "refused": 0 });
        serde_json::from_value(serde_json::json!({
            "name": GATE, "queued": queued, "running": running, "deaths": 0, "generation": 3, "reloading": false,
            "jobs": jobs, "workers": {},
        }))
        .unwrap()
    }

    #[test]
    fn a_cancel_is_known_to_have_hit_the_queue_only_if_the_worker_stayed_at_its_job() {
        let before = pool(0, 1, 5, 5);
        assert!(only_a_cancel(&before, &pool(0, 1, 6, 5)));
        assert!(!only_a_cancel(&before, &pool(0, 1, 5, 6)), "the first job crashed and the second one runs");
        assert!(!only_a_cancel(&before, &pool(0, 1, 6, 6)), "both ended, and a third one runs");
        assert!(!only_a_cancel(&before, &pool(0, 0, 6, 5)), "the first job is somewhere else");
        let mut reloaded = pool(0, 1, 6, 5);
        reloaded.generation = 4;
        assert!(!only_a_cancel(&before, &reloaded), "a second worker may have had the job");
        let mut rolling = pool(0, 1, 5, 5);
        rolling.reloading = true;
        assert!(!only_a_cancel(&rolling, &pool(0, 1, 6, 5)), "nor is there only one worker");
    }
}
