//! The input of a job as bytes: the submission with its payload.

use std::sync::Arc;

use procpool_protocol::TraceContext;
use procpool_protocol::engine::{JobLimits, Submission};
use procpool_protocol::{Encoding, Payload};

use super::bytes::{Reader, Unreadable, Writer};
use super::states;

const VERSION: u8 = 1;

/// Returns the bytes of an input. Descriptors beside its payload cannot be written and are left out.
pub(crate) fn encode(input: &Submission) -> Vec<u8> {
    let mut to = Writer(Vec::with_capacity(input.input.bytes.len() + 64));
    to.byte(VERSION);
    to.text(&input.pool);
    write_payload(&mut to, &input.input);
    write_encoding(&mut to, input.reply);
    to.option(input.limits.timeout, Writer::duration);
    to.option(input.limits.run_timeout, Writer::duration);
    to.flag(input.reports_usage);
    to.byte(states::of_priority(input.priority));
    for name in [&input.client, &input.tenant, &input.principal] {
        to.option(name.as_deref(), Writer::text);
    }
    to.option(input.trace.as_deref(), |to, trace| {
        to.text(trace.traceparent());
        to.option(trace.tracestate(), Writer::text);
    });
    to.0
}

/// Reads an input.
pub(crate) fn decode(bytes: &[u8]) -> Result<Submission, Unreadable> {
    let from = &mut Reader::new(bytes, VERSION)?;
    let pool = from.text()?;
    let input = payload(from)?;
    let mut read = Submission::new(pool, input, encoding(from)?);
    read.limits =
        JobLimits::new().timeout(from.option(Reader::duration)?).run_timeout(from.option(Reader::duration)?);
    read.reports_usage = from.flag()?;
    read.priority = states::priority(from.byte()?)?;
    read.client = from.option(Reader::text)?.map(Into::into);
    read.tenant = from.option(Reader::text)?.map(Into::into);
    read.principal = from.option(Reader::text)?.map(Into::into);
    let trace = from.option(|from| {
        let (parent, state) = (from.text()?, from.option(Reader::text)?);
        TraceContext::parse(parent, state).ok_or(Unreadable("its trace is not one"))
    })?;
    read.trace = trace.map(Arc::new);
    from.end()?;
    Ok(read)
}

pub(super) fn write_payload(to: &mut Writer, payload: &Payload) {
    write_encoding(to, payload.encoding);
    to.bytes(&payload.bytes);
    to.option(payload.rest(), |to, rest| to.bytes(rest));
}

pub(super) fn payload(from: &mut Reader<'_>) -> Result<Payload, Unreadable> {
    let encoding = encoding(from)?;
    let payload = Payload::new(encoding, from.bytes()?.to_vec());
    let rest = from.option(Reader::bytes)?;
    Ok(match rest {
        Some(rest) => payload.with_rest(rest.to_vec()),
        None => payload,
    })
}

/// The number is that of the wire, and fits a byte.
pub(super) fn write_encoding(to: &mut Writer, encoding: Encoding) {
    to.number(encoding as u64);
}

fn encoding(from: &mut Reader<'_>) -> Result<Encoding, Unreadable> {
    Encoding::from_wire(from.byte()?).ok_or(Unreadable("its payload has an unknown encoding"))
}
