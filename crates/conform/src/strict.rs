//! Header messages of a worker, decoded more strictly than a coordinator does: shortest form, within limits.

use crate::check::{Checked, ensure, wrong};
use crate::frame::{In, NONE};
use procpool_protocol::codec::{Decode, Encode, decode_header, encode_header};
use procpool_protocol::extras::JobReport;
use procpool_protocol::frame::Kind;
use procpool_protocol::limits::{MAX_EXTRAS, MAX_TEXT};
use procpool_protocol::message::{Done, Status};
use procpool_protocol::{Failure, codec};
use serde_json::Value;

/// Decodes a header message. Writers use the shortest form, so what it says has exactly these bytes.
pub(crate) fn message<T: Decode<()> + Encode>(bytes: &[u8], name: &str) -> Checked<T> {
    let decoded: T = match decode_header(bytes) {
        Ok(decoded) => decoded,
        Err(error) => return wrong(format!("the header message of {name} does not decode: {error}")),
    };
    let shortest = encode_header(&decoded)?;
    ensure(shortest[..] == *bytes, || {
        format!("the header message of {name} is not in the shortest form: {bytes:02x?}, not {shortest:02x?}")
    })?;
    Ok(decoded)
}

/// Decodes a header message that is JSON.
pub(crate) fn json(frame: &In) -> Checked<Value> {
    match serde_json::from_slice(&frame.message) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(other) => wrong(format!("{:?} has {other}, not a JSON object", frame.kind)),
        Err(error) => wrong(format!("{:?} has a header message that is not JSON: {error}", frame.kind)),
    }
}

/// Decodes the end of a job.
pub(crate) fn done(frame: &In) -> Checked<Done> {
    ensure(frame.kind == Kind::Done, || format!("expected a Done, got {frame}"))?;
    let done: Done = message(&frame.message, "Done")?;
    ensure(done.extras.len() <= MAX_EXTRAS, || format!("{} extras exceed the limit", done.extras.len()))?;
    if let Err(invalid) = JobReport::of(&done.extras) {
        return wrong(format!("a known extra of Done has an invalid value: {invalid}"));
    }
    status(&done.status)?;
    let is_partial = matches!(done.status, Status::Ok | Status::Panicked { .. });
    ensure(is_partial || frame.payload.is_empty(), || {
        format!("a payload of {} bytes with {:?}", frame.payload.len(), done.status)
    })?;
    ensure(frame.head.encoding != NONE || frame.payload.is_empty(), || "an output without encoding".into())?;
    Ok(done)
}

/// Checks the texts of a status.
pub(crate) fn status(status: &Status) -> Checked {
    match status {
        Status::BadInput { message } => text("the message", message),
        Status::Panicked { message, location } => {
            text("the message", message)?;
            location.as_ref().map_or(Ok(()), |location| text("the location", location))
        }
        Status::Failed(failure) | Status::Broke(failure) => self::failure(failure),
        Status::Ok | Status::Cancelled | Status::TooLarge { .. } => Ok(()),
    }
}

/// Reads a `MessageFailed`, and checks its texts.
pub(crate) fn failure_message(frame: &In) -> Checked<Failure> {
    let read: Failure = message(&frame.message, "MessageFailed")?;
    failure(&read)?;
    Ok(read)
}

fn failure(failure: &Failure) -> Checked {
    text("the code", failure.code())?;
    text("the message", failure.message())?;
    let Some(details) = details(failure)? else { return Ok(()) };
    text("the details", &details)?;
    match serde_json::from_str::<Value>(&details) {
        Ok(_) => Ok(()),
        Err(error) => wrong(format!("the details are not JSON: {error}")),
    }
}

/// Returns the details of a failure, as they were sent. Its type shows them only if they are JSON.
fn details(failure: &Failure) -> Checked<Option<String>> {
    let bytes = encode_header(failure)?;
    let (_, _, details, _): (String, String, Option<String>, bool) = codec::decode_header(&bytes)?;
    Ok(details)
}

fn text(name: &str, text: &str) -> Checked {
    ensure(text.len() <= MAX_TEXT, || {
        format!("{name} of a failure has {} bytes; the sender cuts at {MAX_TEXT}", text.len())
    })
}
