//! How long this home's own dry spells are.

use super::hazard::ABSENCE_HOURS;
use crate::home::{Routine, SpellEnd};

/// The whole hours that `percent` % of the home's dry spells of the last sixty days did not outlast; `None` before the
/// first. Spells of a day or more do not count, as they do not for the learned rule: they are absences, or worse.
pub(super) fn not_outlasted_by(routine: &Routine, percent: f64) -> Option<u32> {
    let mut spells = [0_u32; ABSENCE_HOURS];
    for spell in routine.spells().filter(|spell| spell.end == SpellEnd::Use) {
        if let Some(count) = spells.get_mut(spell.hours as usize) {
            *count += 1;
        }
    }
    let all: u32 = spells.iter().sum();
    let mut ended = 0;
    let hours = spells.iter().position(|count| {
        ended += count;
        all > 0 && f64::from(ended) * 100.0 >= percent * f64::from(all)
    });
    hours.and_then(|hours| u32::try_from(hours).ok())
}
