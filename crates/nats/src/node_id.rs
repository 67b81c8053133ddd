//! [`NodeId`]: the name of a node, which is another at every start.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Maximum length of the readable part, in bytes.
const LABEL: usize = 32;

/// The name of a node or a front: a readable part, and 64 random bits. A restart makes a new one, so that the
/// jobs of the last one are not taken for its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// Returns a name. Bytes of the label that do not fit a subject are left out, and so is what follows the
    /// first 32 bytes.
    #[must_use]
    pub fn new(label: &str, random: u64) -> Self {
        let label: String = label.chars().filter(char::is_ascii_alphanumeric).take(LABEL).collect();
        Self(format!("{}-{random:016x}", if label.is_empty() { "node" } else { &label }).into())
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl TryFrom<String> for NodeId {
    type Error = &'static str;

    /// A name becomes part of a subject: nothing else passes.
    fn try_from(name: String) -> Result<Self, Self::Error> {
        let fits = |byte: u8| byte == b'-' || byte.is_ascii_alphanumeric();
        let is_name = (1..=LABEL + 17).contains(&name.len()) && name.bytes().all(fits);
        if is_name { Ok(Self(name.into())) } else { Err("this is not the name of a node") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_a_subject_and_comes_back() {
        let id = NodeId::new("web 1.example.org > a host with a very long name indeed", 7);
        assert_eq!(id.as_str(), "web1exampleorgahostwithaverylong-0000000000000007");
        assert_eq!(NodeId::try_from(id.to_string()), Ok(id));
        assert_eq!(NodeId::new("…", 1).as_str(), "node-0000000000000001");
        for hostile in ["", "a.b", "*", ">", "a b", &"x".repeat(50)] {
            assert!(NodeId::try_from(hostile.to_owned()).is_err(), "{hostile}");
        }
    }
}
