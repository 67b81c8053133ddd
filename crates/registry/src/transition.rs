//! The one table of transitions. Every store, also a distributed one, persists what it returns.

use std::sync::Arc;

use procpool_protocol::OutcomeKind;
use procpool_protocol::outcome::Finished;

use crate::event::Event;
use crate::filter::is_dead;
use crate::record::{Body, LONGEST_WORKER, Record, State};
use crate::settings::Retention;
use crate::size;
use crate::time::Time;

/// The effect of an event on a record.
#[derive(Debug)]
pub enum Decided {
    /// The record's next version.
    Next(Box<Record>),
    /// The record goes: its job was never accepted.
    Forget,
    /// The event does not fit the record's state, and changes nothing.
    Stale,
}

/// Decides what an event makes of a record. Pure, so that a store can compare [`Record::version`]
/// and set, wherever it is.
///
/// `Claimed` is a start without a worker, and `Unclaimed` takes it back. `Again` puts a job back into the queue that the
/// registry itself holds, and `Due` makes it ready there.
///
/// ```text
///               Queued              Started                Finished
///    Accepted ─────────► Queued ──────────────► Running ─────────────► Finished
///      │   │               ▲                     │  │ ▲                absorbing
///      │   │ Started       └───── Returned ──────┘  └─┘ Started: the next attempt
///      │   └──────────────────────────────────────► Running
///      │ Refused
///      ▼
///  (forgotten)                 Accepted and Queued can also finish at once.
/// ```
#[must_use]
pub fn decide(record: &Record, retention: &Retention, now: Time, event: &Event) -> Decided {
    let next = match (record.state, event) {
        (State::Finished(_), _) => return Decided::Stale,
        (State::Accepted, Event::Refused) => return Decided::Forget,
        (State::Accepted, Event::Queued) | (State::Running, Event::Returned) => queued(record),
        (State::Accepted | State::Queued, Event::Started { attempt, worker })
            if *attempt >= record.attempt =>
        {
            started(record, now, *attempt, worker)
        }
        (State::Running, Event::Started { attempt, worker })
            if *attempt > record.attempt || is_claimed(record) && *attempt == record.attempt =>
        {
            started(record, now, *attempt, worker)
        }
        (State::Accepted | State::Queued, Event::Claimed { attempt }) if *attempt > record.attempt => {
            Record { worker: None, ..started(record, now, *attempt, &Arc::from("")) }
        }
        (State::Running, Event::Unclaimed) if is_claimed(record) => {
            let attempt = record.attempt.saturating_sub(1);
            let may_have_run = attempt > 0;
            Record { attempt, may_have_run, started: None, ..waiting(record, None) }
        }
        (State::Queued | State::Running, Event::Again { due }) => waiting(record, *due),
        (State::Queued, Event::Due) if record.due.is_some() => waiting(record, None),
        (State::Running, Event::Progress(progress)) => Record { progress: Some(*progress), ..record.clone() },
        (_, Event::Cancel) if !record.is_cancelled => Record { is_cancelled: true, ..record.clone() },
        (_, Event::Finished(finished)) => self::finished(record, retention, now, finished),
        _ => return Decided::Stale,
    };
    Decided::Next(Box::new(Record { version: record.version + 1, ..next }))
}

/// Returns whether the job was handed to its pool, and no worker is known to have it.
fn is_claimed(record: &Record) -> bool {
    record.worker.is_none()
}

/// Returns a job that waits in the registry's own queue.
fn waiting(record: &Record, due: Option<Time>) -> Record {
    Record { due, expires: record.deadline, ..queued(record) }
}

fn queued(record: &Record) -> Record {
    Record { state: State::Queued, progress: None, ..record.clone() }
}

fn started(record: &Record, now: Time, attempt: u32, worker: &Arc<str>) -> Record {
    Record {
        state: State::Running,
        attempt: attempt.max(1),
        started: Some(now),
        progress: None,
        due: None,
        expires: None,
        worker: Some(cut(worker)),
        may_have_run: true,
        ..record.clone()
    }
}

fn finished(record: &Record, retention: &Retention, now: Time, finished: &Finished) -> Record {
    let (outcome, may_have_run) = match &finished.result {
        Ok(_) => (OutcomeKind::Ok, true),
        Err(error) => (error.kind(), error.may_have_run()),
    };
    // A job that cannot have run has used nothing of its key: the same request may run as new.
    let claim = record.claim.clone().filter(|_| may_have_run);
    let key_expires = claim.as_ref().map(|_| now + retention.keys);
    // A dead letter is kept for who looks into it, or sends it again.
    let dead = retention.dead.filter(|_| is_dead(outcome));
    let (results, records) = dead.map_or((retention.results, retention.records), |dead| {
        (dead.max(retention.results), dead.max(retention.records))
    });
    let expires = (now + records).max(key_expires.unwrap_or(now));
    Record {
        state: State::Finished(outcome),
        finished: Some(now),
        due: None,
        may_have_run,
        claim,
        result: Body::Held(size::of_result(finished)),
        bodies_expire: Some(now + results),
        key_expires,
        expires: Some(expires),
        ..record.clone()
    }
}

/// Returns a name of bounded length.
fn cut(name: &Arc<str>) -> Arc<str> {
    if name.len() <= LONGEST_WORKER {
        return name.clone();
    }
    let end = (0..=LONGEST_WORKER).rev().find(|&end| name.is_char_boundary(end));
    name[..end.unwrap_or(0)].into()
}
