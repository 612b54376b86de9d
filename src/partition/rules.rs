//! The rules of a deployment, as the core needs them.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::alert::PolicySettings;
use crate::area::AreaSettings;
use crate::detect::{DetectorNumbers, DetectorSettings};
use crate::home::{CompactMeasure, HomeSettings, MeterReading};
use crate::ingest::IngestSettings;

/// Everything that the core's answer depends on besides the records.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What is accepted.
    pub ingest: IngestSettings,
    /// What is kept of a home.
    pub home: HomeSettings,
    /// When a zone counts as cut off.
    pub area: AreaSettings,
    /// The programmes by name; the first is that of homes that name none.
    pub programmes: Vec<Programme>,
    /// The time zone of homes that name none.
    pub time_zone: TimeZone,
    /// The zone (grid cell) of homes that name none.
    pub zone: Option<Arc<str>>,
    /// Whether a home is watched without a consent on record.
    pub consent: ConsentRule,
    /// The purposes that a consent may name; empty for any.
    pub consent_purposes: Vec<String>,
    /// For tests alone: at a reading of exactly so many litres, the detectors panic.
    pub panic_at_litres: Option<f32>,
}

impl Rules {
    /// Whether the detectors are to panic at this reading.
    pub(super) fn panics_at(&self, reading: &MeterReading) -> bool {
        self.panic_at_litres.is_some() && reading.measure == self.panic_at_litres.map(CompactMeasure::Volume)
    }
}

/// A programme as settings state it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProgrammeSettings {
    /// A line about it, for people.
    pub title: String,
    /// Where it is described, for people.
    pub source: String,
    /// What is published of how it does, for people.
    pub figures: String,
    /// What is done with what the detectors say.
    pub policy: PolicySettings,
    /// The rules of each detector.
    #[serde(flatten)]
    pub detectors: DetectorSettings,
}

/// Written out, because serde's own flattening loses the path to what is wrong.
impl<'de> Deserialize<'de> for ProgrammeSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Programme;

        impl<'de> Visitor<'de> for Programme {
            type Value = ProgrammeSettings;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ProgrammeSettings, A::Error> {
                let mut programme = ProgrammeSettings::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "title" => programme.title = map.next_value()?,
                        "source" => programme.source = map.next_value()?,
                        "figures" => programme.figures = map.next_value()?,
                        "policy" => programme.policy = map.next_value()?,
                        detector if programme.detectors.take(detector, &mut map)? => {}
                        unknown => return Err(A::Error::custom(format!("unknown key {unknown:?}"))),
                    }
                }
                Ok(programme)
            }
        }

        deserializer.deserialize_map(Programme)
    }
}

/// A named set of rules.
#[derive(Clone, Debug)]
pub struct Programme {
    /// Its name.
    pub name: Arc<str>,
    /// The rules of each detector.
    pub detectors: DetectorSettings,
    /// What is done with what they say.
    pub policy: PolicySettings,
}

impl Programme {
    /// Numbers that change with the rules of each detector. What is done with what they say changes none: it touches
    /// nothing that was said.
    pub(super) fn numbers(&self) -> DetectorNumbers {
        self.detectors.numbers()
    }
}

impl Default for Rules {
    /// Defaults of every setting, in UTC, with consent assumed.
    fn default() -> Self {
        Self {
            ingest: IngestSettings::default(),
            home: HomeSettings::default(),
            area: AreaSettings::default(),
            programmes: vec![Programme {
                name: "default".into(),
                detectors: DetectorSettings::default(),
                policy: PolicySettings::default(),
            }],
            time_zone: TimeZone::UTC,
            zone: None,
            consent: ConsentRule::Assumed,
            consent_purposes: Vec::new(),
            panic_at_litres: None,
        }
    }
}

/// Whether a home is watched without a consent on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentRule {
    /// No reading of a home is judged or kept before its consent is on the homes topic.
    #[default]
    Required,
    /// Consent is kept elsewhere: every home that delivers readings is watched, unless its record says that it was
    /// withdrawn.
    Assumed,
}

impl HomeError {
    /// What is wrong, without the record's own words: of a record of which nothing may be kept.
    pub(super) fn without_its_words(&self) -> String {
        match self {
            Self::TimeZone(_) => "unknown time zone".to_owned(),
            Self::Programme { known, .. } => format!("unknown programme; the settings have {known}"),
            Self::Purpose { known, .. } => format!("consent to another purpose; the settings accept {known}"),
            _ => self.to_string(),
        }
    }
}

/// A record of the homes topic that says what cannot be.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum HomeError {
    /// No such IANA time zone.
    #[error("unknown time zone {0:?}")]
    TimeZone(String),
    /// No such programme in the settings.
    #[error("unknown programme {name:?}; the settings have {known}")]
    Programme {
        /// The name given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// No such purpose in the settings.
    #[error("consent to {name:?}; the settings accept {known}")]
    Purpose {
        /// The purpose given.
        name: String,
        /// Those that are accepted.
        known: String,
    },
    /// A home that had given its consent, and a record that says nothing of it.
    #[error(
        "the record leaves out the home's consent. The home keeps what it had, and its topic now lacks its consent: where \
         everything is rebuilt from the topics, it would not be watched. Send the whole record; whoever withdraws consent says \
         so (consent.withdrawn_at, or a tombstone)"
    )]
    ConsentLeftOut,
    /// A rhythm of uploads that cannot be kept.
    #[error("upload_seconds = {0} is not between a minute and 45 days")]
    UploadSeconds(u32),
    /// A person's own rule that cannot be kept.
    #[error("no_use_hours = {0} is not between 0.5 and 120, in halves of an hour")]
    NoUseHours(f32),
    /// A permanent flow rate that no meter of a home has.
    #[error("q3_m3h = {0} is not between 0.1 and 6000 cubic metres an hour")]
    Q3(f32),
    /// An absence that ends before it begins.
    #[error("the absence ends before it begins")]
    Absence,
    /// An appliance that cannot be.
    #[error("appliances: {0}")]
    Appliance(&'static str),
    /// A name that is longer than any may be.
    #[error("a time zone, zone or purpose of more than {limit} bytes")]
    TooLong {
        /// The longest, in bytes.
        limit: usize,
    },
    /// More time zones, zones or purposes than a partition may have.
    #[error("more than {limit} different time zones, zones or purposes in use in one partition")]
    TooMany {
        /// The most.
        limit: u16,
    },
}
