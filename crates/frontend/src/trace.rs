//! The trace that a request belongs to, by its `traceparent`, and how what answers it learns of that.

use http::HeaderMap;
use procpool_protocol::TraceContext;
use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static CURRENT: Arc<TraceContext>;
}

/// Returns the trace of a request. Several `traceparent`s are none.
pub(crate) fn of(headers: &HeaderMap) -> Option<Arc<TraceContext>> {
    let mut parents = headers.get_all("traceparent").iter();
    let parent = parents.next()?.to_str().ok()?;
    if parents.next().is_some() {
        return None;
    }
    // Several lines of it are one list.
    let states = headers.get_all("tracestate").iter().filter_map(|state| state.to_str().ok());
    let state = states.collect::<Vec<_>>().join(",");
    TraceContext::parse(parent, Some(&state)).map(Arc::new)
}

/// Answers a request of this trace.
pub(crate) async fn within<T>(trace: Option<Arc<TraceContext>>, answer: impl Future<Output = T>) -> T {
    match trace {
        Some(trace) => CURRENT.scope(trace, answer).await,
        None => answer.await,
    }
}

/// Returns the trace of the request that this task answers.
pub(crate) fn current() -> Option<Arc<TraceContext>> {
    CURRENT.try_with(Arc::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_request_has_one_trace_or_none() {
        let one = headers(&[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]);
        let trace = of(&one).unwrap();
        assert_eq!((trace.traceparent(), trace.tracestate()), (PARENT, Some("a=1,b=2")));
        assert!(of(&headers(&[("traceparent", PARENT), ("traceparent", PARENT)])).is_none());
        assert!(of(&headers(&[("tracestate", "a=1")])).is_none());
    }

    #[tokio::test]
    async fn what_answers_a_request_knows_its_trace() {
        let trace = of(&headers(&[("traceparent", PARENT)]));
        assert_eq!(within(trace.clone(), async { current() }).await, trace);
        assert_eq!(within(None, async { current() }).await, None);
    }
}
