//! What may be wrong with a meter, and which events are signs of it.

use serde::{Deserialize, Serialize};

use crate::home::{Interval, MeterEvent};
use crate::model::{EventTime, Severity};

/// What is wrong with a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the words that alerts give it say it")]
pub enum Trouble {
    #[serde(rename = "tamper")]
    Tamper,
    #[serde(rename = "reverse-flow")]
    Backwards,
    #[serde(rename = "impossible-flow")]
    ImpossibleFlow,
    #[serde(rename = "meter-says-leak")]
    SaysLeak,
    #[serde(rename = "holes")]
    Holes,
    #[serde(rename = "other-index")]
    OtherIndex,
    #[serde(rename = "low-battery")]
    LowBattery,
    #[serde(rename = "bad-reads")]
    BadReads,
    #[serde(rename = "clock-drift")]
    Clock,
}

impl Trouble {
    /// The gravest first.
    pub const ALL: [Self; 9] = [
        Self::Tamper,
        Self::Backwards,
        Self::ImpossibleFlow,
        Self::SaysLeak,
        Self::Holes,
        Self::OtherIndex,
        Self::LowBattery,
        Self::BadReads,
        Self::Clock,
    ];

    /// What an event is a sign of, and whether one is enough.
    pub const fn of(event: MeterEvent) -> Option<(Self, bool)> {
        match event {
            MeterEvent::Tamper => Some((Self::Tamper, true)),
            MeterEvent::LargeReverseFlow => Some((Self::Backwards, true)),
            MeterEvent::ReverseFlow => Some((Self::Backwards, false)),
            MeterEvent::ImpossibleFlow => Some((Self::ImpossibleFlow, true)),
            MeterEvent::LeakFlag => Some((Self::SaysLeak, true)),
            MeterEvent::SwappedMeter | MeterEvent::Reset => Some((Self::OtherIndex, true)),
            MeterEvent::LowBattery => Some((Self::LowBattery, true)),
            MeterEvent::BadRead => Some((Self::BadReads, false)),
            MeterEvent::ClockDrift => Some((Self::Clock, false)),
            MeterEvent::Rollover => None,
        }
    }

    /// The name that alerts give it.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Tamper => "tamper",
            Self::Backwards => "reverse-flow",
            Self::ImpossibleFlow => "impossible-flow",
            Self::SaysLeak => "meter-says-leak",
            Self::Holes => "holes",
            Self::OtherIndex => "other-index",
            Self::LowBattery => "low-battery",
            Self::BadReads => "bad-reads",
            Self::Clock => "clock-drift",
        }
    }

    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Tamper | Self::Backwards | Self::ImpossibleFlow | Self::SaysLeak | Self::Holes => Severity::Medium,
            Self::OtherIndex | Self::LowBattery | Self::BadReads | Self::Clock => Severity::Low,
        }
    }

    /// Whether the meter says it of itself, as often as it likes, instead of its readings.
    pub const fn is_flag(self) -> bool {
        matches!(self, Self::Tamper | Self::SaysLeak | Self::LowBattery)
    }

    /// In words, English and Chinese.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Tamper => ("The meter says that it was tampered with", "水表报告被人为干扰"),
            Self::Backwards => ("Water ran backwards through the meter", "水表出现倒流"),
            Self::ImpossibleFlow => (
                "More water than the meter can pass was reported",
                "水表报告的流量超出其量程",
            ),
            Self::SaysLeak => ("The meter's own rule for leaks is met", "水表自身的漏水判定成立"),
            Self::Holes => (
                "Readings are lost so often that it would not be noticed if nobody used water",
                "读数频繁缺失，即使无人用水也无从察觉",
            ),
            Self::OtherIndex => (
                "The index went on from another value: another meter, or a new start",
                "水表读数从另一数值起计：已换表或被清零",
            ),
            Self::LowBattery => ("The meter's battery runs out", "水表电量不足"),
            Self::BadReads => ("Readings of the meter contradict each other", "水表读数前后矛盾"),
            Self::Clock => ("The meter's clock is wrong", "水表时钟有误"),
        }
    }
}

/// Signs of one trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Noted {
    /// How many, no longer apart than the quiet time.
    pub count: u8,
    pub first: EventTime,
    pub last: EventTime,
    /// When there were enough; zero before.
    pub met_at: EventTime,
}

impl Noted {
    /// Takes another sign; `enough` of them make a trouble.
    pub fn take(&mut self, at: EventTime, enough: u8) {
        if self.count == 0 {
            self.first = at;
        }
        self.count = self.count.saturating_add(1);
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        if !self.is_met() && self.count >= enough {
            self.met_at = at.max(self.first);
        }
    }

    /// Takes a gap; those never `apart` seconds from each other for `long` seconds make a trouble, which goes on until it is quiet.
    pub fn take_gap(&mut self, gap: &Interval, apart: u32, long: u32) {
        if self.count > 0 && !self.is_met() && gap.start >= self.last.plus(apart) {
            *self = Self::default();
        }
        self.take(gap.end, u8::MAX);
        self.met_at = if gap.end.since(self.first) < long {
            EventTime::ZERO
        } else if self.met_at > EventTime::ZERO {
            self.met_at
        } else {
            gap.end
        };
    }

    /// Whether there were enough of them.
    pub fn is_met(&self) -> bool {
        self.met_at > EventTime::ZERO
    }
}
