//! Prolonged draw: one use of water far longer than this home's longest; a tap, a bath or a shower left running.
//!
//! Method: a draw is a run of measured intervals, each with flow above the leak floor (and above what a rule asks for),
//! ended by one without. Its length and litres are held against fixed limits (as Sakaki's service and the valves of
//! Phyn state them), or against the longest draw of this home. A draw that is reported teaches no more than
//! twice what was known, so that a new habit is learnt in a few times and a tap left on is not.
//! Units: minutes, litres. Limits: an interval with any flow counts as flow throughout, so hourly readings show several
//! short uses as one draw; the home's own longest is judged by readings of a quarter of an hour or less alone.

mod settings;
#[cfg(test)]
mod tests;

pub use settings::{Condition, MAX_RULES, ProlongedDrawSettings, Rule};

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::staged::together;
use super::words::{figure, local_time, span_zh};
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::{Flow, Interval};
use crate::model::{AlertKind, AlertState, BothLanguages, EventTime, Explanation, Finding, HOUR, MINUTE, format_span};

/// Readings longer than this show several uses as one.
const FINE_SECONDS: u32 = 15 * MINUTE + MINUTE;
/// Readings longer than this say nothing of how long water flowed.
const LONGEST_SECONDS: u32 = HOUR + 5 * MINUTE;

/// The detector of prolonged draws.
pub struct ProlongedDraw;

/// The home's longest draw, and the one that goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProlongedDrawState {
    /// The longest draw, in minutes, by fine readings.
    longest: u16,
    /// Only while water flows.
    draw: Option<Box<Draw>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Draw {
    /// Bit i: rule i is met.
    met: u8,
    /// For each rule, when the flow that it counts began, and the litres since; zero while it is less.
    runs: [(EventTime, f32); MAX_RULES],
    /// When any flow began.
    start: EventTime,
    /// When the first of those that were met began.
    since: EventTime,
    /// When the latest rule was met.
    detected_at: EventTime,
    /// Whether all of it was read finely.
    is_fine: bool,
}

impl Draw {
    fn at(start: EventTime) -> Self {
        Self {
            met: 0,
            runs: [(EventTime::ZERO, 0.0); MAX_RULES],
            start,
            since: EventTime::ZERO,
            detected_at: EventTime::ZERO,
            is_fine: true,
        }
    }
}

impl ProlongedDrawState {
    /// The moment within `interval` at which a run meets a rule, if it does by its end.
    fn met_at(&self, rule: &Rule, run: (EventTime, f32), interval: &Interval, is_fine: bool) -> Option<EventTime> {
        let (start, litres) = run;
        let after = |minutes: u32| Some(start.plus(minutes * MINUTE)).filter(|at| *at <= interval.end);
        let met = match rule.when {
            Condition::Lasting { minutes, .. } => after(minutes),
            Condition::HighFlow {
                minutes, litres: most, ..
            } => after(minutes).or_else(|| (litres >= most).then_some(interval.end)),
            Condition::LowFlow { minutes, litres: most } => after(minutes).filter(|_| litres >= most),
            Condition::Own {
                factor,
                at_least_minutes,
                ..
            } => {
                let own = (factor * f32::from(self.longest)).ceil() as u32;
                after(own.max(at_least_minutes)).filter(|_| is_fine && self.longest > 0)
            }
        };
        met.map(|at| at.max(interval.start))
    }

    fn flow(&mut self, settings: &ProlongedDrawSettings, home: &HomeView<'_>, interval: &Interval, litres: f32) {
        let seconds = interval.seconds();
        let is_known = home.usage.routine().known_hours() >= settings.learn_days * 24;
        let mut draw = self.draw.take().unwrap_or_else(|| Box::new(Draw::at(interval.start)));
        draw.is_fine &= seconds <= FINE_SECONDS;
        let per_hour = litres * HOUR as f32 / seconds as f32;
        for (index, rule) in settings.rules.iter().enumerate() {
            if per_hour < rule.when.least_flow() {
                draw.runs[index] = (EventTime::ZERO, 0.0);
                draw.met &= !(1 << index);
                continue;
            }
            let run = &mut draw.runs[index];
            if run.0 == EventTime::ZERO {
                run.0 = interval.start;
            }
            run.1 += litres;
            let run = *run;
            if draw.met & (1 << index) != 0 || (rule.when.learns() && !is_known) {
                continue;
            }
            if let Some(at) = self.met_at(rule, run, interval, draw.is_fine) {
                let said = |met: u8| {
                    let said = together(settings.staged(), met.into());
                    said.map(|(rule, stages)| (rule.severity, stages))
                };
                if draw.met == 0 {
                    draw.since = run.0;
                }
                // One that is neither graver nor of a later stage is not news.
                let met = draw.met | 1 << index;
                if said(met) != said(draw.met) {
                    draw.detected_at = at;
                }
                draw.met = met;
            }
        }
        self.draw = Some(draw);
    }

    /// A measured interval without use ends the draw, which teaches.
    fn dry(&mut self, interval: &Interval) {
        let Some(draw) = self.draw.take().filter(|draw| draw.is_fine) else {
            return;
        };
        let minutes = u16::try_from(interval.start.since(draw.start) / MINUTE).unwrap_or(u16::MAX);
        let most = if draw.met == 0 {
            u16::MAX
        } else {
            self.longest.saturating_mul(2)
        };
        self.longest = self.longest.max(minutes.min(most));
    }
}

impl Detector for ProlongedDraw {
    const KIND: AlertKind = AlertKind::ProlongedDraw;
    type Settings = ProlongedDrawSettings;
    type State = ProlongedDrawState;

    fn mistakes(settings: &ProlongedDrawSettings) -> Vec<Mistake> {
        settings.mistakes()
    }

    fn on_interval(
        settings: &ProlongedDrawSettings,
        state: &mut ProlongedDrawState,
        home: &HomeView<'_>,
        interval: &Interval,
    ) {
        match interval.flow {
            Flow::Measured(litres) if interval.seconds() <= LONGEST_SECONDS => {
                if home.usage.floor().is_use(litres, interval.seconds()) {
                    state.flow(settings, home, interval, litres);
                } else {
                    state.dry(interval);
                }
            }
            Flow::Measured(litres) if litres <= 0.0 => state.dry(interval),
            // What flowed is not known: what was found stays, what was not begins anew.
            _ => {
                if state.draw.as_ref().is_some_and(|draw| draw.met == 0) {
                    state.draw = None;
                }
            }
        }
    }

    fn finding(settings: &ProlongedDrawSettings, state: &ProlongedDrawState, _: &HomeView<'_>) -> Option<Finding> {
        let draw = state.draw.as_ref().filter(|_| settings.enabled)?;
        let (rule, stages) = together(settings.staged(), draw.met.into())?;
        Some(Finding {
            since: draw.since,
            detected_at: draw.detected_at,
            severity: rule.severity,
            rule: rule.name.clone(),
            stages: Some(stages),
        })
    }

    fn explain(
        settings: &ProlongedDrawSettings,
        state: &ProlongedDrawState,
        home: &HomeView<'_>,
        alert: &OpenAlert<'_>,
        record: AlertState,
    ) -> Explanation {
        let since = local_time(alert.since, home.now, home.time_zone);
        let frontier = home.usage.frontier();
        let lasted = frontier.since(alert.since);
        let mut evidence = Map::new();
        evidence.insert("drawing_since".into(), json!(alert.since));
        evidence.insert("minutes".into(), json!(lasted / MINUTE));
        evidence.insert("own_longest_minutes".into(), json!(state.longest));
        if record == AlertState::Resolved {
            let is_over = frontier > alert.detected_at;
            let (reason, en, zh) = if is_over {
                ("draw_ended", "The water has stopped", "用水已停止")
            } else {
                (
                    "corrected_by_late_readings",
                    "Late readings show that the water had stopped in between",
                    "补到的读数表明中间曾停水",
                )
            };
            let text = BothLanguages {
                en: format!("{en}; it had run since {since}, for at most {}.", format_span(lasted)),
                zh: format!("{zh}，自{since}起至多{}。", span_zh(lasted)),
            };
            return Explanation { reason, evidence, text };
        }
        let place = settings.rules.iter().position(|rule| *rule.name == *alert.rule);
        let litres = state
            .draw
            .as_ref()
            .zip(place)
            .map_or(0.0, |(draw, place)| draw.runs[place].1);
        evidence.insert("litres".into(), json!(litres));
        let mut text = BothLanguages {
            en: format!(
                "One use of water goes on since {since}, {}; {} L so far.",
                format_span(lasted),
                figure(litres)
            ),
            zh: format!("自{since}起持续用水{}，已用{}升。", span_zh(lasted), figure(litres)),
        };
        if state.longest > 0 {
            let longest = u32::from(state.longest) * MINUTE;
            text.en += &format!(" The longest of this home was {}.", format_span(longest));
            text.zh += &format!("该户此前最长{}。", span_zh(longest));
        }
        Explanation {
            reason: "water_left_running",
            evidence,
            text,
        }
    }
}
