//! The arguments of `procpool schedules`.

use super::remote::{Output, Remote};
use clap::{Args, Subcommand};

pub(crate) const HELP: &str = "\
Examples:
  procpool schedules               next run, last run and its job
  procpool schedules run nightly   submit its job now, beside its times";

#[derive(Args, Debug)]
pub(crate) struct SchedulesArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Option<SchedulesCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SchedulesCommand {
    /// Submit the job of a schedule now, beside its times, and print the job's id.
    Run {
        /// Name of the schedule.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    #[test]
    fn schedules_are_listed_or_one_of_them_is_run() {
        let parse = |line: &str| match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Schedules(args) => args.command,
            other => panic!("{other:?}"),
        };
        assert!(parse("procpool schedules -o json").is_none());
        let Some(SchedulesCommand::Run { name }) = parse("procpool schedules run nightly") else { panic!() };
        assert_eq!(name, "nightly");
    }
}
