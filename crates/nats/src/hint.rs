//! The hint of a node to the front of a job: it has an outcome, and here it is if it is small.
//!
//! A hint is sent after the outcome is stored, so the front believes it without a look. `ID`, or `ID\n` and the record.

use crate::record::{Decided, Record};
use bytes::{BufMut, Bytes, BytesMut};
use procpool_protocol::JobId;

/// Maximum size of a record in a hint, in bytes. Fronts look for larger ones, so that a hint for which nobody waits costs
/// little.
const MAX_RECORD: usize = 64 << 10;

/// Writes a hint.
pub(crate) fn seal(job: JobId, decided: Option<Decided>) -> Bytes {
    let record = decided.and_then(|decided| Record::Decided(decided).seal().ok());
    let mut bytes = BytesMut::from(job.to_string().as_bytes());
    if let Some(record) = record.filter(|record| record.len() <= MAX_RECORD) {
        bytes.put_u8(b'\n');
        bytes.put_slice(&record);
    }
    bytes.freeze()
}

/// Reads a hint: the job, and the record of its outcome.
pub(crate) fn open(bytes: &Bytes) -> Option<(JobId, Option<Bytes>)> {
    let end = bytes.iter().position(|&byte| byte == b'\n');
    let id = std::str::from_utf8(&bytes[..end.unwrap_or(bytes.len())]).ok()?;
    Some((id.parse().ok()?, end.map(|end| bytes.slice(end + 1..))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::end::End;
    use crate::node_id::NodeId;

    #[test]
    fn a_hint_brings_a_small_outcome_and_names_a_large_one() {
        let job = JobId::from_bits(7);
        let decided = |size| Decided {
            by: NodeId::new("a", 1),
            attempt: 1,
            end: End::ok_raw(),
            output: vec![b'\n'; size].into(),
        };
        let (id, record) = open(&seal(job, Some(decided(9)))).unwrap();
        assert_eq!((id, Record::open(&record.unwrap())), (job, Ok(Record::Decided(decided(9)))));
        for hint in [seal(job, Some(decided(MAX_RECORD))), seal(job, None)] {
            assert_eq!(open(&hint), Some((job, None)));
        }
        assert_eq!(open(&Bytes::from_static(b"nothing\n")), None);
    }
}
