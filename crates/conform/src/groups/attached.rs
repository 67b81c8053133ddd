//! Workers that attach to a pool's socket, for those that take `--attach SOCKET` as the Rust SDK does.

use super::saved::Scratch;
use crate::check::{Check, Checked, Group, ensure, skip, wrong};
use crate::frame::Out;
use crate::lab::Lab;
use crate::line::Line;
use crate::os::process::{End, Process, is_readable};
use crate::output::Output;
use crate::worker::{Inheritance, Terms, Worker};
use crate::{PATIENCE, START, strict};
use procpool_protocol::frame::Kind;
use procpool_protocol::preamble::Preamble;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

pub(super) const GROUP: Group = Group {
    name: "attached",
    checks: &[
        Check::new(
            "attach",
            "A worker that attaches opens two connections with preamble and Attach, and then serves.",
            &["attached-workers"],
            attach,
        ),
        Check::new(
            "attach-refused",
            "A worker that is refused where it attaches prints the detail to standard error, and exits.",
            &["attached-workers", "handshake"],
            attach_refused,
        ),
        Check::new(
            "attached-end-of-control",
            "An attached worker ends at the end of file on control.",
            &["attached-workers", "shutdown-and-end-of-file"],
            attached_end_of_control,
        ),
    ],
};

const TOKEN: &str = "000102030405060708090a0b0c0d0e0f";

/// Maximum length of the name that an attached worker gives itself, in bytes.
const MAX_PROCESS: usize = 64;

/// Returns a worker that has introduced both its connections. Skips the check if it does not attach.
fn attaching(lab: &Lab<'_>) -> Checked<Worker> {
    let socket = Scratch::unused();
    let listener = UnixListener::bind(socket.path())?;
    let _token = Scratch::at(socket.path().with_extension("token"), format!("{TOKEN}\n").as_bytes())?;
    let null = File::open("/dev/null")?;
    let ((out, its_out), (err, its_err)) = (std::io::pipe()?, std::io::pipe()?);
    let args = [OsString::from("--attach"), socket.path().into()];
    let command: Vec<_> = lab.command().iter().cloned().chain(args).collect();
    let descriptors = [null.as_fd(), its_out.as_fd(), its_err.as_fd()];
    let mut process = match Process::start(&command, &descriptors) {
        Ok(process) => process,
        Err(error) => return wrong(format!("failed to start {}: {error}", command[0].display())),
    };
    drop((its_out, its_err));
    let (stdout, stderr) = (Output::drain(out)?, Output::drain(err)?);
    let first = introduced(&listener, &mut process)?;
    let second = introduced(&listener, &mut process)?;
    let ((first, its), (second, other)) = (first, second);
    ensure(its["process"] == other["process"], || {
        format!("the two connections are of {} and {}", its["process"], other["process"])
    })?;
    let (jobs, control) = match [its["connection"].as_str(), other["connection"].as_str()] {
        [Some("jobs"), Some("control")] => (first, second),
        [Some("control"), Some("jobs")] => (second, first),
        roles => return wrong(format!("expected the connections jobs and control, got {roles:?}")),
    };
    let inheritance = Inheritance::default();
    Ok(Worker { process, jobs, control, stdout, stderr, inheritance, sockets: [0; 2], sequence: 0 })
}

/// Accepts a connection, and reads its preamble and `Attach`.
fn introduced(listener: &UnixListener, process: &mut Process) -> Checked<(Line, Value)> {
    let until = Instant::now() + START;
    while !is_readable(listener.as_fd(), Duration::from_millis(20))? {
        if let Some(end) = process.end_within(Duration::ZERO)? {
            return skip(format!("it does not attach with --attach SOCKET, but ends with {end}"));
        }
        ensure(Instant::now() < until, || "the worker does not attach in time".into())?;
    }
    let mut line = Line::over("the connection", listener.accept()?.0)?;
    line.preamble()?;
    let Some(frame) = line.frame(PATIENCE)? else {
        return wrong("expected Attach, and the connection ended");
    };
    let is_right = frame.kind == Kind::Attach && frame.sequence() == 0 && frame.payload.is_empty();
    ensure(is_right, || format!("expected Attach, got {frame}"))?;
    let attach = strict::json(&frame)?;
    ensure(attach["token"] == TOKEN, || "Attach does not have the token of the token file".into())?;
    let is_name = attach["process"].as_str().is_some_and(|name| (1..=MAX_PROCESS).contains(&name.len()));
    ensure(is_name, || format!("`process` is no text of 1 to {MAX_PROCESS} bytes: {attach}"))?;
    Ok((line, attach))
}

/// Returns a worker that has attached and is ready.
fn ready(lab: &Lab<'_>) -> Checked<Worker> {
    let mut worker = attaching(lab)?;
    worker.jobs.send(&lab.opening(&Terms { owned: false, ..Terms::default() }))?;
    // There is no second preamble.
    worker.hello_frame()?;
    worker.ready()?;
    Ok(worker)
}

fn attach(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab)?;
    worker.control.say(&Out::of(Kind::Ping, u64::MAX))?;
    let pong = worker.hear_control("Pong")?;
    let is_right = pong.kind == Kind::Pong && pong.sequence() == u64::MAX;
    ensure(is_right, || format!("expected Pong, which an attached worker must send, got {pong}"))?;
    if let Ok(input) = lab.any_job() {
        worker.ask_ok(&input)?;
    }
    worker.control.say(&Out::of(Kind::Shutdown, 0))?;
    worker.end_well("Shutdown")
}

const DETAIL: &str = "the kit has no place for this worker";

fn attach_refused(lab: &Lab<'_>) -> Checked {
    let mut worker = attaching(lab)?;
    let refused = json!({"reason": "token", "detail": DETAIL}).to_string();
    let refused = Out::of(Kind::Refused, 0).message(refused).bytes();
    let refused = [&Preamble::ours().to_bytes()[..], &refused].concat();
    for line in [&mut worker.jobs, &mut worker.control] {
        line.try_send(&refused);
        line.close();
    }
    let end = worker.end("Refused")?;
    ensure(end != End::Code(0), || "expected a failure after Refused, got exit code 0".into())?;
    let is_told = worker.stderr.has(DETAIL, PATIENCE);
    ensure(is_told, || "expected the detail on standard error, and it is not there".into())
}

fn attached_end_of_control(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab)?;
    worker.control.close();
    worker.end("the end of file on control").map(drop)
}
