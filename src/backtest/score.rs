//! The figures of a run, from what each home adds to them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::cases::{HomeCases, LikelyAway, Reached};
use super::judge::Answers;
use super::resample::{Figure, Fleets};
use crate::model::Stage;

/// How long it took, in hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Delay {
    /// The mean.
    pub mean_hours: Figure,
    /// The median.
    pub median_hours: Figure,
    /// Within so many hours are nine in ten.
    pub nine_in_ten_hours: Figure,
}

/// What a run is worth.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Score {
    /// Homes judged.
    pub homes: usize,
    /// Home-months judged.
    pub home_months: f64,
    /// Emergencies in the truth.
    pub emergencies: usize,
    /// What the first word of an alert of inactivity is worth.
    #[serde(flatten)]
    pub first: InactivityScore,
    /// What each stage is worth, for inactivity with stages.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stages: BTreeMap<Stage, InactivityScore>,
    /// Inactivity alerts of which the readings do not tell what they were.
    pub unclear_alerts: usize,
    /// Inactivity alerts in a spell without one measured reading before them; must be 0.
    pub alerts_without_readings: usize,
    /// Inactivity alerts in a spell touched by lost readings, where the same rules say nothing when given all of them; must
    /// be 0. Absent where the complete readings were not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap_caused: Option<usize>,
    /// Alerts decided before the moment they speak of, or where nothing is late more than one interval after it; must be 0.
    pub back_dated: usize,
    /// Second alerts in one dry spell; must be 0.
    pub flaps: usize,
    /// Leaks in the truth.
    pub leaks: usize,
    /// Those found.
    pub leaks_found: usize,
    /// The share of them.
    pub leak_recall: Figure,
    /// From the start of those leaks that were found, in event time.
    pub leak_delay: Delay,
    /// Alerts of a leak or a burst where there was none.
    pub false_leaks: usize,
    /// The same by home-month.
    pub false_leaks_per_home_month: Figure,
}

/// What inactivity is worth: by its first word, or by the record that brings it to a stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct InactivityScore {
    /// Emergencies detected.
    pub detected: usize,
    /// The share of them.
    pub recall: Figure,
    /// From the start of the emergency to the event time of the detection; misses count.
    pub delay: Delay,
    /// From the start of the emergency to when the detection could be known; misses count.
    pub arrival_delay: Delay,
    /// From the start of the emergency to when the readings that the detection needed had come: with uploads of this rhythm no sooner,
    /// whoever judges them; misses count.
    pub arrival_delay_at_best: Delay,
    /// False alerts, if nobody answers the stages before.
    pub false_alerts: usize,
    /// The same by home-month.
    pub false_per_home_month: Figure,
    /// Of these, raised under a leak slower than the meter: its steps are uses to the judge, also while people are away.
    pub false_under_slow_leak_per_home_month: Figure,
    /// Alerts of people who were away; nobody is taken to answer for them.
    pub absence_alerts: usize,
    /// The same by home-month.
    pub absence_per_home_month: Figure,
    /// The shares of these alerts that say that people may be away.
    pub likely_away: LikelyAway<Figure>,
    /// False alerts by home-month that are expected to be left with the assumed answers; absent without an assumption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_per_home_month_with_answers: Option<Figure>,
}

/// Adds up the homes. `seed` draws the fleets of the intervals.
pub fn score(homes: &[HomeCases], answers: Answers, seed: u64) -> Score {
    let fleets = Fleets::new(homes.len(), seed);
    let count = |of: &dyn Fn(&HomeCases) -> usize| homes.iter().map(of).sum::<usize>();
    let of_leaks: Vec<Vec<f64>> = homes.iter().map(HomeCases::leak_delays).collect();
    let leaks = |home: &HomeCases| home.leaks.iter().filter(|leak| leak.is_leak()).count();
    let parts = homes.iter().zip(&of_leaks);
    let leak_recall: Vec<(f64, f64)> = parts
        .map(|(home, found)| (found.len() as f64, leaks(home) as f64))
        .collect();
    let false_leaks = homes.iter().map(|home| (home.false_leaks as f64, home.months));
    let stages: BTreeSet<Stage> = homes.iter().flat_map(|home| home.stages_seen.iter().copied()).collect();
    let of_stage = |stage: Stage| {
        let mut score = inactivity(homes, &|home| home.stages.get(&stage), fleets);
        score.false_per_home_month_with_answers = (!answers.are_none()).then(|| {
            let part = |home: &HomeCases| (home.stages.get(&stage).map_or(0.0, |stage| stage.left), home.months);
            fleets.rate(&homes.iter().map(part).collect::<Vec<_>>())
        });
        score
    };
    Score {
        homes: homes.len(),
        home_months: homes.iter().map(|home| home.months).sum(),
        emergencies: count(&|home| home.first.delays.len()),
        first: inactivity(homes, &|home| Some(&home.first), fleets),
        stages: stages.into_iter().map(|stage| (stage, of_stage(stage))).collect(),
        unclear_alerts: count(&|home| home.unclear_alerts),
        alerts_without_readings: count(&|home| home.alerts_without_readings),
        gap_caused: None,
        back_dated: count(&|home| home.back_dated),
        flaps: count(&|home| home.flaps),
        leaks: count(&leaks),
        leaks_found: of_leaks.iter().map(Vec::len).sum(),
        leak_recall: fleets.share(&leak_recall),
        leak_delay: delay(&of_leaks, fleets),
        false_leaks: count(&|home| home.false_leaks),
        false_leaks_per_home_month: fleets.rate(&false_leaks.collect::<Vec<_>>()),
    }
}

fn inactivity(homes: &[HomeCases], of: &dyn Fn(&HomeCases) -> Option<&Reached>, fleets: Fleets) -> InactivityScore {
    let count = |what: &dyn Fn(&Reached) -> usize| homes.iter().filter_map(of).map(what).sum::<usize>();
    let rate = |what: &dyn Fn(&Reached) -> usize| {
        let part = |home: &HomeCases| (of(home).map_or(0, what) as f64, home.months);
        fleets.rate(&homes.iter().map(part).collect::<Vec<_>>())
    };
    let hours = |what: fn(&Reached) -> &[f64]| {
        let values: Vec<&[f64]> = homes.iter().map(|home| of(home).map_or(&[][..], what)).collect();
        delay(&values, fleets)
    };
    let share = |part: fn(&Reached) -> (usize, usize)| {
        let of_home = |home: &HomeCases| of(home).map_or((0, 0), part);
        let parts = homes.iter().map(of_home).map(|(some, all)| (some as f64, all as f64));
        fleets.share(&parts.collect::<Vec<_>>())
    };
    InactivityScore {
        detected: count(&|reached| reached.detected),
        recall: share(|reached| (reached.detected, reached.delays.len())),
        delay: hours(|reached| &reached.delays),
        arrival_delay: hours(|reached| &reached.arrival_delays),
        arrival_delay_at_best: hours(|reached| &reached.readings_delays),
        false_alerts: count(&|reached| reached.false_alerts),
        false_per_home_month: rate(&|reached| reached.false_alerts),
        false_under_slow_leak_per_home_month: rate(&|reached| reached.false_under_slow_leak),
        absence_alerts: count(&|reached| reached.absence_alerts),
        absence_per_home_month: rate(&|reached| reached.absence_alerts),
        likely_away: LikelyAway {
            absence_alerts: share(|reached| (reached.likely_away.absence_alerts, reached.absence_alerts)),
            emergencies: share(|reached| (reached.likely_away.emergencies, reached.detected)),
            false_alerts: share(|reached| (reached.likely_away.false_alerts, reached.false_alerts)),
        },
        false_per_home_month_with_answers: None,
    }
}

fn delay<V: AsRef<[f64]>>(values: &[V], fleets: Fleets) -> Delay {
    Delay {
        mean_hours: fleets.mean(values),
        median_hours: fleets.median(values),
        nine_in_ten_hours: fleets.nine_in_ten(values),
    }
}
