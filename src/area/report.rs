//! What partitions tell each other of zones: the records of the zones topic.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hour::{HomeHour, WINDOWS};
use crate::model::EventTime;

/// The homes of a zone in one hour, added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HourFigures {
    /// The UTC hour, counted from 1970.
    pub hour: u32,
    /// Homes of which it is known whether they used water in it, with enough of a past.
    pub homes: u32,
    /// For each of [`WINDOWS`], the homes that used water within it.
    pub found: [u32; WINDOWS.len()],
    /// For each of them, the homes that would have by their own past, in thousandths of a home.
    pub expected_thousandths: [u32; WINDOWS.len()],
}

impl HourFigures {
    /// Of no home.
    pub fn new(hour: u32) -> Self {
        Self {
            hour,
            homes: 0,
            found: [0; WINDOWS.len()],
            expected_thousandths: [0; WINDOWS.len()],
        }
    }

    /// With one home more.
    pub fn count(&mut self, home: &HomeHour) {
        self.homes += 1;
        for found in &mut self.found[home.dry_windows.min(WINDOWS.len())..] {
            *found += 1;
        }
        for (sum, more) in self.expected_thousandths.iter_mut().zip(home.expected_thousandths) {
            *sum += more;
        }
    }

    /// Together with other homes. Sums of whole numbers: the order in which they are added does not matter.
    pub fn add(&mut self, other: &Self) {
        self.homes = self.homes.saturating_add(other.homes);
        let add = |sum: &mut u32, more: u32| *sum = sum.saturating_add(more);
        for window in 0..WINDOWS.len() {
            add(&mut self.found[window], other.found[window]);
            add(
                &mut self.expected_thousandths[window],
                other.expected_thousandths[window],
            );
        }
    }

    /// Homes expected to use water within a window.
    pub fn expected(&self, window: usize) -> f64 {
        f64::from(self.expected_thousandths[window]) / 1_000.0
    }
}

/// The meters of a zone at one moment, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Homes heard from within a week, or twice the time that their meters take between two deliveries.
    pub active: u32,
    /// Those of them that have not been heard from for longer than is usual with their meters.
    pub overdue: u32,
    /// When the last of the overdue was heard.
    pub last_heard: EventTime,
}

impl Silence {
    /// Together with other homes.
    pub fn add(&mut self, other: &Self) {
        self.active = self.active.saturating_add(other.active);
        self.overdue = self.overdue.saturating_add(other.overdue);
        self.last_heard = self.last_heard.max(other.last_heard);
    }
}

/// What one partition says of one zone, once an hour of its clock: whole in itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneReport {
    /// The zone.
    pub zone: Arc<str>,
    /// The partition whose homes these are.
    pub partition: u32,
    /// The moment of its clock; partitions use the same ones.
    pub at: EventTime,
    /// Hours in which homes are known, oldest first.
    pub hours: Vec<HourFigures>,
    /// Which homes are heard.
    pub silence: Silence,
}

/// What has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Homes report, and use no water.
    Dry,
    /// Homes do not report.
    Silent,
}

impl Cause {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Dry, Self::Silent];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dry => "dry",
            Self::Silent => "silent",
        }
    }
}

/// What the responsible partition tells every other: the last outage of a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AreaStatus {
    /// The zone.
    pub zone: Arc<str>,
    /// What has failed.
    pub cause: Cause,
    /// Since when.
    pub from: EventTime,
    /// Until when; none while it goes on. Equal to `from` where there was none after all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<EventTime>,
}

/// One record of the zones topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneRecord {
    /// To the partition that is responsible for the zone.
    Report(ZoneReport),
    /// From there to every partition.
    Status(AreaStatus),
}

impl ZoneRecord {
    /// Reads the value of a record.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(value: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(value).map_err(|error| error.to_string())
    }

    /// The value of the record.
    pub fn value(&self) -> Vec<u8> {
        // Plain fields, numbers and texts always have a form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The key of the record: compaction keeps the last report of each partition, and the last status of each cause.
    pub fn key(&self) -> String {
        match self {
            Self::Report(report) => format!("{}/{}", report.zone, report.partition),
            Self::Status(status) => format!("{}/{}", status.zone, status.cause.name()),
        }
    }
}
