//! The arguments of `procpool pool`, `procpool worker`, `procpool config` and `procpool health`.

use super::remote::{Output, Remote};
use crate::config::duration::Positive;
use clap::{ArgGroup, Args, Subcommand};

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
    pub(crate) output: Output,
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
}
