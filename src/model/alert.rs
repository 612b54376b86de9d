//! What detectors say, and what subscribers are told.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{DAY, EventTime, HouseholdId, Response};

/// What an alert is about. One home never has two open alerts of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// No sign of life for longer than is ordinary.
    Inactivity,
    /// A flow that does not stop, or that is too great over a day.
    Leak,
    /// A flow far greater than a home's taps can take.
    Burst,
    /// One use far longer than this home's longest.
    ProlongedDraw,
    /// Use at night has changed over weeks. A message.
    NightDrift,
    /// The routine of the day has changed over weeks. A message.
    RoutineDrift,
    /// Water was used while people are away.
    UseWhileAway,
    /// The absence is over, and nobody has used water.
    NoReturn,
    /// A meter that has stopped delivering.
    SilentMeter,
    /// A meter that cannot be relied upon.
    MeterTrouble,
    /// The first sign of life of the morning. A message.
    WellToday,
    /// A zone is without water, or without readings. It has a topic of its own.
    AreaOutage,
}

impl AlertKind {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inactivity => "inactivity",
            Self::Leak => "leak",
            Self::Burst => "burst",
            Self::ProlongedDraw => "prolonged_draw",
            Self::NightDrift => "night_drift",
            Self::RoutineDrift => "routine_drift",
            Self::UseWhileAway => "use_while_away",
            Self::NoReturn => "no_return",
            Self::SilentMeter => "silent_meter",
            Self::MeterTrouble => "meter_trouble",
            Self::WellToday => "well_today",
            Self::AreaOutage => "area_outage",
        }
    }

    /// Whether it may be about a person in need: a lack of use, or a lack of readings that would show it.
    pub const fn is_about_a_person(self) -> bool {
        matches!(
            self,
            Self::Inactivity | Self::NoReturn | Self::ProlongedDraw | Self::SilentMeter
        )
    }

    /// Whether it is a message: said once, with nothing to wait for and nothing to resolve.
    pub const fn is_message(self) -> bool {
        matches!(self, Self::NightDrift | Self::RoutineDrift | Self::WellToday)
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

/// What an alert asks for. Each later stage is due only because the one before brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Ask the person, by an automatic call or message.
    Ask,
    /// Tell a contact: family, a warden.
    Contact,
    /// Send somebody to the door.
    Visit,
}

impl Stage {
    /// All stages, in their order.
    pub const ALL: [Self; 3] = [Self::Ask, Self::Contact, Self::Visit];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Contact => "contact",
            Self::Visit => "visit",
        }
    }
}

/// The stages that are due: those a programme has for a kind of alert, up to the last whose rule is met. A case begins
/// with the first of them, whatever was met at once, and goes on to the next when the one before brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stages(u8);

impl Stages {
    /// Of `stages` those up to `last`, and `last` itself.
    pub fn until(last: Stage, stages: impl IntoIterator<Item = Stage>) -> Self {
        let due = stages.into_iter().filter(|stage| *stage < last);
        Self(due.fold(1 << last as u8, |bits, stage| bits | 1 << stage as u8))
    }

    /// The stages, in their order; at least one.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Stage> {
        Stage::ALL
            .into_iter()
            .filter(move |stage| self.0 & (1 << *stage as u8) != 0)
    }

    /// The one a case begins with.
    pub fn first(self) -> Option<Stage> {
        self.iter().next()
    }

    /// The last that is due.
    pub fn last(self) -> Option<Stage> {
        self.iter().next_back()
    }

    /// The one that follows `stage`, if it is due.
    pub fn after(self, stage: Stage) -> Option<Stage> {
        self.iter().find(|later| *later > stage)
    }
}

impl From<Stage> for Stages {
    /// The one stage of a kind that has no other.
    fn from(stage: Stage) -> Self {
        Self::until(stage, [])
    }
}

/// Where an alert is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// New.
    Raised,
    /// Still open; what is said of it has changed.
    Updated,
    /// Still open; it has reached a later stage, or nobody has acknowledged it in time.
    Escalated,
    /// Still open; somebody has taken it on.
    Acknowledged,
    /// Over.
    Resolved,
}

impl AlertState {
    /// All states, in the order of a life.
    pub const ALL: [Self; 5] = [
        Self::Raised,
        Self::Updated,
        Self::Escalated,
        Self::Acknowledged,
        Self::Resolved,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Updated => "updated",
            Self::Escalated => "escalated",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
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
    /// The name of the rule that was met; of several, one of the last stage that is due.
    pub rule: Arc<str>,
    /// What is due of it; none where its kind has no stages.
    pub stages: Option<Stages>,
    /// When the rule was met again, after something that may have ended what is reported and may not; none if it was not.
    pub anew_at: Option<EventTime>,
}

/// Who will be told next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextCall {
    /// The contact, by the name that the programme's ladder gives it.
    pub contact: Arc<str>,
    /// When, unless the alert is acknowledged or over by then.
    pub at: EventTime,
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

impl Explanation {
    /// With six digits of each number of the evidence: more than any meter has, and no trace of how it was computed.
    #[must_use]
    pub fn readable(mut self) -> Self {
        for value in self.evidence.values_mut() {
            if let Some(number) = value.as_f64().filter(|_| value.is_f64()) {
                *value = format!("{number:.5e}").parse::<f64>().map_or(Value::Null, Value::from);
            }
        }
        self
    }
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
    /// What it asks for; absent where its kind has no stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Who is to be told with this record, by the programme's ladder of contacts; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Arc<str>>,
    /// Who is told next if nobody acknowledges the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextCall>,
    /// The response that this record follows from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
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

impl Alert {
    /// Whether it ends an alert of inactivity in which nothing was the matter, as far as is known then: there was a sign of
    /// life within a day of its beginning, or late readings took it back. An outcome that comes after such an end says it again,
    /// and does not count.
    pub fn turned_out_false(&self) -> bool {
        if self.kind != AlertKind::Inactivity || self.state != AlertState::Resolved {
            return false;
        }
        let at = |name: &str| EventTime::deserialize(self.evidence.get(name)?).ok();
        let ended_at = match &*self.reason {
            "use_returned" => at("use_returned_by"),
            "other_sign_of_life" => at("sign_of_life_at"),
            "outcome_safe" if at("ended_by_itself_at").is_some() => return false,
            "outcome_safe" => None,
            "corrected_by_late_readings" => return true,
            _ => return false,
        };
        ended_at.unwrap_or(self.decided_at).since(self.since) < DAY
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_as_a_person_reads_them() {
        let mut words = Explanation::default();
        let flow = 4.2_f32;
        for (name, value) in [
            ("flow", json!(flow)),
            ("hours", json!(103.0 / 6.0)),
            ("chance", json!(0.000_123_456_789)),
            ("count", json!(1_234_567_890)),
            ("since", json!("2025-01-01T00:00:00Z")),
        ] {
            words.evidence.insert(name.to_owned(), value);
        }
        let read = Value::Object(words.readable().evidence).to_string();
        assert_eq!(
            read,
            r#"{"chance":0.000123457,"count":1234567890,"flow":4.2,"hours":17.1667,"since":"2025-01-01T00:00:00Z"}"#
        );
    }
}
