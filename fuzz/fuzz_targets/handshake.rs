//! Feeds the messages before the first job: a preamble, then a frame that is read as each kind of introduction.
//! An accepted message is written as bytes that are read as the same message. Two sides agree on the same version.

#![no_main]

use libfuzzer_sys::fuzz_target;
use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::Frame;
use procpool_protocol::handshake::{Attach, Description, Hello, Refused, Welcome};
use procpool_protocol::message::{json_frame, json_of};
use procpool_protocol::preamble::{PREAMBLE_LEN, Preamble, VERSIONS};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

fuzz_target!(|stream: &[u8]| {
    // Before it has introduced itself, a worker sends no payload.
    let mut decoder = Decoder::with_max_payload(0);
    decoder.feed(stream);
    match decoder.poll_preamble() {
        Ok(Some(theirs)) => {
            assert_eq!(theirs.to_bytes()[..], stream[..PREAMBLE_LEN]);
            agree(theirs);
        }
        Ok(None) => return assert!(stream.len() < PREAMBLE_LEN),
        Err(_) => return assert_eq!(decoder.buffered(), stream.len()),
    }
    while let Ok(Some(frame)) = decoder.poll_frame() {
        assert!(frame.payload.bytes.is_empty(), "{frame:?}");
        same_again::<Hello>(&frame);
        same_again::<Welcome>(&frame);
        same_again::<Refused>(&frame);
        same_again::<Attach>(&frame);
        same_again::<Description>(&frame);
    }
});

fn agree(theirs: Preamble) {
    match Preamble::agree(theirs) {
        Ok(agreed) => {
            assert_eq!(agreed.lowest, agreed.highest);
            assert!(VERSIONS.contains(&agreed.highest), "{agreed:?}");
            assert!((theirs.lowest..=theirs.highest).contains(&agreed.highest), "{agreed:?} with {theirs:?}");
            assert_eq!(agreed.features & !(theirs.features & Preamble::ours().features), 0);
        }
        Err(_) => {
            assert!(VERSIONS.clone().all(|version| !(theirs.lowest..=theirs.highest).contains(&version)))
        }
    }
}

fn same_again<T: Serialize + DeserializeOwned + PartialEq + Debug>(frame: &Frame) {
    let Ok(value) = json_of::<T>(frame) else { return };
    let Ok(written) = json_frame(frame.kind, &value) else { return };
    assert_eq!(json_of::<T>(&written).ok().as_ref(), Some(&value));
}
