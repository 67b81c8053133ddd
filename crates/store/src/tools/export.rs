//! [`export`]: the records as JSON lines.

use std::io::{self, Write};
use std::path::Path;

use procpool_registry::{Body, Record, Time};
use serde::Serialize;

use super::Readable;
use crate::error::OpenError;

/// The records could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The records go nowhere.
    #[error("failed to write the records: {0}")]
    Write(io::Error),
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// A record as a line. Times are nanoseconds of the registry's time.
#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    id: String,
    pool: &'a str,
    principal: Option<&'a str>,
    key: Option<&'a str>,
    priority: &'static str,
    state: &'static str,
    outcome: Option<&'static str>,
    version: u64,
    attempt: u32,
    accepted: u64,
    started: Option<u64>,
    finished: Option<u64>,
    deadline: Option<u64>,
    due: Option<u64>,
    worker: Option<&'a str>,
    may_have_run: bool,
    is_cancelled: bool,
    rerun_of: Option<String>,
    result: Option<&'static str>,
    input: Option<&'static str>,
    bodies_expire: Option<u64>,
    key_expires: Option<u64>,
    expires: Option<u64>,
}

/// Writes every record as a line of JSON, in order of acceptance, and returns their number. A damaged record is a line
/// with the field `damaged`. Inputs and results are left out. Works while a server has the store.
///
/// # Errors
/// When the store cannot be read, or a line cannot be written.
pub fn export(directory: impl AsRef<Path>, to: &mut dyn Write) -> Result<u64, ExportError> {
    let store = Readable::open(directory.as_ref())?;
    let (mut count, mut written) = (0, Ok(()));
    store.each(|record| {
        if written.is_ok() {
            written = match &record {
                Ok(record) => line(to, &Line::of(record)),
                Err(problem) => line(to, &serde_json::json!({ "damaged": problem })),
            };
            count += u64::from(written.is_ok() && record.is_ok());
        }
    })?;
    written?;
    to.flush()?;
    Ok(count)
}

fn line(to: &mut dyn Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

impl<'a> Line<'a> {
    fn of(record: &'a Record) -> Self {
        let nanos = |time: Option<Time>| time.map(Time::as_nanos);
        Self {
            seq: record.seq,
            id: record.id.to_string(),
            pool: &record.pool,
            principal: record.principal.as_deref(),
            key: record.claim.as_ref().map(|claim| claim.key.text.as_str()),
            priority: record.priority.as_str(),
            state: record.state.phase().name(),
            outcome: record.state.outcome().map(procpool_protocol::OutcomeKind::name),
            version: record.version,
            attempt: record.attempt,
            accepted: record.accepted.as_nanos(),
            started: nanos(record.started),
            finished: nanos(record.finished),
            deadline: nanos(record.deadline),
            due: nanos(record.due),
            worker: record.worker.as_deref(),
            may_have_run: record.may_have_run,
            is_cancelled: record.is_cancelled,
            rerun_of: record.rerun_of.map(|job| job.to_string()),
            result: body(record.result),
            input: body(record.input),
            bodies_expire: nanos(record.bodies_expire),
            key_expires: nanos(record.key_expires),
            expires: nanos(record.expires),
        }
    }
}

fn body(body: Body) -> Option<&'static str> {
    match body {
        Body::None => None,
        Body::Held(_) => Some("held"),
        Body::Gone => Some("gone"),
    }
}
