//! [`Shape`]: the parts that a type's `Deserialize` reads.
//!
//! It is a list by the names that serde gives to structs and enums. Several types may have one name. A value
//! is correct if it is correct for one of them. Types that are not in the list are not checked.

/// Structs and enums that may occur in a value.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(super) fields: Vec<Fields>,
    pub(super) enums: Vec<Variants>,
}

/// Nothing is known.
pub(crate) static UNKNOWN: Shape = Shape::new();

/// A struct, tuple struct or variant of an enum, and the number of fields that it reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) name: &'static str,
    /// The variant, if it is an enum.
    pub(super) variant: Option<u32>,
    pub(super) count: Count,
    /// Distinguishes types with the same name.
    pub(super) kind: &'static str,
}

/// Number of fields that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Exactly(usize),
    /// A field with an alias has several names.
    UpTo(usize),
}

/// An enum that is read by the number of its variant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variants {
    pub(super) name: &'static str,
    /// Names of all variants in their order. A variant with an alias has several.
    pub(super) names: &'static [&'static str],
    /// Number of variants, if known.
    pub(super) count: Option<usize>,
    /// Distinguishes types with the same name.
    pub(super) kind: &'static str,
}

impl Shape {
    pub(super) const fn new() -> Self {
        Self { fields: Vec::new(), enums: Vec::new() }
    }

    /// Records the number of fields that are read. An exact number is never replaced.
    pub(super) fn note_fields(&mut self, new: Fields) {
        let is_it =
            |it: &&mut Fields| it.kind == new.kind && it.variant == new.variant && it.name == new.name;
        match self.fields.iter_mut().find(is_it) {
            Some(known) if matches!(known.count, Count::UpTo(_)) => known.count = new.count,
            Some(_) => {}
            None => self.fields.push(new),
        }
    }

    /// Records an enum, or the number of its variants.
    pub(super) fn note_variants(&mut self, new: Variants) {
        match self.enums.iter_mut().find(|it| it.kind == new.kind && it.name == new.name) {
            Some(known) => known.count = known.count.or(new.count),
            None => self.enums.push(new),
        }
    }

    /// Returns the number of fields that are read if `written` ones were written. Returns `None` if the
    /// numbers are equal.
    #[inline]
    pub(super) fn misread(&self, name: &'static str, variant: Option<u32>, written: usize) -> Option<usize> {
        let mut wrong = None;
        for it in self.fields.iter().filter(|it| it.variant == variant && is_same(it.name, name)) {
            match it.count {
                Count::Exactly(read) if read != written => wrong = Some(read),
                Count::UpTo(read) if read < written => wrong = Some(read),
                _ => return None,
            }
        }
        wrong
    }

    /// Returns whether the variant with this number is read as another one, or not at all.
    #[inline]
    pub(super) fn is_misnumbered(&self, name: &'static str, index: u32, variant: &'static str) -> bool {
        let mut wrong = false;
        for it in self.enums.iter().filter(|it| is_same(it.name, name)) {
            if it.has(index as usize, variant) {
                return false;
            }
            wrong = true;
        }
        wrong
    }
}

impl Variants {
    fn has(&self, index: usize, variant: &str) -> bool {
        // The usual case: no aliases, and no omitted variants.
        if self.count == Some(self.names.len()) {
            return self.names.get(index).is_some_and(|name| is_same(name, variant));
        }
        let Some(place) = self.names.iter().position(|name| *name == variant) else {
            return false;
        };
        // Each variant before and after it has at least one name.
        let after = |count: usize| index < count && self.names.len() - place >= count - index;
        place >= index && self.count.is_none_or(after)
    }
}

/// Compares names. Usually both are the same text in memory.
#[inline]
fn is_same(one: &str, other: &str) -> bool {
    std::ptr::eq(one, other) || one == other
}
