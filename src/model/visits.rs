//! The daily list of homes to visit.

use std::cmp::Reverse;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AlertKind, EventTime, HouseholdId, Severity};

/// Homes of one programme in one partition that somebody should look after today, the most pressing first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisitList {
    /// The programme.
    pub programme: Arc<str>,
    /// The local day, such as `2026-03-01`.
    pub day: String,
    /// The stream's time at which it was made.
    pub made_at: EventTime,
    /// The homes.
    pub homes: Vec<Visit>,
    /// How many more would be on it, but for the most that it may hold.
    pub left_off: u32,
}

/// A home to visit, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// The home.
    pub household_id: HouseholdId,
    /// The grid cell or street block, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Arc<str>>,
    /// How much the gravest of its open alerts matters; none where it is only dry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Alerts that are open.
    pub open: Vec<OpenEntry>,
    /// Since when no sign of life is known, where readings say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_since: Option<EventTime>,
    /// Up to when the home is known.
    pub measured_until: EventTime,
}

impl Visit {
    /// Orders visits: the gravest first, and among equals what began the longest ago.
    pub fn pressing(&self) -> impl Ord + use<> {
        let began = self.open.iter().map(|open| open.since).min().or(self.dry_since);
        let home = self.household_id.clone();
        (Reverse(self.severity), began.unwrap_or(EventTime::MAX), home)
    }
}

/// An open alert on a visit list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenEntry {
    /// What it is about.
    pub kind: AlertKind,
    /// Its identity.
    pub alert_id: String,
    /// When what it reports began.
    pub since: EventTime,
    /// Whether somebody has taken it on.
    pub acknowledged: bool,
}
