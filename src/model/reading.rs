//! What a meter reports.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::EventTime;

/// A volume of water in litres.
pub type Litres = f64;

/// One interval as a meter reports it, before it has a place in a home.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading<'a> {
    /// The home.
    pub household: Cow<'a, str>,
    /// The meter in the home; the home's own id where it has one meter and does not name it.
    pub meter: Cow<'a, str>,
    /// Start of the interval.
    pub start: EventTime,
    /// Length of the interval in seconds, at least 1.
    pub seconds: u32,
    /// What was measured; `None` where the quality says that nothing was.
    pub measure: Option<Measure>,
    /// How far it can be relied upon.
    pub quality: Quality,
    /// When the utility received it, where it says so.
    pub received_at: Option<EventTime>,
}

impl Reading<'_> {
    /// End of the interval (exclusive).
    pub fn end(&self) -> EventTime {
        self.start.plus(self.seconds)
    }
}

/// The two ways in which meters report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// Litres that flowed in the interval; negative when water (or the index) ran backwards.
    Volume(Litres),
    /// The cumulative index in litres at the end of the interval.
    Register(Litres),
}

/// How far a reading can be relied upon. A measured zero is the only thing that says "no water was used".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Read off the meter.
    #[default]
    Measured,
    /// Filled in by the utility: it neither raises nor clears anything.
    Estimated,
    /// The meter itself reports trouble with it.
    Faulty,
    /// The utility says that it has nothing for this interval.
    Missing,
}
