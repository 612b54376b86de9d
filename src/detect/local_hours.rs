//! Hours by the clock on the wall.

use jiff::tz::TimeZone;

use crate::model::EventTime;

/// Hours of the day at UTC hours, asking the time zone once a day rather than once an hour.
pub struct LocalHours<'a> {
    zone: &'a TimeZone,
    offset: i32,
    until: u32,
}

impl<'a> LocalHours<'a> {
    /// For hours asked in rising order.
    pub fn new(zone: &'a TimeZone) -> Self {
        Self {
            zone,
            offset: 0,
            until: 0,
        }
    }

    /// The hour of the local day (0 to 23) at the start of UTC hour `hour`.
    pub fn at(&mut self, hour: u32) -> usize {
        (self.since_1970(hour) % 24) as usize
    }

    /// Local hours from 1970 on, by the clocks on the wall, at the start of UTC hour `hour`.
    pub fn since_1970(&mut self, hour: u32) -> u32 {
        if hour >= self.until {
            let time = EventTime::from_hour(hour).to_jiff();
            self.offset = self.zone.to_offset(time).seconds();
            // Asked again after thirty days, or at the next change of the clocks if that comes first.
            let change = self
                .zone
                .following(time)
                .next()
                .map(|change| change.timestamp().as_second());
            let change = change.and_then(EventTime::from_unix).map_or(u32::MAX, EventTime::hour);
            self.until = (hour + 24 * 30).min(change.max(hour + 1));
        }
        let local = i64::from(hour) * 3_600 + i64::from(self.offset);
        local.div_euclid(3_600).max(0) as u32
    }
}
