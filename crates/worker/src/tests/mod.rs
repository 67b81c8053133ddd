//! The worker without processes: it runs on a thread on one side of two socket pairs. A simulated coordinator
//! is on the other.

mod batches;
mod carriage;
mod guard;
mod handshake;
mod jobs;
mod memory;
mod messages;
mod offers;
mod replay;
mod streams;
mod template;

use crate::context::Context;
use crate::ending::{Ending, WorkerError};
use crate::entry::{self, Introduction};
use crate::frames::{FrameReader, FrameWriter};
use crate::guard::Lost;
use crate::handshake::{Opening, Sockets};
use crate::identity::Identity;
use crate::os::Socket;
use crate::session::Session;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::{Hello, Mode, Welcome};
use procpool_protocol::message::{self, Done, Progress, json_frame, json_of};
use procpool_protocol::preamble::Preamble;
use procpool_protocol::{Bytes, Encoding, Failure, Job, Payload, Schema, Streaming};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// No test waits for this; it turns a hang into a failure.
const HANG: Duration = Duration::from_secs(60);

/// A job for numbers that can stream text.
struct Number;

impl Job for Number {
    const NAME: &'static str = "number";
    const VERSION: u32 = 5;
    const BUILD: Option<&'static str> = Some("1.4.2");
    type Input = u64;
    type Output = u64;

    fn schema() -> Option<Schema> {
        let integer = serde_json::json!({"type": "integer"});
        Some(Schema::new(integer.clone(), integer))
    }
}

impl Streaming for Number {
    type Chunk = String;
}

/// A job for raw bytes.
struct Raw;

impl Job for Raw {
    const NAME: &'static str = "raw";
    type Input = Bytes;
    type Output = Bytes;
}

impl Streaming for Raw {
    type Chunk = Bytes;
}

/// The coordinator's side of one connection.
struct Wire {
    stream: UnixStream,
    reader: FrameReader<Socket>,
    writer: FrameWriter<Socket>,
}

impl Wire {
    fn pair() -> (Self, UnixStream) {
        let (stream, theirs) = UnixStream::pair().unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        let socket = Socket::from(stream.try_clone().unwrap());
        let reader = FrameReader::new(socket.clone(), u32::MAX, 64 * 1024);
        (Self { stream, reader, writer: FrameWriter::new(socket) }, theirs)
    }

    fn send(&mut self, frame: &Frame) {
        self.writer.send(frame).unwrap();
    }

    fn next(&mut self) -> Frame {
        self.reader.frame().unwrap().expect("the worker closed the connection")
    }

    fn hear(&mut self, kind: Kind) -> Frame {
        let frame = self.next();
        assert_eq!(frame.kind, kind);
        frame
    }

    fn hear_hello(&mut self) -> Hello {
        assert_eq!(self.reader.preamble().unwrap(), Some(Preamble::ours()));
        json_of(&self.hear(Kind::Hello)).unwrap()
    }

    fn open(&mut self, frame: &Frame) {
        self.writer.greet(Preamble::ours(), frame).unwrap();
    }

    /// Sends the worker the end of file.
    fn close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// A coordinator with one worker.
struct Double {
    jobs: Wire,
    control: Wire,
    /// The reason why the guard ended.
    lost: Receiver<(bool, Lost)>,
    /// How the worker ended.
    end: Receiver<Result<Ending, WorkerError>>,
}

impl Double {
    /// Returns a worker that has not received its welcome.
    fn meet(
        identity: Identity,
        work: impl FnOnce(Session) -> Result<Ending, WorkerError> + Send + 'static,
    ) -> Self {
        let (jobs, their_jobs) = Wire::pair();
        let (control, their_control) = Wire::pair();
        let (lose, lost) = mpsc::channel();
        let (finish, end) = mpsc::channel();
        thread::spawn(move || {
            // The guard outlives this thread, but a process that ends closes its connections.
            let exit = their_jobs.try_clone().unwrap();
            let sockets = Sockets { jobs: their_jobs.into(), control: their_control.into() };
            let on_lost = move |owned, why| lose.send((owned, why)).unwrap_or_default();
            let end = Opening::read(sockets)
                .and_then(|opening| Session::open(&identity, opening, on_lost))
                .and_then(work);
            let _ = exit.shutdown(Shutdown::Both);
            finish.send(end)
        });
        Self { jobs, control, lost, end }
    }

    /// Returns a worker that was welcomed.
    fn hire(
        identity: Identity,
        welcome: &Welcome,
        data: Payload,
        work: impl FnOnce(Session) -> Result<Ending, WorkerError> + Send + 'static,
    ) -> Self {
        let mut this = Self::meet(identity, work);
        this.jobs.open(&json_frame(Kind::Welcome, welcome).unwrap().with_payload(data));
        this.jobs.hear_hello();
        this
    }

    /// Returns a ready worker of `J` that runs `f`.
    fn with<J: Job>(
        mode: Mode,
        mut f: impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure> + Send + 'static,
    ) -> Self {
        let work = move |session| {
            entry::answer::<J, ()>(session, Introduction::Ahead, |_| Ok(()), move |(), n, cx| f(n, cx))
        };
        let mut this = Self::hire(Identity::of_job::<J>(), &welcome(mode), Payload::none(), work);
        this.jobs.hear(Kind::Ready);
        this
    }

    /// Returns a ready worker for numbers.
    fn numbers(f: impl FnMut(u64, &Context<Number>) -> Result<u64, Failure> + Send + 'static) -> Self {
        Self::with::<Number>(Mode::Jobs, f)
    }

    /// Sends a job and waits for its end.
    fn run(&mut self, sequence: u64, input: Payload) -> (Done, Payload) {
        self.jobs.send(&job(sequence, &message(), input));
        self.done(sequence)
    }

    /// Returns the end of a job, which must be the next frame.
    fn done(&mut self, sequence: u64) -> (Done, Payload) {
        let frame = self.jobs.hear(Kind::Done);
        assert_eq!((frame.sequence, frame.end), (sequence, true));
        (Done::from_frame(&frame).unwrap(), frame.payload)
    }

    /// Returns the next progress report of the jobs connection.
    fn progress(&mut self) -> u64 {
        Progress::from_frame(&self.jobs.hear(Kind::Progress)).unwrap().done
    }

    /// Waits until the guard has processed everything that was sent so far.
    fn guard_has_heard(&mut self) {
        self.control.send(&Frame::new(Kind::Ping, 99, ""));
        assert_eq!(self.control.hear(Kind::Pong).sequence, 99);
    }

    /// Waits until the worker ends by itself, and returns how it ended.
    fn end(self) -> Result<Ending, WorkerError> {
        self.end.recv_timeout(HANG).expect("the worker did not end")
    }

    /// Closes the jobs connection and returns how the worker ended.
    fn dismiss(self) -> Result<Ending, WorkerError> {
        self.jobs.close();
        self.end()
    }
}

fn welcome(mode: Mode) -> Welcome {
    Welcome {
        mode,
        owned: true,
        worker: "number-1".into(),
        pool: "numbers".into(),
        job: None,
        max_payload: 1000,
        page: false,
        arenas: false,
        template: false,
    }
}

/// Returns a job's header: first attempt, no deadline, answer in JSON, no reader of chunks.
fn message() -> message::Job {
    message::Job {
        id: [0xab; 16],
        attempt: 1,
        remaining_nanos: None,
        reply: Encoding::Json.into(),
        credit: None,
        extras: Vec::new(),
    }
}

fn job(sequence: u64, message: &message::Job, input: Payload) -> Frame {
    message.to_frame(sequence).unwrap().with_payload(input)
}

fn number(n: u64) -> Payload {
    Payload::json(n.to_string())
}
