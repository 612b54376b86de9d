//! The figures of a run, from what each home adds to them.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::judge::Answers;
use crate::model::Stage;

/// Fleets drawn for an interval.
const RESAMPLES: usize = 1_000;

/// A figure with the interval that holds it in 90 of 100 fleets of such homes; `None` where there is nothing to
/// divide by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figure {
    /// The figure itself.
    pub value: Option<f64>,
    /// The lower end of the interval.
    pub low: Option<f64>,
    /// The upper end of the interval.
    pub high: Option<f64>,
}

/// How long it took, in hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Delay {
    /// The mean.
    pub mean_hours: Figure,
    /// The median.
    pub median_hours: Option<f64>,
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
    /// Those detected.
    pub detected: usize,
    /// From the start of the emergency to the event time of the detection; misses count.
    pub delay: Delay,
    /// From the start of the emergency to when the detection could be known; misses count.
    pub arrival_delay: Delay,
    /// False inactivity alerts.
    pub false_alerts: usize,
    /// The same by home-month.
    pub false_per_home_month: Figure,
    /// Inactivity alerts of people who were away.
    pub absence_alerts: usize,
    /// The same by home-month.
    pub absence_per_home_month: Figure,
    /// What each stage is worth, for inactivity with stages.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stages: BTreeMap<Stage, StageScore>,
    /// Inactivity alerts of which the readings do not tell what they were.
    pub unclear_alerts: usize,
    /// Inactivity alerts in a spell without one measured reading before them; must be 0.
    pub alerts_without_readings: usize,
    /// Second alerts in one dry spell; must be 0.
    pub flaps: usize,
    /// Leaks in the truth.
    pub leaks: usize,
    /// Those found.
    pub leaks_found: usize,
    /// From the start of those leaks that were found, in event time.
    pub leak_delay: Delay,
    /// Leak alerts where there was none.
    pub false_leaks: usize,
    /// The same by home-month.
    pub false_leaks_per_home_month: Figure,
}

/// What one stage of inactivity is worth.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StageScore {
    /// Emergencies in which the stage was reached.
    pub detected: usize,
    /// From the start of the emergency to the event time of that; misses count.
    pub delay: Delay,
    /// From the start of the emergency to when it could be known; misses count.
    pub arrival_delay: Delay,
    /// False alerts that reached the stage, if nobody answers the stages before.
    pub false_alerts: usize,
    /// The same by home-month.
    pub false_per_home_month: Figure,
    /// Alerts of people who were away that reached the stage; nobody is taken to answer for them.
    pub absence_alerts: usize,
    /// The same by home-month.
    pub absence_per_home_month: Figure,
    /// False alerts by home-month that are expected to be left with the assumed answers; absent without an assumption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_per_home_month_with_answers: Option<Figure>,
}

/// One home's share in the score.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub months: f64,
    pub detected: usize,
    pub delays: Vec<f64>,
    pub arrival_delays: Vec<f64>,
    pub false_alerts: usize,
    pub absence_alerts: usize,
    pub unclear_alerts: usize,
    pub alerts_without_readings: usize,
    pub flaps: usize,
    pub stages: BTreeMap<Stage, StageTally>,
    pub leaks: usize,
    pub leak_delays: Vec<f64>,
    pub false_leaks: usize,
}

/// One home's share in the score of a stage.
#[derive(Clone, Debug, Default)]
pub(super) struct StageTally {
    pub detected: usize,
    pub delays: Vec<f64>,
    pub arrival_delays: Vec<f64>,
    pub false_alerts: usize,
    pub absence_alerts: usize,
    /// False alerts that are expected to be left with the assumed answers.
    pub left: f64,
}

/// Adds up the homes.
pub(super) fn score(tallies: &[Tally], stages: BTreeSet<Stage>, answers: Answers, seed: u64) -> Score {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let fleets: Vec<Vec<&Tally>> = (0..RESAMPLES)
        .map(|_| {
            tallies
                .iter()
                .map(|_| &tallies[random.random_range(0..tallies.len())])
                .collect()
        })
        .collect();
    let all: Vec<&Tally> = tallies.iter().collect();
    let figure = |of: &dyn Fn(&[&Tally]) -> Option<f64>| {
        let mut values: Vec<f64> = fleets.iter().filter_map(|fleet| of(fleet)).collect();
        values.sort_by(f64::total_cmp);
        // The value below which this share of the fleets is.
        let quantile = |share: f64| {
            values
                .get((share * values.len().saturating_sub(1) as f64).round() as usize)
                .copied()
        };
        Figure {
            value: of(&all),
            low: quantile(0.05),
            high: quantile(0.95),
        }
    };
    let count = |of: fn(&Tally) -> usize| all.iter().map(|tally| of(tally)).sum::<usize>();
    let per_month = |of: fn(&Tally) -> usize| {
        figure(&|homes| {
            ratio(
                homes.iter().map(|home| of(home) as f64).sum(),
                homes.iter().map(|home| home.months).sum(),
            )
        })
    };
    let delay = |of: &dyn Fn(&Tally) -> &[f64]| Delay {
        mean_hours: figure(&|homes| {
            let hours = || homes.iter().flat_map(|home| of(home));
            ratio(hours().sum(), hours().count() as f64)
        }),
        median_hours: median(all.iter().flat_map(|home| of(home)).copied().collect()),
    };
    let stage_score = |stage: Stage| {
        let rate = |of: &dyn Fn(&StageTally) -> f64| {
            figure(&|homes| {
                let sum = homes.iter().map(|home| of(&home.stages[&stage])).sum();
                ratio(sum, homes.iter().map(|home| home.months).sum())
            })
        };
        let count = |of: fn(&StageTally) -> usize| all.iter().map(|home| of(&home.stages[&stage])).sum::<usize>();
        StageScore {
            detected: count(|tally| tally.detected),
            delay: delay(&|home| &home.stages[&stage].delays),
            arrival_delay: delay(&|home| &home.stages[&stage].arrival_delays),
            false_alerts: count(|tally| tally.false_alerts),
            false_per_home_month: rate(&|tally| tally.false_alerts as f64),
            absence_alerts: count(|tally| tally.absence_alerts),
            absence_per_home_month: rate(&|tally| tally.absence_alerts as f64),
            false_per_home_month_with_answers: (!answers.are_none()).then(|| rate(&|tally| tally.left)),
        }
    };
    Score {
        homes: tallies.len(),
        home_months: tallies.iter().map(|tally| tally.months).sum(),
        emergencies: count(|tally| tally.delays.len()),
        detected: count(|tally| tally.detected),
        delay: delay(&|tally| &tally.delays),
        arrival_delay: delay(&|tally| &tally.arrival_delays),
        false_alerts: count(|tally| tally.false_alerts),
        false_per_home_month: per_month(|tally| tally.false_alerts),
        absence_alerts: count(|tally| tally.absence_alerts),
        absence_per_home_month: per_month(|tally| tally.absence_alerts),
        stages: stages.into_iter().map(|stage| (stage, stage_score(stage))).collect(),
        unclear_alerts: count(|tally| tally.unclear_alerts),
        alerts_without_readings: count(|tally| tally.alerts_without_readings),
        flaps: count(|tally| tally.flaps),
        leaks: count(|tally| tally.leaks),
        leaks_found: count(|tally| tally.leak_delays.len()),
        leak_delay: delay(&|tally| &tally.leak_delays),
        false_leaks: count(|tally| tally.false_leaks),
        false_leaks_per_home_month: per_month(|tally| tally.false_leaks),
    }
}

fn ratio(count: f64, of: f64) -> Option<f64> {
    (of > 0.0).then(|| count / of)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}
