//! The configuration of a server that runs: read again, compared with the one in effect, and applied whole or not at all.

mod tables;

use crate::config::{self, Config, Overrides, PoolSpec, Retry};
use crate::jobs::{self, DurablePart, OnDisk};
use crate::keys::Keys;
use procpool_coordinator::{Coordinator, PoolChanges, PoolConfig};
use procpool_jobs::{DurableOptions, DurablePools, Scheduled, Schedules};
use procpool_protocol::engine::{ChangedPool, ConfigReloadError, ConfigReport};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError};
use tables::{differing, of_pool, table, with_applied_of};
use tokio::sync::Mutex;
use toml::Table;

/// The configuration in effect, and the file from which another one can be read. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// `None` for the built-in configuration and for standard input, which cannot be read again.
    path: Option<Arc<PathBuf>>,
    overrides: Overrides,
    /// Held while it is exchanged.
    current: Arc<Mutex<Loaded>>,
    /// The files beside it.
    keys: Keys,
    /// They lead back to the pools, which have this configuration. So a server that ends takes them out.
    jobs: Arc<SyncMutex<Option<Behind>>>,
}

/// Everything beside the pools that follows a configuration.
#[derive(Clone, Debug)]
struct Behind {
    on_disk: Option<OnDisk>,
    schedules: Schedules,
}

const OTHER_CLUSTER: &str = "the pools of the cluster cannot change while the server runs, because it has checked the \
                             streams of those that it had at its start; restart the server";

/// The tables that a reload applies. Other settings need a restart.
const APPLIED: [&str; 2] = ["pools", "schedules"];

/// A configuration whose pools can be started.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    keys: Table,
    max_body: usize,
    pub(crate) pools: Vec<PoolConfig>,
    /// The durable ones, of a server without a cluster.
    durable: BTreeMap<String, Retry>,
    /// The pools of the cluster.
    in_cluster: Vec<String>,
    schedules: Vec<Scheduled>,
}

impl Loaded {
    /// Checks whether everything is there that the pools need.
    fn inspect(config: &Config, overrides: &Overrides) -> Result<Self, ConfigReloadError> {
        let server = config.server.clone().overridden(overrides).resolve().map_err(invalid)?;
        // They are read again behind it. A mistake in them must not pass for a reload.
        Keys::load(server.tokens, server.tls).map_err(invalid)?;
        let inspect = |spec: &PoolSpec| {
            let pool = spec.resolve()?;
            spec.inspect(&pool)?;
            Ok(pool)
        };
        let pools = config.own_pools().map(inspect).collect::<Result<Vec<_>, config::ConfigError>>();
        let pools = pools.map_err(invalid)?;
        let schedules = jobs::scheduled(&config.schedules).map_err(invalid)?;
        Ok(Self::of(config, pools, schedules))
    }

    /// Returns a configuration with its resolved pools.
    pub(crate) fn of(config: &Config, pools: Vec<PoolConfig>, schedules: Vec<Scheduled>) -> Self {
        let durable = config.pools.iter().filter(|pool| !config.is_in_cluster(pool));
        let durable = durable.filter_map(|pool| Some((pool.name.clone(), pool.durable?))).collect();
        let in_cluster = config.pools.iter().filter(|pool| config.is_in_cluster(pool));
        let in_cluster = in_cluster.map(|pool| pool.name.clone()).collect();
        let (keys, max_body) = (config.keys.clone(), config.server.http.max_body);
        Self { keys, max_body, pools, durable, in_cluster, schedules }
    }

    /// Returns the part about durable jobs.
    pub(crate) fn durable_part(&self, config: &Config) -> DurablePart {
        let names = DurablePools::new(self.durable.keys().map(String::as_str));
        DurablePart { config: config.durable.clone(), options: self.durable_options(), names }
    }

    fn durable_options(&self) -> DurableOptions {
        jobs::options(&self.durable, &self.pools)
    }

    fn pool(&self, name: &str) -> Option<&PoolConfig> {
        self.pools.iter().find(|pool| pool.name == name)
    }
}

impl Configuration {
    pub(crate) fn new(path: Option<PathBuf>, overrides: Overrides, current: Loaded) -> Self {
        let path = path.filter(|path| !config::is_standard_input(path)).map(Arc::new);
        let current = Arc::new(Mutex::new(current));
        Self { path, overrides, current, keys: Keys::default(), jobs: Arc::default() }
    }

    pub(crate) fn with_keys(self, keys: Keys) -> Self {
        Self { keys, ..self }
    }

    pub(crate) fn with_jobs(self, on_disk: Option<OnDisk>, schedules: Schedules) -> Self {
        Self { jobs: Arc::new(SyncMutex::new(Some(Behind { on_disk, schedules }))), ..self }
    }

    /// Lets go of the jobs: no reload follows.
    pub(crate) fn forget_jobs(&self) {
        self.behind_mut().take();
    }

    fn behind_mut(&self) -> MutexGuard<'_, Option<Behind>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files of tokens and TLS again, and logs the result.
    pub(crate) async fn reload_keys(&self) {
        let keys = self.keys.clone();
        // A panic in it is on standard error, and those from before stay in force.
        let _ = tokio::task::spawn_blocking(move || keys.reload()).await;
    }

    /// Returns whether there is a file to read again.
    pub(crate) fn has_file(&self) -> bool {
        self.path.is_some()
    }

    /// Reads the file again. Applies the difference, or only returns it if this is a `rehearsal`.
    ///
    /// # Errors
    /// With the mistake and its place. Nothing has changed.
    pub(crate) async fn reload(
        &self,
        coordinator: &Coordinator,
        rehearsal: bool,
    ) -> Result<ConfigReport, ConfigReloadError> {
        let path = self.path.clone().ok_or(ConfigReloadError::NoFile)?;
        let overrides = self.overrides.clone();
        let mut current = self.current.lock().await;
        // A disk may take its time.
        let read = tokio::task::spawn_blocking(move || {
            Config::load(Some(&path)).map_err(invalid).and_then(|config| Loaded::inspect(&config, &overrides))
        });
        let new = read.await.unwrap_or_else(|_| Err(ConfigReloadError::NotServing))?;
        let (mut report, changes) = difference(&current, &new)?;
        let behind = self.behind_mut().clone();
        let on_disk = behind.as_ref().and_then(|behind| behind.on_disk.as_ref());
        check_durable(&current, &new, on_disk.is_some())?;
        if rehearsal {
            return Ok(report);
        }
        // Before a new pool accepts its first job: that one must not be taken for one in memory.
        set_durable(on_disk, &[&*current, &new]);
        let changed = if changes.is_empty() { Ok(()) } else { coordinator.change(changes).await };
        let in_effect = if changed.is_ok() { &new } else { &*current };
        set_durable(on_disk, &[in_effect]);
        changed.map_err(|error| ConfigReloadError::start(error.to_string()))?;
        if let Some(Behind { schedules, .. }) = &behind {
            schedules.replace(new.schedules.clone()).await;
        }
        // The other settings stay as they are, and are told again until a restart.
        let keys = with_applied_of(&current.keys, &new.keys);
        *current = Loaded { keys, max_body: current.max_body, ..new };
        report.applied = true;
        Ok(report)
    }
}

/// Makes the durable pools of these configurations the durable ones. A pool of several has the rules of the last.
fn set_durable(on_disk: Option<&OnDisk>, all: &[&Loaded]) {
    let Some(on_disk) = on_disk else { return };
    let durable = all.iter().flat_map(|loaded| loaded.durable.clone()).collect();
    let options = jobs::options(&durable, all.iter().flat_map(|loaded| &loaded.pools));
    on_disk.jobs.set_pools(options);
    on_disk.names.replace(durable.keys().map(String::as_str));
}

/// Logs a reload, as nobody may wait for its answer.
pub(crate) fn log(reloaded: &Result<ConfigReport, ConfigReloadError>) {
    match reloaded {
        Ok(report) => {
            let changed: Vec<_> = report.changed.iter().map(|changed| changed.pool.as_str()).collect();
            let (added, removed) = (&report.added, &report.removed);
            let schedules = &report.schedules;
            tracing::info!(?added, ?removed, ?changed, ?schedules, "reloaded the configuration");
            if !report.restart.is_empty() {
                tracing::warn!(settings = ?report.restart, "settings have changed that need a restart");
            }
        }
        Err(error) => tracing::error!("{error}"),
    }
}

/// Returns the difference between two configurations, and the changes that lead from one to the other.
fn difference(old: &Loaded, new: &Loaded) -> Result<(ConfigReport, PoolChanges), ConfigReloadError> {
    let (mut report, mut changes) = (ConfigReport::default(), PoolChanges::default());
    for pool in &new.pools {
        match old.pool(&pool.name) {
            None => {
                report.added.push(pool.name.clone());
                changes.start.push(pool.clone());
            }
            Some(before) if before.is_same(pool) => report.unchanged.push(pool.name.clone()),
            Some(before) => {
                let keys = differing(of_pool(&old.keys, &pool.name), of_pool(&new.keys, &pool.name));
                let mut changed = ChangedPool::new(&pool.name, keys);
                if before.can_become(pool) {
                    changes.configure.push((pool.name.clone(), pool.limits.settings()));
                } else if before.workers.executable().is_none() && before.workers == pool.workers {
                    let reason = format!(
                        "the workers of pool `{}` attach to its socket, which one pool at a time has; restart the server to \
                         change {}",
                        pool.name,
                        changed.settings.join(", ")
                    );
                    return Err(ConfigReloadError::invalid(reason));
                } else {
                    changed.replaced = true;
                    changes.start.push(pool.clone());
                }
                report.changed.push(changed);
            }
        }
    }
    let is_gone = |pool: &&PoolConfig| new.pool(&pool.name).is_none();
    report.removed = old.pools.iter().filter(is_gone).map(|pool| pool.name.clone()).collect();
    changes.remove = report.removed.clone();
    report.restart = needing_restart(old, new);
    report.schedules = differing(table(&old.keys, "schedules"), table(&new.keys, "schedules"));
    Ok((report, changes))
}

/// Checks whether the durable pools can be those of the new configuration while the server runs.
///
/// Jobs that exist stay where they are, and their idempotency keys with them. A pool that went elsewhere would run a job
/// that is sent again under its key a second time.
fn check_durable(old: &Loaded, new: &Loaded, has_store: bool) -> Result<(), ConfigReloadError> {
    let is_other = |pool: &&PoolConfig| {
        old.pool(&pool.name).is_some() && old.durable.get(&pool.name) != new.durable.get(&pool.name)
    };
    if let Some(pool) = new.pools.iter().find(is_other) {
        let reason = format!(
            "durable and retry of pool `{}` cannot change while the server runs, because its jobs and their keys stay \
             where they are; restart the server to change them",
            pool.name
        );
        return Err(ConfigReloadError::invalid(reason));
    }
    if old.in_cluster != new.in_cluster {
        return Err(ConfigReloadError::invalid(OTHER_CLUSTER.to_owned()));
    }
    match new.durable.keys().next().filter(|_| !has_store) {
        Some(pool) => Err(ConfigReloadError::invalid(format!(
            "pool `{pool}` is durable, and the server has opened no state directory, because no pool was durable when it \
             started; restart the server"
        ))),
        None => Ok(()),
    }
}

/// Returns the settings outside of the [applied](APPLIED) tables that differ.
fn needing_restart(old: &Loaded, new: &Loaded) -> Vec<String> {
    let mut names: Vec<&String> =
        old.keys.keys().chain(new.keys.keys()).filter(|name| !APPLIED.contains(&name.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    let mut differ = Vec::new();
    for name in names {
        let keys = differing(table(&old.keys, name), table(&new.keys, name));
        differ.extend(keys.iter().map(|key| format!("{name}.{key}")));
    }
    let largest = "server.max_body".to_owned();
    // By default it is the largest payload of a pool.
    if new.max_body > old.max_body && !differ.contains(&largest) {
        differ.push(largest);
    }
    differ
}

fn invalid(error: impl std::fmt::Display) -> ConfigReloadError {
    ConfigReloadError::invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_coordinator::Executable;
    use toml::Value;

    fn loaded(text: &str) -> Loaded {
        let keys: Table = text.parse().unwrap();
        let names = keys["pools"].as_table().unwrap();
        let pools = names.iter().map(|(name, keys)| {
            let mut pool = PoolConfig::new(name, Executable::path("/bin/sh").unwrap());
            pool.limits.queue =
                usize::try_from(keys.get("queue").and_then(Value::as_integer).unwrap_or(9)).unwrap();
            pool.limits.worker.nice =
                i32::try_from(keys.get("nice").and_then(Value::as_integer).unwrap_or(0)).unwrap();
            pool
        });
        let pools = pools.collect();
        let durable = names.iter().filter(|(_, keys)| keys.get("durable").is_some());
        let durable = durable.map(|(name, _)| (name.clone(), Retry::default())).collect();
        Loaded { pools, durable, in_cluster: Vec::new(), max_body: 1, keys, schedules: Vec::new() }
    }

    fn between(old: &str, new: &str) -> (ConfigReport, PoolChanges) {
        difference(&loaded(old), &loaded(new)).unwrap()
    }

    #[test]
    fn pools_come_go_change_in_place_or_are_replaced() {
        let old =
            "[pools.gone]\n[pools.same]\nqueue = 9\n[pools.longer]\nqueue = 1\n[pools.nicer]\nnice = 1\n";
        let new =
            "[pools.new]\n[pools.same]\n[pools.longer]\nqueue = 2\n[pools.nicer]\nnice = 2\nqueue = 3\n";
        let (report, changes) = between(old, new);
        assert_eq!((&report.added[..], &report.removed[..]), (&["new".into()][..], &["gone".into()][..]));
        assert_eq!(report.unchanged, ["same"], "a default that is written out is no change");
        let changed: Vec<_> =
            report.changed.iter().map(|it| (it.pool.as_str(), &it.settings, it.replaced)).collect();
        let (queue, both) = (vec!["queue".to_owned()], vec!["nice".to_owned(), "queue".to_owned()]);
        assert_eq!(changed, [("longer", &queue, false), ("nicer", &both, true)]);
        assert!(!report.applied && report.restart.is_empty());
        let started: Vec<_> = changes.start.iter().map(|pool| pool.name.as_str()).collect();
        assert_eq!((started, changes.remove), (vec!["new", "nicer"], vec!["gone".to_owned()]));
        let [(name, settings)] = &changes.configure[..] else { panic!("{:?}", changes.configure) };
        assert_eq!((name.as_str(), settings.queue), ("longer", 2));
    }

    #[test]
    fn settings_of_the_server_are_named_until_it_restarts() {
        let (old, new) =
            ("[server]\nlisten = \"a\"\n[pools.fib]\n", "[server]\nmax_body = 1\n[pools.fib]\nqueue = 1\n");
        let (report, _) = between(old, new);
        assert_eq!(report.restart, ["server.listen", "server.max_body"]);
        let kept = with_applied_of(&loaded(old).keys, &loaded(new).keys);
        assert_eq!((&kept["server"]["listen"], &kept["pools"]["fib"]["queue"]), (&"a".into(), &1.into()));
        assert!(between(old, old).1.is_empty());
    }

    #[test]
    fn schedules_are_applied_and_a_state_directory_is_not() {
        let old = "[schedules.a]\ncron = \"@daily\"\n[schedules.b]\ncron = \"@daily\"\n[pools.fib]\n";
        let new =
            "[jobs]\nstate_dir = \"/x\"\n[schedules.b]\ncron = \"@hourly\"\n[schedules.c]\n[pools.fib]\n";
        let (report, changes) = between(old, new);
        assert_eq!(report.schedules, ["a", "b", "c"]);
        assert_eq!(report.restart, ["jobs.state_dir"]);
        assert!(changes.is_empty());
        let kept = with_applied_of(&loaded(old).keys, &loaded(new).keys);
        assert!(!kept.contains_key("jobs") && kept["schedules"].get("a").is_none());
    }

    #[test]
    fn a_pool_is_durable_from_its_start_or_never() {
        let (none, one) = ("[pools.fib]\n", "[pools.fib]\ndurable = true\n");
        let two = format!("{one}[pools.ping]\ndurable = true\n");
        let check = |old: &str, new: &str, has_store| {
            check_durable(&loaded(old), &loaded(new), has_store).map_err(|error| error.to_string())
        };
        assert_eq!(check(one, &two, true), Ok(()));
        assert_eq!(check(&two, one, true), Ok(()));
        for (old, new) in [(none, one), (one, none)] {
            let error = check(old, new, true).unwrap_err();
            assert!(error.contains("durable and retry of pool `fib` cannot change"), "{error}");
        }
        let error = check("[pools.ping]\n", &format!("[pools.ping]\n{one}"), false).unwrap_err();
        assert!(error.contains("pool `fib` is durable, and the server has opened no"), "{error}");
    }
}
