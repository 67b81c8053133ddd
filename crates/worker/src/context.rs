//! [`Context`]: a job's information, and the functions that a job calls.

mod emit;

use crate::cancel::CancelFlag;
use crate::startup::WorkerDataError;
use crate::workbench::Workbench;
use procpool_memory::output::Buffer;
use procpool_protocol::extras::{self, ContentType, InvalidContentType};
use procpool_protocol::log::LogLevel as Level;
use procpool_protocol::message::{self, Progress};
#[cfg(doc)]
use procpool_protocol::{Bytes, Streaming};
use procpool_protocol::{Cancelled, Encoding, Failure, Job, JobId, TraceContext};
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The context of one job, for its function.
///
/// A function receives it as `&Context`. Threads that end before the job may share it. Other threads use
/// [`cancel_flag`](Self::cancel_flag).
///
/// ```
/// use procpool_worker::{Context, Failure, job};
///
/// job!(Digest, "digest", Vec<Vec<u8>> => u64);
///
/// fn digest(files: Vec<Vec<u8>>, cx: &Context<Digest>) -> Result<u64, Failure> {
///     let total = files.len() as u64;
///     let mut sum = 0_u64;
///     for (done, file) in (1..).zip(files) {
///         cx.check()?;
///         sum = file.iter().fold(sum, |sum, &byte| sum.rotate_left(5) ^ u64::from(byte));
///         cx.progress(done, Some(total));
///     }
///     Ok(sum)
/// }
/// ```
pub struct Context<J: Job> {
    facts: Facts,
    flag: CancelFlag,
    bench: Workbench,
    /// The reason why the job can no longer succeed.
    doom: OnceLock<Failure>,
    /// The content type of a raw output.
    content_type: Mutex<Option<ContentType>>,
    /// Number of chunks that no caller read.
    dropped: AtomicU64,
    trace: Option<Box<TraceContext>>,
    job: PhantomData<fn() -> J>,
}

#[derive(Clone, Copy, Debug)]
struct Facts {
    id: JobId,
    attempt: u32,
    reply: Encoding,
    /// `None` for a free message, which belongs to no job.
    sequence: Option<u64>,
}

impl<J: Job> Context<J> {
    /// Returns the job's public id. All zeros if the function answers a free message.
    pub fn job_id(&self) -> JobId {
        self.facts.id
    }

    /// Returns the number of the attempt: 1 for the first run of this job, 2 for the first retry.
    ///
    /// ```
    /// # use procpool_worker::{Context, job};
    /// # job!(Solve, "solve", u64 => u64);
    /// /// A retry takes the slow way, which needs less memory.
    /// fn is_careful(cx: &Context<Solve>) -> bool {
    ///     cx.attempt() > 1
    /// }
    /// ```
    pub fn attempt(&self) -> u32 {
        self.facts.attempt
    }

    /// Returns the trace that the request for this job belongs to. `None` if the request named none. The lines of
    /// [`log`](Self::log) carry its id in the coordinator's log.
    ///
    /// ```
    /// # use procpool_worker::{Context, job};
    /// # job!(Fetch, "fetch", String => String);
    /// /// The header of a request that this job sends.
    /// fn header(cx: &Context<Fetch>) -> Option<String> {
    ///     cx.trace_context().map(|trace| format!("traceparent: {}", trace.traceparent()))
    /// }
    /// ```
    pub fn trace_context(&self) -> Option<&TraceContext> {
        self.trace.as_deref()
    }

    /// Returns the job's remaining time, zero once it has expired, or `None` if there is no limit. Counted by
    /// the monotonic clock from the job's arrival.
    ///
    /// ```
    /// # use procpool_worker::{Context, job};
    /// # use std::time::Duration;
    /// # job!(Search, "search", String => Vec<String>);
    /// /// The time for a query: some of it stays for the answer.
    /// fn query_timeout(cx: &Context<Search>) -> Duration {
    ///     let most = Duration::from_secs(5);
    ///     cx.remaining().map_or(most, |left| most.min(left.mul_f32(0.9)))
    /// }
    /// ```
    pub fn remaining(&self) -> Option<Duration> {
        self.flag.remaining()
    }

    /// Returns the data that the pool or worker was configured with for every process it starts. Decoded at
    /// each call.
    ///
    /// ```
    /// # use procpool_worker::{Context, Failure, job};
    /// # job!(Render, "render", String => String);
    /// /// The pool was built with `.worker_data("/srv/templates")`.
    /// fn render(name: String, cx: &Context<Render>) -> Result<String, Failure> {
    ///     let templates: String = cx.worker_data()?;
    ///     Ok(std::fs::read_to_string(format!("{templates}/{name}.html"))?)
    /// }
    /// ```
    ///
    /// # Errors
    /// When there is none, or it is not a `T`.
    pub fn worker_data<T: DeserializeOwned + 'static>(&self) -> Result<T, WorkerDataError> {
        self.bench.startup.worker_data()
    }

    /// Returns whether the job must stop: its caller cancelled it, or its deadline has passed. A job that
    /// does not check is killed after a grace period, and its process with it.
    ///
    /// ```
    /// # use procpool_worker::{Context, Failure, job};
    /// # job!(Copy, "copy", (String, String) => u64);
    /// fn copy((from, to): (String, String), cx: &Context<Copy>) -> Result<u64, Failure> {
    ///     let copied = std::fs::copy(&from, &to)?;
    ///     if cx.is_cancelled() {
    ///         // The caller does not want the file.
    ///         std::fs::remove_file(&to)?;
    ///     }
    ///     cx.check()?;
    ///     Ok(copied)
    /// }
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.flag.is_cancelled()
    }

    /// Checks [`is_cancelled`](Self::is_cancelled), for use with `?`, which ends the job as
    /// cancelled.
    ///
    /// # Errors
    /// Returns [`Cancelled`] when the job must stop.
    pub fn check(&self) -> Result<(), Cancelled> {
        self.flag.check()
    }

    /// Returns the same flag for threads that the job starts and that may outlive it.
    ///
    /// ```
    /// # use procpool_worker::{Context, job};
    /// # job!(Watch, "watch", String => u64);
    /// fn watch(cx: &Context<Watch>) -> std::thread::JoinHandle<u64> {
    ///     let flag = cx.cancel_flag();
    ///     std::thread::spawn(move || (0..).take_while(|_| !flag.is_cancelled()).take(1_000_000).count() as u64)
    /// }
    /// ```
    pub fn cancel_flag(&self) -> CancelFlag {
        self.flag.clone()
    }

    /// Returns memory of `length` zeros for a large output. Fill it in place and return it as [`Bytes`]. If
    /// the worker shares memory with its coordinator, the buffer lies there, and the worker does not copy the
    /// output.
    ///
    /// ```
    /// use procpool_worker::{Bytes, Context, Failure, Job};
    ///
    /// struct Invert;
    /// impl Job for Invert {
    ///     const NAME: &'static str = "invert";
    ///     type Input = Bytes;
    ///     type Output = Bytes;
    /// }
    ///
    /// fn invert(image: Bytes, cx: &Context<Invert>) -> Result<Bytes, Failure> {
    ///     let mut inverted = cx.buffer(image.len());
    ///     for (new, old) in inverted.iter_mut().zip(image.iter()) {
    ///         *new = !old;
    ///     }
    ///     Ok(inverted.into())
    /// }
    /// ```
    pub fn buffer(&self, length: usize) -> Buffer {
        match self.bench.arenas.buffer(length) {
            Some(mut used) => {
                used.fill(0);
                used
            }
            None => Buffer::owned(length),
        }
    }

    /// Returns memory as [`buffer`](Self::buffer) does, without zeroing it, for a job that writes every byte.
    /// This saves about 0.1 ms for 1 MiB.
    ///
    /// It may contain bytes of earlier jobs' outputs. A job that stops early and returns it gives one caller
    /// another caller's data.
    ///
    /// ```
    /// use procpool_worker::{Bytes, Context, Failure, Job};
    /// # struct Copy;
    /// # impl Job for Copy {
    /// #     const NAME: &'static str = "copy";
    /// #     type Input = Bytes;
    /// #     type Output = Bytes;
    /// # }
    /// fn copy(image: Bytes, cx: &Context<Copy>) -> Result<Bytes, Failure> {
    ///     let mut copy = cx.dirty_buffer(image.len());
    ///     copy.copy_from_slice(&image);
    ///     Ok(copy.into())
    /// }
    /// ```
    pub fn dirty_buffer(&self, length: usize) -> Buffer {
        self.bench.arenas.buffer(length).unwrap_or_else(|| Buffer::owned(length))
    }

    /// Sets the content type of a raw output, such as `image/png`. The HTTP answer has it instead of
    /// `application/octet-stream`. The last call counts. It has no effect if the output is not exactly
    /// [`Bytes`], or the function answers a free message.
    ///
    /// ```
    /// use procpool_worker::{Bytes, Context, Failure, Job};
    ///
    /// struct Thumbnail;
    /// impl Job for Thumbnail {
    ///     const NAME: &'static str = "thumbnail";
    ///     type Input = Bytes;
    ///     type Output = Bytes;
    /// }
    ///
    /// fn thumbnail(image: Bytes, cx: &Context<Thumbnail>) -> Result<Bytes, Failure> {
    ///     cx.content_type("image/png")?;
    ///     Ok(image)
    /// }
    /// ```
    ///
    /// # Errors
    /// When the text is not `type/subtype`, has a parameter, or is longer than 255 bytes.
    pub fn content_type(&self, content_type: &str) -> Result<(), InvalidContentType> {
        let content_type = ContentType::new(content_type)?;
        *self.content_type.lock().unwrap_or_else(PoisonError::into_inner) = Some(content_type);
        Ok(())
    }

    /// Writes a log record, which the coordinator's own log shows with the level, the worker and the job.
    /// Output that the job's code prints is shown, too, but without a job or a level.
    ///
    /// A message is cut at 16 KiB. Each call is a system call, regardless of the level that the coordinator's
    /// log shows.
    ///
    /// ```
    /// use procpool_worker::{Context, Failure, Job, Level};
    ///
    /// # struct Fetch;
    /// # impl Job for Fetch {
    /// #     const NAME: &'static str = "fetch";
    /// #     type Input = String;
    /// #     type Output = ();
    /// # }
    /// fn fetch(url: String, cx: &Context<Fetch>) -> Result<(), Failure> {
    ///     cx.log(Level::Warn, format_args!("{url} is slow today"));
    ///     Ok(())
    /// }
    /// ```
    pub fn log(&self, level: Level, message: impl fmt::Display) {
        self.bench.outlet.log(level, &message, self.facts.sequence.unwrap_or(0));
    }

    /// Reports that `done` units of `total`, if known, are done.
    ///
    /// Cheap enough for every iteration of a loop: the first 10 reports of a job are sent at once, then one
    /// every 10 ms. Of the reports in between, the latest is sent before the job's next chunk or its end. If
    /// the function answers a free message, nothing is sent.
    ///
    /// ```
    /// # use procpool_worker::{Context, Failure, job};
    /// # job!(Resize, "resize", Vec<String> => ());
    /// # fn resize_one(_: String) -> Result<(), Failure> { Ok(()) }
    /// fn resize(files: Vec<String>, cx: &Context<Resize>) -> Result<(), Failure> {
    ///     let total = files.len() as u64;
    ///     for (done, file) in (1..).zip(files) {
    ///         resize_one(file)?;
    ///         cx.progress(done, Some(total));
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn progress(&self, done: u64, total: Option<u64>) {
        let Some(sequence) = self.facts.sequence else {
            return;
        };
        if let Ok(report) = (Progress { done, total }).to_frame(sequence) {
            // If the connection is broken, the job's last frame reports it.
            let _ = self.bench.outlet.progress(report);
        }
    }
}

impl<J: Job> Context<J> {
    /// Returns the context of a job that has just arrived.
    pub(crate) fn of_job(bench: &Workbench, sequence: u64, job: &message::Job) -> Self {
        let facts = Facts {
            id: JobId::from_bytes(job.id),
            attempt: job.attempt,
            reply: reply_encoding::<J>(job.reply_encoding()),
            sequence: Some(sequence),
        };
        // A deadline beyond the clock's range is none.
        let deadline = job.remaining().and_then(|left| Instant::now().checked_add(left));
        let mut context = Self::new(bench, facts, CancelFlag::until(deadline));
        if !job.extras.is_empty() {
            context.trace = extras::trace(&job.extras).map(Box::new);
        }
        context
    }

    /// Returns the context of a free message: it belongs to no job and has no deadline.
    pub(crate) fn of_message(bench: &Workbench, encoding: Encoding) -> Self {
        let reply = reply_encoding::<J>(Some(encoding));
        let facts = Facts { id: JobId::from_bits(0), attempt: 1, reply, sequence: None };
        Self::new(bench, facts, CancelFlag::until(None))
    }

    fn new(bench: &Workbench, facts: Facts, flag: CancelFlag) -> Self {
        Self {
            facts,
            flag,
            bench: bench.clone(),
            doom: OnceLock::new(),
            content_type: Mutex::default(),
            dropped: AtomicU64::new(0),
            trace: None,
            job: PhantomData,
        }
    }

    /// Returns the encoding of the output.
    pub(crate) fn reply(&self) -> Encoding {
        self.facts.reply
    }

    /// Returns the content type that the function set for a raw output.
    pub(crate) fn take_content_type(&mut self) -> Option<ContentType> {
        self.content_type.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns the number of chunks that no caller read, if any.
    pub(crate) fn dropped_chunks(&self) -> Option<u64> {
        Some(self.dropped.load(Ordering::Relaxed)).filter(|&dropped| dropped > 0)
    }

    /// Clears the effects of one input of a batch, before the next one.
    pub(crate) fn next_input(&mut self) {
        self.doom = OnceLock::new();
    }

    /// Returns the reason why the job can no longer succeed, if there is one.
    pub(crate) fn doom(&self) -> Option<Failure> {
        self.doom.get().cloned()
    }
}

/// Returns the encoding that the other side requested, if a typed value can be encoded in it.
fn reply_encoding<J: Job>(wanted: Option<Encoding>) -> Encoding {
    match wanted {
        Some(typed @ (Encoding::Bincode | Encoding::Json)) => typed,
        _ => J::ENCODING,
    }
}

impl<J: Job> fmt::Debug for Context<J> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Context")
            .field("job", &J::NAME)
            .field("id", &self.facts.id)
            .field("attempt", &self.facts.attempt)
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}
