//! A worker that breaks the protocol on command: raw frames, no SDK.
//!
//! The first argument is what to do wrong; see [`main`].
#![allow(clippy::print_stderr)] // what it prints is what the test reads

use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::{Frame, HEADER_LEN, Kind, RawHeader};
use procpool_protocol::handshake::{Connection, ENV_SOCKET, Hello, Mode};
use procpool_protocol::message::{Done, Progress, Status, json_frame};
use procpool_protocol::preamble::Preamble;
use procpool_protocol::{Encoding, Payload};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

fn main() -> io::Result<()> {
    let what = std::env::args().nth(1).unwrap_or_default();
    let mut token = String::new();
    io::stdin().read_line(&mut token)?;
    let token = token.trim();
    match what.as_str() {
        // Never connects.
        "silent" => for_ever(),
        "exit" => std::process::exit(3),
        "wrong_token" => told_off(&mut connect(Connection::Jobs, &"0".repeat(32), Preamble::ours())?),
        "wrong_version" => {
            let future = Preamble { lowest: 99, highest: 99, features: 0 };
            told_off(&mut connect(Connection::Jobs, token, future)?)
        }
        // The right token, by a process that is not the one it was given to.
        "lend_token" => {
            let lent = std::process::Command::new(std::env::current_exe()?)
                .arg("borrow_token")
                .stdin(std::process::Stdio::piped())
                .spawn()?;
            lent.stdin
                .as_ref()
                .map_or(Ok(()), |mut stdin| stdin.write_all(format!("{token}\n").as_bytes()))?;
            for_ever()
        }
        "borrow_token" => told_off(&mut connect(Connection::Jobs, token, Preamble::ours())?),
        "one_connection" => {
            let _jobs = connect(Connection::Jobs, token, Preamble::ours())?;
            for_ever()
        }
        "same_connection_twice" => {
            let _jobs = connect(Connection::Jobs, token, Preamble::ours())?;
            told_off(&mut connect(Connection::Jobs, token, Preamble::ours())?)
        }
        what => serve(what, token),
    }
}

/// A handshake by the book, then something wrong with the first job.
fn serve(what: &str, token: &str) -> io::Result<()> {
    let mut jobs = connect(Connection::Jobs, token, Preamble::ours())?;
    let control = connect(Connection::Control, token, Preamble::ours())?;
    let mut decoder = Decoder::new();
    while decoder.poll_preamble().map_err(io::Error::other)?.is_none() {
        fill(&mut jobs, &mut decoder)?;
    }
    read(&mut jobs, &mut decoder)?;
    jobs.write_all(&Frame::new(Kind::Ready, 0, "").to_bytes())?;
    if what == "deaf" {
        for_ever();
    }
    let job = read(&mut jobs, &mut decoder)?;
    let good = done(job.sequence)?;
    match what {
        "garbage" => jobs.write_all(&[0xa5; 64])?,
        "oversize" => jobs.write_all(&header(u32::MAX, Kind::Done as u16))?,
        "unknown_kind" => jobs.write_all(&header(0, 0x7777))?,
        "wrong_id" => jobs.write_all(&done(job.sequence + 1)?)?,
        "twice" => jobs.write_all(&[good.clone(), good].concat())?,
        "wrong_connection" => jobs.write_all(&Frame::new(Kind::Pong, 0, "").to_bytes())?,
        "half" => {
            jobs.write_all(&good[..good.len() / 2])?;
            return Ok(());
        }
        "reply_then_die" => {
            jobs.write_all(&good)?;
            std::process::abort();
        }
        "dribble" => {
            for byte in good {
                jobs.write_all(&[byte])?;
            }
        }
        "hang_up" => drop(jobs),
        "reply_then_close_control" => {
            jobs.write_all(&good)?;
            drop(control);
        }
        "flood" => {
            let progress =
                Progress { done: 1, total: None }.to_frame(job.sequence).map_err(io::Error::other)?;
            let many = progress.to_bytes().repeat(1000);
            // Until the coordinator has had enough.
            while jobs.write_all(&many).is_ok() {}
        }
        other => return Err(io::Error::other(format!("misbehave does not know `{other}`"))),
    }
    for_ever()
}

fn connect(connection: Connection, token: &str, preamble: Preamble) -> io::Result<UnixStream> {
    let socket =
        std::env::var_os(ENV_SOCKET).ok_or_else(|| io::Error::other("not spawned by a coordinator"))?;
    let mut stream = UnixStream::connect(socket)?;
    let hello = Hello {
        connection,
        token: token.into(),
        pid: std::process::id(),
        job: "verbs".into(),
        contract: 1,
        schema_hash: None,
        modes: vec![Mode::Jobs],
        sdk: "misbehave".into(),
        build: None,
    };
    let hello = json_frame(Kind::Hello, &hello).map_err(io::Error::other)?;
    stream.write_all(&[&preamble.to_bytes()[..], &hello.to_bytes()].concat())?;
    Ok(stream)
}

/// Prints what the coordinator says and waits for its end of file, then exits.
fn told_off(stream: &mut UnixStream) -> io::Result<()> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    eprintln!("told: {}", String::from_utf8_lossy(&answer));
    std::process::exit(4)
}

fn done(sequence: u64) -> io::Result<Vec<u8>> {
    let output = Payload::encode(&String::from("done"), Encoding::Bincode).map_err(io::Error::other)?;
    let done = Done { status: Status::Ok, run_nanos: 1 };
    Ok(done.into_frame(sequence, output).map_err(io::Error::other)?.to_bytes().to_vec())
}

fn header(payload_len: u32, kind: u16) -> [u8; HEADER_LEN] {
    RawHeader { header_len: 0, payload_len, kind, flags: 0, encoding: 0, reserved: [0; 3], sequence: 1 }
        .to_bytes()
}

fn read(stream: &mut UnixStream, decoder: &mut Decoder) -> io::Result<Frame> {
    loop {
        if let Some(frame) = decoder.poll_frame().map_err(io::Error::other)? {
            return Ok(frame);
        }
        fill(stream, decoder)?;
    }
}

fn fill(stream: &mut UnixStream, decoder: &mut Decoder) -> io::Result<()> {
    let mut bytes = [0; 4096];
    match stream.read(&mut bytes)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length => {
            decoder.feed(&bytes[..length]);
            Ok(())
        }
    }
}

fn for_ever() -> ! {
    loop {
        std::thread::park();
    }
}
