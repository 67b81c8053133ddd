//! A hash map for ids that no outsider chooses. Workers have consecutive numbers, jobs have random
//! numbers of their pool, payloads and clients have hashes with random keys. Does not: resist
//! chosen ids, which could all share a bucket.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map from ids.
pub(crate) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Hashes an id by one multiplication instead of `SipHash`.
///
/// The table takes its bucket from the low bits. An odd factor keeps these distinct for consecutive
/// ids and random for random ones. The table takes its tag from the high bits, which the factor
/// fills.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

/// 2⁶⁴ divided by the golden ratio, made odd.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    fn write_u64(&mut self, id: u64) {
        self.0 = (self.0 ^ id).wrapping_mul(FACTOR);
    }

    /// Hashes any other key correctly but slowly. Ids use `write_u64`.
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::*;
    use crate::JobId;

    fn hash(id: u64) -> u64 {
        BuildHasherDefault::<IdHasher>::default().hash_one(JobId(id))
    }

    #[test]
    fn consecutive_ids_never_share_a_bucket() {
        let buckets: HashSet<u64> = (7_000..7_000 + 1_024).map(|id| hash(id) % 1_024).collect();
        assert_eq!(buckets.len(), 1_024);
    }

    #[test]
    fn consecutive_ids_use_all_tags() {
        let tags: HashSet<u64> = (0..1_024).map(|id| hash(id) >> 57).collect();
        assert_eq!(tags.len(), 128);
    }
}
