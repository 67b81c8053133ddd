//! A record as bytes: everything but its `seq`, its id and its pool, which have columns.

use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_protocol::message::Progress;
use procpool_registry::{Body, Claim, Fingerprint, Key, KeyText, Record, Time};

use super::bytes::{Reader, Unreadable, Writer};
use super::states;

const VERSION: u8 = 1;

/// Returns the bytes of a record, or `None` if it has a state that this version does not know.
pub(crate) fn encode(record: &Record) -> Option<Vec<u8>> {
    let mut to = Writer(Vec::with_capacity(128));
    to.byte(VERSION);
    to.byte(states::of_state(record.state)?);
    to.byte(states::of_priority(record.priority));
    to.byte(u8::from(record.may_have_run) | u8::from(record.is_cancelled) << 1);
    to.number(record.version);
    to.number(u64::from(record.attempt));
    to.number(record.accepted.as_nanos());
    for time in [
        record.started,
        record.finished,
        record.deadline,
        record.due,
        record.bodies_expire,
        record.key_expires,
        record.expires,
    ] {
        to.option(time, |to, time| to.number(time.as_nanos()));
    }
    for body in [record.result, record.input] {
        write_body(&mut to, body);
    }
    to.option(record.principal.as_deref(), Writer::text);
    to.option(record.worker.as_deref(), Writer::text);
    to.option(record.rerun_of, |to, job| to.fixed(&job.to_bytes()));
    to.option(record.progress, |to, progress| {
        to.number(progress.done);
        to.option(progress.total, Writer::number);
    });
    to.option(record.claim.as_ref(), |to, claim| write_claim(to, claim, record));
    Some(to.0)
}

/// Reads a record.
pub(crate) fn decode(bytes: &[u8], seq: u64, id: JobId, pool: Arc<str>) -> Result<Record, Unreadable> {
    let from = &mut Reader::new(bytes, VERSION)?;
    let mut record = Record::new(seq, id, pool, Time::ZERO);
    record.state = states::state(from.byte()?)?;
    record.priority = states::priority(from.byte()?)?;
    let flags = from.byte()?;
    record.may_have_run = flags & 1 != 0;
    record.is_cancelled = flags & 2 != 0;
    record.version = from.number()?;
    record.attempt = from.small()?;
    record.accepted = Time::from_nanos(from.number()?);
    record.started = time(from)?;
    record.finished = time(from)?;
    record.deadline = time(from)?;
    record.due = time(from)?;
    record.bodies_expire = time(from)?;
    record.key_expires = time(from)?;
    record.expires = time(from)?;
    record.result = body(from)?;
    record.input = body(from)?;
    record.principal = from.option(Reader::text)?.map(Into::into);
    record.worker = from.option(Reader::text)?.map(Into::into);
    record.rerun_of = from.option(Reader::fixed)?.map(JobId::from_bytes);
    record.progress =
        from.option(|from| Ok(Progress { done: from.number()?, total: from.option(Reader::number)? }))?;
    record.claim = from.option(|from| claim(from, &record.pool, record.principal.as_ref()))?;
    from.end()?;
    Ok(record)
}

fn time(from: &mut Reader<'_>) -> Result<Option<Time>, Unreadable> {
    Ok(from.option(Reader::number)?.map(Time::from_nanos))
}

fn write_body(to: &mut Writer, body: Body) {
    match body {
        Body::None => to.byte(0),
        Body::Gone => to.byte(1),
        Body::Held(bytes) => {
            to.byte(2);
            to.number(bytes);
        }
    }
}

fn body(from: &mut Reader<'_>) -> Result<Body, Unreadable> {
    match from.byte()? {
        0 => Ok(Body::None),
        1 => Ok(Body::Gone),
        2 => Ok(Body::Held(from.number()?)),
        _ => Err(Unreadable("it has an unknown state of a body")),
    }
}

/// Nearly every key has the pool and the principal of its job, and shares their memory.
fn write_claim(to: &mut Writer, claim: &Claim, record: &Record) {
    to.text(claim.key.text.as_str());
    to.fixed(&claim.fingerprint.0);
    to.option(Some(&*claim.key.pool).filter(|&pool| pool != &*record.pool), Writer::text);
    let is_same = claim.key.principal == record.principal;
    to.flag(is_same);
    if !is_same {
        to.option(claim.key.principal.as_deref(), Writer::text);
    }
}

fn claim(from: &mut Reader<'_>, pool: &Arc<str>, principal: Option<&Arc<str>>) -> Result<Claim, Unreadable> {
    let text = from.text()?.replace('\\', "\\\\").replace('"', "\\\"");
    let text = KeyText::parse(format!("\"{text}\"").as_bytes());
    let text = text.map_err(|_| Unreadable("it has a key that is not visible ASCII"))?;
    let fingerprint = Fingerprint(from.fixed()?);
    let pool = from.option(Reader::text)?.map_or_else(|| pool.clone(), Into::into);
    let principal = match from.flag()? {
        true => principal.cloned(),
        false => from.option(Reader::text)?.map(Into::into),
    };
    Ok(Claim { key: Arc::new(Key { principal, pool, text }), fingerprint })
}

/// Returns the bytes by which a key is found.
pub(crate) fn encode_key(key: &Key) -> Vec<u8> {
    let mut to = Writer(Vec::with_capacity(64));
    to.text(&key.pool);
    to.option(key.principal.as_deref(), Writer::text);
    to.fixed(key.text.as_str().as_bytes());
    to.0
}
