//! A coordinator played by hand, so that it can break off where a real one would not.

use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::{Hello, Mode, Welcome};
use procpool_protocol::message::{Done, Job, Status, json_frame, json_of};
use procpool_protocol::preamble::Preamble;
use procpool_protocol::{Encoding, Payload};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

pub(crate) const SIGKILL: Option<i32> = Some(9);

/// Turns a hang into a failure; no test waits for it.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// Standard input and output become the descriptors that a worker is born with, and it has the standard
/// ones that a coordinator gives it. No other process ever has these sockets.
const BIRTH: &str = "exec \"$0\" 3<&0 4<&1 </dev/null >&2";

/// A worker process that was told `first`, and both of its connections.
pub(crate) fn born(first: &[u8], command: impl FnOnce(&mut Command)) -> (Child, Wire, Wire) {
    let (mut jobs, its_jobs) = Wire::pair();
    let (control, its_control) = Wire::pair();
    // As a coordinator does it, before there is a worker.
    jobs.stream.write_all(first).unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", BIRTH, env!("CARGO_BIN_EXE_procpool-fib")]);
    shell.stdin(OwnedFd::from(its_jobs)).stdout(OwnedFd::from(its_control)).stderr(Stdio::piped());
    command(&mut shell);
    (shell.spawn().unwrap(), jobs, control)
}

/// How a worker ends that is told this first, and then nothing more.
pub(crate) fn outcome(first: &[u8]) -> Output {
    let (child, jobs, _control) = born(first, |_| {});
    jobs.stream.shutdown(std::net::Shutdown::Write).unwrap();
    child.wait_with_output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Returns the first bytes of a coordinator on the jobs connection.
pub(crate) fn opening(frame: &Frame) -> Vec<u8> {
    [&Preamble::ours().to_bytes()[..], &frame.to_bytes()].concat()
}

/// One connection.
pub(crate) struct Wire {
    pub(crate) stream: UnixStream,
    decoder: Decoder,
}

impl Wire {
    fn pair() -> (Self, UnixStream) {
        let (stream, its) = UnixStream::pair().unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        (Self { stream, decoder: Decoder::new() }, its)
    }

    fn hello(&mut self) -> Hello {
        while self.decoder.poll_preamble().unwrap().is_none() {
            feed(&self.stream, &mut self.decoder);
        }
        json_of(&self.next()).unwrap()
    }

    pub(crate) fn send(&mut self, frame: &Frame) {
        self.stream.write_all(&frame.to_bytes()).unwrap();
    }

    pub(crate) fn next(&mut self) -> Frame {
        next(&self.stream, &mut self.decoder)
    }
}

fn next(stream: &UnixStream, decoder: &mut Decoder) -> Frame {
    loop {
        if let Some(frame) = decoder.poll_frame().unwrap() {
            return frame;
        }
        feed(stream, decoder);
    }
}

fn feed(mut stream: &UnixStream, decoder: &mut Decoder) {
    let mut bytes = [0; 4096];
    let length = loop {
        match stream.read(&mut bytes) {
            // The end of another test's child.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => break read.unwrap(),
        }
    };
    assert_ne!(length, 0, "the worker closed the connection");
    decoder.feed(&bytes[..length]);
}

/// A ready worker, killed at the latest when the test ends.
pub(crate) struct Fib {
    pub(crate) child: Child,
    pub(crate) jobs: Wire,
    pub(crate) control: Wire,
}

impl Fib {
    /// A worker that leads a process group of its own, which is the coordinator's if it is `owned`.
    pub(crate) fn hire(owned: bool) -> Self {
        Self::hire_with(owned, Stdio::piped())
    }

    pub(crate) fn hire_with(owned: bool, stderr: Stdio) -> Self {
        let welcome = Welcome {
            mode: Mode::Jobs,
            owned,
            worker: "fib-1".into(),
            pool: "fib".into(),
            job: Some("fib".into()),
            max_payload: 1 << 20,
            page: false,
            template: false,
            arenas: false,
        };
        let first = opening(&json_frame(Kind::Welcome, &welcome).unwrap());
        let (child, mut jobs, control) = born(&first, |shell| {
            shell.process_group(0).stderr(stderr);
        });
        assert_eq!(jobs.hello().job, "fib");
        assert_eq!(jobs.next().kind, Kind::Ready);
        Self { child, jobs, control }
    }

    pub(crate) fn give(&mut self, sequence: u64, n: u64) {
        let reply = Encoding::Json.into();
        let job =
            Job { id: [1; 16], attempt: 1, remaining_nanos: None, reply, credit: None, extras: Vec::new() };
        self.jobs.send(&job.to_frame(sequence).unwrap().with_payload(Payload::json(n.to_string())));
    }

    pub(crate) fn done(&mut self) -> (Status, Payload) {
        let frame = self.jobs.next();
        (Done::from_frame(&frame).unwrap().status, frame.payload)
    }
}

impl Drop for Fib {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Another process in the worker's process group, which echoes lines for as long as it lives.
pub(crate) struct Companion {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl Companion {
    pub(crate) fn of(fib: &Fib) -> Self {
        let mut cat = Command::new("cat");
        cat.process_group(i32::try_from(fib.child.id()).unwrap());
        let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    /// Whether it still answers. One that was sent a SIGKILL before does not.
    pub(crate) fn answers(&mut self) -> bool {
        // Writing fails where it is dead already.
        let _ = self.stdin.write_all(b"?");
        self.stdout.read(&mut [0]).unwrap() == 1
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
