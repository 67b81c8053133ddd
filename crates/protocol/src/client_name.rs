//! The name of a client, by which pools distinguish clients.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// Random, so that no client can find two names with one number.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A client's name. Creating one costs more than a clone; a job carries a clone at no cost.
#[derive(Clone)]
pub struct ClientName(Arc<Named>);

/// One pointer, because every job has room for a client and most have none.
struct Named {
    number: u64,
    name: Box<str>,
}

impl ClientName {
    /// Returns the number of the name in this process: equal for equal names.
    pub fn number(&self) -> u64 {
        self.0.number
    }
}

impl From<&str> for ClientName {
    fn from(name: &str) -> Self {
        Self(Arc::new(Named { number: KEYS.hash_one(name), name: name.into() }))
    }
}

impl Deref for ClientName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.name
    }
}

impl fmt::Debug for ClientName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.name.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_number_of_its_own_and_keeps_it() {
        let numbers = ["alice", "bob", "alice"].map(|name| ClientName::from(name).number());
        assert_eq!(numbers[0], numbers[2]);
        assert_ne!(numbers[0], numbers[1]);
        let alice = ClientName::from("alice");
        assert_eq!((&*alice, format!("{alice:?}")), ("alice", "\"alice\"".to_owned()));
    }
}
