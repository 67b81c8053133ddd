//! A worker that can receive no descriptors, as a script's: its arenas are descriptors 6 and 7, which it was born with, and
//! which it reads and writes by system call. It speaks the protocol by itself.

use procpool_protocol::arena::{Direction, MIN_SHARED, Place, Share, Shared, TakesArenas};
use procpool_protocol::birth::{INPUT_FD, OUTPUT_FD};
use procpool_protocol::decoder::Decoder;
use procpool_protocol::encodings::Encodings;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::{Hello, Mode, Welcome};
use procpool_protocol::message::{Done, Status, json_frame, json_of};
use procpool_protocol::preamble::Preamble;
use procpool_protocol::{Encoding, Payload};
use procpool_tests::large::{ECHO, FILL, WHERE};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// One connection.
struct Line {
    stream: UnixStream,
    decoder: Decoder,
}

/// Number and length of the output arena, once there is one.
type Arena = Arc<Mutex<Option<(u64, u64)>>>;

/// The jobs' side of it.
struct Worker {
    input: File,
    output: File,
    arena: Arena,
    is_unread: bool,
    /// Payloads that lay in arenas.
    inputs: u32,
    outputs: u32,
}

fn main() -> io::Result<()> {
    let connections =
        procpool_birth::claim().ok_or_else(|| io::Error::other("nobody spawned this process"))?;
    let mut jobs = Line { stream: connections.jobs, decoder: Decoder::new() };
    let control = Line { stream: connections.control, decoder: Decoder::new() };
    jobs.fill()?;
    jobs.decoder.poll_preamble().map_err(io::Error::other)?;
    let welcome: Welcome =
        jobs.next()?.and_then(|frame| json_of(&frame).ok()).ok_or(io::ErrorKind::InvalidData)?;
    if !welcome.arenas {
        return Err(io::Error::other("the welcome tells of no arenas"));
    }
    let take = |number| procpool_birth::take(number).map(File::from).ok_or(io::ErrorKind::NotFound);
    let (input, output) = (take(INPUT_FD)?, take(OUTPUT_FD)?);
    jobs.stream.write_all(&Preamble::ours().to_bytes())?;
    jobs.say(&json_frame(Kind::Hello, &hello()).map_err(io::Error::other)?)?;
    jobs.say(&Frame::new(Kind::Ready, 0, ""))?;
    let arena = Arena::default();
    let theirs = arena.clone();
    thread::spawn(move || {
        let end = listen(control, &theirs);
        std::process::exit(i32::from(end.is_err()));
    });
    let mut worker = Worker { input, output, arena, is_unread: false, inputs: 0, outputs: 0 };
    while let Some(frame) = jobs.next()? {
        let answer = worker.perform(&frame)?;
        jobs.say(&answer)?;
    }
    Ok(())
}

fn hello() -> Hello {
    Hello {
        job: "large".into(),
        contract: 1,
        schema_hash: None,
        modes: vec![Mode::Jobs],
        sdk: "born".into(),
        build: None,
        page: false,
        forks: false,
        batches: false,
        arenas: Some(TakesArenas::Born),
        encodings: Encodings::ALL,
        concurrency: 1,
    }
}

/// Answers what is said on the control connection, until its end.
fn listen(mut control: Line, arena: &Arena) -> io::Result<()> {
    while let Some(frame) = control.next()? {
        let mut answer = match frame.kind {
            Kind::Ping => Frame::new(Kind::Pong, 0, ""),
            Kind::Share => {
                let share: Share = json_of(&frame).map_err(io::Error::other)?;
                if share.direction == Direction::Output {
                    let found = share.length.map(|length| (frame.sequence, length));
                    *arena.lock().unwrap_or_else(PoisonError::into_inner) = found;
                }
                let accepted = share.born || share.length.is_none();
                json_frame(Kind::Shared, &Shared { accepted }).map_err(io::Error::other)?
            }
            Kind::Shutdown => return Ok(()),
            _ => continue,
        };
        answer.sequence = frame.sequence;
        control.say(&answer)?;
    }
    Ok(())
}

impl Worker {
    fn perform(&mut self, frame: &Frame) -> io::Result<Frame> {
        self.is_unread &= !frame.taken;
        let mut input = frame.payload.bytes.to_vec();
        if let Some(place) = frame.place {
            input = vec![0; usize::try_from(place.length).map_err(io::Error::other)?];
            self.input.read_exact_at(&mut input, place.offset)?;
            self.inputs += 1;
        }
        let output = match input[0] {
            ECHO => input,
            FILL => vec![input[1]; input.len()],
            WHERE => format!("{} inputs, {} outputs", self.inputs, self.outputs).into_bytes(),
            other => return Err(io::Error::other(format!("this worker does not know {other}"))),
        };
        let done = Done { status: Status::Ok, run_nanos: 0, extras: Vec::new() };
        let payload = Payload::new(Encoding::Bytes, output);
        let answer = done.into_frame(frame.sequence, payload).map_err(io::Error::other)?;
        self.leave(answer)
    }

    /// Leaves a large output in the arena, if that is free.
    fn leave(&mut self, answer: Frame) -> io::Result<Frame> {
        let length = answer.payload.bytes.len();
        let arena = *self.arena.lock().unwrap_or_else(PoisonError::into_inner);
        match arena {
            Some((number, most)) if length >= MIN_SHARED && length as u64 <= most && !self.is_unread => {
                self.output.write_all_at(&answer.payload.bytes, 0)?;
                self.is_unread = true;
                self.outputs += 1;
                Ok(answer.referring_to(Place { arena: number, offset: 0, length: length as u64 }))
            }
            _ => Ok(answer),
        }
    }
}

impl Line {
    fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.decoder.poll_frame().map_err(io::Error::other)? {
                return Ok(Some(frame));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn fill(&mut self) -> io::Result<bool> {
        let mut landing = [0; 64 * 1024];
        let length = self.stream.read(&mut landing)?;
        self.decoder.feed(&landing[..length]);
        Ok(length > 0)
    }

    fn say(&mut self, frame: &Frame) -> io::Result<()> {
        self.stream.write_all(&frame.to_bytes())
    }
}
