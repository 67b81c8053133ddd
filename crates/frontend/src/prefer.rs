//! Reads `Prefer` (RFC 7240): which preferences a client has about the time of its answer. Unknown ones are ignored,
//! as is a value that means nothing.

use http::{HeaderMap, HeaderName};
use std::time::Duration;

pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The preferences that this server knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    /// `respond-async`: the client does not wait for the outcome.
    pub(crate) respond_async: bool,
    /// `wait=10`: the time for which it does.
    pub(crate) wait: Option<Duration>,
}

impl Preferences {
    /// Returns the preferences of a request. Of a preference that is stated twice, the first counts.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        let mut has_wait = false;
        for value in headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok()) {
            for (name, value) in value.split(',').map(parts) {
                if name.eq_ignore_ascii_case("respond-async") {
                    preferences.respond_async = true;
                } else if name.eq_ignore_ascii_case("wait") && !has_wait {
                    preferences.wait = value.parse().ok().map(Duration::from_secs);
                    has_wait = true;
                }
            }
        }
        preferences
    }

    /// Returns the value of `Preference-Applied`, if any preference was applied.
    pub(crate) fn applied(&self) -> Option<String> {
        let wait = self.wait.map(|wait| format!("wait={}", wait.as_secs()));
        let both = self.respond_async.then(|| "respond-async".to_owned()).into_iter().chain(wait);
        let both: Vec<_> = both.collect();
        (!both.is_empty()).then(|| both.join(", "))
    }
}

/// Returns the name of a preference and its value, without quotes and parameters. No value that is known here has a
/// comma in it.
fn parts(preference: &str) -> (&str, &str) {
    let preference = preference.split(';').next().unwrap_or_default();
    let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
    let value = value.trim();
    (name.trim(), value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(values: &[&'static str]) -> (bool, Option<u64>) {
        let values = values.iter().map(|value| (PREFER, HeaderValue::from_static(value)));
        let preferences = Preferences::of(&HeaderMap::from_iter(values));
        (preferences.respond_async, preferences.wait.map(|wait| wait.as_secs()))
    }

    #[test]
    fn known_preferences_are_read_in_every_form() {
        assert_eq!(of(&[]), (false, None));
        assert_eq!(of(&["respond-async"]), (true, None));
        assert_eq!(of(&["Respond-Async , WAIT = \"10\""]), (true, Some(10)));
        assert_eq!(of(&["return=minimal; foo=\"respond-async\", wait=3;x=y"]), (false, Some(3)));
        let mut two = HeaderMap::new();
        for value in ["wait=1", "respond-async, wait=2"] {
            two.append(PREFER, HeaderValue::from_static(value));
        }
        let preferences = Preferences::of(&two);
        assert_eq!(preferences.wait, Some(Duration::from_secs(1)), "the first counts");
        assert_eq!(preferences.applied().as_deref(), Some("respond-async, wait=1"));
    }

    #[test]
    fn unknown_preferences_and_values_are_ignored() {
        for value in [
            "",
            ",,;=",
            "handling=lenient",
            "wait",
            "wait=",
            "wait=-1",
            "wait=1.5",
            "wait=soon",
            "wait=99999999999999999999",
        ] {
            assert_eq!(of(&[value]), (false, None), "{value}");
        }
        assert_eq!(Preferences::default().applied(), None);
    }
}
