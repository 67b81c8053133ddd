//! The hash of a JSON text by what it says: white space, the order of members, escapes and the way in which a number is
//! written make no difference. Takes no memory but for one text at a time.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::hash::BuildHasher;

/// Returns the hash of the value that a JSON text stands for, or `None` if it is not JSON.
pub(crate) fn of_json(keys: &impl BuildHasher, text: &[u8]) -> Option<u64> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let hash = Value(keys).deserialize(&mut json).ok()?;
    json.end().ok()?;
    Some(hash)
}

/// Hashes a value while it is read.
struct Value<'a, S>(&'a S);

impl<S> Clone for Value<'_, S> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<'de, S: BuildHasher> DeserializeSeed<'de> for Value<'_, S> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: BuildHasher> Visitor<'de> for Value<'_, S> {
    type Value = u64;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<u64, E> {
        Ok(self.0.hash_one(0))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<u64, E> {
        Ok(self.0.hash_one((1, value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        Ok(self.0.hash_one((2, i128::from(value))))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
        Ok(self.0.hash_one((2, i128::from(value))))
    }

    #[expect(clippy::cast_possible_truncation, reason = "a whole number of this size fits")]
    fn visit_f64<E: Error>(self, value: f64) -> Result<u64, E> {
        // 7.0 and 7 are one number to a reader of floats.
        if value.fract() == 0.0 && value.abs() < 1e30 {
            return Ok(self.0.hash_one((2, value as i128)));
        }
        Ok(self.0.hash_one((3, value.to_bits())))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<u64, E> {
        Ok(self.0.hash_one((4, value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<u64, A::Error> {
        let mut hash = self.0.hash_one(5);
        while let Some(item) = items.next_element_seed(self.clone())? {
            hash = self.0.hash_one((hash, item));
        }
        Ok(hash)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<u64, A::Error> {
        // A sum, so that the order makes no difference.
        let mut sum = self.0.hash_one(6);
        while let Some(name) = members.next_key_seed(self.clone())? {
            let value = members.next_value_seed(self.clone())?;
            sum = sum.wrapping_add(self.0.hash_one((name, value)));
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::RandomState;

    #[test]
    fn the_same_value_has_one_hash_however_it_is_written() {
        let keys = RandomState::new();
        let hash = |text: &str| of_json(&keys, text.as_bytes());
        for [one, other] in [
            [r#"{"abort":1}"#, "\n{ \"abort\" :\t1 }  "],
            [r#"{"a":1,"b":[true,null]}"#, r#"{"b":[true,null],"a":1}"#],
            [r#""ab""#, r#""\u0061b""#],
            ["100", "1e2"],
            ["-7.0", "-7"],
            ["0.5", "5e-1"],
        ] {
            assert!(hash(one).is_some() && hash(one) == hash(other), "{one} and {other}");
        }
    }

    #[test]
    fn other_values_have_other_hashes() {
        let keys = RandomState::new();
        let values = [
            "null",
            "false",
            "true",
            "0",
            "1",
            "-1",
            "0.5",
            r#""""#,
            r#""1""#,
            r#""null""#,
            "[]",
            "[[]]",
            "[1,2]",
            "[2,1]",
            "[12]",
            "{}",
            r#"{"a":1}"#,
            r#"{"a":2}"#,
            r#"{"b":1}"#,
            r#"{"a":1,"b":2}"#,
            r#"{"a":2,"b":1}"#,
            r#"["a",1]"#,
            r#"{"a":1,"a":1}"#,
            "18446744073709551615",
            "1e300",
        ];
        let hashes: std::collections::BTreeSet<_> =
            values.iter().map(|value| of_json(&keys, value.as_bytes()).expect(value)).collect();
        assert_eq!(hashes.len(), values.len());
    }

    #[test]
    fn what_is_no_json_has_none() {
        for text in ["", "{", "1 2", "nul", "\u{feff}1"] {
            assert_eq!(of_json(&RandomState::new(), text.as_bytes()), None, "{text}");
        }
    }
}
