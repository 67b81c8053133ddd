//! The arguments that all commands against a running server share: which server, and in which form to print its answer.

use clap::{Args, ValueEnum};
use procpool_client::Address;
use std::path::PathBuf;

pub(crate) const CODES: &str = "\
Exit codes: 0 done, 1 the job failed, 2 wrong command line, 3 no server,
4 refused (it did not run), 5 timed out, 6 the worker crashed.";

const SERVER: &str = "The server: http://HOST:PORT, https://HOST:PORT or unix:/PATH [default: $PROCPOOL_SERVER, the socket \
     $XDG_RUNTIME_DIR/procpool.sock, http://127.0.0.1:3000]";

const TOKEN_FILE: &str =
    "File with the token to send, readable for its owner alone [default: the token in $PROCPOOL_TOKEN]";

#[derive(Args, Clone, Debug)]
pub(crate) struct Remote {
    #[arg(long, help = SERVER, value_name = "URL", global = true, help_heading = "Server")]
    pub(crate) server: Option<Address>,

    #[arg(long, help = TOKEN_FILE, value_name = "FILE", global = true, help_heading = "Server")]
    pub(crate) token_file: Option<PathBuf>,

    /// File with the certificates to trust for https [default: those of the system].
    #[arg(long, value_name = "FILE", global = true, help_heading = "Server")]
    pub(crate) ca_file: Option<PathBuf>,

    /// File with your certificate, for a server that asks for one.
    #[arg(long, value_name = "FILE", global = true, help_heading = "Server", requires = "key_file")]
    pub(crate) cert_file: Option<PathBuf>,

    /// File with the key of your certificate, readable for its owner alone.
    #[arg(long, value_name = "FILE", global = true, help_heading = "Server", requires = "cert_file")]
    pub(crate) key_file: Option<PathBuf>,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t, global = true, value_name = "FORM")]
    pub(crate) output: Form,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A table for people.
    #[default]
    Table,
    /// The server's answer to the letter.
    Json,
    /// A line of JSON for each thing.
    Jsonl,
    /// Names and ids alone, one a line.
    Name,
}
