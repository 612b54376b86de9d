//! Thresholds of a spell that began behind a gap.
//!
//! Where the hour before a spell is not known, the last use was somewhere in the gap, or before it. A spell that began
//! earlier may be one that this home often lets last for longer: waiting as if it had begun at the end of the gap would
//! report what complete readings do not. So it is waited until the threshold of every start that is possible has passed.

use crate::home::Routine;

/// A threshold is no longer than this, so a spell that began so many hours earlier is past it.
const LONGEST_HOURS: u32 = 24;

/// The thresholds, in hours from UTC hour `start`, of a spell of which it is known only that it began by then. `of` gives those
/// of a spell begun in a given hour.
pub(super) fn thresholds<const N: usize>(routine: &Routine, start: u32, of: impl Fn(u32) -> [usize; N]) -> [usize; N] {
    let mut hours = of(start);
    // The hour in which a gap ends is not known either.
    if routine.used(start).is_some() && start.checked_sub(1).is_none_or(|before| routine.used(before).is_some()) {
        return hours;
    }
    let mut allow = |candidate: u32| {
        for (hours, of_candidate) in hours.iter_mut().zip(of(candidate)) {
            *hours = (*hours).max(of_candidate.saturating_sub((start - candidate) as usize));
        }
    };
    let mut is_dry = false;
    for hour in (start.saturating_sub(LONGEST_HOURS)..start).rev() {
        match routine.used(hour) {
            Some(true) => {
                if is_dry {
                    allow(hour + 1);
                }
                break;
            }
            Some(false) => is_dry = true,
            None => {
                allow(hour);
                allow(hour + 1);
                is_dry = false;
            }
        }
    }
    hours
}
