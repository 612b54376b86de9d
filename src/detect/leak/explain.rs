//! What is said of a leak, in numbers and words.

use serde_json::{Map, json};

use super::super::words::{figure, local_time, span_zh};
use super::super::{HomeView, OpenAlert};
use super::{
    Condition, HIDING_HOURS, HIGH_LITRES_PER_HOUR, HUNDREDTHS, LeakSettings, LeakState, MEDIUM_LITRES_PER_HOUR, News,
    Rule, RunOf, hiding_pause, hundredths, place, quarters, steady,
};
use crate::home::{QUARTER, QUARTERS, Quarter, WINDOW_HOURS};
use crate::model::{AlertState, BothLanguages, EventTime, Explanation, HOUR, format_span};

/// Of the quarter-hours of a day, at most this share has flow where a flow stops between.
const PAUSING_SHARE: f32 = 0.75;
const DAY_HOURS: u32 = 24;
/// From here on no tap left running explains it, in litres an hour: a fifth of Q3 of a home's usual meter (2.5 m³/h).
const BURST_LITRES_PER_HOUR: f32 = 500.0;

pub fn explain(
    settings: &LeakSettings,
    state: &LeakState,
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
    record: AlertState,
) -> Explanation {
    let usage = home.usage;
    let rule = settings.rules.iter().find(|rule| *rule.name == *alert.rule);
    let counted = rule.and_then(Rule::run);
    let place = counted.and_then(|run| place(&settings.runs(), run));
    let rule = rule.map(|rule| &rule.when);
    let floor = state.ongoing.as_ref().map_or(0.0, |ongoing| ongoing.litres_per_hour);
    let lasted = EventTime::from_hour(usage.next_hour()).since(alert.since);
    let mut evidence = Map::new();
    if let Some(place) = place {
        evidence.insert("measured_hours_with_flow".into(), json!(state.run(place).hours()));
    }
    evidence.insert("floor_litres_per_hour".into(), json!(floor));
    evidence.insert("meter_resolution_litres".into(), json!(usage.floor().resolution()));
    evidence.insert("lasted_hours".into(), json!(lasted as f32 / HOUR as f32));
    if let Some(used) = usage.quarters_used(QUARTERS) {
        evidence.insert("quarter_hours_with_flow_of_96".into(), json!(used));
    }
    if let Some(
        Condition::Continuous { hours, .. } | Condition::Steady { hours, .. } | Condition::Daily { hours, .. },
    ) = rule
    {
        evidence.insert("rule_hours".into(), json!(hours));
    }
    if record == AlertState::Resolved {
        return resolved(home, alert, (rule, counted), evidence);
    }
    if floor > 0.0 {
        evidence.insert("litres_a_day_at_least".into(), json!((floor * 24.0).round()));
        evidence.insert("leak_kind".into(), json!(kind(home, floor)));
    }
    let since = local_time(alert.since, home.now, home.time_zone);
    let next_quarter = usage.next_quarter();
    let mut seen = (alert.since.seconds() / QUARTER).max(next_quarter.saturating_sub(QUARTERS))..next_quarter;
    let (span, span_zh) = (format_span(lasted), span_zh(lasted));
    let mut text = if seen.any(|slot| usage.quarter(slot) == Quarter::Dry) {
        BothLanguages {
            en: format!("Water flowed in every hour since {since}, {span}."),
            zh: format!("自{since}起{span_zh}每小时均有水流。"),
        }
    } else {
        BothLanguages {
            en: format!("Water has not stopped since {since}, {span}."),
            zh: format!("自{since}起{span_zh}水流未曾停止。"),
        }
    };
    let mut reason = "flow_never_stopped";
    match rule {
        Some(Condition::Steady { hours, evidence: least }) => {
            reason = "steady_flow";
            let best = counted.and_then(|run| {
                let at_hand = steady::run(home, usage.next_hour(), run);
                steady::best(home, &at_hand, *hours as usize)
            });
            if let Some(best) = best {
                let (low, high) = ((best.mean - best.off_by).max(0.0), best.mean + best.off_by);
                evidence.insert("hours_at_the_floor".into(), json!(best.quiet_hours));
                evidence.insert("flow_litres_per_hour_from".into(), json!(low));
                evidence.insert("flow_litres_per_hour_to".into(), json!(high));
                evidence.insert("evidence_nats".into(), json!(best.evidence));
                evidence.insert("evidence_needed_nats".into(), json!(state.needed(*least)));
                let small = if floor < MEDIUM_LITRES_PER_HOUR { "small " } else { "" };
                text.en += &format!(" {} of these hours show the same {small}flow.", best.quiet_hours);
                text.zh += &format!("其中{}小时流量相同。", best.quiet_hours);
            }
        }
        Some(Condition::Intermittent { at_least, of, .. }) => {
            reason = "flow_comes_and_goes";
            let (used, unknown) = quarters(home, *of).unwrap_or((*at_least, 0));
            evidence.insert("quarter_hours_unknown".into(), json!(unknown));
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
            let sum = hundredths(home, *hours, hour).map_or(*above_litres, |sum| sum as f32 / HUNDREDTHS);
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
            evidence.insert("rule_days".into(), json!(days));
            evidence.insert("rule_litres_per_hour".into(), json!(by_litres_per_hour));
            let grown = (floor - state.before()).max(0.0);
            let mut interval = [String::new(), String::new()];
            if let Some(growth) = state.growth(*days) {
                evidence.insert("growth_litres_per_hour".into(), json!(growth.litres_per_hour));
                evidence.insert("growth_litres_per_hour_from".into(), json!(growth.low));
                evidence.insert("growth_litres_per_hour_to".into(), json!(growth.high));
                evidence.insert("p_value".into(), json!(growth.p_value));
                let (low, high) = (figure(growth.low), figure(growth.high));
                interval = [format!(" (90 %: {low} to {high})"), format!("（90%：{low}至{high}）")];
            }
            let [en, zh] = interval;
            let by = figure(grown);
            text = BothLanguages {
                en: format!("The flow that never stops has grown by {by} L/h in {days} days{en}."),
                zh: format!("{days}天内持续流量增加了{by}升/小时{zh}。"),
            };
        }
        _ => {}
    }
    // With too few known hours in its last day the size is not known yet.
    if floor > 0.0 {
        let (rate, day) = (figure(floor), figure((floor * 24.0).round()));
        // The floor may be that of a shorter stretch than a day.
        let next = usage.next_hour();
        let has_it = |hour: &u32| usage.litres(*hour).is_some_and(|litres| litres >= floor - 0.05);
        let hours = (next.saturating_sub(DAY_HOURS)..next).rev().take_while(has_it).count() as u32;
        let [en, zh] = match hours {
            0 | 1 => [String::new(), String::new()],
            DAY_HOURS => [" in the last day".to_owned(), "近一日".to_owned()],
            _ => [
                format!(" in each of the last {hours} h"),
                format!("近{hours}小时每小时"),
            ],
        };
        text.en += &format!(" At least {rate} L/h flowed{en}, {day} L a day at that rate.");
        text.zh += &format!("{zh}流量至少{rate}升/小时，以此计每天{day}升。");
    }
    if record != AlertState::Raised {
        match state.ongoing.as_ref().and_then(|ongoing| ongoing.news) {
            Some(News::HidesUses(at)) if at == alert.detected_at => reason = "hides_uses",
            Some(News::Grew(at, from)) if at == alert.detected_at => {
                reason = "leak_grew";
                evidence.insert("grew_from_litres_per_hour".into(), json!(from));
                let from = figure(from);
                text.en += &format!(" It was {from} L/h before; another may have come to it.");
                text.zh += &format!("此前为{from}升/小时，可能另有漏水。");
            }
            _ => {}
        }
    }
    if let Some(pause) = hiding_pause(state, home, usage.next_hour()) {
        evidence.insert("longest_pause_of_48_hours".into(), json!(pause));
        text.en += &format!(
            " More than a steady leak flowed by day and night, {HIDING_HOURS} h with no pause of more than {pause} h: people's use cannot be \
             told from it, and nobody would be missed."
        );
        text.zh += &format!(
            "近{HIDING_HOURS}小时昼夜流量均超过稳定漏水，间歇不超过{pause}小时：无法与居民用水区分，即使无人用水也无法察觉。"
        );
    }
    Explanation { reason, evidence, text }
}

fn resolved(
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
    (rule, counted): (Option<&Condition>, Option<RunOf>),
    mut evidence: Map<String, serde_json::Value>,
) -> Explanation {
    let usage = home.usage;
    let run = counted.unwrap_or(RunOf {
        at_least: 0.0,
        skips: 0,
    });
    let next = usage.next_hour();
    let is_dry = |hour: &u32| usage.litres(*hour).is_some_and(|litres| !run.is_wet(litres));
    let dry = (0..next).rev().take_while(is_dry).count() as u32;
    // What stopped did so after it was found. Further back than the hours are kept nothing can be checked.
    let found = alert.detected_at.hour();
    let on_run = matches!(
        rule,
        Some(Condition::Continuous { .. } | Condition::Steady { .. }) | None
    );
    let stopped = if on_run {
        found + WINDOW_HOURS < next || (found..next).any(|hour| is_dry(&hour))
    } else {
        usage.frontier() > alert.detected_at.plus(HOUR)
    };
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
    let ran = lasted.saturating_sub(if on_run { dry * HOUR } else { 0 });
    evidence.insert("lasted_hours".into(), json!(ran as f32 / HOUR as f32));
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
        floor if floor < BURST_LITRES_PER_HOUR => "continuous",
        _ => "burst",
    }
}
