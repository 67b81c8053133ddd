//! Every route of `procpool serve`, with its built-in pools and real workers behind them.

mod async_jobs;
mod batches;
mod jobs;
mod key_storm;
mod keys;
mod orders;
mod reading;
mod refusals;
mod routes;
mod stacks;
mod tls;
mod tokens;
mod versions;
