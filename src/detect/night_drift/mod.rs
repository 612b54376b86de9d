//! Night drift: use at night has risen or fallen over weeks. A message, once a week at most, never an alarm.
//!
//! Method: of each local night (0 to 5 o'clock) the share of its known hours with use; of eight whole weeks of them the
//! Mann-Kendall test and Sen's slope (`drift::trend`). A night counts with four known hours, and if water was used on
//! that day at all: on other days nobody was there.
//! Units: percent of the night's hours, local weeks from Monday to Sunday.
//! Limits: a change is found weeks after it began, and half of them not at all (`docs/detectors.md`). An appliance that
//! runs at night looks like a person, and so does the first day of a leak.

mod settings;

#[cfg(test)]
mod tests;

pub use settings::NightDriftSettings;

use super::drift::{Day, DriftState, Measure, evidence, local_date};
use super::words::figure;
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::Interval;
use crate::model::{AlertKind, AlertState, BothLanguages, Explanation, Finding};

/// The night ends at five: earlier risers are rare, and later ones still asleep.
const NIGHT_HOURS: u32 = 5;
/// Hours of a night that must be known.
const LEAST_HOURS: u32 = 4;

/// The detector of change at night.
pub struct NightDrift;

/// The share of a night's hours with use.
pub fn night_use(day: &Day, _: Option<&Day>) -> Option<f64> {
    let (known, used) = day.count(0, NIGHT_HOURS);
    (known >= LEAST_HOURS && day.used != 0).then(|| f64::from(used) / f64::from(known))
}

fn measures(settings: &NightDriftSettings) -> [Measure; 1] {
    [Measure {
        name: "night-use",
        least_change: settings.least_change_percent / 100.0,
        steps: 100.0,
        of: night_use,
    }]
}

impl Detector for NightDrift {
    const KIND: AlertKind = AlertKind::NightDrift;
    type Settings = NightDriftSettings;
    type State = DriftState;

    fn mistakes(settings: &NightDriftSettings) -> Vec<Mistake> {
        settings.mistakes()
    }

    fn on_interval(settings: &NightDriftSettings, state: &mut DriftState, home: &HomeView<'_>, interval: &Interval) {
        if settings.enabled {
            state.on_interval(settings.p_below, &measures(settings), home, interval);
        }
    }

    fn finding(settings: &NightDriftSettings, state: &DriftState, home: &HomeView<'_>) -> Option<Finding> {
        settings
            .enabled
            .then(|| state.finding(&measures(settings), home))
            .flatten()
    }

    fn explain(
        settings: &NightDriftSettings,
        _: &DriftState,
        home: &HomeView<'_>,
        alert: &OpenAlert<'_>,
        _: AlertState,
    ) -> Explanation {
        let [measure] = measures(settings);
        let (evidence, trend) = evidence(&measure, "night_use_percent", 100.0, home, alert);
        let since = local_date(alert.since, home);
        let mut text = BothLanguages {
            en: format!("Use of water at night (0 to 5 o'clock) has changed in the eight weeks since {since}."),
            zh: format!("自{since}起的八周内，夜间（0至5时）用水发生变化。"),
        };
        if let Some(trend) = trend {
            let (before, now) = trend.ends();
            let (before, now) = (figure(100.0 * before as f32), figure(100.0 * now as f32));
            let rises = trend.slope > 0.0;
            let (en, zh) = if rises {
                ("risen", "增多")
            } else {
                ("fallen", "减少")
            };
            text = BothLanguages {
                en: format!(
                    "Use of water at night (0 to 5 o'clock) has {en} over the eight weeks from {since}: in the first two of \
                     them that are known {before} % of these hours had use, in the last two {now} %. No alarm; worth asking \
                     about."
                ),
                zh: format!(
                    "自{since}起八周内夜间（0至5时）用水{zh}：最初有数据的两周{before}%的夜间小时有用水，最近两周为{now}%。非告警，宜询问近况。"
                ),
            };
        }
        Explanation {
            reason: "night_use_changed",
            evidence,
            text,
        }
    }
}
