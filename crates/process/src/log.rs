//! Log frames of a worker as events of `tracing`, beside the lines that it writes to its standard streams.

use procpool_protocol::frame::Frame;
use procpool_protocol::log::{LogLevel, LogRecord};
use procpool_protocol::printable::printable;
use procpool_protocol::{JobId, TraceContext};
use tracing::field::display;

/// Logs the record in a frame of this worker, with the target `procpool::worker`. Escapes unprintable
/// characters. The line has the id of the trace that the job belongs to.
///
/// # Errors
/// When the frame is not a log record. The error says how the worker broke the protocol.
pub fn log_record(
    frame: &Frame,
    pool: &str,
    worker: &str,
    job: Option<JobId>,
    trace: Option<&TraceContext>,
) -> Result<(), String> {
    let record = LogRecord::from_frame(frame).map_err(|error| error.to_string())?;
    let message = printable(record.message.trim_end());
    let (job, logger) = (job.map(display), record.target.as_deref().map(printable));
    let (logger, trace_id) = (logger.as_deref(), trace.map(TraceContext::trace_id));
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(target: "procpool::worker", pool, worker, job, trace_id, logger, "{message}")
        };
    }
    match record.level {
        LogLevel::Error => event!(error),
        LogLevel::Warn => event!(warn),
        LogLevel::Info => event!(info),
        LogLevel::Debug => event!(debug),
        LogLevel::Trace => event!(trace),
    }
    Ok(())
}
