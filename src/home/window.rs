//! The rolling window: litres of each of the last hours.

use serde::{Deserialize, Serialize};

/// Hours kept. A day, and a third of one more to look back when the leak floor rises.
pub const WINDOW_HOURS: u32 = 32;
const UNKNOWN: u16 = 1;
/// An hour with flow has this added to its tenths.
const FLOW: u16 = 1;
const UNITS_PER_LITRE: f32 = 10.0;

/// Litres of the last [`WINDOW_HOURS`] whole UTC hours, in tenths of a litre, each measured or unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// 0 for a dry hour, which is the commonest and takes no byte at rest, 1 for an unknown one, else a tenth more than flowed.
    codes: [[u16; 16]; 2],
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
