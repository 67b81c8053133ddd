//! The rules of a watched `memory_limit`: which memory of a process counts, and when to look at it again. Pure:
//! [`crate::os`] reads the memory and kills.

use std::time::Duration;

/// Memory that one process can fill in a second, in bytes. Faster growth is seen late, not missed.
const GROWTH: u64 = 2 << 30;

/// Minimum and maximum time between two looks.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(250);

/// Returns the resident memory that is a process's own, in pages, by the text of its `/proc/<pid>/statm`. Files
/// that it maps can be dropped at any time, and shared memory may be the coordinator's: neither counts.
pub(crate) fn own_pages(statm: &str) -> Option<u64> {
    let mut fields = statm.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(resident.saturating_sub(shared))
}

/// Returns whether a process with this much memory of its own is above its limit, both in bytes.
pub(crate) fn is_above(limit: u64, own: u64) -> bool {
    own > limit
}

/// Returns the time until the next look at a process. The closer it is to its limit, the sooner.
pub(crate) fn until_next_look(limit: u64, own: u64) -> Duration {
    let room = limit.saturating_sub(own);
    Duration::from_millis(room.saturating_mul(1000) / GROWTH).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_files_and_shared_memory_do_not_count() {
        assert_eq!(own_pages("12031 9000 2500 800 0 3000 0\n"), Some(6500));
        assert_eq!(own_pages("0 0 0 0 0 0 0\n"), Some(0), "a zombie");
        // The kernel sums counters of several processors, which may disagree for a moment.
        assert_eq!(own_pages("9 3 4 1 0 1 0"), Some(0));
        for text in ["", "1 2", "1 x 2", "1 2 x"] {
            assert_eq!(own_pages(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_limit_itself_may_be_used() {
        assert!(!is_above(100, 100));
        assert!(is_above(100, 101));
    }

    #[test]
    fn a_process_close_to_its_limit_is_looked_at_soon() {
        let at = |own| until_next_look(256 << 20, own);
        assert_eq!(at(0), Duration::from_millis(125));
        assert_eq!(at(192 << 20), Duration::from_millis(31));
        assert_eq!([at(255 << 20), at(1 << 40)], [SHORTEST; 2]);
        assert_eq!(until_next_look(u64::MAX, 0), LONGEST);
    }
}
