//! Leak: a flow that does not stop, that comes back all day, that grows, or that is too much for a day.
//!
//! Method: a list of rules. Fixed ones as meters and utilities state them (no dry hour in so many, so many quarter-hours
//! of a day with flow, litres of a day), the trend of the daily floor (`trend`), and our own: hours that return to the
//! same floor more often than the home's habits explain (`steady`). A run skips a few unknown hours rather than beginning
//! anew, and a leak is over only after several dry hours, so that one that pauses does not flap. Hours in which an appliance
//! ran by itself say nothing.
//! Units: litres an hour, known to one step of the meter. Limits: a leak below one step of the meter an hour leaves dry hours
//! and is not found; water really used in every hour of a day looks the same; a leak that paused before it was found makes
//! the home's next one wait for more evidence, at most until the rule of 24 hours.

#[cfg(test)]
mod appliance_tests;
mod explain;
mod settings;
mod state;
mod steady;
#[cfg(test)]
mod tests;
mod trend;

pub use settings::{Condition, LeakSettings, MAX_RULES, MAX_RUNS, Rule, RunOf};
pub use state::LeakState;

use state::{News, OF_SLOTS};

use super::met::gravest;
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::{Flow, Interval, QUARTER, Quarter, WINDOW_HOURS};
use crate::model::{AlertKind, EventTime, Explanation, Finding, Severity};

/// From here on a leak is to be looked at within the day, in litres an hour (120 L a day).
const MEDIUM_LITRES_PER_HOUR: f32 = 5.0;
/// From here on it is to be looked at now, in litres an hour (a tap left running).
const HIGH_LITRES_PER_HOUR: f32 = 30.0;
/// A run of so many hours is a leak by any rule: what it showed is not this home's habit.
const LEAK_HOURS: u32 = 24;
/// A leak is followed after a day, and so is what it grew by. One that is not shows no longer pause in two; people sleep longer.
const HIDING_HOURS: u32 = 48;
const HIDING_PAUSE: u32 = 3;
/// A count or a sum is over only below this share of its bound, so that one that hovers about it does not flap.
const OVER_BELOW: f32 = 0.8;
/// Of the quarter-hours that a rule counts one in so many may be unknown; whatever they were, its bounds must hold.
const FEW: u32 = 12;
/// Litres are summed in whole hundredths: a sum of exactly the bound is not more than it.
const HUNDREDTHS: f32 = 100.0;

/// The detector of leaks.
pub struct Leak;

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
            (0..MAX_RUNS).for_each(|place| state.end_run(place));
            state.shown(false);
        }
        for hour in hours.start.max(hours.end.saturating_sub(WINDOW_HOURS))..hours.end {
            take_hour(settings, state, home, hour);
            if (hour + 1) % 24 == 0 {
                let is_measured = matches!(interval.flow, Flow::Measured(_));
                take_day(settings, state, home, hour + 1, is_measured);
            }
        }
        let completes = interval.start.seconds() / QUARTER < home.usage.next_quarter();
        if completes && matches!(interval.flow, Flow::Measured(_)) {
            judge_quarters(settings, state, home);
        }
        state.tidy();
    }

    fn finding(settings: &LeakSettings, state: &LeakState, _: &HomeView<'_>) -> Option<Finding> {
        let ongoing = state.ongoing.as_ref().filter(|_| settings.enabled)?;
        let met = ongoing.met.of(settings.rules.iter());
        let (severity, rule) = gravest(met.map(|(_, rule)| (severity(rule, ongoing.litres_per_hour), rule)))?;
        Some(Finding {
            since: ongoing.since,
            detected_at: ongoing.detected_at,
            severity,
            rule: rule.name.clone(),
            stages: None,
            anew_at: ongoing.news.map(|(News::Grew(at, _) | News::HidesUses(at))| at),
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
        _ => size_class(litres_per_hour),
    })
}

/// How grave a leak of this size is.
fn size_class(litres_per_hour: f32) -> Severity {
    match litres_per_hour {
        size if size >= HIGH_LITRES_PER_HOUR => Severity::High,
        size if size >= MEDIUM_LITRES_PER_HOUR => Severity::Medium,
        _ => Severity::Low,
    }
}

/// Rules that are judged at full hours.
fn take_hour(settings: &LeakSettings, state: &mut LeakState, home: &HomeView<'_>, hour: u32) {
    if home.usage.appliance_ran(hour) {
        return; // Neither wet nor dry.
    }
    let runs = settings.runs();
    let Some(litres) = home.usage.litres(hour) else {
        let unknown = state.skip();
        for (place, _) in runs.iter().enumerate().filter(|(_, run)| unknown > run.skips) {
            state.end_run(place);
        }
        return;
    };
    state.know();
    follow_runs(settings, &runs, state, home, (hour, litres));
    let end = EventTime::from_hour(hour + 1);
    for (index, rule) in settings.rules.iter().enumerate() {
        match rule.when {
            Condition::Continuous { hours, .. } => {
                let Some((place, run)) = rule.run().and_then(|run| Some((place(&runs, run)?, run))) else {
                    continue; // On parts of an hour.
                };
                if state.run(place).hours() >= hours {
                    let floor = steady::floor_of_day(&steady::run(home, hour + 1, run));
                    state.meet(index, EventTime::from_hour(state.run(place).start()), end);
                    state.renew(place, floor);
                }
            }
            Condition::Steady { hours, evidence } => {
                if let Some((place, run)) = rule.run().and_then(|run| Some((place(&runs, run)?, run)))
                    && state.run(place).hours() >= hours
                {
                    judge_steady(state, home, hour, (index, place, run), (hours, evidence));
                }
            }
            Condition::Daily { above_litres, hours } => {
                let most = (above_litres * HUNDREDTHS).round() as u64;
                match hundredths(home, hours, hour + 1) {
                    Some(sum) if sum > most => state.meet(index, EventTime::from_hour(hour + 1 - hours), end),
                    Some(sum) if (sum as f32) < OVER_BELOW * most as f32 => state.unmeet(index),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    // Its own size is that of a day after the first, which may hold hours from before it.
    if state.settled_from().is_some_and(|from| hour + 1 >= from + LEAK_HOURS) {
        state.follow_size(end);
    }
    if hiding_pause(state, home, hour + 1).is_some() {
        state.hide_uses(end);
    }
}

/// The longest pause in hours between what flowed above a leak that is followed by now, in the [`HIDING_HOURS`] hours before hour `before`,
/// where it is so short that it may have been the leak: nobody uses water so often, and whoever does not is not missed.
fn hiding_pause(state: &LeakState, home: &HomeView<'_>, before: u32) -> Option<u32> {
    let first = before.saturating_sub(HIDING_HOURS);
    if first < state.settled_from()? {
        return None;
    }
    let (mut longest, mut pause) = (0, 0);
    for hour in first..before {
        let is_used = home.usage.routine().used(hour) == Some(true);
        pause = if is_used { 0 } else { pause + 1 };
        longest = longest.max(pause);
    }
    (longest <= HIDING_PAUSE).then_some(longest)
}

/// The place of a kind of run among those that are kept.
fn place(runs: &[RunOf], run: RunOf) -> Option<usize> {
    runs.iter()
        .position(|kept| *kept == run)
        .filter(|place| *place < MAX_RUNS)
}

/// Litres of so many hours before hour `before`, in hundredths; `None` where one is not wholly measured.
fn hundredths(home: &HomeView<'_>, hours: u32, before: u32) -> Option<u64> {
    let of_hour = |hour| Some((home.usage.litres(hour)? * HUNDREDTHS).round() as u64);
    (before.checked_sub(hours)?..before).map(of_hour).sum()
}

/// Keeps the runs, and ends what rules on runs have begun after enough dry hours.
fn follow_runs(
    settings: &LeakSettings,
    runs: &[RunOf],
    state: &mut LeakState,
    home: &HomeView<'_>,
    (hour, litres): (u32, f32),
) {
    for (place, run) in runs.iter().enumerate().take(MAX_RUNS) {
        if run.is_wet(litres) {
            state.extend(place, hour);
            continue;
        }
        if run.at_least <= 0.0 {
            state.shown(!is_leak(state, home, place, hour));
        }
        state.end_run(place);
    }
    if !state.is_open() {
        return;
    }
    let any_flow = RunOf {
        at_least: 0.0,
        skips: 0,
    };
    let of_runs = runs.iter().copied().enumerate().take(MAX_RUNS);
    for (at, run) in of_runs.chain([(OF_SLOTS, any_flow)]) {
        if run.is_wet(litres) {
            continue;
        }
        let dry = state.dry(at);
        for (index, rule) in settings.rules.iter().enumerate() {
            let is_on_run = match rule.run() {
                Some(run) => place(runs, run) == Some(at),
                None => at == OF_SLOTS && matches!(rule.when, Condition::Continuous { .. }),
            };
            if is_on_run && dry >= rule.clear_after_dry_hours {
                state.unmeet(index);
            }
        }
    }
}

/// Whether the run at `place`, which dry hour `hour` ends, was a leak by any rule. One that was reported may have been cut by hours
/// that are not known.
fn is_leak(state: &LeakState, home: &HomeView<'_>, place: usize, hour: u32) -> bool {
    let across_gaps = RunOf {
        at_least: 0.0,
        skips: WINDOW_HOURS,
    };
    let is_cut = || {
        steady::run(home, hour, across_gaps)
            .last()
            .is_some_and(|(first, _)| hour - first >= LEAK_HOURS)
    };
    state.run(place).hours() >= LEAK_HOURS || state.is_open() && is_cut()
}

fn judge_steady(
    state: &mut LeakState,
    home: &HomeView<'_>,
    hour: u32,
    (index, place, run): (usize, usize, RunOf),
    (hours, evidence): (u32, f32),
) {
    let (is_met, end) = (state.is_met(index), EventTime::from_hour(hour + 1));
    let at_hand = steady::run(home, hour + 1, run);
    if is_met && state.run(place).hours() >= LEAK_HOURS {
        return state.renew(place, steady::floor_of_day(&at_hand));
    }
    let Some(best) = steady::best(home, &at_hand, hours as usize) else {
        return;
    };
    if !is_met {
        // Learning stops while the leak is open: what it goes on to show makes no later one wait.
        state.show(best.evidence);
    }
    // What was found goes on by the plain measure: the home's own is there to find the first.
    if best.evidence >= if is_met { evidence } else { state.needed(evidence) } {
        state.meet(index, EventTime::from_hour(best.start), end);
        state.renew(place, best.floor);
    }
}

/// What the home has shown fades, and the floor of the day that ended goes into the trend.
fn take_day(settings: &LeakSettings, state: &mut LeakState, home: &HomeView<'_>, before: u32, is_measured: bool) {
    state.fade();
    if !settings.has_growing() {
        return;
    }
    let (mut known, mut least) = (0, f32::INFINITY);
    let of_leaks = (before.saturating_sub(24)..before).filter(|hour| !home.usage.appliance_ran(*hour));
    for litres in of_leaks.filter_map(|hour| home.usage.litres(hour)) {
        (known, least) = (known + 1, least.min(litres));
    }
    let floor = (known >= 18).then_some(least);
    state.take_floor(floor);
    let Some(floor) = floor.filter(|_| is_measured) else {
        return; // A gap moves nothing.
    };
    for (index, rule) in settings.rules.iter().enumerate() {
        let Condition::Growing {
            days,
            by_litres_per_hour: by,
        } = rule.when
        else {
            continue;
        };
        if state.is_met(index) {
            // It stays one while it runs at its peak, and is over when half of what it grew by is gone.
            let was = state.before();
            if floor < was + by / 2.0 {
                state.unmeet(index);
            } else {
                state.grew(was, floor);
            }
        } else if state.growth(days).is_some_and(|growth| growth.low >= by) {
            let first = EventTime::from_hour(before.saturating_sub(24 * days));
            let was = state.least_floor(days);
            state.meet(index, first, EventTime::from_hour(before));
            state.grew(was, floor);
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
                    state.renew(OF_SLOTS, home.usage.floor().litres_per_hour());
                }
            }
            Condition::Intermittent { at_least, at_most, of } => {
                let Some((used, unknown)) = quarters(home, of) else {
                    continue;
                };
                if used >= at_least && used + unknown <= at_most {
                    state.meet(index, EventTime::from_seconds((next - of) * QUARTER), at);
                } else if ((used + unknown) as f32) < OVER_BELOW * at_least as f32 {
                    state.unmeet(index);
                }
            }
            _ => {}
        }
    }
}

/// How many of the last quarter-hours had flow, and of how many that is not known; `None` where these are too many.
fn quarters(home: &HomeView<'_>, of: u32) -> Option<(u32, u32)> {
    let next = home.usage.next_quarter();
    let first = next
        .checked_sub(of)
        .filter(|first| first / 4 >= home.usage.routine().first_hour())?;
    let (mut used, mut unknown) = (0, 0);
    for slot in first..next {
        match home.usage.quarter(slot) {
            Quarter::Used => used += 1,
            Quarter::Dry => {}
            Quarter::UsedNearby | Quarter::Unknown => unknown += 1,
        }
    }
    (unknown * FEW <= of).then_some((used, unknown))
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
