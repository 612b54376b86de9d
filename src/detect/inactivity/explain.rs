//! The numbers and the words of an inactivity alert.

use serde_json::{Map, Value, json};
use statrs::distribution::{Beta, ContinuousCDF};

use super::bands::{day_before, day_start};
use super::comparable::comparable;
use super::daily_use;
use super::excused::{begun_by, excused_by};
use super::hazard::ABSENCE_HOURS;
use super::hazard::past::Past;
use super::own_spells::not_outlasted_by;
use super::settings::{Condition, InactivitySettings, Rule};
use super::{HomeView, InactivityState, chance_of_harm, first_dry_hour, is_few, is_known};
use crate::detect::OpenAlert;
use crate::detect::words::{figure, local_time, span_zh};
use crate::home::{Counts, WINDOW_HOURS};
use crate::model::{AlertState, BothLanguages, DAY, EventTime, Explanation, HOUR, Outage, format_span};

pub(super) fn explain(
    settings: &InactivitySettings,
    state: &InactivityState,
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
    record: AlertState,
) -> Explanation {
    let mut words = said(settings, state, home, alert, record);
    let is_asked = settings.harm.enabled && record != AlertState::Resolved;
    let dry_since = home.dry_since().filter(|_| is_asked);
    if let Some(since) = dry_since.filter(|_| is_known(settings, home)) {
        let hours = home.usage.frontier().since(since) / HOUR;
        if let Some(chance) = chance_of_harm(settings, home, since, hours) {
            chance.add_to(&settings.harm, &mut words);
        }
    }
    words
}

fn said(
    settings: &InactivitySettings,
    state: &InactivityState,
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
    record: AlertState,
) -> Explanation {
    let rule = settings.rules.iter().find(|rule| *rule.name == *alert.rule);
    let counts = rule.map(|rule| rule.counts).unwrap_or_default();
    match rule.map(|rule| &rule.when) {
        Some(Condition::FewLitres {
            below,
            hours,
            inclusive,
        }) => {
            let bound = Bound {
                litres: *below,
                inclusive: *inclusive,
                counts,
            };
            return few_litres(bound, Period::Hours(*hours), home, alert, record);
        }
        Some(Condition::FewLitresADay { below }) => {
            let bound = Bound {
                litres: *below,
                inclusive: false,
                counts,
            };
            return few_litres(bound, Period::Day, home, alert, record);
        }
        Some(Condition::OnlyDailyUse { hours }) => {
            if let Some(said) = daily_use::explain(*hours, home, alert, record) {
                return said;
            }
        }
        _ => {}
    }
    if record == AlertState::Resolved && state.met.any() && state.since > alert.since {
        return next_band(state, home, alert);
    }
    if record == AlertState::Resolved {
        return resolved(home, alert, counts);
    }
    let usage = home.usage;
    // A rule of daily use, which began the alert, looks back over uses.
    let since = usage.last_use(counts).map_or(alert.since, |last| last.max(alert.since));
    let alert = &OpenAlert { since, ..*alert };
    let dry = usage.frontier().since(alert.since);
    let since = local_time(alert.since, usage.frontier(), home.time_zone);
    let mut evidence = Map::new();
    evidence.insert("dry_since".into(), json!(alert.since));
    evidence.insert("dry_hours".into(), hours(dry));
    evidence.insert("last_use_ended_at".into(), json!(usage.last_use(counts)));
    evidence.insert("measured_until".into(), json!(usage.frontier()));
    add_counts(counts, &mut evidence);
    let plain = BothLanguages {
        en: format!("No water since {since}, {}.", format_span(dry)),
        zh: format!("自{since}起{}无用水。", span_zh(dry)),
    };
    let mut text = begun_by(home, alert, dry, &mut evidence).unwrap_or(plain);
    if let Some(last) = usage.last_use(counts).filter(|last| *last < alert.since) {
        let last = local_time(last, usage.frontier(), home.time_zone);
        // A band told every day begins within a spell that is known to be dry.
        if usage.dry_since_by(counts).is_some_and(|dry| dry < alert.since) {
            text.en += &format!(" The last use ended at {last}.");
            text.zh += &format!("最近一次用水止于{last}。");
        } else {
            text.en += &format!(" Before that readings are missing; the last known use ended at {last}.");
            text.zh += &format!("此前读数缺失，最近一次已知用水止于{last}。");
        }
    }
    add_outage(home, alert.since, &mut evidence, &mut text);
    add_hours_without_readings(home, alert.since, &mut evidence, &mut text);
    if let Some(rule) = rule {
        let place = settings
            .learned()
            .position(|(of, _)| settings.rules[of].name == rule.name);
        let tenths = place.and_then(|place| state.threshold_tenths.get(place));
        let threshold_hours = tenths.map(|tenths| f64::from(*tenths) / 10.0);
        add_rule(rule, threshold_hours, home, &mut evidence, &mut text);
        if let Some((place, _)) = place.and_then(|place| settings.learned().nth(place)) {
            evidence.insert("lambda_hours".into(), json!(settings.lambda(place)));
            add_expectation(settings, home, alert.since, dry / HOUR, &mut evidence, &mut text);
        }
    }
    add_comparison(home, alert, dry, &mut evidence, &mut text);
    add_leak(counts, home, &mut evidence, &mut text);
    add_leak_that_ran(counts, home, alert.since, &mut evidence, &mut text);
    add_doubt(counts, home, alert, &mut evidence, &mut text);
    let reason = match record {
        AlertState::Raised => "no_sign_of_life",
        _ => "still_no_sign_of_life",
    };
    Explanation { reason, evidence, text }
}

fn hours(seconds: u32) -> Value {
    json!((f64::from(seconds) / f64::from(HOUR) * 100.0).round() / 100.0)
}

/// Says when the zone was without water within the spell.
fn add_outage(home: &HomeView<'_>, since: EventTime, evidence: &mut Map<String, Value>, text: &mut BothLanguages) {
    let end = home.usage.frontier();
    let within = |outage: &Outage| since < outage.from && outage.from < end;
    let Some(outage) = home.circumstances.outage.filter(within) else {
        return;
    };
    evidence.insert("outage_from".into(), json!(outage.from));
    evidence.insert("supply_returned_at".into(), json!(outage.to));
    let when = |time| local_time(time, end, home.time_zone);
    let from = when(outage.from);
    let (until, until_zh) = match outage.to {
        Some(to) => (format!(" until {}", when(to)), format!("至{}", when(to))),
        None => Default::default(),
    };
    text.en += &format!(" The zone was without water from {from}{until}; the alert is of before.");
    text.zh += &format!("该片区自{from}{until_zh}停水，告警在停水之前已成立。");
}

/// Says in how many whole hours since `since` nothing is known.
fn add_hours_without_readings(
    home: &HomeView<'_>,
    since: EventTime,
    evidence: &mut Map<String, Value>,
    text: &mut BothLanguages,
) {
    let routine = home.usage.routine();
    let first = since.plus(HOUR - 1).hour().max(routine.first_hour());
    let missing = (first..routine.next_hour())
        .filter(|hour| routine.used(*hour).is_none())
        .count();
    if missing > 0 {
        evidence.insert("hours_without_readings".into(), json!(missing));
        text.en += &format!(" In {missing} h of these readings are missing.");
        text.zh += &format!("其中{missing}小时读数缺失。");
    }
}

/// Says which water was counted, where it is not the ordinary.
fn add_counts(counts: Counts, evidence: &mut Map<String, Value>) {
    if !counts.is_default() {
        evidence.insert("counts".into(), json!(counts));
    }
}

/// Names the leak whose water was not counted.
fn add_leak(counts: Counts, home: &HomeView<'_>, evidence: &mut Map<String, Value>, text: &mut BothLanguages) {
    let floor = home.usage.floor().litres_per_hour();
    if floor > 0.0 && counts == Counts::AboveLeak {
        evidence.insert("leak_floor_litres_per_hour".into(), json!(floor));
        text.en += &format!(" A leak of about {} L/h runs; it is not counted as use.", figure(floor));
        text.zh += &format!("存在约{}升/小时的漏水，不计为用水。", figure(floor));
    }
    if let Some((step, hours)) = home.usage.floor().pulses().filter(|_| counts == Counts::AboveLeak) {
        evidence.insert("slow_leak_litres".into(), json!(step));
        evidence.insert("slow_leak_every_hours".into(), json!(hours));
        let step = figure(step);
        text.en += &format!(
            " A slow leak runs, {step} L every {hours} h or sooner by night as by day; so little is not counted as use."
        );
        text.zh += &format!("存在缓慢漏水，昼夜每{hours}小时内{step}升，此量不计为用水。");
    }
}

/// Names what flowed within the spell while a leak ran that is over now.
fn add_leak_that_ran(
    counts: Counts,
    home: &HomeView<'_>,
    since: EventTime,
    evidence: &mut Map<String, Value>,
    text: &mut BothLanguages,
) {
    let usage = home.usage;
    let floor = usage.floor();
    if floor.litres_per_hour() > 0.0 || floor.pulses().is_some() || counts != Counts::AboveLeak {
        return;
    }
    let first = since
        .plus(HOUR - 1)
        .hour()
        .max(usage.next_hour().saturating_sub(WINDOW_HOURS));
    let litres: f32 = (first..usage.next_hour()).filter_map(|hour| usage.litres(hour)).sum();
    if litres > 0.0 {
        let hundredths = (f64::from(litres) * 100.0).round();
        evidence.insert("leak_litres_in_spell".into(), json!(hundredths / 100.0));
        let litres = figure(litres);
        text.en += &format!(" {litres} L flowed in this time as a leak does; they are not counted as use.");
        text.zh += &format!("其间有{litres}升水如漏水般流出，不计为用水。");
    }
}

/// Names a flow within the spell that may have been a use.
fn add_doubt(
    counts: Counts,
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
    evidence: &mut Map<String, Value>,
    text: &mut BothLanguages,
) {
    let doubt = home.usage.last_doubt().filter(|doubt| *doubt > alert.since);
    if let Some(doubt) = doubt.filter(|_| counts == Counts::AboveLeak) {
        evidence.insert("perhaps_used_until".into(), json!(doubt));
        if doubt >= home.usage.frontier() {
            text.en += " In the latest reading a little more than the leak has flowed, perhaps a use.";
            text.zh += "最近一次读数流量略多于漏水，或为用水。";
            return;
        }
        let until = local_time(doubt, home.usage.frontier(), home.time_zone);
        text.en += &format!(" By {until} a little more than the leak had flowed, perhaps a use; nothing since.");
        text.zh += &format!("截至{until}流量略多于漏水，或为用水，此后再无。");
    }
}

/// What a rule of litres asks for.
#[derive(Clone, Copy)]
struct Bound {
    litres: f32,
    inclusive: bool,
    counts: Counts,
}

/// The time over which a rule of litres adds up.
#[derive(Clone, Copy)]
enum Period {
    Hours(u32),
    Day,
}

/// A home that uses little is not dry: the words are of litres, not of dry hours.
fn few_litres(
    bound: Bound,
    period: Period,
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
    record: AlertState,
) -> Explanation {
    let usage = home.usage;
    let next = usage.next_hour();
    let (hours, next, span) = match period {
        Period::Hours(hours) => (
            Some(hours),
            next,
            [format!("in the last {hours} h"), format!("近{hours}小时")],
        ),
        Period::Day => {
            // What ends it is of the day that goes on; what holds is of the last one that is over.
            let day = day_before(EventTime::from_hour(next), home.time_zone)
                .filter(|_| record != AlertState::Resolved)
                .map(|day| day.start.plus(HOUR - 1).hour()..day.end.plus(HOUR - 1).hour());
            let going_on = || {
                let start = next.checked_sub(1).and_then(|last| day_start(last, home.time_zone));
                start.unwrap_or(next)..next
            };
            let day = day.unwrap_or_else(going_on);
            let date = home
                .time_zone
                .to_datetime(EventTime::from_hour(day.start).plus(HOUR).to_jiff())
                .date();
            (
                day.end.checked_sub(day.start),
                day.end,
                [format!("on {date}"), format!("{date}")],
            )
        }
    };
    let litres = hours.and_then(|hours| usage.litres_before(hours, next, bound.counts));
    let known = hours.map_or(0.0, |hours| usage.litres_at_least(hours, next, bound.counts));
    let mut evidence = Map::new();
    evidence.insert("rule_litres".into(), json!(bound.litres));
    match period {
        Period::Hours(hours) => evidence.insert("rule_hours".into(), json!(hours)),
        Period::Day => evidence.insert("rule_days".into(), json!(1)),
    };
    evidence.insert("few_litres_since".into(), json!(alert.since));
    evidence.insert("litres_in_window".into(), json!(litres));
    evidence.insert("last_use_ended_at".into(), json!(usage.last_use(bound.counts)));
    evidence.insert("measured_until".into(), json!(usage.frontier()));
    add_counts(bound.counts, &mut evidence);
    let used = figure(litres.unwrap_or(0.0));
    let [expected_en, reached_zh, missed_zh] = if bound.inclusive {
        ["more than ", "超过", "未超过"]
    } else {
        ["", "达到", "低于"]
    };
    let asked = figure(bound.litres);
    let [span_en, span_zh] = span;
    let (reason, en, zh) = match (record, litres) {
        (AlertState::Resolved, Some(litres)) if !is_few(litres, bound.litres, bound.inclusive) => (
            "use_returned",
            format!("Enough water is used again: {used} L {span_en}; the programme expects {expected_en}{asked} L."),
            format!("用水已恢复：{span_zh}用水{used}升，{reached_zh}{asked}升。"),
        ),
        // A reading of many hours has shown it as a whole.
        (AlertState::Resolved, None) if usage.last_use(bound.counts) > Some(alert.detected_at) => (
            "use_returned",
            format!("Enough water is used again {span_en}; the programme expects {expected_en}{asked} L."),
            format!("用水已恢复：{span_zh}用水{reached_zh}{asked}升。"),
        ),
        (AlertState::Resolved, _) => (
            "corrected_by_late_readings",
            "Late readings show that the rule was not met.".into(),
            "补到的读数表明告警条件不成立。".into(),
        ),
        (_, None) if known > 0.0 => (
            "few_litres",
            format!(
                "There were too few litres; since then readings are missing: {} L are known {span_en}; the programme expects {expected_en}{asked} L.",
                figure(known)
            ),
            format!(
                "此前用水过少；其后读数缺失，{span_zh}已知用水{}升（应{reached_zh}{asked}升）。",
                figure(known)
            ),
        ),
        (_, None) => (
            "few_litres",
            format!("Too few litres {span_en}; the programme expects {expected_en}{asked} L."),
            format!("{span_zh}用水过少，{missed_zh}{asked}升。"),
        ),
        _ => (
            "few_litres",
            format!("Only {used} L {span_en}; the programme expects {expected_en}{asked} L."),
            format!("{span_zh}仅用水{used}升，{missed_zh}{asked}升。"),
        ),
    };
    let mut text = BothLanguages { en, zh };
    if record != AlertState::Resolved {
        add_leak(bound.counts, home, &mut evidence, &mut text);
    }
    Explanation { reason, evidence, text }
}

/// The home is as dry as it was; the next band is told on its own.
fn next_band(state: &InactivityState, home: &HomeView<'_>, alert: &OpenAlert<'_>) -> Explanation {
    let mut evidence = Map::new();
    evidence.insert("dry_since".into(), json!(alert.since));
    evidence.insert("next_band_since".into(), json!(state.since));
    evidence.insert("last_use_ended_at".into(), json!(home.usage.last_sign()));
    let next = local_time(state.since, home.usage.frontier(), home.time_zone);
    let text = BothLanguages {
        en: format!("No sign of life since; the band that began at {next} was dry too and is told on its own."),
        zh: format!("此后仍无用水；{next}开始的时段同样无用水，另行告知。"),
    };
    Explanation {
        reason: "told_again_with_the_next_band",
        evidence,
        text,
    }
}

/// What the rule asks for.
fn add_rule(
    rule: &Rule,
    threshold_hours: Option<f64>,
    home: &HomeView<'_>,
    evidence: &mut Map<String, Value>,
    text: &mut BothLanguages,
) {
    match &rule.when {
        Condition::NoUse { hours } => {
            evidence.insert("rule_hours".into(), json!(hours));
        }
        Condition::Learned(_) => {
            evidence.insert("rule_hours".into(), json!(threshold_hours));
        }
        Condition::PerPerson { .. } => {
            let hours = rule.when.allowed_hours(&home.circumstances);
            evidence.insert("rule_hours".into(), json!(hours));
            let set = home.circumstances.no_use_hours.is_some();
            evidence.insert("set_for_this_person".into(), json!(set));
        }
        Condition::OwnSpells { percent, .. } => {
            let longest = not_outlasted_by(home.usage.routine(), *percent);
            evidence.insert("rule_percent".into(), json!(percent));
            evidence.insert("spells_of_that_percent_hours".into(), json!(longest));
            if let Some(longest) = longest {
                text.en += &format!(
                    " {percent} % of this home's dry spells of the last 60 days were no longer than {}.",
                    format_span(longest * HOUR)
                );
                text.zh += &format!("近60天该户{percent}%的无用水时段不超过{}。", span_zh(longest * HOUR));
            }
        }
        // They have words of their own: see `said`.
        Condition::FewLitres { .. } | Condition::FewLitresADay { .. } | Condition::OnlyDailyUse { .. } => {}
        Condition::Bands { bands, .. } => {
            let names: Vec<String> = bands.iter().map(ToString::to_string).collect();
            text.en += &format!(
                " The programme expects use in the hours {} of the day.",
                names.join(", ")
            );
            text.zh += &format!("该计划要求每日{}时段有用水。", names.join("、"));
            evidence.insert("rule_bands".into(), json!(names));
        }
    }
}

/// What the taught table expected of this spell when it began.
fn add_expectation(
    settings: &InactivitySettings,
    home: &HomeView<'_>,
    since: EventTime,
    hours: u32,
    evidence: &mut Map<String, Value>,
    text: &mut BothLanguages,
) {
    let start = first_dry_hour(since);
    let past = Past::of_routine(home.usage.routine(), start);
    let survival = settings.hazard.survival(&past, start, home.time_zone);
    let left = survival.get(hours as usize).copied().unwrap_or(0.0);
    let ended = ((1.0 - left) * 1_000.0).round() / 10.0;
    evidence.insert("expected_ended_percent".into(), json!(ended));
    if hours as usize >= ABSENCE_HOURS {
        // Of spells shorter than a day all have ended, by definition.
        return;
    }
    let [en, zh] = if ended < 100.0 {
        [format!("{ended}"), format!("{ended}%")]
    } else {
        ["more than 99.9".into(), "99.9%以上".into()]
    };
    text.en += &format!(" When it began, use was expected again by now in {en} of 100 such spells shorter than a day.");
    text.zh += &format!("起始时模型预计，不足一天的同类时段中{zh}此刻已恢复用水。");
}

/// This home's own spells, so that a person can check the judgement.
fn add_comparison(
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
    dry: u32,
    evidence: &mut Map<String, Value>,
    text: &mut BothLanguages,
) {
    let own = comparable(home.usage.routine(), alert.since.hour(), dry / HOUR, home.time_zone);
    evidence.insert("known_days".into(), json!((own.known_days * 10.0).round() / 10.0));
    evidence.insert("comparable_spells".into(), json!(own.spells));
    evidence.insert("comparable_spells_ended_by_now".into(), json!(own.ended));
    evidence.insert("longest_spell_hours".into(), json!(own.longest_hours));
    if own.spells >= 5 {
        let share = 100.0 * f64::from(own.ended) / f64::from(own.spells);
        evidence.insert("share_ended_percent".into(), json!((share * 10.0).round() / 10.0));
        if let Some(least) = share_at_least(own.ended, own.spells) {
            evidence.insert(
                "share_ended_at_least_percent".into(),
                json!((least * 1_000.0).round() / 10.0),
            );
        }
        let usual = alert.since.plus(own.median_hours * HOUR);
        evidence.insert("usual_return_by".into(), json!(usual));
        let usual = local_time(usual, home.usage.frontier(), home.time_zone);
        if (dry / HOUR) < ABSENCE_HOURS as u32 {
            let (share, ended, spells) = (figure(share as f32), own.ended, own.spells);
            text.en += &format!(" At this hour {share} % of this home's dry spells have ended ({ended} of {spells}).");
            text.en += &format!(" Half of them had ended by {usual}.");
            text.zh += &format!("此时段该户{share}%的无用水时段此刻已结束（{spells}次中的{ended}次）。");
            text.zh += &format!("其中半数在{usual}前结束。");
        } else {
            // Of spells shorter than a day all have ended by then, by definition.
            text.en += &format!(" Half of this home's dry spells begun at about this hour had ended by {usual}.");
            text.zh += &format!("该户此时段开始的无用水时段半数在{usual}前结束。");
        }
    }
    if own.longest_hours > 0 {
        let (days, longest) = (own.known_days.round().max(1.0), own.longest_hours * HOUR);
        text.en += &format!(" The longest within a day was {} in {days} days.", format_span(longest));
        text.zh += &format!("近{days}天一日内最长为{}。", span_zh(longest));
    }
    let (count, longest) = own.of_days;
    evidence.insert("spells_of_a_day_and_more".into(), json!(count));
    if count > 0 {
        let longest = longest * HOUR;
        text.en += &format!(
            " Not counted: {count} of a day and longer, the longest {}.",
            format_span(longest)
        );
        text.zh += &format!("另有{count}次达一天以上（未计入），最长{}。", span_zh(longest));
    }
}

/// The share of spells that end by now is at least this, with 95 % confidence (Jeffreys interval; Brown, Cai and
/// DasGupta 2001).
fn share_at_least(ended: u32, spells: u32) -> Option<f64> {
    let posterior = Beta::new(f64::from(ended) + 0.5, f64::from(spells - ended) + 0.5).ok()?;
    Some(posterior.inverse_cdf(0.05))
}

/// A length that is no less when it is said in days and whole hours.
fn at_most(seconds: u32) -> u32 {
    if seconds < 2 * DAY {
        seconds
    } else {
        seconds.div_ceil(HOUR) * HOUR
    }
}

fn resolved(home: &HomeView<'_>, alert: &OpenAlert<'_>, counts: Counts) -> Explanation {
    let zone = home.time_zone;
    // A rule that began the alert may look back over uses; the one that is named was met by what was dry since the last of them.
    let routine = home.usage.routine();
    let is_used = |hour: &u32| routine.used(*hour) == Some(true);
    let looked_back = (alert.since.plus(HOUR - 1).hour()..alert.detected_at.hour()).rfind(is_used);
    let since = looked_back.map_or(alert.since, |hour| EventTime::from_hour(hour + 1));
    let alert = &OpenAlert { since, ..*alert };
    let since = local_time(alert.since, home.usage.frontier(), zone);
    let mut evidence = Map::new();
    evidence.insert("dry_since".into(), json!(alert.since));
    let sign = home.usage.last_use(counts).filter(|sign| *sign > alert.detected_at);
    let excused = home.excused_until_though_met(alert.detected_at);
    if excused > alert.since && sign.is_none_or(|sign| excused >= sign) {
        return excused_by(home, alert, excused, evidence);
    }
    let Some(sign) = sign else {
        let last_use = home.usage.last_use(counts);
        evidence.insert("last_use_ended_at".into(), json!(last_use));
        let text = if last_use > Some(alert.since) {
            BothLanguages {
                en: format!("Late readings show that the rule was not met: water was used after {since}."),
                zh: format!("补到的读数表明{since}之后曾有用水，告警条件不成立。"),
            }
        } else {
            BothLanguages {
                en: "Late readings show that the rule was not met.".into(),
                zh: "补到的读数表明告警条件不成立。".into(),
            }
        };
        return Explanation {
            reason: "corrected_by_late_readings",
            evidence,
            text,
        };
    };
    evidence.insert("use_returned_by".into(), json!(sign));
    // One rule has held the alert over uses that another takes for its end.
    let drawn = (alert.since.plus(HOUR - 1).hour()..sign.minus(1).hour()).find(is_used);
    let first = drawn.map_or(sign, |hour| EventTime::from_hour(hour + 1));
    let dry = first.since(alert.since);
    evidence.insert("dry_hours_at_most".into(), hours(dry));
    let returned = local_time(sign, home.usage.frontier(), zone);
    let floor = home.usage.floor().litres_per_hour();
    let [mut en, mut zh] = if floor > 0.0 && counts == Counts::AboveLeak {
        evidence.insert("leak_floor_litres_per_hour".into(), json!(floor));
        let floor = figure(floor);
        [
            format!(
                "By {returned} more than the leak of about {floor} L/h flowed: water is used again, or the leak brings more"
            ),
            format!("{returned}前流量超过约{floor}升/小时的漏水：已恢复用水，或漏水增大"),
        ]
    } else {
        [
            format!("Water is used again, by {returned}"),
            format!("{returned}前已恢复用水"),
        ]
    };
    if drawn.is_some() {
        evidence.insert("first_used_by".into(), json!(first));
        let first = local_time(first, home.usage.frontier(), zone);
        en += &format!(", and some was by {first} already");
        zh += &format!("（{first}前已有少量用水）");
    }
    let span = at_most(dry);
    en += &format!("; it was dry since {since}, for at most {}.", format_span(span));
    zh += &format!("；此前自{since}起无用水，至多{}。", span_zh(span));
    let text = BothLanguages { en, zh };
    Explanation {
        reason: "use_returned",
        evidence,
        text,
    }
}
