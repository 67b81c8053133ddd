//! The makes of a pool's executable: what the workers of each generation are started from, and who waits for a reload.
//! Refuses to know which make is the better one.

use procpool_process::{Origin, Pinned, Recipe};
use procpool_protocol::engine::{ReloadError, ReloadReport};
use procpool_scheduler::{Generation, ReloadEnd};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Where the end of a reload is told.
pub(crate) type Reloading = oneshot::Sender<Result<ReloadReport, ReloadError>>;

/// What came of a reload, on its way to whoever asked for it.
#[derive(Debug)]
pub(crate) struct Reloaded {
    pub(crate) result: Result<ReloadReport, ReloadError>,
    caller: Option<Reloading>,
}

impl Reloaded {
    pub(crate) fn tell(self) {
        if let Some(caller) = self.caller {
            // That nobody waits any more is no news.
            let _ = caller.send(self.result);
        }
    }
}

/// Every make that may still be started.
#[derive(Debug)]
pub(crate) struct Makes {
    recipes: BTreeMap<Generation, Arc<Recipe>>,
    callers: BTreeMap<Generation, Reloading>,
    latest: Generation,
}

impl Makes {
    pub(crate) fn new(first: Recipe) -> Self {
        let latest = Generation::default();
        Self { recipes: BTreeMap::from([(latest, Arc::new(first))]), callers: BTreeMap::new(), latest }
    }

    /// Takes in a make that differs from the latest in its file.
    pub(crate) fn add(&mut self, pinned: Pinned, caller: Reloading) -> Option<Generation> {
        let origin = Origin::Spawned(pinned);
        let recipe = Recipe { origin, ..Recipe::clone(self.recipes.values().next_back()?) };
        self.latest = Generation(self.latest.0 + 1);
        self.recipes.insert(self.latest, Arc::new(recipe));
        self.callers.insert(self.latest, caller);
        Some(self.latest)
    }

    /// What workers of this generation are started from.
    pub(crate) fn recipe(&self, generation: Generation) -> Option<Arc<Recipe>> {
        self.recipes.get(&generation).cloned()
    }

    /// Gives away what will not be started any more, its file with it, to be closed where that may take its time.
    pub(crate) fn retire(&mut self, current: Generation) -> impl Iterator<Item = Arc<Recipe>> {
        let is_wanted = |make: &Generation| *make == current || self.callers.contains_key(make);
        let (wanted, outdated): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.recipes).into_iter().partition(|(make, _)| is_wanted(make));
        self.recipes = wanted;
        outdated.into_values()
    }

    /// A reload has come to its end.
    pub(crate) fn reloaded(
        &mut self,
        pool: &str,
        generation: Generation,
        end: ReloadEnd,
        reason: Option<String>,
    ) -> Reloaded {
        let caller = self.callers.remove(&generation);
        let pool = pool.to_owned();
        let result = match end {
            ReloadEnd::Done => Ok(ReloadReport::new(pool, generation.0)),
            ReloadEnd::CanaryDied => {
                let reason = reason.unwrap_or_else(|| "its first worker died before it was ready".into());
                Err(ReloadError::Canary { pool, reason })
            }
            ReloadEnd::Superseded => Err(ReloadError::Superseded { pool }),
            ReloadEnd::ShutDown => Err(ReloadError::ShutDown { pool }),
        };
        Reloaded { result, caller }
    }
}
