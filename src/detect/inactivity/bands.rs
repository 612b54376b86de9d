//! Bands of the local day: which end now, and whether they were dry.

use jiff::civil::{DateTime, time};
use jiff::tz::TimeZone;

use crate::home::Usage;
use crate::model::{Band, EventTime, HOUR};

impl Band {
    /// Whether it ends in UTC hour `hour` or at its end, by the clock of `zone`: right on days of 23 and 25 hours.
    pub(super) fn ends_with(self, hour: u32, zone: &TimeZone) -> bool {
        let before = zone.to_datetime(EventTime::from_hour(hour).to_jiff());
        let after = zone.to_datetime(EventTime::from_hour(hour + 1).to_jiff());
        let end = after.date().to_datetime(time(self.to, 0, 0, 0));
        before < end && end <= after
    }

    /// Whether its latest occurrence that had ended by the end of UTC hour `hour` was dry; `None` when not known.
    pub(super) fn latest_was_dry(self, hour: u32, usage: &Usage, zone: &TimeZone) -> Option<bool> {
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
        let (first, last) = (instant(start, zone)?.hour(), instant(end, zone)?.plus(HOUR - 1).hour());
        let mut known = true;
        for hour in first..last {
            match usage.routine().used(hour) {
                Some(true) => return Some(false),
                Some(false) => {}
                None => known = false,
            }
        }
        // A band within the hour that the clocks leave out has no hours, and so no dry ones.
        (known && first < last).then_some(true)
    }
}

fn instant(civil: DateTime, zone: &TimeZone) -> Option<EventTime> {
    let timestamp = zone.to_ambiguous_timestamp(civil).compatible().ok()?;
    EventTime::from_unix(timestamp.as_second())
}
