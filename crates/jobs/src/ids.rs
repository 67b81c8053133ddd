//! The ids of jobs tell where their records are. Both kinds are UUIDs: version 4 in memory, version 7 in a durable
//! store, whose rows they keep in order.

use procpool_protocol::JobId;

/// Position of the version, in bits.
const VERSION: u32 = 76;

/// Position of the variant, in bits.
const VARIANT: u32 = 62;

/// Returns a random id for a job in memory: a UUID of version 4.
pub(crate) fn in_memory() -> JobId {
    let bits: u128 = rand::random();
    let free = !(0xf_u128 << VERSION) & !(0x3_u128 << VARIANT);
    JobId::from_bits(bits & free | 4 << VERSION | 2 << VARIANT)
}

/// Returns whether the id is that of a job in a durable store: a UUID of version 7.
///
/// ```
/// use procpool_jobs::is_durable;
///
/// assert!(is_durable("019a1c2e5b007d3f8a1b2c3d4e5f6071".parse()?));
/// assert!(!is_durable("9c5b94b135ad49bb8118e8fc24abf80a".parse()?));
/// # Ok::<(), procpool_protocol::outcome::InvalidJobId>(())
/// ```
#[must_use]
pub fn is_durable(job: JobId) -> bool {
    let bits = u128::from_be_bytes(job.to_bytes());
    bits >> VERSION & 0xf == 7 && bits >> VARIANT & 0x3 == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_in_memory_is_taken_for_a_durable_one() {
        for _ in 0..10_000 {
            let id = in_memory();
            assert!(!is_durable(id), "{id}");
            assert_eq!((id.to_bytes()[6] >> 4, id.to_bytes()[8] >> 6), (4, 2));
        }
    }
}
