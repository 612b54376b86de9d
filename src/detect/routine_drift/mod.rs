//! Routine drift: the shape of the day has changed over weeks. A message, once a week at most, never an alarm.
//!
//! Method: three values a local day, each tested as in `drift::trend` at a third of the level (Bonferroni); the one with
//! the clearest trend gives the rule its name.
//! - `waking-hour`: the hour of the first use from 4 o'clock on, if every hour before it is known.
//! - `active-hours`: the hours with use, of a day with 22 known hours, as of 24.
//! - `day-likeness`: the hours used on this day and the day before, as a share of those used on either (Jaccard).
//!
//! Units: hours, percent; local weeks from Monday to Sunday. Days without any use do not count: nobody was there.
//! Limits: whole hours; a change is found weeks after it began, if at all (`docs/detectors.md`). What changes with the seasons is reported too.

mod settings;

#[cfg(test)]
mod tests;

pub use settings::RoutineDriftSettings;

use super::drift::{Day, DriftState, Measure, Trend, evidence, local_date};
use super::words::figure;
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::Interval;
use crate::model::{AlertKind, AlertState, BothLanguages, Explanation, Finding};

/// A first use before this hour is one of the night.
const MORNING: u32 = 4;
/// Known hours of a day whose hours are counted.
const LEAST_HOURS: u32 = 22;

/// The detector of change in the routine.
pub struct RoutineDrift;

/// The hour of the first use of the morning.
pub fn waking_hour(day: &Day, _: Option<&Day>) -> Option<f64> {
    let first = (day.used >> MORNING << MORNING).trailing_zeros();
    let (known, _) = day.count(MORNING, first.min(24));
    // The hour that the clocks leave out may be missing where a zone changes them in the morning.
    (first < 24 && known == first - MORNING).then(|| f64::from(first))
}

/// Hours with use, as of 24.
pub fn active_hours(day: &Day, _: Option<&Day>) -> Option<f64> {
    let (known, used) = day.count(0, 24);
    (known >= LEAST_HOURS && used > 0).then(|| 24.0 * f64::from(used) / f64::from(known))
}

/// How far the hours with use are those of the day before.
pub fn day_likeness(day: &Day, before: Option<&Day>) -> Option<f64> {
    let known = day.known & before?.known;
    let (used, used_before) = (day.used & known, before?.used & known);
    let is_enough = known.count_ones() >= LEAST_HOURS && used != 0 && used_before != 0;
    is_enough.then(|| f64::from((used & used_before).count_ones()) / f64::from((used | used_before).count_ones()))
}

fn measures(settings: &RoutineDriftSettings) -> [Measure; 3] {
    [
        Measure {
            name: "waking-hour",
            least_change: settings.least_waking_hours,
            steps: 10.0,
            of: waking_hour,
        },
        Measure {
            name: "active-hours",
            least_change: settings.least_active_hours,
            steps: 10.0,
            of: active_hours,
        },
        Measure {
            name: "day-likeness",
            least_change: settings.least_likeness_percent / 100.0,
            steps: 100.0,
            of: day_likeness,
        },
    ]
}

impl Detector for RoutineDrift {
    const KIND: AlertKind = AlertKind::RoutineDrift;
    type Settings = RoutineDriftSettings;
    type State = DriftState;

    fn mistakes(settings: &RoutineDriftSettings) -> Vec<Mistake> {
        settings.mistakes()
    }

    fn on_interval(settings: &RoutineDriftSettings, state: &mut DriftState, home: &HomeView<'_>, interval: &Interval) {
        if settings.enabled {
            state.on_interval(settings.p_below, &measures(settings), home, interval);
        }
    }

    fn finding(settings: &RoutineDriftSettings, state: &DriftState, home: &HomeView<'_>) -> Option<Finding> {
        settings
            .enabled
            .then(|| state.finding(&measures(settings), home))
            .flatten()
    }

    fn explain(
        settings: &RoutineDriftSettings,
        _: &DriftState,
        home: &HomeView<'_>,
        alert: &OpenAlert<'_>,
        _: AlertState,
    ) -> Explanation {
        let measures = measures(settings);
        let index = measures
            .iter()
            .position(|measure| measure.name == alert.rule)
            .unwrap_or(0);
        let (unit, scale, reason) = [
            ("waking_hour", 1.0, "waking_hour_changed"),
            ("active_hours_a_day", 1.0, "active_hours_changed"),
            ("day_likeness_percent", 100.0, "day_likeness_changed"),
        ][index];
        let (evidence, trend) = evidence(&measures[index], unit, scale, home, alert);
        let since = local_date(alert.since, home);
        let text = match trend {
            Some(trend) => words(index, &trend, &since),
            None => BothLanguages {
                en: format!("The routine of the day has changed in the eight weeks since {since}."),
                zh: format!("自{since}起的八周内，日常作息发生变化。"),
            },
        };
        Explanation { reason, evidence, text }
    }
}

fn words(index: usize, trend: &Trend, since: &str) -> BothLanguages {
    let (before, now) = trend.ends();
    let rises = trend.slope > 0.0;
    let (en, zh) = match (index, rises) {
        (0, true) => ("The day begins later", "每日首次用水时间推迟"),
        (0, false) => ("The day begins earlier", "每日首次用水时间提前"),
        (1, true) => ("Water is used in more hours of the day", "每日有用水的小时数增多"),
        (1, false) => ("Water is used in fewer hours of the day", "每日有用水的小时数减少"),
        (_, true) => ("The days have become more regular", "每日用水作息更规律"),
        (_, false) => ("The days have become less regular", "每日用水作息不如以前规律"),
    };
    let shown = |value: f64| match index {
        0 => {
            let minutes = (value * 60.0).round() as u32;
            let clock = format!("{:02}:{:02}", minutes / 60, minutes % 60);
            (clock.clone(), clock)
        }
        1 => (
            format!("{} hours", figure(value as f32)),
            format!("{}小时", figure(value as f32)),
        ),
        _ => (
            format!("{} %", figure(100.0 * value as f32)),
            format!("{}%", figure(100.0 * value as f32)),
        ),
    };
    let (what, what_zh) = match index {
        0 => (
            "the first use from 4 o'clock on fell into the hour from",
            "4时后首次用水所在小时平均始于",
        ),
        1 => ("there was use in", "有用水的小时数平均为"),
        _ => (
            "hours with use agreed with those of the day before by",
            "用水小时与前一日的重合度平均为",
        ),
    };
    let ((before, before_zh), (now, now_zh)) = (shown(before), shown(now));
    BothLanguages {
        en: format!(
            "{en} than eight weeks ago: on average {what} {before} in the first two weeks that are known from {since} on, and \
             {now} in the last two. No alarm; worth asking about."
        ),
        zh: format!(
            "自{since}起八周内{zh}：{what_zh}{before_zh}（最初有数据的两周），最近两周为{now_zh}。非告警，宜询问近况。"
        ),
    }
}
