//! Decides whether the kernel's OOM killer killed a worker, by the number of OOM kills in its control group.
//! Pure: other code reads the numbers.

/// Returns the number of kills in a group's file: `memory.events` and `memory.events.local` of version 2,
/// `memory.oom_control` of version 1. All have the same line.
pub(crate) fn kills(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// Returns whether a group has reached its limit, by its file `memory.events.local` or `memory.events` of version 2,
/// or else by its peak in `memory.max_usage_in_bytes` of version 1: recent kernels no longer count in
/// `memory.failcnt`. An OOM kill without that was for another's limit, or for the machine's.
pub(crate) fn is_limit_reached(limit: u64, events: Option<&str>, peak: Option<&str>) -> bool {
    let count = |text: &str| text.trim().parse::<u64>().ok();
    let times = events.and_then(|text| count(text.lines().find_map(|line| line.strip_prefix("oom "))?));
    // Each processor may hold some pages back.
    let is_near = |peak| peak >= limit - limit / 8;
    times.map_or_else(|| peak.and_then(count).is_some_and(is_near), |times| times > 0)
}

/// The kills of one group that have explained deaths so far. The workers of a group share its count.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// The kills up to this number have explained a death.
    taken: u64,
}

impl Claims {
    /// Returns whether an OOM kill explains the death of a worker. It was alive at kill number `before`, and
    /// is dead by SIGKILL at number `now`. Each kill explains one death.
    pub(crate) fn claim(&mut self, before: u64, now: u64) -> bool {
        let from = before.max(self.taken);
        if now > from {
            self.taken = from + 1;
        }
        now > from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_count_in_a_line_of_the_same_name() {
        let two = "low 0\nhigh 0\nmax 17\noom 4\noom_kill 3\noom_group_kill 1\n";
        let one = "oom_kill_disable 0\nunder_oom 1\noom_kill 2\n";
        assert_eq!((kills(two), kills(one)), (Some(3), Some(2)));
        for none in ["", "oom_kill_disable 0\nunder_oom 0\n", "oom_kill many\n"] {
            assert_eq!(kills(none), None, "{none:?}");
        }
    }

    #[test]
    fn the_limit_of_a_group_is_told_from_that_of_another() {
        let two = |times| format!("low 0\nhigh 0\nmax 17\noom {times}\noom_kill 1\n");
        assert!(is_limit_reached(800, Some(&two(2)), None));
        assert!(!is_limit_reached(800, Some(&two(0)), Some("800")));
        assert!(is_limit_reached(800, None, Some("700\n")));
        for none in [None, Some("699\n"), Some("many")] {
            assert!(!is_limit_reached(800, None, none), "{none:?}");
        }
    }

    #[test]
    fn a_kill_explains_one_death_of_those_that_it_may_explain() {
        let mut claims = Claims::default();
        assert!(!claims.claim(3, 3), "it was somebody else's SIGKILL");
        assert!(claims.claim(3, 4));
        assert!(!claims.claim(3, 4), "that one has explained another death");
        assert_eq!([claims.claim(3, 6), claims.claim(3, 6), claims.claim(3, 6)], [true, true, false]);
    }

    #[test]
    fn what_was_taken_before_is_not_this_one() {
        let mut claims = Claims::default();
        assert!(!claims.claim(7, 7));
        assert!(claims.claim(2, 7), "an older worker may have been");
        assert!(claims.claim(7, 8));
    }
}
