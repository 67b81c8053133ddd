//! One pool whose workers are killed by nobody but its own jobs: what comes of a payload that kills again and again, and
//! whether those who kill shut anybody else out.

use super::client::{Client, Told};
use super::ledger::Oddities;
use super::outcome::Outcome;
use super::run::Run;
use super::scenario::ATTACKED;
use super::status;
use super::task::Kind;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// What was seen of the pool.
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
