//! Memory that a coordinator and its workers share: arenas for large payloads, one to each direction, a page of notes, and
//! [`SharedRegion`], which a program's own code shares with several workers at once.
//!
//! All of it is files without a name, in memory (`memfd`). One process passes their descriptors to
//! another: nothing is opened by a path. The memory is freed with the last process that has one
//! open or mapped, no matter which process is killed when. No file can be made shorter, so every
//! access to a mapping stays within its file.
//!
//! | | written by | read by | as |
//! | --- | --- | --- | --- |
//! | [`input`] | the coordinator | one worker | `&[u8]`: nobody else can write to it |
//! | [`output`] | one worker | the coordinator | a copy, by `pread`: the coordinator does not map it |
//! | [`born`] | either | the other | copies, by `pwrite` and `pread`: for workers that can be passed nothing later |
//! | [`page`] | one worker | the coordinator | numbers and bytes, by `pread` |
//! | [`SharedRegion`] | everybody | everybody | atomics |
//!
//! No file is made longer than this process may make one ([`growth`]): the kernel would end it for that.
//!
//! [`passing`] sends the descriptors of regions along with the values that refer to them.

pub mod arena;
pub mod born;
mod claim;
mod file;
pub mod growth;
pub mod input;
mod map;
pub mod output;
pub mod page;
pub mod passing;
mod region;
mod region_id;
pub mod rlimit;

pub use region::{RegionCell, SharedRegion};
