//! Well today: the first sign of life of the morning, as good news, once a day.
//!
//! Method: the first use above the leak floor after a local hour (as Sakaki's service sends it), or another sign of life.
//! It is a message: said once for each local day, and nothing waits for it. Its absence says nothing: that is for
//! inactivity to judge. Units: local days, of 23 and 25 hours too. Limits: known to the length of an interval.

mod settings;
#[cfg(test)]
mod tests;

pub use settings::WellTodaySettings;

use std::sync::Arc;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::words::local_time;
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::{Flow, Interval};
use crate::model::{AlertKind, AlertState, BothLanguages, EventTime, Explanation, Finding, Severity};

/// The detector of the first sign of life of the morning.
pub struct WellToday;

/// The end of the stretch with the first sign of life of the last morning that had one; zero before the first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WellTodayState {
    first: EventTime,
}

/// The local day of a moment, if it lies in the morning or later.
fn day(moment: EventTime, settings: &WellTodaySettings, zone: &TimeZone) -> Option<Date> {
    let local = zone.to_datetime(moment.to_jiff());
    (local.hour().unsigned_abs() >= settings.from_hour).then(|| local.date())
}

/// When the morning of a day begins.
fn morning(day: Date, settings: &WellTodaySettings, zone: &TimeZone) -> Option<EventTime> {
    let at = Time::new(i8::try_from(settings.from_hour).ok()?, 0, 0, 0).ok()?;
    let moment = zone.to_ambiguous_timestamp(day.to_datetime(at)).compatible().ok()?;
    EventTime::from_unix(moment.as_second())
}

impl WellTodayState {
    /// Something was heard within a stretch.
    fn hear(&mut self, start: EventTime, end: EventTime, settings: &WellTodaySettings, zone: &TimeZone) {
        // One that reaches into the morning may have been heard before it.
        let Some(today) = day(start, settings, zone).filter(|_| end > self.first) else {
            return;
        };
        if self.first == EventTime::ZERO || self.date(zone) != today {
            self.first = end;
        }
    }

    /// The local day of the first sign, whose stretch may end with it.
    fn date(&self, zone: &TimeZone) -> Date {
        zone.to_datetime(self.first.minus(1).to_jiff()).date()
    }
}

impl Detector for WellToday {
    const KIND: AlertKind = AlertKind::WellToday;
    type Settings = WellTodaySettings;
    type State = WellTodayState;

    fn mistakes(settings: &WellTodaySettings) -> Vec<Mistake> {
        settings.mistakes()
    }

    fn on_interval(settings: &WellTodaySettings, state: &mut WellTodayState, home: &HomeView<'_>, interval: &Interval) {
        if !settings.enabled {
            return;
        }
        if let Some(sign) = home.circumstances.sign.filter(|_| settings.other_signs) {
            state.hear(sign.at, sign.at.plus(1), settings, home.time_zone);
        }
        let is_use = matches!(interval.flow, Flow::Measured(_)) && home.usage.last_sign() > Some(interval.start);
        if is_use {
            state.hear(interval.start, interval.end, settings, home.time_zone);
        }
    }

    fn finding(settings: &WellTodaySettings, state: &WellTodayState, home: &HomeView<'_>) -> Option<Finding> {
        if !settings.enabled || state.first == EventTime::ZERO || state.first > home.now.max(home.usage.frontier()) {
            return None;
        }
        let since = morning(state.date(home.time_zone), settings, home.time_zone)?;
        Some(Finding {
            since,
            detected_at: state.first.max(since),
            severity: Severity::Low,
            rule: Arc::from("well-today"),
            stages: None,
        })
    }

    fn explain(
        _: &WellTodaySettings,
        state: &WellTodayState,
        home: &HomeView<'_>,
        _: &OpenAlert<'_>,
        _: AlertState,
    ) -> Explanation {
        let at = local_time(state.first, state.first, home.time_zone);
        let mut evidence = Map::new();
        evidence.insert("first_sign_by".into(), json!(state.first));
        let sign = home.circumstances.sign.filter(|sign| sign.at.plus(1) == state.first);
        evidence.insert("sign".into(), sign.map_or(json!("water"), |sign| json!(sign.kind)));
        Explanation {
            reason: "first_sign_of_the_day",
            evidence,
            text: BothLanguages {
                en: format!("First sign of life today, by {at}."),
                zh: format!("今日{at}前已有首次活动迹象。"),
            },
        }
    }
}
