//! Misbehaviour between a worker's first instruction and its being ready.

use crate::wire::{Wire, greeting, hello};
use crate::{Deed, hang, kin};
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::log::{LogLevel, LogRecord};
use procpool_protocol::message::failure_frame;
use procpool_protocol::preamble::Preamble;
use procpool_protocol::{Failure, Payload};
use std::io;
use std::net::Shutdown;

/// Both connections of a worker that said it was ready.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) jobs: Wire,
    pub(crate) control: Wire,
    /// The data that it was given at its start.
    pub(crate) data: Payload,
}

/// Starts by the book, unless the start is where it misbehaves.
pub(crate) fn start(deed: &Deed) -> io::Result<Worker> {
    match deed.to_string().as_str() {
        // Leaves its connections alone.
        "silent" => hang(),
        "exit" => std::process::exit(3),
        _ => {}
    }
    let born = procpool_birth::claim().ok_or_else(|| io::Error::other("not spawned by a coordinator"))?;
    let (jobs, control) = (Wire::new(born.jobs), Wire::new(born.control));
    let mut worker = Worker { jobs, control, data: Payload::none() };
    do_wrong(deed, &mut worker)?;
    let jobs = &mut worker.jobs;
    jobs.send(&greeting(Preamble::ours())?)?;
    deed.die_at("hello");
    jobs.preamble()?;
    worker.data = jobs.frame()?.payload;
    deed.die_at("welcome");
    if deed.is("log_at_start") {
        let record =
            LogRecord { level: LogLevel::Warn, message: "loading".into(), target: Some("model".into()) };
        jobs.send(&record.into_frame(0).map_err(io::Error::other)?.to_bytes())?;
    }
    jobs.send(&ready())?;
    deed.die_at("ready");
    Ok(worker)
}

fn do_wrong(deed: &Deed, Worker { jobs, control, .. }: &mut Worker) -> io::Result<()> {
    let preamble = Preamble::ours().to_bytes();
    match deed.to_string().as_str() {
        // Listens, and never says hello.
        "mute" => {
            jobs.preamble()?;
            jobs.frame()?;
        }
        "garbage_for_hello" => jobs.send(&[0xa5; 64])?,
        // A hello that arrives so slowly that it never will.
        "dribbled_hello" => {
            for byte in greeting(Preamble::ours())? {
                jobs.send(&[byte])?;
                // sleep: slower than any coordinator's patience with a greeting of this length.
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
        }
        "wrong_version" => jobs.send(&greeting(Preamble { lowest: 99, highest: 99, features: 0 })?)?,
        "old_version" => jobs.send(&greeting(Preamble { lowest: 1, highest: 1, features: 0 })?)?,
        "hello_twice" => jobs.send(&[greeting(Preamble::ours())?, hello()?].concat())?,
        "hello_on_control" => control.send(&hello()?)?,
        "greeting_on_control" => control.send(&greeting(Preamble::ours())?)?,
        "ready_without_hello" => jobs.send(&[&preamble[..], &ready()].concat())?,
        "start_failed" => {
            let failure = Failure::new("the model is not there").with_code("model");
            let failed = failure_frame(Kind::StartFailed, &failure).map_err(io::Error::other)?;
            jobs.send(&[&preamble[..], &failed.to_bytes()].concat())?;
        }
        "close_jobs" => jobs.stream.shutdown(Shutdown::Both)?,
        "close_control" => control.stream.shutdown(Shutdown::Both)?,
        // Exits, while a process that it has started holds both connections open.
        "bequeath" => {
            kin::share([jobs, control], "heir=emigrate")?;
            std::process::exit(3)
        }
        _ => return Ok(()),
    }
    hang()
}

fn ready() -> Vec<u8> {
    Frame::new(Kind::Ready, 0, "").to_bytes().to_vec()
}
