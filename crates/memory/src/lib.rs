//! Memory that a coordinator and its workers share: arenas for large payloads, one in each direction, and a
//! page of notes. A program's own code shares a [`SharedRegion`] with several workers at once.
//!
//! All of it is files without a name, in memory (`memfd`). One process passes their descriptors to another,
//! so no path is opened. The memory is freed with the last process that has it open or mapped, regardless of
//! which process is killed and when. No file can be made shorter, so every access to a mapping stays within
//! its file.
//!
//! | | written by | read by | as |
//! | --- | --- | --- | --- |
//! |[`input`] | the coordinator | one worker | `&[u8]`: no other process can write to it |
//! | [`output`] | one worker | the coordinator | a copy, by `pread`: the coordinator does not map it |
//! |[`born`] | either | the other | copies, by `pwrite` and `pread`: for workers that cannot receive a descriptor |
//! | [`page`] | one worker | the coordinator | numbers and bytes, by `pread` |
//! |[`SharedRegion`] | all | all | atomics |
//!
//! No file is made longer than this process's limit ([`growth`]): the kernel would end the process for that.
//!
//! [`passing`] sends the descriptors of regions along with the values that refer to them.

pub mod arena;
pub mod born;
pub mod buffers;
mod claim;
mod file;
pub mod growth;
pub mod input;
pub mod lent;
mod map;
pub mod output;
pub mod page;
pub mod passing;
mod region;
mod region_id;
pub mod rlimit;

pub use region::{RegionCell, SharedRegion};
