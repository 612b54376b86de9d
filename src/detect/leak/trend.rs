//! Growth of the floor over days.
//!
//! Method: the Mann-Kendall test says whether the daily floors rise at all, Sen's slope by how much, with its interval
//! from the ranks of the slopes between all pairs of days (Sen 1968). All work on ranks, so that one day of guests or of
//! a long absence changes little.

use statrs::distribution::{ContinuousCDF, Normal};

/// Days kept.
pub const MOST_DAYS: usize = 14;
/// With fewer known days nothing is said: no order of five is rare enough.
pub const FEWEST_DAYS: usize = 6;
/// The normal deviate of an interval of 90 %: its lower end is passed by chance once in twenty.
const SURE: f32 = 1.645;
/// The least floor that can be told from none, in litres an hour, and the steps to a doubling (one is 3 %).
const LEAST: f32 = 0.1;
const STEPS: f32 = 24.0;
const UNKNOWN: u8 = u8::MAX;

/// A day's floor in a byte, on a logarithmic scale; `None` for a day that is not known.
pub fn encoded(litres_per_hour: Option<f32>) -> u8 {
    match litres_per_hour {
        None => UNKNOWN,
        Some(litres) if litres < LEAST => 0,
        Some(litres) => (1.0 + (STEPS * (litres / LEAST).log2()).round()).min(f32::from(UNKNOWN - 1)) as u8,
    }
}

/// What was encoded.
pub fn decoded(byte: u8) -> Option<f32> {
    match byte {
        UNKNOWN => None,
        0 => Some(0.0),
        step => Some(LEAST * (f32::from(step - 1) / STEPS).exp2()),
    }
}

/// Whether a day is unknown or had no floor.
pub fn says_nothing(day: u8) -> bool {
    day == UNKNOWN || day == 0
}

/// How a floor grew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// By so much over the days, in litres an hour (Sen's slope).
    pub litres_per_hour: f32,
    /// The ends of its interval of 90 %.
    pub low: f32,
    /// The upper end.
    pub high: f32,
    /// The chance of as clear a rise without a trend (Mann-Kendall, one-sided).
    pub p_value: f32,
}

/// How the floor grew over the last days (newest last); `None` where too few are known, or nothing changed.
pub fn growth(days: &[u8]) -> Option<Growth> {
    let known: Vec<(usize, f32)> = days
        .iter()
        .enumerate()
        .filter_map(|(day, byte)| Some((day, decoded(*byte)?)))
        .collect();
    if known.len() < FEWEST_DAYS || days.last() == Some(&UNKNOWN) {
        return None;
    }
    let (mut rises, mut slopes) = (0_i32, Vec::new());
    for (index, (later, high)) in known.iter().enumerate() {
        for (earlier, low) in &known[..index] {
            rises += i32::from(high > low) - i32::from(high < low);
            slopes.push((high - low) / (later - earlier) as f32);
        }
    }
    let variance_of = |count: usize| (count * (count - 1) * (2 * count + 5)) as f32 / 18.0;
    let mut values: Vec<f32> = known.iter().map(|(_, value)| *value).collect();
    values.sort_by(f32::total_cmp);
    let ties: f32 = values.chunk_by(|a, b| a == b).map(|tied| variance_of(tied.len())).sum();
    let deviation = (variance_of(known.len()) - ties).max(0.0).sqrt();
    if deviation <= 0.0 {
        return None;
    }
    slopes.sort_by(f32::total_cmp);
    let (count, over) = (slopes.len(), (days.len() - 1) as f32);
    // Ranks of the interval's ends, cautiously rounded outwards.
    let off = ((count as f32 - SURE * deviation) / 2.0).floor().max(0.0) as usize;
    let middle = (slopes[(count - 1) / 2] + slopes[count / 2]) / 2.0;
    let z = f64::from((rises - 1) as f32 / deviation);
    Some(Growth {
        litres_per_hour: middle * over,
        low: slopes[off.saturating_sub(1)] * over,
        high: slopes[count - off.max(1)] * over,
        p_value: Normal::standard().sf(z) as f32,
    })
}
