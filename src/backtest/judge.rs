//! How early emergencies and leaks were reported, and how often nothing was the matter.
//!
//! | term | definition |
//! |---|---|
//! | detected | the first `raised` after the start E of an emergency and within its time (72 h at most), or an `updated` or `escalated` there of an alert that was open at E: an alert that is merely open tells nobody anything new |
//! | delay | `detected_at − E` (event time), `decided_at − E` (arrival); a miss counts as 72 h |
//! | false alert | inactivity raised in a dry spell that ended by itself within 24 h, or while people used water |
//! | absence alert | inactivity raised in a spell of 24 h or more measured dry |
//! | unclear alert | inactivity raised in another spell: cut by a gap or by the end of the readings |
//! | home-month | 730.5 h of measured readings from the home's 30th day on, outside emergencies |
//! | gap-caused | inactivity raised in a spell without a measured reading; or in one touched by lost readings, of which the same rules say nothing (none raised in that spell, none open then) when given all of them |
//! | flap | a second `raised` in one dry spell, if no water that was put in has begun to run between the two |
//! | back-dated | a `raised` of inactivity, a leak or a burst with `decided_at` before `detected_at`, or, in a home whose readings are never late, more than one interval after it |
//! | stage reached | the first record of an inactivity alert that asks for the stage, or for a later one; delay and false alerts of a stage are those of all alerts with that record in the place of `raised` |
//! | answered | with an assumed share of people who answer when an ask is false, and of contacts who clear, a false alert weighs what is expected of it: each stage that it passed before leaves what it did not clear |
//! | leak found | a leak or a burst `raised` within a leak; false: outside of all water that ran by itself, and outside runs of 24 h in which every hour has flow |
//!
//! Alerts before the home's 30th day and in dry spells touched by an emergency are neither false nor of absence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::cases::{AlertCase, EmergencyCase, HomeCases, LeakCase, Reached, Turn};
pub use super::resample::Figure;
pub use super::score::{Delay, InactivityScore, Score, score};
use super::timeline::{Stretch, Timeline, Timelines, WATER};
use crate::history::Incident;
use crate::model::{Alert, AlertKind, AlertState, DAY, EventTime, HOUR, MONTH_HOURS, Stage};

/// Days of a home that are not judged.
pub(super) const WARM_UP: u32 = 30 * DAY;
/// Hours a miss counts for, and after which it is one.
pub(super) const MISS_HOURS: u32 = 72;

/// A record of the alerts topic, as far as it is judged. They come in the order in which they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedAlert {
    /// The home.
    pub household: Arc<str>,
    /// What it is about.
    pub kind: AlertKind,
    /// Where it is in its life.
    pub state: AlertState,
    /// What it asks for; none where its kind has no stages.
    pub stage: Option<Stage>,
    /// Which alert it is a record of.
    pub alert_id: Arc<str>,
    /// Whether it says that people may be away.
    pub is_likely_away: bool,
    /// Whether it was raised under a leak slower than the meter, whose steps it does not count and the judge does.
    pub is_under_slow_leak: bool,
    /// The event time at which the rule was met.
    pub detected_at: EventTime,
    /// The stream's time at which it could be known.
    pub decided_at: EventTime,
}

impl From<&Alert> for JudgedAlert {
    fn from(alert: &Alert) -> Self {
        Self {
            household: alert.household_id.as_str().into(),
            kind: alert.kind,
            state: alert.state,
            stage: alert.stage,
            alert_id: alert.alert_id.as_str().into(),
            is_likely_away: alert.evidence.get("likely_away") == Some(&Value::Bool(true)),
            is_under_slow_leak: alert.evidence.contains_key("slow_leak_litres"),
            detected_at: alert.detected_at,
            decided_at: alert.decided_at,
        }
    }
}

impl From<Alert> for JudgedAlert {
    fn from(alert: Alert) -> Self {
        Self::from(&alert)
    }
}

/// Shares of false alerts that are assumed to be answered, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Answers {
    /// Of people who answer when they are asked and nothing is the matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<f64>,
    /// Of contacts who clear it, of those that come to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<f64>,
}

impl Answers {
    /// Whether nothing is assumed.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// The share of false alerts that go on after a stage.
    fn unanswered(&self, stage: Stage) -> f64 {
        let answered = match stage {
            Stage::Ask => self.ask,
            Stage::Contact => self.contact,
            Stage::Visit => None,
        };
        1.0 - answered.unwrap_or(0.0)
    }
}

/// Judges alerts against what truly happened. `seed` draws the fleets of the intervals.
pub fn judge(timelines: &Timelines, truth: &[Incident], alerts: &[JudgedAlert], answers: Answers, seed: u64) -> Score {
    score(&cases(timelines, truth, alerts, answers), answers, seed)
}

/// What there was to judge, home by home in the order of their names.
pub fn cases(timelines: &Timelines, truth: &[Incident], alerts: &[JudgedAlert], answers: Answers) -> Vec<HomeCases> {
    cases_after(WARM_UP, timelines, truth, alerts, answers)
}

/// What there was to judge from so many seconds after each home's first reading on.
pub(super) fn cases_after(
    warm_up: u32,
    timelines: &Timelines,
    truth: &[Incident],
    alerts: &[JudgedAlert],
    answers: Answers,
) -> Vec<HomeCases> {
    let homes = of_each_home(timelines, truth, alerts);
    let cases = |(name, home): (&&str, &Home)| home.cases(name, warm_up, answers);
    homes.iter().map(cases).collect()
}

/// Alerts of inactivity that only lost readings can have caused: in a spell touched by the loss, in which the same rules say
/// nothing (`of_complete`) when given all readings (`complete`) as they are measured: an alert ends there when it is decided.
pub fn gap_caused(
    timelines: &Timelines,
    alerts: &[JudgedAlert],
    complete: &Timelines,
    of_complete: &[JudgedAlert],
    truth: &[Incident],
) -> Vec<JudgedAlert> {
    let whole = of_each_home(complete, truth, of_complete);
    let nothing = Home::default();
    let in_home = |(name, home): (&&str, &Home)| {
        let whole = whole.get(name).unwrap_or(&nothing);
        let (lossy, full) = (home.timeline(), whole.timeline());
        let is_touched = |alert: &&JudgedAlert| {
            let at = alert.detected_at;
            let spell = lossy.spell(at);
            spell.is_some_and(|spell| lossy.measured(spell.start, at) < full.measured(spell.start, at))
        };
        home.unsaid(whole).filter(is_touched).cloned().collect::<Vec<_>>()
    };
    of_each_home(timelines, truth, alerts)
        .iter()
        .flat_map(in_home)
        .collect()
}

/// Alerts of inactivity in a spell in which the same rules say nothing (`in_order`) when the same readings come as they are
/// measured: only the manner of their delivery can have caused them.
pub fn delivery_caused(timelines: &Timelines, alerts: &[JudgedAlert], in_order: &[JudgedAlert]) -> Vec<JudgedAlert> {
    let ordered = of_each_home(timelines, &[], in_order);
    let homes = of_each_home(timelines, &[], alerts);
    let in_home = |(name, home): (&&str, &Home)| {
        let unsaid: Option<Vec<_>> = ordered.get(name).map(|ordered| home.unsaid(ordered).cloned().collect());
        unsaid.unwrap_or_default()
    };
    homes.iter().flat_map(in_home).collect()
}

fn of_each_home<'a>(
    timelines: &'a Timelines,
    truth: &'a [Incident],
    alerts: &'a [JudgedAlert],
) -> BTreeMap<&'a str, Home<'a>> {
    let mut homes = BTreeMap::<&str, Home>::new();
    for (household, timeline) in timelines.iter() {
        homes.entry(household).or_default().timeline = Some(timeline);
    }
    for incident in truth {
        homes.entry(&incident.household).or_default().truth.push(incident);
    }
    for alert in alerts {
        homes.entry(&alert.household).or_default().alerts.push(alert);
    }
    homes
}

/// All that is to be known of one home.
#[derive(Default)]
struct Home<'a> {
    timeline: Option<&'a Timeline>,
    truth: Vec<&'a Incident>,
    alerts: Vec<&'a JudgedAlert>,
}

impl Home<'_> {
    fn of_kind(&self, kind: &str) -> Vec<&Incident> {
        self.truth
            .iter()
            .copied()
            .filter(|incident| incident.kind == kind)
            .collect()
    }

    fn raised(&self, kind: AlertKind) -> impl Iterator<Item = &JudgedAlert> {
        let is_it = move |alert: &&JudgedAlert| alert.kind == kind && alert.state == AlertState::Raised;
        self.alerts.iter().copied().filter(is_it)
    }

    /// Alerts of inactivity of which the same home says nothing with other readings, or in another order: none is open at that
    /// moment, and none is raised in that spell.
    fn unsaid(&self, other: &Self) -> impl Iterator<Item = &JudgedAlert> {
        let open = other.open_inactivity();
        self.raised(AlertKind::Inactivity).filter(move |alert| {
            let at = alert.detected_at;
            let spell = self.timeline().spell(at);
            let is_in_spell = |raised: EventTime| {
                spell
                    .as_ref()
                    .is_some_and(|spell| spell.start < raised && raised <= spell.end.unwrap_or(EventTime::MAX))
            };
            !open
                .iter()
                .any(|(raised, resolved)| is_in_spell(*raised) || *raised <= at && at < *resolved)
        })
    }

    /// From when to when alerts of inactivity are open. One that has ended may be raised again.
    fn open_inactivity(&self) -> Vec<(EventTime, EventTime)> {
        let mut open = BTreeMap::new();
        let mut ended = Vec::new();
        for alert in self.alerts.iter().filter(|alert| alert.kind == AlertKind::Inactivity) {
            match alert.state {
                AlertState::Raised => {
                    open.entry(&*alert.alert_id).or_insert(alert.detected_at);
                }
                AlertState::Resolved => {
                    let raised = open.remove(&*alert.alert_id);
                    ended.extend(raised.map(|raised| (raised, alert.decided_at)));
                }
                _ => {}
            }
        }
        ended.extend(open.into_values().map(|raised| (raised, EventTime::MAX)));
        ended
    }

    /// The record by which each alert of inactivity came to `stage`; with none, by which it was raised.
    fn reached(&self, stage: Option<Stage>) -> Vec<&JudgedAlert> {
        let Some(stage) = stage else {
            return self.raised(AlertKind::Inactivity).collect();
        };
        let mut seen = BTreeSet::new();
        let tells = |alert: &&JudgedAlert| {
            let is_said = !matches!(alert.state, AlertState::Acknowledged | AlertState::Resolved);
            alert.kind == AlertKind::Inactivity && is_said && alert.stage >= Some(stage)
        };
        let all = self.alerts.iter().copied().filter(tells);
        all.filter(|alert| seen.insert(&*alert.alert_id)).collect()
    }

    fn timeline(&self) -> &Timeline {
        static NO_READINGS: Timeline = Timeline::empty();
        self.timeline.unwrap_or(&NO_READINGS)
    }

    fn cases(&self, household: &str, warm_up: u32, answers: Answers) -> HomeCases {
        let (emergencies, timeline) = (self.of_kind("emergency"), self.timeline());
        let judged_from = timeline.first().unwrap_or(EventTime::ZERO).plus(warm_up);
        let turn = |alert: &JudgedAlert| turn(alert.detected_at, timeline, judged_from, &emergencies);
        let reached = |stage: Option<Stage>| {
            let mut reached = Reached::default();
            for emergency in &emergencies {
                let found = self.detection(emergency, stage);
                let hours = |at: fn(&JudgedAlert) -> EventTime| {
                    found.map_or(f64::from(MISS_HOURS), |alert| hours_between(emergency.start, at(alert)))
                };
                reached.detected += usize::from(found.is_some());
                reached.likely_away.emergencies += usize::from(found.is_some_and(|alert| alert.is_likely_away));
                reached.delays.push(hours(|alert| alert.detected_at));
                reached.arrival_delays.push(hours(|alert| alert.decided_at));
                reached
                    .readings_delays
                    .push(found.map_or(f64::from(MISS_HOURS), |alert| {
                        hours_between(emergency.start, timeline.known_at(alert.detected_at))
                    }));
            }
            for alert in self.reached(stage) {
                let is_away = usize::from(alert.is_likely_away);
                match turn(alert) {
                    Some(Turn::False) => {
                        reached.false_alerts += 1;
                        reached.likely_away.false_alerts += is_away;
                        reached.false_under_slow_leak += usize::from(alert.is_under_slow_leak);
                        reached.left += stage.map_or(1.0, |stage| self.left(alert, stage, answers));
                    }
                    Some(Turn::Absence) => {
                        reached.absence_alerts += 1;
                        reached.likely_away.absence_alerts += is_away;
                    }
                    Some(Turn::Unclear) | None => {}
                }
            }
            reached
        };
        let first = reached(None);
        let found = emergencies
            .iter()
            .zip(&first.delays)
            .map(|(emergency, delay)| EmergencyCase {
                start: emergency.start,
                delay: *delay,
                alert_id: self.detection(emergency, None).map(|alert| Arc::clone(&alert.alert_id)),
            });
        let case = |alert: &JudgedAlert| {
            let spell = timeline.spell(alert.detected_at);
            Some(AlertCase {
                alert_id: Arc::clone(&alert.alert_id),
                at: alert.detected_at,
                turn: turn(alert)?,
                spell: spell.map(|spell| (spell.start, spell.end)),
            })
        };
        let alerts: Vec<AlertCase> = self.raised(AlertKind::Inactivity).filter_map(case).collect();
        let mut cases = HomeCases {
            household: household.into(),
            months: judged_seconds(timeline, judged_from, &emergencies) / f64::from(HOUR) / MONTH_HOURS,
            emergencies: found.collect(),
            leaks: self.leaks(timeline),
            stages: Stage::ALL
                .into_iter()
                .map(|stage| (stage, reached(Some(stage))))
                .collect(),
            unclear_alerts: alerts.iter().filter(|case| case.turn == Turn::Unclear).count(),
            back_dated: self.back_dated(),
            false_leaks: self.false_leaks(timeline, judged_from),
            alerts,
            first,
            ..HomeCases::default()
        };
        let of_inactivity = self.alerts.iter().filter(|alert| alert.kind == AlertKind::Inactivity);
        cases.stages_seen = of_inactivity.filter_map(|alert| alert.stage).collect();
        let mut spells_told = BTreeSet::new();
        for at in self.raised(AlertKind::Inactivity).map(|alert| alert.detected_at) {
            if let Some(spell) = timeline.spell(at) {
                // The first hour of water that runs by itself cannot be told from a use, and ends an alert.
                let runs = self
                    .truth
                    .iter()
                    .filter(|incident| WATER.contains(&incident.kind.as_str()));
                let begun = runs.filter(|run| spell.start < run.start && run.start < at).count();
                cases.flaps += usize::from(!spells_told.insert((spell.start, begun)));
                cases.alerts_without_readings += usize::from(timeline.measured(spell.start, at) == 0);
            }
        }
        cases
    }

    /// The record by which somebody learnt of an emergency.
    fn detection(&self, emergency: &Incident, stage: Option<Stage>) -> Option<&JudgedAlert> {
        let mut open_before = BTreeSet::new();
        for alert in &self.alerts {
            if alert.kind == AlertKind::Inactivity && alert.detected_at <= emergency.start {
                match alert.state {
                    AlertState::Raised => open_before.insert(&*alert.alert_id),
                    AlertState::Resolved if alert.decided_at <= emergency.start => open_before.remove(&*alert.alert_id),
                    _ => false,
                };
            }
        }
        let within = Stretch {
            start: emergency.start,
            end: emergency.end.min(emergency.start.plus(MISS_HOURS * HOUR)),
        };
        let first = self.reached(stage);
        let tells = |alert: &&&JudgedAlert| {
            let is_news = match alert.state {
                AlertState::Raised => true,
                AlertState::Updated | AlertState::Escalated => {
                    open_before.contains(&*alert.alert_id) || first.iter().any(|first| std::ptr::eq(*first, **alert))
                }
                AlertState::Acknowledged | AlertState::Resolved => false,
            };
            let is_it = alert.kind == AlertKind::Inactivity && alert.stage >= stage;
            is_it && is_news && within.was_seen_at(alert.detected_at)
        };
        let news = self.alerts.iter().filter(tells);
        news.min_by_key(|alert| alert.detected_at).copied()
    }

    /// Records that begin an alert of water that should not run.
    fn raised_of_water(&self) -> impl Iterator<Item = &JudgedAlert> {
        self.raised(AlertKind::Leak).chain(self.raised(AlertKind::Burst))
    }

    /// Water that ran by itself, and when it was found: by its own kind of alert too, where it is a long draw.
    fn leaks(&self, timeline: &Timeline) -> Vec<LeakCase> {
        let case = |incident: &&Incident| {
            let is_draw = incident.kind == "prolonged_draw";
            let draws = self.raised(AlertKind::ProlongedDraw).filter(|_| is_draw);
            let all = self.raised_of_water().chain(draws).map(|alert| alert.detected_at);
            let found = all.filter(|at| stretch(incident).was_seen_at(*at)).min();
            LeakCase {
                kind: incident.kind.clone(),
                detail: incident.detail.clone(),
                litres_per_hour: incident
                    .litres_per_hour
                    .or_else(|| timeline.least_an_hour(incident.start, incident.end)),
                delay: found.map(|at| hours_between(incident.start, at)),
            }
        };
        self.of_water().iter().map(case).collect()
    }

    fn of_water(&self) -> Vec<&Incident> {
        let all = self.truth.iter().copied();
        all.filter(|incident| WATER.contains(&incident.kind.as_str())).collect()
    }

    fn false_leaks(&self, timeline: &Timeline, judged_from: EventTime) -> usize {
        let water = self.of_water();
        let is_false = |alert: &&JudgedAlert| {
            let at = alert.detected_at;
            let is_true = timeline.flowed_at(at) || water.iter().any(|incident| stretch(incident).was_seen_at(at));
            at >= judged_from && !is_true
        };
        self.raised_of_water().filter(is_false).count()
    }

    fn back_dated(&self) -> usize {
        let timeline = self.timeline();
        let is_wrong = |alert: &&JudgedAlert| {
            let waited = alert.decided_at.since(alert.detected_at);
            let patience = timeline.patience(alert.detected_at);
            alert.decided_at < alert.detected_at || patience.is_some_and(|patience| waited > patience)
        };
        let all = self.raised(AlertKind::Inactivity).chain(self.raised_of_water());
        all.filter(is_wrong).count()
    }

    /// How much of a false alert is expected to come to `stage`, if the stages that it passed before are answered so often.
    fn left(&self, alert: &JudgedAlert, stage: Stage, answers: Answers) -> f64 {
        let records = self.alerts.iter().filter(|record| record.alert_id == alert.alert_id);
        let passed: BTreeSet<Stage> = records
            .filter_map(|record| record.stage)
            .filter(|passed| *passed < stage)
            .collect();
        passed.into_iter().map(|stage| answers.unanswered(stage)).product()
    }
}

/// What an alert turned out to be, by the moment of one of its records; `None` where that is not judged.
fn turn(at: EventTime, timeline: &Timeline, judged_from: EventTime, emergencies: &[&Incident]) -> Option<Turn> {
    let spell = timeline.spell(at);
    let (start, end) = spell.map_or((at.minus(1), Some(at)), |spell| (spell.start, spell.end));
    let touches = |e: &&Incident| e.start < end.unwrap_or(EventTime::MAX) && start < e.end;
    if at < judged_from || emergencies.iter().any(touches) {
        return None;
    }
    Some(match end {
        Some(end) if end.since(start) < DAY => Turn::False,
        _ if timeline.measured(start, end.unwrap_or(EventTime::MAX)) >= DAY => Turn::Absence,
        _ => Turn::Unclear,
    })
}

fn stretch(incident: &Incident) -> Stretch {
    Stretch {
        start: incident.start,
        end: incident.end,
    }
}

fn hours_between(start: EventTime, end: EventTime) -> f64 {
    f64::from(end.since(start)) / f64::from(HOUR)
}

fn judged_seconds(timeline: &Timeline, from: EventTime, emergencies: &[&Incident]) -> f64 {
    let mut counted = from;
    let within = |emergency: &Incident| {
        let seconds = timeline.measured(emergency.start.max(counted), emergency.end.max(counted));
        counted = counted.max(emergency.end);
        seconds
    };
    let mut in_order = emergencies.to_vec();
    in_order.sort_by_key(|emergency| emergency.start);
    let in_emergencies: u32 = in_order.into_iter().map(within).sum();
    f64::from(timeline.measured(from, EventTime::MAX).saturating_sub(in_emergencies))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
