//! The one task of a pool: starts the workers that the scheduler asks for and keeps its time.

use super::worker_task::{self, FirstStart};
use crate::pool::core::Core;
use crate::pool::core::tick::CatchUp;
use procpool_process::{Recipe, clock};
use procpool_scheduler::{Event, WorkerId};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Time between two looks at the idle workers. The pool must replace a stopped one within two seconds.
const ROUND: Duration = Duration::from_secs(1);

/// Returns the task. It ends when the pool is drained and every worker reaped. A task that is dropped abandons the pool,
/// even if nothing has ever polled it.
pub(crate) fn supervise(
    core: Arc<Core>,
    spawns: mpsc::UnboundedReceiver<(WorkerId, Arc<Recipe>)>,
    first: Arc<FirstStart>,
) -> impl Future<Output = ()> + Send {
    let abandon = AbandonOnDrop(core.clone());
    async move {
        run(core, spawns, first).await;
        drop(abandon);
    }
}

async fn run(
    core: Arc<Core>,
    mut spawns: mpsc::UnboundedReceiver<(WorkerId, Arc<Recipe>)>,
    first: Arc<FirstStart>,
) {
    let mut drained = core.drained();
    let mut members = JoinSet::new();
    let mut catch_up = CatchUp::default();
    let mut round = Instant::now() + ROUND;
    loop {
        tokio::select! {
            biased;
            Some((worker, recipe)) = spawns.recv() => {
                members.spawn(worker_task::live(core.clone(), recipe, worker, first.begin()));
            }
            () = core.next_tick(&mut catch_up) => core.feed(Event::Tick),
            Some(ended) = members.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(pool = core.name, %error, "a worker's task ended in a bug");
                }
            }
            () = clock::sleep_until(round) => {
                core.look_for_stopped();
                core.count_oom_kills();
                core.count_jobs();
                round = Instant::now() + ROUND;
            }
            _ = drained.wait_for(|drained| *drained) => break,
        }
    }
    while members.join_next().await.is_some() {}
    // The last report has come.
    core.news.end();
}

/// When the user's runtime shuts down, this task is dropped wherever it is; then everything that is
/// open ends as shut down.
struct AbandonOnDrop(Arc<Core>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.abandon();
        self.0.is_over();
    }
}
