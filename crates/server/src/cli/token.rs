//! The arguments of `procpool token` and its help.

use clap::{Args, Subcommand};
use procpool_frontend::{PoolPattern, Scope};
use procpool_protocol::engine::Priority;
use std::num::NonZeroU32;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Examples:
  procpool token new ci --scope submit,read --file tokens.toml
  procpool token new ops --scope read,operate,debug,admin
  procpool token new thumbs --scope submit --pool 'img-*' --max-priority low

The token is the first line on standard output, and is not shown again. The
server's file holds its SHA-256. With --file the lines are appended there;
without it they are printed below the token. The configuration names the file:
  [server]
  tokens = \"tokens.toml\"
A running server reads it again at SIGHUP. To revoke a token, remove its lines.";

#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token, and the lines about it for the server's file.
    #[command(after_help = HELP)]
    New(NewToken),
}

#[derive(Args, Debug)]
pub(crate) struct NewToken {
    /// Whose token it is. Logs name it, and jobs count as this tenant's.
    pub(crate) name: String,

    /// Its rights: submit, read, operate, debug, admin. None includes another.
    #[arg(short, long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
    pub(crate) scopes: Vec<Scope>,

    /// Pools that it may use; `*` stands for any characters [default: all].
    #[arg(short, long = "pool", value_name = "POOL", value_delimiter = ',')]
    pub(crate) pools: Vec<PoolPattern>,

    /// Highest priority of its jobs: high, normal or low [default: high].
    #[arg(long, value_name = "PRIORITY")]
    pub(crate) max_priority: Option<Priority>,

    /// Maximum number of its jobs that wait or run [default: no bound].
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_jobs: Option<NonZeroU32>,

    /// Maximum number of its jobs a second, on average [default: no bound].
    #[arg(long, value_name = "NUMBER")]
    pub(crate) jobs_per_second: Option<NonZeroU32>,

    /// File to append the lines to. It is made for this user alone if it is missing.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}
