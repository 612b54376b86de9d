//! The rolling window: litres of each of the last hours.

use serde::{Deserialize, Serialize};

/// Hours kept. A day, and a third of one more to look back when the leak floor rises.
pub const WINDOW_HOURS: u32 = 32;
const UNKNOWN: u16 = u16::MAX;
const UNITS_PER_LITRE: f32 = 10.0;

/// Litres of the last [`WINDOW_HOURS`] whole UTC hours, in tenths of a litre, each measured or unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    tenths: [[u16; 16]; 2],
}

impl Default for Window {
    fn default() -> Self {
        Self {
            tenths: [[UNKNOWN; 16]; 2],
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
        self.tenths[row][column] = litres.map_or(UNKNOWN, |litres| {
            let tenths = (litres * UNITS_PER_LITRE).round().clamp(0.0, f32::from(UNKNOWN - 1)) as u16;
            if litres > 0.0 { tenths.max(1) } else { 0 }
        });
    }

    /// Litres of hour `hour`, which must be one of the last [`WINDOW_HOURS`] before `next`; `None` when unknown.
    pub fn litres(&self, hour: u32, next: u32) -> Option<f32> {
        if hour >= next || next - hour > WINDOW_HOURS {
            return None;
        }
        let (row, column) = Self::place(hour);
        let tenths = self.tenths[row][column];
        (tenths != UNKNOWN).then(|| f32::from(tenths) / UNITS_PER_LITRE)
    }
}
