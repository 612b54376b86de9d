//! Writing packed values.

use serde::ser::{self, Serialize};

use super::{PackedError, TIME, time_code, zigzag};

pub(super) struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    /// Where the control byte stands, and how many of its bits are taken.
    control: usize,
    taken: u8,
    /// The time written last.
    time: u32,
    /// The next number is a time.
    is_time: bool,
}

impl<'a> Writer<'a> {
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self {
            bytes,
            control: 0,
            taken: 8,
            time: 0,
            is_time: false,
        }
    }

    #[inline]
    fn bit(&mut self, bit: bool) {
        if self.taken == 8 {
            (self.control, self.taken) = (self.bytes.len(), 0);
            self.bytes.push(0);
        }
        self.bytes[self.control] |= u8::from(bit) << self.taken;
        self.taken += 1;
    }

    #[inline]
    fn number(&mut self, mut number: u64) {
        self.bit(number != 0);
        if number == 0 {
            return;
        }
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn raw(&mut self, raw: &[u8]) {
        self.number(raw.len() as u64);
        self.bytes.extend_from_slice(raw);
    }
}

type Done = Result<(), PackedError>;

impl<'a> ser::Serializer for &mut Writer<'a> {
    type Ok = ();
    type Error = PackedError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = ser::Impossible<(), PackedError>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Done {
        self.bit(value);
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Done {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Done {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Done {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Done {
        self.number(zigzag(value));
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Done {
        self.bit(value != 0);
        if value != 0 {
            self.bytes.push(value);
        }
        Ok(())
    }

    fn serialize_u16(self, value: u16) -> Done {
        self.number(value.into());
        Ok(())
    }

    fn serialize_u32(self, value: u32) -> Done {
        if std::mem::take(&mut self.is_time) {
            self.number(time_code(value, self.time));
            if value != 0 {
                self.time = value;
            }
        } else {
            self.number(value.into());
        }
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Done {
        self.number(value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Done {
        self.number(value.to_bits().swap_bytes().into());
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Done {
        self.number(value.to_bits().swap_bytes());
        Ok(())
    }

    fn serialize_char(self, _: char) -> Done {
        Err(PackedError::Unsupported("characters"))
    }

    fn serialize_str(self, value: &str) -> Done {
        self.raw(value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Done {
        self.raw(value);
        Ok(())
    }

    fn serialize_none(self) -> Done {
        self.bit(false);
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Done {
        self.bit(true);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Done {
        self.number(index.into());
        Ok(())
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, name: &'static str, value: &T) -> Done {
        self.is_time = name == TIME;
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Done {
        self.number(index.into());
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, PackedError> {
        let length = length.ok_or(PackedError::Unsupported("lists of unknown length"))?;
        self.number(length as u64);
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, PackedError> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, PackedError> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, PackedError> {
        self.number(index.into());
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, PackedError> {
        Err(PackedError::Unsupported("maps"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, PackedError> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, PackedError> {
        self.number(index.into());
        Ok(self)
    }
}

/// All kinds of lists are their elements one after the other.
macro_rules! elements {
    ($($list:ident $element:ident,)+) => {
        $(impl ser::$list for &mut Writer<'_> {
            type Ok = ();
            type Error = PackedError;

            fn $element<T: ?Sized + Serialize>(&mut self, value: &T) -> Done {
                value.serialize(&mut **self)
            }

            fn end(self) -> Done {
                Ok(())
            }
        })+
    };
}

elements! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

macro_rules! fields {
    ($($list:ident,)+) => {
        $(impl ser::$list for &mut Writer<'_> {
            type Ok = ();
            type Error = PackedError;

            fn serialize_field<T: ?Sized + Serialize>(&mut self, _: &'static str, value: &T) -> Done {
                value.serialize(&mut **self)
            }

            fn end(self) -> Done {
                Ok(())
            }
        })+
    };
}

fields! {
    SerializeStruct,
    SerializeStructVariant,
}
