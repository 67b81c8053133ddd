//! The arguments of `procpool top`.

use super::remote::Remote;
use clap::Args;

pub(crate) const HELP: &str = "\
Keys:
  up, down, k, j   choose a pool
  q, Escape        end

A cell is a worker: # busy, . idle, + starting, x stopping a job, - retiring.
Rates are those of the last two seconds, times those since the pool's start.

Examples:
  procpool top
  procpool top fib compute --server https://jobs.example:3000

Exit codes: 0 ended by you, 2 wrong command line or no terminal, 3 no server, or
it went away.";

#[derive(Args, Debug)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,

    /// Names of pools [default: all].
    pub(crate) pools: Vec<String>,
}
