//! The third program of Node's worker-threads tutorial: the sum of square roots behind its
//! web server's `/compute`.
//!
//! The contract and the function; `main.rs` beside it makes them an executable.
//!
//! ```
//! assert_eq!(procpool_compute::compute(5), 0.0 + 1.0 + 2_f64.sqrt() + 3_f64.sqrt() + 2.0);
//! ```

#![forbid(unsafe_code)]

use procpool_worker::{Job, Schema};
use serde_json::json;

/// The contract: `n` in, the sum of the square roots of the numbers below `n` out.
#[derive(Clone, Copy, Debug)]
pub struct Compute;

impl Job for Compute {
    const NAME: &'static str = "compute";
    const BUILD: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const IDEMPOTENT: bool = true;
    type Input = u64;
    type Output = f64;

    fn schema() -> Option<Schema> {
        Some(Schema::new(json!({ "type": "integer", "minimum": 0 }), json!({ "type": "number" })))
    }
}

/// Square roots that are taken together, ahead of their additions.
const BLOCK: usize = 64;

/// The sum of `sqrt(i)` for `i` in `0..n`, to the very bits that Node's loop gives.
///
/// IEEE 754 rounds a square root in one way only, so what decides the bits is the order of the
/// additions: one after the other, from the first. The roots do not depend on each other, so the
/// processor takes several at once; the additions stay in order. There is no upper bound: that is the
/// deadline's job.
pub fn compute(n: u64) -> f64 {
    let whole = n - n % BLOCK as u64;
    let mut sum = 0.0;
    let mut roots = [0.0; BLOCK];
    for start in (0..whole).step_by(BLOCK) {
        for (i, root) in (start..).zip(&mut roots) {
            *root = root_of(i);
        }
        sum = roots.iter().fold(sum, |sum, root| sum + root);
    }
    (whole..n).fold(sum, |sum, i| sum + root_of(i))
}

/// Exact up to 2^53, as JavaScript's numbers are; nobody counts that far in a lifetime.
fn root_of(i: u64) -> f64 {
    (i as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tutorial's loop, word by word.
    fn as_the_seed_has_it(n: u32) -> f64 {
        let mut sum = 0.0;
        for i in 0..n {
            sum += f64::from(i).sqrt();
        }
        sum
    }

    #[test]
    fn fifty_million_gives_the_digits_that_node_prints() {
        let sum = compute(50_000_000);
        assert_eq!(sum.to_string(), "235702256859.7696");
        assert_eq!(serde_json::to_string(&sum).unwrap(), "235702256859.7696");
    }

    #[test]
    fn every_bit_is_the_seeds_whatever_the_block() {
        for n in (0..300).chain([9_999, 10_000, 1_000_001]) {
            assert_eq!(compute(n.into()).to_bits(), as_the_seed_has_it(n).to_bits(), "n = {n}");
        }
    }
}
