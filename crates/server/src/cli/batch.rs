//! The arguments of `procpool batch`.

use super::job::Share;
use super::remote::Remote;
use crate::config::duration::Positive;
use clap::Args;

pub(crate) const HELP: &str = "\
Each line of FILE is a JSON value, the input of one job. Each line of standard
output is an answer: {\"line\":1,\"outcome\":\"ok\",\"output\":6765}, or with a
`problem` instead of an output. A summary goes to standard error.

Examples:
  seq 30 | procpool batch fib - > answers.jsonl
  procpool batch mail orders.jsonl --resumable > answers.jsonl
  jq -c 'select(.outcome != \"ok\")' answers.jsonl

With --resumable, the server runs each line of the file once: run the command
again after a failure of the network, and lines that have run are answered from
memory. Exit codes: 0 every line is ok, 1 some are not, 2 wrong command line,
3 no server or a broken connection, 4 the batch was refused.";

#[derive(Args, Debug)]
pub(crate) struct BatchArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,

    /// Name of the pool.
    pub(crate) pool: String,

    /// File with an input on each line; `-` reads standard input.
    pub(crate) file: String,

    /// Answer lines as they end, not in their order.
    #[arg(long)]
    pub(crate) unordered: bool,

    /// Run each line once, under a key of the name of the file and its number.
    #[arg(long, conflicts_with = "key_prefix")]
    pub(crate) resumable: bool,

    /// The same, with another name than that of the file.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) key_prefix: Option<String>,

    #[command(flatten)]
    pub(crate) share: Share,

    /// Maximum time for each line, such as 5s.
    #[arg(short, long, value_name = "DURATION")]
    pub(crate) timeout: Option<Positive>,

    /// No progress and no summary on standard error.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}
