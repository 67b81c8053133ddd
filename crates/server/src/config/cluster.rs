//! `[cluster]`: the servers of NATS that hold the jobs of durable pools, and how to reach them. Does not: connect.

use super::duration::Positive;
use super::error::{ConfigError, Mistake};
use super::file::JobsTable;
use super::place::{Place, Source};
use super::pool::{PoolSpec, directory_of};
use super::secret;
use super::size::Size;
use procpool_coordinator::PoolLimits;
use procpool_nats::retry::Retry;
use procpool_nats::{Credentials, PoolSettings, RETAINED_LEASES, Settings, SettingsError};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// Maximum length of the file with a password, in bytes.
const MAX_PASSWORD: u64 = 4096;

/// The longest timeout of a job whose pool names none.
const LONGEST: Duration = Duration::from_secs(600);

/// The shortest lease: a busy host answers a second late.
const SHORTEST_LEASE: Duration = Duration::from_secs(3);

/// The smallest stream of records, in bytes: a few outcomes of the maximum size fit.
const SMALLEST_RECORDS: u64 = 8 << 20;

/// The smallest stream of large inputs, and of large outputs, in bytes.
const SMALLEST_PAYLOADS: u64 = 8 << 20;

/// Time for which an outcome is kept, by default.
const RETAIN: Duration = Duration::from_secs(60 * 60);

/// `[cluster]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct ClusterTable {
    pub(super) nats: String,
    namespace: Option<String>,
    credentials: Option<PathBuf>,
    nkey: Option<PathBuf>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    accept_plaintext: bool,
    replicas: Option<usize>,
    #[serde(default)]
    accept_loss_on_power_failure: bool,
    #[serde(default)]
    node: bool,
    retain: Option<Positive>,
    max_record_bytes: Option<Size>,
    max_payload_bytes: Option<Size>,
    lease: Option<Positive>,
}

/// The cluster of a configuration.
#[derive(Clone, Debug)]
pub(crate) struct ClusterConfig {
    /// Without a password, until it has been read.
    settings: Settings,
    /// A user, the file with its password, and where that is named.
    password: Option<(String, PathBuf, Place)>,
    /// Whether a server runs jobs of the cluster, too.
    pub(crate) is_node: bool,
}

impl ClusterConfig {
    /// Returns the addresses of the servers.
    pub(crate) fn servers(&self) -> &str {
        &self.settings.servers
    }

    /// Returns the settings of a connection.
    ///
    /// # Errors
    /// When the password cannot be read.
    pub(crate) fn resolve(&self) -> Result<Settings, ConfigError> {
        let mut settings = self.settings.clone();
        if let Some((user, path, place)) = &self.password {
            let password = secret::read("the password", path, MAX_PASSWORD)
                .map_err(|reason| ConfigError::at(place.clone(), Mistake::Secret(reason)))?;
            settings.credentials = Credentials::password(user, password.trim_end_matches(['\r', '\n']));
        }
        Ok(settings)
    }
}

/// Checks the table, and what it means for the pools, which get a worker from the start: it says their contract. Returns
/// `None` where there is none.
pub(super) fn settings(
    table: Option<&ClusterTable>,
    jobs: &JobsTable,
    pools: &mut [PoolSpec],
    source: Source<'_>,
) -> Result<Option<ClusterConfig>, ConfigError> {
    let Some(table) = table else { return Ok(None) };
    let at = |key: &str, mistake| ConfigError::at(source.place_of(&["cluster", key]), mistake);
    if jobs.state_dir.is_some() || jobs.durability.is_some() {
        let key = if jobs.state_dir.is_some() { "state_dir" } else { "durability" };
        return Err(ConfigError::at(source.place_of(&["jobs", key]), Mistake::DiskInCluster(key)));
    }
    if table.nats.contains('@') {
        return Err(at("nats", Mistake::SecretInAddress));
    }
    let directory = directory_of(source.path);
    let mut settings = Settings::new(&table.nats, table.namespace.as_deref().unwrap_or("procpool"));
    settings.credentials = match (&table.credentials, &table.nkey, &table.user) {
        (None, None, _) => Credentials::None,
        (Some(file), None, None) => Credentials::File(directory.join(file)),
        (None, Some(file), None) => Credentials::Nkey(directory.join(file)),
        _ => return Err(at("nats", Mistake::ManyCredentials)),
    };
    let password = match (&table.user, &table.password_file) {
        (None, None) => None,
        (Some(user), Some(file)) => {
            Some((user.clone(), directory.join(file), source.place_of(&["cluster", "password_file"])))
        }
        (Some(_), None) => return Err(at("user", Mistake::HalfPassword)),
        (None, Some(_)) => return Err(at("password_file", Mistake::HalfPassword)),
    };
    settings.ca_file = table.ca_file.as_ref().map(|file| directory.join(file));
    settings.accept_plaintext = table.accept_plaintext;
    settings.replicas = table.replicas.unwrap_or(settings.replicas);
    settings.accept_loss_on_power_failure = table.accept_loss_on_power_failure;
    if let Some(lease) = table.lease {
        let lease = lease.0;
        if lease < SHORTEST_LEASE {
            return Err(at("lease", Mistake::ShortLease(SHORTEST_LEASE)));
        }
        (settings.timings.renew, settings.timings.fence, settings.timings.lease) =
            (lease / 3, lease * 2 / 3, lease);
    }
    if table.max_record_bytes.is_some_and(|bytes| bytes.0 < SMALLEST_RECORDS) {
        return Err(at("max_record_bytes", Mistake::SmallRecords(SMALLEST_RECORDS)));
    }
    if table.max_payload_bytes.is_some_and(|bytes| bytes.0 < SMALLEST_PAYLOADS) {
        return Err(at("max_payload_bytes", Mistake::SmallPayloads(SMALLEST_PAYLOADS)));
    }
    let retain = table.retain.map_or(RETAIN, |span| span.0);
    for pool in pools.iter_mut().filter(|pool| pool.durable.is_some()) {
        let of_pool = |key: &str, mistake| {
            Err(ConfigError::at(source.place_of(&["pools", pool.name.as_str(), key]), mistake))
        };
        let margin = settings.timings.lease - settings.timings.fence;
        if pool.limits.grace >= margin {
            return of_pool("grace", Mistake::GraceInCluster(margin));
        }
        let Some(longest) = longest(&pool.limits) else {
            return of_pool("max_timeout", Mistake::NoTimeoutInCluster);
        };
        pool.limits.min_workers = pool.limits.min_workers.max(1);
        let mut cluster_pool = of(pool, longest, retain, settings.timings.lease);
        if let Some(bytes) = table.max_record_bytes {
            cluster_pool.record_bytes = bytes.0;
        }
        if let Some(bytes) = table.max_payload_bytes {
            cluster_pool.payload_bytes = bytes.0;
        }
        settings.pools.push(cluster_pool);
    }
    if settings.pools.is_empty() {
        return Err(at("nats", Mistake::NoClusterPools));
    }
    settings.check().map_err(|error| at(key_of(&error), Mistake::Cluster(error)))?;
    Ok(Some(ClusterConfig { settings, password, is_node: table.node }))
}

/// Returns the longest time that a job may ask for, or `None` without a bound.
fn longest(limits: &PoolLimits) -> Option<Duration> {
    match (limits.max_timeout, limits.timeout) {
        (Some(Duration::MAX), _) => None,
        (Some(max), _) => Some(max),
        (None, timeout) => Some(timeout?.max(LONGEST)),
    }
}

fn of(pool: &PoolSpec, longest: Duration, retain: Duration, lease: Duration) -> PoolSettings {
    let limits = &pool.limits;
    let mut settings = PoolSettings::new(&pool.name);
    if limits.idempotent == Some(true) {
        settings = settings.idempotent(limits.max_attempts);
    }
    if let Some(retry) = pool.durable {
        let (attempts, first, factor, max) = (retry.max_attempts, retry.first, retry.factor, retry.max);
        settings = settings.retry(Retry { attempts, first, factor, max, whole: false });
    }
    settings.terms.timeout = longest;
    settings.timeout = limits.timeout;
    settings.queue = u32::try_from(limits.queue.max(1)).unwrap_or(u32::MAX);
    settings.queue_bytes = u64::try_from(limits.queue_bytes).unwrap_or(u64::MAX);
    settings.max_payload = u64::from(limits.max_payload);
    // A job must not outlive the record that says it has run.
    settings.retain = retain.max(longest.saturating_add(lease * RETAINED_LEASES));
    settings
}

/// Returns the key at which to point.
fn key_of(error: &SettingsError) -> &'static str {
    match error {
        SettingsError::Replicas { .. } | SettingsError::Loss { .. } => "replicas",
        SettingsError::Name(_) => "namespace",
        SettingsError::Timings(_) => "lease",
        _ => "nats",
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;
    use std::path::Path;

    fn parsed(cluster: &str, pool: &str) -> Result<Config, String> {
        let text = format!("[pools.fib]\ncommand = \"sh\"\n{pool}\n[cluster]\n{cluster}");
        let parsed = Config::parse(Source { path: Path::new("p.toml"), text: &text });
        parsed.map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
    }

    #[test]
    fn durable_pools_are_those_of_the_cluster_and_need_no_directory() {
        let nats = "nats = \"tls://a:4222,tls://b:4222\"";
        let config = parsed(nats, "durable = true\nqueue = 7\nidempotent = true\nmax_attempts = 3").unwrap();
        assert!(config.durable.is_none());
        let settings = config.cluster.unwrap().resolve().unwrap();
        assert_eq!(
            (settings.servers.as_str(), settings.namespace.as_str()),
            ("tls://a:4222,tls://b:4222", "procpool")
        );
        assert_eq!((settings.replicas, settings.pools.len()), (3, 1));
        let pool = &settings.pools[0];
        assert_eq!((pool.queue, pool.terms.attempts, pool.terms.idempotent), (7, 3, true));
        assert_eq!((pool.timeout, pool.terms.timeout), (Some(Duration::from_secs(30)), LONGEST));
        assert_eq!(pool.terms.retry, None);
        let retried = "durable = true\nidempotent = true\nretry = { max_attempts = 4, first = \"2s\" }";
        let pool = parsed(nats, retried).unwrap().cluster.unwrap().resolve().unwrap().pools.remove(0);
        let retry = pool.terms.retry.expect("it is configured");
        assert_eq!((retry.attempts, retry.first, pool.terms.attempts), (4, Duration::from_secs(2), 4));
        let long = parsed(nats, "durable = true\nmax_timeout = \"2h\"").unwrap();
        let pool = &long.cluster.unwrap().resolve().unwrap().pools[0];
        assert_eq!(pool.retain, Duration::from_secs(2 * 3600 + 60));
        assert_eq!((pool.max_payload, pool.payload_bytes), (64 << 20, 512 << 20));
        let small =
            parsed(&format!("{nats}\nmax_payload_bytes = \"40 MiB\""), "durable = true\nmax_payload = 99");
        let pool = &small.unwrap().cluster.unwrap().resolve().unwrap().pools[0];
        assert_eq!((pool.max_payload, pool.payload_bytes), (99, 40 << 20));
    }

    #[test]
    fn a_schedule_may_have_a_pool_of_the_cluster() {
        let nats = "nats = \"localhost\"\n[schedules.a]\ncron = \"@daily\"\npool = \"fib\"";
        let config = parsed(nats, "durable = true").unwrap();
        assert_eq!((&*config.schedules[0].pool, config.is_in_cluster(&config.pools[0])), ("fib", true));
    }

    #[test]
    fn what_a_cluster_cannot_do_is_an_error_at_its_key() {
        let nats = "nats = \"localhost\"";
        for (cluster, pool, word) in [
            (nats, "", "p.toml:5:8: no pool has durable = true"),
            (nats, "durable = true\ngrace = \"5s\"", "4:9: grace has to be shorter than 5s"),
            (nats, "durable = true\ntimeout = \"none\"", "a pool of the cluster needs a bound"),
            (&format!("{nats}\nreplicas = 1"), "durable = true", "6:12: `replicas` is 1"),
            (&format!("{nats}\nuser = \"a\""), "durable = true", "6:8: user and password_file"),
            (&format!("{nats}\nuser = \"a\"\nnkey = \"k\""), "durable = true", "more than one of"),
            (
                &format!("{nats}\n[jobs]\nstate_dir = \"/x\""),
                "durable = true",
                "7:13: state_dir means nothing",
            ),
            ("nats = \"nats://ann:secret@a\"", "durable = true", "5:8: an address holds no password"),
            (
                &format!("{nats}\nmax_payload_bytes = 9"),
                "durable = true",
                "6:21: max_payload_bytes is at least",
            ),
            (&format!("{nats}\nlease = \"2s\""), "durable = true", "6:9: lease is at least 3s"),
            ("namespace = \"a\"", "durable = true", "missing key `nats`"),
        ] {
            let error = parsed(cluster, pool).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
