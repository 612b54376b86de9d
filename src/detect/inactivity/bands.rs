//! Bands of the local day: which end now, and whether they were dry.

use std::ops::Range;

use jiff::civil::{DateTime, time};
use jiff::tz::TimeZone;

use super::settings::Weekday;
use crate::home::Usage;
use crate::model::{Band, EventTime, HOUR};

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
            hours: instant(start, zone)?.hour()..instant(end, zone)?.plus(HOUR - 1).hour(),
            day: start_day.weekday().into(),
        })
    }
}

impl Occurrence {
    /// Whether it is known to have been dry. A band without hours has no dry ones.
    pub(super) fn was_dry(&self, usage: &Usage) -> bool {
        let dry = |hour| usage.routine().used(hour) == Some(false);
        !self.hours.is_empty() && self.hours.clone().all(dry)
    }
}

/// The first UTC hour of the local day in which UTC hour `hour` ends.
pub(super) fn day_start(hour: u32, zone: &TimeZone) -> Option<u32> {
    let last_second = EventTime::from_hour(hour + 1).minus(1);
    let date = zone.to_datetime(last_second.to_jiff()).date();
    Some(instant(date.to_datetime(time(0, 0, 0, 0)), zone)?.hour())
}

fn instant(civil: DateTime, zone: &TimeZone) -> Option<EventTime> {
    let timestamp = zone.to_ambiguous_timestamp(civil).compatible().ok()?;
    EventTime::from_unix(timestamp.as_second())
}
