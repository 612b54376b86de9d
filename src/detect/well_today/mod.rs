//! Well today: the first sign of life of the morning, as good news, once a day.
//!
//! Method: the first use above the leak floor after a local hour (as Sakaki's service sends it), or another sign of life.
//! It is a message: said once for each local day, and nothing waits for it. Its absence says nothing: that is for
//! inactivity to judge. Units: local days, of 23 and 25 hours too. Limits: known to the length of an interval, and when the
//! readings come: with a daily upload it tells of the day before, and says so. Another sign is heard at once.

mod settings;
#[cfg(test)]
mod tests;

pub use settings::WellTodaySettings;

use std::sync::{Arc, LazyLock};

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::words::local_time;
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::{Flow, Interval};
use crate::model::{AlertKind, AlertState, BothLanguages, EventTime, Explanation, Finding, HOUR, Severity};

/// The detector of the first sign of life of the morning.
pub struct WellToday;

/// The name of the rule.
static RULE: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("well-today"));

/// The first sign of life of the last morning that had one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WellTodayState {
    /// The end of the stretch with it; zero before the first.
    first: EventTime,
    /// When that morning began.
    morning: EventTime,
}

/// No morning comes sooner after another, in seconds: local days have 23 hours at least.
const SHORTEST_DAY: u32 = 23 * HOUR;

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
        let is_known = self.first > EventTime::ZERO;
        if is_known && (end <= self.first || start < self.morning.plus(SHORTEST_DAY)) {
            return;
        }
        // One that reaches into the morning may have been heard before it.
        let morning = day(start, settings, zone).and_then(|day| morning(day, settings, zone));
        if let Some(morning) = morning.filter(|morning| *morning > self.morning) {
            *self = Self { first: end, morning };
        }
    }

    /// With the other sign of life that no interval has come after.
    fn with_sign(mut self, settings: &WellTodaySettings, home: &HomeView<'_>) -> Self {
        if let Some(sign) = home.circumstances.sign.filter(|_| settings.other_signs) {
            self.hear(sign.at, sign.at.plus(1), settings, home.time_zone);
        }
        self
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
        *state = state.with_sign(settings, home);
        let is_use = matches!(interval.flow, Flow::Measured(_)) && home.usage.last_sign() > Some(interval.start);
        if is_use {
            state.hear(interval.start, interval.end, settings, home.time_zone);
        }
    }

    fn finding(settings: &WellTodaySettings, state: &WellTodayState, home: &HomeView<'_>) -> Option<Finding> {
        if !settings.enabled {
            return None;
        }
        let WellTodayState { first, morning } = state.with_sign(settings, home);
        let is_known = first > EventTime::ZERO && first <= home.now.max(home.usage.frontier());
        is_known.then(|| Finding {
            since: morning,
            detected_at: first.max(morning),
            severity: Severity::Low,
            rule: Arc::clone(&RULE),
            stages: None,
            anew_at: None,
        })
    }

    fn explain(
        settings: &WellTodaySettings,
        state: &WellTodayState,
        home: &HomeView<'_>,
        _: &OpenAlert<'_>,
        _: AlertState,
    ) -> Explanation {
        let WellTodayState { first, morning } = state.with_sign(settings, home);
        let date = |time: EventTime| home.time_zone.to_datetime(time.to_jiff()).date();
        let (day, at) = (date(morning), local_time(first, first, home.time_zone));
        let mut evidence = Map::new();
        evidence.insert("day".into(), json!(day.to_string()));
        evidence.insert("first_sign_by".into(), json!(first));
        let sign = home.circumstances.sign.filter(|sign| sign.at.plus(1) == first);
        evidence.insert("sign".into(), sign.map_or(json!("water"), |sign| json!(sign.kind)));
        let text = if day == date(home.now) {
            BothLanguages {
                en: format!("First sign of life today, by {at}."),
                zh: format!("今日{at}前已有首次活动迹象。"),
            }
        } else {
            BothLanguages {
                en: format!("First sign of life on {day}, by {at}; its readings came later."),
                zh: format!("{day}当日{at}前已有首次活动迹象，读数稍后送达。"),
            }
        };
        Explanation {
            reason: "first_sign_of_the_day",
            evidence,
            text,
        }
    }
}
