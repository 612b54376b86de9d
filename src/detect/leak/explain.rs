//! What is said of a leak, in numbers and words.

use serde_json::{Map, json};

use super::super::words::{figure, local_time, span_zh};
use super::super::{HomeView, OpenAlert};
use super::{Condition, HIGH_LITRES_PER_HOUR, LeakSettings, LeakState, MEDIUM_LITRES_PER_HOUR, steady};
use crate::home::QUARTERS;
use crate::model::{AlertState, BothLanguages, EventTime, Explanation, HOUR, format_span};

/// Of the quarter-hours of a day, at most this share has flow where a flow stops between.
const PAUSING_SHARE: f32 = 0.75;

pub fn explain(
    settings: &LeakSettings,
    state: &LeakState,
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
    record: AlertState,
) -> Explanation {
    let usage = home.usage;
    let run = steady::run(home, usage.next_hour(), settings.skip_unknown_hours);
    let floor = state.ongoing.as_ref().map_or(0.0, |ongoing| ongoing.litres_per_hour);
    let lasted = EventTime::from_hour(usage.next_hour()).since(alert.since);
    let mut evidence = Map::new();
    evidence.insert("measured_hours_with_flow".into(), json!(state.flowing.hours()));
    evidence.insert("floor_litres_per_hour".into(), json!(floor));
    evidence.insert("meter_resolution_litres".into(), json!(usage.floor().resolution()));
    evidence.insert("lasted_hours".into(), json!(lasted as f32 / HOUR as f32));
    if let Some(used) = usage.quarters_used(QUARTERS) {
        evidence.insert("quarter_hours_with_flow_of_96".into(), json!(used));
    }
    let rule = settings
        .rules
        .iter()
        .find(|rule| *rule.name == *alert.rule)
        .map(|rule| &rule.when);
    if let Some(
        Condition::Continuous { hours, .. } | Condition::Steady { hours, .. } | Condition::Daily { hours, .. },
    ) = rule
    {
        evidence.insert("rule_hours".into(), json!(hours));
    }
    if record == AlertState::Resolved {
        return resolved(state, home, alert, rule, evidence);
    }
    if floor > 0.0 {
        evidence.insert("litres_a_day_at_least".into(), json!((floor * 24.0).round()));
        evidence.insert("leak_kind".into(), json!(kind(home, floor)));
    }
    let since = local_time(alert.since, home.now, home.time_zone);
    let mut text = BothLanguages {
        en: format!("Water has not stopped since {since}, {}.", format_span(lasted)),
        zh: format!("自{since}起{}水流未曾停止。", span_zh(lasted)),
    };
    let mut reason = "flow_never_stopped";
    match rule {
        Some(Condition::Steady { hours, evidence: least }) => {
            reason = "steady_flow";
            if let Some(best) = steady::best(home, &run, *hours as usize) {
                let (low, high) = ((best.mean - best.off_by).max(0.0), best.mean + best.off_by);
                evidence.insert("hours_at_the_floor".into(), json!(best.quiet_hours));
                evidence.insert("flow_litres_per_hour_from".into(), json!(low));
                evidence.insert("flow_litres_per_hour_to".into(), json!(high));
                evidence.insert("evidence_nats".into(), json!(best.evidence));
                evidence.insert("evidence_needed_nats".into(), json!(state.needed(*least)));
                text.en += &format!(" {} of these hours show the same small flow.", best.quiet_hours);
                text.zh += &format!("其中{}小时流量相同。", best.quiet_hours);
            }
        }
        Some(Condition::Intermittent { at_least, of, .. }) => {
            reason = "flow_comes_and_goes";
            let used = usage.quarters_used(*of).unwrap_or(*at_least);
            evidence.insert("rule_quarter_hours".into(), json!(of));
            evidence.insert("quarter_hours_with_flow".into(), json!(used));
            text = BothLanguages {
                en: format!("Water flowed in {used} of the last {of} quarter-hours."),
                zh: format!("最近{of}个15分钟时段中有{used}个有水流。"),
            };
        }
        Some(Condition::Daily { above_litres, hours }) => {
            reason = "too_much_in_a_day";
            let hour = usage.next_hour();
            let sum: Option<f32> = (hour.saturating_sub(*hours)..hour).map(|hour| usage.litres(hour)).sum();
            let sum = sum.unwrap_or(*above_litres);
            evidence.insert("rule_litres".into(), json!(above_litres));
            evidence.insert("litres_in_window".into(), json!(sum));
            text = BothLanguages {
                en: format!(
                    "{} L were used in {hours} h, more than {} L.",
                    figure(sum),
                    figure(*above_litres)
                ),
                zh: format!("{hours}小时内用水{}升，超过{}升。", figure(sum), figure(*above_litres)),
            };
        }
        Some(Condition::Growing {
            days,
            by_litres_per_hour,
        }) => {
            reason = "leak_grows";
            let growth = state.growth(*days).unwrap_or(*by_litres_per_hour);
            evidence.insert("rule_days".into(), json!(days));
            evidence.insert("growth_litres_per_hour".into(), json!(growth));
            text = BothLanguages {
                en: format!(
                    "The flow that never stops has grown by {} L/h in {days} days.",
                    figure(growth)
                ),
                zh: format!("{days}天内持续流量增加了{}升/小时。", figure(growth)),
            };
        }
        _ => {}
    }
    // With too few known hours in its last day the size is not known yet.
    if floor > 0.0 {
        let (rate, day) = (figure(floor), figure((floor * 24.0).round()));
        text.en += &format!(" At least {rate} L/h flow all the time, {day} L a day.");
        text.zh += &format!("持续流量至少{rate}升/小时，即每天{day}升。");
    }
    if record != AlertState::Raised {
        reason = "leak_grew";
    }
    Explanation { reason, evidence, text }
}

fn resolved(
    state: &LeakState,
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
    rule: Option<&Condition>,
    evidence: Map<String, serde_json::Value>,
) -> Explanation {
    let usage = home.usage;
    let stopped = state.dry > 0 || usage.frontier() > alert.detected_at.plus(HOUR);
    let on_run = matches!(
        rule,
        Some(Condition::Continuous { .. } | Condition::Steady { .. }) | None
    );
    let (reason, en, zh) = match (stopped, on_run) {
        (true, true) => ("flow_stopped", "The flow has stopped", "持续流水已停止"),
        (true, false) => (
            "use_is_ordinary_again",
            "The use is within the rule again",
            "用水已恢复正常",
        ),
        (false, _) => (
            "corrected_by_late_readings",
            "Late readings show that the flow did stop",
            "补到的读数表明水流曾停止",
        ),
    };
    // Without the dry hours that ended it; what was unknown may have been dry, too.
    let lasted = EventTime::from_hour(usage.next_hour()).since(alert.since);
    let ran = lasted.saturating_sub(u32::from(state.dry) * HOUR);
    let since = local_time(alert.since, home.now, home.time_zone);
    let text = BothLanguages {
        en: format!("{en}; it had run since {since}, for at most {}.", format_span(ran)),
        zh: format!("{zh}，自{since}起至多{}。", span_zh(ran)),
    };
    Explanation { reason, evidence, text }
}

/// What a flow of this size is in most homes.
fn kind(home: &HomeView<'_>, floor: f32) -> &'static str {
    let used = home.usage.quarters_used(QUARTERS);
    let pauses = used.is_some_and(|used| (used as f32) < PAUSING_SHARE * QUARTERS as f32);
    match floor {
        floor if floor < MEDIUM_LITRES_PER_HOUR => "drip",
        floor if floor < HIGH_LITRES_PER_HOUR || pauses => "toilet",
        _ => "continuous",
    }
}
