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
    /// What the meter says of itself.
    pub flags: Flags,
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

/// What a meter says of itself, besides what it measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// It was opened, turned or brought near a magnet.
    Tamper,
    /// Its battery runs out.
    LowBattery,
    /// Water ran backwards.
    ReverseFlow,
    /// Its own rule for leaks is met.
    Leak,
    /// Its clock is wrong.
    Clock,
}

impl Flag {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Tamper,
        Self::LowBattery,
        Self::ReverseFlow,
        Self::Leak,
        Self::Clock,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tamper => "tamper",
            Self::LowBattery => "low_battery",
            Self::ReverseFlow => "reverse_flow",
            Self::Leak => "leak",
            Self::Clock => "clock",
        }
    }

    /// The flag of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.name() == name)
    }
}

/// A set of [`Flag`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);

    /// Adds a flag.
    pub const fn insert(&mut self, flag: Flag) {
        self.0 |= 1 << flag as u8;
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// As one byte, a bit a flag.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From [`Flags::bits`].
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The flags that are set, in the order of [`Flag::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |flag| self.0 & 1 << *flag as u8 != 0)
    }
}
