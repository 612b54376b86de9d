//! Runs over a sweep of λ as one curve: false alerts a home-month, and the delay that they buy.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::backtest::cases::HomeCases;
use crate::backtest::resample::{Figure, Fleets, interval};

/// False alerts a home-month at which delays are stated.
pub const BUDGETS: [f64; 4] = [2.5, 1.0, 0.5, 0.25];

/// What each home adds to each point of a curve. λ rises from point to point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sweep {
    /// λ of each point, in hours.
    pub lambdas: Vec<f64>,
    /// The homes.
    pub homes: Vec<HomeSweep>,
}

/// One home's share in the points of a curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HomeSweep {
    /// Home-months judged.
    pub months: f64,
    /// Emergencies.
    pub emergencies: f64,
    /// False alerts, at each point.
    pub false_alerts: Vec<f64>,
    /// Hours of delay of all its emergencies together, at each point.
    pub delays: Vec<f64>,
}

/// The points of a curve for one fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels {
    /// False alerts a home-month; never more where λ is greater.
    pub rates: Vec<f64>,
    /// Mean delay in hours; empty without emergencies.
    pub delays: Vec<f64>,
    /// The least rate that so many months can tell from none.
    least: f64,
}

/// A point of a curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// λ in hours.
    pub lambda: f64,
    /// False alerts a home-month.
    pub false_per_home_month: Figure,
    /// Mean delay in hours, misses counted as 72.
    pub delay_hours: Figure,
}

/// A point between those of a curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtRate {
    /// False alerts a home-month.
    pub false_per_home_month: f64,
    /// Mean delay in hours; none where the curve does not reach.
    pub delay_hours: Figure,
}

impl Sweep {
    /// Of runs at rising λ, each judged home by home.
    pub fn of_runs(runs: &[(f64, Vec<HomeCases>)]) -> Self {
        let mut homes = BTreeMap::<&str, HomeSweep>::new();
        for (place, (_, cases)) in runs.iter().enumerate() {
            for case in cases {
                let home = homes.entry(&case.household).or_default();
                (home.months, home.emergencies) = (case.months, case.first.delays.len() as f64);
                home.false_alerts.resize(place, 0.0);
                home.false_alerts.push(case.first.false_alerts as f64);
                home.delays.resize(place, 0.0);
                home.delays.push(case.first.delays.iter().sum());
            }
        }
        for home in homes.values_mut() {
            home.false_alerts.resize(runs.len(), 0.0);
            home.delays.resize(runs.len(), 0.0);
        }
        Self {
            lambdas: runs.iter().map(|(lambda, _)| *lambda).collect(),
            homes: homes.into_values().collect(),
        }
    }

    /// The curve of a fleet, which has each home so many times.
    pub fn levels(&self, counts: &[u32]) -> Levels {
        let (mut months, mut emergencies) = (0.0, 0.0);
        let mut rates = vec![0.0; self.lambdas.len()];
        let mut delays = vec![0.0; self.lambdas.len()];
        for (home, count) in self.homes.iter().zip(counts) {
            let weight = f64::from(*count);
            months += weight * home.months;
            emergencies += weight * home.emergencies;
            for (sum, of_home) in rates.iter_mut().zip(&home.false_alerts) {
                *sum += weight * of_home;
            }
            for (sum, of_home) in delays.iter_mut().zip(&home.delays) {
                *sum += weight * of_home;
            }
        }
        if months > 0.0 {
            rates.iter_mut().for_each(|rate| *rate /= months);
        }
        match emergencies > 0.0 {
            true => delays.iter_mut().for_each(|delay| *delay /= emergencies),
            false => delays.clear(),
        }
        never_rising(&mut rates);
        Levels {
            rates,
            delays,
            least: 0.5 / months.max(1e-9),
        }
    }

    fn fleets(&self) -> Fleets {
        Fleets::new(self.homes.len(), 1)
    }

    /// The points, with their intervals.
    pub fn points(&self) -> Vec<Point> {
        let parts = |part: &dyn Fn(&HomeSweep) -> (f64, f64)| self.homes.iter().map(part).collect::<Vec<_>>();
        let fleets = self.fleets();
        let point = |(place, lambda): (usize, &f64)| Point {
            lambda: *lambda,
            false_per_home_month: fleets.rate(&parts(&|home| (home.false_alerts[place], home.months))),
            delay_hours: fleets.ratio(&parts(&|home| (home.delays[place], home.emergencies))),
        };
        self.lambdas.iter().enumerate().map(point).collect()
    }

    /// The delay at each of these rates of false alerts. An interval stands where nine of ten fleets reach the rate.
    pub fn at_rates(&self, rates: &[f64]) -> Vec<AtRate> {
        let (all, drawn) = self.fleets().each(|counts| {
            let levels = self.levels(counts);
            rates.iter().map(|rate| levels.delay_at(*rate)).collect::<Vec<_>>()
        });
        let at = |(place, rate): (usize, &f64)| {
            let values: Vec<f64> = drawn.iter().filter_map(|fleet| fleet[place]).collect();
            let is_sure = values.len() * 10 >= drawn.len() * 9;
            let (low, high) = if is_sure { interval(values) } else { (None, None) };
            AtRate {
                false_per_home_month: *rate,
                delay_hours: Figure {
                    value: all[place],
                    low,
                    high,
                },
            }
        };
        rates.iter().enumerate().map(at).collect()
    }

    /// Those of a part of the homes.
    pub fn part(&self, is_in: impl Fn(usize) -> bool) -> Self {
        let homes = self.homes.iter().enumerate().filter(|(place, _)| is_in(*place));
        Self {
            lambdas: self.lambdas.clone(),
            homes: homes.map(|(_, home)| home.clone()).collect(),
        }
    }
}

impl HomeSweep {
    /// Its false alerts at a λ: between points in proportion to the logarithm of λ.
    pub fn false_alerts_at(&self, lambda: f64, lambdas: &[f64]) -> f64 {
        let at = |place: usize| self.false_alerts.get(place).copied().unwrap_or_default();
        let next = lambdas.partition_point(|known| *known < lambda);
        let Some((before, upper)) = next.checked_sub(1).zip(lambdas.get(next)) else {
            return at(next.min(lambdas.len().saturating_sub(1)));
        };
        let share = (lambda / lambdas[before]).ln() / (upper / lambdas[before]).ln();
        at(before) + share * (at(next) - at(before))
    }
}

impl Levels {
    /// The λ, as a place on a line of its logarithms, at which the rate is met; `None` where the curve does not reach.
    fn place(&self, rate: f64) -> Option<(usize, f64)> {
        let log = |rate: f64| (rate + self.least).ln();
        let next = self.rates.iter().position(|known| *known <= rate)?;
        let Some(before) = next.checked_sub(1) else {
            return (self.rates[0] >= rate).then_some((0, 0.0));
        };
        let (high, low) = (log(self.rates[before]), log(self.rates[next]));
        let share = if high > low {
            (high - log(rate)) / (high - low)
        } else {
            1.0
        };
        Some((before, share.clamp(0.0, 1.0)))
    }

    /// The mean delay where the curve has this rate of false alerts.
    pub fn delay_at(&self, rate: f64) -> Option<f64> {
        let (before, share) = self.place(rate)?;
        let (from, to) = (self.delays.get(before)?, self.delays.get(before + 1));
        Some(from + share * (to.unwrap_or(from) - from))
    }

    /// The λ at which this rate of false alerts is met.
    pub fn lambda_for(&self, rate: f64, lambdas: &[f64]) -> Option<f64> {
        let (before, share) = self.place(rate)?;
        let (from, to) = (lambdas.get(before)?, lambdas.get(before + 1));
        Some(from * (to.unwrap_or(from) / from).powf(share))
    }

    /// The rate of false alerts at a λ: between points on a line of logarithms, beyond them that of the nearest.
    pub fn rate_at(&self, lambda: f64, lambdas: &[f64]) -> Option<f64> {
        let next = lambdas.partition_point(|known| *known < lambda);
        let (Some(before), Some(upper)) = (next.checked_sub(1), lambdas.get(next)) else {
            return if next == 0 {
                self.rates.first()
            } else {
                self.rates.last()
            }
            .copied();
        };
        let share = (lambda / lambdas[before]).ln() / (upper / lambdas[before]).ln();
        let log = |place: usize| (self.rates[place] + self.least).ln();
        Some((log(before) + share * (log(next) - log(before))).exp() - self.least)
    }
}

/// Pools neighbours that rise into their mean, until none does: least squares under the knowledge that a greater λ raises
/// no more false alerts.
fn never_rising(values: &mut [f64]) {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for value in values.iter() {
        let mut pool = (*value, 1);
        while let Some((mean, count)) = pools.last().copied().filter(|(mean, _)| *mean < pool.0) {
            let all = count + pool.1;
            pool = ((mean * count as f64 + pool.0 * pool.1 as f64) / all as f64, all);
            pools.pop();
        }
        pools.push(pool);
    }
    let smooth = pools
        .into_iter()
        .flat_map(|(mean, count)| std::iter::repeat_n(mean, count));
    values
        .iter_mut()
        .zip(smooth)
        .for_each(|(value, smooth)| *value = smooth);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep() -> Sweep {
        let home = |false_alerts: [f64; 3], delays: [f64; 3]| HomeSweep {
            months: 1000.0,
            emergencies: 2.0,
            false_alerts: false_alerts.map(|rate| rate * 1000.0).to_vec(),
            delays: delays.to_vec(),
        };
        Sweep {
            lambdas: vec![100.0, 200.0, 400.0],
            homes: vec![
                home([4.0, 2.0, 0.0], [8.0, 16.0, 20.0]),
                home([4.0, 2.0, 2.0], [8.0, 16.0, 20.0]),
            ],
        }
    }

    #[test]
    fn between_points_rates_lie_on_a_line_of_logarithms() {
        let sweep = sweep();
        let levels = sweep.levels(&[1, 1]);
        assert_eq!(levels.rates, [4.0, 2.0, 1.0]);
        assert_eq!(levels.delays, [4.0, 8.0, 10.0]);
        let near = |value: Option<f64>, expected: f64| (value.expect("reached") - expected).abs() < 0.01;
        assert!(near(levels.delay_at(2.0), 8.0) && near(levels.delay_at(8.0f64.sqrt()), 6.0));
        assert!(near(
            levels.lambda_for(2.0f64.sqrt(), &sweep.lambdas),
            100.0 * 8.0f64.sqrt()
        ));
        assert!(near(
            levels.rate_at(100.0 * 2.0f64.sqrt(), &sweep.lambdas),
            8.0f64.sqrt()
        ));
        for lambda in [1.0, 100.0] {
            assert!(near(levels.rate_at(lambda, &sweep.lambdas), 4.0));
        }
        assert!(near(levels.rate_at(9e9, &sweep.lambdas), 1.0));
        assert_eq!(
            (levels.delay_at(4.1), levels.delay_at(0.9)),
            (None, None),
            "not reached"
        );
    }

    #[test]
    fn a_rate_that_not_all_fleets_reach_has_no_interval() {
        let at = sweep().at_rates(&[2.5, 1.0]);
        assert!(at[0].delay_hours.low.is_some());
        assert_eq!((at[1].delay_hours.value, at[1].delay_hours.low), (Some(10.0), None));
        let points = sweep().points();
        assert_eq!(points[2].false_per_home_month.value, Some(1.0));
        assert_eq!(points[2].false_per_home_month.high, Some(2.0));
    }

    #[test]
    fn what_rises_by_chance_is_pooled() {
        let mut values = [5.0, 2.0, 3.0, 4.0, 1.0, 0.0];
        never_rising(&mut values);
        assert_eq!(values, [5.0, 3.0, 3.0, 3.0, 1.0, 0.0]);
    }

    #[test]
    fn homes_that_one_run_does_not_know_add_nothing_there() {
        let home = |name: &str, false_alerts: usize| HomeCases {
            household: name.into(),
            months: 1.0,
            first: crate::backtest::cases::Reached {
                false_alerts,
                ..Default::default()
            },
            ..HomeCases::default()
        };
        let runs = [(1.0, vec![home("a", 3)]), (2.0, vec![home("a", 2), home("b", 1)])];
        let sweep = Sweep::of_runs(&runs);
        assert_eq!(sweep.homes[0].false_alerts, [3.0, 2.0]);
        assert_eq!(sweep.homes[1].false_alerts, [0.0, 1.0]);
        assert!(sweep.levels(&[1, 1]).delays.is_empty());
    }
}
