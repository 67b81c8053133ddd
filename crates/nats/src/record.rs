//! The one record of a job. Its first version is a claim or an outcome, and an outcome is the last.
//!
//! Every version is written by a compare-and-set on the sequence of the one before. So of several writers one
//! wins, and the others learn it.

use crate::end::End;
use crate::envelope::{self, HeadTooLarge, Unreadable};
use crate::node_id::NodeId;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A version of the record of a job.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// A node has the job.
    Claimed(Claim),
    /// The node of the last claim gave the job back: it certainly did not start it, or it failed and is tried again.
    Released(Released),
    /// The job has its outcome. Nothing replaces it.
    Decided(Decided),
}

/// A claim that was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The node.
    pub node: NodeId,
    /// The number of the attempt of the next claim. All before it may have run.
    pub attempt: u32,
    /// When that attempt may start first, in milliseconds since 1970 by the server's clock. `None` if the order says so.
    #[serde(rename = "due_ms", default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
}

/// The claim of a node on a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The node.
    pub node: NodeId,
    /// The number of the attempt, from 1: the number of claims so far that have not been given back before their start.
    pub attempt: u32,
    /// Tells the claims of one node apart, also those of one job: a number that the node uses once.
    pub nonce: u64,
    /// The time without renewals after which the server hands the job to another node.
    #[serde(rename = "lease_ms", with = "millis")]
    pub lease: Duration,
    /// When this attempt may have started first, as the record before said.
    #[serde(rename = "due_ms", default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
}

/// The outcome of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The node or front that decided.
    pub by: NodeId,
    /// The number of the last attempt. `0` before the first.
    pub attempt: u32,
    /// How the job ended.
    pub end: End,
    /// The output.
    pub output: Bytes,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Head {
    Claimed(Claim),
    Released(Released),
    Decided { by: NodeId, attempt: u32, end: End },
}

impl Record {
    /// Writes the record.
    ///
    /// # Errors
    /// When the text of an error is larger than a head may be.
    pub fn seal(&self) -> Result<Bytes, HeadTooLarge> {
        match self {
            Self::Claimed(claim) => envelope::seal(&Head::Claimed(claim.clone()), &[]),
            Self::Released(released) => envelope::seal(&Head::Released(released.clone()), &[]),
            Self::Decided(Decided { by, attempt, end, output }) => {
                let head = Head::Decided { by: by.clone(), attempt: *attempt, end: end.clone() };
                envelope::seal_new(end.large().is_some(), &head, output)
            }
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When a newer build wrote it, or something else did.
    pub fn open(bytes: &Bytes) -> Result<Self, Unreadable> {
        Ok(match envelope::open(bytes)? {
            (Head::Claimed(claim), _) => Self::Claimed(claim),
            (Head::Released(released), _) => Self::Released(released),
            (Head::Decided { by, attempt, end }, output) => {
                Self::Decided(Decided { by, attempt, end, output })
            }
        })
    }
}

/// Durations as whole milliseconds.
pub(crate) mod millis {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_people_can_read_them() {
        let node = NodeId::new("a", 1);
        let claim =
            Claim { node: node.clone(), attempt: 2, nonce: 9, lease: Duration::from_secs(15), due: None };
        let claimed = Record::Claimed(claim);
        let sealed = claimed.seal().unwrap();
        let text = "PP1 {\"claimed\":{\"node\":\"a-0000000000000001\",\"attempt\":2,\"nonce\":9,\"lease_ms\":15000}}\n";
        assert_eq!(sealed, text);
        assert_eq!(Record::open(&sealed), Ok(claimed));

        let released = Record::Released(Released { node: node.clone(), attempt: 2, due: Some(7) });
        assert_eq!(Record::open(&released.seal().unwrap()), Ok(released));

        let output = Bytes::from_static(b"\x00\n\xff");
        let (large, _) = crate::large::Reference::cut(5, &output);
        let end = End::Ok { encoding: 1, large: Some(large) };
        let apart = Record::Decided(Decided { by: node.clone(), attempt: 1, end, output: Bytes::new() });
        let sealed = apart.seal().unwrap();
        assert!(sealed.starts_with(b"PP2 "), "{sealed:?}");
        assert_eq!(Record::open(&sealed), Ok(apart));

        let decided = Record::Decided(Decided { by: node, attempt: 1, end: End::ok_raw(), output });
        assert_eq!(Record::open(&decided.seal().unwrap()), Ok(decided));
    }
}
