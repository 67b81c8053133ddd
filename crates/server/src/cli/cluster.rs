//! The arguments of `procpool cluster` and `procpool node`, and their help.

use super::remote::Form;
use clap::{Args, Subcommand};
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Examples:
  procpool cluster init -c procpool.toml     create the streams that are missing
  procpool cluster status -c procpool.toml   hosts, and what they run
  procpool cluster doctor -c procpool.toml   what is wrong, and the way out

The file is that of the servers and nodes, with [cluster] in it. Exit codes: 0
done, 1 an error, or a problem that `doctor` has found.";

pub(crate) const NODE_HELP: &str = "\
Runs the pools of the file that have durable = true. Once it takes jobs, the
first line on standard output is `running as NODE`. The first SIGINT or SIGTERM
lets its jobs finish for up to `drain_limit`, a second one leaves them to other
nodes. SIGHUP puts the worker executables of now into service.";

#[derive(Args, Debug)]
pub(crate) struct ClusterArgs {
    #[command(subcommand)]
    pub(crate) command: ClusterCommand,

    /// Configuration file (TOML) with [cluster]; `-` is standard input.
    #[arg(short, long, value_name = "FILE", global = true, default_value = "procpool.toml")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Create the streams and consumers that are missing. Changes no other.
    Init,
    /// Show the nodes of the last day, those that are gone as well.
    Status(StatusArgs),
    /// Look for what keeps the cluster from its promises.
    Doctor,
}

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: Form,
}

#[derive(Args, Debug)]
pub(crate) struct NodeArgs {
    /// Configuration file (TOML) with [cluster]; `-` is standard input.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;
    use std::path::Path;

    #[test]
    fn a_cluster_is_that_of_a_file() {
        let parse = |line: &str| match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Cluster(args) => args,
            other => panic!("{other:?}"),
        };
        let args = parse("procpool cluster status -c p.toml -o json");
        assert_eq!(args.config, Path::new("p.toml"));
        assert!(matches!(args.command, ClusterCommand::Status(StatusArgs { output: Form::Json })));
        assert_eq!(parse("procpool cluster init").config, Path::new("procpool.toml"));
        assert!(Cli::try_parse_from(["procpool", "node"]).is_err());
    }
}
