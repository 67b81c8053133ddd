//! Sends spans to a collector, by OTLP over HTTP. A task of its own gathers them into batches: a job leaves its outcome in
//! a bounded queue, and what does not fit is lost.

use super::{Ended, Exporting, Spans};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanExporter as _};
use std::str::FromStr;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Maximum number of spans that wait.
const WAITING: usize = 4096;

/// Maximum number of spans in one request.
const BATCH: usize = 512;

/// How long the first span of a batch waits for others.
const GATHERS: Duration = Duration::from_millis(500);

/// Begins to send spans to `endpoint`, or to the one that the environment names.
///
/// # Errors
/// When the endpoint is none.
pub(super) fn start(endpoint: Option<&str>) -> Result<(Spans, Exporting), ExporterBuildError> {
    let builder = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    let mut exporter = match endpoint {
        Some(endpoint) => builder.with_endpoint(endpoint).build()?,
        None => builder.build()?,
    };
    exporter.set_resource(&resource());
    let (to, ended) = mpsc::channel(WAITING);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(run(ended, stopped, exporter));
    Ok((Spans(Some(to)), Exporting(Some((stop, task)))))
}

/// Returns what the spans say of the server. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say more.
fn resource() -> Resource {
    let builder =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    match std::env::var_os("OTEL_SERVICE_NAME") {
        Some(_) => builder.build(),
        None => builder.with_service_name("procpool").build(),
    }
}

async fn run(mut ended: mpsc::Receiver<Ended>, mut stopped: oneshot::Receiver<()>, exporter: SpanExporter) {
    let (mut batch, mut is_last) = (Vec::new(), false);
    while !is_last {
        is_last = tokio::select! {
            _ = &mut stopped => true,
            got = ended.recv_many(&mut batch, BATCH) => got == 0 || timeout(GATHERS, &mut stopped).await.is_ok(),
        };
        while let Ok(job) = ended.try_recv() {
            batch.push(job);
            if batch.len() >= BATCH {
                send(&mut batch, &exporter).await;
            }
        }
        send(&mut batch, &exporter).await;
    }
}

async fn send(batch: &mut Vec<Ended>, exporter: &SpanExporter) {
    if batch.is_empty() {
        return;
    }
    let spans: Vec<_> = batch.drain(..).map(span).collect();
    let count = spans.len();
    if let Err(error) = exporter.export(spans).await {
        tracing::warn!(%error, spans = count, "failed to send spans to the collector; they are lost");
    }
}

/// Returns the span of a job: its run, as a part of the trace that it was asked for in.
fn span(job: Ended) -> SpanData {
    let Ended { trace, pool, id, timing, at, error, worker, attempts } = job;
    let state = trace.tracestate().and_then(|state| TraceState::from_str(state).ok());
    let hex = |text: &str| TraceId::from_hex(text).unwrap_or(TraceId::INVALID);
    let parent = SpanId::from_hex(trace.parent_id()).unwrap_or(SpanId::INVALID);
    let span = RandomIdGenerator::default().new_span_id();
    let context =
        SpanContext::new(hex(trace.trace_id()), span, TraceFlags::SAMPLED, false, state.unwrap_or_default());
    let mut attributes = vec![
        KeyValue::new("messaging.system", "procpool"),
        KeyValue::new("messaging.operation.type", "process"),
        KeyValue::new("messaging.message.id", id.to_string()),
        KeyValue::new("procpool.wait_seconds", timing.wait.as_secs_f64()),
    ];
    attributes.extend(error.map(|name| KeyValue::new("error.type", name)));
    attributes.extend(worker.map(|pid| KeyValue::new("process.pid", i64::from(pid))));
    attributes.extend(attempts.map(|attempt| KeyValue::new("procpool.attempt", i64::from(attempt))));
    let name = format!("process {pool}");
    attributes.push(KeyValue::new("messaging.destination.name", pool));
    SpanData {
        span_context: context,
        parent_span_id: parent,
        parent_span_is_remote: true,
        span_kind: SpanKind::Consumer,
        name: name.into(),
        start_time: at.checked_sub(timing.run).unwrap_or(at),
        end_time: at,
        attributes,
        dropped_attributes_count: 0,
        events: Default::default(),
        links: Default::default(),
        status: error.map_or(Status::Unset, Status::error),
        instrumentation_scope: InstrumentationScope::builder("procpool").build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::engine::{Accepted, Submission};
    use procpool_protocol::outcome::{Finished, Timing};
    use procpool_protocol::{Encoding, JobError, JobId, Payload, Stage, TraceContext};
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// Takes one request, as a collector does. Returns its head and its body.
    async fn collect(listener: TcpListener) -> (String, Vec<u8>) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        loop {
            let end = bytes.windows(4).position(|it| it == b"\r\n\r\n");
            if let Some(end) = end {
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.expect("a length").trim().parse().unwrap();
                if bytes.len() >= end + 4 + length {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                    return (head, bytes[end + 4..].to_vec());
                }
            }
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the exporter hung up");
        }
    }

    fn has(body: &[u8], part: &[u8]) -> bool {
        body.windows(part.len()).any(|it| it == part)
    }

    #[tokio::test]
    async fn a_traced_job_is_a_span_at_the_collector() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let collector = tokio::spawn(collect(listener));
        let (spans, exporting) = start(Some(&endpoint)).unwrap();
        let mut job = Submission::new("resize", Payload::json("\"a secret\""), Encoding::Json);
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        job.trace = TraceContext::parse(&parent, Some("vendor=1")).map(Arc::new);
        let id = JobId::from_bits(77);
        let timing = Timing::new(Duration::from_millis(3), Duration::from_millis(40));
        let ended = Err(JobError::cancelled(Stage::Running).into());
        let accepted = Accepted::new(id, async move { Finished::new(id, timing, ended) });
        spans.of(&job).unwrap().follow(accepted).outcome.await;
        exporting.end().await;

        let (head, body) = collector.await.unwrap();
        assert!(head.starts_with("post /v1/traces ") && head.contains("application/x-protobuf"), "{head}");
        let trace = u128::from_str_radix(TRACE, 16).unwrap().to_be_bytes();
        let parent = 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes();
        assert!(has(&body, &trace) && has(&body, &parent));
        let id = id.to_string();
        for part in ["process resize", "service.name", &id, "error.type", "cancelled", "vendor=1"] {
            assert!(has(&body, part.as_bytes()), "{part} is missing");
        }
        assert!(!has(&body, b"secret"), "a payload is nobody's span");
    }

    #[tokio::test]
    async fn a_collector_that_is_not_there_costs_the_jobs_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        drop(listener);
        let (spans, exporting) = start(Some(&endpoint)).unwrap();
        let mut job = Submission::new("resize", Payload::json("1"), Encoding::Json);
        job.trace = TraceContext::parse(&format!("00-{TRACE}-00f067aa0ba902b7-01"), None).map(Arc::new);
        let id = JobId::from_bits(78);
        for _ in 0..WAITING + 10 {
            let accepted =
                Accepted::new(id, async move { Finished::new(id, Timing::default(), Ok(Payload::none())) });
            let finished = spans.of(&job).unwrap().follow(accepted).outcome.await;
            assert!(finished.result.is_ok());
        }
        exporting.end().await;
    }
}
