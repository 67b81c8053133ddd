//! A coordinator played by hand, so that it can break off where a real one would not.

use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::{Connection, ENV_COORDINATOR, ENV_JOB, ENV_SOCKET, Hello, Mode, Welcome};
use procpool_protocol::message::{Done, Job, Status, json_frame, json_of};
use procpool_protocol::preamble::Preamble;
use procpool_protocol::{Encoding, Payload};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) const TOKEN: &[u8] = b"0123456789abcdef0123456789abcdef\n";
pub(crate) const SIGKILL: Option<i32> = Some(9);

/// Turns a hang into a failure; no test waits for it.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// A socket's place, removed at the end.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pp-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("s")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn command(socket: &Path, coordinator: u32) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procpool-fib"));
    command.env(ENV_SOCKET, socket).env(ENV_COORDINATOR, coordinator.to_string()).env(ENV_JOB, "fib");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Spawns, writes `stdin` and waits for the end.
pub(crate) fn outcome(mut command: Command, stdin: &[u8]) -> Output {
    let mut child = command.spawn().unwrap();
    // A worker that is gone already reads nothing.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// One accepted connection.
pub(crate) struct Wire {
    pub(crate) stream: UnixStream,
    decoder: Decoder,
    pub(crate) hello: Hello,
}

impl Wire {
    pub(crate) fn accept(listener: &UnixListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        let mut decoder = Decoder::new();
        while decoder.poll_preamble().unwrap().is_none() {
            feed(&stream, &mut decoder);
        }
        let hello = json_of(&next(&stream, &mut decoder)).unwrap();
        Self { stream, decoder, hello }
    }

    pub(crate) fn answer(&mut self, frame: &Frame) {
        self.stream.write_all(&[&Preamble::ours().to_bytes()[..], &frame.to_bytes()].concat()).unwrap();
    }

    pub(crate) fn send(&mut self, frame: &Frame) {
        self.stream.write_all(&frame.to_bytes()).unwrap();
    }

    pub(crate) fn next(&mut self) -> Frame {
        next(&self.stream, &mut self.decoder)
    }
}

pub(crate) fn next(stream: &UnixStream, decoder: &mut Decoder) -> Frame {
    loop {
        if let Some(frame) = decoder.poll_frame().unwrap() {
            return frame;
        }
        feed(stream, decoder);
    }
}

pub(crate) fn feed(mut stream: &UnixStream, decoder: &mut Decoder) {
    let mut bytes = [0; 4096];
    let length = stream.read(&mut bytes).unwrap();
    assert_ne!(length, 0, "the worker closed the connection");
    decoder.feed(&bytes[..length]);
}

/// A ready worker, killed at the latest when the test ends.
pub(crate) struct Fib {
    pub(crate) child: Child,
    pub(crate) jobs: Wire,
    pub(crate) control: Wire,
    _place: Place,
}

impl Fib {
    /// A worker that leads a process group of its own, which is the coordinator's if it is `owned`.
    pub(crate) fn hire(owned: bool) -> Self {
        Self::hire_with(owned, Stdio::piped())
    }

    pub(crate) fn hire_with(owned: bool, stdout: Stdio) -> Self {
        let place = Place::new();
        let listener = UnixListener::bind(place.socket()).unwrap();
        let mut command = command(&place.socket(), std::process::id());
        let mut child = command.process_group(0).stdout(stdout).spawn().unwrap();
        child.stdin.take().unwrap().write_all(TOKEN).unwrap();
        let (mut jobs, mut control) = (Wire::accept(&listener), Wire::accept(&listener));
        assert_eq!(
            (jobs.hello.connection, control.hello.connection),
            (Connection::Jobs, Connection::Control)
        );
        let welcome =
            Welcome { mode: Mode::Jobs, owned, worker: "fib-1".into(), max_payload: 1 << 20, page: None };
        for wire in [&mut jobs, &mut control] {
            assert_eq!((wire.hello.pid, wire.hello.job.as_str()), (child.id(), "fib"));
            wire.answer(&json_frame(Kind::Welcome, &welcome).unwrap());
        }
        assert_eq!(jobs.next().kind, Kind::Ready);
        Self { child, jobs, control, _place: place }
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
