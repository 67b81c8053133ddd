//! One pool whose workers are killed by nobody but its own jobs: what comes of a payload that kills again and again, and
//! whether those who kill shut anybody else out.

use super::client::{Client, Told};
use super::ledger::Oddities;
use super::load;
use super::outcome::Outcome;
use super::random::Random;
use super::run::Run;
use super::scenario::{ATTACKED, PLANS};
use super::status;
use super::task::{Kind, Task};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Jobs at once, more than enough to open any breaker.
const WAVE: usize = 24;

/// For a job at the end of a wave, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The observations of the pool.
#[derive(Debug, Default)]
pub(crate) struct Attack {
    /// Answers about the payload that kills again and again.
    pub(crate) crashed: u64,
    pub(crate) poisoned: u64,
    /// Answers about the others, which do no harm and were ok.
    pub(crate) served: u64,
    /// Times that the breaker was open.
    pub(crate) breaker: Oddities,
}

impl Attack {
    pub(crate) fn told(&mut self, kind: Kind, told: &Told) {
        match (kind, told.outcome) {
            (Kind::SameAbort, Outcome::Crashed) => self.crashed += 1,
            (Kind::SameAbort, Outcome::Poisoned) => self.poisoned += 1,
            (kind, Outcome::Ok) if !kind.kills() => self.served += 1,
            _ => {}
        }
        if told.reason.as_deref() == Some("breaker_open") {
            self.breaker.note(|| format!("{kind:?} was refused for it"));
        }
    }
}

/// Sends many jobs at once, each of which kills its worker, and comes back soon after the last answer: for as long as it takes
/// nobody is seen to do well.
pub(crate) async fn waves(run: Arc<Run>, stream: u64) {
    let mut random = Random::new(run.options.seed, stream);
    let end = run.end.subscribe();
    while !*end.borrow() {
        let mut wave = JoinSet::new();
        for _ in 0..WAVE {
            let task = Task::draw(Kind::Abort, &mut random, None).within(TIMEOUT);
            wave.spawn(drop_in(run.clone(), task));
        }
        wave.join_all().await;
        // sleep: between two of them the pool comes to itself.
        sleep(random.millis(200, 2000)).await;
    }
}

async fn drop_in(run: Arc<Run>, task: Task) {
    let pool = PLANS.iter().position(|plan| plan.name == ATTACKED).unwrap_or_default();
    let sent = run.clock.now();
    let reply = load::perform(pool, &mut Client::new(run.server), &task).await;
    run.record(pool, &task, &reply, sent..run.clock.now());
}

/// Looks at the breaker until told to end.
pub(crate) async fn watch(run: Arc<Run>) {
    let mut client = Client::new(run.server);
    let end = run.end.subscribe();
    while !*end.borrow() {
        if status::pool(&mut client, ATTACKED).await.is_ok_and(|pool| pool.breaker_open) {
            run.books.open().attack.breaker.note(|| "the status says so".into());
        }
        // sleep: between two looks.
        sleep(Duration::from_millis(50)).await;
    }
}
