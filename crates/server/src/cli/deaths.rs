//! The arguments of `procpool deaths`.

use super::remote::{Output, Remote};
use clap::Args;

pub(crate) const HELP: &str = "\
Examples:
  procpool deaths
  procpool deaths --group                 one line for each cause and place
  procpool deaths --in a91f0d3c5b7e2846   the deaths of such a group
  procpool deaths 17                      all of one: last lines, stack, replay";

#[derive(Args, Debug)]
pub(crate) struct DeathsArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(flatten)]
    pub(crate) output: Output,

    /// Number of a death, to show all of it.
    #[arg(value_name = "ID", conflicts_with_all = ["pool", "worker", "group", "of_group"])]
    pub(crate) id: Option<u64>,

    /// Only deaths of this pool.
    #[arg(long, value_name = "NAME")]
    pub(crate) pool: Option<String>,

    /// Only deaths of this worker.
    #[arg(long, value_name = "ID")]
    pub(crate) worker: Option<String>,

    /// Count deaths of one cause and place together.
    #[arg(long, conflicts_with_all = ["worker", "of_group"])]
    pub(crate) group: bool,

    /// Only deaths of this group.
    #[arg(long = "in", value_name = "GROUP")]
    pub(crate) of_group: Option<String>,

    /// Maximum number of deaths, the newest; 0 for all.
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    pub(crate) limit: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parse(line: &str) -> Result<DeathsArgs, String> {
        match Cli::try_parse_from(line.split(' ')).map(|cli| cli.command) {
            Ok(Command::Deaths(args)) => Ok(args),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn deaths_are_one_some_or_groups() {
        let all = parse("procpool deaths").unwrap();
        assert_eq!((all.id, all.group, all.limit), (None, false, 50));
        assert_eq!(parse("procpool deaths 17").unwrap().id, Some(17));
        let groups = parse("procpool deaths --group --pool fib").unwrap();
        assert_eq!((groups.group, groups.pool.as_deref()), (true, Some("fib")));
        assert!(parse("procpool deaths 17 --pool fib").unwrap_err().contains("--pool"));
        assert!(parse("procpool deaths --group --in a91f").unwrap_err().contains("--in"));
        assert!(parse("procpool deaths x").unwrap_err().contains("ID"));
    }
}
