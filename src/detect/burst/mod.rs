//! Burst: a flow far greater than a home's taps can take.
//!
//! Method: the flow of each measured interval, against a share of the meter's permanent flow rate Q3 (ISO 4064-1; 5, 10 or 20 % for 30
//! minutes, as in the meters of Kamstrup), or against this home's own peak: of the greatest hour of each day, the second
//! greatest. So one glitch or one filled pool moves nothing, and a habit is known when it comes on a second day. The peak fades by half
//! a percent a day; no hour above Q3 and no hour of a flow that is reported is taken into it, but
//! where such flows are a habit (`habit`): a garden is watered again and again at its hour.
//! Units: litres an hour. Limits: an interval shows its mean, so with hourly readings half an hour of flow looks half as
//! great; readings longer than two hours say nothing. A home with a garden hides a burst of the hose's size.

mod settings;
#[cfg(test)]
mod tests;

pub use settings::{BurstSettings, Condition, MAX_RULES, Rule};

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::habit::Habit;
use super::met::{Met, gravest};
use super::words::{figure, local_time, span_zh};
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::{Flow, Interval, WINDOW_HOURS};
use crate::model::{AlertKind, AlertState, BothLanguages, EventTime, Explanation, Finding, HOUR, MINUTE, format_span};

/// Readings longer than this do not say how fast water flowed.
const LONGEST_SECONDS: u32 = 2 * HOUR;
/// Meters' clocks jitter: a stretch may be shorter by a tenth of an interval, up to so many seconds.
const MOST_SLACK: u32 = 2 * MINUTE;
/// A leak of less than this share of the limit is none of a burst.
const DRIP_SHARE: f32 = 0.5;
/// The peak fades by this part a day.
const FADES_A_DAY: u16 = 200;

/// The detector of bursts.
pub struct Burst;

/// The home's peak, and what flows now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BurstState {
    /// The greatest hour, in litres, and the greatest of all other days; both fade.
    peaks: [u16; 2],
    /// The day of the greatest, counted from 1970.
    day: u16,
    /// Bursts that were reported and taught nothing.
    habit: Habit,
    /// Only while a flow is high.
    high: Option<Box<High>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct High {
    met: Met,
    /// Dry hours in a row.
    dry: u8,
    /// The greatest hour of it, in litres.
    peak: u16,
    /// When the flow of each rule began; zero while it is lower.
    starts: [EventTime; MAX_RULES],
    /// When the first of the flows that were met began.
    since: EventTime,
    /// When the latest rule was met.
    detected_at: EventTime,
}

/// The permanent flow rate of the home's meter, in litres an hour.
fn q3(settings: &BurstSettings, home: &HomeView<'_>) -> f32 {
    let own = home.circumstances.q3_litres_per_hour;
    own.unwrap_or(settings.q3_litres_per_hour)
}

impl BurstState {
    /// The home's peak, in litres an hour.
    fn peak(&self) -> u16 {
        self.peaks[1]
    }

    /// Takes an hour of so many litres, on `day`, into the peak.
    fn learn(&mut self, litres: u16, day: u16) {
        let [greatest, second] = self.peaks;
        if day == self.day {
            self.peaks[0] = greatest.max(litres);
        } else if litres > greatest {
            (self.peaks, self.day) = ([litres, greatest], day);
        } else {
            self.peaks[1] = second.max(litres);
        }
    }

    /// The flow from which a rule counts; `None` before the home's peak is known.
    fn limit(&self, settings: &BurstSettings, rule: &Rule, home: &HomeView<'_>) -> Option<f32> {
        match rule.when {
            Condition::ShareOfQ3 { percent, .. } => Some(q3(settings, home) * percent / 100.0),
            Condition::OwnPeak {
                times,
                at_least_litres_per_hour,
                ..
            } => {
                let known = home.usage.routine().known_hours() >= settings.learn_hours;
                known.then(|| at_least_litres_per_hour.max(times * f32::from(self.peak())))
            }
        }
    }

    /// Takes the flow of a measured stretch against each rule.
    fn judge(&mut self, settings: &BurstSettings, home: &HomeView<'_>, interval: &Interval, litres: f32) {
        let flow = litres * HOUR as f32 / interval.seconds() as f32;
        let slack = (interval.seconds() / 10).min(MOST_SLACK);
        for (index, rule) in settings.rules.iter().enumerate() {
            let is_high = self.limit(settings, rule, home).is_some_and(|limit| flow >= limit);
            if !is_high {
                if let Some(high) = &mut self.high {
                    high.starts[index] = EventTime::ZERO;
                }
                continue;
            }
            let high = self.high.get_or_insert_default();
            if high.starts[index] == EventTime::ZERO {
                high.starts[index] = interval.start;
            }
            let start = high.starts[index];
            if interval.end.since(start) + slack < rule.when.minutes() * MINUTE || high.met.holds(index) {
                continue;
            }
            if !high.met.any() {
                high.since = start;
            }
            high.detected_at = interval.end;
            high.met.add(index);
        }
    }

    /// Takes a full hour: into the peak, and towards the end of what is high.
    fn take_hour(&mut self, settings: &BurstSettings, home: &HomeView<'_>, hour: u32) {
        if (hour + 1).is_multiple_of(24) {
            self.peaks = self.peaks.map(|peak| peak - peak.div_ceil(FADES_A_DAY));
        }
        let Some(litres) = home.usage.litres(hour) else { return };
        let day = (hour / 24) as u16;
        let rounded = litres.min(q3(settings, home)).round() as u16;
        let Some(high) = &self.high else {
            return self.learn(rounded, day);
        };
        let rules = settings.rules.iter().enumerate();
        let met = rules.filter(|(index, _)| !high.met.any() || high.met.holds(*index));
        let limits = met.filter_map(|(_, rule)| self.limit(settings, rule, home));
        let limit = limits.fold(f32::MAX, f32::min);
        let floor = home.usage.floor();
        // A drip that goes on is no burst; a burst that has run for a day is no drip, nor is it one at its least.
        let is_leak_alone = floor.litres_per_hour() < DRIP_SHARE * limit && !floor.is_use(litres, HOUR);
        let is_dry = is_leak_alone || litres <= settings.dry_percent / 100.0 * limit;
        let Some(high) = &mut self.high else { return };
        high.peak = high.peak.max(rounded);
        high.dry = if is_dry { high.dry.saturating_add(1) } else { 0 };
        let flows = high.starts.iter().any(|start| *start > EventTime::ZERO);
        if !high.met.any() && !flows {
            let peak = high.peak;
            self.high = None;
            self.learn(peak, day);
        } else if high.met.any() && u32::from(high.dry) >= settings.clear_after_dry_hours {
            let (peak, began) = (high.peak, high.since.hour());
            self.high = None;
            if self.habit.is_made_by(began) {
                self.peaks = self.peaks.map(|known| known.max(peak));
            }
        }
    }
}

impl Detector for Burst {
    const KIND: AlertKind = AlertKind::Burst;
    type Settings = BurstSettings;
    type State = BurstState;

    fn mistakes(settings: &BurstSettings) -> Vec<Mistake> {
        settings.mistakes()
    }

    fn on_interval(settings: &BurstSettings, state: &mut BurstState, home: &HomeView<'_>, interval: &Interval) {
        match interval.flow {
            Flow::Measured(litres) if interval.seconds() <= LONGEST_SECONDS => {
                state.judge(settings, home, interval, litres);
            }
            // What flowed is not known: a flow that began before does not go on across it.
            _ => {
                if let Some(high) = &mut state.high {
                    high.starts = Default::default();
                }
            }
        }
        let hours = home.usage.completed_hours(interval);
        for hour in hours.start.max(hours.end.saturating_sub(WINDOW_HOURS))..hours.end {
            state.take_hour(settings, home, hour);
        }
    }

    fn finding(settings: &BurstSettings, state: &BurstState, _: &HomeView<'_>) -> Option<Finding> {
        let high = state.high.as_ref().filter(|_| settings.enabled)?;
        let met = high.met.of(settings.rules.iter());
        let (_, rule) = gravest(met.map(|(_, rule)| (rule.severity, rule)))?;
        Some(Finding {
            since: high.since,
            detected_at: high.detected_at,
            severity: rule.severity,
            rule: rule.name.clone(),
            stages: None,
            anew_at: None,
        })
    }

    fn explain(
        settings: &BurstSettings,
        state: &BurstState,
        home: &HomeView<'_>,
        alert: &OpenAlert<'_>,
        record: AlertState,
    ) -> Explanation {
        let rule = settings.rules.iter().find(|rule| *rule.name == *alert.rule);
        let limit = rule.and_then(|rule| state.limit(settings, rule, home));
        let lasted = home.usage.frontier().since(alert.since);
        let since = local_time(alert.since, home.now, home.time_zone);
        let mut evidence = Map::new();
        evidence.insert("rule_minutes".into(), json!(rule.map(|rule| rule.when.minutes())));
        evidence.insert("rule_litres_per_hour".into(), json!(limit));
        evidence.insert("own_peak_litres_per_hour".into(), json!(state.peak()));
        evidence.insert("lasted_hours".into(), json!(lasted as f32 / HOUR as f32));
        if record == AlertState::Resolved {
            let text = BothLanguages {
                en: format!(
                    "The great flow since {since} is over, after at most {}.",
                    format_span(lasted)
                ),
                zh: format!("自{since}起的大流量已结束，至多{}。", span_zh(lasted)),
            };
            let reason = "great_flow_ended";
            return Explanation { reason, evidence, text };
        }
        let first = alert
            .since
            .hour()
            .max(home.usage.next_hour().saturating_sub(WINDOW_HOURS));
        let hours: Vec<f32> = (first..home.usage.next_hour())
            .filter_map(|hour| home.usage.litres(hour))
            .collect();
        evidence.insert("litres_since".into(), json!(hours.iter().sum::<f32>()));
        let (least, peak) = (figure(limit.unwrap_or(0.0)), state.peak());
        let mut text = BothLanguages {
            en: format!(
                "Since {since} water flows at {least} L/h or more, {}.",
                format_span(lasted)
            ),
            zh: format!("自{since}起流量不低于{least}升/小时，已{}。", span_zh(lasted)),
        };
        if peak > 0 {
            text.en += &format!(" The home's peak hour before was {peak} L.");
            text.zh += &format!("该户此前高峰小时用水{peak}升。");
        }
        let reason = "great_flow";
        Explanation { reason, evidence, text }
    }
}
