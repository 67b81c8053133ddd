//! The commands against a running server. Each sends requests of `procpool-client`, and prints their answers.

mod batch;
mod deaths;
mod error;
mod input;
mod job;
mod logs;
mod pool;
mod progress;
mod report;
mod rerun;
mod schedules;
mod screen;
mod server;
#[cfg(feature = "top")]
mod top;
mod watch;
mod worker;

pub(crate) use batch::batch;
pub(crate) use deaths::deaths;
pub(crate) use error::RemoteError;
pub(crate) use job::job;
pub(crate) use pool::{config, health, pool};
pub(crate) use report::report;
pub(crate) use schedules::schedules;
#[cfg(feature = "top")]
pub(crate) use top::top;
pub(crate) use worker::worker;
