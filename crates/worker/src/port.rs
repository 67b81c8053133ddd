//! Node's `parentPort`: free messages both ways, for a worker that is more than one function.

use crate::ending::{Ending, WorkerError, complain};
use crate::frames::FrameReader;
use crate::handshake::unexpected;
use crate::os::Socket;
use crate::outlet::Outlet;
use crate::panics::caught;
use crate::regions;
use crate::session::{Session, panicked};
use crate::startup::{Startup, WorkerDataError};
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::log::LogLevel as Level;
use procpool_protocol::message::failure_frame;
use procpool_protocol::{Encoding, Failure, Payload, PayloadError};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The other end of the coordinator's `Worker`: receives the messages that are posted there, and posts the
/// messages that are received there.
///
/// Several threads may share it, for receiving and for posting. `for message in &port` ends when the
/// conversation ends.
///
/// ```
/// use procpool_worker::{Failure, ParentPort};
///
/// /// Sums what it receives, and posts the sum after each message.
/// fn sums(port: ParentPort<u64, u64>) -> Result<(), Failure> {
///     let mut sum = 0_u64;
///     for n in &port {
///         sum = sum.checked_add(n).ok_or("the sum is too large")?;
///         port.post(&sum)?;
///     }
///     Ok(())
/// }
/// ```
pub struct ParentPort<In, Out> {
    ends: Arc<Ends>,
    messages: PhantomData<fn(Out) -> In>,
}

/// Both ends of the jobs connection, as used for messages.
#[derive(Debug)]
struct Ends {
    startup: Arc<Startup>,
    outlet: Arc<Outlet>,
    reader: Mutex<FrameReader<Socket>>,
    /// Wire number of the encoding of the last message, which is the one that the other side uses. It is not
    /// in the reader, because a thread that waits for a message holds the reader.
    encoding: AtomicU8,
    /// How the other side ended the conversation, once it has.
    end: Mutex<Option<Result<Ending, WorkerError>>>,
}

/// A message cannot be posted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// The message cannot be encoded.
    #[error("failed to post a message: {0}")]
    Encode(PayloadError),
    /// The message is larger than the limit.
    #[error("failed to post a message of {size} bytes: the limit is {limit}")]
    #[non_exhaustive]
    TooLarge {
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The other side no longer reads; this process is about to end.
    #[error("failed to post a message: the coordinator is gone")]
    Gone,
}

impl From<PayloadError> for PostError {
    fn from(error: PayloadError) -> Self {
        Self::Encode(error)
    }
}

impl<In, Out> ParentPort<In, Out> {
    /// Returns this worker's name in the coordinator's logs and reports.
    pub fn worker(&self) -> &str {
        self.ends.startup.worker()
    }

    /// Writes a log record, which the coordinator's own log shows with the level and the worker. A message is
    /// cut at 16 KiB.
    pub fn log(&self, level: Level, message: impl fmt::Display) {
        self.ends.outlet.log(level, &message, 0);
    }

    /// Returns Node's `workerData`: the data that the worker was spawned with.
    ///
    /// # Errors
    /// When there is none, or it is not a `T`.
    pub fn worker_data<T: DeserializeOwned + 'static>(&self) -> Result<T, WorkerDataError> {
        self.ends.startup.worker_data()
    }
}

impl<In: DeserializeOwned + 'static, Out> ParentPort<In, Out> {
    /// Waits for the next message. Returns `None` at the end of the conversation: the other side
    /// closed it or asked the worker to shut down.
    ///
    /// A message that is not an `In` is answered with a failure of code `bad_input` and skipped.
    ///
    /// ```
    /// # use procpool_worker::{Failure, ParentPort};
    /// /// Asks once and returns the answer.
    /// fn ask(port: &ParentPort<u64, String>) -> Result<u64, Failure> {
    ///     port.post(&"how many?".to_owned())?;
    ///     Ok(port.recv().ok_or("the service has closed the conversation")?)
    /// }
    /// ```
    pub fn recv(&self) -> Option<In> {
        loop {
            let frame = self.ends.next()?;
            match regions::decode(&frame.payload) {
                Ok(message) => return Some(message),
                Err(error) => self.ends.fail(frame.sequence, &Failure::from(error).with_code("bad_input")),
            }
        }
    }

    /// Returns an iterator over the messages to come.
    pub fn iter(&self) -> Messages<'_, In, Out> {
        Messages { port: self }
    }
}

impl<In, Out: Serialize + 'static> ParentPort<In, Out> {
    /// Sends a message, in the encoding of the last received one, or in bincode before the first.
    ///
    /// Blocks while the other side does not read and the socket is full.
    ///
    /// # Errors
    /// When the message cannot be encoded, is larger than the worker's `max_payload`, or the other side no
    /// longer reads.
    pub fn post(&self, message: &Out) -> Result<(), PostError> {
        let payload = Payload::encode(message, self.ends.encoding())?;
        let (size, limit) = (payload.bytes.len() as u64, u64::from(self.ends.startup.max_payload));
        if size > limit {
            return Err(PostError::TooLarge { size, limit });
        }
        let frame = Frame::new(Kind::Message, 0, "").with_payload(payload);
        self.ends.outlet.send(&frame).map_err(|_| PostError::Gone)
    }
}

/// The messages to come of a [`ParentPort`].
#[derive(Debug)]
pub struct Messages<'a, In, Out> {
    port: &'a ParentPort<In, Out>,
}

impl<In: DeserializeOwned + 'static, Out> Iterator for Messages<'_, In, Out> {
    type Item = In;

    fn next(&mut self) -> Option<In> {
        self.port.recv()
    }
}

impl<'a, In: DeserializeOwned + 'static, Out> IntoIterator for &'a ParentPort<In, Out> {
    type Item = In;
    type IntoIter = Messages<'a, In, Out>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<In, Out> fmt::Debug for ParentPort<In, Out> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ParentPort").field("worker", &self.worker()).finish_non_exhaustive()
    }
}

/// Runs `f` until it returns. Reports its error or panic to the other side before the end.
pub(crate) fn run<In, Out>(
    session: Session,
    f: impl FnOnce(ParentPort<In, Out>) -> Result<(), Failure>,
) -> Result<Ending, WorkerError> {
    let ends = Arc::new(Ends {
        startup: session.bench.startup,
        outlet: session.bench.outlet,
        reader: Mutex::new(session.reader),
        encoding: AtomicU8::new(Encoding::Bincode.into()),
        end: Mutex::default(),
    });
    let port = ParentPort { ends: ends.clone(), messages: PhantomData };
    let (failure, ending) = match caught(move || f(port)) {
        Ok(Ok(())) => return ends.verdict(),
        Ok(Err(failure)) => (failure, Ending::Failed),
        Err(report) => (panicked(&report), Ending::Panicked),
    };
    complain(&format!("the conversation ended in an error: {failure}"));
    ends.fail(0, &failure);
    Ok(ending)
}

impl Ends {
    /// Returns the next message. Returns `None` at the end, and also when the received bytes are not a
    /// message. [`verdict`](Self::verdict) distinguishes the two.
    fn next(&self) -> Option<Frame> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let frame = match reader.frame() {
            Ok(Some(frame)) if frame.kind == Kind::Message => frame,
            Ok(None) => return self.ended(Ok(Ending::Finished)),
            Ok(Some(other)) => return self.ended(Err(unexpected(&other, "a message"))),
            Err(error) => return self.ended(Err(error.into())),
        };
        if let typed @ (Encoding::Bincode | Encoding::Json) = frame.payload.encoding {
            self.encoding.store(typed.into(), Ordering::Relaxed);
        }
        Some(frame)
    }

    fn ended(&self, end: Result<Ending, WorkerError>) -> Option<Frame> {
        // The first end counts.
        self.end.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(end);
        None
    }

    fn encoding(&self) -> Encoding {
        Encoding::from_wire(self.encoding.load(Ordering::Relaxed)).unwrap_or(Encoding::Bincode)
    }

    fn fail(&self, sequence: u64, failure: &Failure) {
        if let Ok(mut frame) = failure_frame(Kind::MessageFailed, failure) {
            frame.sequence = sequence;
            // An error means that the coordinator is dead and needs no report.
            let _ = self.outlet.send(&frame);
        }
    }

    fn verdict(&self) -> Result<Ending, WorkerError> {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner).take();
        end.unwrap_or(Ok(Ending::Left))
    }
}
