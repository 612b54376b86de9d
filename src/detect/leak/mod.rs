//! Leak: a flow that does not stop, that comes back all day, that grows, or that is too much for a day.
//!
//! Method: a list of rules. Fixed ones as meters and utilities state them (no dry hour in so many, so many quarter-hours
//! of a day with flow, litres of a day), the trend of the daily floor (`trend`), and our own: hours that return to the
//! same floor more often than the home's habits explain (`steady`). A run skips a few unknown hours rather than beginning
//! anew, and a leak is over only after several dry hours, so that one that pauses does not flap.
//! Units: litres an hour, known to one step of the meter. Limits: a leak below one step of the meter an hour leaves dry hours
//! and is not found; water really used in every hour of a day looks the same; a leak that paused before it was found makes
//! the home's next one wait for more evidence, at most until the rule of 24 hours.

mod explain;
mod settings;
mod steady;
#[cfg(test)]
mod tests;
mod trend;

pub use settings::{Condition, LeakSettings, MAX_RULES, Rule};

use serde::{Deserialize, Serialize};

use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::{Interval, QUARTER, Quarter, WINDOW_HOURS};
use crate::model::{AlertKind, EventTime, Explanation, Finding, Severity};

/// From here on a leak is to be looked at within the day, in litres an hour (120 L a day).
const MEDIUM_LITRES_PER_HOUR: f32 = 5.0;
/// From here on it is to be looked at now, in litres an hour (a tap left running).
const HIGH_LITRES_PER_HOUR: f32 = 30.0;
/// A run of so many hours is a leak by any rule: what it showed is not this home's habit.
const LEAK_HOURS: u32 = 24;
/// Steps to a nat of evidence, in what is kept.
const STEPS: f32 = 256.0;
/// A later run must show more than the home's runs that came to nothing: so many times as much, and so many nats.
const MORE_THAN_SHOWN: (f32, f32) = (1.3, 3.0);
/// What the home has shown is forgotten by this part a day.
const FORGOTTEN_A_DAY: u16 = 512;

/// The detector of leaks.
pub struct Leak;

/// The runs of hours with flow, and what is open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeakState {
    /// Hours with any flow.
    flowing: Run,
    /// Hours with the flow from which a rule counts, where one does.
    counted: Run,
    /// The most evidence of a steady flow in runs that ended within a day, fading.
    shown: u16,
    /// The most evidence in the run at hand.
    showing: u16,
    /// Unknown hours at the end of the runs.
    unknown: u8,
    /// Dry hours since a rule was last fully met.
    dry: u8,
    /// Only while there is a leak, or a floor whose trend is followed.
    ongoing: Option<Box<Ongoing>>,
}

/// First hour (in 22 bits) and measured hours (in 10) of a run of hours with flow; 0 while there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Run(u32);

impl Run {
    const MOST: u32 = 1_023;

    fn hours(self) -> u32 {
        self.0 & Self::MOST
    }

    fn start(self) -> u32 {
        self.0 >> 10
    }

    fn extend(&mut self, hour: u32) {
        if self.0 == 0 {
            *self = Self(hour << 10);
        }
        if self.hours() < Self::MOST {
            self.0 += 1;
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Ongoing {
    /// Bit i: rule i is met.
    met: u16,
    /// When what the first of them met had begun.
    since: EventTime,
    /// When the latest of them was met.
    detected_at: EventTime,
    /// The floor of the run when a rule was last fully met.
    litres_per_hour: f32,
    /// Floors of the last days, newest last (`trend`).
    days: [u8; trend::MOST_DAYS],
}

impl Ongoing {
    fn is_met(&self, index: usize) -> bool {
        self.met & (1 << index) != 0
    }
}

impl LeakState {
    fn is_met(&self, index: usize) -> bool {
        self.ongoing.as_ref().is_some_and(|ongoing| ongoing.is_met(index))
    }

    fn is_open(&self) -> bool {
        self.ongoing.as_ref().is_some_and(|ongoing| ongoing.met != 0)
    }

    fn ongoing(&mut self) -> &mut Ongoing {
        self.ongoing.get_or_insert_with(|| {
            Box::new(Ongoing {
                met: 0,
                since: EventTime::ZERO,
                detected_at: EventTime::ZERO,
                litres_per_hour: 0.0,
                days: [trend::encoded(None); trend::MOST_DAYS],
            })
        })
    }

    /// Rule `index` holds at `at`, for what began at `since`.
    fn meet(&mut self, index: usize, since: EventTime, at: EventTime) {
        let ongoing = self.ongoing();
        if ongoing.is_met(index) {
            return;
        }
        if ongoing.met == 0 {
            (ongoing.since, ongoing.litres_per_hour) = (since, 0.0);
        }
        ongoing.detected_at = at;
        ongoing.met |= 1 << index;
    }

    fn unmeet(&mut self, index: usize) {
        if let Some(ongoing) = &mut self.ongoing {
            ongoing.met &= !(1 << index);
        }
    }

    /// A rule on the run at hand is fully met: the leak goes on, at this size.
    fn renew(&mut self, litres_per_hour: f32) {
        self.dry = 0;
        self.ongoing().litres_per_hour = litres_per_hour;
    }

    /// Gives the box back when there is nothing in it.
    fn tidy(&mut self) {
        let nothing = |ongoing: &Ongoing| ongoing.met == 0 && ongoing.days.iter().all(|day| trend::says_nothing(*day));
        if self.ongoing.as_deref().is_some_and(nothing) {
            self.ongoing = None;
        }
    }

    /// How much the floor surely grew in so many days, in litres an hour.
    fn growth(&self, days: u32) -> Option<f32> {
        let kept = &self.ongoing.as_ref()?.days;
        trend::growth(&kept[trend::MOST_DAYS.saturating_sub(days as usize)..])
    }

    /// Evidence that a steady flow needs in this home.
    fn needed(&self, evidence: f32) -> f32 {
        let shown = f32::from(self.shown) / STEPS;
        evidence.max(MORE_THAN_SHOWN.0 * shown + MORE_THAN_SHOWN.1)
    }
}

impl Detector for Leak {
    const KIND: AlertKind = AlertKind::Leak;
    type Settings = LeakSettings;
    type State = LeakState;

    fn mistakes(settings: &LeakSettings) -> Vec<Mistake> {
        settings.mistakes()
    }

    fn on_interval(settings: &LeakSettings, state: &mut LeakState, home: &HomeView<'_>, interval: &Interval) {
        let hours = home.usage.completed_hours(interval);
        if hours.len() > WINDOW_HOURS as usize {
            // More hours have passed at once than the window holds: none of them was measured hour by hour.
            (state.flowing, state.counted) = (Run::default(), Run::default());
        }
        for hour in hours.start.max(hours.end.saturating_sub(WINDOW_HOURS))..hours.end {
            take_hour(settings, state, home, hour);
            if (hour + 1) % 24 == 0 {
                take_day(settings, state, home, hour + 1);
            }
        }
        if interval.start.seconds() / QUARTER < home.usage.next_quarter() {
            judge_quarters(settings, state, home);
        }
        state.tidy();
    }

    fn finding(settings: &LeakSettings, state: &LeakState, _: &HomeView<'_>) -> Option<Finding> {
        let ongoing = state.ongoing.as_ref().filter(|_| settings.enabled)?;
        let met = settings
            .rules
            .iter()
            .enumerate()
            .filter(|(index, _)| ongoing.is_met(*index));
        // The gravest of the rules that are met gives its name; among equals the one named first.
        let graded = met.map(|(index, rule)| (severity(rule, ongoing.litres_per_hour), index, rule));
        let (severity, _, rule) = graded.min_by_key(|(severity, index, _)| (std::cmp::Reverse(*severity), *index))?;
        Some(Finding {
            since: ongoing.since,
            detected_at: ongoing.detected_at,
            severity,
            rule: rule.name.clone(),
            stages: None,
        })
    }

    fn explain(
        settings: &LeakSettings,
        state: &LeakState,
        home: &HomeView<'_>,
        alert: &OpenAlert<'_>,
        record: crate::model::AlertState,
    ) -> Explanation {
        explain::explain(settings, state, home, alert, record)
    }
}

fn severity(rule: &Rule, litres_per_hour: f32) -> Severity {
    rule.severity.unwrap_or(match rule.when {
        // Litres of a day say nothing of a floor.
        Condition::Daily { .. } => Severity::Medium,
        _ if litres_per_hour >= HIGH_LITRES_PER_HOUR => Severity::High,
        _ if litres_per_hour >= MEDIUM_LITRES_PER_HOUR => Severity::Medium,
        _ => Severity::Low,
    })
}

/// Rules that are judged at full hours.
fn take_hour(settings: &LeakSettings, state: &mut LeakState, home: &HomeView<'_>, hour: u32) {
    let Some(litres) = home.usage.litres(hour) else {
        state.unknown = state.unknown.saturating_add(1);
        if u32::from(state.unknown) > settings.skip_unknown_hours {
            (state.flowing, state.counted) = (Run::default(), Run::default());
        }
        return;
    };
    state.unknown = 0;
    follow_runs(settings, state, hour, litres);
    let end = EventTime::from_hour(hour + 1);
    for (index, rule) in settings.rules.iter().enumerate() {
        match rule.when {
            Condition::Continuous {
                hours,
                at_least_litres_per_hour: at_least,
                slot_minutes: 60,
            } => {
                let run = if at_least > 0.0 { state.counted } else { state.flowing };
                if run.hours() >= hours {
                    let floor = steady::floor_of_day(&steady::run(home, hour + 1, settings.skip_unknown_hours));
                    state.meet(index, EventTime::from_hour(run.start()), end);
                    state.renew(floor);
                }
            }
            Condition::Steady { hours, evidence } => {
                judge_steady(settings, state, home, (index, hour, hours, evidence))
            }
            Condition::Daily { above_litres, hours } => {
                let sum: Option<f32> = (hour + 1)
                    .checked_sub(hours)
                    .and_then(|first| (first..=hour).map(|hour| home.usage.litres(hour)).sum());
                match sum {
                    Some(sum) if sum > above_litres => state.meet(index, EventTime::from_hour(hour + 1 - hours), end),
                    Some(_) => state.unmeet(index),
                    None => {}
                }
            }
            _ => {}
        }
    }
}

/// Keeps the runs, and ends what rules on runs have begun after enough dry hours.
fn follow_runs(settings: &LeakSettings, state: &mut LeakState, hour: u32, litres: f32) {
    if litres > 0.0 {
        state.flowing.extend(hour);
    } else {
        if state.flowing.hours() < LEAK_HOURS {
            state.shown = state.shown.max(state.showing);
        }
        (state.flowing, state.showing) = (Run::default(), 0);
    }
    let counted = settings.counted_flow();
    if counted > 0.0 && litres >= counted {
        state.counted.extend(hour);
    } else {
        state.counted = Run::default();
    }
    let on_runs = |rule: &Rule| matches!(rule.when, Condition::Continuous { .. } | Condition::Steady { .. });
    let from_any_flow = |(index, rule): (usize, &Rule)| {
        let counts = matches!(rule.when, Condition::Continuous { at_least_litres_per_hour, .. } if at_least_litres_per_hour > 0.0);
        on_runs(rule) && !counts && state.is_met(index)
    };
    let is_wet = litres > 0.0 && (litres >= counted || settings.rules.iter().enumerate().any(from_any_flow));
    if is_wet || !state.is_open() {
        return;
    }
    state.dry = state.dry.saturating_add(1);
    if u32::from(state.dry) >= settings.clear_after_dry_hours {
        for (index, _) in settings.rules.iter().enumerate().filter(|(_, rule)| on_runs(rule)) {
            state.unmeet(index);
        }
    }
}

fn judge_steady(
    settings: &LeakSettings,
    state: &mut LeakState,
    home: &HomeView<'_>,
    (index, hour, hours, evidence): (usize, u32, u32, f32),
) {
    if state.flowing.hours() < hours {
        return;
    }
    let run = steady::run(home, hour + 1, settings.skip_unknown_hours);
    if state.is_met(index) && state.flowing.hours() >= LEAK_HOURS {
        return state.renew(steady::floor_of_day(&run));
    }
    let Some(best) = steady::best(home, &run, hours as usize) else {
        return;
    };
    state.showing = state
        .showing
        .max((best.evidence * STEPS).min(f32::from(u16::MAX)) as u16);
    // What was found goes on by the plain measure: the home's own is there to find the first.
    let is_met = state.is_met(index);
    if best.evidence >= if is_met { evidence } else { state.needed(evidence) } {
        state.meet(index, EventTime::from_hour(best.start), EventTime::from_hour(hour + 1));
        state.renew(best.floor);
    }
}

/// What the home has shown fades, and the floor of the day that ended goes into the trend.
fn take_day(settings: &LeakSettings, state: &mut LeakState, home: &HomeView<'_>, before: u32) {
    state.shown -= state.shown.div_ceil(FORGOTTEN_A_DAY);
    if !settings.has_growing() {
        return;
    }
    let hours: Vec<f32> = (before.saturating_sub(24)..before)
        .filter_map(|hour| home.usage.litres(hour))
        .collect();
    let is_known = hours.len() >= 18;
    let floor = is_known.then(|| hours.iter().copied().fold(f32::INFINITY, f32::min));
    if state.ongoing.is_none() && floor.is_none_or(|floor| floor <= 0.0) {
        return;
    }
    let ongoing = state.ongoing();
    ongoing.days.rotate_left(1);
    ongoing.days[trend::MOST_DAYS - 1] = trend::encoded(floor);
    if !is_known {
        return; // A gap moves nothing.
    }
    for (index, rule) in settings.rules.iter().enumerate() {
        let Condition::Growing {
            days: of,
            by_litres_per_hour,
        } = rule.when
        else {
            continue;
        };
        if state.growth(of).is_some_and(|growth| growth >= by_litres_per_hour) {
            let first = EventTime::from_hour(before.saturating_sub(24 * of));
            state.meet(index, first, EventTime::from_hour(before));
            if let Some(ongoing) = &mut state.ongoing {
                ongoing.litres_per_hour = ongoing.litres_per_hour.max(floor.unwrap_or(0.0));
            }
        } else {
            state.unmeet(index);
        }
    }
}

/// Rules on quarter-hours, on those that are complete now.
fn judge_quarters(settings: &LeakSettings, state: &mut LeakState, home: &HomeView<'_>) {
    let next = home.usage.next_quarter();
    let at = EventTime::from_seconds(next * QUARTER);
    for (index, rule) in settings.rules.iter().enumerate() {
        match rule.when {
            Condition::Continuous {
                hours, slot_minutes, ..
            } if slot_minutes < 60 => {
                let of = hours * 4;
                if no_dry_slot(home, slot_minutes / 15, of) {
                    state.meet(index, EventTime::from_seconds((next - of) * QUARTER), at);
                    let floor = home.usage.floor().litres_per_hour();
                    state.renew(floor);
                }
            }
            Condition::Intermittent { at_least, at_most, of } => match home.usage.quarters_used(of) {
                Some(used) if (at_least..=at_most).contains(&used) => {
                    state.meet(index, EventTime::from_seconds((next - of) * QUARTER), at);
                }
                Some(_) => state.unmeet(index),
                None => {}
            },
            _ => {}
        }
    }
}

/// Whether each of the slots of so many quarter-hours, among the last `of` of them, had flow.
fn no_dry_slot(home: &HomeView<'_>, quarters: u32, of: u32) -> bool {
    let next = home.usage.next_quarter();
    if !next.is_multiple_of(quarters) || next < of {
        return false; // In the middle of a half-hour.
    }
    (next - of..next).step_by(quarters as usize).all(|slot| {
        let mut all_near = quarters > 1;
        let mut any = false;
        for quarter in (slot..slot + quarters).map(|quarter| home.usage.quarter(quarter)) {
            any |= quarter == Quarter::Used;
            all_near &= quarter == Quarter::UsedNearby;
        }
        any || all_near
    })
}
