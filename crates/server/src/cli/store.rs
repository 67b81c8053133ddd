//! The arguments of `procpool store` and its help.

use clap::{Args, Subcommand};
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Examples:
  procpool store stats /var/lib/procpool
  procpool store check --config procpool.toml
  procpool store export /var/lib/procpool > jobs.jsonl

`stats` and `export` work while a server has the directory. `check` and
`compact` need a directory that no server has. Exit codes: 0 done, 1 an error,
or damage that `check` has found.";

#[derive(Args, Debug)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Read and check every record, input and result. Changes nothing.
    Check(Place),
    /// Count jobs and bytes.
    Stats(Place),
    /// Print every record as a line of JSON, without inputs and results.
    Export(Place),
    /// Give free space back to the disk. Needs as much space again meanwhile.
    Compact(Place),
}

/// The directory that is meant.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// The state directory.
    #[arg(value_name = "DIR", conflicts_with = "config")]
    pub(crate) directory: Option<PathBuf>,

    /// Take the state directory of this configuration file (TOML); `-` is
    /// standard input.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;
    use std::path::Path;

    #[test]
    fn a_directory_or_a_configuration_is_named() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).map(|cli| cli.command);
        let Ok(Command::Store(StoreArgs { command: StoreCommand::Check(place) })) =
            parse("procpool store check /var/lib/x")
        else {
            panic!()
        };
        assert_eq!(place.directory.as_deref(), Some(Path::new("/var/lib/x")));
        let Ok(Command::Store(StoreArgs { command: StoreCommand::Compact(place) })) =
            parse("procpool store compact -c p.toml")
        else {
            panic!()
        };
        assert_eq!(place.config.as_deref(), Some(Path::new("p.toml")));
        let error = parse("procpool store stats /x -c p.toml").unwrap_err().to_string();
        assert!(error.contains("cannot be used with"), "{error}");
    }
}
