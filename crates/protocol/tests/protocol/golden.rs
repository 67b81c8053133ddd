//! The examples of `WIRE.md` as values: the code must write each of them, and read it back.

use procpool_protocol::batch;
use procpool_protocol::decoder::Decoder;
use procpool_protocol::extras::{ContentType, of_done};
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::message::{self, Credit, Done, Extra, Job, Progress, Status};
use procpool_protocol::preamble::Preamble;
use procpool_protocol::{Bytes, Encoding, Failure, Payload, bounded, codec};
use std::collections::BTreeMap;
use std::fmt::Debug;

fn job() -> Job {
    Job {
        id: std::array::from_fn(|index| u8::try_from(index).expect("16 bytes")),
        attempt: 1,
        remaining_nanos: Some(30_000_000_000),
        reply: 2,
        credit: Some(16),
        extras: Vec::new(),
    }
}

fn job_with_extra() -> Job {
    let traced = Extra { tag: 1, value: b"abc".to_vec() };
    Job { attempt: 2, remaining_nanos: None, reply: 1, credit: None, extras: vec![traced], ..job() }
}

/// Returns the blocks about `Done`, by their name.
fn endings() -> Vec<(&'static str, Done)> {
    let failed =
        Failure::new("n is 94").with_code("too_large").with_details(&serde_json::json!({"limit": 93}));
    let bad = Status::BadInput { message: "no".into() };
    let panicked = Status::Panicked { message: "boom".into(), location: Some("src/main.rs:7:5".into()) };
    let too_large = Status::TooLarge { size: 100_000_000, limit: 64 << 20 };
    let broke = Failure::new("no such key").with_code("KeyError");
    let ending = |name, status, run_nanos| (name, Done { status, run_nanos, extras: Vec::new() });
    vec![
        ending("done-ok", Status::Ok, 1500),
        ending("done-bad-input", bad, 0),
        ending("done-failed", Status::Failed(failed), 800),
        ending("done-panicked", panicked, 900),
        ending("done-cancelled", Status::Cancelled, 70_000),
        ending("done-too-large", too_large, 5_000_000_000),
        ending("done-broke", Status::Broke(broke), 600),
        ("done-with-extras", Done { status: Status::Ok, run_nanos: 1500, extras: done_extras() }),
    ]
}

fn done_extras() -> Vec<Extra> {
    let png = ContentType::new("image/png").expect("a content type");
    let (cpu, memory) = (of_done::CPU_TIME, of_done::PEAK_MEMORY);
    vec![Extra::from(&png), Extra::number(cpu, 1000), Extra::number(memory, 12 << 20)]
}

fn failure() -> Failure {
    Failure::new("nope").retryable()
}

/// Returns a value with a byte string that is sent separately.
fn framed() -> (u32, Bytes, String) {
    (64, vec![7; 256 * 1024].into(), "end".into())
}

fn in_two_parts() -> Payload {
    Payload::encode_apart(&framed(), Encoding::Bincode).expect("it encodes")
}

fn inputs() -> bytes::Bytes {
    let mut inputs = batch::Inputs::default();
    inputs.push(b"7");
    inputs.push(b"40");
    inputs.into()
}

const ANSWERS: [fn() -> (Status, Payload); 2] =
    [|| (Status::Ok, Payload::json("13")), || (Status::Failed(failure()), Payload::none())];

fn answers() -> Payload {
    let mut answers = batch::Answers::default();
    for (status, output) in ANSWERS.map(|answer| answer()) {
        answers.push(status, &output).expect("a short status");
    }
    answers.into()
}

const PROGRESS: [(&str, Progress); 2] = [
    ("progress", Progress { done: 3, total: Some(10) }),
    ("progress-of-unknown-total", Progress { done: 251, total: None }),
];

type Varints = (u64, u64, u64, u64, u64, u64, u64, u64);
const VARINTS: Varints = (0, 250, 251, 65_535, 65_536, 4_294_967_295, 4_294_967_296, u64::MAX);

fn whole_frames() -> Vec<(&'static str, Frame)> {
    let done = Done { status: Status::Ok, run_nanos: 1500, extras: Vec::new() };
    let with_input = job().to_frame(1).expect("a job").with_payload(Payload::json("40"));
    let with_output = done.into_frame(1, Payload::json("102334155")).expect("an end");
    vec![
        ("frame-job", with_input),
        ("frame-done", with_output),
        ("frame-ready", Frame::new(Kind::Ready, 0, "")),
        ("frame-cancel", Frame::new(Kind::Cancel, 1, "")),
        ("frame-ping", Frame::new(Kind::Ping, 7, "")),
        ("frame-pong", Frame::new(Kind::Pong, 7, "")),
        ("frame-shutdown", Frame::new(Kind::Shutdown, 0, "")),
    ]
}

/// Returns every block's bytes as the code writes them, by the block's name.
pub(crate) fn examples() -> BTreeMap<&'static str, Vec<u8>> {
    let header = |frame: Frame| frame.header.to_vec();
    let mut all = BTreeMap::from([
        ("preamble", Preamble::ours().to_bytes().to_vec()),
        ("varints", codec::encode_header(&VARINTS).expect("varints").to_vec()),
        ("job", header(job().to_frame(1).expect("a job"))),
        ("job-with-extra", header(job_with_extra().to_frame(1).expect("a job"))),
        ("failure", header(message::failure_frame(Kind::StartFailed, &failure()).expect("a failure"))),
        ("rest", in_two_parts().rest().expect("a rest").to_vec()),
        ("credit", header(Credit { chunks: 8 }.to_frame(1).expect("credit"))),
        ("batch-inputs", inputs().to_vec()),
        ("batch-answers", answers().bytes.to_vec()),
    ]);
    all.extend(PROGRESS.map(|(name, progress)| (name, header(progress.to_frame(1).expect("progress")))));
    all.extend(endings().into_iter().map(|(name, done)| {
        let frame = done.into_frame(1, Payload::none()).expect("an end");
        (name, header(frame))
    }));
    all.extend(whole_frames().into_iter().map(|(name, frame)| (name, frame.to_bytes().to_vec())));
    all
}

/// Calls `check` with every block's name and a function that reads its bytes and compares.
pub(crate) fn read(mut check: impl FnMut(&'static str, &dyn Fn(&[u8]) -> Result<(), String>)) {
    let frame = |kind, bytes: &[u8]| Frame::new(kind, 1, bytes);
    check("preamble", &|bytes| {
        let bytes = bytes.try_into().map_err(|_| "not 16 bytes")?;
        same(Preamble::from_bytes(bytes), &Preamble::ours())
    });
    check("varints", &|bytes| {
        same(codec::decode_header::<Varints>(bytes), &VARINTS)?;
        // Typed payloads use the same numbers.
        same(bounded::from_bincode::<Varints>(bytes), &VARINTS)
    });
    check("job", &|bytes| same(Job::checked(&frame(Kind::Job, bytes)), &job()));
    check("job-with-extra", &|bytes| same(Job::checked(&frame(Kind::Job, bytes)), &job_with_extra()));
    check("failure", &|bytes| same(message::failure_of(&frame(Kind::StartFailed, bytes)), &failure()));
    check("rest", &|bytes| {
        let payload = in_two_parts().with_rest(bytes.to_vec());
        same(payload.decode::<(u32, Bytes, String)>(), &framed())
    });
    check("credit", &|bytes| same(Credit::from_frame(&frame(Kind::Credit, bytes)), &Credit { chunks: 8 }));
    check("batch-inputs", &|bytes| same(Ok::<_, ()>(bytes::Bytes::copy_from_slice(bytes)), &inputs()));
    check("batch-answers", &|bytes| {
        let mut rest = bytes::Bytes::copy_from_slice(bytes);
        let read: Result<Vec<_>, _> = std::iter::from_fn(|| batch::next_answer(&mut rest)).collect();
        same(read, &ANSWERS.map(|answer| answer()).to_vec())
    });
    for (name, progress) in PROGRESS {
        check(name, &|bytes| same(Progress::from_frame(&frame(Kind::Progress, bytes)), &progress));
    }
    for (name, done) in endings() {
        check(name, &|bytes| same(Done::checked(&frame(Kind::Done, bytes)), &done));
    }
    for (name, whole) in whole_frames() {
        check(name, &|bytes| {
            let mut decoder = Decoder::new();
            decoder.feed(bytes);
            same(decoder.poll_frame(), &Some(whole.clone()))?;
            same(Ok::<_, ()>(decoder.buffered()), &0)
        });
    }
}

fn same<T: PartialEq + Debug, E: Debug>(found: Result<T, E>, expected: &T) -> Result<(), String> {
    match found {
        Ok(value) if value == *expected => Ok(()),
        other => Err(format!("expected {expected:?}, found {other:?}")),
    }
}
