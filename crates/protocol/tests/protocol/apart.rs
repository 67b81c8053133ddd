//! Values with a large byte string that is sent separately.

use procpool_protocol::extras::{Extra, of_job, with_rest};
use procpool_protocol::{Bytes, Encoding, Payload, PayloadError};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const LARGE: usize = 256 * 1024;

fn large(fill: u8) -> Bytes {
    vec![fill; LARGE].into()
}

fn apart<T: Serialize + 'static>(value: &T) -> Payload {
    Payload::encode_apart(value, Encoding::Bincode).expect("it encodes")
}

/// Returns the payload as its receiver gets it.
fn received(payload: &Payload) -> Payload {
    let extras: Vec<_> = Extra::rest(of_job::REST, payload).into_iter().collect();
    with_rest(Payload::new(payload.encoding, payload.bytes.clone()), extras, of_job::REST)
}

fn decoded<T: DeserializeOwned + 'static>(payload: &Payload) -> T {
    received(payload).decode().expect("it decodes")
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Picture {
    name: String,
    empty: Bytes,
    pixels: Option<Bytes>,
    size: (u32, u32),
}

fn picture(pixels: Option<Bytes>) -> Picture {
    Picture { name: "a".into(), empty: Bytes::default(), pixels, size: (2, 1) }
}

#[test]
fn parameters_beside_bytes_leave_them_uncopied_on_both_sides() {
    let bytes = large(7);
    let payload = apart(&(64_u32, bytes.clone()));
    assert_eq!((payload.encoding, payload.bytes.as_ptr()), (Encoding::Bincode, bytes.as_ptr()));
    let (width, back): (u32, Bytes) = decoded(&payload);
    assert_eq!((width, back.as_ptr(), back.len()), (64, bytes.as_ptr(), LARGE));
}

#[test]
fn the_string_may_be_anywhere_and_others_are_not_mistaken_for_it() {
    let pixels = large(7);
    let value = vec![picture(None), picture(Some(pixels.clone())), picture(Some(vec![1].into()))];
    let payload = apart(&value);
    assert_eq!(payload.bytes.as_ptr(), pixels.as_ptr());
    let back: Vec<Picture> = decoded(&payload);
    assert_eq!(back, value);
    assert_eq!(back[1].pixels.as_ref().expect("pixels").as_ptr(), pixels.as_ptr());
}

#[test]
fn one_string_is_apart_where_the_rest_is_short_and_none_where_it_is_not() {
    let two = (large(1), large(2));
    let payload = apart(&two);
    assert_eq!(payload, Payload::encode(&two, Encoding::Bincode).expect("it encodes"));
    let two = (large(1), Bytes::from(vec![2; 10_000]));
    let payload = apart(&two);
    assert!(payload.rest().is_some());
    assert_eq!(decoded::<(Bytes, Bytes)>(&payload), two);
}

#[test]
fn everything_else_is_encoded_as_ever() {
    assert_eq!(apart(&large(1)).encoding, Encoding::Bytes);
    assert_eq!(apart(&(1, Bytes::from(vec![1; LARGE - 1]))).rest(), None);
    assert_eq!(apart(&vec![1_u8; LARGE]).rest(), None);
    assert_eq!(apart(&picture(None)).rest(), None);
    let json = Payload::encode_apart(&(1, large(1)), Encoding::Json).expect("it encodes");
    assert_eq!((json.encoding, json.rest()), (Encoding::Json, None));
}

#[test]
fn a_receiver_with_a_list_of_numbers_reads_the_same_value() {
    let payload = apart(&(64_u32, large(7), "end".to_owned()));
    let (width, bytes, end): (u32, Vec<u8>, String) = decoded(&payload);
    assert_eq!((width, bytes, end.as_str()), (64, vec![7; LARGE], "end"));
}

#[test]
fn what_is_in_one_piece_is_read_by_those_who_know_parts() {
    let value = (64_u32, large(7));
    let whole = Payload::encode(&value, Encoding::Bincode).expect("it encodes");
    assert_eq!(decoded::<(u32, Bytes)>(&whole), value);
}

#[test]
fn a_part_without_the_rest_of_its_value_is_an_error() {
    let payload = Payload::new(Encoding::Bincode, vec![7; LARGE]);
    for rest in [&[][..], &[1, 0, 0], &[0, 0, 0, 0, 0], &[2, 0, 0, 0, 0], &[1, 0, 0, 0, 9], &[255; 9]] {
        let error = payload.clone().with_rest(rest.to_vec()).decode::<(u32, Bytes)>().expect_err("no rest");
        let PayloadError::Decode { reason, .. } = error else { panic!("{error}") };
        assert_eq!(reason, "they are a part of a value without a rest", "{rest:?}");
    }
    let error = apart(&(64_u32, large(7), 1_u8)).decode::<(u32, Bytes)>().expect_err("a byte is left");
    assert!(error.to_string().contains("followed by 1 more"), "{error}");
}

proptest! {
    #[test]
    fn no_rest_of_a_peer_does_harm(rest in prop::collection::vec(any::<u8>(), 0..64), offset in 0..40_u32) {
        let bytes = large(7);
        for rest in [rest.clone(), [&offset.to_le_bytes()[..], &rest].concat()] {
            let payload = Payload::new(Encoding::Bincode, bytes.0.clone()).with_rest(rest);
            let _ = payload.decode::<Vec<Picture>>();
            let _ = payload.decode::<(u32, Vec<u8>, String)>();
        }
        // The thread does not retain any of it.
        prop_assert_eq!(Payload::new(Encoding::Bincode, vec![0]).decode::<Bytes>().unwrap(), Bytes::default());
    }
}
