//! [`Settings`]: where the server is, which pools there are, and what may be lost.

use crate::order::Terms;
use crate::retry::Retry;
use crate::subjects::InvalidName;
use crate::timings::{Timings, UnfitTimings};
use procpool_protocol::limits::DEFAULT_MAX_PAYLOAD;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Number of leases for which an outcome is kept at least, beside the timeout of its job. Messages that a killed server has
/// kept are removed by the outcomes of their jobs, in the second half of this time.
pub const RETAINED_LEASES: u32 = 4;

/// How to reach the servers of a cluster, and what the streams of its pools are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The servers, separated by commas: `nats://10.0.0.1:4222,nats://10.0.0.2:4222`.
    pub servers: String,
    /// Separates clusters that share servers.
    pub namespace: String,
    /// How this process proves who it is.
    pub credentials: Credentials,
    /// A file of root certificates. The system's count as well.
    pub ca_file: Option<PathBuf>,
    /// Allows connections without TLS to servers on other hosts.
    pub accept_plaintext: bool,
    /// Number of copies of each stream: 1, 3 or 5.
    pub replicas: usize,
    /// Allows fewer than three copies. One server syncs every two minutes unless it is told otherwise, so that a power
    /// failure loses accepted jobs.
    pub accept_loss_on_power_failure: bool,
    /// The pools.
    pub pools: Vec<PoolSettings>,
    /// The times of leases. All nodes of a cluster need the same.
    pub timings: Timings,
    /// Maximum time for one answer of the server. 2 s.
    pub patience: Duration,
}

impl Settings {
    /// Returns settings without pools, for three copies and no credentials.
    pub fn new(servers: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self {
            servers: servers.into(),
            namespace: namespace.into(),
            credentials: Credentials::None,
            ca_file: None,
            accept_plaintext: false,
            replicas: 3,
            accept_loss_on_power_failure: false,
            pools: Vec::new(),
            timings: Timings::default(),
            patience: Duration::from_secs(2),
        }
    }

    /// Checks what needs no server.
    ///
    /// # Errors
    /// When they do not fit together.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.timings.check()?;
        match self.replicas {
            1 | 3 | 5 => {}
            replicas => return Err(SettingsError::Replicas { replicas }),
        }
        if self.replicas < 3 && !self.accept_loss_on_power_failure {
            return Err(SettingsError::Loss { replicas: self.replicas });
        }
        for pool in &self.pools {
            // Else a job whose acknowledgement was lost could outlive its record, and run again.
            if pool.retain < pool.terms.timeout + self.timings.lease * RETAINED_LEASES {
                let (name, retain, timeout) = (pool.name.clone(), pool.retain, pool.terms.timeout);
                return Err(SettingsError::Retain { pool: name, retain, timeout, lease: self.timings.lease });
            }
        }
        Ok(())
    }
}

/// How a process proves who it is.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// A file with a token and the seed of a key, as `nsc` writes it.
    File(PathBuf),
    /// A file with the seed of a key.
    Nkey(PathBuf),
    /// A user with a password.
    #[non_exhaustive]
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
}

impl Credentials {
    /// Returns a user with a password.
    pub fn password(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Password { user: user.into(), password: password.into() }
    }
}

/// Without secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => out.write_str("None"),
            Self::File(path) => out.debug_tuple("File").field(path).finish(),
            Self::Nkey(path) => out.debug_tuple("Nkey").field(path).finish(),
            Self::Password { user, .. } => {
                out.debug_struct("Password").field("user", user).finish_non_exhaustive()
            }
        }
    }
}

/// Maximum size of the records of a pool, in bytes, by default.
const RECORD_BYTES: u64 = 1 << 30;

/// Maximum size of the large inputs of a pool, and of its large outputs, in bytes, by default.
const PAYLOAD_BYTES: u64 = 512 << 20;

/// A pool of the cluster.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolSettings {
    /// Its name.
    pub name: String,
    /// The terms of its jobs. The timeout is the longest that a job may ask for.
    pub terms: Terms,
    /// The timeout of a job that asks for none. `None` is the longest.
    pub timeout: Option<Duration>,
    /// Maximum number of jobs that wait or run.
    pub queue: u32,
    /// Maximum size of their inputs together, in bytes. The server reserves them, times the number of copies.
    pub queue_bytes: u64,
    /// Maximum number of records, of unfinished jobs and of outcomes. The server needs half a kilobyte of memory for
    /// each.
    pub records: u32,
    /// Maximum size of the records together, outcomes among them, in bytes. The server reserves them, times the number
    /// of copies.
    pub record_bytes: u64,
    /// Maximum size of one input or output, in bytes.
    pub max_payload: u64,
    /// Maximum size of the inputs of unfinished jobs that are too large for a message, in bytes, and again of the kept
    /// outputs that are. The server reserves both, times the number of copies.
    pub payload_bytes: u64,
    /// Time for which an outcome is kept. Longer than the timeout and four leases.
    pub retain: Duration,
}

impl PoolSettings {
    /// Returns a pool whose jobs run once, within ten minutes: 10,000 wait, a million outcomes are kept for an hour.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            terms: Terms { idempotent: false, attempts: 1, timeout: Duration::from_secs(600), retry: None },
            timeout: None,
            queue: 10_000,
            queue_bytes: 1 << 30,
            records: 1_000_000,
            record_bytes: RECORD_BYTES,
            max_payload: u64::from(DEFAULT_MAX_PAYLOAD),
            payload_bytes: PAYLOAD_BYTES,
            retain: Duration::from_secs(3600),
        }
    }

    /// Allows an idempotent job to run again after a lost host, up to this number of attempts.
    #[must_use]
    pub fn idempotent(mut self, attempts: u32) -> Self {
        (self.terms.idempotent, self.terms.attempts) = (true, attempts.max(1));
        self
    }

    /// Returns the size of the largest input or output that fits, in bytes. Chunks have heads.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.max_payload.min(self.payload_bytes - self.payload_bytes / 10)
    }

    /// Tries a job again that has failed. A lost host costs one of these attempts, too.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.terms.retry = Some(retry).filter(|retry| retry.attempts > 1);
        if self.terms.idempotent {
            self.terms.attempts = self.terms.attempts.max(retry.attempts);
        }
        self
    }
}

/// Settings that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A name does not fit a subject.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The times of leases do not fit together.
    #[error(transparent)]
    Timings(#[from] UnfitTimings),
    /// No stream has this number of copies.
    #[error("`replicas` is {replicas}, and has to be 1, 3 or 5")]
    #[non_exhaustive]
    Replicas {
        /// The number.
        replicas: usize,
    },
    /// Too few copies.
    #[error(
        "`replicas` is {replicas}: the loss of one host, or of power, loses accepted jobs; set 3, or say \
             `accept_loss_on_power_failure = true`"
    )]
    #[non_exhaustive]
    Loss {
        /// The number.
        replicas: usize,
    },
    /// Outcomes are not kept long enough.
    #[error(
        "pool `{pool}` keeps outcomes for {retain:?} (`retain`), and needs its `timeout` of {timeout:?} and {RETAINED_LEASES} \
             leases of {lease:?}: a job must not outlive the record that says it has run"
    )]
    #[non_exhaustive]
    Retain {
        /// The pool.
        pool: String,
        /// The time for which it keeps them.
        retain: Duration,
        /// Its timeout.
        timeout: Duration,
        /// A lease.
        lease: Duration,
    },
    /// A server on another host, without TLS.
    #[error(
        "server `{server}` is on another host and its connection would not be encrypted; use `tls://`, or say \
             `accept_plaintext = true`"
    )]
    #[non_exhaustive]
    Plaintext {
        /// The server.
        server: String,
    },
    /// An address that is none.
    #[error("`{server}` is not the address of a server: {reason}")]
    #[non_exhaustive]
    Address {
        /// The text.
        server: String,
        /// The problem.
        reason: String,
    },
    /// A file with a secret that others may read.
    #[error("{} has the mode {mode:o}: others may read the secret in it; `chmod 600` it", path.display())]
    #[non_exhaustive]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file with a secret that cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    #[non_exhaustive]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_than_three_copies_have_to_be_accepted_by_name() {
        let mut settings = Settings { replicas: 1, ..Settings::new("nats://[::1]", "a") };
        let error = settings.check().unwrap_err().to_string();
        assert!(error.contains("accept_loss_on_power_failure"), "{error}");
        settings.accept_loss_on_power_failure = true;
        assert_eq!(settings.check(), Ok(()));
        settings.replicas = 2;
        assert_eq!(settings.check(), Err(SettingsError::Replicas { replicas: 2 }));
    }

    #[test]
    fn no_job_outlives_its_record() {
        let mut settings = Settings::new("nats://[::1]", "a");
        settings.pools.push(PoolSettings { retain: Duration::from_secs(659), ..PoolSettings::new("fib") });
        assert!(matches!(settings.check(), Err(SettingsError::Retain { .. })));
        settings.pools[0].retain = Duration::from_secs(660);
        assert_eq!(settings.check(), Ok(()));
    }

    #[test]
    fn a_password_is_not_shown() {
        let shown = format!("{:?}", Credentials::Password { user: "ann".into(), password: "secret".into() });
        assert!(shown.contains("ann") && !shown.contains("secret"));
    }
}
