//! [`Cluster`]: the connection to the servers, checked before anything is built on it.

use crate::large::MAX_INLINE;
use crate::link::{Link, LinkError, Since};
use crate::secrets;
use crate::settings::{PoolSettings, Settings, SettingsError};
use crate::streams::{self, Difference};
use crate::subjects::{Namespace, PoolNames};
use async_nats::{ConnectErrorKind, ServerAddr};
use procpool_registry::Time;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The oldest server whose compare-and-set and expiry of records are as this crate needs them.
pub const OLDEST_SERVER: (u64, u64) = (2, 12);

/// Number of bytes that a message has beside its payload, at most.
const OVERHEAD: usize = 96 << 10;

/// Maximum number of commands that wait for the connection. Further ones wait with their own deadlines.
const COMMANDS: usize = 1024;

/// Maximum number of unread messages of a subscription. Further ones are dropped, and come again.
const UNREAD: usize = 4096;

/// A checked connection to a cluster. Clones share it.
#[derive(Clone)]
pub struct Cluster(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) link: Link,
    pub(crate) settings: Settings,
    pub(crate) namespace: Namespace,
    pub(crate) pools: BTreeMap<String, (PoolSettings, PoolNames)>,
    start: Instant,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Cluster").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

/// A cluster cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// The settings do not fit together.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No server answers.
    #[error("cannot connect to {servers}: {reason}")]
    #[non_exhaustive]
    Connect {
        /// The servers.
        servers: String,
        /// The problem.
        reason: String,
    },
    /// The server does not accept the credentials.
    #[error("{servers} refuses the credentials: {reason}")]
    #[non_exhaustive]
    Credentials {
        /// The servers.
        servers: String,
        /// The problem.
        reason: String,
    },
    /// The server is too old.
    #[error(
        "the server is nats-server {version}, and 2.12 or later is needed: older ones lose the order of \
         compare-and-set in a cluster, and keep acknowledged jobs in the queue after a crash"
    )]
    #[non_exhaustive]
    OldServer {
        /// Its version.
        version: String,
    },
    /// The server's messages are too small.
    #[error("the server takes messages of up to {limit} bytes (`max_payload`), and {needed} are needed")]
    #[non_exhaustive]
    SmallMessages {
        /// Its limit, in bytes.
        limit: usize,
        /// The needed size, in bytes.
        needed: usize,
    },
    /// A node is to run a pool that the settings do not have.
    #[error("the cluster has no pool `{pool}`")]
    #[non_exhaustive]
    UnknownPool {
        /// The name.
        pool: String,
    },
    /// Streams are not as they are configured.
    #[error("the streams on the server are not as configured (`procpool cluster init` creates missing ones): {}",
            .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Differs(Vec<Difference>),
    /// The server did not answer, or refused.
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl Cluster {
    /// Connects to a server, and checks it. Returns within 12 s.
    ///
    /// # Errors
    /// When the settings do not fit together, no server answers, or the server does not accept the credentials, is
    /// too old, or takes too small messages.
    pub async fn connect(settings: Settings) -> Result<Self, ClusterError> {
        settings.check()?;
        let namespace = Namespace::new(&settings.namespace).map_err(SettingsError::from)?;
        let mut pools = BTreeMap::new();
        for pool in &settings.pools {
            let names = namespace.pool(&pool.name).map_err(SettingsError::from)?;
            pools.insert(pool.name.clone(), (pool.clone(), names));
        }
        let since = Since::new();
        let client = connect(&settings, since.clone()).await?;
        let info = client.server_info();
        if version(&info.version).is_none_or(|version| version < OLDEST_SERVER) {
            return Err(ClusterError::OldServer { version: info.version });
        }
        let needed = MAX_INLINE + OVERHEAD;
        if info.max_payload < needed {
            return Err(ClusterError::SmallMessages { limit: info.max_payload, needed });
        }
        let link = Link::new(client, settings.patience, since);
        Ok(Self(Arc::new(Inner { link, settings, namespace, pools, start: Instant::now() })))
    }

    /// Creates the streams and consumers that are missing. Returns their names. Changes no existing one.
    ///
    /// # Errors
    /// When the server does not answer or refuses, or an existing one is not as configured.
    pub async fn init(&self) -> Result<Vec<String>, ClusterError> {
        let created = streams::init(&self.0.link, self.wanted()).await?;
        self.check().await?;
        Ok(created)
    }

    /// Compares the streams and consumers with the settings.
    ///
    /// # Errors
    /// When the server does not answer, or one of them is missing or not as configured.
    pub async fn check(&self) -> Result<(), ClusterError> {
        let differences = streams::compare(&self.0.link, self.wanted()).await?;
        if differences.is_empty() { Ok(()) } else { Err(ClusterError::Differs(differences)) }
    }

    fn wanted(&self) -> Vec<streams::Wanted> {
        let Inner { settings, namespace, pools, .. } = &*self.0;
        let of_pools = pools.values().flat_map(|(pool, names)| streams::of_pool(settings, pool, names));
        let of_all = [
            streams::of_hosts,
            streams::of_contracts,
            streams::of_schedules,
            streams::of_keys,
            streams::of_dead,
        ];
        of_pools.chain(of_all.map(|of| of(settings, namespace))).collect()
    }

    /// Returns the settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Returns the version of the server.
    #[must_use]
    pub fn server_version(&self) -> String {
        self.0.link.client.server_info().version
    }

    /// Returns whether the connection is up.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.link.is_up()
    }
}

impl Inner {
    /// Returns the time since the connection, by a clock that does not jump.
    pub(crate) fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    pub(crate) fn instant(&self, time: Time) -> tokio::time::Instant {
        (self.start + time.since(Time::ZERO)).into()
    }
}

async fn connect(settings: &Settings, since: Arc<Since>) -> Result<async_nats::Client, ClusterError> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let servers = addresses(settings)?;
    let mut options = secrets::options(&settings.credentials)?
        .name(format!("procpool {}", settings.namespace))
        .connection_timeout(PATIENCE / 2)
        .request_timeout(None)
        .client_capacity(COMMANDS)
        .subscription_capacity(UNREAD)
        .ping_interval(settings.timings.renew)
        .reconnect_delay_callback(|tries| Duration::from_millis(50 * tries.min(20) as u64))
        .event_callback(move |event| {
            if matches!(event, async_nats::Event::Connected | async_nats::Event::Disconnected) {
                since.touch();
            }
            async move { tracing::debug!(%event, "connection to the cluster") }
        });
    if let Some(file) = &settings.ca_file {
        options = options.add_root_certificates(file.clone());
    }
    let names = settings.servers.clone();
    match tokio::time::timeout(PATIENCE, options.connect(servers)).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => {
            let reason = error.to_string();
            let is_refused = matches!(
                error.kind(),
                ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication
            );
            Err(match is_refused {
                true => ClusterError::Credentials { servers: names, reason },
                false => ClusterError::Connect { servers: names, reason },
            })
        }
        Err(_) => {
            Err(ClusterError::Connect { servers: names, reason: format!("no answer within {PATIENCE:?}") })
        }
    }
}

fn addresses(settings: &Settings) -> Result<Vec<ServerAddr>, SettingsError> {
    let mut addresses = Vec::new();
    for server in settings.servers.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        let address: ServerAddr = server.parse().map_err(|error: std::io::Error| SettingsError::Address {
            server: server.to_owned(),
            reason: error.to_string(),
        })?;
        let host = address.host().trim_matches(['[', ']']).to_owned();
        let is_local = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        if !is_local && !address.tls_required() && !settings.accept_plaintext {
            return Err(SettingsError::Plaintext { server: server.to_owned() });
        }
        addresses.push(address);
    }
    match addresses.is_empty() {
        true => {
            Err(SettingsError::Address { server: settings.servers.clone(), reason: "none is named".into() })
        }
        false => Ok(addresses),
    }
}

/// Reads `2.15.1` and `2.12.0-RC.2`.
fn version(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.trim_start_matches('v').split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(version("2.9.10").unwrap() < OLDEST_SERVER);
        assert!(version("2.12.0-RC.2").unwrap() >= OLDEST_SERVER);
        assert!(version("2.15.1").unwrap() >= OLDEST_SERVER && version("3.0.0").unwrap() >= OLDEST_SERVER);
        assert_eq!(version("dev"), None);
    }

    #[test]
    fn a_server_on_another_host_needs_tls() {
        let addresses = |servers: &str| addresses(&Settings::new(servers, "a")).map(|all| all.len());
        assert_eq!(addresses("127.0.0.1:4222, nats://[::1]:4222,localhost"), Ok(3));
        assert_eq!(addresses("tls://10.0.0.1:4222"), Ok(1));
        assert!(
            matches!(addresses("localhost,10.0.0.1"), Err(SettingsError::Plaintext { server }) if server == "10.0.0.1")
        );
        assert!(matches!(addresses(" , "), Err(SettingsError::Address { .. })));
    }
}
