//! The options of a chaos run, and the help for them.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// The text of `--help`.
pub const HELP: &str = "\
Serves mixed load over HTTP while workers are killed, stopped and made to
misbehave at random, then compares every ledger and prints what held.

Usage: chaos [--store] [--seconds 60] [--kills-per-minute 600] [--seed N]
             [--figures]
       chaos --cluster N [--servers 1] [--seconds 60]
             [--kills-per-minute 600] [--seed N]

  --store               durable jobs instead: the server itself is killed, told to
                        stop and reloaded, and a next one continues
  --cluster N           jobs on many hosts instead, with 1 to 16 nodes: nodes,
                        fronts and nats-server are killed, stopped and told to end
  --servers N           1 or 3 servers of NATS, and as many copies of each job [1]
  --seconds N           how long the faults last, 1 to 86400 [60]
  --kills-per-minute N  SIGKILLs from outside, 0 to 60000 [600]; other faults
                        come in proportion to them, beside those that jobs do
                        to their own workers
  --seed N              decides which jobs each client sends and which faults
                        come when; printed at the start. What the kernel makes
                        of them (who is hit, in which state) is not repeatable
  --figures             the two figures (time to make a death good, latency of
                        surviving jobs) fail the run too when they are missed

Some seconds without kills come first, to compare with. Ctrl-C ends the faults
early; the ledger is still compared. The exit code is 1 if an assertion failed.";

/// The settings of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long the faults last.
    pub duration: Duration,
    /// SIGKILLs a minute.
    pub kills_per_minute: u32,
    /// Decides the schedule of jobs and faults.
    pub seed: u64,
    /// Whether missed figures fail the run.
    pub figures: bool,
    /// Whether it is the run of durable jobs, whose servers are killed.
    pub store: bool,
    /// Number of nodes of a run of jobs on many hosts. `0` if it is another run.
    pub cluster: u32,
    /// Number of servers of NATS in that run, 1 or 3.
    pub servers: u32,
}

impl Options {
    fn new() -> Self {
        let seed = RandomState::new().build_hasher().finish();
        // Small enough to be typed again.
        let seed = seed % 1_000_000_000;
        let duration = Duration::from_secs(60);
        let (figures, store, cluster, servers) = (false, false, 0, 1);
        Self { duration, kills_per_minute: 600, seed, figures, store, cluster, servers }
    }

    /// How long the load runs before the first fault.
    pub fn calm(&self) -> Duration {
        (self.duration / 4).clamp(Duration::from_secs(1), Duration::from_secs(5))
    }
}

/// The request of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The help.
    Help,
    /// A run.
    Run(Options),
}

/// Reads the command line.
///
/// # Errors
/// The mistake in it, as a sentence.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Asked, String> {
    let mut options = Options::new();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let (name, value) = match arg.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        let mut number = |most: u64| -> Result<u64, String> {
            let value = value.clone().or_else(|| args.next()).ok_or(format!("{name} needs a number"))?;
            let number = value.parse().ok().filter(|&number| number <= most);
            number.ok_or(format!("{name} takes a whole number up to {most}, not `{value}`"))
        };
        match name.as_str() {
            "--help" | "-h" => return Ok(Asked::Help),
            "--figures" => options.figures = true,
            "--store" => options.store = true,
            "--cluster" => options.cluster = u32::try_from(number(16)?.max(1)).unwrap_or(1),
            "--servers" => match number(3)? {
                1 => options.servers = 1,
                3 => options.servers = 3,
                other => return Err(format!("--servers takes 1 or 3, not `{other}`")),
            },
            "--seconds" => options.duration = Duration::from_secs(number(86_400)?.max(1)),
            "--kills-per-minute" => {
                options.kills_per_minute = u32::try_from(number(60_000)?).unwrap_or(60_000);
            }
            "--seed" => options.seed = number(u64::MAX)?,
            _ => return Err(format!("there is no option `{name}`")),
        }
    }
    if options.cluster > 0 && options.store {
        return Err("--store and --cluster are two runs; give one of them".into());
    }
    if options.cluster == 0 && options.servers > 1 {
        return Err("--servers belongs to --cluster".into());
    }
    Ok(Asked::Run(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Asked, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read_in_both_spellings() {
        let duration = Duration::from_secs(600);
        let (kills_per_minute, figures, store) = (12_000, true, true);
        let expected = Options { duration, kills_per_minute, seed: 7, figures, store, ..Options::new() };
        let spaced = "--store --seconds 600 --kills-per-minute 12000 --seed 7 --figures";
        assert_eq!(words(spaced), Ok(Asked::Run(expected)));
        assert_eq!(
            words("--figures --seed=7 --kills-per-minute=12000 --seconds=600 --store"),
            Ok(Asked::Run(expected))
        );
    }

    #[test]
    fn a_cluster_has_nodes_and_servers() {
        let Ok(Asked::Run(options)) = words("--cluster 3 --servers 3") else { panic!() };
        assert_eq!((options.cluster, options.servers), (3, 3));
        let Ok(Asked::Run(options)) = words("--cluster=5") else { panic!() };
        assert_eq!((options.cluster, options.servers), (5, 1));
        assert!(words("--cluster 17").unwrap_err().contains("up to 16"));
        assert!(words("--cluster 3 --servers 2").unwrap_err().contains("1 or 3"));
        assert!(words("--cluster 3 --store").unwrap_err().contains("two runs"));
        assert!(words("--servers 3").unwrap_err().contains("belongs to --cluster"));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        assert_eq!(words("--fast"), Err("there is no option `--fast`".into()));
        assert_eq!(words("--seed"), Err("--seed needs a number".into()));
        assert!(words("--seconds 1m").unwrap_err().contains("`1m`"));
        assert!(words("--kills-per-minute 60001").unwrap_err().contains("up to 60000"));
    }

    #[test]
    fn the_calm_before_the_storm_is_bounded() {
        let calm = |seconds| {
            let duration = Duration::from_secs(seconds);
            Options { duration, ..Options::new() }.calm().as_secs()
        };
        assert_eq!([calm(1), calm(12), calm(600)], [1, 3, 5]);
    }
}
