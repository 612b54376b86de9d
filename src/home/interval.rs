//! A stretch of a home's event time and what is known of it.

use serde::{Deserialize, Serialize};

use super::MeterIndex;
use crate::model::{EventTime, Flags, HOUR, MINUTE, Measure, Quality};

/// An interval up to this long says in which hour its water flowed (an hour, and some minutes of jitter); a longer one
/// with use does not, and its other hours must not look dry.
const PLACEABLE_SECONDS: u32 = HOUR + 5 * MINUTE;
/// The greatest jitter, in seconds; for short intervals a tenth of them.
const JITTER_SECONDS: u32 = 60;

/// A reading in compact form, with its meter's place in the home instead of names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeterReading {
    /// Which of the home's meters.
    pub meter: MeterIndex,
    /// Start of the interval.
    pub start: EventTime,
    /// Length in seconds.
    pub seconds: u32,
    /// Volume in litres, or register; absent where nothing was measured.
    pub measure: Option<CompactMeasure>,
    /// What the meter says of itself.
    pub flags: Flags,
}

/// [`Measure`] in a form that can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum CompactMeasure {
    /// Litres in the interval.
    Volume(f32),
    /// The index in litres at the interval's end.
    Register(f64),
}

impl MeterReading {
    /// From what was decoded. Only a measured value counts as measured: an estimate or a faulty value says nothing.
    pub fn new(meter: MeterIndex, start: EventTime, seconds: u32, measure: Option<Measure>, quality: Quality) -> Self {
        let measure = match (quality, measure) {
            (Quality::Measured, Some(Measure::Volume(litres))) => Some(CompactMeasure::Volume(litres as f32)),
            (Quality::Measured, Some(Measure::Register(litres))) => Some(CompactMeasure::Register(litres)),
            _ => None,
        };
        Self {
            meter,
            start,
            seconds,
            measure,
            flags: Flags::NONE,
        }
    }

    /// The same, with what the meter says of itself.
    #[must_use]
    pub fn with_flags(self, flags: Flags) -> Self {
        Self { flags, ..self }
    }

    /// End of the interval (exclusive).
    pub fn end(&self) -> EventTime {
        self.start.plus(self.seconds)
    }

    /// How far its start may lie from the end before it and still follow it, in seconds: meters' clocks jitter.
    pub(super) fn jitter(&self) -> u32 {
        JITTER_SECONDS.min(self.seconds / 10)
    }
}

/// What is known of a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Flow {
    /// Litres that were measured, 0 or more.
    Measured(f32),
    /// Nothing is known: missing, estimated or faulty.
    Unknown,
    /// Water was used somewhere within, and no more is known (a register moved across a gap).
    UsedSomewhere(f32),
}

/// A stretch of a home's time, all its meters together; stretches follow each other without overlap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// First moment.
    pub start: EventTime,
    /// First moment after it.
    pub end: EventTime,
    /// What is known of it.
    pub flow: Flow,
}

impl Interval {
    /// Length in seconds.
    pub fn seconds(&self) -> u32 {
        self.end.since(self.start)
    }

    /// Whether it is short enough to say in which hour its water flowed.
    pub fn is_placeable(&self) -> bool {
        self.seconds() <= PLACEABLE_SECONDS
    }
}
