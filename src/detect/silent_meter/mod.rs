//! Silent meter: no measured reading has arrived for longer than the programme allows.
//!
//! Method: arrival, not event time, is what counts, so a daily upload of old readings is a sign of the meter's life.
//! A meter is silent after its longest usual silence, a quarter of that and two hours (`allowed`); the silence that is usual is
//! learnt meter by meter (`home::Rhythm`), with what the homes topic states as its least. While the meters of its zone are silent together
//! a meter is not reported; after that its silence counts anew. Limits: a rhythm takes a week to be learnt, and until then a meter
//! may be silent for `after_hours`; a home whose readings are all estimated or faulty is silent.

mod settings;

#[cfg(test)]
mod tests;

pub use settings::SilentMeterSettings;

use std::sync::Arc;

use serde_json::{Map, json};

use super::words::{local_time, span_zh};
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::Interval;
use crate::model::{
    AlertKind, AlertState, BothLanguages, EventTime, Explanation, Finding, HOUR, Severity, format_span,
};

/// The detector of silent meters. It keeps nothing: when the home was last heard is kept with the home.
pub struct SilentMeter;

/// How late a delivery may be besides, in seconds: the longest usual silence is not the longest possible.
const GRACE: u32 = 2 * HOUR;

/// How long the meter may be silent, in seconds.
///
/// Where the homes topic states how often it delivers, its own rhythm counts between that and twice that: one that was long out
/// of order has not become rarer for it.
fn allowed(settings: &SilentMeterSettings, home: &HomeView<'_>) -> u32 {
    let with_slack = |usual: u32| usual.saturating_add(usual / 4).saturating_add(GRACE);
    let unlearnt = settings.after_hours * HOUR;
    let shown = home.rhythm.seconds();
    let allowed = match home.circumstances.upload_seconds {
        // The homes topic is believed beyond the bound: who delivers once a month was told to.
        Some(told) => {
            let usual = shown.unwrap_or(0).clamp(told, told.saturating_mul(2));
            return with_slack(usual).max(settings.at_least_hours * HOUR);
        }
        None if home.rhythm.is_learnt() => with_slack(shown.unwrap_or(0)),
        None => shown.map_or(unlearnt, |shown| unlearnt.max(with_slack(shown))),
    };
    allowed
        .max(settings.at_least_hours * HOUR)
        .min(unlearnt.max(settings.at_most_hours * HOUR))
}

/// When silence is due to be reported.
fn due(settings: &SilentMeterSettings, home: &HomeView<'_>) -> Option<EventTime> {
    let allowed = allowed(settings, home);
    Some(home.circumstances.silence_due(home.heard_at?, allowed, home.now))
}

impl Detector for SilentMeter {
    const KIND: AlertKind = AlertKind::SilentMeter;
    type Settings = SilentMeterSettings;
    type State = ();

    fn mistakes(settings: &SilentMeterSettings) -> Vec<Mistake> {
        settings.mistakes()
    }

    fn on_interval(_: &SilentMeterSettings, (): &mut (), _: &HomeView<'_>, _: &Interval) {}

    fn next_deadline(settings: &SilentMeterSettings, (): &(), home: &HomeView<'_>) -> Option<EventTime> {
        let deadline = due(settings, home)?;
        (settings.enabled && deadline >= home.now).then_some(deadline)
    }

    fn finding(settings: &SilentMeterSettings, (): &(), home: &HomeView<'_>) -> Option<Finding> {
        let since = home.heard_at?;
        let detected_at = due(settings, home)?;
        (settings.enabled && home.now > detected_at).then(|| Finding {
            since,
            detected_at,
            severity: Severity::Medium,
            rule: Arc::from("silent-meter"),
            stages: None,
            anew_at: None,
        })
    }

    fn explain(
        settings: &SilentMeterSettings,
        (): &(),
        home: &HomeView<'_>,
        alert: &OpenAlert<'_>,
        record: AlertState,
    ) -> Explanation {
        let zone = home.time_zone;
        let mut evidence = Map::new();
        evidence.insert(
            "allowed_silence_hours".into(),
            json!(f64::from(allowed(settings, home)) / f64::from(HOUR)),
        );
        evidence.insert("last_reading_arrived_at".into(), json!(alert.since));
        evidence.insert("readings_known_until".into(), json!(home.usage.frontier()));
        let since = local_time(alert.since, home.now, zone);
        if record == AlertState::Resolved && home.heard_at.is_none_or(|heard| heard <= alert.since) {
            evidence.insert(
                "zone_silent_from".into(),
                json!(home.circumstances.silence.map(|zone| zone.from)),
            );
            return Explanation {
                reason: "zone_silent",
                evidence,
                text: BothLanguages {
                    en: "The meters of the zone have fallen silent together; single ones are not reported meanwhile."
                        .into(),
                    zh: "该区域的水表同时失联，期间不再逐户报告。".into(),
                },
            };
        }
        if record == AlertState::Resolved {
            let silent = home.heard_at.unwrap_or(home.now).since(alert.since);
            evidence.insert("silent_hours".into(), json!(f64::from(silent) / f64::from(HOUR)));
            let text = BothLanguages {
                en: format!(
                    "Readings arrive again, after {} of silence since {since}.",
                    format_span(silent)
                ),
                zh: format!("读数已恢复，自{since}起静默{}。", span_zh(silent)),
            };
            return Explanation {
                reason: "readings_resumed",
                evidence,
                text,
            };
        }
        let silent = home.now.since(alert.since);
        evidence.insert("silent_hours".into(), json!(f64::from(silent) / f64::from(HOUR)));
        evidence.insert("meters".into(), json!(home.meters));
        if home.meters > 1 {
            let text = BothLanguages {
                en: format!(
                    "One of the home's {} meters has delivered no measured reading since {since}, {}. Until it does, \
                     or is given up, the home is not known to be dry.",
                    home.meters,
                    format_span(silent)
                ),
                zh: format!(
                    "该户{}只水表中有一只自{since}起{}未送达实测读数；恢复或放弃等待前，无法判断该户是否无用水。",
                    home.meters,
                    span_zh(silent)
                ),
            };
            let reason = "no_readings_of_one_meter";
            return Explanation { reason, evidence, text };
        }
        let text = BothLanguages {
            en: format!(
                "No measured reading has arrived since {since}, {}. Whether water is used is not known; \
                 the home cannot be watched until readings return.",
                format_span(silent)
            ),
            zh: format!(
                "自{since}起{}未收到实测读数，用水情况不明；读数恢复前无法守护该户。",
                span_zh(silent)
            ),
        };
        Explanation {
            reason: "no_readings",
            evidence,
            text,
        }
    }
}
