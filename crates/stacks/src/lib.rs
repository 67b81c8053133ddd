//! Stacks of worker processes: from registers and a copy of stack memory to the calls that led there.
//!
//! A [`Snapshot`] is what somebody else took, from a stopped process or from the memory that a dead one
//! left behind. Everything in it may be wrong or hostile.

mod snapshot;

pub use snapshot::{MOST_STACK, Mapping, Registers, Snapshot, ThreadSnapshot};
