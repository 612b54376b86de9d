//! The rolling window: litres of each of the last hours.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Hours kept. A day, and a third of one more to look back when the leak floor rises.
pub const WINDOW_HOURS: u32 = 32;
const UNKNOWN: u16 = 1;
/// An hour with flow has this added to its tenths.
const FLOW: u16 = 1;
const UNITS_PER_LITRE: f32 = 10.0;

/// Litres of the last [`WINDOW_HOURS`] whole UTC hours, in tenths of a litre, each measured or unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// 0 for a dry hour, which is the commonest, 1 for an unknown one, else a tenth more than flowed.
    codes: [[u16; 16]; 2],
}

/// As bytes: 32 bits for the hours that are not dry, then two bytes for each of these. One text of bytes is quicker to pack than 32
/// numbers.
impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = [0; 4 + 2 * WINDOW_HOURS as usize];
        let (mut wet, mut end) = (0u32, 4);
        for (hour, code) in self
            .codes
            .as_flattened()
            .iter()
            .enumerate()
            .filter(|(_, code)| **code != 0)
        {
            wet |= 1 << hour;
            bytes[end..end + 2].copy_from_slice(&code.to_le_bytes());
            end += 2;
        }
        bytes[..4].copy_from_slice(&wet.to_le_bytes());
        serializer.serialize_bytes(&bytes[..end])
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Window;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("32 bits, and two bytes for each that is set")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Window, E> {
        let wrong = || E::invalid_length(bytes.len(), &self);
        let (wet, rest) = bytes.split_first_chunk().ok_or_else(wrong)?;
        let mut wet = u32::from_le_bytes(*wet);
        let (codes, odd) = rest.as_chunks();
        if codes.len() != wet.count_ones() as usize || !odd.is_empty() {
            return Err(wrong());
        }
        let mut window = Window {
            codes: Default::default(),
        };
        for code in codes {
            window.codes.as_flattened_mut()[wet.trailing_zeros() as usize] = u16::from_le_bytes(*code);
            wet &= wet - 1;
        }
        Ok(window)
    }
}

impl Default for Window {
    fn default() -> Self {
        Self {
            codes: [[UNKNOWN; 16]; 2],
        }
    }
}

impl Window {
    fn place(hour: u32) -> (usize, usize) {
        let index = (hour % WINDOW_HOURS) as usize;
        (index / 16, index % 16)
    }

    /// Stores hour `hour`; `None` for an hour that is not wholly measured. Hours come in order, none left out.
    pub(super) fn push(&mut self, hour: u32, litres: Option<f32>) {
        let (row, column) = Self::place(hour);
        // Use below a twentieth of a litre must not look like none.
        self.codes[row][column] = match litres {
            None => UNKNOWN,
            Some(litres) if litres > 0.0 => {
                let tenths = (litres * UNITS_PER_LITRE).round();
                FLOW + tenths.clamp(1.0, f32::from(u16::MAX - FLOW)) as u16
            }
            Some(_) => 0,
        };
    }

    /// Litres of hour `hour`, which must be one of the last [`WINDOW_HOURS`] before `next`; `None` when unknown.
    pub fn litres(&self, hour: u32, next: u32) -> Option<f32> {
        if hour >= next || next - hour > WINDOW_HOURS {
            return None;
        }
        let (row, column) = Self::place(hour);
        match self.codes[row][column] {
            UNKNOWN => None,
            code => Some(f32::from(code.saturating_sub(FLOW)) / UNITS_PER_LITRE),
        }
    }
}
