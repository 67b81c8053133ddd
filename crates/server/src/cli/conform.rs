//! The arguments of `procpool conform` and its help.

use clap::{Args, ValueEnum};
use std::ffi::OsString;

pub(crate) const HELP: &str = "\
Examples:
  procpool conform ./worker
  procpool conform ./ping --any '\"ping\"'
  procpool conform --any 40 -- python3 -m procpool math_jobs:fib
  procpool conform --list

The worker's arguments that begin with a dash come after `--`. Each check runs
fresh processes, with the environment that a pool's workers have;
`env NAME=VALUE ./worker` adds to it.

Checks that need the fixture job `conformance` are skipped with other workers.
`--format tap` and `--format junit` are for programs. Exit codes: 0 no check
that a worker must pass has failed, 1 at least one has.";

#[derive(Args, Debug)]
pub(crate) struct ConformArgs {
    /// The worker's command: a path or a name to find on PATH, and its arguments.
    #[arg(required_unless_present = "list", value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,

    /// An input as JSON that the worker answers with Ok. More checks run with it.
    #[arg(long, value_name = "INPUT", allow_negative_numbers = true)]
    pub(crate) any: Option<String>,

    /// Name of the job, if the executable has several.
    #[arg(long, value_name = "NAME")]
    pub(crate) job: Option<String>,

    /// Run or list only the checks whose name contains this.
    #[arg(short = 'k', long = "only", value_name = "NAME")]
    pub(crate) only: Option<String>,

    /// Form of the report.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ReportFormat,

    /// List the checks instead, with what each is from.
    #[arg(long)]
    pub(crate) list: bool,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Lines for people.
    #[default]
    Text,
    /// Test Anything Protocol 14.
    Tap,
    /// The XML of `JUnit`.
    Junit,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parse(line: &str) -> Option<ConformArgs> {
        match Cli::try_parse_from(line.split_whitespace()).ok()?.command {
            Command::Conform(args) => Some(args),
            _ => None,
        }
    }

    #[test]
    fn it_takes_a_command_and_its_own_options_behind_it() {
        let args = parse("procpool conform ./w a --any -5 --format tap -k ping").unwrap();
        assert_eq!((args.command, args.any.as_deref()), (vec!["./w".into(), "a".into()], Some("-5")));
        assert_eq!((args.format, args.only.as_deref()), (ReportFormat::Tap, Some("ping")));
        let args = parse("procpool conform -- python3 -m mean").unwrap();
        assert_eq!(args.command, ["python3", "-m", "mean"]);
    }

    #[test]
    fn it_needs_a_command_unless_it_lists() {
        assert!(parse("procpool conform").is_none());
        assert!(parse("procpool conform --list -k page").unwrap().list);
    }
}
