//! Budgets of false alerts, stage by stage, and the λ that follows.
//!
//! A false alert is one in a dry spell that ends by itself within a day. What a rule of a later stage meets has been met for the
//! earlier ones as well, so what the rules of a stage and of those after it say together has to fit into its budget.
//! Rates are those measured on one set of homes (`docs/detectors.md`, inactivity): homes of another kind differ, and the metrics show
//! how the budget truly stands.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::hazard::Hazard;
use super::hazard::model::Point;
use super::settings::{Condition, InactivitySettings, Rule};
use crate::detect::Mistake;
use crate::model::Stage;

/// Days of a month of 730.5 hours.
const DAYS_OF_A_MONTH: f64 = 730.5 / 24.0;
/// λ where nothing is said, in hours.
const DEFAULT_LAMBDA: f64 = 400.0;
/// On what the rates were measured.
pub const MEASURED_ON: &str = "64 homes of DAIAD, hourly readings";

/// False alerts a home-month measured for so many hours without use, on the same homes.
const OF_HOURS: [(f64, f64); 3] = [(8.0, 5.16), (12.0, 0.90), (18.0, 0.29)];

/// What a programme accepts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// False alerts a home-month.
    AHomeMonth(f64),
    /// False alerts a day, over all homes of the programme.
    AlertsADay(f64),
}

/// The budgets of a programme. Each sets λ of the learned rule of its stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// How many homes the programme has, for budgets a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homes: Option<u32>,
    /// Of calls to the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<Budget>,
    /// Of calls to a contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<Budget>,
    /// Of visits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visit: Option<Budget>,
}

impl Budgets {
    /// That of a stage, as it is stated.
    pub fn stated(&self, stage: Stage) -> Option<Budget> {
        match stage {
            Stage::Ask => self.ask,
            Stage::Contact => self.contact,
            Stage::Visit => self.visit,
        }
    }

    /// False alerts accepted a home-month at a stage; `None` where nothing is said, or not of how many homes.
    pub fn a_home_month(&self, stage: Stage) -> Option<f64> {
        match self.stated(stage)? {
            Budget::AHomeMonth(alerts) => Some(alerts),
            Budget::AlertsADay(alerts) => self.homes.map(|homes| alerts * DAYS_OF_A_MONTH / f64::from(homes)),
        }
    }
}

/// Budgets that may be stated, in false alerts a home-month.
pub const BUDGETS: RangeInclusive<f64> = 0.001..=100.0;

/// The λ that keeps within `budget` false alerts a home-month, by the curve of the table.
pub fn lambda_for(hazard: &Hazard, budget: f64) -> Option<f64> {
    lambda_of(&hazard.model()?.about.curve, budget)
}

/// The λ with which nine of ten fleets such as those that were measured keep within `budget` false alerts a home-month: between
/// measured points on a line of logarithms, beyond them on the nearest one's. `None` for a budget that is no positive number.
pub fn lambda_of(curve: &[Point], budget: f64) -> Option<f64> {
    let mut falling: Vec<(f64, f64)> = Vec::new();
    for point in curve.iter().filter(|point| point.false_at_most > 0.0) {
        // Where the rate stays the same more patience buys nothing that was measured.
        if falling.last().is_none_or(|(rate, _)| point.false_at_most < *rate) {
            falling.push((point.false_at_most, point.lambda));
        }
    }
    let curve = falling;
    if !(budget > 0.0 && budget.is_finite()) || curve.len() < 2 {
        return None;
    }
    let place = curve[1..].iter().position(|(rate, _)| budget >= *rate);
    let place = place.unwrap_or(curve.len() - 2);
    let ((rate, lambda), (lower_rate, higher_lambda)) = (curve[place], curve[place + 1]);
    let share = (budget / rate).ln() / (lower_rate / rate).ln();
    Some((lambda * (higher_lambda / lambda).powf(share)).clamp(1.0, 1e6))
}

/// The false alerts a home-month of a rule of so many hours without use: as for λ, and none from a day on, but where a tap drips while
/// people are away, and whatever learned rule stands beside it says these as well.
fn rate_of_hours(hours: f64) -> f64 {
    if hours >= 24.0 {
        return 0.0;
    }
    let place = usize::from(hours > OF_HOURS[1].0);
    let ((fewer, rate), (more, lower_rate)) = (OF_HOURS[place], OF_HOURS[place + 1]);
    rate * (lower_rate / rate).powf((hours - fewer) / (more - fewer))
}

impl InactivitySettings {
    /// λ of the learned rule at `place`: its own, or what the budget of its stage leaves to it, or the default.
    pub fn lambda(&self, place: usize) -> f64 {
        let rule = self.rules.get(place);
        let own = rule.and_then(|rule| match &rule.when {
            Condition::Learned(learned) => learned.lambda,
            _ => None,
        });
        let budgeted = || {
            let stage = rule?.stage;
            self.lambda_within(stage, self.budget.a_home_month(stage)?)
        };
        own.or_else(budgeted).unwrap_or(DEFAULT_LAMBDA)
    }

    /// The λ with which the rules of `stage` and those after it keep within `budget`, in false alerts a home-month; `None`
    /// where the others alone exceed it.
    pub fn lambda_within(&self, stage: Stage, budget: f64) -> Option<f64> {
        let others = self.fixed_rate(stage).map_or(0.0, |(_, rate)| rate);
        lambda_for(&self.hazard, budget - others)
    }

    /// The rule beside the learned ones that brings homes to `stage` soonest, with its rate: the longer ones say nothing that it
    /// has not said. Of rules of litres, of bands and for each person no rate has been measured.
    pub fn fixed_rate(&self, stage: Stage) -> Option<(&Rule, f64)> {
        let counts = |rule: &&Rule| rule.stage >= stage && !rule.until_learned;
        let rates = self.rules.iter().filter(counts).filter_map(|rule| match rule.when {
            Condition::NoUse { hours } => Some((rule, rate_of_hours(hours))),
            _ => None,
        });
        rates.max_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// The rules that bring homes to `stage`, and of which no rate is known.
    pub fn unmeasured(&self, stage: Stage) -> impl Iterator<Item = &Rule> {
        // Of daily use next to nothing was measured.
        let is_known = |rule: &Rule| {
            matches!(
                rule.when,
                Condition::NoUse { .. } | Condition::OnlyDailyUse { .. } | Condition::Learned(_)
            )
        };
        let counts = move |rule: &&Rule| rule.stage >= stage && !rule.until_learned && !is_known(rule);
        self.rules.iter().filter(counts)
    }

    pub(super) fn budget_mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let mut earlier: Option<(Stage, f64)> = None;
        for stage in Stage::ALL {
            if self.budget.stated(stage).is_none() {
                continue;
            }
            let key = format!("budget.{}", stage.name());
            if self.rules.iter().all(|rule| rule.stage != stage) {
                let message = format!("no rule has the stage {}", stage.name());
                mistakes.push(Mistake::new(&key, message));
            }
            let Some(budget) = self.budget.a_home_month(stage) else {
                let message = "alerts_a_day needs budget.homes, how many homes the programme has";
                mistakes.push(Mistake::new(key, message));
                continue;
            };
            if !BUDGETS.contains(&budget) {
                let message = format!("{budget} false alerts a home-month are not between 0.001 and 100");
                mistakes.push(Mistake::new(key, message));
                continue;
            }
            if let Some((before, more)) = earlier.filter(|(_, more)| budget > *more) {
                let message = format!(
                    "{budget:.3} false alerts a home-month are more than the {more:.3} of {}, which comes first",
                    before.name()
                );
                mistakes.push(Mistake::new(&key, message));
            }
            earlier = Some((stage, budget));
            let mut learned = self.learned().filter(|(place, _)| self.rules[*place].stage == stage);
            let Some((place, learned)) = learned.next() else {
                continue; // Nothing to set: the metrics hold it against what is said.
            };
            if learned.lambda.is_some() {
                let name = &self.rules[place].name;
                mistakes.push(Mistake::new(
                    &key,
                    format!("{name} states its lambda, which this would set"),
                ));
            }
            if lambda_for(&self.hazard, budget).is_none() {
                let message = "the table of hazards was measured on too little to set lambda by a budget; teach it with more homes and months";
                mistakes.push(Mistake::new(&key, message));
            }
            if let Some((rule, rate)) = self.fixed_rate(stage).filter(|(_, rate)| *rate >= budget) {
                let message = format!(
                    "{budget:.3} false alerts a home-month are no more than the {rate:.2} measured for {} alone ({MEASURED_ON})",
                    rule.name
                );
                mistakes.push(Mistake::new(&key, message));
            }
        }
        if self.budget.homes == Some(0) {
            mistakes.push(Mistake::new("budget.homes", "0 homes"));
        }
        mistakes
    }
}
