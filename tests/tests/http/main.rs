//! Every route of `procpool serve`, with its built-in pools and real workers behind them.

mod jobs;
mod orders;
mod refusals;
mod routes;
mod tokens;
mod versions;
