//! Rules against losses while a value is written to a format: [`Complete`] for bincode, [`Numeric`] for JSON.

use super::shape::Shape;
use serde::ser::Error;
use std::cell::RefCell;

/// Checks of a value while it is written.
pub(crate) trait Rules: Copy {
    /// Checks a number with a fraction.
    fn float<E: Error>(self, value: f64) -> Result<(), E>;
    /// Checks a list or map of this length, if the length is known.
    fn length<E: Error>(self, length: Option<usize>) -> Result<(), E>;
    /// Checks a struct that omits a field.
    fn left_out<E: Error>(self, name: &'static str, field: &'static str) -> Result<(), E>;
    /// Checks the number of fields that a struct, or a variant of an enum, has written.
    fn fields<E: Error>(self, name: &'static str, variant: Option<u32>, count: usize) -> Result<(), E>;
    /// Checks a variant.
    fn variant<E: Error>(self, name: &'static str, index: u32, variant: &'static str) -> Result<(), E>;
}

/// The rules for a format without names: the reader reads exactly the written parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Complete<'c> {
    /// The shape of the type, as far as it is known.
    pub(crate) shape: &'static Shape,
    /// The reason of a rejection, because a format's error is only text.
    pub(crate) refused: &'c RefCell<Option<String>>,
}

impl Complete<'_> {
    #[cold]
    fn refuse<E: Error>(self, reason: String) -> E {
        let error = E::custom(&reason);
        *self.refused.borrow_mut() = Some(reason);
        error
    }
}

impl Rules for Complete<'_> {
    #[inline]
    fn float<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    #[inline]
    fn length<E: Error>(self, length: Option<usize>) -> Result<(), E> {
        match length {
            Some(_) => Ok(()),
            None => {
                Err(self.refuse("it has a list or map whose length is not known, as with `flatten`".into()))
            }
        }
    }

    #[cold]
    fn left_out<E: Error>(self, name: &'static str, field: &'static str) -> Result<(), E> {
        Err(self.refuse(format!("`{name}` leaves out its field `{field}`, as with `skip_serializing_if`")))
    }

    #[inline]
    fn fields<E: Error>(self, name: &'static str, variant: Option<u32>, count: usize) -> Result<(), E> {
        let Some(read) = self.shape.misread(name, variant, count) else {
            return Ok(());
        };
        Err(self.refuse(format!(
            "`{name}` writes {count} fields and reads {read}, as with `skip_serializing`, `skip_deserializing`, \
             `skip_serializing_if` or `tag`"
        )))
    }

    #[inline]
    fn variant<E: Error>(self, name: &'static str, index: u32, variant: &'static str) -> Result<(), E> {
        if !self.shape.is_misnumbered(name, index, variant) {
            return Ok(());
        }
        Err(self.refuse(format!(
            "`{name}::{variant}` would be read as another variant, as where one is left out with `skip` or has one name \
             when it is written and another when it is read"
        )))
    }
}

/// The rules for JSON, where NaN and the infinities would become `null`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numeric;

impl Rules for Numeric {
    #[inline]
    fn float<E: Error>(self, value: f64) -> Result<(), E> {
        match value.is_finite() {
            true => Ok(()),
            false => Err(E::custom(format_args!(
                "JSON has no number for {value}; write `None` instead, or a text"
            ))),
        }
    }

    fn length<E: Error>(self, _: Option<usize>) -> Result<(), E> {
        Ok(())
    }

    fn left_out<E: Error>(self, _: &'static str, _: &'static str) -> Result<(), E> {
        Ok(())
    }

    fn fields<E: Error>(self, _: &'static str, _: Option<u32>, _: usize) -> Result<(), E> {
        Ok(())
    }

    fn variant<E: Error>(self, _: &'static str, _: u32, _: &'static str) -> Result<(), E> {
        Ok(())
    }
}
