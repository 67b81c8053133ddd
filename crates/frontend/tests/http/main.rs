//! The frontend over real sockets, with an engine of a few lines behind it. One executable for all of
//! it: linking costs more than running.

mod certified;
mod client;
mod fake;
mod frames;
mod lines;
mod server;

mod answers;
mod async_jobs;
mod batches;
mod board;
mod budgets;
mod cancels;
mod crowds;
mod dashboard;
mod deaths;
mod events;
mod half_closed;
mod inputs;
mod job_lists;
mod job_rights;
mod jobs;
mod keyed_batches;
mod lent;
mod lifetimes;
mod limits;
mod logs;
mod metrics;
mod openapi;
mod orders;
mod origins;
mod outcomes;
mod pauses;
mod protocol;
mod quarantine;
mod quotas;
mod reading;
mod reload;
mod schedules;
mod scopes;
mod sessions;
mod stacks;
mod status;
mod tls;
mod tokens;
