//! The one task of a pool: starts the workers that the scheduler asks for and keeps its time.

use super::core::Core;
use super::member::{self, FirstStart, Mould};
use procpool_scheduler::{Event, WorkerId};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Runs until the pool is drained and every worker reaped.
pub(crate) async fn supervise(
    core: Arc<Core>,
    mould: Mould,
    mut spawns: mpsc::UnboundedReceiver<WorkerId>,
    first: Arc<FirstStart>,
) {
    let _abandon = AbandonOnDrop(core.clone());
    let mould = Arc::new(mould);
    let mut drained = core.drained();
    let mut members = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(worker) = spawns.recv() => {
                members.spawn(member::live(core.clone(), mould.clone(), worker, first.clone()));
            }
            () = core.next_tick() => core.feed(Event::Tick),
            Some(ended) = members.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(pool = core.name, %error, "a worker's task ended in a bug");
                }
            }
            _ = drained.wait_for(|drained| *drained) => break,
        }
    }
    while members.join_next().await.is_some() {}
}

/// When the user's runtime shuts down, this task is dropped wherever it is; then everything that is
/// open ends as shut down.
struct AbandonOnDrop(Arc<Core>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
