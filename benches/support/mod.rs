//! What benches share.

use jiff::civil::date;
use jiff::tz::TimeZone;
use tapwatch::history::{History, arrival};
use tapwatch::model::RawRecord;
use tapwatch::simulate::District;

/// Readings as they come from the topic.
pub struct Log {
    /// The readings.
    pub history: History,
    payloads: Vec<u8>,
    ends: Vec<usize>,
}

impl Log {
    /// A district of seed 1, from the first day of 2026 on.
    pub fn new(homes: u32, days: u32, interval_seconds: u32) -> Self {
        let district = District {
            seed: 1,
            homes,
            days,
            start: date(2026, 1, 1),
            interval_seconds,
            time_zone: TimeZone::UTC,
            incidents_per_home_month: 0.2,
        };
        Self::of(district.history().0)
    }

    /// Readings as they come from the topic.
    pub fn of(history: History) -> Self {
        let (mut payloads, mut ends) = (Vec::new(), Vec::new());
        for row in &history.rows {
            history.json(row, &mut payloads);
            ends.push(payloads.len());
        }
        Self {
            history,
            payloads,
            ends,
        }
    }

    /// As a partition takes them.
    pub fn records(&self) -> impl Iterator<Item = RawRecord<'_>> {
        self.history.rows.iter().enumerate().map(|(index, row)| {
            let start = if index == 0 { 0 } else { self.ends[index - 1] };
            RawRecord {
                offset: index as i64,
                timestamp: Some(arrival(row)),
                key: Some(self.history.name(row).household.as_bytes()),
                value: Some(&self.payloads[start..self.ends[index]]),
            }
        })
    }
}
