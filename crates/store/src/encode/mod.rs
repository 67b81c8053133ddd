//! The bytes of records, inputs and results. Each begins with the number of its version, so that later versions can
//! read what earlier ones wrote.

pub(crate) mod bytes;
mod errors;
pub(crate) mod finished;
pub(crate) mod record;
mod report;
pub(crate) mod states;
pub(crate) mod submission;

pub(crate) use bytes::Unreadable;
