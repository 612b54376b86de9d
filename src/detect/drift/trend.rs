//! Whether daily values rise or fall: the Mann-Kendall test and Sen's slope, aware of ties, gaps and autocorrelation.
//!
//! Mann (1945), Kendall (1975): the score counts pairs of days that rise less pairs that fall; its variance under no
//! trend is known, with ties. Sen (1968): the median of the slopes between weekly means. Days resemble the days beside
//! them, which makes the plain variance too small: it is multiplied by (1 + r) / (1 - r), the variance of a mean under
//! autocorrelation r from one day to the next, estimated after the trend is taken off (Yue and Wang 2004). Autocorrelation
//! over weeks cannot be estimated from eight of them; the rate of false reports is measured instead.

use statrs::distribution::{ContinuousCDF, Normal};

/// Days in a week.
const WEEK: usize = 7;
/// Beyond this autocorrelation its estimate is worth nothing.
const MOST_AUTOCORRELATION: f64 = 0.9;

/// How daily values have changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// Mean of each week; `None` where too few of its days are known.
    pub weeks: Vec<Option<f64>>,
    /// Sen's slope of the weekly means, a week.
    pub slope: f64,
    /// The probability of a score as far from zero if there were no trend, from the normal distribution.
    pub p_value: f64,
    /// From one day to the next, with the trend taken off; not below 0.
    pub autocorrelation: f64,
    /// Days known.
    pub days: usize,
}

impl Trend {
    /// Of daily values, oldest first. A week counts with `least_days` known days; `None` if fewer than two weeks do.
    pub fn of(values: &[Option<f64>], least_days: usize) -> Option<Self> {
        let weeks: Vec<Option<f64>> = values.chunks(WEEK).map(|week| mean(week, least_days)).collect();
        let slope = sen_slope(&weeks)?;
        let autocorrelation = autocorrelation(values, slope / WEEK as f64);
        let (score, variance) = kendall(values);
        let variance = variance * (1.0 + autocorrelation) / (1.0 - autocorrelation);
        Some(Self {
            slope,
            p_value: p_value(score, variance),
            autocorrelation,
            days: values.iter().flatten().count(),
            weeks,
        })
    }

    /// The change from the first week to the last by Sen's slope.
    pub fn change(&self) -> f64 {
        self.slope * (self.weeks.len() - 1) as f64
    }

    /// Means of the first and of the last two weeks that are known, for people to compare.
    pub fn ends(&self) -> (f64, f64) {
        let known: Vec<f64> = self.weeks.iter().flatten().copied().collect();
        let mean = |few: &[f64]| few.iter().sum::<f64>() / few.len().max(1) as f64;
        (
            mean(&known[..known.len().min(2)]),
            mean(&known[known.len().saturating_sub(2)..]),
        )
    }
}

fn mean(values: &[Option<f64>], least: usize) -> Option<f64> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    (known.len() >= least.max(1)).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

/// Kendall's score (pairs that rise less pairs that fall) and its variance if every order is as likely, with ties.
pub(super) fn kendall(values: &[Option<f64>]) -> (i64, f64) {
    let mut known: Vec<f64> = values.iter().flatten().copied().collect();
    let mut score = 0;
    for (index, earlier) in known.iter().enumerate() {
        for later in &known[index + 1..] {
            score += i64::from(later > earlier) - i64::from(later < earlier);
        }
    }
    let weight = |n: usize| n as f64 * (n as f64 - 1.0) * (2.0 * n as f64 + 5.0);
    known.sort_by(f64::total_cmp);
    let ties: f64 = known.chunk_by(|a, b| a == b).map(|tie| weight(tie.len())).sum();
    (score, (weight(known.len()) - ties) / 18.0)
}

/// Two-sided, with the correction for continuity.
pub(super) fn p_value(score: i64, variance: f64) -> f64 {
    if variance <= 0.0 || score == 0 {
        return 1.0;
    }
    let z = (score.abs() - 1) as f64 / variance.sqrt();
    2.0 * Normal::standard().sf(z)
}

/// The median of the slopes between all pairs of known values, a step; `None` with fewer than two.
pub fn sen_slope(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<(usize, f64)> = values
        .iter()
        .enumerate()
        .filter_map(|(at, value)| Some((at, (*value)?)))
        .collect();
    let mut slopes = Vec::new();
    for (index, (at, value)) in known.iter().enumerate() {
        slopes.extend(
            known[index + 1..]
                .iter()
                .map(|(later, then)| (then - value) / (later - at) as f64),
        );
    }
    slopes.sort_by(f64::total_cmp);
    let middle = slopes.len() / 2;
    match slopes.len() {
        0 => None,
        n if n % 2 == 1 => Some(slopes[middle]),
        _ => Some((slopes[middle - 1] + slopes[middle]) / 2.0),
    }
}

/// Autocorrelation from one known day to the next, with a trend of `slope` a day taken off.
fn autocorrelation(values: &[Option<f64>], slope: f64) -> f64 {
    let level: Vec<Option<f64>> = (0..)
        .zip(values)
        .map(|(day, value)| value.map(|value| value - slope * f64::from(day)))
        .collect();
    let Some(mean) = mean(&level, 1) else { return 0.0 };
    let spread: f64 = level.iter().flatten().map(|value| (value - mean).powi(2)).sum();
    let pair = |pair: &[Option<f64>]| Some((pair[0]? - mean) * (pair[1]? - mean));
    let together: f64 = level.windows(2).filter_map(pair).sum();
    let share = level.windows(2).filter(|pair| pair.iter().all(Option::is_some)).count() as f64;
    let days = level.iter().flatten().count() as f64;
    if spread <= 1e-9 || share <= 0.0 {
        return 0.0;
    }
    ((together / share) / (spread / days)).clamp(0.0, MOST_AUTOCORRELATION)
}
