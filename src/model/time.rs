//! Time in the stream: whole seconds since 1970-01-01T00:00:00Z.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Seconds in a minute.
pub const MINUTE: u32 = 60;
/// Seconds in an hour.
pub const HOUR: u32 = 3_600;
/// Seconds in a day of 24 hours; local days may have 23 or 25 hours.
pub const DAY: u32 = 86_400;
/// Hours of a month, a twelfth of a year of 365.25 days.
pub const MONTH_HOURS: f64 = 730.5;

/// A moment of event time or of arrival time, in whole seconds since 1970 (UTC), good until 2106.
///
/// RFC 3339 in forms that people read, a number in snapshots. Four bytes, because every home keeps several of them. Arithmetic saturates: validation keeps real
/// times far from both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(u32);

impl EventTime {
    /// The earliest moment, used for "never".
    pub const ZERO: Self = Self(0);
    /// The latest moment.
    pub const MAX: Self = Self(u32::MAX);

    /// From seconds since 1970.
    pub const fn from_seconds(seconds: u32) -> Self {
        Self(seconds)
    }

    /// From seconds since 1970; `None` outside 1970..2106.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        u32::try_from(seconds).ok().map(Self)
    }

    /// From milliseconds since 1970, rounded down; `None` outside 1970..2106.
    pub fn from_millis(millis: i64) -> Option<Self> {
        Self::from_unix(millis.div_euclid(1_000))
    }

    /// Seconds since 1970.
    pub const fn seconds(self) -> u32 {
        self.0
    }

    /// Milliseconds since 1970, as Kafka counts them.
    pub const fn millis(self) -> i64 {
        self.0 as i64 * 1_000
    }

    /// This moment plus a number of seconds.
    pub const fn plus(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// This moment minus a number of seconds.
    pub const fn minus(self, seconds: u32) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// Seconds from `earlier` to this moment; 0 when `earlier` is later.
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }

    /// The number of the UTC hour that contains this moment.
    pub const fn hour(self) -> u32 {
        self.0 / HOUR
    }

    /// The first moment of UTC hour `hour`.
    pub const fn from_hour(hour: u32) -> Self {
        Self(hour.saturating_mul(HOUR))
    }

    /// As a `jiff` timestamp.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::new(i64::from(self.0), 0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_jiff())
    }
}

impl FromStr for EventTime {
    type Err = String;

    /// Reads RFC 3339 with a zone; fractions of a second are dropped.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let timestamp: jiff::Timestamp = text
            .parse()
            .map_err(|error: jiff::Error| format!("{error}; a time is written as 2026-03-01T08:00:00Z"))?;
        Self::from_unix(timestamp.as_second()).ok_or_else(|| format!("{text} is outside 1970 to 2106"))
    }
}

impl Serialize for EventTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_newtype_struct("EventTime", &self.0)
        }
    }
}

impl<'de> Deserialize<'de> for EventTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Seconds::deserialize(deserializer).map(|seconds| Self(seconds.0));
        }
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An [`EventTime`] in snapshots: by its name the form of state at rest knows a time from other numbers.
#[derive(Deserialize)]
#[serde(rename = "EventTime")]
struct Seconds(u32);

/// A length of time as people read it: `11 h 20 min`, `45 min`, `3 d 2 h`.
pub fn format_span(seconds: u32) -> String {
    let (days, hours, minutes) = (seconds / DAY, seconds % DAY / HOUR, seconds % HOUR / MINUTE);
    match (days, hours, minutes) {
        (0, 0, m) => format!("{m} min"),
        (0, h, 0) => format!("{h} h"),
        (0, h, m) => format!("{h} h {m} min"),
        (1, h, m) => format_span_hours(24 + h, m),
        (d, 0, _) => format!("{d} d"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

fn format_span_hours(hours: u32, minutes: u32) -> String {
    if minutes == 0 {
        format!("{hours} h")
    } else {
        format!("{hours} h {minutes} min")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        let time: EventTime = "2024-03-01T08:15:30+09:00".parse().expect("a valid time");
        assert_eq!(time.to_string(), "2024-02-29T23:15:30Z");
        assert!("2024-03-01 08:15".parse::<EventTime>().is_err());
        assert!("1969-12-31T23:59:59Z".parse::<EventTime>().is_err());
        assert!("2300-01-01T00:00:00Z".parse::<EventTime>().is_err());
    }

    #[test]
    fn spans_read_as_people_say_them() {
        let spans = [
            (59, "0 min"),
            (2_700, "45 min"),
            (40_800, "11 h 20 min"),
            (86_400, "24 h"),
            (266_400, "3 d 2 h"),
        ];
        for (seconds, text) in spans {
            assert_eq!(format_span(seconds), text);
        }
    }
}
