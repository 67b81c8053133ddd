//! The configuration: built in, or read from a TOML file and checked once. Starts nothing.
//!
//! `file` is the shape, the small types beside it are its values, `server` and `pool` are what they
//! mean, `place` and `error` say where a mistake is. `procpool.example.toml` in this package explains
//! every key.

mod attach;
mod cluster;
mod command;
mod durable;
pub(crate) mod duration;
mod error;
mod file;
mod jobs;
pub(crate) mod listen;
mod lost;
mod node;
mod orders;
mod place;
mod pool;
pub(crate) mod schedules;
pub(crate) mod secret;
mod server;
mod size;
mod tls;
pub(crate) mod tokens;

pub(crate) use cluster::ClusterConfig;
pub(crate) use durable::{Durability, DurableConfig, Retry};
pub(crate) use error::ConfigError;
pub(crate) use place::Source;
pub(crate) use pool::PoolSpec;
pub(crate) use schedules::ScheduleSpec;
pub(crate) use secret::NoSecret;
pub(crate) use server::{Overrides, ServerConfig};
pub(crate) use tls::TlsFiles;
pub(crate) use tokens::TokensFile;

use error::Mistake;
use file::{File, ServerTable};
use procpool_protocol::limits::DEFAULT_MAX_PAYLOAD;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The pools of the built-in configuration; their executables are called `procpool-` and the name.
const BUILT_IN: [&str; 3] = ["compute", "fib", "ping"];

/// Maximum length of a file that is read, in bytes: 1 MiB, thousands of pools. A longer file is a mistake.
const MAX_FILE: u64 = 1024 * 1024;

/// A checked configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) server: ServerConfig,
    /// At least one, in the order of their names.
    pub(crate) pools: Vec<PoolSpec>,
    /// Where durable jobs are, if a pool is durable.
    pub(crate) durable: Option<DurableConfig>,
    /// The cluster that has the jobs of durable pools, if it is not this machine.
    pub(crate) cluster: Option<ClusterConfig>,
    /// In the order of their names.
    pub(crate) schedules: Vec<ScheduleSpec>,
    /// The keys that the file sets, to compare it with another one.
    pub(crate) keys: toml::Table,
}

impl Config {
    /// Returns the file at `path`, the text on standard input where that is `-`, or the built-in configuration where
    /// there is no path. Relative paths in a text on standard input count from the working directory.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let standard_input = Path::new("standard input");
        match path {
            Some(path) if is_standard_input(path) => Self::parse(Source {
                path: standard_input,
                text: &read(standard_input, std::io::stdin().lock())?,
            }),
            Some(path) => Self::parse(Source { path, text: &open_and_read(path)? }),
            None => Ok(Self::built_in()),
        }
    }

    /// Returns the three programs of Node's worker-threads tutorial, with default limits.
    fn built_in() -> Self {
        Self {
            server: ServerConfig::new(ServerTable::default(), DEFAULT_MAX_PAYLOAD),
            pools: BUILT_IN.map(PoolSpec::built_in).into(),
            durable: None,
            cluster: None,
            schedules: Vec::new(),
            keys: toml::Table::new(),
        }
    }

    fn parse(source: Source<'_>) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(source.text).map_err(|error| ConfigError::of_toml(&error, source))?;
        let dir = file.server.attach_dir.as_deref();
        let pools = file.pools.into_iter().map(|(name, table)| PoolSpec::new(name, table, dir, source));
        let mut pools = pools.collect::<Result<Vec<_>, _>>()?;
        let Some(largest_payload) = pools.iter().map(|pool| pool.limits.max_payload).max() else {
            return Err(ConfigError::at(source.place_of(&["pools"]), Mistake::NoPools));
        };
        let jobs = jobs::settings(&file.jobs, source)?;
        let cluster = cluster::settings(file.cluster.as_ref(), &file.jobs, &mut pools, source)?;
        let has_durable = cluster.is_none() && pools.iter().any(|pool| pool.durable.is_some());
        let durable = durable::settings(&file.jobs, has_durable, source)?;
        let schedules = file.schedules.into_iter();
        let schedules = schedules.map(|(name, table)| ScheduleSpec::new(name, table, &pools, source));
        let schedules = schedules.collect::<Result<Vec<_>, _>>()?;
        let at = |key, path: PathBuf| (path, source.place_of(&["server", key]));
        let token_file = file.server.orders_token_file.clone().map(|path| at("orders_token_file", path));
        let tokens = file.server.tokens.clone().map(|path| at("tokens", path));
        let directory = pool::directory_of(source.path);
        let tls =
            file.server.tls.clone().map(|table| {
                TlsFiles::new(table, &directory, |key| source.place_of(&["server", "tls", key]))
            });
        if let Some(place) = tls.as_ref().and_then(TlsFiles::client_ca)
            && tokens.is_none()
        {
            return Err(ConfigError::at(place.clone(), Mistake::ClientCaWithoutTokens));
        }
        let mut server = ServerConfig::new(file.server, largest_payload);
        server.http.jobs = jobs;
        let server = server.in_directory(&directory, token_file, tokens, tls);
        // It is TOML, as it was read as a file just before.
        let keys = source.text.parse().unwrap_or_default();
        Ok(Self { server, pools, durable, cluster, schedules, keys })
    }

    /// Returns whether jobs of this pool go to the cluster.
    pub(crate) fn is_in_cluster(&self, pool: &PoolSpec) -> bool {
        self.cluster.is_some() && pool.durable.is_some()
    }

    /// Returns the pools that run in a server: without those of a cluster, unless it is a node, too.
    pub(crate) fn own_pools(&self) -> impl Iterator<Item = &PoolSpec> {
        let is_node = self.cluster.as_ref().is_some_and(|cluster| cluster.is_node);
        self.pools.iter().filter(move |pool| is_node || !self.is_in_cluster(pool))
    }

    /// Returns the pool of that name.
    pub(crate) fn pool(&self, name: &str) -> Option<&PoolSpec> {
        self.pools.iter().find(|pool| pool.name == name)
    }

    /// Returns every pool's name.
    pub(crate) fn names(&self) -> Vec<String> {
        self.pools.iter().map(|pool| pool.name.clone()).collect()
    }
}

/// Reads a text as if it stood in `procpool.toml`.
#[cfg(fuzzing)]
pub(crate) fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Source { path: Path::new("procpool.toml"), text })
}

/// Returns whether this name stands for standard input. A file of that name is `./-`.
pub(crate) fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

fn open_and_read(path: &Path) -> Result<String, ConfigError> {
    let file = std::fs::File::open(path);
    read(path, file.map_err(|reason| ConfigError::Read { path: path.to_owned(), reason })?)
}

fn read(path: &Path, source: impl Read) -> Result<String, ConfigError> {
    let failed = |reason| ConfigError::Read { path: path.to_owned(), reason };
    let mut text = String::new();
    source.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(ConfigError::TooLong { path: path.to_owned(), limit: MAX_FILE });
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
