//! Misbehaviour with a job: answers that are none, that come twice, late, broken or without end.

use crate::start::Worker;
use crate::wire::{Wire, answer, done, from_hex, header};
use crate::{Deed, die, hang, kin};
use procpool_protocol::arena::{Place, Shared};
use procpool_protocol::extras::Extra;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::log::{LogLevel, LogRecord};
use procpool_protocol::message::{Done, Job, Progress, Status, json_frame};
use procpool_protocol::{Encoding, Payload};
use std::io::{self, ErrorKind, Read};

/// Takes one job after another, and does wrong with the first that it can do wrong with.
pub(crate) fn serve(deed: &Deed, mut worker: Worker) -> io::Result<()> {
    if deed.is("deaf") {
        hang();
    }
    if deed.value("die_at") == Some("half_read") {
        worker.jobs.stream.read_exact(&mut [0; 64 * 1024])?;
        die();
    }
    loop {
        match worker.jobs.frame() {
            Ok(job) => take(deed, &mut worker, &job)?,
            // Nothing more to do.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn take(deed: &Deed, worker: &mut Worker, job: &Frame) -> io::Result<()> {
    deed.die_at("read");
    let good = done(job.sequence, "done")?;
    let half = good.len() / 2;
    let Worker { jobs, control, data } = worker;
    match deed.to_string().as_str() {
        "nothing" | "log_at_start" => return jobs.send(&good),
        "describe_twice" => {
            let description = r#"{"job":"verbs","contract":1,"modes":["jobs"],"sdk":"misbehave","input":{"type":"string"}}"#;
            let frame = Frame::new(Kind::Description, 0, description).to_bytes();
            // The first answers the coordinator's question.
            control.send(&[&frame[..], &frame].concat())?;
        }
        "log_badly" => {
            jobs.send(
                &Frame::new(Kind::Log, job.sequence, r#"{"level":"loud","message":"hey"}"#).to_bytes(),
            )?;
        }
        "log_of_another_job" => {
            let record = LogRecord { level: LogLevel::Warn, message: "late".into(), target: None };
            let frame = record.into_frame(job.sequence + 7).map_err(io::Error::other)?;
            return jobs.send(&[frame.to_bytes().to_vec(), good].concat());
        }
        "garbage" => jobs.send(&[0xa5; 64])?,
        "oversize" => jobs.send(&header(u32::MAX, Kind::Done as u16))?,
        // In a pool with a max_payload of 1 MiB.
        "long_output" => jobs.send(&answer(job.sequence, Payload::raw(vec![7; (1 << 20) + 1]))?)?,
        "unknown_kind" => jobs.send(&header(0, 0x7777))?,
        "wrong_id" => jobs.send(&done(job.sequence + 1, "done")?)?,
        "twice" => jobs.send(&[good.clone(), good].concat())?,
        // The first answer once more instead of the second.
        "old_id" => return jobs.send(&done(1, "done")?),
        "wrong_connection" => jobs.send(&Frame::new(Kind::Pong, 0, "").to_bytes())?,
        "half" => {
            jobs.send(&good[..half])?;
            std::process::exit(0);
        }
        "half_and_no_more" => jobs.send(&good[..half])?,
        "die_at=half_result" => {
            jobs.send(&good[..half])?;
            die();
        }
        "die_at=result" => {
            jobs.send(&good)?;
            die();
        }
        "reply_then_die" => {
            jobs.send(&good)?;
            std::process::abort();
        }
        "dribble" => {
            for byte in good {
                jobs.send(&[byte])?;
            }
            return Ok(());
        }
        "dribble_slowly" => dribble_slowly(jobs, job.sequence)?,
        "refer_to_nowhere" => jobs.send(&referring(job.sequence)?)?,
        "accept_what_was_not_offered" => {
            let mut frame = json_frame(Kind::Shared, &Shared { accepted: true }).map_err(io::Error::other)?;
            frame.sequence = 7;
            control.send(&frame.to_bytes())?;
        }
        "after_the_cancel" => {
            while control.frame()?.kind != Kind::Cancel {}
            return jobs.send(&good);
        }
        "hang_up" => jobs.stream.shutdown(std::net::Shutdown::Both)?,
        "reply_then_close_control" => {
            jobs.send(&good)?;
            control.stream.shutdown(std::net::Shutdown::Both)?;
        }
        "flood" => {
            let many = progress(job.sequence)?.repeat(1000);
            // Until the coordinator has had enough.
            while jobs.send(&many).is_ok() {}
        }
        // The first job is answered with the heir's process id. The second is only begun.
        "inheritance" if job.sequence == 1 => {
            let heir = kin::share([jobs, control], "heir=stay")?;
            return jobs.send(&done(job.sequence, &heir.to_string())?);
        }
        "inheritance_abroad" if job.sequence == 1 => {
            let heir = kin::share([jobs, control], "heir=emigrate")?;
            return jobs.send(&done(job.sequence, &heir.to_string())?);
        }
        "inheritance" | "inheritance_abroad" => jobs.send(&progress(job.sequence)?)?,
        _ if deed.value("batch").is_some() => return jobs.send(&of_batch(deed, job)?),
        other => match (deed.value("output"), deed.value("header"), deed.value("extra")) {
            (Some(hex), ..) => return jobs.send(&output(job.sequence, hex)?),
            (_, Some(hex), _) => {
                jobs.send(&Frame::new(Kind::Done, job.sequence, from_hex(hex)?).to_bytes())?;
            }
            (.., Some(extra)) => return jobs.send(&with_extra(job.sequence, extra)?),
            _ if deed.value("encodings").is_some() => return jobs.send(&as_it_came(job, data)?),
            _ => return Err(io::Error::other(format!("misbehave does not know `{other}`"))),
        },
    }
    hang()
}

/// Returns an answer whose output is these bytes, whatever they decode to.
fn output(sequence: u64, hex: &str) -> io::Result<Vec<u8>> {
    let payload = Payload::new(Encoding::Bincode, from_hex(hex)?);
    answer(sequence, payload)
}

/// Returns the answer to a batch: these bytes. Of all jobs that this worker is given, only batches are raw bytes.
fn of_batch(deed: &Deed, job: &Frame) -> io::Result<Vec<u8>> {
    match job.payload.encoding {
        Encoding::Bytes => {
            let answers = from_hex(deed.value("batch").unwrap_or_default())?;
            answer(job.sequence, Payload::raw(answers))
        }
        _ => done(job.sequence, "done"),
    }
}

/// Returns an answer that tells input, reply and worker data as they came, as JSON: what a worker of another
/// language writes.
fn as_it_came(job: &Frame, data: &Payload) -> io::Result<Vec<u8>> {
    let header = Job::checked(job).map_err(io::Error::other)?;
    let reply = header.reply_encoding().unwrap_or_default().name();
    let told = |payload: &Payload| {
        format!("{} {}", payload.encoding.name(), String::from_utf8_lossy(&payload.bytes))
    };
    let text = format!("{}; reply as {reply}; worker data: {}", told(&job.payload), told(data));
    answer(job.sequence, Payload::json(serde_json::to_vec(&text).map_err(io::Error::other)?))
}

/// Returns an answer of raw bytes with one extra: `TAG:VALUE`, the value as text.
fn with_extra(sequence: u64, extra: &str) -> io::Result<Vec<u8>> {
    let (tag, value) = extra.split_once(':').ok_or_else(|| io::Error::other("an extra is TAG:VALUE"))?;
    let extra = Extra { tag: tag.parse().map_err(io::Error::other)?, value: value.into() };
    let done = Done { status: Status::Ok, run_nanos: 1, extras: vec![extra] };
    let frame = done.into_frame(sequence, Payload::raw("raw")).map_err(io::Error::other)?;
    Ok(frame.to_bytes().to_vec())
}

/// Returns an answer whose output lies in an arena that nobody has made.
fn referring(sequence: u64) -> io::Result<Vec<u8>> {
    let done = Done { status: Status::Ok, run_nanos: 1, extras: Vec::new() };
    let frame = done.into_frame(sequence, Payload::raw("")).map_err(io::Error::other)?;
    Ok(frame.referring_to(Place { arena: 7, offset: 0, length: 1 << 20 }).to_bytes().to_vec())
}

/// Returns the news that a job has begun.
fn progress(sequence: u64) -> io::Result<Vec<u8>> {
    let frame = Progress { done: 1, total: None }.to_frame(sequence).map_err(io::Error::other)?;
    Ok(frame.to_bytes().to_vec())
}

/// Returns an answer that would take minutes to arrive.
fn dribble_slowly(jobs: &mut Wire, sequence: u64) -> io::Result<()> {
    for byte in done(sequence, &"x".repeat(10_000))? {
        jobs.send(&[byte])?;
        // sleep: what makes it slow.
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Ok(())
}
