//! What goes wrong between a worker's first instruction and its being ready.
#![allow(clippy::print_stderr)] // what it prints is what the test reads

use crate::wire::{Wire, greeting};
use crate::{Deed, hang, kin};
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::Connection;
use procpool_protocol::preamble::Preamble;
use std::io::{self, Read};

/// Both connections of a worker that said it was ready.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) jobs: Wire,
    pub(crate) control: Wire,
}

/// Starts by the book, unless that is where the wrong is to be done.
pub(crate) fn start(deed: &Deed) -> io::Result<Worker> {
    let mut token = String::new();
    io::stdin().read_line(&mut token)?;
    let token = token.trim();
    do_wrong(deed, token)?;
    let mut jobs = Wire::connect(Connection::Jobs, token, Preamble::ours())?;
    let mut control = Wire::connect(Connection::Control, token, Preamble::ours())?;
    deed.die_at("hello");
    for welcomed in [&mut jobs, &mut control] {
        welcomed.preamble()?;
        welcomed.frame()?;
    }
    deed.die_at("welcome");
    jobs.send(&Frame::new(Kind::Ready, 0, "").to_bytes())?;
    deed.die_at("ready");
    Ok(Worker { jobs, control })
}

fn do_wrong(deed: &Deed, token: &str) -> io::Result<()> {
    match deed.to_string().as_str() {
        // Never connects.
        "silent" => hang(),
        "exit" => std::process::exit(3),
        // Connects, and never says hello.
        "mute" => {
            let _mute = Wire::open()?;
            hang()
        }
        "garbage_for_hello" => {
            let mut wire = Wire::open()?;
            wire.send(&[0xa5; 64])?;
            told_off(wire)
        }
        // A hello that arrives so slowly that it never will.
        "dribbled_hello" => {
            let mut wire = Wire::open()?;
            for byte in greeting(Connection::Jobs, token, Preamble::ours())? {
                wire.send(&[byte])?;
                // sleep: slower than any coordinator's patience with a greeting of this length.
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
            hang()
        }
        "wrong_token" => told_off(Wire::connect(Connection::Jobs, &"0".repeat(32), Preamble::ours())?),
        "wrong_version" => {
            let future = Preamble { lowest: 99, highest: 99, features: 0 };
            told_off(Wire::connect(Connection::Jobs, token, future)?)
        }
        "lend_token" => {
            let _heir = kin::lend(token, "heir=borrow_token")?;
            hang()
        }
        "bequeath_token" => {
            kin::see_off(&kin::lend(token, "heir=borrow_token_late")?)?;
            std::process::exit(3)
        }
        "one_connection" => {
            let _jobs = Wire::connect(Connection::Jobs, token, Preamble::ours())?;
            hang()
        }
        "same_connection_twice" => {
            let _jobs = Wire::connect(Connection::Jobs, token, Preamble::ours())?;
            told_off(Wire::connect(Connection::Jobs, token, Preamble::ours())?)
        }
        _ => Ok(()),
    }
}

/// Prints what the coordinator says and waits for its end of file, then exits.
pub(crate) fn told_off(mut wire: Wire) -> io::Result<()> {
    let mut answer = Vec::new();
    wire.stream.read_to_end(&mut answer)?;
    eprintln!("told: {}", String::from_utf8_lossy(&answer));
    std::process::exit(4)
}
