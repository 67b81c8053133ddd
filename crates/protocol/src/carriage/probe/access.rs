//! The parts of a made-up value, each built on request.

use super::{Probe, Run, Unmade};
use crate::carriage::shape::Variants;
use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// Parts of a list, map, tuple or struct.
pub(super) struct Parts<'r> {
    pub(super) run: &'r Run,
    pub(super) left: usize,
}

impl Parts<'_> {
    fn next<'de, S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Unmade> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(Probe(self.run)).map(Some)
    }
}

impl<'de> SeqAccess<'de> for &mut Parts<'_> {
    type Error = Unmade;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Unmade> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Parts<'_> {
    type Error = Unmade;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Unmade> {
        self.next(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Unmade> {
        seed.deserialize(Probe(self.run))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The variant of a made-up enum.
pub(super) struct Variant<'r> {
    pub(super) run: &'r Run,
    pub(super) name: &'static str,
    pub(super) names: &'static [&'static str],
    pub(super) kind: &'static str,
    pub(super) index: u32,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Unmade;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Unmade> {
        // By its number, as in a positional format.
        let number: U32Deserializer<Unmade> = self.index.into_deserializer();
        let Ok(value) = seed.deserialize(number) else {
            let Self { run, name, names, kind, index } = self;
            let count = usize::try_from(index).ok();
            run.shape.borrow_mut().note_variants(Variants { name, names, count, kind });
            run.choices.borrow_mut().end(kind);
            return Err(Unmade);
        };
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Unmade;

    fn unit_variant(self) -> Result<(), Unmade> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Unmade> {
        seed.deserialize(Probe(self.run))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Unmade> {
        Probe(self.run).fields((self.name, Some(self.index)), length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unmade> {
        Probe(self.run).fields((self.name, Some(self.index)), fields.len(), visitor)
    }
}
