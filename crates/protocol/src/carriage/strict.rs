//! [`Strict`]: passes a `Serialize` on to a format, with rules against losses.

use super::rules::Rules;
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use std::fmt::Display;

/// A value, or the serializer that it is written to, with rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strict<T, R> {
    pub(crate) inner: T,
    pub(crate) rules: R,
}

impl<T: Serialize + ?Sized, R: Rules> Serialize for Strict<&T, R> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(Strict { inner: serializer, rules: self.rules })
    }
}

impl<S: Serializer, R: Rules> Strict<S, R> {
    fn parts<C>(rules: R, inner: C, name: &'static str, variant: Option<u32>) -> Parts<C, R> {
        Parts { inner, rules, name, variant, count: 0 }
    }
}

/// A value's parts while they are written.
pub(crate) struct Parts<C, R> {
    inner: C,
    rules: R,
    name: &'static str,
    variant: Option<u32>,
    count: usize,
}

macro_rules! pass {
    ($($method:ident($type:ty))+) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        }
    )+};
}

impl<S: Serializer, R: Rules> Serializer for Strict<S, R> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<S::SerializeSeq, R>;
    type SerializeTuple = Parts<S::SerializeTuple, R>;
    type SerializeTupleStruct = Parts<S::SerializeTupleStruct, R>;
    type SerializeTupleVariant = Parts<S::SerializeTupleVariant, R>;
    type SerializeMap = Parts<S::SerializeMap, R>;
    type SerializeStruct = Parts<S::SerializeStruct, R>;
    type SerializeStructVariant = Parts<S::SerializeStructVariant, R>;

    pass! {
        serialize_bool(bool) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
        serialize_unit_struct(&'static str)
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.rules.float(value.into())?;
        self.inner.serialize_f32(value)
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.rules.float(value)?;
        self.inner.serialize_f64(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    #[inline]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Strict { inner: value, rules: self.rules })
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.rules.variant(name, index, variant)?;
        self.inner.serialize_unit_variant(name, index, variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, &Strict { inner: value, rules: self.rules })
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.rules.variant(name, index, variant)?;
        let value = Strict { inner: value, rules: self.rules };
        self.inner.serialize_newtype_variant(name, index, variant, &value)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.rules.length(length)?;
        Ok(Self::parts(self.rules, self.inner.serialize_seq(length)?, "", None))
    }

    #[inline]
    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        Ok(Self::parts(self.rules, self.inner.serialize_tuple(length)?, "", None))
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        Ok(Self::parts(self.rules, self.inner.serialize_tuple_struct(name, length)?, name, None))
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.rules.variant(name, index, variant)?;
        let inner = self.inner.serialize_tuple_variant(name, index, variant, length)?;
        Ok(Self::parts(self.rules, inner, name, Some(index)))
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.rules.length(length)?;
        Ok(Self::parts(self.rules, self.inner.serialize_map(length)?, "", None))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeStruct, S::Error> {
        Ok(Self::parts(self.rules, self.inner.serialize_struct(name, length)?, name, None))
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.rules.variant(name, index, variant)?;
        let inner = self.inner.serialize_struct_variant(name, index, variant, length)?;
        Ok(Self::parts(self.rules, inner, name, Some(index)))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Lists and tuples: the type or the length defines the number of parts.
macro_rules! uncounted {
    ($($trait:ident)+) => {$(
        impl<C: $trait, R: Rules> $trait for Parts<C, R> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.inner.serialize_element(&Strict { inner: value, rules: self.rules })
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )+};
}

/// Values with fields, some of which may be omitted. `$key` is present if they have names.
macro_rules! counted {
    ($($trait:ident($($key:ident)?))+) => {$(
        impl<C: $trait, R: Rules> $trait for Parts<C, R> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                $($key: &'static str,)?
                value: &T,
            ) -> Result<(), C::Error> {
                self.count += 1;
                self.inner.serialize_field($($key,)? &Strict { inner: value, rules: self.rules })
            }

            $(
                fn skip_field(&mut self, $key: &'static str) -> Result<(), C::Error> {
                    self.rules.left_out::<C::Error>(self.name, $key)?;
                    self.inner.skip_field($key)
                }
            )?

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.rules.fields::<C::Error>(self.name, self.variant, self.count)?;
                self.inner.end()
            }
        }
    )+};
}

uncounted! { SerializeSeq SerializeTuple }
counted! { SerializeTupleStruct() SerializeTupleVariant() SerializeStruct(key) SerializeStructVariant(key) }

impl<C: SerializeMap, R: Rules> SerializeMap for Parts<C, R> {
    type Ok = C::Ok;
    type Error = C::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.inner.serialize_key(&Strict { inner: key, rules: self.rules })
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.inner.serialize_value(&Strict { inner: value, rules: self.rules })
    }

    #[inline]
    fn serialize_entry<K: Serialize + ?Sized, T: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &T,
    ) -> Result<(), C::Error> {
        let (key, value) =
            (Strict { inner: key, rules: self.rules }, Strict { inner: value, rules: self.rules });
        self.inner.serialize_entry(&key, &value)
    }

    #[inline]
    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}
