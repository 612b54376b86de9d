//! Reading packed values.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::{PackedError, TIME, time_of, unzigzag};

pub(super) struct Reader<'de> {
    bytes: &'de [u8],
    /// The bits of the control byte that are left, and how many.
    control: u8,
    left: u8,
    /// The time read last.
    time: u32,
    /// The next number is a time.
    is_time: bool,
}

impl<'de> Reader<'de> {
    pub fn new(bytes: &'de [u8]) -> Self {
        Self {
            bytes,
            control: 0,
            left: 0,
            time: 0,
            is_time: false,
        }
    }

    /// Bytes not read.
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, PackedError> {
        let (byte, rest) = self.bytes.split_first().ok_or(PackedError::TooShort)?;
        self.bytes = rest;
        Ok(*byte)
    }

    #[inline]
    fn bit(&mut self) -> Result<bool, PackedError> {
        if self.left == 0 {
            (self.control, self.left) = (self.byte()?, 8);
        }
        let bit = self.control & 1 == 1;
        self.control >>= 1;
        self.left -= 1;
        Ok(bit)
    }

    #[inline]
    fn number(&mut self) -> Result<u64, PackedError> {
        if !self.bit()? {
            return Ok(0);
        }
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(PackedError::Number);
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, PackedError> {
        T::try_from(self.number()?).map_err(|_| PackedError::Number)
    }

    fn signed<T: TryFrom<i64>>(&mut self) -> Result<T, PackedError> {
        T::try_from(unzigzag(self.number()?)).map_err(|_| PackedError::Number)
    }

    fn raw(&mut self) -> Result<&'de [u8], PackedError> {
        let length = self.narrow::<usize>()?;
        let (raw, rest) = self.bytes.split_at_checked(length).ok_or(PackedError::TooShort)?;
        self.bytes = rest;
        Ok(raw)
    }

    fn text(&mut self) -> Result<&'de str, PackedError> {
        std::str::from_utf8(self.raw()?).map_err(|_| PackedError::Text)
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $read:ident,)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PackedError> {
            visitor.$visit(self.$read()?)
        })+
    };
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = PackedError;

    fn is_human_readable(&self) -> bool {
        false
    }

    numbers! {
        deserialize_bool visit_bool bit,
        deserialize_i8 visit_i8 signed,
        deserialize_i16 visit_i16 signed,
        deserialize_i32 visit_i32 signed,
        deserialize_i64 visit_i64 signed,
        deserialize_u16 visit_u16 narrow,
        deserialize_u64 visit_u64 number,
        deserialize_str visit_borrowed_str text,
        deserialize_string visit_borrowed_str text,
        deserialize_bytes visit_borrowed_bytes raw,
        deserialize_byte_buf visit_borrowed_bytes raw,
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PackedError> {
        let value = if self.bit()? { self.byte()? } else { 0 };
        visitor.visit_u8(value)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PackedError> {
        if !std::mem::take(&mut self.is_time) {
            return visitor.visit_u32(self.narrow()?);
        }
        let time = time_of(self.number()?, self.time)?;
        if time != 0 {
            self.time = time;
        }
        visitor.visit_u32(time)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PackedError> {
        visitor.visit_f32(f32::from_bits(self.narrow::<u32>()?.swap_bytes()))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PackedError> {
        visitor.visit_f64(f64::from_bits(self.number()?.swap_bytes()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PackedError> {
        if self.bit()? {
            visitor.visit_some(self)
        } else {
            visitor.visit_none()
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PackedError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, PackedError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PackedError> {
        self.is_time = name == TIME;
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PackedError> {
        let left = self.narrow()?;
        visitor.visit_seq(Elements { reader: self, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, left: usize, visitor: V) -> Result<V::Value, PackedError> {
        visitor.visit_seq(Elements { reader: self, left })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, PackedError> {
        visitor.visit_seq(Elements { reader: self, left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PackedError> {
        let left = fields.len();
        visitor.visit_seq(Elements { reader: self, left })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PackedError> {
        visitor.visit_enum(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, PackedError> {
        Err(PackedError::Unsupported("maps"))
    }

    fn deserialize_char<V: Visitor<'de>>(self, _: V) -> Result<V::Value, PackedError> {
        Err(PackedError::Unsupported("characters"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, PackedError> {
        Err(PackedError::Unsupported("values of unknown type"))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, PackedError> {
        Err(PackedError::Unsupported("names"))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, PackedError> {
        Err(PackedError::Unsupported("values of unknown type"))
    }
}

struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for Elements<'_, 'de> {
    type Error = PackedError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, PackedError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        // A length that was damaged makes nobody reserve more than there are bits.
        Some(self.left.min(8 * self.reader.bytes.len() + 8))
    }
}

impl<'de> de::EnumAccess<'de> for &mut Reader<'de> {
    type Error = PackedError;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), PackedError> {
        let index: u32 = self.narrow()?;
        let value = seed.deserialize(IntoDeserializer::<PackedError>::into_deserializer(index))?;
        Ok((value, self))
    }
}

impl<'de> de::VariantAccess<'de> for &mut Reader<'de> {
    type Error = PackedError;

    fn unit_variant(self) -> Result<(), PackedError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, PackedError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, PackedError> {
        de::Deserializer::deserialize_tuple(self, length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PackedError> {
        de::Deserializer::deserialize_tuple(self, fields.len(), visitor)
    }
}
