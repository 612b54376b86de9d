//! No return: an absence with a declared end is over, and there is no sign of life since.
//!
//! Method: measured dry time after the end of the absence (`HomeView::dry_since`: a gap, another sign of life or an outage
//! begins it anew). Once met it holds until a sign of life, or until the absence is extended, replaced or taken back:
//! what is kept is only when it was met, all else follows from the usage and the absence as they are now.
//! Units: hours, to the second. Limits: an absence without an end is never over. Whoever clearly came back before the end is
//! left to inactivity; a single use within the absence is named.

mod settings;

#[cfg(test)]
mod tests;

pub use settings::NoReturnSettings;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::words::{local_time, span_zh};
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::{Flow, Interval};
use crate::model::{
    AlertKind, AlertState, BothLanguages, EventTime, Explanation, Finding, HOUR, Severity, Stage, format_span,
};

/// The detector of a missing return.
pub struct NoReturn;

/// When the rule was met; zero when it has not been.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NoReturnState {
    met_at: EventTime,
}

/// The end of the absence, if it is over and there is no sign of life since.
fn missed_since(home: &HomeView<'_>) -> Option<EventTime> {
    // Of whoever came back before its end inactivity tells.
    let absence = home
        .circumstances
        .absence
        .filter(|absence| !home.is_cut_short(absence))?;
    let end = absence
        .to
        .filter(|end| absence.from < *end && *end <= home.usage.frontier())?;
    let sign = home.circumstances.sign.map(|sign| sign.at).max(home.usage.last_sign());
    sign.is_none_or(|sign| sign <= end).then_some(end)
}

impl Detector for NoReturn {
    const KIND: AlertKind = AlertKind::NoReturn;
    type Settings = NoReturnSettings;
    type State = NoReturnState;

    fn mistakes(settings: &NoReturnSettings) -> Vec<Mistake> {
        settings.mistakes()
    }

    fn on_interval(settings: &NoReturnSettings, state: &mut NoReturnState, home: &HomeView<'_>, interval: &Interval) {
        if !matches!(interval.flow, Flow::Measured(_)) {
            return;
        }
        if missed_since(home).is_none() || state.met_at > home.excused_until_though_met(state.met_at) {
            return;
        }
        let Some(dry_since) = home.dry_since() else {
            return;
        };
        let due = dry_since.plus(settings.after_seconds());
        if due <= home.usage.frontier() {
            state.met_at = due.max(interval.start);
        }
    }

    fn finding(settings: &NoReturnSettings, state: &NoReturnState, home: &HomeView<'_>) -> Option<Finding> {
        let since = missed_since(home)?;
        if !settings.enabled || state.met_at <= home.excused_until_though_met(state.met_at) {
            return None;
        };
        Some(Finding {
            since,
            detected_at: state.met_at,
            severity: Severity::Medium,
            rule: Arc::from("no-return"),
            stages: Some(Stage::Contact.into()),
            anew_at: None,
        })
    }

    fn explain(
        settings: &NoReturnSettings,
        _: &NoReturnState,
        home: &HomeView<'_>,
        alert: &OpenAlert<'_>,
        record: AlertState,
    ) -> Explanation {
        let (usage, absence) = (home.usage, home.circumstances.absence);
        let end = local_time(alert.since, home.now, home.time_zone);
        let mut evidence = Map::new();
        evidence.insert("rule_hours".into(), json!(settings.after_hours));
        evidence.insert("absent_from".into(), json!(absence.map(|absence| absence.from)));
        evidence.insert("absent_to".into(), json!(alert.since));
        evidence.insert("last_use_ended_at".into(), json!(usage.last_sign()));
        evidence.insert("measured_until".into(), json!(usage.frontier()));
        if record == AlertState::Resolved {
            let (reason, en, zh) = ended(home, alert);
            let text = BothLanguages {
                en: format!("{en} The absence was to end at {end}."),
                zh: format!("{zh}该次外出原定{end}结束。"),
            };
            return Explanation { reason, evidence, text };
        }
        let missed = usage.frontier().since(alert.since);
        let hours = (f64::from(missed) / f64::from(HOUR) * 100.0).round() / 100.0;
        evidence.insert("hours_since_absence".into(), json!(hours));
        let mut text = BothLanguages {
            en: format!(
                "The absence was to end at {end}, and there has been no sign of life in the {} since. They may be staying \
                 longer: please ask them, or a contact.",
                format_span(missed)
            ),
            zh: format!(
                "登记的外出应于{end}结束，此后{}仍无任何用水等生命迹象。住户可能延期未归，请联系本人或其联系人核实。",
                span_zh(missed)
            ),
        };
        if let Some(last) = usage
            .last_sign()
            .filter(|last| absence.is_some_and(|absence| *last > absence.from))
        {
            let last = local_time(last, home.now, home.time_zone);
            text.en +=
                &format!(" Water was last used at {last}, in the absence itself: somebody may have come home early.");
            text.zh += &format!("外出期间{last}曾有用水，可能有人已提前回家。");
        }
        Explanation {
            reason: "not_back",
            evidence,
            text,
        }
    }
}

/// Why it is over.
fn ended(home: &HomeView<'_>, alert: &OpenAlert<'_>) -> (&'static str, &'static str, &'static str) {
    let end = home.circumstances.absence.and_then(|absence| absence.to);
    let after = |time: Option<EventTime>, earliest: EventTime| time.is_some_and(|time| time > earliest);
    let sign = home.circumstances.sign.map(|sign| sign.at);
    if end != Some(alert.since) {
        (
            "absence_changed",
            "The absence was extended, replaced or taken back.",
            "登记的外出已延长、更改或撤销。",
        )
    } else if after(sign, alert.since) && !after(home.usage.last_sign(), alert.since) {
        ("other_sign_of_life", "There is a sign of life.", "已有其他生命迹象。")
    } else if after(home.usage.last_sign(), alert.detected_at) {
        ("use_returned", "Water is used again.", "已恢复用水。")
    } else {
        (
            "corrected_by_late_readings",
            "Late readings show that water was used after the absence.",
            "补到的读数表明外出结束后曾有用水。",
        )
    }
}
