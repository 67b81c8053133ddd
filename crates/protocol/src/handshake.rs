//! The messages before the first job, as JSON so that they can grow: `Welcome`, `Hello`, `Refused`,
//! `Attach`.
//!
//! A reader ignores fields that it does not know.

use crate::arena::TakesArenas;
use crate::encodings::Encodings;
use serde::{Deserialize, Deserializer, Serialize};

/// One of a worker's two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// Jobs and messages with all their output; read by the thread that runs the jobs.
    Jobs,
    /// Cancel, credit, ping, shutdown; read by the guard thread.
    Control,
}

/// The modes of a worker: its `Hello` names the possible ones, a `Welcome` chooses one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One job in, one outcome out.
    Jobs,
    /// Free messages both ways.
    Messages,
}

/// The first frame on a connection to the named socket of a pool of attached workers. From then on, the
/// connection corresponds to the inherited descriptor of that name in a spawned worker.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// Which connection this is.
    pub connection: Connection,
    /// The contents of the pool's token file: 32 hexadecimal digits.
    pub token: String,
    /// The worker's own name for itself, the same on both of its connections. At most 64 bytes. It
    /// distinguishes workers in other pid namespaces, whose process ids the coordinator does not know.
    pub process: String,
}

impl std::fmt::Debug for Attach {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Attach").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// A worker introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The job's name; for a worker of free messages, the name of its executable.
    pub job: String,
    /// The job's contract version.
    pub contract: u32,
    /// Hash of the job's schemas, 16 hexadecimal digits, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_hash: Option<String>,
    /// The modes that the worker supports.
    pub modes: Vec<Mode>,
    /// Name and version of the SDK.
    pub sdk: String,
    /// Version of the worker executable's own package, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Whether the worker can use a [`page`](crate::page).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub page: bool,
    /// How the worker receives [arenas](crate::arena), if it uses any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arenas: Option<TakesArenas>,
    /// Whether the worker accepts [batches](crate::batch).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub batches: bool,
    /// Whether the worker can be the [template](Welcome::template) of others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forks: bool,
    /// The encodings of payloads that the worker reads and writes. All if it does not name any.
    #[serde(default, skip_serializing_if = "Encodings::is_all")]
    pub encodings: Encodings,
    /// Reserved: number of jobs that the worker runs at once. In version 2 it runs one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub concurrency: u32,
}

fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde passes it
fn is_one(number: &u32) -> bool {
    *number == 1
}

/// The coordinator accepts the worker. The frame's payload is the worker data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The mode of the worker.
    pub mode: Mode,
    /// Whether the coordinator made the worker the leader of a process group of its own. The guard may then
    /// kill the whole group.
    pub owned: bool,
    /// The worker's name in logs and reports.
    pub worker: String,
    /// The pool's name.
    pub pool: String,
    /// Name of the job that the coordinator expects. Absent if it accepts any job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Maximum payload of a frame in either direction, in bytes.
    pub max_payload: u32,
    /// Whether the worker [inherited](crate::birth) a [`page`](crate::page), which it may use.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub page: bool,
    /// Whether the worker [inherited](crate::birth) [arenas](crate::arena).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub arenas: bool,
    /// Whether the worker is a template: it loads its state and runs no job, but forks a worker for each `Fork`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub template: bool,
}

/// The coordinator rejects a connection and closes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// A word for programs: `token`, `peer`, `repeated`, `full`, `contract`, `mode`, `version`, `protocol`,
    /// `silent`.
    pub reason: String,
    /// A sentence for people.
    pub detail: String,
}

/// Reads a member that is there, whatever it is.
fn present<'de, D: Deserializer<'de>>(member: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(member).map(Some)
}

/// A worker's description, which `--describe` prints and a `Description` frame contains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The job's name.
    pub job: String,
    /// Its contract version.
    pub contract: u32,
    /// Hash of the schemas, as in [`Hello`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_hash: Option<String>,
    /// JSON Schema of the input, if the job has one. `null` is none, and yet `Some`: somebody meant it to be one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub input: Option<serde_json::Value>,
    /// JSON Schema of the output, if the job has one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub output: Option<serde_json::Value>,
    /// The modes that the worker supports.
    pub modes: Vec<Mode>,
    /// Name and version of the SDK.
    pub sdk: String,
    /// Version of the worker executable's own package, as in [`Hello`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
}
