//! The W3C trace context of a job: the trace that the request for it belongs to.

use std::fmt;

/// Length of a `traceparent` of version 00, in bytes.
const LENGTH: usize = 55;

/// A trace, and the span in it that a job was asked for in: `traceparent` and `tracestate` of the W3C.
///
/// ```
/// use procpool_protocol::TraceContext;
///
/// let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let trace = TraceContext::parse(parent, Some("vendor=1")).unwrap();
/// assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!((trace.traceparent(), trace.tracestate()), (parent, Some("vendor=1")));
/// assert!(trace.is_sampled());
/// assert!(TraceContext::parse("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None).is_none());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// All of it is ASCII.
    parent: Box<str>,
    state: Option<Box<str>>,
}

impl TraceContext {
    /// Maximum length of a `tracestate` that is passed on, in bytes. A longer one is left out.
    pub const MAX_STATE: usize = 512;

    /// Reads the values of both headers. Returns `None` if `traceparent` is invalid: who receives such a request
    /// takes part in no trace. A `traceparent` of a later version is read as one of version 00, as the
    /// specification asks for.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let parent = traceparent.trim();
        let head = parent.get(..LENGTH).filter(|head| head.is_ascii())?;
        let [version, trace, span, flags] = head.split('-').collect::<Vec<_>>()[..] else { return None };
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        let fits = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
        let has_end = match version {
            "ff" => false,
            "00" => parent.len() == LENGTH,
            _ => parent.len() == LENGTH || parent.as_bytes()[LENGTH] == b'-',
        };
        if !fits || !has_end || is_zero(trace) || is_zero(span) {
            return None;
        }
        let state = tracestate.map(str::trim).filter(|state| {
            let is_printable = state.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            !state.is_empty() && state.len() <= Self::MAX_STATE && is_printable
        });
        Some(Self { parent: format!("00{}", &head[2..]).into(), state: state.map(Into::into) })
    }

    /// Returns the `traceparent`, of version 00.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        &self.parent
    }

    /// Returns the `tracestate`, if there is one.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Returns the id of the trace: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.parent[3..35]
    }

    /// Returns the id of the span in which the job was asked for: 16 hexadecimal digits.
    #[must_use]
    pub fn parent_id(&self) -> &str {
        &self.parent[36..52]
    }

    /// Returns whether the trace is recorded by who began it.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        u8::from_str_radix(&self.parent[53..], 16).is_ok_and(|flags| flags & 1 == 1)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    #[test]
    fn what_is_no_traceparent_is_no_trace() {
        assert!(TraceContext::parse(VALID, None).is_some_and(|trace| !trace.is_sampled()));
        let later = format!("01{}-more", &VALID[2..]);
        let read = TraceContext::parse(&later, None).unwrap();
        assert_eq!((read.traceparent(), read.parent_id()), (VALID, "00f067aa0ba902b7"));
        let invalid = [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-012",
            "00-4bf92f3577b34da6a3ce929d0e0e47é-00f067aa0ba902b7-01",
        ];
        for text in invalid {
            assert_eq!(TraceContext::parse(text, None), None, "{text}");
        }
    }

    #[test]
    fn a_state_that_is_long_or_no_text_is_left_out() {
        let state = |state: &str| TraceContext::parse(VALID, Some(state)).unwrap().state;
        assert_eq!(state(" a=1,b=2 ").as_deref(), Some("a=1,b=2"));
        for wrong in ["", "a=\u{1b}", &"a".repeat(513)] {
            assert_eq!(state(wrong), None);
        }
    }
}
