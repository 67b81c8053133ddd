//! The second program of Node's worker-threads tutorial: Fibonacci numbers by naive recursion, which
//! keeps a processor busy.
//!
//! The contract and the function; `main.rs` beside it makes them an executable.
//!
//! ```
//! assert_eq!(procpool_fib::fib(10).unwrap(), 55);
//! ```

#![forbid(unsafe_code)]

use procpool_worker::{Failure, Job, Schema};
use serde_json::json;

/// The largest input whose result fits `u64`.
pub const LARGEST: u64 = 93;

/// The contract: `n` in, the `n`th Fibonacci number out.
#[derive(Clone, Copy, Debug)]
pub struct Fib;

impl Job for Fib {
    const NAME: &'static str = "fib";
    const BUILD: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const IDEMPOTENT: bool = true;
    type Input = u64;
    type Output = u64;

    fn schema() -> Option<Schema> {
        Some(Schema::new(
            json!({ "type": "integer", "minimum": 0, "maximum": LARGEST }),
            json!({ "type": "integer", "minimum": 0 }),
        ))
    }
}

/// The `n`th Fibonacci number, in time that grows by the golden ratio with every step of `n`: a second
/// at about 43, an hour at about 60. Large inputs are meant to run into their deadline.
///
/// # Errors
/// Code `too_large` for an `n` above [`LARGEST`].
pub fn fib(n: u64) -> Result<u64, Failure> {
    if n > LARGEST {
        let message = format!("fib({n}) does not fit 64 bits; the largest input is {LARGEST}");
        return Err(Failure::new(message).with_code("too_large"));
    }
    Ok(naive(n))
}

/// As in Node's worker-threads tutorial. The recursion is the point: it stands for work that cannot be hurried.
fn naive(n: u64) -> u64 {
    if n <= 1 { n } else { naive(n - 1) + naive(n - 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_fibonaccis() {
        let first: Vec<_> = (0..10).map(|n| fib(n).unwrap()).collect();
        assert_eq!(first, [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]);
    }

    #[test]
    fn forty_is_the_seeds_result() {
        assert_eq!(fib(40), Ok(102_334_155));
    }

    #[test]
    fn an_input_whose_result_does_not_fit_is_refused_at_once() {
        for n in [94, u64::MAX] {
            let failure = fib(n).unwrap_err();
            assert_eq!(failure.code(), "too_large");
            assert_eq!(failure.message(), format!("fib({n}) does not fit 64 bits; the largest input is 93"));
        }
    }

    #[test]
    fn the_largest_input_is_the_last_that_fits() {
        let step = |(a, b): (u64, u64)| Some((b, a.checked_add(b)?));
        let fitting = std::iter::successors(Some((0, 1)), |&pair| step(pair)).count() as u64;
        // The last pair holds the last two numbers that fit, and its first is number `fitting - 1`.
        assert_eq!(fitting, LARGEST);
    }
}
