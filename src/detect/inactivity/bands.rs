//! Bands of the local day: which end now, and whether they were dry.
//!
//! Form: a band is the UTC hours that begin in it. In time zones that lie half an hour off it is so many whole hours, up to
//! one later than it is written; of hourly readings by the local clock these are the very readings of the band, because a
//! reading counts in the UTC hour that holds its middle.

use std::ops::Range;

use jiff::civil::{Date, DateTime, time};
use jiff::tz::TimeZone;

use crate::home::{Counts, Usage};
use crate::model::{Band, EventTime, HOUR, Weekday};

/// A band on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Occurrence {
    /// Its UTC hours, none in the hour that the clocks leave out.
    pub hours: Range<u32>,
    /// The day on which it began.
    pub day: Weekday,
}

impl Band {
    /// The whole local day.
    pub(super) const DAY: Self = Self { from: 0, to: 0 };

    /// Whether it ends in UTC hour `hour` or at its end, by the clock of `zone`: right on days of 23 and 25 hours.
    pub(super) fn ends_with(self, hour: u32, zone: &TimeZone) -> bool {
        let before = zone.to_datetime(EventTime::from_hour(hour).to_jiff());
        let after = zone.to_datetime(EventTime::from_hour(hour + 1).to_jiff());
        let end = after.date().to_datetime(time(self.to, 0, 0, 0));
        before < end && end <= after
    }

    /// The latest that had ended by the end of UTC hour `hour`.
    pub(super) fn latest(self, hour: u32, zone: &TimeZone) -> Option<Occurrence> {
        let now = zone.to_datetime(EventTime::from_hour(hour + 1).to_jiff());
        let mut end = now.date().to_datetime(time(self.to, 0, 0, 0));
        if end > now {
            end = end.date().yesterday().ok()?.to_datetime(time(self.to, 0, 0, 0));
        }
        let start_day = if self.from < self.to {
            end.date()
        } else {
            end.date().yesterday().ok()?
        };
        let start = start_day.to_datetime(time(self.from, 0, 0, 0));
        Some(Occurrence {
            hours: first_hour(start, zone)?..first_hour(end, zone)?,
            day: start_day.weekday().into(),
        })
    }
}

impl Occurrence {
    /// Whether it is known to have been dry. A band without hours has no dry ones.
    pub(super) fn was_dry(&self, usage: &Usage, counts: Counts) -> bool {
        let dry = |hour| match counts {
            Counts::AboveLeak => usage.routine().used(hour) == Some(false),
            Counts::AllWater => usage.litres(hour) == Some(0.0),
        };
        !self.hours.is_empty() && self.hours.clone().all(dry)
    }
}

/// The first UTC hour of the local day in which UTC hour `hour` begins.
pub(super) fn day_start(hour: u32, zone: &TimeZone) -> Option<u32> {
    let date = zone.to_datetime(EventTime::from_hour(hour).to_jiff()).date();
    first_hour(date.to_datetime(time(0, 0, 0, 0)), zone)
}

/// The last local day that was over at `moment`: from midnight to midnight.
pub(super) fn day_before(moment: EventTime, zone: &TimeZone) -> Option<Range<EventTime>> {
    let date = zone.to_datetime(moment.to_jiff()).date();
    let midnight = |date: Date| instant(date.to_datetime(time(0, 0, 0, 0)), zone);
    Some(midnight(date.yesterday().ok()?)?..midnight(date)?)
}

/// The first UTC hour that begins at `civil` or after it.
fn first_hour(civil: DateTime, zone: &TimeZone) -> Option<u32> {
    Some(instant(civil, zone)?.plus(HOUR - 1).hour())
}

fn instant(civil: DateTime, zone: &TimeZone) -> Option<EventTime> {
    let timestamp = zone.to_ambiguous_timestamp(civil).compatible().ok()?;
    EventTime::from_unix(timestamp.as_second())
}
