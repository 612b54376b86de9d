//! Prolonged draw: one use of water far longer than this home's longest; a tap, a bath or a shower left running.
//!
//! Method: a draw is a run of measured intervals, each with flow above the leak floor (and above what a rule asks for),
//! ended by one without. A meter that counts in coarse steps shows a run by the minute with minutes between that have none: a pause in which the
//! least flow that a rule asks for brings no more than a step is none. Water that has run evenly for a day is the floor itself: it has not
//! stopped, and is handed over to the leak. Its length and litres are held against fixed limits (as Sakaki's service and the valves of
//! Phyn state them), or against the longest draw of this home. The longest fades by a sixteenth a week, and one draw at most doubles it.
//! A draw that is reported teaches nothing, unless such draws are a habit (`habit`): a tap left on is none.
//! Units: minutes, litres. Limits: an interval with any flow counts as flow throughout, so hourly readings show several
//! short uses as one draw. So the home's own longest is kept apart for readings of a quarter of an hour or less and for coarser
//! ones, and by these a draw must be three hours longer than it.

mod settings;
#[cfg(test)]
mod tests;

pub use settings::{Condition, MAX_RULES, ProlongedDrawSettings, Rule};

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::habit::Habit;
use super::met::{Met, together};
use super::words::{figure, local_time, span_zh};
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::{Floor, Flow, Interval};
use crate::model::{AlertKind, AlertState, BothLanguages, EventTime, Explanation, Finding, HOUR, MINUTE, format_span};

/// Readings longer than this show several uses as one.
const FINE_SECONDS: u32 = 15 * MINUTE + MINUTE;
/// Readings longer than this say nothing of how long water flowed.
const LONGEST_SECONDS: u32 = HOUR + 5 * MINUTE;

/// By coarse readings a draw must be so many minutes longer than the longest.
const COARSE_MINUTES: u32 = 180;
/// The longest fades by this part a week.
const FADES_A_WEEK: u16 = 16;
const WEEK_HOURS: u32 = 7 * 24;

/// The detector of prolonged draws.
pub struct ProlongedDraw;

/// The home's longest draw, and the one that goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProlongedDrawState {
    /// The longest draw, in minutes: by coarse readings, and by fine ones.
    longest: [u16; 2],
    /// Draws that were reported and taught nothing.
    habit: Habit,
    /// Only while water flows.
    draw: Option<Box<Draw>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Draw {
    met: Met,
    /// For each rule, when the flow that it counts began, and the litres since; zero while it is less.
    runs: [(EventTime, f32); MAX_RULES],
    /// The leak as it was when the flow began: what runs on for a day raises the home's own floor.
    floor: Floor,
    /// When the first of those that were met began.
    since: EventTime,
    /// When the latest rule was met.
    detected_at: EventTime,
    /// When the intervals without flow began that may lie between two steps of the meter; zero while water is seen to flow.
    paused_since: EventTime,
    /// Whether all of it was read finely.
    is_fine: bool,
    /// It runs on as a leak.
    is_leak: bool,
}

impl Draw {
    fn on(floor: Floor) -> Self {
        Self {
            met: Met::default(),
            runs: [(EventTime::ZERO, 0.0); MAX_RULES],
            floor,
            since: EventTime::ZERO,
            detected_at: EventTime::ZERO,
            paused_since: EventTime::ZERO,
            is_fine: true,
            is_leak: false,
        }
    }
}

impl ProlongedDrawState {
    /// Minutes of the home's longest draw by fine readings or by coarse ones; a home whose readings have become finer is known by the
    /// coarse. 0 where nothing was ever drawn that the rule asks for.
    fn longest_by(&self, is_fine: bool) -> u16 {
        let [coarse, fine] = self.longest;
        if is_fine && fine > 0 { fine } else { coarse }
    }

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
                let longest = self.longest_by(is_fine);
                let own = (factor * f32::from(longest)).ceil() as u32;
                let coarse = if is_fine {
                    0
                } else {
                    u32::from(longest) + COARSE_MINUTES
                };
                after(own.max(at_least_minutes).max(coarse))
            }
        };
        met.map(|at| at.max(interval.start))
    }

    fn flow(&mut self, settings: &ProlongedDrawSettings, home: &HomeView<'_>, interval: &Interval, litres: f32) {
        let seconds = interval.seconds();
        let is_known = home.usage.routine().known_hours() >= settings.learn_days * 24;
        let floor = home.usage.floor();
        let per_hour = litres * HOUR as f32 / seconds as f32;
        // A draw that has become a leak goes on as one while no more flows than a leak brings.
        let swings = per_hour <= floor.most_litres_per_hour();
        if self.draw.as_ref().is_some_and(|draw| draw.is_leak && swings) {
            return;
        }
        let draw = self.draw.take().filter(|draw| !draw.is_leak);
        let mut draw = draw.unwrap_or_else(|| Box::new(Draw::on(*floor)));
        draw.is_fine &= seconds <= FINE_SECONDS;
        let per_hour = match std::mem::take(&mut draw.paused_since) {
            EventTime::ZERO => per_hour,
            // What flowed in the pause is counted now, or with the next step.
            since => (litres + floor.step()) * HOUR as f32 / interval.end.since(since) as f32,
        };
        for (index, rule) in settings.rules.iter().enumerate() {
            if per_hour < rule.when.least_flow() {
                self.end_run(rule, &mut draw, index, interval.start);
                continue;
            }
            if !rule.when.is_shown_by(seconds) && !draw.met.holds(index) {
                draw.runs[index] = (EventTime::ZERO, 0.0);
                continue;
            }
            let run = &mut draw.runs[index];
            if run.0 == EventTime::ZERO {
                run.0 = interval.start;
            }
            run.1 += litres;
            let run = *run;
            if draw.met.holds(index) || (rule.when.learns() && !is_known) {
                continue;
            }
            if let Some(at) = self.met_at(rule, run, interval, draw.is_fine) {
                let said = |met: Met| {
                    let said = together(settings.staged(), met);
                    said.map(|(_, rule, stages)| (rule.severity, stages))
                };
                if !draw.met.any() {
                    draw.since = run.0;
                }
                // One that is neither graver nor of a later stage is not news.
                let met = draw.met.with(index);
                if said(met) != said(draw.met) {
                    draw.detected_at = at;
                }
                draw.met = met;
            }
        }
        self.draw = Some(draw);
    }

    /// A measured interval without use ends the draw; if it only looks so because the floor has risen over it, it is a leak, and teaches
    /// nothing.
    fn dry(&mut self, settings: &ProlongedDrawSettings, interval: &Interval, litres: f32, step: f32) {
        let Some(mut draw) = self.draw.take() else { return };
        let since = match draw.paused_since {
            EventTime::ZERO => interval.start,
            since => since,
        };
        let pause = interval.end.since(since) as f32 / HOUR as f32;
        let rules = || settings.rules.iter().enumerate();
        let outlasts = |rule: &Rule| rule.when.least_flow() > 0.0 && pause * rule.when.least_flow() <= step;
        if rules().any(|(index, rule)| draw.runs[index].0 > EventTime::ZERO && outlasts(rule)) {
            for (index, rule) in rules().filter(|(_, rule)| !outlasts(rule)) {
                self.end_run(rule, &mut draw, index, since);
            }
            draw.paused_since = since;
            self.draw = Some(draw);
            return;
        }
        if draw.floor.is_use(litres, interval.seconds()) {
            (draw.is_leak, draw.met) = (true, Met::default());
            self.draw = Some(draw);
            return;
        }
        if draw.is_leak {
            return;
        }
        for (index, rule) in rules() {
            self.learn(rule, &draw, index, since);
        }
    }

    /// Ends the run of one rule within a draw that goes on by others.
    fn end_run(&mut self, rule: &Rule, draw: &mut Draw, index: usize, end: EventTime) {
        self.learn(rule, draw, index, end);
        draw.runs[index] = (EventTime::ZERO, 0.0);
        draw.met.remove(index);
    }

    /// What the run of a rule that asks for the home's longest teaches at its end.
    fn learn(&mut self, rule: &Rule, draw: &Draw, index: usize, end: EventTime) {
        let (start, _) = draw.runs[index];
        if start == EventTime::ZERO || !matches!(rule.when, Condition::Own { .. }) {
            return;
        }
        if draw.met.any() && !self.habit.is_made_by(start.hour()) {
            return;
        }
        let longest = &mut self.longest[usize::from(draw.is_fine)];
        let first = if draw.is_fine { 30 } else { COARSE_MINUTES as u16 };
        let most = longest.saturating_mul(2).max(first);
        let minutes = u16::try_from(end.since(start) / MINUTE).unwrap_or(u16::MAX);
        *longest = (*longest).max(minutes.min(most));
    }

    /// What weeks that are over do to what was learnt.
    fn pass(&mut self, hours: std::ops::Range<u32>) {
        let weeks = (hours.start / WEEK_HOURS + 1..=hours.end / WEEK_HOURS).count();
        for _ in 0..weeks.min(100) {
            self.longest = self.longest.map(|longest| longest - longest / FADES_A_WEEK);
        }
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
                    state.dry(settings, interval, litres, home.usage.floor().step());
                }
            }
            Flow::Measured(litres) if litres <= 0.0 => state.dry(settings, interval, 0.0, 0.0),
            // What flowed is not known: what was found stays, what was not begins anew.
            _ => {
                state.draw = state.draw.take().filter(|draw| draw.met.any());
                if let Some(draw) = &mut state.draw {
                    draw.paused_since = EventTime::ZERO;
                }
            }
        }
        state.pass(home.usage.completed_hours(interval));
    }

    fn finding(settings: &ProlongedDrawSettings, state: &ProlongedDrawState, _: &HomeView<'_>) -> Option<Finding> {
        let draw = state.draw.as_ref().filter(|_| settings.enabled)?;
        let (_, rule, stages) = together(settings.staged(), draw.met)?;
        Some(Finding {
            since: draw.since,
            detected_at: draw.detected_at,
            severity: rule.severity,
            rule: rule.name.clone(),
            stages: Some(stages),
            anew_at: None,
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
        let is_fine = state.draw.as_ref().map_or(state.longest[1] > 0, |draw| draw.is_fine);
        let longest = state.longest_by(is_fine);
        evidence.insert("own_longest_minutes".into(), json!(longest));
        if record == AlertState::Resolved {
            let is_over = frontier > alert.detected_at;
            let is_leak = state.draw.as_ref().is_some_and(|draw| draw.is_leak);
            let (reason, en, zh) = if is_leak {
                (
                    "goes_on_as_leak",
                    "The water has not stopped: it runs evenly, and counts as a leak from now on",
                    "用水并未停止：水流均匀持续，此后按漏水处理",
                )
            } else if is_over && state.draw.is_some() {
                (
                    "flow_fell",
                    "Less water flows than this is about, but it has not stopped",
                    "流量已降至该规则以下，但尚未停止",
                )
            } else if is_over {
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
        if longest > 0 {
            let longest = u32::from(longest) * MINUTE;
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
