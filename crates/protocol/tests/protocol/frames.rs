//! Frames that are refused or skipped, and the exact limits.

use procpool_protocol::arena::Place;
use procpool_protocol::attachments::{Attachment, Attachments};
use procpool_protocol::codec::CodecError;
use procpool_protocol::decoder::{Decoder, FrameError};
use procpool_protocol::frame::{Frame, Kind, RawHeader, flags};
use procpool_protocol::limits::{MAX_EXTRAS, MAX_HEADER, MAX_JSON, MAX_TEXT};
use procpool_protocol::message::{self, Credit, Done, Extra, Job, Status};
use procpool_protocol::preamble::{Preamble, PreambleError};
use procpool_protocol::{Encoding, Failure, Payload};
use std::fs::File;
use std::os::fd::OwnedFd;

const UNKNOWN: u16 = 0x7777;

fn header() -> RawHeader {
    RawHeader {
        header_len: 0,
        payload_len: 0,
        kind: Kind::Done as u16,
        flags: 0,
        encoding: 0,
        attachments: 0,
        reserved: [0; 2],
        sequence: 1,
    }
}

/// Returns the decoder's error for this header alone.
fn judged(header: RawHeader) -> Result<Option<Frame>, FrameError> {
    judged_bytes(&header.to_bytes())
}

fn judged_bytes(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    let mut decoder = Decoder::with_max_payload(1000);
    decoder.feed(bytes);
    decoder.poll_frame()
}

#[test]
fn lengths_at_the_limit_are_waited_for_and_one_byte_more_is_refused() {
    let announcing =
        |header_len, payload_len| judged(RawHeader { header_len, payload_len, encoding: 3, ..header() });
    assert_eq!(announcing(MAX_HEADER - 1, 999), Ok(None));
    assert_eq!(announcing(MAX_HEADER, 1000), Ok(None));
    let too_long = announcing(MAX_HEADER + 1, 0).expect_err("a header too long");
    assert!(
        matches!(too_long, FrameError::HeaderTooLarge { announced, limit: MAX_HEADER, .. } if announced == MAX_HEADER + 1)
    );
    let too_large = announcing(0, 1001).expect_err("a payload too large");
    assert!(matches!(too_large, FrameError::PayloadTooLarge { announced: 1001, limit: 1000, .. }));
    assert!(announcing(u32::MAX, u32::MAX).is_err());
}

#[test]
fn the_limit_of_payloads_can_be_raised_after_the_handshake() {
    let frame = Frame::new(Kind::Done, 1, "").with_payload(Payload::raw(vec![0; 1001]));
    let mut decoder = Decoder::with_max_payload(0);
    decoder.feed(&frame.to_bytes());
    assert!(decoder.poll_frame().is_err());
    decoder.set_max_payload(1001);
    assert_eq!(decoder.poll_frame(), Ok(Some(frame)));
}

#[test]
fn what_version_2_does_not_know_is_refused() {
    let refused = |header, error| assert_eq!(judged(header), Err(error));
    refused(RawHeader { kind: UNKNOWN, ..header() }, FrameError::UnknownKind(UNKNOWN));
    refused(RawHeader { kind: 0, ..header() }, FrameError::UnknownKind(0));
    refused(RawHeader { flags: 16, ..header() }, FrameError::UnknownFlags(16));
    refused(RawHeader { encoding: 4, ..header() }, FrameError::UnknownEncoding(4));
    refused(RawHeader { reserved: [0, 1], ..header() }, FrameError::Reserved);
    refused(RawHeader { payload_len: 1, ..header() }, FrameError::NoEncoding(1));
}

#[test]
fn a_reference_is_a_place_and_stands_for_an_input_or_an_output() {
    let reference = |kind: Kind, payload_len| {
        let encoding = Encoding::Bytes as u8;
        let header =
            RawHeader { kind: kind as u16, flags: flags::PAYLOAD_REF, payload_len, encoding, ..header() };
        judged(header)
    };
    let bad = |kind: Kind, payload_len| match reference(kind, payload_len) {
        Err(FrameError::BadReference { kind: told, announced, .. }) => {
            (told, announced) == (kind, payload_len)
        }
        _ => false,
    };
    assert_eq!(reference(Kind::Job, 24), Ok(None), "the place is still to come");
    assert_eq!(reference(Kind::Done, 24), Ok(None));
    assert!(bad(Kind::Done, 23));
    assert!(bad(Kind::Chunk, 24));

    let place = Place { arena: 1, offset: 2, length: 3 };
    let frame =
        Frame::new(Kind::Done, 7, "").with_payload(Payload::raw("the output")).referring_to(place).ending();
    let mut decoder = Decoder::new();
    decoder.feed(&frame.to_bytes());
    let found = decoder.poll_frame().unwrap().unwrap();
    assert_eq!((found.place, found.payload.bytes.len()), (Some(place), 0));
    assert_eq!(found, frame);
}

#[test]
fn a_frame_says_how_many_descriptors_come_with_it() {
    let null = || Attachment::from(OwnedFd::from(File::open("/dev/null").unwrap()));
    let mut payload = Payload::raw("an input");
    payload.attachments = vec![null(), null()].try_into().unwrap();
    let frame = Frame::new(Kind::Job, 7, "").with_payload(payload);
    assert_eq!(frame.to_bytes()[13], 2);
    let found = judged_bytes(&frame.to_bytes()).unwrap().unwrap();
    assert_eq!(found.payload.attachments, Attachments::absent(2));
    assert_eq!(found.to_bytes(), frame.to_bytes());
}

#[test]
fn descriptors_of_frames_that_pass_no_memory_are_refused_and_so_are_too_many() {
    let announced =
        |kind: Kind, attachments| judged(RawHeader { kind: kind as u16, attachments, ..header() });
    let bad = |kind: Kind, attachments| match announced(kind, attachments) {
        Err(FrameError::BadAttachments { kind: told, announced, .. }) => {
            (told, announced) == (kind, attachments)
        }
        _ => false,
    };
    for kind in [Kind::Welcome, Kind::Job, Kind::Message, Kind::Share] {
        assert!(announced(kind, 16).is_ok());
        assert!(bad(kind, 17), "{kind:?}");
    }
    for kind in [Kind::Hello, Kind::Done, Kind::Chunk, Kind::Ping] {
        assert!(bad(kind, 1), "{kind:?}");
    }
}

#[test]
fn known_flags_of_a_known_kind_are_accepted() {
    let ending = judged(RawHeader { flags: flags::END, ..header() }).expect("well-formed");
    assert!(ending.is_some_and(|frame| frame.end));
    assert!(judged(RawHeader { flags: flags::IGNORABLE, ..header() }).expect("well-formed").is_some());
}

#[test]
fn an_unknown_ignorable_frame_is_skipped_however_it_arrives() {
    let skipped = RawHeader {
        header_len: 20,
        payload_len: 900,
        kind: UNKNOWN,
        // A decoder that does not know the kind ignores the other fields.
        flags: flags::IGNORABLE | 1 << 9,
        encoding: 77,
        attachments: 1,
        reserved: [2, 3],
        sequence: 5,
    };
    let next = Frame::new(Kind::Ping, 8, "");
    let stream = [&skipped.to_bytes()[..], &[0xff; 920], &next.to_bytes()].concat();
    for piece in [1, 23, 24, 25, 500, stream.len()] {
        let mut decoder = Decoder::with_max_payload(1000);
        let mut taken = Vec::new();
        for bytes in stream.chunks(piece) {
            decoder.feed(bytes);
            taken.extend(decoder.poll_frame().expect("well-formed"));
            assert!(decoder.buffered() < 48, "skipped bytes are not kept");
        }
        assert_eq!(taken, std::slice::from_ref(&next));
    }
}

#[test]
fn an_ignorable_frame_respects_the_limits_too() {
    let ignorable = RawHeader { kind: UNKNOWN, flags: flags::IGNORABLE, ..header() };
    assert!(judged(RawHeader { payload_len: 1000, ..ignorable }).is_ok());
    assert!(judged(RawHeader { payload_len: 1001, ..ignorable }).is_err());
    assert!(judged(RawHeader { header_len: MAX_HEADER + 1, ..ignorable }).is_err());
}

#[test]
fn a_header_message_followed_by_a_byte_is_refused() {
    let mut frame = Credit { chunks: 3 }.to_frame(1).expect("credit");
    frame.header = [&frame.header[..], &[0]].concat().into();
    let error = Credit::from_frame(&frame).expect_err("a byte is left");
    assert!(matches!(error, CodecError::Trailing { len: 1, extra: 1, .. }));
    frame.header.clear();
    assert!(Credit::from_frame(&frame).is_err());
}

#[test]
fn a_job_has_as_many_extras_as_the_limit_and_not_one_more() {
    let with_extras = |count: usize| {
        let extra = Extra { tag: 9, value: vec![1; 100] };
        let job = Job {
            id: [0; 16],
            attempt: 1,
            remaining_nanos: None,
            reply: 2,
            credit: None,
            extras: vec![extra; count],
        };
        Job::checked(&job.to_frame(1).expect("a job"))
    };
    assert_eq!(with_extras(MAX_EXTRAS).expect("as many as allowed").extras.len(), MAX_EXTRAS);
    let error = with_extras(MAX_EXTRAS + 1).expect_err("one too many");
    assert!(matches!(error, CodecError::TooManyExtras { count, .. } if count == MAX_EXTRAS + 1));
}

#[test]
fn a_jobs_end_has_as_many_extras_as_the_limit_and_not_one_more() {
    let with_extras = |count: usize| {
        let extras = vec![Extra { tag: 9, value: vec![1; 100] }; count];
        let done = Done { status: Status::Ok, run_nanos: 1, extras };
        Done::checked(&done.into_frame(1, Payload::none()).expect("an end"))
    };
    assert_eq!(with_extras(MAX_EXTRAS).expect("as many as allowed").extras.len(), MAX_EXTRAS);
    let error = with_extras(MAX_EXTRAS + 1).expect_err("one too many");
    assert!(matches!(error, CodecError::TooManyExtras { count, .. } if count == MAX_EXTRAS + 1));
}

#[test]
fn the_longest_texts_fit_a_header() {
    let long = || "€".repeat(MAX_TEXT);
    let failure = Failure::new(long()).with_code(long()).with_details(&"x".repeat(MAX_TEXT - 2));
    assert!(failure.details::<String>().is_some());
    let panicked = Status::Panicked { message: long(), location: Some(long()) };
    let broke = Status::Broke(failure.clone());
    for status in [Status::Failed(failure), broke, panicked, Status::BadInput { message: long() }] {
        let done = Done { status, run_nanos: u64::MAX, extras: Vec::new() };
        let frame = done.into_frame(1, Payload::none()).expect("cut texts fit");
        assert!(frame.end && Done::from_frame(&frame).is_ok());
    }
}

#[test]
fn json_larger_than_a_header_is_not_sent() {
    let text = |len: usize| message::json_frame(Kind::Description, &"x".repeat(len));
    assert!(text(MAX_JSON - 2).is_ok());
    let error = text(MAX_JSON - 1).expect_err("too large");
    assert!(matches!(error, CodecError::TooLarge { size, limit, .. } if size == limit + 1));
}

#[test]
fn the_head_and_the_payload_are_the_whole_frame() {
    let frame = Frame::new(Kind::Chunk, 3, "head").with_payload(Payload::raw("body")).ending();
    let mut head = bytes::BytesMut::new();
    frame.put_head(&mut head);
    assert_eq!([&head[..], b"body"].concat(), frame.to_bytes());
    assert_eq!(frame.wire_len(), frame.to_bytes().len());
    assert_eq!(u8::from(Encoding::Bytes), head[12]);
}

#[test]
fn the_greatest_version_that_both_ranges_have_is_in_use() {
    let offer = |lowest, highest| Preamble { lowest, highest, features: 0xff };
    let in_use = Preamble { lowest: 2, highest: 2, features: 0 };
    for (lowest, highest) in [(2, 2), (1, 2), (0, 9), (2, 3)] {
        assert_eq!(Preamble::agree(offer(lowest, highest)), Ok(in_use), "{lowest} to {highest}");
    }
    // Version 1, only later ones, and an empty range.
    for (lowest, highest) in [(1, 1), (0, 0), (3, 9), (9, 1)] {
        let theirs = offer(lowest, highest);
        let error = Preamble::agree(theirs).expect_err("no common version");
        assert!(
            matches!(error, PreambleError::NoCommonVersion { theirs: told, .. } if told == theirs),
            "{error}"
        );
    }
    assert_eq!(
        Preamble::agree(offer(1, 1)).expect_err("version 1").to_string(),
        "the other side speaks protocol version 1 to 1, this side 2 to 2"
    );
}

#[test]
fn something_else_than_procpool_is_recognised() {
    let mut decoder = Decoder::new();
    decoder.feed(b"GET / HTTP/1.1\r\n");
    assert_eq!(decoder.poll_preamble(), Err(PreambleError::NotProcpool));
}
