//! Durations as people write them: `"30s"`, `"1m 30s"`, `"250ms"`. Refuses numbers without a unit,
//! because nobody can see whether `timeout = 30` means seconds or milliseconds.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration, zero included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// A duration longer than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Positive(pub(crate) Duration);

/// A duration, or `"none"` for no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound(pub(crate) Option<Duration>);

/// A text is not a duration.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum InvalidDuration {
    /// A number alone.
    #[error("a duration needs a unit: write {0}s, {0}ms or {0}m")]
    NoUnit(String),
    /// Nothing, where a bound has to be.
    #[error("a duration longer than zero is needed here, such as 30s")]
    Zero,
    /// Anything else.
    #[error("`{text}` is not a duration such as 30s, 250ms or 1m 30s: {reason}")]
    Syntax {
        /// The text of the value.
        text: String,
        /// The parser's error.
        reason: humantime::DurationError,
    },
}

impl FromStr for Span {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let text = text.trim();
        if text != "0" && text.parse::<f64>().is_ok_and(f64::is_finite) {
            return Err(InvalidDuration::NoUnit(text.into()));
        }
        let syntax = |reason| InvalidDuration::Syntax { text: text.into(), reason };
        humantime::parse_duration(text).map(Self).map_err(syntax)
    }
}

impl FromStr for Positive {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        match text.parse::<Span>()? {
            Span(Duration::ZERO) => Err(InvalidDuration::Zero),
            Span(duration) => Ok(Self(duration)),
        }
    }
}

impl FromStr for Bound {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        if text.trim() == "none" {
            return Ok(Self(None));
        }
        text.parse::<Span>().map(|Span(duration)| Self(Some(duration)))
    }
}

/// Reads any of the three from a string, and explains a number's missing unit.
struct Written<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = InvalidDuration>> Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a duration such as \"30s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        Err(E::custom(InvalidDuration::NoUnit(number.to_string())))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        Err(E::custom(InvalidDuration::NoUnit(number.to_string())))
    }
}

macro_rules! read_from_string {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Written(std::marker::PhantomData))
            }
        }
    )*};
}
read_from_string!(Span, Positive, Bound);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_may_be_combined() {
        assert_eq!("30s".parse(), Ok(Span(Duration::from_secs(30))));
        assert_eq!("1m 30s".parse(), Ok(Span(Duration::from_secs(90))));
        assert_eq!("250ms".parse(), Ok(Positive(Duration::from_millis(250))));
        assert_eq!("0s".parse(), Ok(Span(Duration::ZERO)));
    }

    #[test]
    fn a_number_without_a_unit_is_an_error_that_says_what_to_write() {
        let error = "5".parse::<Bound>().unwrap_err().to_string();
        assert_eq!(error, "a duration needs a unit: write 5s, 5ms or 5m");
        assert!(matches!("1.5".parse::<Span>(), Err(InvalidDuration::NoUnit(_))));
    }

    #[test]
    fn none_lifts_a_bound_and_only_a_bound() {
        assert_eq!("none".parse(), Ok(Bound(None)));
        assert_eq!("2s".parse(), Ok(Bound(Some(Duration::from_secs(2)))));
        assert!("none".parse::<Span>().is_err());
    }

    #[test]
    fn what_must_not_be_zero_is_refused_at_once() {
        assert_eq!("0s".parse::<Positive>(), Err(InvalidDuration::Zero));
    }

    #[test]
    fn nonsense_is_quoted_back() {
        let error = "soon".parse::<Span>().unwrap_err().to_string();
        assert!(error.contains("`soon` is not a duration such as 30s"), "{error}");
    }
}
