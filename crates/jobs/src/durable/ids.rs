//! Ids of durable jobs, in order of their time: a storage on disk writes ids in random order several times as slowly.

use procpool_protocol::JobId;
use procpool_registry::Time;

/// Returns an id of version 7 (RFC 9562): 48 bits of milliseconds since the Unix epoch, then 74 random bits.
#[must_use]
pub fn ordered(now: Time, random: u128) -> JobId {
    const VERSION: u128 = 0x7 << 76;
    const VARIANT: u128 = 0b10 << 62;
    const RANDOM: u128 = (0xfff << 64) | ((1 << 62) - 1);
    let millis = u128::from(now.as_nanos() / 1_000_000) & ((1 << 48) - 1);
    JobId::from_bits((millis << 80) | VERSION | VARIANT | (random & RANDOM))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ids_are_of_version_7_and_in_order_of_their_milliseconds() {
        let at = |millis| Time::ZERO + Duration::from_millis(millis);
        let id = ordered(at(0x017f_22e2_79b0), u128::MAX).to_string();
        assert_eq!(id, "017f22e279b07fffbfffffffffffffff");
        assert!(ordered(at(1), u128::MAX) < ordered(at(2), 0));
        assert_ne!(ordered(at(1), 1), ordered(at(1), 2));
    }
}
