//! A coordinator played by hand, which sees each frame and how the worker ends.

use crate::program::python;
use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::{Hello, Mode, Welcome};
use procpool_protocol::message::{Done, Job, json_frame, json_of};
use procpool_protocol::preamble::Preamble;
use procpool_protocol::{Encoding, Payload};
use procpool_tests::PATIENCE;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Standard input and output become the descriptors that a worker is born with.
const BIRTH: &str = "exec \"$0\" \"$@\" 3<&0 4<&1 </dev/null >&2";

/// One connection.
pub(crate) struct Line {
    stream: UnixStream,
    decoder: Decoder,
}

impl Line {
    fn pair() -> (Self, OwnedFd) {
        let (stream, its) = UnixStream::pair().expect("a pair");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        (Self { stream, decoder: Decoder::new() }, its.into())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the worker is there");
    }

    pub(crate) fn say(&mut self, kind: Kind, sequence: u64) {
        self.send(&Frame::new(kind, sequence, "").to_bytes());
    }

    /// Returns the next frame.
    pub(crate) fn hear(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.decoder.poll_frame().expect("a frame") {
                return frame;
            }
            self.fill();
        }
    }

    fn fill(&mut self) {
        let mut bytes = [0; 4096];
        let length = self.stream.read(&mut bytes).expect("the worker says something");
        assert_ne!(length, 0, "the worker hung up");
        self.decoder.feed(&bytes[..length]);
    }

    /// There will be nothing more for the worker to read; it can still write.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).expect("the worker is there");
    }

    /// Returns whether the worker has said nothing more, once it has ended.
    pub(crate) fn says_no_more(mut self) -> bool {
        self.decoder.buffered() == 0 && self.stream.read(&mut [0]).is_ok_and(|length| length == 0)
    }
}

/// A worker, killed at the latest when the test ends.
pub(crate) struct Double {
    child: Option<Child>,
    pub(crate) jobs: Line,
    pub(crate) control: Line,
}

impl Double {
    /// Returns a worker that was told this first, in a process group of its own.
    pub(crate) fn born(program: &Path, first: &[u8]) -> Self {
        let (mut jobs, its_jobs) = Line::pair();
        let (control, its_control) = Line::pair();
        jobs.send(first);
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", BIRTH]).arg(python()).arg(program).process_group(0);
        shell.stdin(its_jobs).stdout(its_control).stderr(Stdio::piped());
        Self { child: Some(shell.spawn().expect("a shell")), jobs, control }
    }

    /// Returns a worker that is ready, and is `owned` or not.
    pub(crate) fn ready(program: &Path, owned: bool) -> Self {
        let mut double = Self::born(program, &opening(owned));
        double.hear_hello();
        assert_eq!(double.jobs.hear().kind, Kind::Ready);
        double
    }

    pub(crate) fn hear_hello(&mut self) -> Hello {
        loop {
            if let Some(preamble) = self.jobs.decoder.poll_preamble().expect("a preamble") {
                assert_eq!(preamble, Preamble::ours());
                return json_of(&self.jobs.hear()).expect("a hello");
            }
            self.jobs.fill();
        }
    }

    pub(crate) fn give(&mut self, sequence: u64, input: &str) {
        let reply = Encoding::Json.into();
        let (id, attempt, extras) = ([1; 16], 1, Vec::new());
        let job = Job { id, attempt, remaining_nanos: None, reply, credit: None, extras };
        let frame = job.to_frame(sequence).expect("a job").with_payload(Payload::json(input.to_owned()));
        self.jobs.send(&frame.to_bytes());
    }

    /// The end of a job, and its output.
    pub(crate) fn done(&mut self, sequence: u64) -> (Done, String) {
        let frame = self.jobs.hear();
        assert_eq!((frame.kind, frame.sequence, frame.end), (Kind::Done, sequence, true));
        let output = String::from_utf8(frame.payload.bytes.to_vec()).expect("text");
        (Done::checked(&frame).expect("an end"), output)
    }

    /// How it ends by itself, and whether it had said nothing more on jobs.
    pub(crate) fn ended(mut self) -> (Output, bool) {
        let status = self.awaited();
        let mut stderr = Vec::new();
        let pipe = self.child.take().and_then(|child| child.stderr);
        pipe.expect("a pipe").read_to_end(&mut stderr).expect("standard error");
        let (other, _) = Line::pair();
        let was_silent = std::mem::replace(&mut self.jobs, other).says_no_more();
        (Output { status, stdout: Vec::new(), stderr }, was_silent)
    }

    /// The coordinator dies. A child of the worker's may hold its standard error open, so nobody reads that.
    pub(crate) fn abandon(mut self) -> ExitStatus {
        // The last owners of the coordinator's ends.
        (self.jobs, _) = Line::pair();
        (self.control, _) = Line::pair();
        self.awaited()
    }

    fn awaited(&mut self) -> ExitStatus {
        let start = Instant::now();
        let child = self.child.as_mut().expect("a worker");
        loop {
            if let Some(status) = child.try_wait().expect("a child") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the worker goes on");
            // sleep: the pause between two questions.
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Preamble and `Welcome`.
pub(crate) fn opening(owned: bool) -> Vec<u8> {
    let welcome = Welcome {
        mode: Mode::Jobs,
        owned,
        worker: "mean-1".into(),
        pool: "mean".into(),
        job: None,
        max_payload: 1 << 20,
        page: false,
        template: false,
        arenas: false,
    };
    let welcome = json_frame(Kind::Welcome, &welcome).expect("a welcome");
    [&Preamble::ours().to_bytes()[..], &welcome.to_bytes()].concat()
}
