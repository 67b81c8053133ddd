//! The state directory: to whom it belongs, and its files beside the database.

mod directory;
mod format;
mod lock;
mod network;
mod reserve;
mod spool;

pub(crate) use directory::prepare;
pub(crate) use format::check as check_format;
pub(crate) use lock::Lock;
pub(crate) use reserve::Reserve;
pub(crate) use spool::{Kind, SPOOLED_ABOVE, Spool};

/// Name of the database in the state directory.
pub(crate) const DATABASE: &str = "jobs.sqlite";
/// Name of its write-ahead log.
pub(crate) const WAL: &str = "jobs.sqlite-wal";
/// Name of the file with the reserve.
pub(crate) const RESERVE: &str = "reserve";
