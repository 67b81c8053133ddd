//! A look at a job as the record that clients see. Pure.

use super::recent::Row;
use crate::look::{JobState, Look};
use crate::streams::DEAD;
use procpool_protocol::{JobId, OutcomeKind};
use procpool_registry::{Body, Record, State, Time};
use std::sync::Arc;
use std::time::Duration;

/// Returns the record of a job. `row` is what the front that accepted it knows. An outcome is kept for `retain`.
pub(super) fn record(
    id: JobId,
    pool: &Arc<str>,
    row: Option<&Row>,
    look: &Look,
    retain: Duration,
    now: Time,
) -> Record {
    let mut record = Record::new(row.map_or(0, |row| row.seq), id, pool.clone(), accepted(id));
    record.version = look.version;
    record.attempt = look.attempt;
    if let Some(row) = row {
        (record.priority, record.principal) = (row.priority, row.principal.clone());
        record.rerun_of = row.rerun_of;
    }
    let since = Time::from_nanos(look.since);
    match &look.state {
        JobState::Unknown | JobState::Queued => {
            record.state = State::Queued;
            record.due = Some(Time::from_nanos(look.due)).filter(|&due| due > now);
            record.may_have_run = look.attempt > 0;
        }
        JobState::Running { node, .. } => {
            record.state = State::Running;
            record.started = Some(since);
            record.worker = Some(node.as_str().into());
            record.may_have_run = true;
        }
        JobState::Finished(_) | JobState::Large { .. } => {
            let (outcome, may_have_run, size) = match &look.state {
                JobState::Large { output, .. } => (OutcomeKind::Ok, true, output.length),
                JobState::Finished(finished) => match &finished.result {
                    Ok(output) => (OutcomeKind::Ok, true, output.bytes.len() as u64),
                    Err(error) => (error.kind(), error.may_have_run(), 0),
                },
                _ => return record,
            };
            record.state = State::Finished(outcome);
            record.may_have_run = may_have_run;
            record.is_cancelled = outcome == OutcomeKind::Cancelled;
            record.result = Body::Held(size);
            record.finished = Some(since);
            let retain = if look.is_letter { DEAD } else { retain };
            record.expires = Some(since + retain);
        }
    }
    record
}

/// Returns when a job was accepted: its id begins with that, in milliseconds.
fn accepted(id: JobId) -> Time {
    let bits = u128::from_be_bytes(id.to_bytes());
    let millis = u64::try_from(bits >> 80).unwrap_or_default();
    Time::from_nanos(millis.saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_jobs::ordered;
    use procpool_protocol::outcome::{Finished, Timing};
    use procpool_protocol::{JobError, Stage};

    #[test]
    fn a_record_says_how_far_its_job_is() {
        let at = Time::from_nanos(1_796_026_612_123_000_000);
        let (id, pool) = (ordered(at, 7), Arc::from("fib"));
        let hour = Duration::from_secs(3600);
        let (since, due) = (at.as_nanos() + 5, (at + hour).as_nanos());
        let look = |state| Look { state, version: 4, attempt: 0, since, due, is_letter: false };
        let record = |look: &Look, now| record(id, &pool, None, look, hour, now);
        let queued = record(&look(JobState::Queued), at);
        assert_eq!((queued.accepted, queued.state, queued.version), (at, State::Queued, 4));
        assert_eq!((queued.due, queued.may_have_run), (Some(at + hour), false));
        let again = record(&Look { attempt: 1, ..look(JobState::Queued) }, at + hour);
        assert_eq!((again.due, again.may_have_run), (None, true), "its time has come");
        let error = Err(Box::new(JobError::cancelled(Stage::Queued)));
        let finished = JobState::Finished(Box::new(Finished::new(id, Timing::default(), error)));
        let ended = record(&look(finished), at);
        assert_eq!(ended.state, State::Finished(OutcomeKind::Cancelled));
        assert!(ended.is_cancelled && !ended.may_have_run);
        assert_eq!(ended.expires, Some(Time::from_nanos(at.as_nanos() + 5) + hour));
    }
}
