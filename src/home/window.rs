//! The rolling window: litres of each of the last hours.

use serde::{Deserialize, Serialize};

/// Hours kept. A day, and a third of one more to look back when the leak floor rises.
pub const WINDOW_HOURS: u32 = 32;
const UNKNOWN: u16 = 1;
/// An hour with flow has this added to its code.
const FLOW: u16 = 1;

/// Litres of the last [`WINDOW_HOURS`] whole UTC hours, each measured or unknown: to the hundredth below 327.68 L, so that
/// a sum over a day may be held against a rule of litres, and to the tenth from there to 3,604.3 L, the most that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// 0 for a dry hour, which is the commonest and takes no byte at rest, 1 for an unknown one, else one more than the code
    /// of what flowed.
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
        self.codes[row][column] = match litres {
            None => UNKNOWN,
            Some(litres) if litres > 0.0 => FLOW + code(litres),
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
            code => Some(litres_of(code.saturating_sub(FLOW))),
        }
    }
}

/// From this code on tenths follow where the hundredths end.
const TENTHS: u16 = 1 << 15;
/// The tenths that its first code stands for.
const FIRST_TENTHS: u16 = TENTHS.div_ceil(10);

/// The code of a flow, 1 or more: the least use must not look like none.
fn code(litres: f32) -> u16 {
    let litres = f64::from(litres);
    let hundredths = (litres * 100.0).round().max(1.0);
    if hundredths < f64::from(TENTHS) {
        return hundredths as u16;
    }
    let tenths = (litres * 10.0).round() - f64::from(FIRST_TENTHS);
    TENTHS + tenths.clamp(0.0, f64::from(u16::MAX - FLOW - TENTHS)) as u16
}

fn litres_of(code: u16) -> f32 {
    if code < TENTHS {
        f32::from(code) / 100.0
    } else {
        (f32::from(code - TENTHS) + f32::from(FIRST_TENTHS)) / 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_hours_are_kept_to_the_hundredth_and_great_ones_to_the_tenth() {
        let mut window = Window::default();
        let mut kept = |litres: f32| {
            window.push(5, Some(litres));
            window.litres(5, 6)
        };
        for (litres, expected) in [
            (0.0, 0.0),
            (0.001, 0.01),
            (0.26, 0.26),
            (9.99, 9.99),
            (327.67, 327.67),
            (327.68, 327.7),
            (2_000.04, 2_000.0),
            (3_000.1, 3_000.1),
            (9_999.0, 3_604.3),
        ] {
            assert_eq!(kept(litres), Some(expected), "{litres}");
        }
        window.push(5, None);
        assert_eq!(window.litres(5, 6), None);
        let codes: Vec<f32> = (0..u16::MAX).map(litres_of).collect();
        assert!(codes.is_sorted(), "a greater use has a greater code");
    }
}
