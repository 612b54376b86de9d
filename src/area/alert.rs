//! What subscribers are told of a zone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::report::Cause;
use super::watch::{Episode, Seen};
use crate::alert::{AREA_TYPE, CONTENT_TYPE, CloudEvent, alert_id};
use crate::model::{AlertKind, AlertState, BothLanguages, EventTime, Severity};

/// One record of the area-alerts topic (the `data` of its CloudEvent, whose subject is the zone): whole in itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AreaAlert {
    /// Derived from zone, cause and start, so that a replay gives the same.
    pub alert_id: String,
    /// 1 when raised, one more with every further record.
    pub revision: u32,
    /// The zone.
    pub zone: Arc<str>,
    /// `area_outage`.
    pub kind: AlertKind,
    /// What has failed.
    pub cause: Cause,
    /// Where it is in its life: raised, updated or resolved.
    pub state: AlertState,
    /// How much it matters.
    pub severity: Severity,
    /// Since when.
    pub since: EventTime,
    /// Until when the homes' own lack of use is put down to it; absent while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<EventTime>,
    /// The event time at which it could be seen.
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

/// Why a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Begun,
    Returned,
    Corrected,
    JudgedAgain,
}

impl Reason {
    fn name(self, cause: Cause) -> &'static str {
        match (self, cause) {
            (Self::Begun, Cause::Dry) => "homes_dry_together",
            (Self::Begun, Cause::Silent) => "meters_silent_together",
            (Self::Returned, Cause::Dry) => "use_returned",
            (Self::Returned, Cause::Silent) => "readings_returned",
            (Self::Corrected, _) => "corrected_by_late_readings",
            (Self::JudgedAgain, _) => "homes_judged_again",
        }
    }

    fn state(self) -> AlertState {
        match self {
            Self::Begun => AlertState::Raised,
            Self::JudgedAgain => AlertState::Updated,
            Self::Returned | Self::Corrected => AlertState::Resolved,
        }
    }
}

impl AreaAlert {
    pub(super) fn new(
        zone: &Arc<str>,
        cause: Cause,
        episode: &Episode,
        reason: Reason,
        seen: &Seen,
        decided_at: EventTime,
    ) -> Self {
        let mut evidence = seen.evidence();
        let lasted = decided_at.max(episode.from);
        let until = episode.to.unwrap_or(lasted);
        evidence.insert(
            "outage_hours".into(),
            json!(tenths(f64::from(until.since(episode.from)) / 3_600.0)),
        );
        Self {
            alert_id: alert_id(&format!("{zone}/{}", cause.name()), AlertKind::AreaOutage, episode.from),
            revision: episode.revision,
            zone: zone.clone(),
            kind: AlertKind::AreaOutage,
            cause,
            state: reason.state(),
            severity: match cause {
                Cause::Dry => Severity::High,
                Cause::Silent => Severity::Medium,
            },
            since: episode.from,
            until: episode.to,
            detected_at: episode.detected_at,
            decided_at,
            reason: reason.name(cause).into(),
            evidence,
            text: text(zone, cause, reason, seen),
        }
    }

    /// As a CloudEvent; its id is unique, and the same after a replay.
    pub fn event(self, source: &str) -> CloudEvent<Self> {
        CloudEvent {
            specversion: "1.0".into(),
            event_type: AREA_TYPE.into(),
            source: source.into(),
            id: format!("{}/{}", self.alert_id, self.revision),
            subject: self.zone.to_string(),
            time: self.decided_at,
            datacontenttype: CONTENT_TYPE.into(),
            data: self,
        }
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl Seen {
    fn evidence(&self) -> Map<String, Value> {
        let pairs = match *self {
            Self::Use {
                homes,
                found,
                expected,
                hours,
                ends,
                probability,
            } => vec![
                ("homes", json!(homes)),
                ("homes_with_use", json!(found)),
                ("homes_with_use_expected", json!(tenths(expected))),
                ("window_hours", json!(hours)),
                ("window_ends", json!(ends)),
                ("probability", json!(probability)),
            ],
            Self::Meters {
                active,
                overdue,
                probability,
            } => vec![
                ("meters", json!(active)),
                ("meters_overdue", json!(overdue)),
                ("probability", json!(probability)),
            ],
            Self::Nothing => Vec::new(),
        };
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

fn text(zone: &str, cause: Cause, reason: Reason, seen: &Seen) -> BothLanguages {
    let (seen_en, seen_zh) = match *seen {
        Seen::Use {
            homes,
            found,
            expected,
            hours,
            ..
        } => (
            format!(
                "Of {homes} homes that report, {found} used water within {hours} h; by their own past, {expected:.0} \
                 were to be expected."
            ),
            format!(
                "在 {homes} 户有读数的住户中，{hours} 小时内有 {found} 户用水；按其以往规律应约有 {expected:.0} 户。"
            ),
        ),
        Seen::Meters { active, overdue, .. } => (
            format!("Of {active} homes heard from this week, {overdue} are overdue now."),
            format!("本周有读数的 {active} 户中，目前有 {overdue} 户逾期未报。"),
        ),
        Seen::Nothing => Default::default(),
    };
    let (what_en, what_zh) = match (reason, cause) {
        (Reason::Begun, Cause::Dry) => (
            format!("Zone {zone} seems to be without water."),
            format!("区域 {zone} 疑似停水。"),
        ),
        (Reason::Begun, Cause::Silent) => (
            format!("The meters of zone {zone} have fallen silent together."),
            format!("区域 {zone} 的水表同时失联。"),
        ),
        (Reason::Returned, Cause::Dry) => (
            format!("Zone {zone} uses water again."),
            format!("区域 {zone} 已恢复用水。"),
        ),
        (Reason::Returned, Cause::Silent) => (
            format!("The meters of zone {zone} report again."),
            format!("区域 {zone} 的水表已恢复上报。"),
        ),
        (Reason::Corrected, _) => (
            format!("Readings that came late show that zone {zone} was supplied after all."),
            format!("迟到的读数表明区域 {zone} 供水其实正常。"),
        ),
        (Reason::JudgedAgain, _) => (
            format!("The outage of zone {zone} lasts longer than homes are left unjudged for."),
            format!("区域 {zone} 的中断已超过暂停判断住户的最长时间。"),
        ),
    };
    let (then_en, then_zh) = match (reason, cause) {
        (Reason::Begun, Cause::Dry) => (
            "Inactivity of its homes is judged from the return of supply on.",
            "住户的无用水情况将自恢复供水起重新判断。",
        ),
        (Reason::Begun, Cause::Silent) => (
            "Its homes cannot be watched; silent meters are not reported one by one.",
            "期间无法关注该区住户；不再逐户报告水表失联。",
        ),
        _ => ("Its homes are judged again.", "该区住户已恢复判断。"),
    };
    BothLanguages {
        en: [&what_en, &seen_en, then_en]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" "),
        zh: format!("{what_zh}{seen_zh}{then_zh}"),
    }
}
