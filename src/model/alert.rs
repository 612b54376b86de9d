//! What detectors say, and what subscribers are told.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{EventTime, HouseholdId};

/// What an alert is about. One home never has two open alerts of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// No sign of life for longer than is ordinary.
    Inactivity,
    /// A flow that does not stop.
    Leak,
    /// A meter that has stopped delivering.
    SilentMeter,
}

impl AlertKind {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inactivity => "inactivity",
            Self::Leak => "leak",
            Self::SilentMeter => "silent_meter",
        }
    }
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the record, or for the next working day.
    Low,
    /// To be looked at within the day.
    Medium,
    /// To be looked at now.
    High,
    /// To be acted on now.
    Critical,
}

/// Where an alert is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// New.
    Raised,
    /// Still open; what is said of it has changed.
    Updated,
    /// Over.
    Resolved,
}

/// What a detector says of one home at one moment. It is a level, not an event: it is said for as long as it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// When what is reported began (dry since, leaking since).
    pub since: EventTime,
    /// The event time at which the rule was met.
    pub detected_at: EventTime,
    /// How much it matters.
    pub severity: Severity,
    /// The name of the rule that was met.
    pub rule: Arc<str>,
}

/// The same sentence in the two languages of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BothLanguages {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

/// Why something is said, in numbers and in words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    /// A short stable name: why it was raised, changed or resolved.
    pub reason: &'static str,
    /// The numbers it rests on, with units in their names.
    pub evidence: Map<String, Value>,
    /// Whole sentences for the person who has to act.
    pub text: BothLanguages,
}

/// One record of the alerts topic (the `data` of its CloudEvent): whole in itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Derived from home, kind and start, so that a replay gives the same.
    pub alert_id: String,
    /// 1 when raised, one more with every further record.
    pub revision: u32,
    /// The home.
    pub household_id: HouseholdId,
    /// What it is about.
    pub kind: AlertKind,
    /// Where it is in its life.
    pub state: AlertState,
    /// How much it matters.
    pub severity: Severity,
    /// The rule that was met.
    pub rule: Arc<str>,
    /// The grid cell or street block, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Arc<str>>,
    /// The programme under which the home is watched.
    pub programme: Arc<str>,
    /// When what is reported began.
    pub since: EventTime,
    /// The event time at which the rule was met.
    pub detected_at: EventTime,
    /// The stream's time at which this record could be known.
    pub decided_at: EventTime,
    /// Why this record was written.
    pub reason: String,
    /// The numbers it rests on.
    pub evidence: Map<String, Value>,
    /// Whole sentences.
    pub text: BothLanguages,
}
