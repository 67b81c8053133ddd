//! Stacks of worker processes: from registers and a copy of stack memory to the calls that led there.
//!
//! A [`Snapshot`] is what somebody else took, from a stopped process or from the memory that a dead one
//! left behind. [`Unwinder::unwind`] finds the calls: positions in files, which [`Unwound::unnamed`] shows
//! as they are. Names come from somewhere else: debug information is too large a language to read here.
//!
//! Everything that is read may be wrong or hostile: the snapshot, and the files that it names. Each thing
//! read has a bound, in bytes and in steps. Unusable input becomes a note.

mod arch;
mod block_cache;
mod call_frame;
mod elf;
mod frame_index;
mod machine;
mod maps;
mod module;
mod mounts;
mod snapshot;
#[cfg(test)]
mod tests;
mod unwind;
mod unwound;

pub use maps::{MOST_MAPPINGS, mappings};
pub use snapshot::{MOST_STACK, Mapping, Registers, Snapshot, ThreadSnapshot};
pub use unwind::{MOST_THREADS, Unwinder};
pub use unwound::{Call, ModuleFile, UnnamedThread, Unwound};
