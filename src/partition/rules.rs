//! The rules of a deployment, as the core needs them.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::alert::PolicySettings;
use crate::area::AreaSettings;
use crate::detect::DetectorSettings;
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgrammeSettings {
    /// What is done with what the detectors say.
    pub policy: PolicySettings,
    /// The rules of each detector.
    #[serde(flatten)]
    pub detectors: DetectorSettings,
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
    /// A number that changes with the rules: the CRC-32 of their JSON.
    pub(super) fn number(&self) -> u32 {
        crc32fast::hash(&serde_json::to_vec(&(&self.detectors, &self.policy)).unwrap_or_default())
    }
}

impl Default for Rules {
    /// Defaults of every setting, in UTC.
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
            panic_at_litres: None,
        }
    }
}

/// A record of the homes topic that names what does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnknownName {
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
    /// More time zones or zones than a partition may have.
    #[error("more than 65535 different time zones or zones in one partition")]
    TooMany,
}
