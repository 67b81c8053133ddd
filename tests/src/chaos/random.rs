//! Chance that can be repeated: `SplitMix64`, written out, so that a seed means the same for ever.

use std::time::Duration;

/// A source of numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Returns the source number `stream` of a run; each client and each kind of fault has one of its own, so
    /// that they do not depend on one another's pace.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(Self(seed).next() ^ Self(!stream).next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// From `least` milliseconds to below `most`, even over the microseconds.
    pub(crate) fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_micros(least * 1000 + self.below((most - least) * 1000))
    }

    /// Returns a gap between two events that come at a steady rate and know nothing of each other.
    pub(crate) fn gap(&mut self, mean: Duration) -> Duration {
        let bits = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        // Above 0 and at most 1.
        let uniform = (f64::from(bits) + 1.0) / (f64::from(u32::MAX) + 1.0);
        mean.mul_f64(-uniform.ln())
    }

    /// Returns one of several, each as likely as its weight says.
    pub(crate) fn weighted<'a, T>(&mut self, choices: &'a [(u32, T)]) -> &'a T {
        let total = choices.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let mut ticket = self.below(total);
        for (weight, choice) in choices {
            match ticket.checked_sub(u64::from(*weight)) {
                Some(rest) => ticket = rest,
                None => return choice,
            }
        }
        unreachable!("the ticket is below the sum of the weights")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, stream: u64) -> Vec<u64> {
        let mut random = Random::new(seed, stream);
        (0..8).map(|_| random.next()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_stream_gives_others() {
        assert_eq!(first(7, 1), first(7, 1));
        assert_ne!(first(7, 1), first(7, 2));
        assert_ne!(first(7, 1), first(8, 1));
    }

    #[test]
    fn gaps_have_the_mean_that_was_asked_for() {
        let mut random = Random::new(1, 1);
        let total: Duration = (0..10_000).map(|_| random.gap(Duration::from_millis(5))).sum();
        let mean = total / 10_000;
        assert!((4800..5200).contains(&mean.as_micros()), "{mean:?}");
    }

    #[test]
    fn weights_are_kept_and_a_weight_of_zero_is_never_chosen() {
        let mut random = Random::new(1, 1);
        let mut counts = [0_u32; 3];
        for _ in 0..10_000 {
            counts[*random.weighted(&[(3, 0_usize), (0, 1), (1, 2)])] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((7200..7800).contains(&counts[0]), "{counts:?}");
    }
}
