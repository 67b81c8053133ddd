//! Jobs that outlive their process: the storage of [`procpool_registry`] on SQLite.
//!
//! A [`Store`] belongs to one thread. It changes records in groups: several calls of the registry, then
//! [`commit`](procpool_registry::Durable::commit), which returns when all of them are durable. A group that fails is
//! undone as a whole.
//!
//! ```
//! use procpool_protocol::JobId;
//! use procpool_registry::{Decision, Durable, Offer, Registry, Settings, Storage};
//! use procpool_store::{Durability, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(format!("procpool-store-doc-{}", std::process::id()));
//! let opened = Store::open(&directory, Durability::Fsync)?;
//! let mut registry = Registry::with_storage(opened.store, Settings::default(), 42)?;
//! let decision = registry.offer(opened.now, Offer::new(JobId::from_bits(1), "fib"))?;
//! assert!(matches!(decision, Decision::Run(_)));
//!
//! // Only after this may anybody be told.
//! let mut store = registry.into_storage();
//! store.commit(opened.now)?;
//!
//! drop(store);
//! let again = Store::open(&directory, Durability::Fsync)?;
//! assert!(again.store.get(JobId::from_bits(1)).is_some());
//! # drop(again);
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok(())
//! # }
//! ```
//!
//! The directory has mode 0700. One process at a time has it; a file system that other machines share is refused.

mod checkpoint;
mod clock;
mod encode;
mod error;
mod index;
mod open;
mod place;
mod repair;
mod row;
mod saved;
mod schema;
mod store;
mod sync;
mod system;
mod tools;
mod trouble;
mod wal;

pub use clock::{Clock, Moment};
pub use error::OpenError;
pub use open::Opened;
pub use schema::Durability;
pub use store::Store;
pub use tools::{Checked, Compacted, ExportError, Stats, check, compact, export, stats};
