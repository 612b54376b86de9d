//! Appliances of a home that draw water by themselves.

use serde::{Deserialize, Serialize};
use thiserror::Error;

const DAY_MINUTES: u16 = 24 * 60;

/// The most that one home may declare.
pub const MAX_APPLIANCES: usize = 4;

/// An appliance that draws water by itself (a softener, irrigation on a timer): what it draws within its window is of
/// neither people nor leaks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Appliance {
    /// When its window begins, by the local clock.
    pub from: ClockTime,
    /// When it ends; earlier than `from` for one that crosses midnight.
    pub to: ClockTime,
    /// The most litres that it draws in a run. What is more is a person's.
    pub litres_at_most: f32,
}

impl Appliance {
    /// Length of the window in minutes.
    pub fn minutes(&self) -> u32 {
        let (from, to) = (self.from.0, self.to.0);
        u32::from(if to > from { to - from } else { to + DAY_MINUTES - from })
    }

    /// What cannot be of it.
    pub fn mistake(&self) -> Option<&'static str> {
        match self {
            _ if self.from == self.to => Some("a window begins where it ends"),
            _ if self.minutes() > 12 * 60 => Some("a window is longer than 12 hours"),
            // What is not a number is not in it either.
            _ if !(0.1..=100_000.0).contains(&self.litres_at_most) => {
                Some("litres_at_most is not between 0.1 and 100000")
            }
            _ => None,
        }
    }
}

/// A time of the day by the local clock, `HH:MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClockTime(u16);

impl ClockTime {
    /// Minutes since midnight.
    pub fn minutes(self) -> u16 {
        self.0
    }
}

/// What is no time of the day.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no time of the day, such as \"05:30\"")]
pub struct NotAClockTime(String);

impl TryFrom<String> for ClockTime {
    type Error = NotAClockTime;

    fn try_from(text: String) -> Result<Self, NotAClockTime> {
        let parsed = || {
            let (hours, minutes) = text.split_once(':')?;
            let is_plain = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            if !is_plain(hours) || !is_plain(minutes) {
                return None;
            }
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some(Self(hours * 60 + minutes))
        };
        parsed().ok_or(NotAClockTime(text))
    }
}

impl From<ClockTime> for String {
    fn from(time: ClockTime) -> Self {
        format!("{:02}:{:02}", time.0 / 60, time.0 % 60)
    }
}
