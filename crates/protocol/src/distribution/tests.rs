//! The bounds of the buckets, and the error of what is read from them.

use super::*;

/// Returns the bucket of a duration by way of a logarithm.
fn by_logarithm(duration: Duration) -> f64 {
    (duration.as_secs_f64().log2() - f64::from(LOWEST)) * PER_DOUBLING as f64
}

#[test]
fn the_roots_are_those_of_two() {
    for (index, root) in ROOTS.iter().enumerate() {
        let expected = ((index + 1) as f64 / 8.0).exp2() * (1u64 << 63) as f64;
        assert!((*root as f64 / expected - 1.0).abs() < 1e-15, "{index}");
    }
    for (sixteenth, (below, _)) in SIXTEENTHS.iter().enumerate() {
        let end = (1u128 << 63) + ((sixteenth as u128 + 1) << 59);
        let inside = ROOTS[*below..].iter().filter(|&&root| u128::from(root) < end).count();
        assert!(inside <= 1, "one comparison finds the bucket: {sixteenth}");
    }
}

#[test]
fn a_bucket_is_the_one_that_the_logarithm_names() {
    let mut nanos = 1_000u64;
    while nanos < 4_000_000_000_000 {
        let (duration, exact) = (Duration::from_nanos(nanos), by_logarithm(Duration::from_nanos(nanos)));
        // Right beside a bound both are right: a unit is just under a nanosecond.
        let blur = 3.0 / nanos as f64 * 12.0;
        let near = (exact - blur).ceil()..=(exact + blur).ceil();
        let bucket = Distribution::bucket(duration) as f64;
        assert!(near.contains(&bucket), "{duration:?} is in {bucket}, by its logarithm in {exact}");
        nanos += 1 + nanos / 997;
    }
}

#[test]
fn a_bucket_includes_its_upper_bound() {
    for power in LOWEST..=HIGHEST {
        let bound = Duration::from_secs_f64(f64::from(power).exp2());
        let mut distribution = Distribution::default();
        distribution.record(bound);
        distribution.record(bound + bound / 100 + Duration::from_nanos(5));
        let expected = if power == HIGHEST { 2 } else { 1 };
        assert_eq!(distribution.up_to(power), expected, "2^{power} s");
        assert_eq!(distribution.up_to(HIGHEST), 2);
    }
}

#[test]
fn the_middle_of_a_bucket_is_within_4_4_percent_of_everything_in_it() {
    let mut value = 1u64;
    while value < 4_000_000_000 {
        let middle = middle(Distribution::bucket(Duration::from_micros(value)));
        let allowed = value as f64 * 0.0443 + 0.5;
        assert!(middle.abs_diff(value) as f64 <= allowed, "{value} is told as {middle}");
        value += 1 + value / 1009;
    }
    let edges = [0, 1].map(|micros| middle(Distribution::bucket(Duration::from_micros(micros))));
    assert_eq!(edges, [0, 1]);
}

#[test]
fn percentiles_of_a_hundred_values() {
    let mut distribution = Distribution::default();
    for value in 1..=100 {
        distribution.record(Duration::from_millis(value));
    }
    let latency = distribution.latency();
    assert_eq!(latency.count, 100);
    assert!(latency.p50_us.abs_diff(50_000) < 2_250, "{latency:?}");
    assert!(latency.p99_us.abs_diff(99_000) < 4_400, "{latency:?}");
    assert_eq!((latency.max_us, latency.sum), (100_000, Duration::from_millis(5_050)));
    assert_eq!(Distribution::default().latency(), Latency::default());
}

#[test]
fn what_came_after_an_earlier_state_is_counted_alone() {
    let mut distribution = Distribution::default();
    distribution.record(Duration::from_secs(1));
    let earlier = distribution.clone();
    distribution.record(Duration::from_millis(4));
    let since = distribution.since(&earlier);
    assert_eq!((since.count(), since.sum()), (1, Duration::from_millis(4)));
    assert!(since.latency().p99_us.abs_diff(4_000) < 200, "{since:?}");
}

#[test]
fn a_duration_beyond_the_last_bucket_is_counted() {
    let mut distribution = Distribution::default();
    distribution.record(Duration::MAX);
    distribution.record(Duration::MAX);
    assert_eq!(distribution.latency().count, 2);
    assert_eq!(Distribution::bucket(Duration::MAX), Distribution::BUCKETS - 1);
    assert_eq!(Distribution::bucket(Duration::ZERO), 0);
}
