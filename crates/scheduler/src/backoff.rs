//! The delay before the next attempt. Does not: read a clock.

use std::time::Duration;

/// Delays that double from `initial` up to `max`.
///
/// Jitter makes each delay a uniform 50 to 100 % of its step, so that pools that failed together do
/// not retry together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first step. Default: 100 ms.
    pub initial: Duration,
    /// The maximum step, even if `initial` is larger. Default: 30 s.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial: Duration::from_millis(100), max: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// Returns the maximum delay before attempt number `attempt`. Attempts count from 1; 0 counts
    /// as 1.
    #[must_use]
    pub fn step(&self, attempt: u32) -> Duration {
        // 2³¹ times anything above 7 ns exceeds the default maximum, so a larger exponent changes
        // nothing.
        let doublings = attempt.saturating_sub(1).min(31);
        self.initial.saturating_mul(1 << doublings).min(self.max)
    }

    /// Returns the delay before attempt number `attempt`. `random`, uniform over all of `u64`,
    /// selects it between half of the step and the whole step.
    #[must_use]
    pub fn delay(&self, attempt: u32, random: u64) -> Duration {
        let step = self.step(attempt);
        let half = step / 2;
        half + fraction(step - half, random)
    }
}

/// Returns `random / u64::MAX` of `span`. Limits spans to 584 years, the range of 64-bit
/// nanoseconds.
fn fraction(span: Duration, random: u64) -> Duration {
    let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let nanos = u128::from(span) * u128::from(random) / u128::from(u64::MAX);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn steps_double_up_to_the_maximum() {
        let backoff = Backoff::default();
        let steps: Vec<_> = (1..=10).map(|attempt| backoff.step(attempt).as_millis()).collect();
        assert_eq!(steps, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000]);
        assert_eq!(backoff.step(u32::MAX), backoff.max);
    }

    #[test]
    fn jitter_spans_the_upper_half_of_a_step() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(3, 0), 200 * MS);
        assert_eq!(backoff.delay(3, u64::MAX), 400 * MS);
        assert_eq!(backoff.delay(3, u64::MAX / 2).as_millis(), 299);
    }

    #[test]
    fn no_delay_leaves_its_step() {
        let (backoff, mut random) = (Backoff::default(), SplitMix64::new(7));
        for attempt in 0..1_000 {
            let (step, delay) = (backoff.step(attempt), backoff.delay(attempt, random.next()));
            assert!(step / 2 <= delay && delay <= step, "attempt {attempt}: {delay:?} of {step:?}");
        }
    }

    #[test]
    fn extreme_settings_do_not_overflow() {
        let longest = Backoff { initial: Duration::MAX, max: Duration::MAX };
        assert!(longest.delay(u32::MAX, u64::MAX) <= Duration::MAX);
        let none = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
        assert_eq!(none.delay(9, u64::MAX), Duration::ZERO);
    }
}
