//! Feeds the configuration: what is taken keeps its documented bounds, and an error says where in the file it is, in
//! letters that a terminal can show.

#![no_main]

use libfuzzer_sys::fuzz_target;
use procpool_coordinator::PoolLimits;
use procpool_server::fuzzing::configuration;

/// Upper limit of workers, as documented.
const MAX_WORKERS: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match configuration(text) {
        Ok(pools) => keep_their_bounds(&pools),
        Err(error) => says_where(text, &error),
    }
});

fn keep_their_bounds(pools: &[(String, PoolLimits)]) {
    assert!(!pools.is_empty());
    assert!(pools.is_sorted_by(|(one, _), (next, _)| one < next), "{pools:?}");
    for (name, limits) in pools {
        assert!((1..=64).contains(&name.len()), "{name}");
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
        );
        assert!(limits.min_workers <= limits.max_workers && (1..=MAX_WORKERS).contains(&limits.max_workers));
        assert!(limits.max_attempts >= 1 && limits.max_payload >= 1, "{limits:?}");
        assert_eq!(limits.check(), Ok(()), "{limits:?}");
    }
}

/// `procpool.toml:LINE:COLUMN: ` and a mistake, then the line, between a rule and marks under what is meant of it.
fn says_where(text: &str, error: &str) {
    let (place, _) = error.split_once(": ").expect("a place and a mistake");
    let place = place.rsplit_once('/').map_or(place, |(_, name)| name);
    let mut parts = place.strip_prefix("procpool.toml:").expect("the file's name").split(':');
    let mut number = || parts.next().and_then(|part| part.parse::<usize>().ok()).expect("a number");
    let (line, column) = (number(), number());
    let lines: Vec<_> = text.split('\n').collect();
    assert!((1..=lines.len()).contains(&line), "{error}");
    assert!((1..=lines[line - 1].chars().count() + 1).contains(&column), "{error}");
    assert!(!error.chars().any(|letter| letter.is_control() && letter != '\n'), "{error:?}");
    assert!(error.lines().count() <= 4, "{error:?}");
}
