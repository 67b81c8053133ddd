//! Stacks of a pool's workers: of one whose job's time is up, on demand, and as a profile.
//!
//! A snapshot is taken by `procpool-process`, and unwound here on a thread that may block. Somebody else names the
//! calls, since debug information is hostile.

mod crash;
mod look;
mod on_demand;
mod phase;
mod profile;
mod settings;
mod withheld;

pub(crate) use crash::Crash;
pub(crate) use look::{Look, of};
pub(crate) use withheld::{Outcome, Withheld};

use procpool_process::clock;
use procpool_protocol::engine::BoxFuture;
use procpool_protocol::printable::is_unprintable;
use procpool_protocol::stack::Stack;
use procpool_stacks::{Snapshot, Unwinder, Unwound};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Maximum time for copying the stack of a worker whose job's time is up, or for a sample of a profile.
const TAKING: Duration = Duration::from_millis(50);

/// Maximum time for which a worker is waited for that is looked at on demand.
const TAKING_ON_DEMAND: Duration = Duration::from_secs(1);

/// Maximum time for unwinding.
const UNDERSTANDING: Duration = Duration::from_millis(100);

/// Maximum time for naming where no caller waits for it. The process that does it may have to start, and to read
/// debug information of hundreds of megabytes.
const NAMING: Duration = Duration::from_secs(5);

/// Maximum number of workers that a pool looks at at one time. Each may have a copy of its stack in memory.
const ABREAST: usize = 16;

/// Names the calls of stacks: functions, files and lines. The debug information of a worker is hostile input, so a
/// service reads it in a process of its own.
pub trait NamesCalls: Send + Sync + 'static {
    /// Returns the stacks with those names that there are. A note in the stack says why others are missing.
    fn name(&self, calls: Arc<Unwound>) -> BoxFuture<'static, Stack>;

    /// Returns these names for the pool of this name, if it makes a difference which pool asks. Default: it makes none.
    fn for_pool(&self, pool: &str) -> Option<Arc<dyn NamesCalls>> {
        let _ = pool;
        None
    }

    /// Prepares for stacks that will probably come in a moment. Called on the pool's runtime. The default does nothing.
    fn prepare(&self) {}
}

/// The component that names the calls of a pool's stacks.
#[derive(Clone)]
pub struct CallNames(pub(crate) Arc<dyn NamesCalls>);

impl CallNames {
    /// Lets pools use these names. Clones share them.
    pub fn new(names: impl NamesCalls) -> Self {
        Self(Arc::new(names))
    }
}

impl fmt::Debug for CallNames {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("CallNames").finish_non_exhaustive()
    }
}

/// The means by which a pool looks into its workers.
pub(crate) struct Stacks {
    names: Option<Arc<dyn NamesCalls>>,
    places: Arc<Semaphore>,
    profiled: Mutex<BTreeSet<String>>,
}

/// A place among those that are looked at. Kept as long as a thread reads files for it.
type Place = Arc<OwnedSemaphorePermit>;

impl fmt::Debug for Stacks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Stacks").field("is_named", &self.names.is_some()).finish_non_exhaustive()
    }
}

impl Stacks {
    pub(crate) fn new(names: Option<Arc<dyn NamesCalls>>, pool: &str) -> Self {
        let names = names.map(|names| names.for_pool(pool).unwrap_or(names));
        Self { names, places: Arc::new(Semaphore::new(ABREAST)), profiled: Mutex::default() }
    }

    /// Prepares for a stack that will probably be taken in a moment.
    fn prepare(&self) {
        if let Some(names) = &self.names {
            names.prepare();
        }
    }

    /// Returns a place among those that are looked at, if one is free.
    fn place(&self) -> Option<Place> {
        self.places.clone().try_acquire_owned().ok().map(Arc::new)
    }

    /// Returns a place among those that are looked at, once one is free.
    async fn place_within(&self, time: Duration) -> Option<Place> {
        clock::timeout(time, self.places.clone().acquire_owned()).await.ok()?.ok().map(Arc::new)
    }

    /// Returns the stacks of a snapshot, with those names that are there in time.
    async fn named_within(&self, snapshot: Snapshot, place: Place, naming: Duration) -> Stack {
        match unwound(snapshot, place, UNDERSTANDING).await {
            Some(calls) => self.name(calls, naming).await,
            None => unread(),
        }
    }

    async fn name(&self, calls: Arc<Unwound>, within: Duration) -> Stack {
        let Some(names) = &self.names else { return calls.unnamed() };
        match clock::timeout(within, names.name(calls.clone())).await {
            Ok(stack) => stack,
            Err(_) => unnamed_in_time(&calls),
        }
    }
}

/// Returns the stack of a worker whose files are on a disk that hangs, or is slow.
fn unread() -> Stack {
    Stack::absent("the worker's files could not be read in time")
}

/// Returns stacks whose names came too late.
fn unnamed_in_time(calls: &Unwound) -> Stack {
    let mut stack = calls.unnamed();
    add(&mut stack.note, "the names of the functions were not found in time");
    stack
}

/// Maximum length of a note, in characters.
pub(crate) const MOST_NOTE: usize = 512;

/// Adds a sentence to a note, which stays safe for a terminal: a worker may have chosen parts of it.
pub(crate) fn add(note: &mut Option<String>, more: &str) {
    let whole = note.take().map_or_else(|| more.to_owned(), |note| format!("{note}; {more}"));
    *note = Some(whole.chars().filter(|&it| !is_unprintable(it)).take(MOST_NOTE).collect());
}

/// Size of the stack of a thread that unwinds, in bytes.
const UNWINDING_STACK: usize = 512 * 1024;

/// Unwinds a snapshot on a thread of its own. `None` if that takes too long. Not on one of the runtime: a file of a
/// worker may never be read, and the end of a runtime waits for such threads.
async fn unwound(snapshot: Snapshot, place: Place, within: Duration) -> Option<Arc<Unwound>> {
    static UNWINDER: OnceLock<Unwinder> = OnceLock::new();
    let (sender, unwinding) = oneshot::channel();
    let unwind = move || {
        let _ = sender.send(UNWINDER.get_or_init(Unwinder::new).unwind(&snapshot));
        drop(place);
    };
    let thread = std::thread::Builder::new().name("procpool-unwinder".into()).stack_size(UNWINDING_STACK);
    thread.spawn(unwind).ok()?;
    clock::timeout(within, unwinding).await.ok()?.ok().map(Arc::new)
}
