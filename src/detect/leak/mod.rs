//! Leak: a flow that has not stopped for a day.
//!
//! Method: the rule of the meters in the field ("no dry hour in 24 h", as in the meters of Kamstrup, and with other hours or flows
//! in the rules of Badger, SFPUC and Seoul), on whole UTC hours; the size is the home's floor, the least hourly flow of its last day. A run
//! skips a few unknown hours rather than beginning anew, and a leak is over only after several dry hours, so that one
//! that pauses does not flap.
//! Units: litres an hour, known to one step of the meter. Limits: found after `hours` at the earliest; a home where
//! water is really used in every hour of a day looks the same.

mod settings;

#[cfg(test)]
mod tests;

pub use settings::LeakSettings;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::words::{figure, local_time, span_zh};
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::{Interval, WINDOW_HOURS};
use crate::model::{
    AlertKind, AlertState, BothLanguages, EventTime, Explanation, Finding, HOUR, Severity, format_span,
};

/// From here on a leak is to be looked at within the day, in litres an hour (120 L a day).
const MEDIUM_LITRES_PER_HOUR: f32 = 5.0;
/// From here on it is to be looked at now, in litres an hour (a tap left running).
const HIGH_LITRES_PER_HOUR: f32 = 30.0;

/// The detector of leaks.
pub struct Leak;

/// The run of hours without a dry one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeakState {
    /// First hour of the run.
    run_start: u32,
    /// Measured hours in the run.
    run_hours: u16,
    /// Unknown hours at its end.
    unknown: u8,
    /// Dry hours of late, while a leak is open.
    dry: u8,
    /// When the open leak was found; zero when none is open.
    detected_at: EventTime,
    /// When the open leak began.
    since: EventTime,
}

impl LeakState {
    fn open(&self) -> bool {
        self.detected_at > EventTime::ZERO
    }
}

impl Detector for Leak {
    const KIND: AlertKind = AlertKind::Leak;
    type Settings = LeakSettings;
    type State = LeakState;

    fn mistakes(settings: &LeakSettings) -> Vec<Mistake> {
        settings.mistakes()
    }

    fn on_interval(settings: &LeakSettings, state: &mut LeakState, home: &HomeView<'_>, interval: &Interval) {
        let hours = home.usage.completed_hours(interval);
        if hours.len() > WINDOW_HOURS as usize {
            // More hours have passed at once than the window holds: none of them was measured hour by hour.
            state.run_hours = 0;
        }
        for hour in hours.start.max(hours.end.saturating_sub(WINDOW_HOURS))..hours.end {
            take_hour(settings, state, hour, home.usage.litres(hour));
        }
    }

    fn finding(settings: &LeakSettings, state: &LeakState, home: &HomeView<'_>) -> Option<Finding> {
        // By what flows now: an alert that is open only grows (`alert::decide`).
        (settings.enabled && state.open()).then(|| Finding {
            since: state.since,
            detected_at: state.detected_at,
            severity: match home.usage.floor().litres_per_hour() {
                floor if floor >= HIGH_LITRES_PER_HOUR => Severity::High,
                floor if floor >= MEDIUM_LITRES_PER_HOUR => Severity::Medium,
                _ => Severity::Low,
            },
            rule: Arc::from(format!("no-dry-hour-{}h", settings.hours)),
            stage: None,
        })
    }

    fn explain(
        settings: &LeakSettings,
        state: &LeakState,
        home: &HomeView<'_>,
        alert: &OpenAlert<'_>,
        record: AlertState,
    ) -> Explanation {
        let usage = home.usage;
        let floor = usage.floor().litres_per_hour();
        let lasted = EventTime::from_hour(usage.next_hour()).since(alert.since);
        let hours = lasted as f32 / HOUR as f32;
        let since = local_time(alert.since, home.now, home.time_zone);
        let mut evidence = Map::new();
        evidence.insert("rule_hours".into(), json!(settings.hours));
        evidence.insert("measured_hours_with_flow".into(), json!(state.run_hours));
        evidence.insert("floor_litres_per_hour".into(), json!(floor));
        evidence.insert("meter_resolution_litres".into(), json!(usage.floor().resolution()));
        evidence.insert("lasted_hours".into(), json!(hours));
        if record == AlertState::Resolved {
            let stopped = state.dry > 0 || usage.frontier() > alert.detected_at.plus(HOUR);
            let (reason, en, zh) = if stopped {
                ("flow_stopped", "The flow has stopped", "持续流水已停止")
            } else {
                (
                    "corrected_by_late_readings",
                    "Late readings show that the flow did stop",
                    "补到的读数表明水流曾停止",
                )
            };
            // Without the dry hours that ended it; what was unknown may have been dry, too.
            let ran = lasted.saturating_sub(u32::from(state.dry) * HOUR);
            let text = BothLanguages {
                en: format!("{en}; it had run since {since}, for at most {}.", format_span(ran)),
                zh: format!("{zh}，自{since}起至多{}。", span_zh(ran)),
            };
            return Explanation { reason, evidence, text };
        }
        evidence.insert("litres_a_day_at_least".into(), json!((floor * 24.0).round()));
        let reason = if record == AlertState::Raised {
            "flow_never_stopped"
        } else {
            "leak_grew"
        };
        let mut text = BothLanguages {
            en: format!("Water has not stopped since {since}, {}.", format_span(lasted)),
            zh: format!("自{since}起{}水流未曾停止。", span_zh(lasted)),
        };
        // With too few known hours in its last day the size is not known yet.
        if floor > 0.0 {
            let (rate, day) = (figure(floor), figure((floor * 24.0).round()));
            text.en += &format!(" At least {rate} L/h flow all the time, {day} L a day.");
            text.zh += &format!("持续流量至少{rate}升/小时，即每天{day}升。");
        }
        Explanation { reason, evidence, text }
    }
}

fn take_hour(settings: &LeakSettings, state: &mut LeakState, hour: u32, litres: Option<f32>) {
    let Some(litres) = litres else {
        state.unknown = state.unknown.saturating_add(1);
        if u32::from(state.unknown) > settings.skip_unknown_hours {
            state.run_hours = 0;
        }
        return;
    };
    state.unknown = 0;
    if litres <= 0.0 || litres < settings.at_least_litres_per_hour {
        state.run_hours = 0;
        state.dry = state.dry.saturating_add(1);
        if u32::from(state.dry) >= settings.clear_after_dry_hours {
            state.detected_at = EventTime::ZERO;
        }
        return;
    }
    if state.run_hours == 0 {
        state.run_start = hour;
    }
    state.run_hours = state.run_hours.saturating_add(1);
    if u32::from(state.run_hours) >= settings.hours {
        state.dry = 0;
        if !state.open() {
            state.detected_at = EventTime::from_hour(hour + 1);
            state.since = EventTime::from_hour(state.run_start);
        }
    }
}
