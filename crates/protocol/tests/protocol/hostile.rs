//! Bytes that are chosen to do harm end in an error, and cost at most as much memory as their length.

use bytes::{BufMut, BytesMut};
use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::{Frame, Kind, RawHeader};
use procpool_protocol::handshake::Hello;
use procpool_protocol::limits::{DEFAULT_MAX_PAYLOAD, MAX_HEADER};
use procpool_protocol::message::{self, Credit, Done, Job, Progress, Status};
use procpool_protocol::{Encoding, Failure, Payload, bounded};
use proptest::collection::vec;
use proptest::prelude::*;

/// Maximum room that is requested beyond twice the received bytes.
const SLACK: usize = 64 * 1024;

/// Feeds `stream` as a socket would and reads everything that is decoded, until an error.
fn devour(stream: &[u8], piece: usize) -> usize {
    let mut decoder = Decoder::new();
    let mut arrived = 0;
    let mut frames = 0;
    for mut piece in stream.chunks(piece) {
        while !piece.is_empty() {
            let buffer = decoder.read_buffer();
            assert!(buffer.capacity() <= 2 * arrived + SLACK, "{} for {arrived}", buffer.capacity());
            let now = piece.len().min(buffer.capacity() - buffer.len());
            buffer.put_slice(&piece[..now]);
            arrived += now;
            piece = &piece[now..];
            loop {
                match decoder.poll_frame() {
                    Ok(Some(frame)) => look_into(&frame),
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(decoder.poll_frame(), Err(error), "a broken stream stays broken");
                        return frames;
                    }
                }
                frames += 1;
            }
        }
    }
    frames
}

/// Reads a frame as every kind of message; errors are allowed.
fn look_into(frame: &Frame) {
    let _ = Job::checked(frame);
    let _ = Done::from_frame(frame);
    let _ = Progress::from_frame(frame);
    let _ = Credit::from_frame(frame);
    let _ = message::failure_of(frame);
    let _ = message::json_of::<Hello>(frame);
    let _ = frame.payload.decode::<Vec<String>>();
}

fn honest_stream() -> Vec<u8> {
    let job = Job {
        id: [7; 16],
        attempt: 1,
        remaining_nanos: Some(1 << 40),
        reply: 1,
        credit: Some(16),
        extras: Vec::new(),
    };
    let done = Done {
        status: Status::Failed(Failure::new("no").with_details(&[1, 2, 3])),
        run_nanos: 300,
        extras: Vec::new(),
    };
    let words: Vec<_> = (0..200).map(|index| format!("word {index}")).collect();
    let payload = Payload::encode(&words, Encoding::Bincode).expect("words");
    let mut stream = BytesMut::new();
    job.to_frame(1).expect("a job").with_payload(payload).put(&mut stream);
    done.into_frame(1, Payload::none()).expect("an end").put(&mut stream);
    Frame::new(Kind::Ping, 9, "").put(&mut stream);
    stream.to_vec()
}

proptest! {
    #[test]
    fn random_bytes_neither_panic_nor_cost_memory(bytes in vec(any::<u8>(), 0..2000), piece in 1..500_usize) {
        devour(&bytes, piece);
    }

    #[test]
    fn a_damaged_stream_neither_panics_nor_costs_memory(
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        piece in 1..500_usize,
    ) {
        let mut stream = honest_stream();
        for (index, byte) in damage {
            *index.get_mut(&mut stream) = byte;
        }
        devour(&stream, piece);
    }

    #[test]
    fn random_header_messages_and_payloads_neither_panic_nor_cost_memory(
        header in vec(any::<u8>(), 0..200),
        payload in vec(any::<u8>(), 0..200),
        encoding in 1..=3_u8,
    ) {
        let encoding = Encoding::from_wire(encoding).expect("an encoding");
        let payload = Payload::new(encoding, payload);
        look_into(&Frame::new(Kind::Done, 1, header).with_payload(payload));
    }

    #[test]
    fn random_bytes_are_decoded_as_anything_within_bounds(bytes in vec(any::<u8>(), 0..64)) {
        type Anything = (Option<String>, Vec<(u8, Vec<()>)>, std::collections::BTreeMap<String, Result<char, i128>>);
        let _ = bounded::from_bincode::<Anything>(&bytes);
        let _ = bounded::from_bincode::<Vec<procpool_protocol::Bytes>>(&bytes);
        let _ = bounded::from_bincode::<serde_json::Value>(&bytes);
    }
}

#[test]
fn the_honest_stream_passes_whole() {
    for piece in [1, 7, 100_000] {
        assert_eq!(devour(&honest_stream(), piece), 3);
    }
}

#[test]
fn an_announced_payload_takes_no_memory_before_it_comes() {
    let announced = RawHeader {
        header_len: MAX_HEADER,
        payload_len: DEFAULT_MAX_PAYLOAD,
        kind: Kind::Done as u16,
        flags: 0,
        encoding: 3,
        attachments: 0,
        reserved: [0; 2],
        sequence: 1,
    };
    let mut decoder = Decoder::new();
    decoder.feed(&announced.to_bytes());
    decoder.feed(&[0; 10]);
    assert_eq!(decoder.poll_frame(), Ok(None));
    assert!(decoder.read_buffer().capacity() <= SLACK);
}

#[test]
fn a_header_message_that_announces_much_takes_no_memory() {
    // `Failed`, with a code that claims to be 2^63 bytes long.
    let bomb = [&[2, 253][..], &(1_u64 << 63).to_le_bytes()].concat();
    assert!(Done::from_frame(&Frame::new(Kind::Done, 1, bomb)).is_err());
    // A job with 2^32 extras.
    let job = [&[0; 16][..], &[1, 0, 1, 0, 253], &(1_u64 << 32).to_le_bytes()].concat();
    assert!(Job::checked(&Frame::new(Kind::Job, 1, job)).is_err());
}
