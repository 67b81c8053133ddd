//! The command line and its help. Does not: carry anything out.

pub(crate) mod batch;
pub(crate) mod cluster;
pub(crate) mod conform;
pub(crate) mod deaths;
pub(crate) mod job;
pub(crate) mod pool;
pub(crate) mod remote;
pub(crate) mod report;
pub(crate) mod schedules;
pub(crate) mod store;
pub(crate) mod token;
#[cfg(feature = "top")]
pub(crate) mod top;

use crate::config::duration::Bound;
use crate::config::listen::Listen;
use crate::logs::LogFormat;
use crate::words::Words;
use batch::BatchArgs;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use cluster::{ClusterArgs, NodeArgs};
use conform::ConformArgs;
use deaths::DeathsArgs;
use job::JobArgs;
use pool::{ConfigArgs, HealthArgs, PoolArgs, WorkerArgs};
use schedules::SchedulesArgs;
use std::path::PathBuf;
use store::StoreArgs;
use token::TokenArgs;

// Lines of at most 78 characters: clap would break longer ones in the middle of an 80-column terminal.

const EXAMPLES: &str = "\
Examples:
  procpool serve                          ping, fib and compute on :3000
  procpool serve --config procpool.toml   your own worker executables
  procpool run fib 40                     one job in one worker; 102334155
  procpool run ping '\"ping\"'              a JSON string keeps its quotes
  procpool check --config procpool.toml   says whether it would start
  procpool replay fib-4f0c….job           a job that crashed, once more
  procpool conform ./worker               does it keep to the wire?

Once it serves:
  procpool job submit fib 40              or curl -d 40 :3000/v1/pools/fib/jobs
  procpool pool list
  seq 30 | procpool batch fib -           a job for each line

Logs go to standard error, warnings only; -v, -vv and -vvv show more.
RUST_LOG decides instead where it is set:
  RUST_LOG=procpool_coordinator=debug,procpool_process=debug procpool serve";

const SERVE_HELP: &str = "\
Once it takes requests, the first line on standard output says where:
`listening on http://HOST:PORT` (https:// with TLS) or `listening on
unix:/PATH`. The first SIGINT (Ctrl-C) or SIGTERM lets running jobs finish, a
second one ends them. SIGHUP reloads the configuration, the files of tokens
and TLS, and the worker executables. If the server has a terminal, SIGHUP
means that the terminal has closed, and running jobs finish, too.";

const CONFIG_EXAMPLE: &str = "\
The smallest configuration file:
  [pools.resize]
  command = [\"./resize-worker\"]

A path counts from the file's directory, or from the working directory if the
file is standard input. A bare name is searched beside this executable, then
on PATH. `procpool check` prints the result.";

const CHECK_HELP: &str = "\
Nothing is started without --start. Only a started worker tells which jobs its
executable has, and that `job` names one of them. The worker gets no job.";

const RUN_HELP: &str = "\
Examples:
  procpool run fib 40
  procpool run ping '\"ping\"'
  procpool run compute 50000000 --timeout 5s
  generate-input | procpool run resize - --config procpool.toml

The output is printed as JSON, or as it is where the job's output is raw bytes.
Errors go to standard error, with exit code 1.";

const REPLAY_HELP: &str = "\
A pool keeps its failed jobs if its configuration says where:
  [pools.resize]
  command = [\"./resize-worker\"]
  save_failed_jobs = \"failed-jobs\"

Examples:
  procpool replay failed-jobs/resize-4f0c….job
  procpool replay FILE --history
  procpool replay FILE --limits
  procpool replay FILE --wrap 'gdb --args'
  procpool replay FILE --wrap 'gdb -ex run -ex backtrace --args'
  procpool replay FILE --wrap 'valgrind --error-exitcode=9'

This process becomes the worker executable, started as in its pool with
`--replay FILE` added: one ordinary process, without a coordinator. No deadline
is enforced. The output goes to standard output where it is JSON or raw bytes.
Exit codes: 0 the job ended well, 1 it did not, 2 the worker cannot run it, 101
it panicked. If the job crashes, this process crashes.

An earlier job may have caused a later job's crash. Keep the earlier jobs, and
run them first with `--history`:
  save_history = 20
Several files (`failed-jobs/resize-*.job`) are run one after the other in one
process; the exit code is that of the last.";

const COMPLETIONS_HELP: &str = "\
Examples:
  procpool completions bash > ~/.local/share/bash-completion/completions/procpool
  procpool completions zsh > \"${fpath[1]}/_procpool\"
  procpool completions fish > ~/.config/fish/completions/procpool.fish";

/// Worker processes behind HTTP.
///
/// Each pool is a set of operating system processes that run one kind of job. A worker that crashes,
/// hangs or leaks is killed and replaced, and the service keeps responding.
#[derive(Debug, Parser)]
#[command(name = "procpool", version, about, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Log more: -v workers' lives, -vv jobs and requests, -vvv all.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,

    /// How lines of the log are written.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, global = true)]
    pub(crate) log_format: LogFormat,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve pools over HTTP until told to stop.
    #[command(after_help = format!("{SERVE_HELP}\n\n{CONFIG_EXAMPLE}"))]
    Serve(ServeArgs),
    /// Run one job in one worker and print its output.
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Say whether a configuration would start, without starting it.
    #[command(after_help = format!("{CHECK_HELP}\n\n{CONFIG_EXAMPLE}"))]
    Check(CheckArgs),
    /// Run a saved job again, alone or under a debugger.
    #[command(after_help = REPLAY_HELP)]
    Replay(ReplayArgs),
    /// Check a worker against the wire, as a hostile coordinator.
    #[command(after_help = conform::HELP)]
    Conform(ConformArgs),
    /// Make tokens, by which clients may use a server.
    Token(TokenArgs),
    /// Run and follow jobs of a running server.
    Job(JobArgs),
    /// Look at pools of a running server, and change them.
    Pool(PoolArgs),
    /// Look at workers of a running server, and send them away.
    Worker(WorkerArgs),
    /// Say which workers died, and of what.
    #[command(after_help = deaths::HELP)]
    Deaths(DeathsArgs),
    /// Show the schedules of a running server.
    #[command(after_help = schedules::HELP)]
    Schedules(SchedulesArgs),
    /// Look at the durable jobs of a state directory.
    #[command(after_help = store::HELP)]
    Store(StoreArgs),
    /// Run jobs of a cluster in pools of this host, without HTTP.
    #[command(after_help = cluster::NODE_HELP)]
    Node(NodeArgs),
    /// Set up a cluster of many hosts, and look at it.
    #[command(after_help = cluster::HELP)]
    Cluster(ClusterArgs),
    /// Have a running server read its configuration again.
    Config(ConfigArgs),
    /// Run a job for each line of a file, in a running server.
    #[command(after_help = batch::HELP)]
    Batch(BatchArgs),
    /// Watch the pools of a running server on this terminal.
    #[cfg(feature = "top")]
    #[command(after_help = top::HELP)]
    Top(top::TopArgs),
    /// Print a page with the state of a running server, for a ticket.
    #[command(after_help = report::HELP)]
    Report(report::ReportArgs),
    /// Say whether a server is ready, for health checks.
    #[command(after_help = pool::HEALTH_HELP)]
    Health(HealthArgs),
    /// Print completions for a shell.
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the manual pages into a directory.
    #[command(hide = true)]
    Man {
        /// The directory, which exists.
        directory: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Configuration file (TOML), `-` for standard input [default: pools ping,
    /// fib and compute].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Address to listen on, instead of the configuration's: IP:PORT, where port
    /// 0 takes a free one, or `unix:/PATH` [default: 127.0.0.1:3000].
    #[arg(short, long, value_name = "ADDRESS")]
    pub(crate) listen: Option<Listen>,

    /// Let everybody run jobs who reaches an address that is not loopback. Without
    /// tokens, such an address is refused otherwise.
    #[arg(long)]
    pub(crate) allow_anonymous: bool,

    /// Drain and exit, as on SIGTERM, when the process that started this one has
    /// ended, however it ended.
    #[arg(long)]
    pub(crate) exit_with_parent: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Name of the pool whose worker runs the job.
    pub(crate) pool: String,

    /// The job's input as JSON; `-` reads standard input.
    #[arg(allow_negative_numbers = true)]
    pub(crate) input: String,

    /// Configuration file (TOML), `-` for standard input [default: pools ping,
    /// fib and compute].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Maximum time for the job, such as 5s, or `none` [default: the pool's `timeout`].
    #[arg(short, long, value_name = "DURATION")]
    pub(crate) timeout: Option<Bound>,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Configuration file (TOML), `-` for standard input [default: pools ping,
    /// fib and compute].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Start one worker of each pool, and stop it again.
    #[arg(long)]
    pub(crate) start: bool,

    /// Check what `procpool node` would run, instead of `procpool serve`.
    #[arg(long, requires = "config")]
    pub(crate) node: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// The saved job, as an outcome or a log names it. Several are run in one process, in this order.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// First run the worker's earlier jobs in the same process. The file holds them if the pool has
    /// `save_history`.
    #[arg(long)]
    pub(crate) history: bool,

    /// Run the program that the file names, even if another user may have written the file. Without this, the
    /// file must belong to this user, and nobody else may be allowed to write to it or to exchange it.
    #[arg(long)]
    pub(crate) trust: bool,

    /// Set the worker's limits on memory, processor time, open files and file size for the process, and for a
    /// debugger in front of it.
    #[arg(long)]
    pub(crate) limits: bool,

    /// Command to put in front of the worker's, such as "gdb --args"; split into words as a shell splits
    /// them, with nothing expanded.
    #[arg(short, long, value_name = "COMMAND")]
    pub(crate) wrap: Option<Words>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::time::Duration;

    fn parse(line: &str) -> Result<Command, String> {
        let words = line.split_whitespace();
        Cli::try_parse_from(words).map(|cli| cli.command).map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_takes_a_file_and_an_address() {
        let Ok(Command::Serve(args)) = parse("procpool serve --config p.toml --listen [::1]:0") else {
            panic!()
        };
        assert_eq!(args.config, Some(PathBuf::from("p.toml")));
        assert_eq!(args.listen.unwrap().to_string(), "[::1]:0");
        let Ok(Command::Serve(args)) = parse("procpool serve --listen unix:/run/p.sock") else { panic!() };
        assert_eq!(args.listen.unwrap().to_string(), "unix:/run/p.sock");
    }

    #[test]
    fn run_takes_negative_numbers_and_a_dash_as_input() {
        for input in ["-5", "-1.5e3", "-", "40"] {
            let Ok(Command::Run(args)) = parse(&format!("procpool run fib {input} -t 5s")) else {
                panic!("{input}")
            };
            assert_eq!(args.input, input);
            assert_eq!(args.timeout, Some(Bound(Some(Duration::from_secs(5)))));
        }
        let Ok(Command::Run(args)) = parse("procpool run fib 40 --timeout none") else { panic!() };
        assert_eq!(args.timeout, Some(Bound(None)));
    }

    #[test]
    fn a_timeout_without_a_unit_is_refused_with_what_to_write() {
        let error = parse("procpool run fib 40 --timeout 5").unwrap_err();
        assert!(error.contains("a duration needs a unit: write 5s"), "{error}");
    }

    #[test]
    fn an_address_without_a_port_is_refused_with_an_example() {
        let error = parse("procpool serve --listen localhost").unwrap_err();
        assert!(error.contains("such as 127.0.0.1:3000"), "{error}");
    }

    #[test]
    fn replay_takes_files_and_a_command_to_put_in_front() {
        let line = ["procpool", "replay", "a.job", "--wrap", "gdb -ex 'break main' --args"];
        let Command::Replay(args) = Cli::try_parse_from(line).unwrap().command else { panic!() };
        assert_eq!((args.files, args.trust, args.history), (vec![PathBuf::from("a.job")], false, false));
        assert_eq!(args.wrap.unwrap().0, ["gdb", "-ex", "break main", "--args"]);
        let Ok(Command::Replay(args)) = parse("procpool replay a.job b.job --history") else { panic!() };
        assert_eq!((args.files.len(), args.history), (2, true));
        assert!(parse("procpool replay").unwrap_err().contains("<FILE>"));
        let error = parse("procpool replay a.job --wrap 'gdb").unwrap_err();
        assert!(error.contains("a quote in it is not closed"), "{error}");
    }

    #[test]
    fn verbosity_counts_before_and_after_the_command() {
        let verbose = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap().verbose;
        assert_eq!(verbose("procpool -vv serve"), 2);
        assert_eq!(verbose("procpool serve -v"), 1);
    }
}
