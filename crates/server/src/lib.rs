//! The `procpool` command: any set of worker executables behind HTTP, from a configuration file.
//!
//! This crate wires and refuses to decide: what a job's outcome is comes from `procpool-coordinator`,
//! what a request means from `procpool-frontend`. Here are the command line, the configuration, the
//! signals and the words in which errors reach a person.
//!
//! ```console
//! $ procpool serve                          # ping, fib and compute on 127.0.0.1:3000
//! $ procpool serve --config procpool.toml   # your own workers
//! $ procpool run fib 40                     # one job in one worker
//! 102334155
//! $ procpool check --config procpool.toml   # would it start? --start tries
//! $ procpool replay fib-4f0c….job           # a job that crashed, once more
//! $ procpool conform ./worker               # does it keep to the wire?
//! $ procpool job submit fib 40              # a client of a server that runs; likewise pool, worker, batch, health
//! ```
//!
//! # What scripts rely on
//!
//! - `serve` prints `listening on http://HOST:PORT` or `listening on unix:/PATH` on standard output once every pool has a
//!   worker and requests are taken; with port 0, `PORT` is the real port. Nothing else goes to standard output.
//! - `run` prints the output and a newline on standard output; raw bytes are written as they are.
//! - Errors are one line on standard error that begins with `error: ` (with `-o json` it is the server's problem); where a configuration file is
//!   wrong, it goes on with `FILE:LINE:COLUMN: ` and that line of the file follows.
//! - Exit codes: 0 done, or stopped by one signal; 1 an error; 2 a wrong command line; 130 and 143
//!   ended by SIGINT and SIGTERM (a second one, in the case of `serve`). `replay` becomes the worker executable,
//!   so what it prints and how it ends is the worker's, or that of the command it is wrapped in. Commands against a
//!   running server have further codes: 3 no server, 4 refused (it did not run), 5 timed out, 6 the worker crashed.
//!
//! # Signals
//!
//! The first SIGINT or SIGTERM lets `serve` finish: it takes no further connection or job, jobs that were
//! accepted run to their end for up to `drain_limit`, and workers exit. The second is immediate. SIGHUP
//! reloads: the server puts the worker executables that now stand under their names into service, without
//! failing a job. It also reads the files of tokens and TLS again, and not the configuration file. A server that was started from a terminal
//! takes SIGHUP for the end of that terminal instead, and finishes as with SIGTERM. A repeated SIGHUP changes
//! nothing. Where SIGHUP is ignored, as under `nohup`, it stays so. A server without a terminal is one that a
//! service manager, `setsid` or a container has started. However this process ends, its workers end with it.
//! With `--exit-with-parent`, the end of the process that started the server counts as SIGTERM.

#![forbid(unsafe_code)]

mod check;
mod cli;
mod cluster;
mod config;
mod conform;
mod error;
mod front;
#[cfg(fuzzing)]
pub mod fuzzing;
mod input;
mod jobs;
mod keys;
mod late;
mod logs;
mod names;
mod node;
mod papers;
mod parent;
mod reload;
mod remote;
mod replay;
mod replay_error;
mod run;
mod serve;
mod signals;
mod spans;
mod store;
mod terminal;
mod token;
mod trust;
mod words;

use clap::Parser;
use cli::remote::Form;
use cli::{Cli, Command};
use error::Error;
use procpool_client::Ending;
use procpool_protocol::printable::{printable, printable_lines};
use remote::RemoteError;
use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// How long the runtime's last tasks may take to notice that it ends.
const LAST_TASKS: Duration = Duration::from_secs(1);

/// Runs the command of this process's arguments.
pub fn main() -> ExitCode {
    procpool_coordinator::return_large_memory();
    // Before the first word, which may be one byte too many for its file.
    let survives = procpool_coordinator::survive_file_size_signal().map_err(Error::Signals);
    let cli = Cli::parse();
    survives.and_then(|()| log_and_execute(cli)).unwrap_or_else(|error| {
        // With standard error closed there is nobody left to tell.
        let _ = match &error {
            Error::Remote(RemoteError::ReaderGone) => Ok(()),
            Error::Remote(RemoteError::Document { document, .. }) => {
                writeln!(std::io::stderr(), "{document}")
            }
            error => writeln!(std::io::stderr(), "error: {}", shown(error)),
        };
        error.exit_code()
    })
}

/// Returns an error as a terminal may see it: workers' words and foreign files are in it. It has one line,
/// unless it quotes a configuration.
fn shown(error: &Error) -> String {
    let text = error.to_string();
    match error {
        Error::Config(_) => printable_lines(&text),
        _ => printable(&text).into_owned(),
    }
}

fn log_and_execute(cli: Cli) -> Result<ExitCode, Error> {
    // The error tells what happened to the only worker of `run`, and to that of a pool in `check`.
    let quiet = matches!(cli.command, Command::Run(_) | Command::Check(_));
    let _flush = logs::start(cli.verbose, quiet, cli.log_format)?;
    execute(cli.command)
}

fn execute(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Serve(args) => on_runtime(serve::serve(args)),
        Command::Run(args) => {
            let order = run::Order::read(&args)?;
            on_runtime(run::run(order))
        }
        Command::Check(args) if args.start => on_runtime(check::check_starts(args)),
        Command::Check(args) => check::check(&args),
        Command::Replay(args) => Err(replay::replay(&args)),
        Command::Conform(args) => conform::conform(args),
        Command::Token(args) => token::token(&args.command),
        Command::Job(args) => as_client(args.output.output, remote::job(args)),
        Command::Pool(args) => as_client(args.output.output, remote::pool(args)),
        Command::Worker(args) => as_client(args.output.output.form(), remote::worker(args)),
        Command::Deaths(args) => as_client(args.output.output, remote::deaths(args)),
        Command::Schedules(args) => as_client(args.output.output, remote::schedules(args)),
        Command::Store(args) => store::store(&args.command),
        Command::Node(args) => on_runtime(node::node(args)),
        Command::Cluster(args) => on_runtime(cluster::cluster(args)),
        Command::Config(args) => as_client(args.output.output, remote::config(args)),
        Command::Batch(args) => as_client(Form::Table, remote::batch(args)),
        #[cfg(feature = "top")]
        Command::Top(args) => as_client(Form::Table, remote::top(args)),
        Command::Report(args) => as_client(Form::Table, remote::report(args)),
        Command::Health(args) => as_client(Form::Table, remote::health(args)),
        Command::Completions { shell } => papers::completions(shell),
        Command::Man { directory } => papers::man(&directory),
    }
}

/// Runs a client to its end, on this thread. Signals have their default actions.
fn as_client(form: Form, work: impl Future<Output = Result<Ending, RemoteError>>) -> Result<ExitCode, Error> {
    procpool_coordinator::unblock_stop_signals().map_err(Error::Signals)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.map_err(Error::Runtime)?.block_on(work);
    let ended = ended.map_err(|error| error.in_form(form))?;
    Ok(ExitCode::from(ended.code()))
}

/// Runs to the end on every processor; what is still there afterwards is dropped.
fn on_runtime(work: impl Future<Output = Result<ExitCode, Error>>) -> Result<ExitCode, Error> {
    procpool_coordinator::unblock_stop_signals().map_err(Error::Signals)?;
    // Where they are forbidden, the runtime panics.
    procpool_coordinator::require_sockets().map_err(Error::Runtime)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    let ended = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_TASKS);
    // Ended with this process, it would leave a worker behind that nobody has heard of.
    procpool_coordinator::finish_spawns(LAST_TASKS);
    ended
}
