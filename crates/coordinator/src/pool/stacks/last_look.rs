//! The stack of a worker that is killed because its job's time is up: taken before the kill, unwound and named
//! after it. Does not: decide about the kill, which goes out in time whatever happens here.

use super::withheld::Withheld;
use super::{NAMING, Stacks, TAKING, UNDERSTANDING, unnamed_in_time, unread, unwound};
use crate::pool::core::Core;
use procpool_process::{KillSwitch, SnapshotError, Threads, clock};
use procpool_protocol::stack::Stack;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// Maximum time for which the report of a death waits for its stack.
const LONGEST: Duration = Duration::from_secs(6);

/// Where the stack of a worker that was killed will be.
pub(crate) type Seen = watch::Receiver<Option<Arc<Stack>>>;

/// A worker that must be killed, and looked at before.
#[derive(Debug)]
pub(crate) struct LastLook {
    kill: Kill,
    /// The outcome of the job that it does not give up.
    withheld: Option<Withheld>,
    seen: watch::Sender<Option<Arc<Stack>>>,
}

/// Kills when it is dropped. A runtime that shuts down drops its tasks wherever they are.
#[derive(Debug)]
struct Kill(Arc<KillSwitch>);

impl Drop for Kill {
    fn drop(&mut self) {
        self.0.kill();
    }
}

impl LastLook {
    /// Returns the look, and where its result will be.
    pub(crate) fn of(kill_switch: Arc<KillSwitch>, withheld: Option<Withheld>) -> (Self, Seen) {
        let (seen, receiver) = watch::channel(None);
        (Self { kill: Kill(kill_switch), withheld, seen }, receiver)
    }

    async fn perform(self, core: Weak<Core>, stacks: Arc<Stacks>) {
        let Self { kill, withheld, seen } = self;
        let place = stacks.place();
        let taken = match &place {
            Some(_) => kill.0.snapshot(Threads::First, TAKING).await,
            None => Err(SnapshotError::Busy),
        };
        drop(kill);
        let tell = |stack: Option<&Arc<Stack>>| {
            if let (Some(withheld), Some(core)) = (&withheld, core.upgrade()) {
                withheld.deliver(&core, stack);
            }
        };
        let calls = match (taken, place) {
            (Ok(snapshot), Some(place)) => unwound(snapshot, place, UNDERSTANDING).await.ok_or_else(unread),
            (Err(error), _) if !error.is_gone() => Err(Stack::absent(error.to_string())),
            // It has died without the kill, and its death says of what.
            _ => return tell(None),
        };
        let stack = match calls {
            Ok(calls) => {
                let mut naming = std::pin::pin!(stacks.name(calls.clone(), NAMING));
                let left = withheld.as_ref().map_or(NAMING, Withheld::left);
                match clock::timeout(left, &mut naming).await {
                    Ok(stack) => stack,
                    Err(_) => {
                        tell(Some(&Arc::new(unnamed_in_time(&calls))));
                        naming.await
                    }
                }
            }
            Err(absent) => absent,
        };
        let stack = Arc::new(stack);
        tell(Some(&stack));
        seen.send_replace(Some(stack));
    }
}

impl Core {
    /// Kills a worker, and takes its stack before that.
    pub(crate) fn kill_after(&self, look: LastLook) {
        self.runtime().spawn(look.perform(self.this.clone(), self.stacks.clone()));
    }
}

/// Waits for the stack of a worker that was killed, for a moment.
pub(crate) async fn of(mut seen: Seen) -> Option<Arc<Stack>> {
    let waiting = async { seen.wait_for(Option::is_some).await.ok().and_then(|stack| stack.clone()) };
    clock::timeout(LONGEST, waiting).await.ok().flatten()
}
