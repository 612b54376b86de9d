//! State at rest: the values of a home in as few bytes as they need.
//!
//! Most of what is kept of a home is nought most of the time, and its times lie near each other. So every value has one
//! bit in a control byte that stands before the bytes of eight values, and bytes of its own only if it is not nought; a
//! time is written as its distance from the time before it, in hours if it is a whole number of them.
//!
//! Form: control bytes, lowest bit first, between the bytes that they speak of. Truth values and the presence of an option are the
//! bit alone. Whole numbers are LEB128 (signed ones in zigzag), fractions LEB128 of their bits with the exponent at the
//! low end, texts and bytes a length and themselves. As in postcard, names and kinds are not written: the type says them.
//! Nothing is rounded: what is read back equals what was written, to the bit.

mod read;
mod write;

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Why bytes are no packed values.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PackedError {
    /// They end in the middle of a value.
    #[error("the bytes end in the middle of a value")]
    TooShort,
    /// More bytes than values.
    #[error("{0} bytes too many")]
    TooLong(usize),
    /// A number that its type cannot hold.
    #[error("a number beyond its type")]
    Number,
    /// A text that is not UTF-8.
    #[error("a text that is not UTF-8")]
    Text,
    /// A type that has no packed form.
    #[error("{0} have no packed form")]
    Unsupported(&'static str),
    /// What the type itself says.
    #[error("{0}")]
    Values(String),
}

impl serde::ser::Error for PackedError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Values(message.to_string())
    }
}

impl serde::de::Error for PackedError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Values(message.to_string())
    }
}

/// Appends the packed form of `value` to `bytes`.
///
/// # Errors
/// [`PackedError::Unsupported`] for maps, characters and lists whose length is not known.
pub fn pack<T: Serialize>(value: &T, bytes: &mut Vec<u8>) -> Result<(), PackedError> {
    value.serialize(&mut write::Writer::new(bytes))
}

/// Reads what [`pack`] wrote.
///
/// # Errors
/// Every way in which the bytes are not the packed form of a `T`.
pub fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PackedError> {
    let mut reader = read::Reader::new(bytes);
    let value = T::deserialize(&mut reader)?;
    match reader.left() {
        0 => Ok(value),
        left => Err(PackedError::TooLong(left)),
    }
}

/// The name by which a type says that it is a time: whole seconds in 32 bits.
const TIME: &str = "EventTime";
const HOUR: i64 = 3_600;

/// The distance of `time` from `before` as a code that is never 0; 0 is for the time 0.
fn time_code(time: u32, before: u32) -> u64 {
    if time == 0 {
        return 0;
    }
    let distance = i64::from(time) - i64::from(before);
    if distance % HOUR == 0 {
        zigzag(distance / HOUR) << 1 | 1
    } else {
        zigzag(distance) << 1
    }
}

fn time_of(code: u64, before: u32) -> Result<u32, PackedError> {
    if code == 0 {
        return Ok(0);
    }
    let distance = unzigzag(code >> 1);
    let distance = if code & 1 == 1 {
        distance.checked_mul(HOUR)
    } else {
        Some(distance)
    };
    let time = distance.and_then(|distance| i64::from(before).checked_add(distance));
    time.and_then(|time| u32::try_from(time).ok())
        .ok_or(PackedError::Number)
}

const fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

const fn unzigzag(code: u64) -> i64 {
    (code >> 1) as i64 ^ -((code & 1) as i64)
}
