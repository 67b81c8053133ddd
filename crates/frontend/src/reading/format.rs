//! Decides by `Accept` whether a job is read as it runs, and in which form. Pure.

use http::HeaderMap;
use http::header::ACCEPT;

/// The form in which a job is read as it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Server-sent events.
    Events,
    /// A line of JSON for each event.
    Lines,
    /// The bytes of its chunks.
    Raw,
}

impl Format {
    /// Returns the form that a request prefers to every other type, or `None` if it prefers another, such as JSON.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut best = (0, None);
        for range in ranges.filter(|value| *value != "*/*").flat_map(|value| value.split(',')) {
            let (essence, weight) = weighed(range);
            // Of several with the same weight, the first is meant.
            if weight > best.0 {
                best = (weight, Self::named(essence));
            }
        }
        best.1
    }

    /// Returns the content type of the answer.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
            Self::Raw => "application/octet-stream",
        }
    }

    fn named(essence: &str) -> Option<Self> {
        let mut formats = [Self::Events, Self::Lines, Self::Raw].into_iter();
        formats.find(|format| essence.eq_ignore_ascii_case(format.content_type()))
    }
}

/// Returns a media range without its parameters, and its weight in thousandths.
fn weighed(range: &str) -> (&str, u16) {
    let mut parts = range.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let weight = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim_end().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))
    });
    (essence, weight.unwrap_or(1000))
}

/// Returns a weight such as `0.25`, or the highest one of a text that is none.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    match (whole, fraction.len()) {
        ("0", 0..=3) => format!("{fraction:0<3}").parse().unwrap_or(1000),
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(accept: &'static str) -> Option<Format> {
        Format::of(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]))
    }

    #[test]
    fn the_type_that_is_preferred_decides() {
        assert_eq!(Format::of(&HeaderMap::new()), None);
        for ordinary in
            ["*/*", "application/json", "application/json, text/event-stream", "text/html,*/*;q=0.8"]
        {
            assert_eq!(of(ordinary), None, "{ordinary}");
        }
        assert_eq!(of("text/event-stream"), Some(Format::Events));
        assert_eq!(of("Application/X-NDJSON; charset=utf-8"), Some(Format::Lines));
        assert_eq!(of("application/octet-stream, */*"), Some(Format::Raw));
    }

    #[test]
    fn weights_count_before_the_order() {
        assert_eq!(of("application/json;q=0.5, text/event-stream;q=0.55"), Some(Format::Events));
        assert_eq!(of("text/event-stream;q=0.5, application/json"), None);
        assert_eq!(of("text/event-stream;q=0"), None);
        assert_eq!(of("text/event-stream; Q=0.000, application/x-ndjson;q=0.001"), Some(Format::Lines));
    }

    #[test]
    fn the_types_of_several_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, HeaderValue::from_static("application/json;q=0.1"));
        headers.append(ACCEPT, HeaderValue::from_static("application/x-ndjson"));
        assert_eq!(Format::of(&headers), Some(Format::Lines));
    }
}
