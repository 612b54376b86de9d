use proptest::prelude::*;

use super::*;

fn routine(hours: impl IntoIterator<Item = Option<bool>>) -> Routine {
    let mut routine = Routine::default();
    for (hour, known) in (1_000..).zip(hours) {
        routine.push(hour, known);
    }
    routine
}

/// `U` used, `.` dry, `?` unknown.
fn parse(text: &str) -> Routine {
    routine(text.chars().map(|c| match c {
        'U' => Some(true),
        '.' => Some(false),
        _ => None,
    }))
}

#[test]
fn hours_are_used_dry_or_unknown() {
    let routine = parse("U.??.U");
    let known: Vec<_> = (999..1_007).map(|hour| routine.used(hour)).collect();
    let (u, d) = (Some(true), Some(false));
    assert_eq!(known, [None, u, d, None, None, d, u, None]);
    assert_eq!(routine.known_hours(), 4);
}

#[test]
fn spells_begin_after_a_use_and_end_with_use_or_unseen() {
    let spells = |text: &str| -> Vec<(u32, u32, bool)> {
        let routine = parse(text);
        routine
            .spells()
            .map(|spell| (spell.start - 1_000, spell.hours, spell.end == SpellEnd::Use))
            .collect()
    };
    assert_eq!(spells("..U...U"), [(3, 3, true)]);
    assert_eq!(spells("UU..?.U.."), [(2, 2, false), (7, 2, false)]);
    assert_eq!(spells("U?..U"), []);
    assert_eq!(spells("U"), []);
    assert_eq!(spells("U.U..U"), [(1, 1, true), (3, 2, true)]);
}

#[test]
fn sixty_days_are_kept() {
    let hours = ROUTINE_HOURS + 100;
    let routine = routine((0..hours).map(|hour| {
        if hour < 150 {
            (hour % 2 == 0).then_some(true)
        } else {
            Some(hour % 7 == 0)
        }
    }));
    assert_eq!(routine.first_hour(), 1_100);
    assert_eq!(routine.used(1_099), None);
    assert_eq!(routine.used(1_100), Some(true));
    assert_eq!(routine.used(1_101), None);
    assert_eq!(routine.known_hours(), ROUTINE_HOURS - 25);
    for hour in 150..hours {
        assert_eq!(routine.used(1_000 + hour), Some(hour % 7 == 0), "{hour}");
    }
}

#[test]
fn a_home_with_very_many_gaps_knows_less_and_nothing_false() {
    // Every other hour is unknown: far more runs than are kept.
    let routine = routine((0..1_000).map(|hour| (hour % 2 == 1).then_some(true)));
    assert!(routine.known_hours() > 100, "{}", routine.known_hours());
    for hour in 0..1_000 {
        let known = routine.used(1_000 + hour);
        assert!(
            known.is_none() || (known == Some(true) && hour % 2 == 1),
            "hour {hour}: {known:?}"
        );
    }
}

#[test]
fn a_gap_longer_than_a_run_can_say_stays_unknown_when_runs_are_merged() {
    let gap = 2_100;
    let routine = routine((0..gap + 1_300).map(|hour| (hour >= gap && hour % 10 != 0).then_some(true)));
    for hour in routine.first_hour() - 1_000..gap {
        assert_eq!(routine.used(1_000 + hour), None, "hour {hour}");
    }
}

proptest! {
    #[test]
    fn what_is_known_is_what_was_pushed(
        runs in prop::collection::vec((prop_oneof![Just(None), Just(Some(true)), Just(Some(false))], 1usize..40), 1..400)
    ) {
        let hours: Vec<Option<bool>> = runs.iter().flat_map(|(known, times)| std::iter::repeat_n(*known, *times)).collect();
        let routine = routine(hours.iter().copied());
        let mut known = 0;
        for (hour, pushed) in (1_000..).zip(&hours) {
            let answer = routine.used(hour);
            known += u32::from(answer.is_some());
            prop_assert!(answer.is_none() || answer == *pushed, "hour {hour}: {answer:?}, not {pushed:?}");
        }
        prop_assert_eq!(known, routine.known_hours());
        for spell in routine.spells() {
            prop_assert_eq!(routine.used(spell.start - 1), Some(true));
            prop_assert!((spell.start..spell.start + spell.hours).all(|hour| routine.used(hour) == Some(false)));
            let after = routine.used(spell.start + spell.hours);
            prop_assert_eq!(after, if spell.end == SpellEnd::Use { Some(true) } else { None });
        }
    }
}
