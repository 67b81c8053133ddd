//! Decodes typed values from hostile bytes: depth and number of elements are bounded before anything is
//! built.
//!
//! `Bounded` is a layer between a value's `Deserialize` and any format's `Deserializer`. It knows serde, but
//! no format (that is `codec.rs`) and no type. The requests of `Deserialize` pass through `access.rs`, so
//! that nested values are bounded in the same way.
//!
//! A positional format accepts three things that are rejected here. The first is more elements than the bytes
//! can hold: units take no bytes, so five bytes announce 2³² of them. The others are nesting deeper than
//! [`MAX_DEPTH`], and memory for text or bytes that are announced but missing.

mod access;

use crate::codec::{self, CodecError};
use crate::limits::MAX_DEPTH;
use access::{Guarded, Owning};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, Visitor};
use std::cell::Cell;
use std::marker::PhantomData;

/// Number of elements that a value may have beyond the length of its payload.
///
/// Every element of a sequence or map takes at least a byte, unless its type takes none. A legitimate
/// `Vec<()>` may have this number of elements.
pub const SPARE_ELEMENTS: usize = 1024;

/// Decodes a value that uses exactly all of `bytes`.
///
/// Sequences and maps together may have as many elements as there are bytes, and
/// [`SPARE_ELEMENTS`] more. Sequences, maps, tuples, structs, enums, options and newtypes may be
/// nested [`MAX_DEPTH`] deep.
///
/// # Errors
/// When the bytes are not a `T`, are followed by others, or exceed a bound.
///
/// ```
/// use procpool_protocol::{bounded, codec};
///
/// let bytes = codec::encode_typed(&vec![1_u64, 2, 3]).unwrap();
/// assert_eq!(bounded::from_bincode::<Vec<u64>>(&bytes).unwrap(), [1, 2, 3]);
///
/// let four_billion_units = [253, 0, 0, 0, 0, 1, 0, 0, 0];
/// assert!(bounded::from_bincode::<Vec<()>>(&four_billion_units).is_err());
/// ```
pub fn from_bincode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let elements = Cell::new(bytes.len().saturating_add(SPARE_ELEMENTS));
    let top = Level { elements: &elements, depth: 0 };
    codec::decode_typed(bytes, Bounded::new(PhantomData::<T>, top))
}

/// The remaining bounds, at one level of nesting.
#[derive(Clone, Copy, Debug)]
struct Level<'b> {
    /// Number of elements that the whole value may still have, shared by all levels.
    elements: &'b Cell<usize>,
    depth: u32,
}

impl Level<'_> {
    fn down<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("the value is nested more than {MAX_DEPTH} levels deep")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn take<E: Error>(self, count: usize) -> Result<(), E> {
        let left = self.elements.get();
        let Some(rest) = left.checked_sub(count) else {
            return Err(E::custom(format_args!(
                "{count} elements are announced where the payload has room for {left}"
            )));
        };
        self.elements.set(rest);
        Ok(())
    }
}

/// A deserializer, or the seed of a value, with bounds.
struct Bounded<'b, T> {
    inner: T,
    level: Level<'b>,
}

impl<'b, T> Bounded<'b, T> {
    fn new(inner: T, level: Level<'b>) -> Self {
        Self { inner, level }
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Bounded::new(deserializer, self.level))
    }
}

/// Values without parts need no bounds, and use their format directly.
macro_rules! leaves {
    ($($method:ident)+) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )+};
}

/// Values with parts are one level deeper. `$visitor` says how their parts are counted.
macro_rules! containers {
    ($($method:ident($($name:ident: $type:ty),*) $visitor:ident;)+) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($name,)* Guarded::$visitor(visitor, self.level.down()?))
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    leaves! {
        deserialize_bool
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_bytes deserialize_unit deserialize_identifier
    }

    containers! {
        deserialize_any() counted;
        deserialize_ignored_any() counted;
        deserialize_option() fixed;
        deserialize_unit_struct(name: &'static str) fixed;
        deserialize_newtype_struct(name: &'static str) fixed;
        deserialize_seq() counted;
        deserialize_map() counted;
        deserialize_tuple(len: usize) fixed;
        deserialize_tuple_struct(name: &'static str, len: usize) fixed;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) fixed;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) fixed;
    }

    // If asked for an owned string, a format may allocate the announced length before it checks that the
    // bytes exist, as bincode does. For a borrowed one it must check first.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(Owning(visitor))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_bytes(Owning(visitor))
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
