//! What there was to judge in one home, case by case.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::model::{EventTime, Litres, Stage};

/// One home's share in a score.
#[derive(Clone, Debug, Default)]
pub struct HomeCases {
    /// The home.
    pub household: Arc<str>,
    /// Home-months judged.
    pub months: f64,
    /// Its emergencies.
    pub emergencies: Vec<EmergencyCase>,
    /// Its alerts of inactivity in the judged time, but for those in spells touched by an emergency.
    pub alerts: Vec<AlertCase>,
    /// Its leaks and other water that ran by itself.
    pub leaks: Vec<LeakCase>,
    /// Inactivity by its first word.
    pub first: Reached,
    /// Inactivity by the record that brought it to each stage.
    pub stages: BTreeMap<Stage, Reached>,
    /// The stages that its alerts name.
    pub stages_seen: BTreeSet<Stage>,
    /// Alerts of inactivity of which the readings do not tell what they were.
    pub unclear_alerts: usize,
    /// Alerts of inactivity in a spell without one measured reading before them.
    pub alerts_without_readings: usize,
    /// Alerts decided before what they speak of, or too long after it.
    pub back_dated: usize,
    /// Second alerts in one dry spell.
    pub flaps: usize,
    /// Alerts of a leak or a burst where there was none.
    pub false_leaks: usize,
}

/// How inactivity came to a stage, or was first told.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    /// Emergencies detected.
    pub detected: usize,
    /// Hours from each emergency to the event time of its detection.
    pub delays: Vec<f64>,
    /// Hours from each emergency to when its detection could be known.
    pub arrival_delays: Vec<f64>,
    /// Hours from each emergency to when the readings that its detection needed had come.
    pub readings_delays: Vec<f64>,
    /// False alerts.
    pub false_alerts: usize,
    /// Those of them that were raised under a leak slower than the meter: its steps are uses to the judge, also while people are away.
    pub false_under_slow_leak: usize,
    /// Alerts of people who were away.
    pub absence_alerts: usize,
    /// Those of all these that say that people may be away.
    pub likely_away: LikelyAway<usize>,
    /// False alerts that are expected to be left with the assumed answers.
    pub left: f64,
}

/// How many, or which share, of the alerts of each kind say that people may be away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LikelyAway<T> {
    /// Of alerts of people who were away: the more the better.
    pub absence_alerts: T,
    /// Of emergencies that were detected: the fewer the better.
    pub emergencies: T,
    /// Of false alerts.
    pub false_alerts: T,
}

/// An emergency, and when somebody learnt of it.
#[derive(Clone, Debug, PartialEq)]
pub struct EmergencyCase {
    /// From then on nobody used water.
    pub start: EventTime,
    /// Hours to the event time of the first word; 72 where there was none.
    pub delay: f64,
    /// The alert whose record it was.
    pub alert_id: Option<Arc<str>>,
}

/// What an alert turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The dry spell ended by itself within a day, or people used water.
    False,
    /// Nobody used water for a day or more.
    Absence,
    /// The readings do not tell.
    Unclear,
}

/// An alert of inactivity, and what it turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertCase {
    /// Which alert.
    pub alert_id: Arc<str>,
    /// The event time at which it was raised.
    pub at: EventTime,
    /// What it was.
    pub turn: Turn,
    /// The dry spell it was raised in, and when that ended; `None` while people used water.
    pub spell: Option<(EventTime, Option<EventTime>)>,
}

/// Water that ran by itself, and when it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct LeakCase {
    /// `leak`, `burst` or `prolonged_draw`, as the truth has it.
    pub kind: String,
    /// What the truth says of it more exactly, such as `toilet:60`.
    pub detail: Option<String>,
    /// Its flow in litres an hour: as the truth has it, else the least of its whole hours with readings.
    pub litres_per_hour: Option<Litres>,
    /// Hours to the event time of the first alert within it.
    pub delay: Option<f64>,
}

impl LeakCase {
    /// Whether it is a leak, and not a burst or a draw.
    pub fn is_leak(&self) -> bool {
        self.kind == "leak"
    }
}

impl HomeCases {
    /// Hours to each leak that was found.
    pub fn leak_delays(&self) -> Vec<f64> {
        let leaks = self.leaks.iter().filter(|leak| leak.is_leak());
        leaks.filter_map(|leak| leak.delay).collect()
    }
}
