//! The arguments of `procpool pool`, `procpool worker`, `procpool config` and `procpool health`.

use super::remote::{Form, Output, Remote};
use crate::config::duration::Positive;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};

#[derive(Args, Debug)]
pub(crate) struct PoolArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: PoolCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PoolCommand {
    /// List the pools.
    List,
    /// Show one pool: queue, workers, outcomes, times.
    Show(OnePool),
    /// Begin no further jobs; accept them as before.
    Pause(OnePool),
    /// Begin jobs again.
    Resume(OnePool),
    /// Accept no further jobs, and finish those that there are.
    Drain(OnePool),
    /// Put the replaced worker executable into service.
    Reload(OnePool),
    /// Change the number of workers, or of jobs that may wait.
    Resize(ResizeArgs),
    /// List what killed workers, or clear it.
    Quarantine(QuarantineArgs),
}

#[derive(Args, Debug)]
pub(crate) struct OnePool {
    /// Name of the pool.
    pub(crate) pool: String,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("sizes").required(true).multiple(true))]
pub(crate) struct ResizeArgs {
    /// Name of the pool.
    pub(crate) pool: String,

    /// Minimum number of workers.
    #[arg(long, value_name = "NUMBER", group = "sizes")]
    pub(crate) min: Option<u32>,

    /// Maximum number of workers.
    #[arg(long, value_name = "NUMBER", group = "sizes")]
    pub(crate) max: Option<u32>,

    /// Maximum number of jobs that may wait.
    #[arg(long, value_name = "NUMBER", group = "sizes")]
    pub(crate) queue: Option<u32>,

    /// Number of idle workers that are held ready.
    #[arg(long, value_name = "NUMBER", group = "sizes")]
    pub(crate) spares: Option<u32>,
}

#[derive(Args, Debug)]
pub(crate) struct QuarantineArgs {
    /// Name of the pool.
    pub(crate) pool: String,

    /// Let this payload or client run again, or all of them.
    #[arg(long, value_name = "FINGERPRINT", num_args = 0..=1)]
    pub(crate) clear: Option<Option<String>>,
}

#[derive(Args, Debug)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(flatten)]
    pub(crate) output: WorkerOutput,
    #[command(subcommand)]
    pub(crate) command: WorkerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// List the workers of a pool, or of all.
    List(WorkersArgs),
    /// Print what a worker wrote to standard output and error.
    Logs(LogsArgs),
    /// Replace a worker once its job has ended.
    Retire(OneWorker),
    /// Kill a worker, and the job that it runs.
    Kill(OneWorker),
    /// Show what a worker does now: the calls of its first thread, which runs the jobs.
    Stack {
        /// The worker's name, such as fib-3.
        id: String,
        /// Show all its threads.
        #[arg(long)]
        threads: bool,
    },
    /// Look at a worker 99 times a second, and print what it did.
    #[command(after_help = PROFILE_HELP)]
    Profile {
        /// The worker's name, such as fib-3.
        id: String,
        /// Duration, 1 to 60.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
        seconds: u32,
    },
}

const PROFILE_HELP: &str = "\
-o folded is a line for each stack, for flamegraph tools. -o firefox is for
https://profiler.firefox.com, which reads the file in your browser. -o svg is a
picture.";

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct WorkerOutput {
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t, global = true, value_name = "FORM")]
    pub(crate) output: WorkerForm,
}

/// The form of an answer about workers. The last three are those of a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum WorkerForm {
    /// A table for people.
    #[default]
    Table,
    /// The server's answer to the letter.
    Json,
    /// A line of JSON for each thing.
    Jsonl,
    /// Names and ids alone, one a line.
    Name,
    /// Of a profile: a line for each stack, with the number of its samples.
    Folded,
    /// Of a profile: for profiler.firefox.com.
    Firefox,
    /// Of a profile: a picture.
    Svg,
}

impl WorkerForm {
    /// Returns the form of an answer that is no profile.
    pub(crate) fn form(self) -> Form {
        match self {
            Self::Table | Self::Folded | Self::Firefox | Self::Svg => Form::Table,
            Self::Json => Form::Json,
            Self::Jsonl => Form::Jsonl,
            Self::Name => Form::Name,
        }
    }

    /// Returns whether only a profile has this form.
    pub(crate) fn is_of_profiles(self) -> bool {
        matches!(self, Self::Folded | Self::Firefox | Self::Svg)
    }

    /// Returns the word by which the server knows the form of a profile.
    pub(crate) fn of_profile(self) -> &'static str {
        match self {
            Self::Json | Self::Jsonl | Self::Firefox => "firefox",
            Self::Svg => "svg",
            Self::Table | Self::Name | Self::Folded => "folded",
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read the configuration file again, and apply all of it or nothing.
    Reload {
        /// Only say what would change.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Args, Debug)]
pub(crate) struct WorkersArgs {
    /// Name of the pool [default: all pools].
    pub(crate) pool: Option<String>,

    /// Go on, and print a worker again whenever it changes.
    #[arg(short, long)]
    pub(crate) watch: bool,

    /// Show memory and processor time, too.
    #[arg(long, conflicts_with = "watch")]
    pub(crate) usage: bool,
}

#[derive(Args, Debug)]
pub(crate) struct LogsArgs {
    /// The worker's name, such as fib-3.
    pub(crate) id: String,

    /// Go on until the worker has died.
    #[arg(short, long)]
    pub(crate) follow: bool,
}

#[derive(Args, Debug)]
pub(crate) struct OneWorker {
    /// The worker's name, such as fib-3.
    pub(crate) id: String,
}

pub(crate) const HEALTH_HELP: &str = "\
For a Dockerfile:
  HEALTHCHECK CMD [\"procpool\", \"health\"]

Exit codes: 0 healthy, 1 not.";

#[derive(Args, Debug)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,

    /// Ask whether this pool has a ready worker.
    #[arg(long, value_name = "NAME")]
    pub(crate) pool: Option<String>,

    /// Ask only whether the process answers, also while it drains.
    #[arg(long, conflicts_with = "pool")]
    pub(crate) live: bool,

    /// Maximum time for the answer.
    #[arg(long, value_name = "DURATION", default_value = "3s")]
    pub(crate) timeout: Positive,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parse(line: &str) -> Result<Command, String> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command).map_err(|error| error.to_string())
    }

    #[test]
    fn a_resize_names_at_least_one_size() {
        let Ok(Command::Pool(args)) = parse("procpool pool resize fib --max 8 --spares 0") else { panic!() };
        let PoolCommand::Resize(resize) = args.command else { panic!() };
        assert_eq!((resize.max, resize.min, resize.spares), (Some(8), None, Some(0)));
        assert!(parse("procpool pool resize fib").unwrap_err().contains("--max"));
        assert!(parse("procpool pool resize fib --max -1").is_err());
    }

    #[test]
    fn a_quarantine_is_listed_cleared_of_one_or_of_all() {
        let clear = |line: &str| match parse(line) {
            Ok(Command::Pool(PoolArgs { command: PoolCommand::Quarantine(args), .. })) => args.clear,
            other => panic!("{other:?}"),
        };
        assert_eq!(clear("procpool pool quarantine fib"), None);
        assert_eq!(clear("procpool pool quarantine fib --clear"), Some(None));
        assert_eq!(clear("procpool pool quarantine fib --clear 9a"), Some(Some("9a".into())));
    }

    #[test]
    fn workers_are_listed_of_one_pool_or_of_all() {
        let Ok(Command::Worker(args)) = parse("procpool worker list -w") else { panic!() };
        let WorkerCommand::List(list) = args.command else { panic!() };
        assert_eq!((list.pool, list.watch), (None, true));
        let Ok(Command::Worker(args)) = parse("procpool worker logs fib-3 -f") else { panic!() };
        assert!(matches!(args.command, WorkerCommand::Logs(LogsArgs { follow: true, .. })));
        assert!(parse("procpool worker kill").unwrap_err().contains("<ID>"));
    }
    #[test]
    fn a_profile_has_forms_of_its_own() {
        let Ok(Command::Worker(args)) = parse("procpool worker profile fib-1 --seconds 3 -o svg") else {
            panic!()
        };
        assert!(matches!(args.command, WorkerCommand::Profile { seconds: 3, .. }));
        assert_eq!((args.output.output.of_profile(), args.output.output.form()), ("svg", Form::Table));
        let Ok(Command::Worker(args)) = parse("procpool worker stack fib-1 --threads -o json") else {
            panic!()
        };
        assert!(matches!(args.command, WorkerCommand::Stack { threads: true, .. }));
        assert_eq!(args.output.output.form(), Form::Json);
        for seconds in ["0", "61", "1.5"] {
            assert!(parse(&format!("procpool worker profile fib-1 --seconds {seconds}")).is_err());
        }
    }
}
