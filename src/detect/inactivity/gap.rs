//! Thresholds of a spell that began behind a gap.
//!
//! Where the hour before a spell is not known, the last use was somewhere in the gap, or before it. A spell that began
//! earlier may be one that this home often lets last for longer: waiting as if it had begun at the end of the gap would
//! report what complete readings do not. So it is waited until the threshold of every start that is possible has passed, each
//! as if the hour before it had been used. And where hours shortly before a use are not known, the threshold is the longest with
//! them used, dry and unknown (`Past::with_holes_filled`). Where one hour is lost, in the
//! spell or in the twelve before it, nothing is said before it would be with all readings.

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
    let mut earliest = start;
    let mut allow = |candidate: u32| {
        if candidate >= earliest {
            return;
        }
        earliest = candidate;
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
                allow(hour + 1);
                allow(hour);
                is_dry = false;
            }
        }
    }
    hours
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::detect::inactivity::hazard::Hazard;

    const FIRST: u32 = 400_000;

    fn routine(hours: &[Option<bool>]) -> Routine {
        let mut routine = Routine::default();
        (FIRST..).zip(hours).for_each(|(hour, used)| routine.push(hour, *used));
        routine
    }

    fn waited_until(routine: &Routine, start: u32) -> u32 {
        let (hazard, zone) = (Hazard::default(), TimeZone::UTC);
        let of = |start| hazard.thresholds(routine, start, &zone, [400.0]);
        start + thresholds(routine, start, of)[0] as u32
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn an_hour_that_is_not_known_lets_nothing_be_said_sooner(
            whims in prop::collection::vec(0u32..8, 30 * 24 - 20),
            dry in 0usize..8,
            dry_since in 2usize..8,
            is_used in any::<bool>(),
            hours_ago in 0usize..14,
        ) {
            // Habits, which are kept more or less.
            let used = |(hour, whim): (usize, &u32)| match hour % 24 {
                7 | 8 | 12 | 19 | 22 => *whim != 0,
                0..=6 => *whim == 7,
                _ => *whim > 5,
            };
            let mut hours: Vec<_> = whims.iter().enumerate().map(used).map(Some).collect();
            hours.extend(vec![Some(false); dry]);
            let hole = hours.len();
            hours.push(Some(is_used));
            hours.extend(vec![Some(false); dry_since]);
            let whole = routine(&hours);
            let last = hours.iter().rposition(|used| *used == Some(true)).expect("a use");
            // At the beginning of the spell, within the dry hours before it, or among the uses that it follows.
            let hole = (hole - hours_ago).max(last.saturating_sub(11));
            hours[hole] = None;
            let start = hole.max(last) + 1;
            let until = waited_until(&routine(&hours), FIRST + start as u32);
            prop_assert!(until >= waited_until(&whole, FIRST + last as u32 + 1));
        }
    }
}
