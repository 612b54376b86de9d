//! Inactivity: no sign of life for longer than is ordinary.
//!
//! Method: fixed rules as the services of today state them (hours without use, litres in a window, bands of the day),
//! and a learned one by optimal stopping (see `hazard`).
//! Units: hours of measured dry time. A sign of life is flow above the leak floor. A gap neither raises nor clears: the
//! dry time counts from the end of the gap (of one that is longer than its hours may lack), and what was already met stays met; the learned rule waits as if the spell had
//! begun at whatever moment in the gap lets it wait longest. A rule may count all water instead
//! (`counts`), as rules in use elsewhere do; a leak then hides people from it.
//! Limits: rules of litres, days and bands are judged at full UTC hours, and of a reading longer than an hour by its total.

mod bands;
mod budget;
mod comparable;
mod daily_use;
#[cfg(test)]
mod doubt_tests;
mod excused;
mod explain;
mod gap;
mod harm;
pub mod hazard;
mod own_spells;
mod settings;
#[cfg(test)]
mod settings_tests;
mod spell;

#[cfg(test)]
mod tests;

pub use budget::{BUDGETS, Budget, Budgets, MEASURED_ON, lambda_for, lambda_of};
pub use harm::HarmSettings;
pub use settings::{Condition, InactivitySettings, Learned, MAX_LEARNED, MAX_RULES, Rule};

use serde::{Deserialize, Serialize};

use self::bands::{day_before, day_start};
use self::spell::still_met;
use super::met::{Met, together};
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::{Counts, Flow, Interval};
use crate::model::{AlertKind, AlertState, Band, EventTime, Explanation, Finding, HOUR, Severity, Weekday};

/// The detector of inactivity.
pub struct Inactivity;

/// The unit in which thresholds are kept, in seconds: a byte holds a day and half an hour of them.
const TENTH: u32 = HOUR / 10;

/// Which rules are met, and the deadline of the spell that goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InactivityState {
    met: Met,
    /// The rules that would be met if this home had been learnt.
    shadow: Met,
    /// Thresholds of the learned rules, in their order, for the spell at hand, in tenths of an hour.
    threshold_tenths: [u8; MAX_LEARNED],
    /// The start of the spell it was computed for.
    threshold_for: EventTime,
    /// They are the least that they can be: what is not known of the hours before may make them longer.
    threshold_is_least: bool,
    /// When the dry time of the first rule met began.
    since: EventTime,
    /// When the latest of the met rules was met, or the chance of harm came to the severity below.
    detected_at: EventTime,
    /// When a rule was met again by the time since a use, or a flow that may have been one, or was left to speak for one that is met
    /// no more; zero if there was none of these.
    anew_at: EventTime,
    /// Severity by the chance of harm, where that is graver than what the rules say; it stays while a rule is met.
    harm: Option<Severity>,
}

impl InactivityState {
    fn meet(&mut self, index: usize, since: EventTime, detected_at: EventTime) {
        if !self.met.any() {
            self.since = since;
            self.anew_at = EventTime::ZERO;
        }
        self.detected_at = detected_at;
        self.met.add(index);
    }

    /// The rule that gives its name to what is said, by its place.
    fn named(&self, settings: &InactivitySettings) -> Option<usize> {
        let (place, ..) = together(settings.rules.iter().map(Rule::staged), self.met)?;
        Some(place)
    }

    fn keep_thresholds(&mut self, hours: [usize; MAX_LEARNED], interval_seconds: u32) {
        let known_earlier = HOUR.saturating_sub(interval_seconds) / 2;
        self.threshold_tenths = hours.map(|hours| {
            let seconds = hours as u32 * HOUR + known_earlier;
            u8::try_from((seconds + TENTH / 2) / TENTH).unwrap_or(u8::MAX)
        });
    }

    /// The threshold of the learned rule at `index` that was worked out last, in dry seconds.
    fn threshold(&self, settings: &InactivitySettings, index: usize) -> Option<u32> {
        let place = settings.learned().position(|(of, _)| of == index)?;
        Some(u32::from(*self.threshold_tenths.get(place)?) * TENTH)
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
        let said = state.named(settings);
        judge_full_hours(settings, state, home, interval);
        // After the hours that ended: a sign of life in what came since them ends what they began.
        let is_excused =
            (state.met.any() || state.shadow.any()) && state.since < home.excused_until_though_met(state.detected_at);
        for (index, rule) in settings.rules.iter().enumerate() {
            let is_used = home.usage.last_use(rule.counts) > Some(interval.start);
            if is_excused || is_used && !rule.outlasts_use() {
                state.met.remove(index);
            }
            if is_excused || is_used {
                state.shadow.remove(index);
            }
        }
        judge_spell(settings, state, home, interval);
        judge_harm(settings, state, home, interval);
        if state.met.any() && said.is_some_and(|said| !state.met.holds(said)) {
            // What was said of it holds no more, though another rule does: its words are due.
            state.anew_at = interval.end;
        }
    }

    fn finding(settings: &InactivitySettings, state: &InactivityState, home: &HomeView<'_>) -> Option<Finding> {
        let spell = still_met(settings, state, home);
        let (_, rule, stages) = together(settings.rules.iter().map(Rule::staged), spell.met)?;
        Some(Finding {
            since: spell.since,
            detected_at: spell.detected_at,
            severity: state.harm.map_or(rule.severity, |harm| harm.max(rule.severity)),
            rule: rule.name.clone(),
            stages: Some(stages),
            anew_at: (state.anew_at > EventTime::ZERO).then_some(state.anew_at),
        })
    }

    fn shadow(state: &InactivityState) -> Met {
        state.shadow
    }

    fn goes_on(settings: &InactivitySettings, home: &HomeView<'_>, alert: &OpenAlert<'_>) -> bool {
        // What a home's habits are, or whether they are learnt, may be seen otherwise by now: the spell is the same.
        let named = settings.rules.iter().find(|rule| *rule.name == *alert.rule);
        let of_spell = named.filter(|rule| !rule.is_by_hours());
        let is_dry = |rule: &Rule| home.usage.last_use(rule.counts) <= Some(alert.since);
        let is_excused = alert.since < home.excused_until_though_met(alert.detected_at);
        !is_excused && of_spell.is_some_and(is_dry)
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
    for (index, rule) in settings.rules.iter().enumerate() {
        let is_met = state.met.holds(index);
        let mut since = dry_since(rule, home);
        if is_met {
            // It waits anew from a flow that may have been a use, so that what it may have ended is said again.
            since = since.and_then(|since| doubt(rule, state, home).map(|doubt| doubt.max(since)));
        }
        let Some(since) = since else { continue };
        let dry = home.usage.frontier().since(since);
        let needed = match rule.when {
            Condition::Learned(_) => learned_seconds(settings, state, home, (since, interval.seconds()), index),
            Condition::OwnSpells {
                percent,
                at_least_hours,
            } => own_seconds(home, dry, percent, at_least_hours),
            _ => rule.when.allowed_hours(&home.circumstances).map(seconds_of),
        };
        let Some(needed) = needed.filter(|needed| dry >= *needed) else {
            continue;
        };
        if is_met {
            state.anew_at = since.plus(needed).clamp(interval.start, interval.end);
            continue;
        }
        if is_superseded(settings, rule, home) {
            continue;
        }
        if rule.is_learned() && !has_learned(settings, rule, home) {
            state.shadow.add(index);
            continue;
        }
        // Met within this interval, however long the spell may turn out to have been.
        let met_at = since.plus(needed).clamp(interval.start, interval.end);
        // Of what another rule kept open: it has begun anew since, and is to be said again.
        let is_anew = state.met.any() && since > state.since;
        state.meet(index, since, met_at);
        if is_anew && state.named(settings) == Some(index) {
            state.anew_at = met_at;
        }
    }
}

/// The end of a flow that may have been a use, or a leak's own step, after `rule` was met and was said for the last time.
fn doubt(rule: &Rule, state: &InactivityState, home: &HomeView<'_>) -> Option<EventTime> {
    let said_at = state.detected_at.max(state.anew_at);
    let doubt = home.usage.last_doubt().filter(|doubt| *doubt > said_at);
    doubt.filter(|_| rule.counts == Counts::AboveLeak)
}

/// Raises severity by the chance of harm, looked at when another hour of the spell has passed.
fn judge_harm(settings: &InactivitySettings, state: &mut InactivityState, home: &HomeView<'_>, interval: &Interval) {
    let Some((_, rule, _)) = together(settings.rules.iter().map(Rule::staged), state.met) else {
        state.harm = None;
        return;
    };
    let Some(since) = home.dry_since() else { return };
    let said = state.harm.map_or(rule.severity, |harm| harm.max(rule.severity));
    // A rule that was met within this interval is about to be said, with this severity.
    let is_new = state.detected_at > interval.start;
    let hours = home.usage.frontier().since(since) / HOUR;
    let is_due = is_new || hours > interval.start.since(since) / HOUR;
    if !settings.harm.enabled || said == Severity::Critical || !is_due || !is_known(settings, home) {
        return;
    }
    let Some(chance) = chance_of_harm(settings, home, since, hours) else {
        return;
    };
    let severity = settings.harm.severity(&chance);
    if severity > said {
        state.harm = Some(severity);
        if !is_new {
            state.detected_at = since.plus(hours * HOUR).clamp(interval.start, interval.end);
        }
    }
}

/// The chance that an emergency is behind the spell begun at `since`, which has lasted `hours`.
fn chance_of_harm(
    settings: &InactivitySettings,
    home: &HomeView<'_>,
    since: EventTime,
    hours: u32,
) -> Option<harm::Chance> {
    let routine = home.usage.routine();
    let own = comparable::comparable(routine, since.hour(), hours, home.time_zone);
    // Of the last use that is known, though a gap may hide another: what came after a gap, or a sign of life, followed no use.
    let last_use = home.usage.last_use(Counts::AboveLeak);
    let is_of_use = last_use.is_some_and(|last| home.excused_until() <= last);
    let of_use = last_use.unwrap_or(since);
    let absence = settings
        .hazard
        .absence(routine, first_dry_hour(of_use), home.time_zone)?;
    let absence = if is_of_use {
        absence.with_weekly(comparable::gone_weekly(routine, first_dry_hour(of_use)))
    } else {
        absence.usual()
    };
    Some(settings.harm.chance(&own, absence, hours))
}

/// The threshold of the learned rule at `index` for the spell begun at `since`; at first the least that it can be. Those of all
/// learned rules are computed together: by what is known, once a spell has lasted; and with everything that may have been in
/// the hours that are not known, which takes many times as long, once it has outlasted the first of these.
///
/// The rule learns from hours: a spell begins with the first hour that is wholly dry, and the use before it ended half an hour
/// earlier, on average. Where readings are finer, it is known when it ended, and the threshold counts from there.
fn learned_seconds(
    settings: &InactivitySettings,
    state: &mut InactivityState,
    home: &HomeView<'_>,
    (since, interval_seconds): (EventTime, u32),
    index: usize,
) -> Option<u32> {
    let first_dry_hour = first_dry_hour(since);
    let frontier = home.usage.frontier();
    if frontier < EventTime::from_hour(first_dry_hour).plus(hazard::FIRST_HOURS as u32 * HOUR) {
        return None;
    }
    let (hazard, routine, zone) = (&settings.hazard, home.usage.routine(), home.time_zone);
    if state.threshold_for != since {
        let least = hazard.least_thresholds(routine, first_dry_hour, zone, settings.lambdas());
        state.keep_thresholds(least, interval_seconds);
        (state.threshold_for, state.threshold_is_least) = (since, true);
    }
    let least = state.threshold(settings, index)?;
    if state.threshold_is_least && frontier.since(since) >= least {
        let of = |start| hazard.thresholds(routine, start, zone, settings.lambdas());
        state.keep_thresholds(gap::thresholds(routine, first_dry_hour, of), interval_seconds);
        state.threshold_is_least = false;
    }
    state.threshold(settings, index)
}

/// The first UTC hour that is wholly dry in a spell begun at `since`.
fn first_dry_hour(since: EventTime) -> u32 {
    since.plus(HOUR - 1).hour()
}

/// The hours after which the spell at hand is longer than `percent` % of the home's own, asked for once it has lasted.
fn own_seconds(home: &HomeView<'_>, dry: u32, percent: f64, at_least_hours: f64) -> Option<u32> {
    let least = seconds_of(at_least_hours);
    if dry < least {
        return None;
    }
    let hours = own_spells::not_outlasted_by(home.usage.routine(), percent)?;
    // Longer in whole hours, as the spells of the past are known.
    Some(((hours + 1) * HOUR).max(least))
}

fn seconds_of(hours: f64) -> u32 {
    (hours * f64::from(HOUR)).round() as u32
}

/// The start of the dry spell at hand, by the water that counts for `rule`.
fn dry_since(rule: &Rule, home: &HomeView<'_>) -> Option<EventTime> {
    match rule.counts {
        Counts::AboveLeak => home.dry_since(),
        Counts::AllWater => {
            let since = home.usage.dry_since_by(Counts::AllWater)?.max(home.excused_until());
            (since < home.usage.frontier()).then_some(since)
        }
    }
}

/// Whether the home is known long enough for what the programme learns of it.
fn is_known(settings: &InactivitySettings, home: &HomeView<'_>) -> bool {
    home.usage.routine().known_hours() >= settings.learn_hours
}

/// Whether the home is known long enough for `rule`, which learns.
fn has_learned(settings: &InactivitySettings, rule: &Rule, home: &HomeView<'_>) -> bool {
    home.usage.routine().known_hours() >= settings.learn_hours(rule)
}

/// Whether a rule that fills in for learned ones has one of them to give way to.
fn is_superseded(settings: &InactivitySettings, rule: &Rule, home: &HomeView<'_>) -> bool {
    let mut rules = settings.rules.iter();
    rule.until_learned && rules.any(|other| other.is_learned() && has_learned(settings, other, home))
}

/// Rules that are judged at full hours: litres in a window or a day, use that comes daily, and bands.
fn judge_full_hours(
    settings: &InactivitySettings,
    state: &mut InactivityState,
    home: &HomeView<'_>,
    interval: &Interval,
) {
    let hours = home.usage.completed_hours(interval);
    if !settings.rules.iter().any(Rule::is_by_hours) {
        return;
    }
    for hour in hours.start.max(hours.end.saturating_sub(24))..hours.end {
        let end = EventTime::from_hour(hour + 1);
        for (index, rule) in settings.rules.iter().enumerate() {
            let met = match &rule.when {
                Condition::FewLitres {
                    below,
                    hours,
                    inclusive,
                } => {
                    let litres = home.usage.litres_before(*hours, hour + 1, rule.counts);
                    litres.map(|litres| (is_few(litres, *below, *inclusive), end.minus(hours * HOUR)))
                }
                Condition::FewLitresADay { below } => judge_day(*below, hour, home, rule.counts),
                Condition::OnlyDailyUse { hours } => daily_use::judge(*hours, hour, home),
                Condition::Bands {
                    bands,
                    all,
                    days,
                    each_day,
                } => judge_bands((bands, *all, days, *each_day), rule.counts, hour, home).map(|since| (true, since)),
                _ => None,
            };
            match met {
                Some((true, _)) if is_superseded(settings, rule, home) => {}
                Some((true, since)) if state.met.holds(index) => {
                    let is_said_anew = matches!(rule.when, Condition::Bands { each_day: true, .. });
                    // Not while another rule keeps the alert open: that one is no new one.
                    if is_said_anew && state.met == Met::default().with(index) && since > state.since {
                        (state.since, state.detected_at) = (since, end);
                    }
                }
                Some((true, since)) => state.meet(index, since, end),
                Some((false, _)) => state.met.remove(index),
                None => {}
            }
        }
    }
    judge_long_reading(settings, state, home, interval);
}

/// A reading longer than an hour does not say in which hour its water flowed, but how much it was at most: rules of litres
/// are met where its total is few for the whole of it.
fn judge_long_reading(
    settings: &InactivitySettings,
    state: &mut InactivityState,
    home: &HomeView<'_>,
    interval: &Interval,
) {
    let Flow::Measured(litres) = interval.flow else { return };
    if interval.is_placeable() || settings.rules.iter().all(|rule| !rule.is_of_litres()) {
        return;
    }
    for (index, rule) in settings.rules.iter().enumerate() {
        let (period, below, inclusive) = match &rule.when {
            Condition::FewLitres {
                below,
                hours,
                inclusive,
            } => (interval.end.minus(hours * HOUR)..interval.end, *below, *inclusive),
            Condition::FewLitresADay { below } => match day_before(interval.end, home.time_zone) {
                Some(day) => (day, *below, false),
                None => continue,
            },
            _ => continue,
        };
        if period.start < interval.start || is_superseded(settings, rule, home) {
            continue; // It says nothing of the beginning.
        }
        let leak = match rule.counts {
            Counts::AboveLeak => home.usage.floor().litres_per_hour() * interval.seconds() as f32 / HOUR as f32,
            Counts::AllWater => 0.0,
        };
        if is_few((litres - leak).max(0.0), below, inclusive) {
            if !state.met.holds(index) {
                state.meet(index, period.start, period.end);
            }
        } else if (interval.start..interval.end) == period {
            state.met.remove(index);
        }
    }
}

/// Whether litres are fewer than a rule asks for, to the hundredth: a sum of tenths is not exact in binary.
fn is_few(litres: f32, below: f32, inclusive: bool) -> bool {
    let [litres, below] = [litres, below].map(|litres| (f64::from(litres) * 100.0).round());
    litres < below || inclusive && litres == below
}

/// Whether the local day that ends with UTC hour `hour` had few litres, and since when; of a day that goes on, only that it
/// has enough already.
fn judge_day(below: f32, hour: u32, home: &HomeView<'_>, counts: Counts) -> Option<(bool, EventTime)> {
    let start = day_start(hour, home.time_zone)?;
    let litres = home
        .usage
        .litres_before((hour + 1).checked_sub(start)?, hour + 1, counts)?;
    let few = is_few(litres, below, false);
    let is_over = Band::DAY.ends_with(hour, home.time_zone);
    (is_over || !few).then_some((few, EventTime::from_hour(start)))
}

/// Since when it was dry, if a band that ends with UTC hour `hour` (and, with `all`, the latest of every other) was dry.
fn judge_bands(
    (bands, all, days, each_day): (&[Band], bool, &[Weekday], bool),
    counts: Counts,
    hour: u32,
    home: &HomeView<'_>,
) -> Option<EventTime> {
    let dry = |band: &Band| {
        let latest = band.latest(hour, home.time_zone)?;
        let is_asked = days.is_empty() || days.contains(&latest.day);
        (is_asked && latest.was_dry(home.usage, counts)).then_some(latest)
    };
    let mut ending = bands.iter().filter(|band| band.ends_with(hour, home.time_zone));
    let band = ending.find_map(dry)?;
    if all && !bands.iter().all(|band| dry(band).is_some()) {
        return None;
    }
    let start = EventTime::from_hour(band.hours.start);
    let spell = home.usage.dry_since_by(counts).filter(|_| !each_day);
    Some(spell.map_or(start, |since| since.min(start)))
}
