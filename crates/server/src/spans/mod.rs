//! A span for each job that belongs to a sampled trace, made at its outcome from its timing. A job without a trace costs
//! a branch, and nothing on the way of a job waits for the collector.

#[cfg(feature = "otlp")]
mod export;

use procpool_protocol::engine::{Accepted, Submission};
use procpool_protocol::outcome::{Finished, Timing};
use procpool_protocol::{JobId, TraceContext};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The variables that name a collector. Without one, no span is made.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// How long the end of the server waits for the last spans.
const LAST: Duration = Duration::from_secs(2);

/// Takes the outcomes of traced jobs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans(Option<mpsc::Sender<Ended>>);

/// A traced job that has ended.
#[derive(Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nothing takes them without a collector"))]
struct Ended {
    trace: Arc<TraceContext>,
    pool: String,
    id: JobId,
    timing: Timing,
    at: SystemTime,
    /// The outcome's name, unless that is an output.
    error: Option<&'static str>,
    /// Process id of its worker, if it was reported.
    worker: Option<u32>,
    attempts: Option<u32>,
}

/// A traced job on its way.
#[derive(Debug)]
pub(crate) struct Following {
    to: mpsc::Sender<Ended>,
    trace: Arc<TraceContext>,
    pool: String,
}

impl Spans {
    /// Begins to follow a job, if it belongs to a sampled trace and somebody takes spans.
    pub(crate) fn of(&self, job: &Submission) -> Option<Following> {
        let to = self.0.as_ref()?;
        let trace = job.trace.as_ref().filter(|trace| trace.is_sampled())?;
        Some(Following { to: to.clone(), trace: trace.clone(), pool: job.pool.clone() })
    }
}

impl Following {
    /// Makes a span of the job's outcome. A job whose client hangs up has none.
    pub(crate) fn follow(self, mut accepted: Accepted) -> Accepted {
        let outcome = accepted.outcome;
        accepted.outcome = Box::pin(async move {
            let finished = outcome.await;
            // A collector that takes them too slowly loses some, and the job goes on.
            let _ = self.to.try_send(self.ended(&finished));
            finished
        });
        accepted
    }

    fn ended(&self, finished: &Finished) -> Ended {
        let report = finished.report.as_deref();
        Ended {
            trace: self.trace.clone(),
            pool: self.pool.clone(),
            id: finished.id,
            timing: finished.timing,
            at: SystemTime::now(),
            error: finished.result.as_ref().err().map(|error| error.kind().name()),
            worker: report.and_then(|report| report.worker),
            attempts: report.and_then(|report| report.attempts),
        }
    }
}

/// The task that sends spans, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Exporting(Option<(oneshot::Sender<()>, JoinHandle<()>)>);

impl Exporting {
    /// Sends what is left, for at most two seconds.
    pub(crate) async fn end(self) {
        if let Some((stop, task)) = self.0 {
            let _ = stop.send(());
            let _ = tokio::time::timeout(LAST, task).await;
        }
    }
}

/// Begins to send spans to the collector that the environment names, if it names one.
pub(crate) fn start() -> (Spans, Exporting) {
    let is_named = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match ENDPOINTS.iter().find(is_named) {
        Some(variable) => to_collector(variable),
        None => Default::default(),
    }
}

#[cfg(feature = "otlp")]
fn to_collector(variable: &str) -> (Spans, Exporting) {
    export::start(None).unwrap_or_else(|error| {
        tracing::error!(%error, "failed to use the collector of {variable}; no spans are sent");
        Default::default()
    })
}

#[cfg(not(feature = "otlp"))]
fn to_collector(variable: &str) -> (Spans, Exporting) {
    tracing::warn!("{variable} is ignored: this build sends no spans; build it with the feature `otlp`");
    Default::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::{Encoding, Payload};

    #[test]
    fn a_job_is_followed_if_its_trace_is_sampled_and_somebody_takes_spans() {
        let (to, _spans) = mpsc::channel(1);
        let on = Spans(Some(to));
        let job = |flags: &str| {
            let mut job = Submission::new("fib", Payload::json("1"), Encoding::Json);
            let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            job.trace = TraceContext::parse(&parent, None).map(Arc::new);
            job
        };
        assert!(on.of(&job("01")).is_some());
        assert!(on.of(&job("00")).is_none() && on.of(&job("no")).is_none());
        assert!(Spans::default().of(&job("01")).is_none());
    }
}
