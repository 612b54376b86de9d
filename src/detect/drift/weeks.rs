//! Local days and weeks of the routine: which hours of each were known, and which were used.

use jiff::tz::TimeZone;

use crate::detect::local_hours::LocalHours;
use crate::home::Routine;
use crate::model::EventTime;

/// Weeks that are looked at together: as many whole ones as sixty days hold wherever they begin.
pub const WEEKS: u16 = 8;
/// The days of those weeks.
pub const DAYS: usize = WEEKS as usize * 7;
/// 1 January 1970 was a Thursday, the fourth day of its week.
const FIRST_WEEKDAY: u32 = 3;
/// No zone is further ahead of UTC, in hours.
const MOST_AHEAD: u32 = 14;

/// The 24 hours of a local day, bit i for the hour from i o'clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Hours of which it is known whether water was used.
    pub known: u32,
    /// Hours with use.
    pub used: u32,
}

impl Day {
    /// How many of the hours `from..to` are known, and how many of these were used.
    pub fn count(&self, from: u32, to: u32) -> (u32, u32) {
        let hours = (1u32 << to) - (1 << from);
        ((self.known & hours).count_ones(), (self.used & hours).count_ones())
    }
}

/// The local hour with which week `week` begins, counted from 1970.
const fn first_local_hour(week: u16) -> u32 {
    (week as u32 * 7).saturating_sub(FIRST_WEEKDAY) * 24
}

/// A UTC hour before which week `week` has not ended in any time zone.
pub const fn earliest_end(week: u16) -> u32 {
    first_local_hour(week + 1).saturating_sub(MOST_AHEAD)
}

/// The last week of which no hour from UTC hour `next` on is part.
pub fn last_complete_week(next: u32, zone: &TimeZone) -> u16 {
    let day = LocalHours::new(zone).since_1970(next) / 24;
    ((day + FIRST_WEEKDAY) / 7).saturating_sub(1) as u16
}

/// The start of the first UTC hour that begins in local week `week`: Monday 00:00 where zones are whole hours from UTC.
pub fn week_start(week: u16, zone: &TimeZone) -> EventTime {
    EventTime::from_hour(first_hour(week, zone))
}

fn first_hour(week: u16, zone: &TimeZone) -> u32 {
    let start = first_local_hour(week);
    let mut local = LocalHours::new(zone);
    let mut hour = start.saturating_sub(MOST_AHEAD);
    while local.since_1970(hour) < start {
        hour += 1;
    }
    hour
}

/// The days of the weeks that end with week `last`, oldest first. On a day of 25 hours the one that comes twice is known
/// if both are, and used if one is; on one of 23 the one left out is not known.
pub fn days(routine: &Routine, last: u16, zone: &TimeZone) -> [Day; DAYS] {
    let mut days = [Day::default(); DAYS];
    let mut unknown = [0u32; DAYS];
    let start = first_local_hour((last + 1).saturating_sub(WEEKS));
    let end = first_local_hour(last + 1);
    let first = routine.first_hour().max(start.saturating_sub(MOST_AHEAD));
    let mut local = LocalHours::new(zone);
    for hour in first..routine.next_hour() {
        let at = local.since_1970(hour);
        if at >= end {
            break;
        }
        let Some(place) = at.checked_sub(start) else { continue };
        let (day, bit) = ((place / 24) as usize, 1 << (place % 24));
        match routine.used(hour) {
            Some(used) => {
                days[day].known |= bit;
                days[day].used |= if used { bit } else { 0 };
            }
            None => unknown[day] |= bit,
        }
    }
    for (day, unknown) in days.iter_mut().zip(unknown) {
        day.known &= !unknown;
        day.used &= day.known;
    }
    days
}
