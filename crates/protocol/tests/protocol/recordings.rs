//! Saved jobs: written and read back, and files that are not saved jobs.

use procpool_protocol::frame::{Frame, Kind, RawHeader, flags};
use procpool_protocol::handshake::{Mode, Welcome};
use procpool_protocol::limits::MAX_JSON;
use procpool_protocol::message::{Job, json_frame};
use procpool_protocol::preamble::Preamble;
use procpool_protocol::recording::{
    FORMAT, FORMAT_WITH_HISTORY, MAX_HISTORY, Recording, RecordingError, SavedJob, SavedLimits,
};
use procpool_protocol::{JobId, Payload};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::{self, Read};

fn saved() -> SavedJob {
    let recording = Recording {
        format: FORMAT,
        pool: "fib".into(),
        job: "fib".into(),
        contract: 3,
        build: Some("1.4.2".into()),
        executable: "/opt/fib".into(),
        args: vec!["--fast".into()],
        current_dir: None,
        env: BTreeMap::from([("A".into(), "1".into())]),
        id: JobId::from_bits(7),
        attempt: 2,
        outcome: "crashed".into(),
        summary: "the worker crashed".into(),
        jobs_before: None,
        limits: SavedLimits::default(),
    };
    let welcome = Welcome {
        mode: Mode::Jobs,
        owned: true,
        worker: "fib-3".into(),
        pool: "fib".into(),
        job: Some("fib".into()),
        max_payload: 1_000_000,
        page: false,
        template: false,
        arenas: false,
    };
    let header = Job {
        id: recording.id.to_bytes(),
        attempt: 2,
        remaining_nanos: Some(5),
        reply: 2,
        credit: None,
        extras: Vec::new(),
    };
    // Longer than one read of the file.
    let input = Payload::raw(vec![7; 300_000]);
    let job = header.to_frame(9).expect("a job").with_payload(input);
    SavedJob { recording, welcome, worker_data: Payload::json("[1,2]"), history: Vec::new(), job }
}

fn written(saved: &SavedJob) -> Vec<u8> {
    let mut file = Vec::new();
    saved.write(&mut file).expect("written");
    file
}

fn error(file: &[u8]) -> String {
    SavedJob::read(file).expect_err("it is read").to_string()
}

/// Returns a file of these frames.
fn file_of(frames: &[Frame]) -> Vec<u8> {
    let frames = frames.iter().flat_map(|frame| frame.to_bytes().to_vec());
    Preamble::ours().to_bytes().into_iter().chain(frames).collect()
}

#[test]
fn what_was_written_is_read_back() {
    let mut whole = saved();
    assert_eq!(SavedJob::read(&written(&whole)[..]).expect("read"), whole);
    whole.worker_data = Payload::none();
    whole.recording.build = None;
    whole.recording.limits.address_space_limit = Some(1 << 30);
    assert_eq!(SavedJob::read(&written(&whole)[..]).expect("read"), whole);
}

#[test]
fn a_file_is_what_a_worker_was_sent_with_one_ignorable_frame_in_front() {
    let whole = saved();
    let recording = json_frame(Kind::Recording, &whole.recording).expect("a recording");
    let welcome = json_frame(Kind::Welcome, &whole.welcome).expect("a welcome");
    let welcome = welcome.with_payload(whole.worker_data.clone());
    assert_eq!(written(&whole), file_of(&[recording.clone(), welcome, whole.job]));
    let bytes = recording.to_bytes();
    let header = RawHeader::from_bytes(bytes[..24].try_into().expect("24 bytes"));
    assert_eq!(header.flags, flags::IGNORABLE);
}

/// Returns a recording with this number of earlier jobs.
fn with_history(jobs: usize) -> SavedJob {
    let mut whole = saved();
    whole.job = whole.job.with_payload(Payload::json("40"));
    whole.recording.format = FORMAT_WITH_HISTORY;
    whole.recording.jobs_before = Some(2_000);
    let earlier = |at: usize| whole.job.clone().with_payload(Payload::json(at.to_string()));
    whole.history = (0..jobs).map(earlier).collect();
    whole
}

#[test]
fn jobs_of_before_stand_in_front_in_their_order_and_are_bounded() {
    for jobs in [0, 1, 3, MAX_HISTORY] {
        let whole = with_history(jobs);
        assert_eq!(SavedJob::read(&written(&whole)[..]).expect("read"), whole);
    }
    let expected = "it has more than 1000 jobs in front of the one that went wrong";
    assert_eq!(error(&written(&with_history(MAX_HISTORY + 1))), expected);
    let mut older = with_history(1);
    older.recording.format = FORMAT;
    assert_eq!(error(&written(&older)), "it is damaged: something follows after the job");
    let file = written(&with_history(2));
    assert_eq!(error(&file[..file.len() - 1]), "it is cut short");
    assert!(error(&[&file[..], &file].concat()).starts_with("it is damaged"));
}

#[test]
fn a_file_that_gives_a_byte_at_a_time_is_read_like_any() {
    struct Dribble<'a>(&'a [u8]);
    impl Read for Dribble<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let one = into.len().min(1);
            self.0.read(&mut into[..one])
        }
    }
    let mut whole = saved();
    whole.job = whole.job.with_payload(Payload::json("40"));
    assert_eq!(SavedJob::read(Dribble(&written(&whole))).expect("read"), whole);
}

#[test]
fn what_is_no_recording_is_told_from_one_that_is_broken() {
    for other in [&b""[..], b"PROC", b"#!/bin/sh\necho not a recording\n"] {
        assert_eq!(error(other), "it is not a job that procpool has saved");
    }
    let file = written(&saved());
    for cut in [16, 20, 60, file.len() - 1] {
        assert_eq!(error(&file[..cut]), "it is cut short", "{cut}");
    }
    assert_eq!(error(&[&file[..], b"x"].concat()), "it is damaged: something follows after the job");
}

#[test]
fn another_format_or_version_is_refused_with_the_way_out() {
    // A later format may have any fields except for its number.
    let later = Frame::new(Kind::Recording, 0, r#"{"format": 3, "new": true}"#);
    assert_eq!(
        error(&file_of(&[later])),
        "it has format 3, and this procpool reads up to format 2; use the one that has written it"
    );
    let mut file = written(&saved());
    for version in [1, 9] {
        file[8..12].copy_from_slice(&[version, 0, version, 0]);
        let expected = format!(
            "it was saved over version {version} of the wire, and this procpool reads version 2; use the \
             procpool that has saved it"
        );
        assert_eq!(error(&file), expected);
    }
}

#[test]
fn frames_in_a_wrong_place_are_named() {
    let whole = saved();
    let recording = json_frame(Kind::Recording, &whole.recording).expect("a recording");
    let expected = "it is damaged: it has Job where Welcome should be";
    assert_eq!(error(&file_of(&[recording.clone(), whole.job.clone()])), expected);
    let expected = "it is damaged: it has Job where Recording should be";
    assert_eq!(error(&file_of(&[whole.job])), expected);
    let nonsense = Frame::new(Kind::Recording, 0, r#"{"format": 1, "pool": 7}"#);
    assert!(error(&file_of(&[nonsense])).starts_with("it is damaged: failed to read a JSON message"));
}

#[test]
fn a_payload_above_the_limit_of_the_welcome_is_refused() {
    let mut whole = saved();
    whole.welcome.max_payload = 1000;
    let expected = "it is damaged: a frame announced a payload of 300000 bytes; the limit is 1000";
    assert_eq!(error(&written(&whole)), expected);
}

#[test]
fn a_description_that_is_too_large_is_not_written() {
    let mut whole = saved();
    whole.recording.summary = "x".repeat(MAX_JSON);
    let error = whole.write(&mut io::sink()).expect_err("it is written");
    assert!(matches!(error, RecordingError::Message(_)), "{error}");
}

proptest! {
    #[test]
    fn a_damaged_file_is_an_error_or_a_job_and_never_a_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in any::<prop::sample::Index>(),
    ) {
        let mut whole = saved();
        whole.job = whole.job.with_payload(Payload::json("40"));
        let mut file = written(&whole);
        for (index, byte) in damage {
            *index.get_mut(&mut file) = byte;
        }
        let _ = SavedJob::read(&file[..]);
        let _ = SavedJob::read(&file[..length.index(file.len())]);
    }
}
