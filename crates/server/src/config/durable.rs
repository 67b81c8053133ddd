//! `[jobs] state_dir`, `durability` and `max_dead`, and `durable` and `retry` of a pool: where jobs outlive the server, and how
//! their failures are tried again. Does not: touch the directory.

use super::duration::Positive;
use super::error::{ConfigError, Mistake};
use super::file::{JobsTable, PoolTable};
use super::place::Source;
use procpool_frontend::JobSettings;
use serde::Deserialize;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where durable jobs are, for a configuration with a durable pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DurableConfig {
    /// An absolute path. The store creates the directory.
    pub(crate) state_dir: PathBuf,
    pub(crate) durability: Durability,
    /// Maximum number of jobs there that have failed for good. At least 1.
    pub(crate) max_dead: usize,
}

/// The events that an accepted job outlives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Durability {
    /// The end of the process, and of the machine's power.
    #[default]
    Fsync,
    /// The end of the process.
    Process,
}

/// `retry`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RetryTable {
    max_attempts: u32,
    first: Option<Positive>,
    factor: Option<f64>,
    max: Option<Positive>,
}

/// How a durable job that has failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Retry {
    /// Maximum number of attempts, the first one included. From 1 to 1000.
    pub(crate) max_attempts: u32,
    /// Time before the second attempt.
    pub(crate) first: Duration,
    /// Factor by which each further time is longer. From 1 to 100.
    pub(crate) factor: f64,
    /// Maximum time before an attempt.
    pub(crate) max: Duration,
}

/// Limits of [`Retry`].
const MOST_ATTEMPTS: u32 = 1000;
const LARGEST_FACTOR: f64 = 100.0;

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 1,
            first: Duration::from_secs(1),
            factor: 2.0,
            max: Duration::from_secs(60 * 60),
        }
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_attempts, first, factor, max } = self;
        if *max_attempts == 1 {
            return out.write_str("durable, 1 attempt");
        }
        let (first, max) = (humantime::format_duration(*first), humantime::format_duration(*max));
        write!(
            out,
            "durable, {max_attempts} attempts: the second after {first}, each further one after {factor} times as \
             long, at most {max}"
        )
    }
}

/// Returns how a durable pool tries jobs again, or `None` for a pool in memory. The error names the key.
pub(super) fn retry(table: &PoolTable) -> Result<Option<Retry>, (&'static str, Mistake)> {
    if table.durable != Some(true) {
        return match table.retry {
            Some(_) => Err(("retry", Mistake::RetryInMemory)),
            None => Ok(None),
        };
    }
    let default = Retry::default();
    let Some(written) = &table.retry else { return Ok(Some(default)) };
    let retry = Retry {
        max_attempts: written.max_attempts,
        first: written.first.map_or(default.first, |span| span.0),
        factor: written.factor.unwrap_or(default.factor),
        max: written.max.map_or_else(
            || default.max.max(written.first.map_or(Duration::ZERO, |span| span.0)),
            |span| span.0,
        ),
    };
    let wrong = |text| Err(("retry", Mistake::Retry(text)));
    if !(1..=MOST_ATTEMPTS).contains(&retry.max_attempts) {
        return wrong(format!("max_attempts is {}; it is from 1 to {MOST_ATTEMPTS}", retry.max_attempts));
    }
    if !(1.0..=LARGEST_FACTOR).contains(&retry.factor) {
        return wrong(format!("factor is {}; it is from 1 to {LARGEST_FACTOR}", retry.factor));
    }
    if retry.first > retry.max {
        return wrong(format!(
            "first is {:?} and max is {:?}; the first time is the shortest",
            retry.first, retry.max
        ));
    }
    Ok(Some(retry))
}

/// Checks these settings. Returns `None` where no pool is durable.
pub(super) fn settings(
    table: &JobsTable,
    has_durable_pool: bool,
    source: Source<'_>,
) -> Result<Option<DurableConfig>, ConfigError> {
    let at = |mistake| ConfigError::at(source.place_of(&["jobs", "state_dir"]), mistake);
    if let Some(path) = table.state_dir.as_ref().filter(|path| !path.is_absolute()) {
        return Err(at(Mistake::RelativeStateDir(path.clone())));
    }
    if !has_durable_pool {
        return Ok(None);
    }
    let is_root = rustix::process::geteuid().is_root();
    let usual = || usual_dir(|name| std::env::var_os(name), is_root);
    let state_dir = table.state_dir.clone().or_else(usual).ok_or_else(|| at(Mistake::NoStateDir))?;
    let mut bounds = JobSettings::on_disk();
    bounds.max_dead = table.max_dead.unwrap_or(bounds.max_dead);
    let place = || source.place_of(&["jobs", "max_dead"]);
    bounds.check().map_err(|error| ConfigError::at(place(), Mistake::Jobs(error)))?;
    let durability = table.durability.unwrap_or_default();
    Ok(Some(DurableConfig { state_dir, durability, max_dead: bounds.max_dead }))
}

/// Returns the directory of a configuration that names none.
fn usual_dir(variable: impl Fn(&str) -> Option<OsString>, is_root: bool) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    // systemd sets it for `StateDirectory=`, with a colon between several.
    let of_service = variable("STATE_DIRECTORY").and_then(|list| std::env::split_paths(&list).next());
    let of_service = of_service.and_then(absolute);
    let of_user = || absolute(variable("XDG_STATE_HOME")?.into()).map(|dir| dir.join("procpool"));
    let of_system = || is_root.then(|| "/var/lib/procpool".into());
    let at_home = || absolute(variable("HOME")?.into()).map(|home| home.join(".local/state/procpool"));
    of_service.or_else(of_user).or_else(of_system).or_else(at_home)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;
    use std::path::Path;

    fn parsed(jobs: &str, pool: &str) -> Result<Config, String> {
        let text = format!("[pools.fib]\ncommand = \"sh\"\n{pool}\n[jobs]\n{jobs}");
        let parsed = Config::parse(Source { path: Path::new("p.toml"), text: &text });
        parsed.map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_durable_pool_has_a_directory_and_a_pool_in_memory_needs_none() {
        let config =
            parsed("state_dir = \"/var/lib/x\"\ndurability = \"process\"", "durable = true").unwrap();
        let durable = config.durable.unwrap();
        assert_eq!(durable.state_dir, Path::new("/var/lib/x"));
        assert_eq!((durable.durability, durable.max_dead), (Durability::Process, 100_000));
        let config = parsed("state_dir = \"/var/lib/x\"\nmax_dead = 7", "durable = true").unwrap();
        assert_eq!(config.durable.unwrap().max_dead, 7);
        assert_eq!(config.pools[0].durable, Some(Retry::default()));
        for pool in ["", "durable = false"] {
            let config = parsed("state_dir = \"/var/lib/x\"", pool).unwrap();
            assert!(config.durable.is_none() && config.pools[0].durable.is_none());
        }
    }

    #[test]
    fn the_first_durable_pool_needs_no_other_setting() {
        let variables = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(of, _)| *of == name).map(|(_, value)| OsString::from(value))
        };
        let all = &[("STATE_DIRECTORY", "/s/a:/s/b"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(usual_dir(variables(all), true), Some("/s/a".into()));
        assert_eq!(usual_dir(variables(&all[1..]), true), Some("/x/procpool".into()));
        assert_eq!(usual_dir(variables(&all[2..]), true), Some("/var/lib/procpool".into()));
        assert_eq!(usual_dir(variables(&all[2..]), false), Some("/h/.local/state/procpool".into()));
        assert_eq!(usual_dir(variables(&[("HOME", ""), ("XDG_STATE_HOME", "x")]), false), None);
    }

    #[test]
    fn retries_have_defaults_and_bounds() {
        let retry =
            |text: &str| parsed("", &format!("durable = true\nretry = {text}")).map(|it| it.pools[0].durable);
        let written =
            retry(r#"{ max_attempts = 5, first = "2s", factor = 1.5, max = "1m" }"#).unwrap().unwrap();
        assert_eq!((written.max_attempts, written.factor), (5, 1.5));
        assert_eq!([written.first, written.max], [2, 60].map(Duration::from_secs));
        let few = Retry { max_attempts: 3, ..Retry::default() };
        assert_eq!(retry("{ max_attempts = 3 }").unwrap(), Some(few));
        let slow = retry("{ max_attempts = 3, first = \"2h\" }").unwrap().unwrap();
        assert_eq!(slow.max, Duration::from_secs(2 * 60 * 60));
        for (text, word) in [
            ("{ max_attempts = 0 }", "retry: max_attempts is 0; it is from 1 to 1000"),
            ("{ max_attempts = 2, factor = 0.5 }", "retry: factor is 0.5"),
            ("{ max_attempts = 2, factor = nan }", "retry: factor is NaN"),
            ("{ max_attempts = 2, first = \"2s\", max = \"1s\" }", "retry: first is 2s and max is 1s"),
            ("{ max_attempts = 2, first = \"0s\" }", "a duration longer than zero"),
            ("{ first = \"2s\" }", "missing key `max_attempts`"),
            ("{ max_attempts = 2, last = 1 }", "unknown key `last`"),
        ] {
            let error = retry(text).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_is_an_error_at_its_key() {
        for (jobs, pool, word) in [
            ("state_dir = \"state\"", "", "p.toml:5:13: state_dir is `state`, a relative path"),
            ("durability = \"maybe\"", "", "p.toml:5:14: unknown variant `maybe`"),
            ("max_dead = 0", "durable = true", "p.toml:5:12: max_dead is 0; leave at least 1"),
            ("", "retry = { max_attempts = 2 }", "p.toml:3:1: retry is for a pool with durable = true"),
        ] {
            let error = parsed(jobs, pool).unwrap_err();
            assert!(error.starts_with(word), "{error}");
        }
    }
}
