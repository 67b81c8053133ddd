//! The generations of a pool's executable: the template from which the workers of each are started, and the
//! callers that wait for a reload. Does not: decide which generation is in service.

use crate::pool::PoolEvent;
use procpool_process::{Origin, Pinned, Recipe};
use procpool_protocol::engine::{ReloadError, ReloadReport};
use procpool_scheduler::{Generation, ReloadEnd};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Where the end of a reload is told.
pub(crate) type Reloading = oneshot::Sender<Result<ReloadReport, ReloadError>>;

/// The result of a reload, on its way to the caller that asked for it.
#[derive(Debug)]
pub(crate) struct Reloaded {
    pub(crate) result: Result<ReloadReport, ReloadError>,
    /// The executable, if it is the very same file as before.
    same_file: Option<PathBuf>,
    caller: Option<Reloading>,
}

impl Reloaded {
    pub(crate) fn log(&self, pool: &str) {
        match (&self.result, &self.same_file) {
            (Ok(ReloadReport { generation, .. }), Some(path)) => {
                let path = path.display();
                tracing::info!(
                    pool,
                    generation,
                    "reloaded; the executable is the very same file as before: {path}"
                );
            }
            (Ok(ReloadReport { generation, .. }), None) => tracing::info!(pool, generation, "reloaded"),
            (Err(error @ ReloadError::Canary { .. }), _) => tracing::error!("{error}"),
            (Err(error), _) => tracing::info!("{error}"),
        }
    }

    /// Returns what listeners are told.
    pub(crate) fn news(&self) -> PoolEvent {
        match &self.result {
            Ok(report) => PoolEvent::Reloaded { generation: report.generation },
            Err(error) => PoolEvent::reload_failed(error),
        }
    }

    pub(crate) fn tell(self) {
        if let Some(caller) = self.caller {
            // It does not matter if nobody waits any longer.
            let _ = caller.send(self.result);
        }
    }
}

/// Who waits for a reload, and what is known of it already.
#[derive(Debug)]
struct Caller {
    reply: Reloading,
    /// The executable, if it is the very same file as before.
    same_file: Option<PathBuf>,
}

/// A generation that may still be started.
#[derive(Debug)]
struct Make {
    recipe: Arc<Recipe>,
    /// Whether the last of its workers that got ready takes batches.
    takes_batches: Option<bool>,
}

impl Make {
    fn new(recipe: Recipe) -> Self {
        Self { recipe: Arc::new(recipe), takes_batches: None }
    }
}

/// Every make that may still be started.
#[derive(Debug)]
pub(crate) struct Generations {
    makes: BTreeMap<Generation, Make>,
    callers: BTreeMap<Generation, Caller>,
    latest: Generation,
}

impl Generations {
    pub(crate) fn new(first: Recipe) -> Self {
        let latest = Generation::default();
        Self { makes: BTreeMap::from([(latest, Make::new(first))]), callers: BTreeMap::new(), latest }
    }

    /// Takes in a make that differs from the latest in its file at most. `current` is the one in service.
    pub(crate) fn add(
        &mut self,
        pinned: Pinned,
        current: Generation,
        reply: Reloading,
    ) -> Option<Generation> {
        let before = self.makes.get(&current).and_then(|make| make.recipe.origin.pinned());
        let same_file = before
            .filter(|before| before.is_same_file(&pinned))
            .map(|before| before.executable().as_path().to_owned());
        let (origin, takes_arenas) = (Origin::Spawned(pinned), Arc::default());
        let latest = Recipe::clone(&self.makes.values().next_back()?.recipe);
        // Each make has a template of its own.
        let templates = latest.templates.as_ref().map(|_| Arc::default());
        let recipe = Recipe { origin, takes_arenas, templates, ..latest };
        self.latest = Generation(self.latest.0 + 1);
        self.makes.insert(self.latest, Make::new(recipe));
        self.callers.insert(self.latest, Caller { reply, same_file });
        Some(self.latest)
    }

    /// Returns the template from which workers of this generation are started.
    pub(crate) fn recipe(&self, generation: Generation) -> Option<Arc<Recipe>> {
        self.makes.get(&generation).map(|make| make.recipe.clone())
    }

    /// Takes note of whether a worker of this generation, which is ready, takes batches.
    pub(crate) fn hear_batches(&mut self, generation: Generation, takes_batches: bool) {
        if let Some(make) = self.makes.get_mut(&generation) {
            make.takes_batches = Some(takes_batches);
        }
    }

    /// Returns whether workers of this generation take batches, or `None` if none of them was ever ready.
    pub(crate) fn takes_batches(&self, generation: Generation) -> Option<bool> {
        self.makes.get(&generation)?.takes_batches
    }

    /// Returns the generations that will start no further worker, with their files, so that those are closed
    /// where that may take its time.
    pub(crate) fn retire(&mut self, current: Generation) -> impl Iterator<Item = Arc<Recipe>> {
        let is_wanted = |make: &Generation| *make == current || self.callers.contains_key(make);
        let (wanted, outdated): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.makes).into_iter().partition(|(make, _)| is_wanted(make));
        self.makes = wanted;
        outdated.into_values().map(|make| make.recipe)
    }

    /// Ends every reload: none can complete any longer.
    pub(crate) fn forget_callers(&mut self) -> impl Sized + use<> {
        std::mem::take(&mut self.callers)
    }

    /// Reports the end of a reload to its caller.
    pub(crate) fn reloaded(
        &mut self,
        pool: &str,
        generation: Generation,
        end: ReloadEnd,
        reason: Option<String>,
    ) -> Reloaded {
        let caller = self.callers.remove(&generation);
        let (reply, same_file) = caller.map(|caller| (caller.reply, caller.same_file)).unzip();
        let same_file = same_file.flatten();
        let pool = pool.to_owned();
        let result = match end {
            ReloadEnd::Done => {
                let mut report = ReloadReport::new(pool, generation.0);
                report.same_file = same_file.is_some();
                Ok(report)
            }
            ReloadEnd::CanaryDied => {
                let reason = reason.unwrap_or_else(|| "its first worker died before it was ready".into());
                Err(ReloadError::canary(pool, reason))
            }
            ReloadEnd::Superseded => Err(ReloadError::superseded(pool)),
            ReloadEnd::ShutDown => Err(ReloadError::shut_down(pool)),
        };
        Reloaded { result, same_file, caller: reply }
    }
}
