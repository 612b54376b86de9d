//! Thresholds of a spell that began behind a gap.
//!
//! Where the hour before a spell is not known, the last use was somewhere in the gap, or before it. A spell that began
//! earlier may be one that this home often lets last for longer: waiting as if it had begun at the end of the gap would
//! report what complete readings do not. So it is waited until the threshold of every start that is possible has passed, each
//! as if the hour before it had been used. And where hours shortly before a use are not known, the threshold is the longest with
//! them used, dry and unknown (`Past::with_holes_filled`). Where one hour is lost, in the spell or in the twelve before it,
//! nothing is said before it would be with all readings.

use super::hazard::ABSENCE_HOURS;
use crate::home::Routine;

/// A threshold is no longer than this, so a spell that began so many hours earlier is past it.
const LONGEST_HOURS: usize = ABSENCE_HOURS;

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
        let passed = (start - candidate) as usize;
        if hours.iter().all(|hours| hours + passed >= LONGEST_HOURS) {
            return; // No threshold of that start is later.
        }
        for (hours, of_candidate) in hours.iter_mut().zip(of(candidate)) {
            *hours = (*hours).max(of_candidate.saturating_sub(passed));
        }
    };
    let mut is_dry = false;
    for hour in (start.saturating_sub(LONGEST_HOURS as u32)..start).rev() {
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
    use crate::detect::inactivity::hazard::{FIRST_HOURS, Hazard};
    use crate::detect::inactivity::{Condition, Learned};
    use crate::detect::tests::{Watched, rule, with_rules};
    use crate::model::{HOUR, Severity};

    const FIRST: u32 = 400_000;
    const MADRID: &str = "Europe/Madrid";

    /// Whether each hour has use: habits, which are kept more or less.
    fn habits(whims: &[u32]) -> impl Iterator<Item = bool> {
        whims.iter().enumerate().map(|(hour, whim)| match hour % 24 {
            7 | 8 | 12 | 19 | 22 => *whim != 0,
            0..=6 => *whim == 7,
            _ => *whim > 5,
        })
    }

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
            let mut hours: Vec<_> = habits(&whims).map(Some).collect();
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

    /// A spell behind a gap may have begun anywhere in it, or before it: it is waited for the latest of all thresholds.
    #[test]
    fn behind_a_gap_it_is_waited_as_long_as_for_any_start() {
        // A spell begun at hour 3 is waited for until 13, one begun at 5 or later for 2 hours.
        let of = |start: u32| [if start % 24 < 5 { 13 - start as usize % 24 } else { 2 }];
        let waits = |hours: &[Option<f64>]| {
            let mut home = Watched::new(with_rules(Vec::new()), MADRID, "2024-01-01T00:00:00Z");
            let first = home.next.hour();
            for litres in hours {
                match litres {
                    Some(litres) => home.hours([*litres]),
                    None => home.lose(1),
                }
            }
            let spell = hours.iter().rposition(|litres| *litres != Some(0.0)).unwrap_or(0) as u32 + 1;
            thresholds(home.usage.routine(), first + spell, of)
        };
        let (used, dry, lost) = (Some(5.0), Some(0.0), None);
        assert_eq!(
            waits(&[used, used, used, used, used, used, used, dry, dry]),
            [2],
            "no gap"
        );
        assert_eq!(
            waits(&[used, used, used, lost, lost, lost, lost, dry, dry]),
            [6],
            "begun in it"
        );
        assert_eq!(
            waits(&[used, used, used, used, used, lost, lost, dry, dry]),
            [2],
            "begun late in it"
        );
        assert_eq!(
            waits(&[used, used, used, dry, dry, lost, lost, dry, dry]),
            [6],
            "begun before it"
        );
        assert_eq!(waits(&[used, used, used, used, used, dry, lost, dry, dry]), [2]);
        assert_eq!(
            waits(&[lost, lost, lost, lost, used, dry, lost, dry, dry]),
            [2],
            "a use in between"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn what_takes_long_is_worked_out_late_and_says_the_same(
            whims in prop::collection::vec(0u32..8, 21 * 24),
            lost in prop::collection::btree_set(1usize..14, 0..4),
            lambda in 20.0f64..2_000.0,
        ) {
            let mut settings = with_rules(vec![rule("learned", Severity::High, Condition::Learned(Learned::with_lambda(lambda)))]);
            settings.inactivity.harm.enabled = false;
            let mut home = Watched::new(settings, MADRID, "2024-01-01T00:00:00Z");
            let count = whims.len();
            for (hour, is_used) in habits(&whims).enumerate() {
                match count - hour {
                    ago if lost.contains(&ago) => home.lose(1),
                    ago => home.hours([if is_used || ago == 1 { 5.0 } else { 0.0 }]),
                }
            }
            // What was met before the last hour was lost stays met.
            prop_assume!(!home.states.inactivity.met.any());
            let start = home.next;
            home.hours([0.0; FIRST_HOURS]);
            let (routine, zone) = (home.usage.routine(), &home.zone);
            let of = |start| Hazard::default().thresholds(routine, start, zone, [lambda]);
            let [at_once] = thresholds(routine, start.hour(), of);
            home.hours([0.0; 24]);
            prop_assert_eq!(home.states.inactivity.detected_at, start.plus(at_once as u32 * HOUR));
        }
    }
}
