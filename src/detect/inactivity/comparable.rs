//! This home's own spells, so that a person can check what a rule says.

use jiff::tz::TimeZone;

use super::hazard::ABSENCE_HOURS;
use crate::detect::local_hours::LocalHours;
use crate::home::{ROUTINE_HOURS, Routine, SpellEnd};

const WEEK_HOURS: u32 = 7 * 24;
/// Weeks in which people left about the same time.
const WEEKLY: u32 = 3;
/// How far these times lie apart at most, in hours.
const WEEKLY_APART: u32 = 3;

/// What a person can check: this home's spells begun within an hour of this one, and how many had ended by now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparable {
    /// Dry spells begun at this hour of day or one beside it, shorter than a day.
    pub spells: u32,
    /// Of these, how many had ended after as many hours as this one has lasted.
    pub ended: u32,
    /// Half of them had ended after so many dry hours; 0 without any.
    pub median_hours: u32,
    /// The longest dry spell of this home in the last sixty days that ended by itself within a day, in hours.
    pub longest_hours: u32,
    /// Days of known hours behind it.
    pub known_days: f64,
    /// Dry spells shorter than a day, begun at any hour.
    pub all: u32,
    /// Dry spells of a day and longer that are over, and the longest of them in hours.
    pub of_days: (u32, u32),
}

/// How often an absence of a day or longer followed a use at this time of the week, where one did in [`WEEKLY`] weeks and more: some
/// leave their home by the week, as for the working days. Of all uses within [`WEEKLY_APART`] hours of that time.
pub fn gone_weekly(routine: &Routine, start: u32) -> Option<f64> {
    let weeks = (1..=ROUTINE_HOURS / WEEK_HOURS).filter_map(|weeks| start.checked_sub(weeks * WEEK_HOURS));
    let (mut gone, mut uses) = (0, 0);
    for start in weeks {
        let used = |hour: &u32| routine.used(*hour) == Some(true);
        let of_week = start.saturating_sub(WEEKLY_APART)..=start + WEEKLY_APART;
        uses += of_week.clone().filter(used).count();
        let day = ABSENCE_HOURS as u32;
        let is_absence = |last: u32| routine.dry_hours_before(last + 1 + day) >= day;
        gone += u32::from(of_week.rev().find(used).is_some_and(is_absence));
    }
    (gone >= WEEKLY).then(|| f64::from(gone) / (uses as f64 + 1.0))
}

/// Counts the spells to compare with one that began in UTC hour `start` and has lasted `hours`.
pub fn comparable(routine: &Routine, start: u32, hours: u32, zone: &TimeZone) -> Comparable {
    let start_hour = LocalHours::new(zone).at(start);
    let mut local = LocalHours::new(zone);
    let mut answer = Comparable {
        known_days: f64::from(routine.known_hours().min(ROUTINE_HOURS)) / 24.0,
        ..Comparable::default()
    };
    let mut by_hours = [0; ABSENCE_HOURS];
    for spell in routine.spells() {
        if spell.start == start {
            continue;
        }
        // The last one goes on.
        if spell.hours as usize >= ABSENCE_HOURS && spell.start + spell.hours < routine.next_hour() {
            let (count, longest) = answer.of_days;
            answer.of_days = (count + 1, longest.max(spell.hours));
        }
        let is_whole = spell.end == SpellEnd::Use && (spell.hours as usize) < ABSENCE_HOURS;
        if !is_whole {
            continue;
        }
        answer.all += 1;
        answer.longest_hours = answer.longest_hours.max(spell.hours);
        let away = local.at(spell.start).abs_diff(start_hour);
        if away.min(24 - away) <= 1 {
            answer.spells += 1;
            answer.ended += u32::from(spell.hours < hours);
            by_hours[spell.hours as usize] += 1;
        }
    }
    let mut passed = 0;
    let median = by_hours.iter().position(|count| {
        passed += count;
        2 * passed >= answer.spells
    });
    answer.median_hours = median.filter(|_| answer.spells > 0).unwrap_or(0) as u32;
    answer
}
