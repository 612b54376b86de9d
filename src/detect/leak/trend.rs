//! Growth of the floor over days.
//!
//! Method: the Mann-Kendall test says whether the daily floors rise at all, the Theil-Sen slope by how much. Both work
//! on ranks and medians, so that one day of guests or of a long absence changes little.

/// Days kept.
pub const MOST_DAYS: usize = 14;
/// With fewer known days nothing is said: no order of five is rare enough.
pub const FEWEST_DAYS: usize = 6;
/// One-sided 95 %: the normal deviate that the test's statistic must pass.
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

fn decoded(byte: u8) -> Option<f32> {
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

/// The growth over `days` in litres an hour, if the last days (newest last) surely grew.
pub fn growth(days: &[u8]) -> Option<f32> {
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
    let variance = variance_of(known.len()) - ties;
    if variance <= 0.0 || (rises - 1) as f32 / variance.sqrt() <= SURE {
        return None;
    }
    slopes.sort_by(f32::total_cmp);
    let middle = (slopes[(slopes.len() - 1) / 2] + slopes[slopes.len() / 2]) / 2.0;
    Some(middle * (days.len() - 1) as f32)
}
