//! Frames arrive in any pieces that the kernel makes of them. The decoded frames do not depend on the pieces.

use bytes::{BufMut, BytesMut};
use procpool_protocol::Payload;
use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::preamble::Preamble;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const KINDS: [Kind; 5] = [Kind::Job, Kind::Done, Kind::Chunk, Kind::Message, Kind::Ping];

/// Frames on both sides of the sizes from which the decoder treats them differently.
fn any_frame() -> impl Strategy<Value = Frame> {
    let header = prop_oneof![vec(any::<u8>(), 0..40), vec(any::<u8>(), 1000..1100)];
    let payload = prop_oneof![
        4 => vec(any::<u8>(), 0..60),
        2 => vec(any::<u8>(), 1000..1100),
        1 => vec(any::<u8>(), 20_000..60_000),
    ];
    (select(&KINDS[..]), any::<u64>(), any::<bool>(), header, payload).prop_map(
        |(kind, sequence, end, header, payload)| {
            let frame = Frame::new(kind, sequence, header).with_payload(Payload::raw(payload));
            if end { frame.ending() } else { frame }
        },
    )
}

fn stream_of(frames: &[Frame]) -> BytesMut {
    let mut stream = BytesMut::new();
    for frame in frames {
        frame.put(&mut stream);
    }
    stream
}

fn take_all(decoder: &mut Decoder, taken: &mut Vec<Frame>) {
    while let Some(frame) = decoder.poll_frame().expect("well-formed frames") {
        taken.push(frame);
    }
}

/// Copies as many of `bytes` into the decoder's read buffer as fit, as a socket would. Returns the rest.
fn read_into<'a>(decoder: &mut Decoder, bytes: &'a [u8]) -> &'a [u8] {
    let buffer = decoder.read_buffer();
    let room = buffer.capacity() - buffer.len();
    assert!(room > 0, "a read without room would look like end of file");
    let (now, later) = bytes.split_at(room.min(bytes.len()));
    buffer.put_slice(now);
    later
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_fed_in_any_pieces_are_the_same_frames(
        frames in vec(any_frame(), 0..12),
        pieces in vec(1..5000_usize, 1..40),
    ) {
        let stream = stream_of(&frames);
        let mut rest = &stream[..];
        let mut decoder = Decoder::new();
        let mut taken = Vec::new();
        for size in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at((*size).min(rest.len()));
            decoder.feed(piece);
            take_all(&mut decoder, &mut taken);
            rest = later;
        }
        prop_assert_eq!(taken, frames);
        prop_assert_eq!(decoder.buffered(), 0);
    }

    #[test]
    fn frames_read_into_the_buffer_are_the_same_frames_whether_kept_or_dropped(
        frames in vec(any_frame(), 0..12),
        piece in 1..100_000_usize,
        kept in any::<bool>(),
    ) {
        let stream = stream_of(&frames);
        let mut decoder = Decoder::new();
        let mut taken = Vec::new();
        let mut seen = 0;
        for mut piece in stream.chunks(piece) {
            while !piece.is_empty() {
                piece = read_into(&mut decoder, piece);
                take_all(&mut decoder, &mut taken);
                if !kept {
                    prop_assert_eq!(&taken[..], &frames[seen..seen + taken.len()]);
                    seen += taken.len();
                    taken.clear();
                }
            }
        }
        prop_assert_eq!(&taken[..], &frames[seen..]);
    }
}

#[test]
fn a_large_frame_in_socket_sized_pieces_moves_the_buffer_only_a_few_times() {
    const PIECE: usize = 200 * 1024;
    let payload: Vec<u8> = (0..40_u32 << 20).map(|index| index.to_le_bytes()[1]).collect();
    let frame = Frame::new(Kind::Done, 1, "").with_payload(Payload::raw(payload));
    let stream = frame.to_bytes();
    // A small frame that is still held must not cause a reallocation of the buffer at every read.
    let mut decoder = Decoder::new();
    decoder.feed(&Frame::new(Kind::Done, 0, "").with_payload(Payload::raw(vec![1; 2000])).to_bytes());
    let held = decoder.poll_frame().expect("well-formed");

    let mut capacities = 0;
    let mut last = 0;
    let mut whole = None;
    for mut piece in stream.chunks(PIECE) {
        while !piece.is_empty() {
            piece = read_into(&mut decoder, piece);
            let now = decoder.read_buffer().capacity();
            capacities += usize::from(now > last);
            last = now;
            whole = decoder.poll_frame().expect("well-formed");
        }
    }
    assert!(whole.is_some_and(|whole| whole == frame));
    // From 16 KiB to 40 MiB the buffer doubles 12 times; a room of 1 MiB at a time would be 40.
    assert!(capacities <= 16, "the buffer grew {capacities} times");
    drop(held);
}

#[test]
fn a_short_frame_that_is_kept_does_not_keep_the_buffer() {
    let bytes = Frame::new(Kind::Done, 1, "head").with_payload(Payload::raw(vec![1; 100])).to_bytes();
    let mut decoder = Decoder::new();
    read_into(&mut decoder, &bytes);
    let buffer = decoder.read_buffer().as_ptr() as usize;
    let room = decoder.read_buffer().capacity();
    let frame = decoder.poll_frame().expect("well-formed").expect("whole");
    for part in [&frame.header[..], &frame.payload.bytes] {
        assert!(!(buffer..buffer + room).contains(&(part.as_ptr() as usize)));
    }
}

#[test]
fn the_preamble_comes_off_in_any_pieces_and_leaves_the_frames_behind_it() {
    let mut stream = BytesMut::from(&Preamble::ours().to_bytes()[..]);
    Frame::new(Kind::Ready, 0, "").put(&mut stream);
    for split in 0..stream.len() {
        let mut decoder = Decoder::new();
        decoder.feed(&stream[..split]);
        let early = decoder.poll_preamble().expect("a preamble");
        decoder.feed(&stream[split..]);
        let preamble = early.or_else(|| decoder.poll_preamble().expect("a preamble"));
        assert_eq!(preamble, Some(Preamble::ours()));
        assert_eq!(decoder.poll_frame().expect("well-formed").map(|frame| frame.kind), Some(Kind::Ready));
    }
}
