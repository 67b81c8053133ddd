//! The names of streams, consumers and subjects, and how names of pools become parts of them.
//!
//! A name is written with letters, digits and `-`. Every other byte becomes `=` and two hexadecimal digits.
//! So two different names never share a subject, and `_` and `.` only ever separate.

use procpool_protocol::JobId;
use procpool_protocol::engine::Priority;
use std::fmt::Write;

/// Maximum length of an escaped namespace, in bytes.
pub const MAX_NAMESPACE: usize = 48;

/// Maximum length of the escaped name of a pool, in bytes. The name of a stream has at most 255.
pub const MAX_POOL: usize = 160;

/// Maximum length of the escaped name of a schedule, in bytes. 64 characters of any kind fit.
pub const MAX_SCHEDULE: usize = 192;

/// A name cannot be part of a subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// The name is empty.
    #[error("the {kind} has no name")]
    #[non_exhaustive]
    Empty {
        /// The kind of name.
        kind: &'static str,
    },
    /// The name is too long.
    #[error(
        "the {kind} `{name}` has {length} bytes in a subject, and at most {limit} fit (characters other than letters, digits and `-` take 3 a byte)"
    )]
    #[non_exhaustive]
    TooLong {
        /// The kind of name.
        kind: &'static str,
        /// The first 64 characters of the name.
        name: String,
        /// Its length after escaping, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
}

/// The namespace of a cluster. Clusters with different namespaces share a server and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace(String);

impl Namespace {
    /// Returns the namespace of this name.
    ///
    /// # Errors
    /// When the name is empty, or longer than [`MAX_NAMESPACE`] after escaping.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        escape("namespace", name, MAX_NAMESPACE).map(Self)
    }

    /// Returns the names of one pool.
    ///
    /// # Errors
    /// When the name is empty, or longer than [`MAX_POOL`] after escaping.
    pub fn pool(&self, name: &str) -> Result<PoolNames, InvalidName> {
        Ok(PoolNames { namespace: self.0.clone(), pool: escape("pool", name, MAX_POOL)? })
    }

    /// Returns the subject on which a node answers questions about its jobs.
    #[must_use]
    pub fn control(&self, node: &str) -> String {
        format!("pp.{}.ctl.{node}", self.0)
    }

    /// Returns the name of the stream in which nodes tell of themselves.
    #[must_use]
    pub fn hosts(&self) -> String {
        format!("PP_{}_N", self.0)
    }

    /// Returns the subjects on which they do.
    #[must_use]
    pub fn all_hosts(&self) -> String {
        format!("pp.{}.n.*", self.0)
    }

    /// Returns the subject on which one node does.
    #[must_use]
    pub fn host(&self, node: &str) -> String {
        format!("pp.{}.n.{node}", self.0)
    }

    /// Returns the name of the stream of the pools' contracts.
    #[must_use]
    pub fn contracts(&self) -> String {
        format!("PP_{}_P", self.0)
    }

    /// Returns the subjects of the contracts of all pools.
    #[must_use]
    pub fn all_contracts(&self) -> String {
        format!("pp.{}.pools.*", self.0)
    }

    /// Returns the name of the stream of idempotency keys.
    #[must_use]
    pub fn keys(&self) -> String {
        format!("PP_{}_K", self.0)
    }

    /// Returns the subjects of the keys of all pools.
    #[must_use]
    pub fn all_keys(&self) -> String {
        format!("pp.{}.k.>", self.0)
    }

    /// Returns the name of the stream of dead letters.
    #[must_use]
    pub fn dead(&self) -> String {
        format!("PP_{}_D", self.0)
    }

    /// Returns the subjects of the dead letters of all pools.
    #[must_use]
    pub fn all_dead(&self) -> String {
        format!("pp.{}.d.>", self.0)
    }

    /// Returns the name of the stream in which the fronts note how far each schedule is done.
    #[must_use]
    pub fn schedules(&self) -> String {
        format!("PP_{}_C", self.0)
    }

    /// Returns the subjects of all schedules.
    #[must_use]
    pub fn all_schedules(&self) -> String {
        format!("pp.{}.c.*", self.0)
    }

    /// Returns the subject of a schedule.
    ///
    /// # Errors
    /// When the name is empty, or longer than [`MAX_SCHEDULE`] after escaping.
    pub fn schedule(&self, name: &str) -> Result<String, InvalidName> {
        Ok(format!("pp.{}.c.{}", self.0, escape("schedule", name, MAX_SCHEDULE)?))
    }

    /// Returns the subject of the hints for a front: that a job of it has an outcome.
    #[must_use]
    pub fn hints(&self, front: &str) -> String {
        format!("pp.{}.re.{front}", self.0)
    }
}

/// The names of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolNames {
    namespace: String,
    pool: String,
}

impl PoolNames {
    /// Returns the name of the stream of waiting jobs.
    #[must_use]
    pub fn queue(&self) -> String {
        format!("PP_{}_J_{}", self.namespace, self.pool)
    }

    /// Returns the name of the stream of records.
    #[must_use]
    pub fn records(&self) -> String {
        format!("PP_{}_S_{}", self.namespace, self.pool)
    }

    /// Returns the subjects of all waiting jobs.
    #[must_use]
    pub fn all_jobs(&self) -> String {
        format!("pp.{}.j.{}.>", self.namespace, self.pool)
    }

    /// Returns the subjects of the waiting jobs of one priority.
    #[must_use]
    pub fn jobs_of(&self, priority: Priority) -> String {
        format!("pp.{}.j.{}.{}.*", self.namespace, self.pool, rank(priority))
    }

    /// Returns the subject of a waiting job.
    #[must_use]
    pub fn job(&self, priority: Priority, id: JobId) -> String {
        format!("pp.{}.j.{}.{}.{id}", self.namespace, self.pool, rank(priority))
    }

    /// Returns the subjects that a waiting job may have, one for each priority.
    #[must_use]
    pub fn any_job(&self, id: JobId) -> String {
        format!("pp.{}.j.{}.*.{id}", self.namespace, self.pool)
    }

    /// Returns the subjects of all records.
    #[must_use]
    pub fn all_records(&self) -> String {
        format!("pp.{}.s.{}.*", self.namespace, self.pool)
    }

    /// Returns the subject of a job's record.
    #[must_use]
    pub fn record(&self, id: JobId) -> String {
        format!("pp.{}.s.{}.{id}", self.namespace, self.pool)
    }

    /// Returns the name of the stream of the inputs that are too large for a message.
    #[must_use]
    pub fn inputs(&self) -> String {
        format!("PP_{}_I_{}", self.namespace, self.pool)
    }

    /// Returns the name of the stream of such outputs.
    #[must_use]
    pub fn outputs(&self) -> String {
        format!("PP_{}_O_{}", self.namespace, self.pool)
    }

    /// Returns the subjects of all chunks of inputs.
    #[must_use]
    pub fn all_inputs(&self) -> String {
        format!("pp.{}.i.{}.>", self.namespace, self.pool)
    }

    /// Returns the subjects of all chunks of outputs.
    #[must_use]
    pub fn all_outputs(&self) -> String {
        format!("pp.{}.o.{}.>", self.namespace, self.pool)
    }

    /// Returns the beginning of the subjects of the chunks of a job's input.
    #[must_use]
    pub fn input(&self, id: JobId) -> String {
        format!("pp.{}.i.{}.{id}", self.namespace, self.pool)
    }

    /// Returns the beginning of the subjects of the chunks of a job's output.
    #[must_use]
    pub fn output(&self, id: JobId) -> String {
        format!("pp.{}.o.{}.{id}", self.namespace, self.pool)
    }

    /// Returns the subject of the pool's contract.
    #[must_use]
    pub fn contract(&self) -> String {
        format!("pp.{}.pools.{}", self.namespace, self.pool)
    }

    /// Returns the subject of a key of the pool with this digest.
    #[must_use]
    pub fn key(&self, digest: &str) -> String {
        format!("pp.{}.k.{}.{digest}", self.namespace, self.pool)
    }

    /// Returns the subject of a job's dead letter, with which those of the chunks of its input begin.
    #[must_use]
    pub fn dead(&self, id: JobId) -> String {
        format!("pp.{}.d.{}.{id}", self.namespace, self.pool)
    }

    /// Returns the name of the consumer of one priority.
    #[must_use]
    pub fn consumer(&self, priority: Priority) -> String {
        format!("nodes-{}", rank(priority))
    }
}

/// Returns the job of a subject of waiting jobs.
#[must_use]
pub fn job_of(subject: &str) -> Option<JobId> {
    subject.rsplit('.').next()?.parse().ok()
}

/// Returns the number of a priority in a subject: 0 is the highest.
fn rank(priority: Priority) -> usize {
    Priority::ALL.iter().position(|&it| it == priority).unwrap_or(1)
}

fn escape(kind: &'static str, name: &str, limit: usize) -> Result<String, InvalidName> {
    if name.is_empty() {
        return Err(InvalidName::Empty { kind });
    }
    let mut escaped = String::with_capacity(name.len().min(limit));
    for byte in name.bytes() {
        match byte {
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => escaped.push(char::from(byte)),
            other => drop(write!(escaped, "={other:02X}")),
        }
    }
    if escaped.len() > limit {
        let name = name.chars().take(64).collect();
        return Err(InvalidName::TooLong { kind, name, length: escaped.len(), limit });
    }
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(namespace: &str, pool: &str) -> PoolNames {
        Namespace::new(namespace).unwrap().pool(pool).unwrap()
    }

    #[test]
    fn names_that_look_alike_share_no_stream() {
        let names =
            [("a_J", "b"), ("a", "J_b"), ("a", "b"), ("a.b", "c"), ("a", "b.c"), ("a=2Eb", "c"), ("a", "ä")];
        let mut streams: Vec<_> = names.map(|(ns, name)| pool(ns, name).queue()).into();
        assert!(
            streams.iter().all(|it| it.matches('_').count() == 3 && !it.contains(['.', '*', '>', ' ', '/']))
        );
        streams.sort();
        streams.dedup();
        assert_eq!(streams.len(), names.len());
    }

    #[test]
    fn the_longest_names_fit_a_stream_and_longer_ones_are_refused_with_the_limit() {
        let longest = pool(&"n".repeat(MAX_NAMESPACE), &"p".repeat(MAX_POOL));
        assert!(longest.queue().len() <= 255 && longest.records().len() <= 255);
        let error = Namespace::new("a").unwrap().pool(&".".repeat(54)).unwrap_err().to_string();
        assert!(error.contains("162") && error.contains("160"), "{error}");
        assert_eq!(Namespace::new(""), Err(InvalidName::Empty { kind: "namespace" }));
    }

    #[test]
    fn a_subject_names_its_job_and_its_priority() {
        let (names, id) = (pool("prod", "fib"), JobId::from_bits(42));
        let subject = names.job(Priority::High, id);
        assert_eq!(subject, format!("pp.prod.j.fib.0.{id}"));
        assert_eq!(job_of(&subject), Some(id));
        assert_eq!(job_of("pp.prod.j.fib.0.nothing"), None);
    }
}
