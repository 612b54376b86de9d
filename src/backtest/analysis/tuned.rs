//! The λ that meets a budget of false alerts, and how sure it is.

use super::sweep::Sweep;
use crate::backtest::resample::{Figure, Fleets, interval};

/// Parts of the homes for cross-validation.
pub const FOLDS: usize = 5;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// λ in hours, with the interval of what other fleets of such homes would give.
    pub lambda: Figure,
    /// False alerts a home-month of these homes at that λ.
    pub rate: Figure,
    /// False alerts a home-month of homes that λ was not tuned on: of all folds together.
    pub on_others: Figure,
    /// The folds.
    pub folds: Vec<Fold>,
}

/// One part of the homes, judged by what the others teach.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// Homes in it.
    pub homes: usize,
    /// λ from the other homes.
    pub lambda: f64,
    /// False alerts a home-month of its own homes at that λ.
    pub rate: f64,
}

impl Tuned {
    /// From runs at several λ; `None` where none of them reaches the budget.
    pub fn new(sweep: &Sweep, budget: f64) -> Option<Self> {
        let fleets = Fleets::new(sweep.homes.len(), 1);
        let (lambda, drawn) = fleets.each(|counts| sweep.levels(counts).lambda_for(budget, &sweep.lambdas));
        let lambda = lambda?;
        // A fleet that keeps within the budget at every λ, or at none, is as far out as the search went.
        let ends = (sweep.lambdas.first().copied()?, sweep.lambdas.last().copied()?);
        let outside = |counts: &[u32]| {
            let keeps = sweep.levels(counts).rates.first().is_some_and(|rate| *rate < budget);
            if keeps { ends.0 } else { ends.1 }
        };
        let (_, outside) = fleets.each(outside);
        let all = drawn
            .into_iter()
            .zip(outside)
            .map(|(lambda, outside)| lambda.unwrap_or(outside));
        let (low, high) = interval(all.collect());
        let folds: Vec<(Fold, Vec<(f64, f64)>)> = (0..FOLDS).filter_map(|fold| of_fold(sweep, budget, fold)).collect();
        let parts: Vec<(f64, f64)> = folds.iter().flat_map(|(_, parts)| parts.iter().copied()).collect();
        Some(Self {
            lambda: Figure {
                value: Some(lambda),
                low,
                high,
            },
            rate: fleets
                .figure(|counts| sweep.levels(counts).rate_at(lambda, &sweep.lambdas))
                .of_events_in(sweep.homes.iter().map(|home| home.months).sum()),
            on_others: Fleets::new(parts.len(), 1).rate(&parts),
            folds: folds.into_iter().map(|(fold, _)| fold).collect(),
        })
    }
}

/// Every fifth home, with the λ of the others; and of each of its homes false alerts and months.
fn of_fold(sweep: &Sweep, budget: f64, fold: usize) -> Option<(Fold, Vec<(f64, f64)>)> {
    let others = sweep.part(|place| place % FOLDS != fold);
    let own = sweep.part(|place| place % FOLDS == fold);
    let lambda = others
        .levels(&vec![1; others.homes.len()])
        .lambda_for(budget, &sweep.lambdas)?;
    let parts: Vec<(f64, f64)> = own
        .homes
        .iter()
        .filter(|home| home.months > 0.0)
        .map(|home| (home.false_alerts_at(lambda, &sweep.lambdas), home.months))
        .collect();
    let (sum, months) = parts
        .iter()
        .fold((0.0, 0.0), |sums, part| (sums.0 + part.0, sums.1 + part.1));
    let fold = Fold {
        homes: own.homes.len(),
        lambda,
        rate: if months > 0.0 { sum / months } else { return None },
    };
    Some((fold, parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::analysis::sweep::HomeSweep;

    /// Homes with rates of `factor × 400 / λ`.
    fn sweep(factors: &[f64]) -> Sweep {
        let lambdas = vec![100.0, 200.0, 400.0, 800.0, 1600.0];
        let home = |factor: &f64| HomeSweep {
            months: 100.0,
            false_alerts: lambdas.iter().map(|lambda| factor * 400.0 / lambda * 100.0).collect(),
            delays: vec![0.0; lambdas.len()],
            emergencies: 0.0,
        };
        Sweep {
            homes: factors.iter().map(home).collect(),
            lambdas,
        }
    }

    fn is_near(value: f64, expected: f64) -> bool {
        (value / expected - 1.0).abs() < 0.01
    }

    #[test]
    fn equal_homes_leave_no_doubt() {
        let tuned = Tuned::new(&sweep(&[1.0; 20]), 0.5).expect("reached");
        for figure in [tuned.lambda.value, tuned.lambda.low, tuned.lambda.high] {
            assert!(figure.is_some_and(|lambda| is_near(lambda, 800.0)), "{figure:?}");
        }
        assert!(tuned.rate.value.is_some_and(|rate| is_near(rate, 0.5)));
        assert!(tuned.on_others.value.is_some_and(|rate| is_near(rate, 0.5)));
        assert_eq!((tuned.folds.len(), tuned.folds[0].homes), (FOLDS, 4));
    }

    #[test]
    fn homes_that_differ_make_it_unsure() {
        let factors: Vec<f64> = (0..20).map(|home| f64::from(home % 4 + 1) / 2.5).collect();
        let tuned = Tuned::new(&sweep(&factors), 0.5).expect("reached");
        assert!(tuned.lambda.value.is_some_and(|lambda| is_near(lambda, 800.0)));
        assert!(
            tuned.lambda.low < Some(750.0) && tuned.lambda.high > Some(850.0),
            "{:?}",
            tuned.lambda
        );
        assert!(
            tuned.rate.low < Some(0.47) && tuned.rate.high > Some(0.53),
            "{:?}",
            tuned.rate
        );
    }

    #[test]
    fn a_fold_that_is_unlike_the_others_shows_it() {
        // Every fifth home has ten times as many: the λ of the others is too low for it.
        let factors: Vec<f64> = (0..20).map(|home| if home % 5 == 2 { 4.0 } else { 0.5 }).collect();
        let tuned = Tuned::new(&sweep(&factors), 1.0).expect("reached");
        assert!(
            is_near(tuned.folds[2].lambda, 200.0) && is_near(tuned.folds[2].rate, 8.0),
            "{:?}",
            tuned.folds[2]
        );
        assert!(tuned.on_others.value > tuned.rate.value);
    }

    #[test]
    fn what_no_lambda_reaches_is_not_found() {
        assert_eq!(Tuned::new(&sweep(&[1.0; 3]), 0.1), None);
        assert_eq!(Tuned::new(&sweep(&[1.0; 3]), 9.0), None);
        assert_eq!(Tuned::new(&sweep(&[]), 1.0), None);
    }
}
