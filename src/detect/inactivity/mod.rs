//! Inactivity: no sign of life for longer than is ordinary.
//!
//! Method: fixed rules as the services of today state them (hours without use, litres in a window, bands of the day),
//! and a learned one by optimal stopping over the home's own spells (see `learned`).
//! Units: hours of measured dry time. A sign of life is flow above the leak floor. A gap neither raises nor clears: the
//! dry time counts from the end of the gap, and what was already met stays met.
//! Limits: rules of litres and bands are judged at full UTC hours.

mod bands;
mod explain;
pub mod learned;
mod settings;

#[cfg(test)]
mod tests;

pub use settings::{Condition, InactivitySettings, Learned, MAX_LEARNED, MAX_RULES, Rule};

use serde::{Deserialize, Serialize};

use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::Interval;
use crate::model::{AlertKind, AlertState, Band, EventTime, Explanation, Finding, HOUR};

/// The detector of inactivity.
pub struct Inactivity;

/// Which rules are met, and the deadline of the spell that goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InactivityState {
    /// Bit i: rule i is met.
    met: u16,
    /// Bit i: rule i would be met if this home had been learnt.
    shadow: u16,
    /// Thresholds of the learned rules, in their order, for the spell at hand, in hours.
    threshold_hours: [u8; MAX_LEARNED],
    /// The start of the spell it was computed for.
    threshold_for: EventTime,
    /// When the dry time of the first rule met began.
    since: EventTime,
    /// When the latest of the met rules was met.
    detected_at: EventTime,
}

impl InactivityState {
    fn meet(&mut self, index: usize, since: EventTime, detected_at: EventTime) {
        if self.met == 0 {
            self.since = since;
        }
        self.detected_at = detected_at;
        self.met |= 1 << index;
    }

    fn is_met(&self, index: usize) -> bool {
        self.met & (1 << index) != 0
    }
}

impl Detector for Inactivity {
    const KIND: AlertKind = AlertKind::Inactivity;
    type Settings = InactivitySettings;
    type State = InactivityState;

    fn mistakes(settings: &InactivitySettings) -> Vec<Mistake> {
        settings.mistakes()
    }

    fn on_interval(
        settings: &InactivitySettings,
        state: &mut InactivityState,
        home: &HomeView<'_>,
        interval: &Interval,
    ) {
        judge_full_hours(settings, state, home, interval);
        // After the hours that ended: a sign of life in what came since them ends what they began.
        let excused = home.excused_until();
        if home.usage.last_sign().is_some_and(|sign| sign > interval.start)
            || (state.met | state.shadow) != 0 && state.since < excused
        {
            for (index, rule) in settings.rules.iter().enumerate() {
                if !matches!(rule.when, Condition::FewLitres { .. }) || state.since < excused {
                    state.met &= !(1 << index);
                }
                state.shadow &= !(1 << index);
            }
        }
        judge_spell(settings, state, home, interval);
    }

    fn finding(settings: &InactivitySettings, state: &InactivityState, home: &HomeView<'_>) -> Option<Finding> {
        if state.since < home.excused_until() {
            return None; // What was met then says nothing any more.
        }
        let met = settings
            .rules
            .iter()
            .enumerate()
            .filter(|(index, _)| state.is_met(*index));
        // The gravest of the rules that are met gives its name; among equals the one named first.
        let (_, rule) = met.min_by_key(|(index, rule)| (std::cmp::Reverse(rule.severity), *index))?;
        let (since, detected_at) = (state.since, state.detected_at);
        Some(Finding {
            since,
            detected_at,
            severity: rule.severity,
            rule: rule.name.clone(),
            stage: Some(rule.stage),
        })
    }

    fn shadow(state: &InactivityState) -> u16 {
        state.shadow
    }

    fn explain(
        settings: &InactivitySettings,
        state: &InactivityState,
        home: &HomeView<'_>,
        alert: &OpenAlert<'_>,
        record: AlertState,
    ) -> Explanation {
        explain::explain(settings, state, home, alert, record)
    }
}

/// Rules on the length of the dry spell at hand.
fn judge_spell(settings: &InactivitySettings, state: &mut InactivityState, home: &HomeView<'_>, interval: &Interval) {
    let Some(since) = home.dry_since() else { return };
    let (dry, learnt) = (home.usage.frontier().since(since), has_learned(settings, home));
    for (index, rule) in settings.rules.iter().enumerate() {
        if state.is_met(index) {
            continue;
        }
        let needed = match rule.when {
            Condition::NoUse { .. } => rule.no_use_seconds().filter(|seconds| dry >= *seconds),
            Condition::Learned(_) => learned_seconds(settings, state, home, since, index),
            _ => None,
        };
        let Some(needed) = needed.filter(|needed| dry >= *needed) else {
            continue;
        };
        if rule.until_learned && learnt {
            continue;
        }
        if matches!(rule.when, Condition::Learned(_)) && !learnt {
            state.shadow |= 1 << index;
            continue;
        }
        // Met within this interval, however long the spell may turn out to have been.
        let met_at = since.plus(needed).clamp(interval.start, interval.end);
        state.meet(index, since, met_at);
    }
}

/// The threshold of the learned rule at `index` for the spell begun at `since`. Those of all learned rules are computed
/// once a spell, and only for spells that last.
fn learned_seconds(
    settings: &InactivitySettings,
    state: &mut InactivityState,
    home: &HomeView<'_>,
    since: EventTime,
    index: usize,
) -> Option<u32> {
    if home.usage.frontier().since(since) < learned::FIRST_HOURS as u32 * HOUR {
        return None;
    }
    if state.threshold_for != since {
        let lambdas = settings.learned().map(|(_, learned)| learned.lambda());
        let hours = learned::thresholds(home.usage.routine(), since.hour(), home.time_zone, lambdas);
        for (place, hours) in state.threshold_hours.iter_mut().zip(hours) {
            *place = hours.min(255) as u8;
        }
        state.threshold_for = since;
    }
    let place = settings.learned().position(|(of, _)| of == index)?;
    Some(u32::from(*state.threshold_hours.get(place)?) * HOUR)
}

fn has_learned(settings: &InactivitySettings, home: &HomeView<'_>) -> bool {
    home.usage.routine().known_hours() >= settings.learn_hours
}

/// Rules that are judged at full hours: litres in a window, and bands.
fn judge_full_hours(
    settings: &InactivitySettings,
    state: &mut InactivityState,
    home: &HomeView<'_>,
    interval: &Interval,
) {
    let hours = home.usage.completed_hours(interval);
    let by_hours = |rule: &Rule| matches!(rule.when, Condition::FewLitres { .. } | Condition::Bands { .. });
    if !settings.rules.iter().any(by_hours) {
        return;
    }
    for hour in hours.start.max(hours.end.saturating_sub(24))..hours.end {
        let end = EventTime::from_hour(hour + 1);
        for (index, rule) in settings.rules.iter().enumerate() {
            let met = match &rule.when {
                Condition::FewLitres { below, hours } => {
                    let litres = home.usage.litres_above_floor(*hours, hour + 1);
                    litres.map(|litres| (litres < *below, end.minus(hours * HOUR)))
                }
                Condition::Bands { bands, all } => judge_bands(bands, *all, hour, home).map(|since| (true, since)),
                _ => None,
            };
            match met {
                Some((true, _)) if state.is_met(index) || (rule.until_learned && has_learned(settings, home)) => {}
                Some((true, since)) => state.meet(index, since, end),
                Some((false, _)) => state.met &= !(1 << index),
                None => {}
            }
        }
    }
}

/// Since when it was dry, if a band that ends with UTC hour `hour` (and, with `all`, the latest of every other) was dry.
fn judge_bands(bands: &[Band], all: bool, hour: u32, home: &HomeView<'_>) -> Option<EventTime> {
    let ending = bands.iter().filter(|band| band.ends_with(hour, home.time_zone));
    let dry = |band: &&Band| band.latest_was_dry(hour, home.usage, home.time_zone) == Some(true);
    let band = ending.clone().find(dry)?;
    if all && !bands.iter().all(|band| dry(&band)) {
        return None;
    }
    let start = EventTime::from_hour((hour + 1).saturating_sub(band.hours()));
    Some(home.usage.dry_since().map_or(start, |since| since.min(start)))
}
