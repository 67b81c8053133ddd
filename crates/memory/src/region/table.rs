//! The regions of this process by their ids. A region that is sent back and forth is mapped once, and found
//! without its descriptor. Does not: keep regions alive.

use super::{Id, Lost, Mapped};
use crate::map::Atomic;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

type Table = BTreeMap<Id, Weak<dyn Any + Send + Sync>>;

static TABLE: Mutex<Table> = Mutex::new(BTreeMap::new());

/// Adds a new region.
pub(super) fn insert<A: Atomic>(id: Id, region: &Arc<Mapped<A>>) {
    let weak = Arc::downgrade(region);
    lock().insert(id, weak);
}

/// Returns the region with this id, or else the one that `map` returns. Returns `None` if its cells are not
/// of type `A`.
pub(super) fn find_or_insert<A: Atomic>(
    id: Id,
    map: impl FnOnce() -> Result<Mapped<A>, Lost>,
) -> Result<Option<Arc<Mapped<A>>>, Lost> {
    // Mapped under the lock: two threads must not map the same one with different cells.
    let mut table = lock();
    let known = table.get(&id).and_then(Weak::upgrade);
    if let Some(known) = known {
        // This may be the last handle by now, and dropping it needs the lock.
        drop(table);
        return Ok(Arc::downcast(known).ok());
    }
    let region = Arc::new(map()?);
    let weak = Arc::downgrade(&region);
    table.insert(id, weak);
    Ok(Some(region))
}

/// Removes the region with this id, which has ended, unless it was mapped again meanwhile.
pub(super) fn remove(id: Id) {
    let mut table = lock();
    if table.get(&id).is_some_and(|region| region.strong_count() == 0) {
        table.remove(&id);
    }
}

fn lock() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}
