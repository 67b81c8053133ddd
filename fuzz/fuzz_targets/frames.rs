//! Feeds the decoder of frames. Its output does not depend on how the bytes arrive, and holds only the memory that they
//! need. Each message that can be read from a frame is written as bytes that are read as the same message.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use procpool_protocol::batch;
use procpool_protocol::decoder::{Decoder, FrameError};
use procpool_protocol::frame::Frame;
use procpool_protocol::message::{self, Credit, Done, Job, Progress};

/// Above it payloads are refused, so that inputs of a few KiB reach the limit.
const MAX_PAYLOAD: u32 = 2048;

/// Room that the decoder may ask for beyond twice what arrived.
const SLACK: usize = 64 * 1024;

fuzz_target!(|input: &[u8]| {
    // The first bytes say how large the pieces are.
    let Some((pieces, stream)) = input.split_first_chunk::<4>() else { return };
    let whole = devour(stream, std::iter::once(stream.len()));
    let pieces = pieces.iter().cycle().map(|piece| usize::from(*piece) + 1);
    assert_eq!(whole, devour(stream, pieces), "by the piece");
    let (frames, error) = whole;
    for frame in &frames {
        read_as_everything(frame);
    }
    written_again(&frames, error.is_some());
});

fn devour(stream: &[u8], pieces: impl Iterator<Item = usize>) -> (Vec<Frame>, Option<FrameError>) {
    let mut decoder = Decoder::with_max_payload(MAX_PAYLOAD);
    let (mut frames, mut arrived) = (Vec::new(), 0);
    for length in pieces {
        let piece = &stream[arrived..stream.len().min(arrived + length)];
        let buffer = decoder.read_buffer();
        assert!(buffer.capacity() <= 2 * arrived + SLACK, "{} for {arrived}", buffer.capacity());
        buffer.extend_from_slice(piece);
        arrived += piece.len();
        loop {
            match decoder.poll_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.poll_frame(), Err(error.clone()), "a broken stream stays broken");
                    return (frames, Some(error));
                }
            }
        }
        if arrived == stream.len() {
            break;
        }
    }
    (frames, None)
}

/// Checks that the frames are written as bytes that are read as the same frames.
fn written_again(frames: &[Frame], is_broken: bool) {
    let mut bytes = BytesMut::new();
    for frame in frames {
        frame.put(&mut bytes);
    }
    let (again, error) = devour(&bytes, std::iter::once(bytes.len()));
    assert_eq!((frames, &error), (&again[..], &None), "after an error: {is_broken}");
}

fn read_as_everything(frame: &Frame) {
    macro_rules! same_again {
        ($($read:expr),+) => {$(
            if let Ok(value) = $read(frame) {
                let written = value.to_frame(frame.sequence).expect("what was read can be written");
                assert_eq!($read(&written).ok(), Some(value));
            }
        )+};
    }
    same_again!(Job::checked, Done::checked, Progress::from_frame, Credit::from_frame);
    let _ = message::failure_of(frame);
    let _ = frame.payload.decode::<Vec<Option<(String, u8)>>>();
    // Each takes its head at least, so that these end.
    let mut inputs = frame.payload.bytes.clone();
    while let Some(Ok(_)) = batch::next_input(&mut inputs) {}
    let mut answers = frame.payload.bytes.clone();
    while let Some(Ok(_)) = batch::next_answer(&mut answers) {}
}
