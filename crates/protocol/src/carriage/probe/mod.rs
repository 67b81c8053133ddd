//! Runs a type's `Deserialize` on made-up values and records its requests.
//!
//! A value is built part by part. Each number is 1 and each text is "1". If a type rejects that, they are 0
//! and "". A list has one element, an option is `Some`, and an enum is each of its variants in turn. A part
//! that leads back to itself ends. If a type rejects such a value, the later parts of the same struct stay
//! unknown, and are not checked.

mod access;

use super::LOOKS;
use super::choices::{Choices, Open};
use super::shape::{Count, Fields, Shape, Variants};
use access::{Parts, Variant};
use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};
use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Maximum number of parts that all runs together build for one type. Larger types stay partly unknown.
const MOST_PARTS: usize = 100_000;

/// Maximum number of runs for one type, for each filling.
const MOST_RUNS: usize = 512;

/// Finds out which parts a `T` reads.
pub(super) fn examine<T: DeserializeOwned>() -> Result<Shape, &'static str> {
    let run = Run::default();
    for filling in [1, 0] {
        run.filling.set(filling);
        if all_runs::<T>(&run)? {
            break;
        }
    }
    Ok(run.shape.into_inner())
}

/// Runs until nothing new is found. Returns whether every value could be built.
fn all_runs<T: DeserializeOwned>(run: &Run) -> Result<bool, &'static str> {
    let (mut quiet, mut all_made) = (0, true);
    for _ in 0..MOST_RUNS {
        run.begin();
        // A type that panics on data from a peer stays unknown. That does not affect programs that start a
        // pool of it.
        let made = catch_unwind(AssertUnwindSafe(|| T::deserialize(Probe(run)).is_ok())).unwrap_or(false);
        if let Some(reason) = run.refused.get() {
            return Err(reason);
        }
        let choices = run.choices.borrow();
        all_made &= made || choices.has_ended;
        quiet = if choices.is_new { 0 } else { quiet + 1 };
        // With nested enums, each occurs within each variant of the others.
        let (enums, variants) = choices.size();
        let enough = if enums > 1 { variants } else { 0 };
        if quiet > enough || run.parts.get() == 0 {
            break;
        }
    }
    Ok(all_made)
}

/// The value that is under construction, and the findings.
#[derive(Debug)]
struct Run {
    shape: RefCell<Shape>,
    choices: RefCell<Choices>,
    refused: Cell<Option<&'static str>>,
    filling: Cell<u8>,
    /// Number of parts that may still be built.
    parts: Cell<usize>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            shape: RefCell::new(Shape::new()),
            choices: RefCell::default(),
            refused: Cell::new(None),
            filling: Cell::new(1),
            parts: Cell::new(MOST_PARTS),
        }
    }
}

impl Run {
    fn begin(&self) {
        self.choices.borrow_mut().begin();
    }

    /// Builds a value of this kind, which must not contain another one of its kind.
    fn once<T>(&self, kind: &'static str, make: impl FnOnce() -> Result<T, Unmade>) -> Result<T, Unmade> {
        if self.choices.borrow_mut().goes_on_for_ever(kind) {
            return Err(Unmade);
        }
        self.within(Open { kind, may_be_empty: false }, make)
    }

    /// Builds a list, map or option of this kind, with one element or none.
    fn some<T>(
        &self,
        kind: &'static str,
        make: impl FnOnce(usize) -> Result<T, Unmade>,
    ) -> Result<T, Unmade> {
        let length = usize::from(!self.choices.borrow().is_to_be_empty(kind));
        self.within(Open { kind, may_be_empty: true }, || make(length))
    }

    fn within<T>(&self, open: Open, make: impl FnOnce() -> Result<T, Unmade>) -> Result<T, Unmade> {
        self.choices.borrow_mut().open.push(open);
        let made = make();
        self.choices.borrow_mut().open.pop();
        made
    }

    fn looks(&self) -> Unmade {
        self.refused.set(Some(LOOKS));
        Unmade
    }

    fn fields(&self, name: &'static str, variant: Option<u32>, kind: &'static str, count: Count) {
        self.shape.borrow_mut().note_fields(Fields { name, variant, count, kind });
    }
}

/// A value that could not be built. The reason does not matter.
#[derive(Debug)]
struct Unmade;

impl fmt::Display for Unmade {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("no value was made up")
    }
}

impl std::error::Error for Unmade {}

impl Error for Unmade {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// A deserializer that returns any requested value.
#[derive(Clone, Copy)]
struct Probe<'r>(&'r Run);

macro_rules! numbers {
    ($($method:ident $visit:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unmade> {
            visitor.$visit(self.part()?.into())
        }
    )+};
}

macro_rules! looks {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unmade> {
            Err(self.0.looks())
        }
    )+};
}

impl Probe<'_> {
    /// Pays for one part. Returns its filling.
    fn part(self) -> Result<u8, Unmade> {
        let left = self.0.parts.get().checked_sub(1).ok_or(Unmade)?;
        self.0.parts.set(left);
        Ok(self.0.filling.get())
    }

    fn text(self) -> Result<&'static str, Unmade> {
        Ok(if self.part()? == 0 { "" } else { "1" })
    }

    fn parts<'de, V: Visitor<'de>>(self, visitor: V, count: usize) -> Result<(V::Value, usize), Unmade> {
        let mut parts = Parts { run: self.0, left: count };
        let made = visitor.visit_seq(&mut parts)?;
        Ok((made, count - parts.left))
    }

    fn fields<'de, V: Visitor<'de>>(
        self,
        (name, variant): (&'static str, Option<u32>),
        names: usize,
        visitor: V,
    ) -> Result<V::Value, Unmade> {
        let (run, kind) = (self.0, type_name::<V>());
        run.fields(name, variant, kind, Count::UpTo(names));
        let (made, read) = run.once(kind, || self.parts(visitor, names))?;
        run.fields(name, variant, kind, Count::Exactly(read));
        Ok(made)
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Unmade;

    looks! { deserialize_any deserialize_identifier deserialize_ignored_any }

    numbers! {
        deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64 deserialize_i128 visit_i128
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
        deserialize_u128 visit_u128
        deserialize_f32 visit_f32 deserialize_f64 visit_f64 deserialize_char visit_char
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unmade> {
        visitor.visit_i8(i8::from(self.part()? != 0))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unmade> {
        visitor.visit_bool(self.part()? != 0)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unmade> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unmade> {
        visitor.visit_string(self.text()?.into())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unmade> {
        visitor.visit_bytes(self.text()?.as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unmade> {
        visitor.visit_byte_buf(self.text()?.into())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unmade> {
        self.part()?;
        self.0.some(type_name::<V>(), |length| match length {
            0 => visitor.visit_none(),
            _ => visitor.visit_some(self),
        })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unmade> {
        self.part()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unmade> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unmade> {
        self.part()?;
        // Raw JSON text, which no other format supports.
        if name.starts_with("$serde_json::") {
            return Err(self.0.looks());
        }
        self.0.once(type_name::<V>(), || visitor.visit_newtype_struct(self))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unmade> {
        self.part()?;
        self.0.some(type_name::<V>(), |length| Ok(self.parts(visitor, length)?.0))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Unmade> {
        self.0.once(type_name::<V>(), || Ok(self.parts(visitor, length)?.0))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Unmade> {
        self.fields((name, None), length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unmade> {
        self.part()?;
        self.0.some(type_name::<V>(), |length| visitor.visit_map(Parts { run: self.0, left: length }))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unmade> {
        self.fields((name, None), fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unmade> {
        self.part()?;
        let (run, kind) = (self.0, type_name::<V>());
        run.shape.borrow_mut().note_variants(Variants { name, names, count: None, kind });
        let index = run.choices.borrow_mut().variant(kind, names.len()).ok_or(Unmade)?;
        let variant = Variant { run, name, names, kind, index };
        let made = run.within(Open { kind, may_be_empty: false }, || visitor.visit_enum(variant))?;
        run.choices.borrow_mut().made(kind, index);
        Ok(made)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
