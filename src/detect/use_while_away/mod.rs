//! Use while away: an absence was declared, and water is used.
//!
//! Method: litres above the leak floor, in one interval or in the last whole hours, all of them within the absence and after a
//! time of grace. It is over with the absence, or after a day without use. What is kept is when the use began; whether
//! it counts follows from the absence as it is known now, so that one taken back takes back what was found in it.
//! Units: litres, measured intervals and whole UTC hours. Limits: a gap that a register crossed says nothing, and neither
//! does an interval that reaches beyond the absence. In its first day a leak is use; that it is found is meant.

mod settings;

#[cfg(test)]
mod tests;

pub use settings::UseWhileAwaySettings;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::words::{figure, local_time};
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::{Counts, Flow, Interval, WINDOW_HOURS};
use crate::model::{Absence, AlertKind, AlertState, BothLanguages, EventTime, Explanation, Finding, HOUR, Severity};

/// The detector of use while people are away.
pub struct UseWhileAway;

/// The use at hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UseWhileAwayState {
    /// When it began; zero when there is none.
    since: EventTime,
    /// When it had come to what counts.
    detected_at: EventTime,
}

/// The part of the absence in which use counts.
fn counted(settings: &UseWhileAwaySettings, absence: Absence) -> Absence {
    Absence {
        from: absence.from.plus((settings.grace_hours * HOUR as f32) as u32),
        to: absence.to,
    }
}

impl UseWhileAwayState {
    /// Whether the use at hand counts in this absence.
    fn is_in(&self, counted: &Absence) -> bool {
        self.since > EventTime::ZERO && counted.covers(self.since)
    }
}

impl Detector for UseWhileAway {
    const KIND: AlertKind = AlertKind::UseWhileAway;
    type Settings = UseWhileAwaySettings;
    type State = UseWhileAwayState;

    fn mistakes(settings: &UseWhileAwaySettings) -> Vec<Mistake> {
        settings.mistakes()
    }

    fn on_interval(
        settings: &UseWhileAwaySettings,
        state: &mut UseWhileAwayState,
        home: &HomeView<'_>,
        interval: &Interval,
    ) {
        let Flow::Measured(litres) = interval.flow else { return };
        let dry = home
            .usage
            .dry_since()
            .map_or(0, |since| home.usage.frontier().since(since));
        if dry >= settings.clear_after_dry_hours * HOUR {
            *state = UseWhileAwayState::default();
            return;
        }
        let Some(absence) = home.circumstances.absence.map(|absence| counted(settings, absence)) else {
            return;
        };
        if state.is_in(&absence) {
            return;
        }
        let found = in_interval(settings, home, interval, litres, &absence)
            .or_else(|| in_hours(settings, home, interval, &absence));
        if let Some((since, detected_at)) = found {
            *state = UseWhileAwayState { since, detected_at };
        }
    }

    fn finding(settings: &UseWhileAwaySettings, state: &UseWhileAwayState, home: &HomeView<'_>) -> Option<Finding> {
        let absence = counted(settings, home.circumstances.absence?);
        let counts = settings.enabled && state.is_in(&absence) && absence.covers(home.usage.frontier());
        counts.then(|| Finding {
            since: state.since,
            detected_at: state.detected_at,
            severity: Severity::Medium,
            rule: Arc::from("use-while-away"),
            stages: None,
            anew_at: None,
        })
    }

    fn explain(
        settings: &UseWhileAwaySettings,
        _: &UseWhileAwayState,
        home: &HomeView<'_>,
        alert: &OpenAlert<'_>,
        record: AlertState,
    ) -> Explanation {
        let usage = home.usage;
        let absence = home.circumstances.absence;
        let since = local_time(alert.since, home.now, home.time_zone);
        // With the date, which may be to come.
        let time = |time: EventTime| local_time(time, EventTime::MAX, home.time_zone);
        let mut evidence = Map::new();
        evidence.insert("rule_litres".into(), json!(settings.at_least_litres));
        evidence.insert("rule_hours".into(), json!(settings.within_hours));
        evidence.insert("absent_from".into(), json!(absence.map(|absence| absence.from)));
        evidence.insert("absent_to".into(), json!(absence.and_then(|absence| absence.to)));
        evidence.insert("used_since".into(), json!(alert.since));
        evidence.insert("last_use_ended_at".into(), json!(usage.last_sign()));
        evidence.insert("measured_until".into(), json!(usage.frontier()));
        if record == AlertState::Resolved {
            let (reason, en, zh) = ended(settings, home, alert);
            let text = BothLanguages {
                en: format!("{en} (Water was used since {since} in a declared absence.)"),
                zh: format!("{zh}（自{since}起在已登记外出期间曾有用水。）"),
            };
            return Explanation { reason, evidence, text };
        }
        let used = litres_since(home, alert.since);
        evidence.insert("litres_since_at_least".into(), json!(used));
        let (from, used) = (
            absence.map_or_else(|| since.clone(), |absence| time(absence.from)),
            figure(used),
        );
        let (until, until_zh) = match absence.and_then(|absence| absence.to) {
            Some(to) => (format!(" to {}", time(to)), format!("至{}", time(to))),
            None => (String::new(), String::new()),
        };
        let text = BothLanguages {
            en: format!(
                "Nobody is to be at home from {from}{until}, but water has been used since {since}, at least {used} L. They may \
                 have come home early; if not, there is a leak, or somebody is there who should not be."
            ),
            zh: format!(
                "该户登记自{from}{until_zh}外出，但自{since}起有用水，至少{used}升。住户可能已提前回家；若未回家，则可能漏水或有他人进入。"
            ),
        };
        Explanation {
            reason: "water_used_while_away",
            evidence,
            text,
        }
    }
}

/// Whether the interval alone has enough, wholly within the absence.
fn in_interval(
    settings: &UseWhileAwaySettings,
    home: &HomeView<'_>,
    interval: &Interval,
    litres: f32,
    absence: &Absence,
) -> Option<(EventTime, EventTime)> {
    let leak = home.usage.floor().litres_per_hour() * interval.seconds() as f32 / HOUR as f32;
    let is_within = absence.covers(interval.start) && absence.to.is_none_or(|to| interval.end <= to);
    let is_use = home.usage.last_use(Counts::AboveLeak) == Some(interval.end);
    let is_enough = litres - leak >= settings.at_least_litres && is_use;
    (is_within && is_enough).then_some((interval.start, interval.end))
}

/// Whether the hours up to one that this interval completed have enough. Hours that are not wholly measured add nothing.
fn in_hours(
    settings: &UseWhileAwaySettings,
    home: &HomeView<'_>,
    interval: &Interval,
    absence: &Absence,
) -> Option<(EventTime, EventTime)> {
    let floor = home.usage.floor();
    let above_floor = |hour: u32| {
        let (start, end) = (EventTime::from_hour(hour), EventTime::from_hour(hour + 1));
        let is_within = absence.covers(start) && absence.to.is_none_or(|to| end <= to);
        let litres = home
            .usage
            .litres(hour)
            .filter(|litres| is_within && floor.is_use(*litres, HOUR));
        litres.map_or(0.0, |litres| litres - floor.litres_per_hour())
    };
    let hours = home.usage.completed_hours(interval);
    (hours.start.max(hours.end.saturating_sub(WINDOW_HOURS))..hours.end).find_map(|last| {
        let window = (last + 1).saturating_sub(settings.within_hours)..last + 1;
        let used: f32 = window.clone().map(above_floor).sum();
        let first = window.clone().find(|hour| above_floor(*hour) > 0.0)?;
        (used >= settings.at_least_litres).then(|| (EventTime::from_hour(first), EventTime::from_hour(last + 1)))
    })
}

/// Litres above the floor from `since` on, as far as the window of whole hours still holds them.
fn litres_since(home: &HomeView<'_>, since: EventTime) -> f32 {
    let (next, floor) = (home.usage.next_hour(), home.usage.floor().litres_per_hour());
    let hours = since.hour().max(next.saturating_sub(WINDOW_HOURS))..next;
    hours
        .filter_map(|hour| home.usage.litres(hour))
        .map(|litres| (litres - floor).max(0.0))
        .sum()
}

/// Why it is over.
fn ended(
    settings: &UseWhileAwaySettings,
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
) -> (&'static str, &'static str, &'static str) {
    let frontier = home.usage.frontier();
    let dry = home.usage.dry_since().map_or(0, |since| frontier.since(since));
    let is_dry = dry >= settings.clear_after_dry_hours * HOUR;
    match home.circumstances.absence.map(|absence| counted(settings, absence)) {
        Some(absence) if absence.covers(alert.since) && !absence.covers(frontier) => {
            ("absence_over", "The absence is over.", "登记的外出已结束。")
        }
        Some(absence) if absence.covers(alert.since) && is_dry && home.usage.floor().litres_per_hour() > 0.0 => (
            "leak",
            "What flows is a leak, and is reported as one.",
            "所流之水系漏水，另行告警。",
        ),
        Some(absence) if absence.covers(alert.since) && is_dry => {
            ("use_stopped", "No more water is used.", "已不再用水。")
        }
        Some(absence) if absence.covers(alert.since) => (
            "corrected_by_late_readings",
            "Late readings show that no such use took place.",
            "补到的读数表明并无此用水。",
        ),
        _ => (
            "absence_withdrawn",
            "The absence was taken back or changed.",
            "登记的外出已撤销或更改。",
        ),
    }
}
