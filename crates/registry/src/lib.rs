//! Jobs as records: a state machine that remembers jobs after their requests have ended.
//!
//! This crate makes every decision about an asynchronous job that needs no I/O. It decides whether
//! an offered job runs, or whether its idempotency key already belongs to another. It decides which
//! events its watchers see, when a result expires, and which record makes room for a new one. The
//! crate has no clock, socket, thread or engine. The owner of the engine offers jobs to a
//! [`Registry`], reports [`Event`]s, and carries out [`Effect`]s.
//!
//! ```
//! use procpool_protocol::outcome::{Finished, Timing};
//! use procpool_protocol::{JobId, Payload};
//! use procpool_registry::{
//!     Decision, Event, Fingerprint, KeyText, Offer, Registry, ResultState, Settings, Time,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut registry = Registry::new(Settings::default(), 42)?;
//! let (now, id) = (Time::ZERO, JobId::from_bits(1));
//!
//! // A client submits a job under a key. The key is free, so that the job runs.
//! let key = (KeyText::parse(b"invoice-7")?, Fingerprint([7; 32]));
//! let mut offer = Offer::new(id, "fib");
//! offer.key = Some(key.clone());
//! assert!(matches!(registry.offer(now, offer)?, Decision::Run(_)));
//! registry.handle(now, id, Event::Queued);
//! registry.handle(now, id, Event::started(1, "fib-1"));
//!
//! // The client loses its connection and sends the same again. The first job answers.
//! let mut again = Offer::new(JobId::from_bits(2), "fib");
//! again.key = Some(key.clone());
//! assert!(matches!(registry.offer(now, again.clone())?, Decision::Known(job) if job.id == id));
//!
//! let result = Ok(Payload::json("1134903170"));
//! registry.handle(now, id, Event::finished(Finished::new(id, Timing::default(), result)));
//! assert!(matches!(registry.offer(now, again)?, Decision::Replay(..)));
//! assert!(matches!(registry.result(now, id), ResultState::Finished(..)));
//! # Ok(())
//! # }
//! ```
//!
//! Where to look: `registry` contains the rules, one file per subject (keys, bodies, retention,
//! watching, listing, cancelling). `transition` is the table of states. `storage` is the trait
//! behind which the records are, `memory` its implementation. `history` holds events.

#![forbid(unsafe_code)]

mod cursor;
mod durable;
mod effect;
mod event;
mod filter;
mod history;
mod key;
mod memory;
mod offer;
mod record;
mod registry;
mod settings;
mod size;
mod storage;
mod time;
mod transition;

pub use cursor::{Cursor, ForeignCursor, InvalidCursor};
pub use durable::{CommitError, Durable, Settled};
pub use effect::{Dropped, Effect, Gone};
pub use event::Event;
pub use filter::{Class, Filter, UnknownName, is_dead, outcome_named, phase_named};
pub use history::{Entry, Happened};
pub use key::{Fingerprint, InvalidKey, Key, KeyText};
pub use memory::{Memory, MemoryStore};
pub use offer::{Decision, Offer, Refused, Wait};
pub use record::{Body, Claim, Phase, Record, State};
pub use registry::{
    Attempts, Cancelled, Handled, MAX_PAGE, Page, Registry, ResultState, Resumed, Selection, Trial,
};
pub use settings::{Retention, Settings, SettingsError};
pub use storage::{Part, Query, Storage, Usage};
pub use time::Time;
pub use transition::{Decided, decide};
