//! The caller's side of a pool: a job before it is accepted, while it is open, and its end.

pub(super) mod canceller;
pub(super) mod handle;
pub(super) mod job_events;
pub(super) mod map;
pub(super) mod offering;
pub(super) mod pending;
pub(super) mod reported;
pub(super) mod request;
mod turns;
pub(super) mod untaken;
pub(super) mod waiting;
