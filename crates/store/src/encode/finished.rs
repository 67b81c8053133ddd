//! The result of a job as bytes. Outputs are bytes, errors are JSON: they are rare, and gain fields.

use procpool_protocol::JobId;
use procpool_protocol::outcome::{Finished, Timing};

use super::bytes::{Reader, Unreadable, Writer};
use super::{errors, report, submission};

const VERSION: u8 = 1;

/// Returns the bytes of a result.
pub(crate) fn encode(finished: &Finished) -> Vec<u8> {
    let length = finished.result.as_ref().map_or(1024, |output| output.bytes.len());
    let mut to = Writer(Vec::with_capacity(length + 64));
    to.byte(VERSION);
    to.duration(finished.timing.wait);
    to.duration(finished.timing.run);
    match &finished.result {
        Ok(output) => {
            to.flag(true);
            submission::write_payload(&mut to, output);
        }
        Err(error) => {
            to.flag(false);
            to.bytes(&errors::encode(error));
        }
    }
    to.option(finished.report.as_deref(), report::write);
    to.0
}

/// Reads the result of a job.
pub(crate) fn decode(bytes: &[u8], id: JobId) -> Result<Finished, Unreadable> {
    let from = &mut Reader::new(bytes, VERSION)?;
    let timing = Timing::new(from.duration()?, from.duration()?);
    let result = match from.flag()? {
        true => Ok(submission::payload(from)?),
        false => Err(Box::new(errors::decode(from.bytes()?)?)),
    };
    let mut finished = Finished::new(id, timing, result);
    finished.report = from.option(report::read)?.map(Box::new);
    from.end()?;
    Ok(finished)
}
