//! The arguments of `procpool job`.

use super::remote::{CODES, Output, Remote};
use crate::config::duration::Positive;
use clap::{Args, Subcommand};
use procpool_client::filter::Filter;
use procpool_client::jobs::Key;

const SUBMIT_EXAMPLES: &str = "\
Examples:
  procpool job submit fib 40
  procpool job submit resize @picture.png --bytes > small.png
  id=$(procpool job submit fib 45 --async)
  procpool job submit mail @order-7.json --key order-7

The output goes to standard output as the job wrote it. JSON ends with a line
break. With --async it is the id of the job.";

#[derive(Args, Debug)]
pub(crate) struct JobArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: JobCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Run a job and print its output.
    #[command(after_help = format!("{SUBMIT_EXAMPLES}\n\n{CODES}"))]
    Submit(SubmitArgs),
    /// List the jobs that the server remembers.
    List(ListArgs),
    /// Show a job's state, times and worker.
    Show(OneJob),
    /// Wait for a job to end, and print its output.
    #[command(after_help = CODES)]
    Result(ResultArgs),
    /// Follow a job until it ends.
    #[command(after_help = CODES)]
    Watch(OneJob),
    /// Cancel jobs, by id or by what they are.
    #[command(after_help = "\
Examples:
  procpool job cancel 8f3a…
  procpool job cancel --where 'pool=fib state=queued' --dry-run")]
    Cancel(CancelArgs),
    /// Run the input of jobs again, as new jobs: of one by its id, or of all by what they are.
    #[command(after_help = "\
Examples:
  procpool job rerun 8f3a… --watch
  procpool job rerun --where 'pool=fib state=dead' --dry-run

Without a state and an outcome, --where means dead jobs: those that have failed
for good. A second order runs them once more.")]
    Rerun(RerunArgs),
}

#[derive(Args, Debug)]
pub(crate) struct SubmitArgs {
    /// Name of the pool.
    pub(crate) pool: String,

    /// The input as JSON; `-` reads standard input, `@FILE` a file.
    #[arg(allow_negative_numbers = true, default_value = "null", hide_default_value = true)]
    pub(crate) input: String,

    /// The input is raw bytes instead of JSON.
    #[arg(long)]
    pub(crate) bytes: bool,

    /// Print the job's id at once, and do not wait for its output.
    #[arg(long = "async")]
    pub(crate) detached: bool,

    /// Follow the job on standard error, then print its output.
    #[arg(long, conflicts_with = "detached")]
    pub(crate) watch: bool,

    /// Run the job once under this name, however often the command is repeated.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<Key>,

    /// Run the job after this time, such as 1h; needs --async and a durable pool.
    #[arg(long, value_name = "DURATION", requires = "detached")]
    pub(crate) delay: Option<Positive>,

    /// Run the job at this time, such as 2026-12-01T02:30:00Z; needs --async and a
    /// durable pool.
    #[arg(long, value_name = "TIME", requires = "detached", conflicts_with = "delay")]
    pub(crate) run_at: Option<String>,

    #[command(flatten)]
    pub(crate) share: Share,

    /// Maximum time for queue and run together, such as 5s.
    #[arg(short, long, value_name = "DURATION")]
    pub(crate) timeout: Option<Positive>,

    /// Maximum time for the run alone.
    #[arg(long, value_name = "DURATION")]
    pub(crate) run_timeout: Option<Positive>,
}

/// Whose turn a job gets.
#[derive(Args, Debug, Default)]
pub(crate) struct Share {
    /// Jobs of a higher priority go first.
    #[arg(short, long, value_name = "PRIORITY", value_parser = ["high", "normal", "low"])]
    pub(crate) priority: Option<String>,

    /// Tenants of a pool take turns.
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Only jobs of this pool.
    #[arg(long)]
    pub(crate) pool: Option<String>,

    /// Only jobs in this state: queued, running, finished, or dead for those that
    /// have failed for good.
    #[arg(long)]
    pub(crate) state: Option<String>,

    /// Only jobs that ended like this, such as crashed.
    #[arg(long)]
    pub(crate) outcome: Option<String>,

    /// Only jobs from this moment on, such as 2026-11-29T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,

    /// Maximum number of jobs to list; 0 lists all.
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 100)]
    pub(crate) limit: u64,
}

impl ListArgs {
    pub(crate) fn filter(&self) -> Filter {
        let filter = Filter::default().and("pool", self.pool.as_deref()).and("state", self.state.as_deref());
        filter.and("outcome", self.outcome.as_deref()).and("since", self.since.as_deref())
    }
}

#[derive(Args, Debug)]
pub(crate) struct OneJob {
    /// The job's id.
    pub(crate) id: String,
}

#[derive(Args, Debug)]
pub(crate) struct ResultArgs {
    /// The job's id.
    pub(crate) id: String,

    /// Maximum time to wait, such as 30s [default: until the job has ended].
    #[arg(short, long, value_name = "DURATION")]
    pub(crate) timeout: Option<Positive>,

    /// Do not wait: a job that has not ended is exit code 5.
    #[arg(long, conflicts_with = "timeout")]
    pub(crate) no_wait: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CancelArgs {
    /// The jobs' ids.
    #[arg(value_name = "ID", required_unless_present = "filter")]
    pub(crate) ids: Vec<String>,

    /// Cancel all jobs of which this holds, such as 'pool=fib state=queued'.
    #[arg(long = "where", value_name = "FILTER", conflicts_with = "ids")]
    pub(crate) filter: Option<Filter>,

    /// Only say how many jobs that are.
    #[arg(long, conflicts_with = "ids")]
    pub(crate) dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RerunArgs {
    /// The id of a job that has ended.
    #[arg(required_unless_present = "filter")]
    pub(crate) id: Option<String>,

    /// Follow the new job on standard error, then print its output.
    #[arg(long)]
    pub(crate) watch: bool,

    /// Run all finished jobs again of which this holds, such as 'pool=fib state=dead'.
    #[arg(long = "where", value_name = "FILTER", conflicts_with_all = ["id", "watch"])]
    pub(crate) filter: Option<Filter>,

    /// Only say how many jobs that are.
    #[arg(long, conflicts_with_all = ["id", "watch"])]
    pub(crate) dry_run: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, remote::Form};
    use clap::Parser;

    fn parse(line: &str) -> Result<JobArgs, String> {
        match Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?.command {
            Command::Job(args) => Ok(args),
            _ => Err("another command".into()),
        }
    }

    #[test]
    fn a_job_is_submitted_with_its_input_and_its_limits() {
        let args = parse("procpool job submit fib -5 --key k --priority low -t 5s -o json").unwrap();
        assert_eq!(args.output.output, Form::Json);
        let JobCommand::Submit(submit) = args.command else { panic!() };
        assert_eq!((submit.pool.as_str(), submit.input.as_str()), ("fib", "-5"));
        assert_eq!(submit.share.priority.as_deref(), Some("low"));
        assert!(submit.key.is_some() && submit.timeout.is_some() && !submit.detached);
        let JobCommand::Submit(submit) = parse("procpool job submit fib").unwrap().command else { panic!() };
        assert_eq!(submit.input, "null");
    }

    #[test]
    fn the_server_is_named_before_or_after_the_command() {
        for line in [
            "procpool job --server unix:/p.sock list --pool fib",
            "procpool job list --pool fib --server unix:/p.sock",
        ] {
            let args = parse(line).unwrap();
            assert_eq!(args.remote.server.unwrap().to_string(), "unix:/p.sock");
            let JobCommand::List(list) = args.command else { panic!() };
            assert_eq!(list.filter().to_json().to_string(), r#"{"pool":"fib"}"#);
        }
    }

    #[test]
    fn mistakes_are_named_with_what_to_write() {
        for (line, words) in [
            ("procpool job submit fib 1 --priority urgent", "high, normal, low"),
            ("procpool job submit fib 1 --timeout 5", "write 5s"),
            ("procpool job submit fib 1 --async --watch", "cannot be used with"),
            ("procpool job submit fib 1 --delay 5s", "--async"),
            ("procpool job submit fib 1 --async --delay 5s --run-at x", "cannot be used with"),
            ("procpool job submit fib 1 --server localhost", "http://127.0.0.1:3000"),
            ("procpool job submit fib 1 --key ä", "visible ASCII"),
            ("procpool job cancel", "<ID>"),
            ("procpool job cancel --where queued", "pool=fib"),
            ("procpool job cancel a --where pool=fib", "cannot be used with"),
            ("procpool job cancel a --dry-run", "cannot be used with"),
            ("procpool job rerun", "<ID>"),
            ("procpool job rerun --where dead", "pool=fib"),
            ("procpool job rerun a --where state=dead", "cannot be used with"),
            ("procpool job rerun --where state=dead --watch", "cannot be used with"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
