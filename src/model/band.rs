//! Bands of the local day, and days of the week.

use std::fmt;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::EventTime;

/// A band of the local day in whole hours, such as `05-09`; `22-06` passes midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// First hour, 0 to 23.
    pub from: i8,
    /// The hour at which it ends, 0 to 23 (24 is written as 24 and kept as 0).
    pub to: i8,
}

impl Band {
    /// Length in hours on a day of 24 hours.
    pub fn hours(self) -> u32 {
        let hours = (i32::from(self.to) - i32::from(self.from)).rem_euclid(24);
        if hours == 0 { 24 } else { hours.unsigned_abs() }
    }

    /// Whether `moment` lies in it, by the clock of `zone`.
    pub fn holds(self, moment: EventTime, zone: &TimeZone) -> bool {
        let hour = zone.to_datetime(moment.to_jiff()).hour();
        if self.from < self.to {
            (self.from..self.to).contains(&hour)
        } else {
            hour >= self.from || hour < self.to
        }
    }
}

/// A day of the week, as a programme writes it: `mon`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "their names say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl From<jiff::civil::Weekday> for Weekday {
    fn from(day: jiff::civil::Weekday) -> Self {
        use jiff::civil::Weekday as Civil;
        match day {
            Civil::Monday => Self::Mon,
            Civil::Tuesday => Self::Tue,
            Civil::Wednesday => Self::Wed,
            Civil::Thursday => Self::Thu,
            Civil::Friday => Self::Fri,
            Civil::Saturday => Self::Sat,
            Civil::Sunday => Self::Sun,
        }
    }
}

impl Weekday {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }

    /// That of `moment`, by the clock of `zone`.
    pub fn of(moment: EventTime, zone: &TimeZone) -> Self {
        zone.to_datetime(moment.to_jiff()).weekday().into()
    }
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02}", self.from, if self.to == 0 { 24 } else { self.to })
    }
}

impl Serialize for Band {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Band {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hours = text.split_once('-').and_then(|(from, to)| {
            let (from, to) = (from.trim().parse::<i8>().ok()?, to.trim().parse::<i8>().ok()?);
            let is_right = (0..24).contains(&from) && (1..=24).contains(&to) && from != to;
            is_right.then_some(Self { from, to: to % 24 })
        });
        hours.ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no band of whole hours such as \"05-09\"")))
    }
}
