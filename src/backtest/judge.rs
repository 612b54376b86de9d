//! How early emergencies and leaks were reported, and how often nothing was the matter.
//!
//! | term | definition |
//! |---|---|
//! | detected | the first `raised` after the start E of an emergency and within its time, or an `updated` there of an alert raised before: an alert that is merely open tells nobody anything new |
//! | delay | `detected_at − E` (event time), `decided_at − E` (arrival); a miss counts as 72 h |
//! | false alert | inactivity raised in a dry spell that ended by itself within 24 h, or while people used water |
//! | absence alert | inactivity raised in a spell of 24 h or more measured dry |
//! | unclear alert | inactivity raised in another spell: cut by a gap or by the end of the readings |
//! | home-month | 730.5 h of measured readings from the home's 30th day on, outside emergencies |
//! | flap | a second `raised` in one dry spell |
//! | stage reached | the first record of an inactivity alert that asks for the stage, or for a later one; delay and false alerts of a stage are those of all alerts with that record in the place of `raised` |
//! | answered | with an assumed share of people who answer when an ask is false, and of contacts who clear, a false alert weighs what is expected of it: each stage that it passed before leaves what it did not clear |
//! | leak found | `raised` within a leak; false: outside leaks and outside runs of 24 h in which every hour has flow |
//!
//! Alerts before the home's 30th day and in dry spells touched by an emergency are neither false nor of absence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

pub use super::score::{Delay, Figure, Score, StageScore};
use super::score::{StageTally, Tally, score};
use super::timeline::{LEAK, Stretch, Timeline, Timelines};
use crate::history::Incident;
use crate::model::{AlertKind, AlertState, DAY, EventTime, HOUR, Stage};

/// Days of a home that are not judged.
const WARM_UP: u32 = 30 * DAY;
/// Hours a miss counts for.
const MISS_HOURS: f64 = 72.0;
/// Hours of a home-month.
const MONTH_HOURS: f64 = 730.5;

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
    /// The event time at which the rule was met.
    pub detected_at: EventTime,
    /// The stream's time at which it could be known.
    pub decided_at: EventTime,
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
    let tallies: Vec<Tally> = homes.values().map(|home| home.tally(answers)).collect();
    let staged = alerts.iter().filter(|alert| alert.kind == AlertKind::Inactivity);
    let stages = staged.filter_map(|alert| alert.stage).collect();
    score(&tallies, stages, answers, seed)
}

/// All that is to be known of one home.
#[derive(Default)]
struct Home<'a> {
    timeline: Option<&'a Timeline>,
    truth: Vec<&'a Incident>,
    alerts: Vec<&'a JudgedAlert>,
}

/// What an alert turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    False,
    Absence,
    Unclear,
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

    fn tally(&self, answers: Answers) -> Tally {
        let (emergencies, leaks) = (self.of_kind("emergency"), self.of_kind(LEAK));
        let no_readings = Timeline::default();
        let timeline = self.timeline.unwrap_or(&no_readings);
        let judged_from = timeline.first().unwrap_or(EventTime::ZERO).plus(WARM_UP);
        let mut tally = Tally {
            months: judged_seconds(timeline, judged_from, &emergencies) / f64::from(HOUR) / MONTH_HOURS,
            leaks: leaks.len(),
            ..Tally::default()
        };
        let delays = |stage: Option<Stage>| -> (Vec<f64>, Vec<f64>, usize) {
            let found: Vec<_> = emergencies
                .iter()
                .map(|e| (e.start, self.detection(e, stage)))
                .collect();
            let hours = |at: fn(&JudgedAlert) -> EventTime| {
                let delay = |(start, found): &(EventTime, Option<&JudgedAlert>)| {
                    found.map_or(MISS_HOURS, |alert| hours_between(*start, at(alert)))
                };
                found.iter().map(delay).collect()
            };
            let detected = found.iter().filter(|(_, found)| found.is_some()).count();
            (
                hours(|alert| alert.detected_at),
                hours(|alert| alert.decided_at),
                detected,
            )
        };
        (tally.delays, tally.arrival_delays, tally.detected) = delays(None);
        self.tally_inactivity(timeline, judged_from, &emergencies, &mut tally);
        for stage in Stage::ALL {
            let mut of_stage = StageTally::default();
            (of_stage.delays, of_stage.arrival_delays, of_stage.detected) = delays(Some(stage));
            for alert in self.reached(Some(stage)) {
                match self.turn(alert, timeline, judged_from, &emergencies) {
                    Some(Turn::False) => {
                        of_stage.false_alerts += 1;
                        of_stage.left += self.left(alert, stage, answers);
                    }
                    Some(Turn::Absence) => of_stage.absence_alerts += 1,
                    Some(Turn::Unclear) | None => {}
                }
            }
            tally.stages.insert(stage, of_stage);
        }
        for leak in &leaks {
            let within = self.raised(AlertKind::Leak).map(|alert| alert.detected_at);
            let found = within.filter(|at| stretch(leak).was_seen_at(*at)).min();
            tally.leak_delays.extend(found.map(|at| hours_between(leak.start, at)));
        }
        let is_false = |alert: &&JudgedAlert| {
            let at = alert.detected_at;
            at >= judged_from && !timeline.flowed_at(at) && !leaks.iter().any(|leak| stretch(leak).was_seen_at(at))
        };
        tally.false_leaks = self.raised(AlertKind::Leak).filter(is_false).count();
        tally
    }

    /// The record by which somebody learnt of an emergency.
    fn detection(&self, emergency: &Incident, stage: Option<Stage>) -> Option<&JudgedAlert> {
        let raised_before: BTreeSet<&str> = self
            .raised(AlertKind::Inactivity)
            .filter(|alert| alert.detected_at <= emergency.start)
            .map(|alert| &*alert.alert_id)
            .collect();
        let first = self.reached(stage);
        let tells = |alert: &&&JudgedAlert| {
            let is_news = match alert.state {
                AlertState::Raised => true,
                AlertState::Updated | AlertState::Escalated => {
                    raised_before.contains(&*alert.alert_id) || first.iter().any(|first| std::ptr::eq(*first, **alert))
                }
                AlertState::Acknowledged | AlertState::Resolved => false,
            };
            let is_it = alert.kind == AlertKind::Inactivity && alert.stage >= stage;
            is_it && is_news && stretch(emergency).was_seen_at(alert.detected_at)
        };
        self.alerts
            .iter()
            .filter(tells)
            .min_by_key(|alert| alert.detected_at)
            .copied()
    }

    fn tally_inactivity(
        &self,
        timeline: &Timeline,
        judged_from: EventTime,
        emergencies: &[&Incident],
        tally: &mut Tally,
    ) {
        let mut spells_told = BTreeSet::new();
        for alert in self.raised(AlertKind::Inactivity) {
            let at = alert.detected_at;
            let spell = timeline.spell(at);
            if let Some(spell) = spell {
                tally.flaps += usize::from(!spells_told.insert(spell.start));
                tally.alerts_without_readings += usize::from(timeline.measured(spell.start, at) == 0);
            }
            match self.turn(alert, timeline, judged_from, emergencies) {
                Some(Turn::False) => tally.false_alerts += 1,
                Some(Turn::Absence) => tally.absence_alerts += 1,
                Some(Turn::Unclear) => tally.unclear_alerts += 1,
                None => {}
            }
        }
    }

    /// What an alert turned out to be, by the moment of one of its records; `None` where that is not judged.
    fn turn(
        &self,
        alert: &JudgedAlert,
        timeline: &Timeline,
        judged_from: EventTime,
        emergencies: &[&Incident],
    ) -> Option<Turn> {
        let at = alert.detected_at;
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
    let within = |emergency: &&Incident| timeline.measured(emergency.start.max(from), emergency.end.max(from));
    let in_emergencies: u32 = emergencies.iter().map(within).sum();
    f64::from(timeline.measured(from, EventTime::MAX).saturating_sub(in_emergencies))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
