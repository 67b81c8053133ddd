//! Payloads in and out of every encoding, and raw bytes that none of them changes.

use procpool_protocol::{Bytes, Encoding, Payload, PayloadError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const ALL: [Encoding; 4] = [Encoding::None, Encoding::Bincode, Encoding::Json, Encoding::Bytes];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Image {
    name: String,
    size: (u32, u32),
    pixels: Bytes,
    parent: Option<Box<Image>>,
}

fn image() -> Image {
    Image { name: "a".into(), size: (2, 1), pixels: vec![0, 128, 255].into(), parent: None }
}

#[test]
fn a_typed_value_survives_bincode_and_json() {
    for encoding in [Encoding::Bincode, Encoding::Json] {
        let image = Image { parent: Some(Box::new(image())), ..image() };
        let payload = Payload::encode(&image, encoding).expect("it encodes");
        assert_eq!(payload.encoding, encoding);
        assert_eq!(payload.decode::<Image>().expect("it decodes"), image);
    }
}

#[test]
fn a_value_is_not_sent_as_raw_bytes_or_as_nothing() {
    for encoding in [Encoding::None, Encoding::Bytes] {
        let error = Payload::encode(&7_u8, encoding).expect_err("not Bytes");
        assert!(matches!(error, PayloadError::Encode { encoding: named, .. } if named == encoding));
    }
}

#[test]
fn a_value_that_its_encoding_cannot_carry_says_so() {
    let keyed_by_pairs = BTreeMap::from([((1, 2), 3)]);
    let error = Payload::encode(&keyed_by_pairs, Encoding::Json).expect_err("no such keys in JSON");
    assert!(error.to_string().starts_with("failed to encode the value as JSON: "), "{error}");
    assert!(Payload::encode(&keyed_by_pairs, Encoding::Bincode).is_ok());
}

#[test]
fn bytes_pass_untouched_and_uncopied_whatever_the_encoding() {
    let bytes = Bytes::from(vec![1, 2, 3]);
    for encoding in ALL {
        let payload = Payload::encode(&bytes, encoding).expect("bytes always pass");
        assert_eq!(payload.encoding, Encoding::Bytes);
        let back: Bytes = payload.decode().expect("bytes always come back");
        assert_eq!(back.as_ptr(), bytes.as_ptr());
        assert_eq!(back, bytes);
    }
}

#[test]
fn large_bytes_in_a_value_are_read_in_place() {
    let pixels = Bytes::from(vec![9; 100_000]);
    let parent = Image { pixels: pixels.clone(), ..image() };
    let value = ("rotated".to_owned(), Image { parent: Some(Box::new(parent)), ..image() }, pixels);
    let payload = Payload::encode(&value, Encoding::Bincode).expect("it encodes");
    let back: (String, Image, Bytes) = payload.decode().expect("it decodes");
    assert_eq!(back, value);
    let is_in_place = |bytes: &Bytes| payload.bytes.as_ptr_range().contains(&bytes.as_ptr());
    assert!(is_in_place(&back.2) && is_in_place(&back.1.parent.expect("a parent").pixels));
    assert!(!is_in_place(&back.1.pixels), "three bytes would keep the whole payload");
}

#[test]
fn bytes_that_are_not_a_part_of_the_payload_are_copied() {
    /// Decodes another value while it is being decoded.
    #[derive(Serialize)]
    struct Nested(Bytes);
    impl<'de> Deserialize<'de> for Nested {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let inner = Payload::encode(&(1_u8, Bytes::from(vec![2; 100_000])), Encoding::Bincode);
            let (_, inner): (u8, Bytes) =
                inner.and_then(|it| it.decode()).map_err(serde::de::Error::custom)?;
            let outer = Bytes::deserialize(deserializer)?;
            assert_ne!(inner.as_ptr(), outer.as_ptr());
            Ok(Self(outer))
        }
    }
    let payload = Payload::encode(&Nested(vec![1; 100_000].into()), Encoding::Bincode).expect("it encodes");
    let Nested(outer) = payload.decode().expect("it decodes");
    assert_eq!(*outer, [1; 100_000]);
    assert!(payload.bytes.as_ptr_range().contains(&outer.as_ptr()));
    // Bytes of another format, on a thread that has just decoded.
    let foreign = serde::de::value::BorrowedBytesDeserializer::<serde::de::value::Error>::new(&[3; 100_000]);
    assert_eq!(*Bytes::deserialize(foreign).expect("bytes"), [3; 100_000]);
}

#[test]
fn bytes_are_read_from_the_other_encodings_too() {
    let bincode = Payload::new(Encoding::Bincode, vec![3, 1, 2, 3]);
    assert_eq!(*bincode.decode::<Bytes>().expect("a byte string"), [1, 2, 3]);
    assert_eq!(*Payload::json("[1,2,3]").decode::<Bytes>().expect("a list"), [1, 2, 3]);
    assert_eq!(*Payload::json("\"abc\"").decode::<Bytes>().expect("a text"), *b"abc");
    assert!(Payload::json("[256]").decode::<Bytes>().is_err());
    assert!(Payload::none().decode::<Bytes>().expect("no bytes").is_empty());
}

#[test]
fn raw_bytes_are_no_typed_value() {
    for payload in [Payload::raw("40"), Payload::none()] {
        let error = payload.decode::<u64>().expect_err("not a number");
        assert!(matches!(error, PayloadError::WrongEncoding { got, .. } if got == payload.encoding));
    }
}

#[test]
fn bytes_left_over_are_an_error_that_names_the_payload() {
    let payload = Payload::new(Encoding::Bincode, vec![7, 8]);
    let error = payload.decode::<u8>().expect_err("a byte is left").to_string();
    assert_eq!(
        error,
        "failed to decode 2 bytes of bincode: what was expected takes 1 bytes and was followed by 1 more"
    );
    assert!(Payload::json("1 2").decode::<u8>().is_err());
    assert!(Payload::json("").decode::<()>().is_err());
}

#[test]
fn the_numbers_of_encodings_are_the_wire_s() {
    for encoding in ALL {
        assert_eq!(Encoding::from_wire(encoding.into()), Some(encoding));
    }
    assert_eq!((4..=u8::MAX).filter_map(Encoding::from_wire).next(), None);
}

#[test]
fn a_text_that_is_no_json_is_no_byte_string_either() {
    for text in [&b"\"\xff\xfe\""[..], b"\"\0a\"", b"\"\\ud83d\"", b"\"a"] {
        let payload = Payload::json(text);
        assert!(payload.decode::<String>().is_err() && payload.decode::<Bytes>().is_err(), "{text:?}");
    }
    let text = Payload::json("\"\u{e9}\\n\"").decode::<Bytes>().expect("a text");
    assert_eq!(*text, *"\u{e9}\n".as_bytes());
}
