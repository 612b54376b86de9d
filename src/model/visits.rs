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
    /// Orders visits: open alerts that may be about a person in need come first, silent homes among them, then homes that
    /// are only dry, then other alerts, and last what somebody has taken on. Among those the gravest, and among equals what
    /// began the longest ago.
    pub fn pressing(&self) -> impl Ord + use<> {
        let mut waiting = self.open.iter().filter(|open| !open.acknowledged).peekable();
        let group = match (waiting.peek().is_some(), self.open.is_empty()) {
            (true, _) if waiting.any(|open| open.kind.is_about_a_person()) => 0,
            (_, true) => 1,
            (true, _) => 2,
            (false, _) => 3,
        };
        let began = self.open.iter().map(|open| open.since).min().or(self.dry_since);
        let home = self.household_id.clone();
        (group, Reverse(self.severity), began.unwrap_or(EventTime::MAX), home)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(home: &str, severity: Option<Severity>, open: &[(AlertKind, bool)]) -> Visit {
        let at = EventTime::from_seconds(1_700_000_000);
        let open = open.iter().map(|(kind, acknowledged)| OpenEntry {
            kind: *kind,
            alert_id: home.to_owned(),
            since: at,
            acknowledged: *acknowledged,
        });
        Visit {
            household_id: HouseholdId::new(home),
            zone: None,
            severity,
            open: open.collect(),
            dry_since: Some(at),
            measured_until: at,
        }
    }

    #[test]
    fn people_come_before_pipes_and_what_is_taken_on_comes_last() {
        use AlertKind::{Inactivity, Leak, SilentMeter};
        let mut visits = [
            visit("taken-on", Some(Severity::Critical), &[(Inactivity, true)]),
            visit("drip", Some(Severity::Low), &[(Leak, false)]),
            visit("dry", None, &[]),
            visit("silent", Some(Severity::Low), &[(SilentMeter, false)]),
            visit(
                "taken-on-and-silent",
                Some(Severity::High),
                &[(Inactivity, true), (SilentMeter, false)],
            ),
            visit(
                "inactive",
                Some(Severity::Critical),
                &[(Leak, true), (Inactivity, false)],
            ),
        ];
        visits.sort_by_cached_key(Visit::pressing);
        let order: Vec<_> = visits.iter().map(|visit| visit.household_id.as_str()).collect();
        assert_eq!(
            order,
            ["inactive", "taken-on-and-silent", "silent", "dry", "drip", "taken-on"]
        );
    }
}
