//! Intervals by resampling homes: readings of one home are too alike to count as many.
//!
//! Few events say less than homes drawn anew can tell: where none was seen, no fleet has one. So an interval of counts is never narrower
//! than the exact one of its distribution: Garwood's (1936) of events in time, Clopper's and Pearson's (1934) of a share.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF, Gamma};

/// Fleets drawn for an interval.
const RESAMPLES: usize = 1_000;
/// Homes drawn for an interval in all, so that a city does not take hours; its intervals are narrow anyhow.
const DRAWS: usize = 20_000_000;
/// Fleets drawn at least.
const LEAST_RESAMPLES: usize = 100;
/// Of the values so many lie below an interval, and as many above it.
const TAIL: f64 = 0.05;

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

/// Fleets of as many homes as there are, drawn from them with replacement; equal seeds give equal fleets.
#[derive(Clone, Copy, Debug)]
pub struct Fleets {
    homes: usize,
    seed: u64,
}

impl Fleets {
    /// Of so many homes.
    pub fn new(homes: usize, seed: u64) -> Self {
        Self { homes, seed }
    }

    /// What `of` says of each fleet, and first of the homes as they are; it is given how often each home is in the fleet.
    /// One home alone says nothing of others: no fleet is drawn.
    pub fn each<T>(&self, mut of: impl FnMut(&[u32]) -> T) -> (T, Vec<T>) {
        let mut counts = vec![1; self.homes];
        let as_they_are = of(&counts);
        let fleets = match self.homes {
            0 | 1 => 0,
            homes => (DRAWS / homes).clamp(LEAST_RESAMPLES, RESAMPLES),
        };
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let drawn = (0..fleets).map(|_| {
            counts.fill(0);
            for _ in 0..self.homes {
                counts[random.random_range(0..self.homes)] += 1;
            }
            of(&counts)
        });
        (as_they_are, drawn.collect())
    }

    /// Any figure of a fleet.
    pub fn figure(&self, of: impl FnMut(&[u32]) -> Option<f64>) -> Figure {
        let (value, drawn) = self.each(of);
        let (low, high) = interval(drawn.into_iter().flatten().collect());
        Figure { value, low, high }
    }

    /// A sum over homes by another sum: for each home its share in both.
    pub fn ratio(&self, parts: &[(f64, f64)]) -> Figure {
        let figure = self.figure(|counts| {
            let mut sums = (0.0, 0.0);
            for ((of, by), count) in parts.iter().zip(counts) {
                sums.0 += of * f64::from(*count);
                sums.1 += by * f64::from(*count);
            }
            (sums.1 > 0.0).then(|| sums.0 / sums.1)
        });
        figure.of_homes(parts.iter().filter(|(_, by)| *by > 0.0).count())
    }

    /// Events by time: for each home its events and its time.
    pub fn rate(&self, parts: &[(f64, f64)]) -> Figure {
        self.ratio(parts).of_events_in(sums(parts).1)
    }

    /// A share: for each home how many there are of how many.
    pub fn share(&self, parts: &[(f64, f64)]) -> Figure {
        let (some, all) = sums(parts);
        self.ratio(parts).no_narrower(share_of(some, all))
    }

    /// The mean of the values of all homes.
    pub fn mean<V: AsRef<[f64]>>(&self, values: &[V]) -> Figure {
        let part = |values: &V| (values.as_ref().iter().sum(), values.as_ref().len() as f64);
        self.ratio(&values.iter().map(part).collect::<Vec<_>>())
    }

    /// The median of the values of all homes.
    pub fn median<V: AsRef<[f64]>>(&self, values: &[V]) -> Figure {
        self.between(values, |all| ((all - 1) / 2, all / 2))
    }

    /// What nine in ten of the values of all homes do not exceed.
    pub fn nine_in_ten<V: AsRef<[f64]>>(&self, values: &[V]) -> Figure {
        self.between(values, |all| {
            let place = (9 * all).div_ceil(10) - 1;
            (place, place)
        })
    }

    /// The mean of the two values that have as many before them as `places` says, of one and more.
    fn between<V: AsRef<[f64]>>(&self, values: &[V], places: impl Fn(u64) -> (u64, u64)) -> Figure {
        let mut sorted: Vec<(f64, usize)> = Vec::new();
        for (home, values) in values.iter().enumerate() {
            sorted.extend(values.as_ref().iter().map(|value| (*value, home)));
        }
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let figure = self.figure(|counts| {
            let all: u64 = sorted.iter().map(|(_, home)| u64::from(counts[*home])).sum();
            // The value with so many before it.
            let nth = |before: u64| {
                let mut passed = 0;
                let reaches = |(_, home): &&(f64, usize)| {
                    passed += u64::from(counts[*home]);
                    passed > before
                };
                sorted.iter().find(reaches).map(|(value, _)| *value)
            };
            let (below, above) = (all > 0).then(|| places(all))?;
            Some((nth(below)? + nth(above)?) / 2.0)
        });
        figure.of_homes(values.iter().filter(|values| !values.as_ref().is_empty()).count())
    }
}

impl Figure {
    /// The same, where so many homes have something to say: one alone says nothing of others.
    fn of_homes(self, homes: usize) -> Self {
        let Self { value, .. } = self;
        if homes > 1 {
            self
        } else {
            Self {
                value,
                ..Self::default()
            }
        }
    }

    /// The same, of a rate of events in so much time: its interval is no narrower than chance alone makes it.
    pub fn of_events_in(self, time: f64) -> Self {
        let Some(rate) = self.value else { return self };
        self.no_narrower(rate_of(rate * time).map(|end| end / time))
    }

    /// The same, with an interval that reaches to these ends at least; none where there was none.
    fn no_narrower(self, [low, high]: [f64; 2]) -> Self {
        Self {
            value: self.value,
            low: self.low.map(|end| end.min(low)),
            high: self.high.map(|end| end.max(high)),
        }
    }
}

fn sums(parts: &[(f64, f64)]) -> (f64, f64) {
    parts
        .iter()
        .fold((0.0, 0.0), |sums, part| (sums.0 + part.0, sums.1 + part.1))
}

/// The numbers of events between which the expected one lies where so many were seen.
fn rate_of(events: f64) -> [f64; 2] {
    let end = |shape: f64, at: f64| Gamma::new(shape, 1.0).map_or(0.0, |gamma| gamma.inverse_cdf(at));
    [end(events, TAIL), end(events + 1.0, 1.0 - TAIL)]
}

/// The shares between which the true one lies where it was so many of so many.
fn share_of(some: f64, all: f64) -> [f64; 2] {
    let end = |a: f64, b: f64, at: f64| Beta::new(a, b).map(|beta| beta.inverse_cdf(at));
    [
        end(some, all - some + 1.0, TAIL).unwrap_or(0.0),
        end(some + 1.0, all - some, 1.0 - TAIL).unwrap_or(1.0),
    ]
}

/// The ends between which 90 of 100 values lie.
pub fn interval(mut values: Vec<f64>) -> (Option<f64>, Option<f64>) {
    values.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let place = (share * values.len().saturating_sub(1) as f64).round() as usize;
        values.get(place).copied()
    };
    (quantile(TAIL), quantile(1.0 - TAIL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_weigh_homes_by_their_values() {
        let fleets = Fleets::new(3, 1);
        let values = [vec![1.0, 3.0], vec![], vec![8.0]];
        assert_eq!(fleets.mean(&values).value, Some(4.0));
        let median = fleets.median(&values);
        assert_eq!(median.value, Some(3.0));
        assert!(median.low >= Some(1.0) && median.high == Some(8.0), "{median:?}");
        assert_eq!(fleets.median(&[vec![1.0], vec![2.0], vec![5.0, 9.0]]).value, Some(3.5));
        assert_eq!(fleets.ratio(&[(1.0, 2.0), (0.0, 2.0), (2.0, 2.0)]).value, Some(0.5));
    }

    #[test]
    fn nothing_to_divide_by_is_no_figure() {
        for homes in [0, 2] {
            let fleets = Fleets::new(homes, 1);
            assert_eq!(fleets.mean(&vec![Vec::new(); homes]), Figure::default());
            assert_eq!(fleets.median(&vec![Vec::new(); homes]), Figure::default());
        }
    }

    #[test]
    fn one_home_alone_says_nothing_of_others() {
        let figure = Fleets::new(1, 1).mean(&[vec![2.0, 4.0]]);
        assert_eq!((figure.low, figure.value, figure.high), (None, Some(3.0), None));
    }

    #[test]
    fn nothing_seen_is_not_nothing_for_certain() {
        let fleets = Fleets::new(4, 1);
        // Three expected events would show none once in twenty; so would a chance of 0.473 in four of four.
        let none = fleets.rate(&[(0.0, 1.5); 4]);
        assert_eq!((none.value, none.low), (Some(0.0), Some(0.0)));
        assert!((none.high.unwrap_or_default() * 6.0 - 2.996).abs() < 1e-3, "{none:?}");
        let all = fleets.share(&[(1.0, 1.0); 4]);
        assert_eq!((all.value, all.high), (Some(1.0), Some(1.0)));
        assert!(
            (all.low.unwrap_or_default() - 0.05_f64.powf(0.25)).abs() < 1e-6,
            "{all:?}"
        );
        // One that differs from home to home by more than chance has the wider interval of the homes.
        let uneven = [(0.0, 1.0), (0.0, 1.0), (40.0, 1.0), (80.0, 1.0)];
        assert_eq!(fleets.rate(&uneven), fleets.ratio(&uneven));
        assert_eq!(Fleets::new(1, 1).rate(&[(0.0, 1.0)]).high, None);
        assert_eq!(fleets.rate(&[(0.0, 0.0); 4]), Figure::default());
    }

    #[test]
    fn what_one_home_has_seen_alone_has_no_interval() {
        let values = [vec![3.0, 5.0], vec![], vec![]];
        let fleets = Fleets::new(3, 1);
        for figure in [
            fleets.mean(&values),
            fleets.median(&values),
            fleets.nine_in_ten(&values),
        ] {
            assert!(
                figure.value.is_some() && figure.low.is_none() && figure.high.is_none(),
                "{figure:?}"
            );
        }
    }

    #[test]
    fn nine_in_ten_are_within() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(Fleets::new(1, 1).nine_in_ten(&[&values[..]]).value, Some(18.0));
        assert_eq!(Fleets::new(1, 1).nine_in_ten(&[&values[..3]]).value, Some(3.0));
    }
}
