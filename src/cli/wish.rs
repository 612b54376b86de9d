//! What `backtest --lambda` and `--budget` wish of one stage.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::detect::inactivity::{BUDGETS, Condition, Learned};
use crate::model::Stage;
use crate::partition::{Programme, Rules};

/// How much false alerts are to weigh at a stage.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    /// λ in hours.
    Lambda(f64),
    /// False alerts a home-month.
    Budget(f64),
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lambda(lambda) => write!(f, "--lambda {lambda}"),
            Self::Budget(budget) => write!(f, "--budget {budget}"),
        }
    }
}

pub(super) fn stage_named(name: &str) -> Result<Stage, String> {
    let found = Stage::ALL.into_iter().find(|stage| stage.name() == name);
    found.ok_or_else(|| "ask, contact and visit are the stages".to_owned())
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a share is between 0 and 1".to_owned())
}

pub(super) fn budget(text: &str) -> Result<f64, String> {
    let budget = text.parse::<f64>().ok().filter(|budget| BUDGETS.contains(budget));
    budget.ok_or_else(|| {
        format!(
            "false alerts a home-month are from {} to {}",
            BUDGETS.start(),
            BUDGETS.end()
        )
    })
}

/// λ of the learned rule of `stage`, or of the last learned one, in the first programme that has one.
pub(super) fn lambda_of(rules: &Rules, stage: Option<Stage>) -> Option<f64> {
    lambdas_of(rules, stage).next().map(|(_, lambda)| lambda)
}

/// What a reader of figures at one λ must know where programmes have each its own.
pub(super) fn one_for_all(rules: &Rules, stage: Option<Stage>) -> Option<String> {
    let all: Vec<(&str, f64)> = lambdas_of(rules, stage).collect();
    let differ = all.windows(2).any(|pair| (pair[0].1 - pair[1].1).abs() > 0.05);
    let named = all.iter().map(|(name, lambda)| format!("{name} {lambda:.1}"));
    let named: Vec<String> = named.collect();
    differ.then(|| {
        format!(
            "programmes have λ of their own ({}); each λ that is tried is given to all of them",
            named.join(", ")
        )
    })
}

/// λ of the learned rule of `stage`, or of the last learned one, programme by programme.
fn lambdas_of(rules: &Rules, stage: Option<Stage>) -> impl Iterator<Item = (&str, f64)> {
    let of_programme = move |programme: &Programme| {
        let inactivity = &programme.detectors.inactivity;
        let of_stage = |(place, _): &(usize, _)| stage.is_none_or(|stage| inactivity.rules[*place].stage == stage);
        let learned = inactivity.learned().map(|(place, _)| (place, ())).filter(of_stage);
        let last = learned.max_by_key(|(place, ())| inactivity.rules[*place].stage);
        last.map(|(place, ())| inactivity.lambda(place))
    };
    let programmes = rules.programmes.iter();
    programmes.filter_map(move |programme| Some((&*programme.name, of_programme(programme)?)))
}

/// The rules with what is wished of the learned rule of `stage`, or of the last learned one. λ of the other stages keeps its
/// proportion, so that stages stay as far apart as they were.
///
/// `None` if no programme has a learned rule of that stage.
pub(super) fn with_wish(rules: &Arc<Rules>, stage: Option<Stage>, wish: Wish) -> anyhow::Result<Option<Arc<Rules>>> {
    let named = wish.to_string();
    match wish {
        Wish::Lambda(lambda) if !(1.0..=1e6).contains(&lambda) => bail!("{named}: give hours from 1 to 1000000"),
        _ => {}
    }
    let mut rules = Rules::clone(rules);
    let mut found = false;
    for programme in &mut rules.programmes {
        let inactivity = &mut programme.detectors.inactivity;
        let learned: Vec<(usize, f64)> = inactivity
            .learned()
            .map(|(place, _)| (place, inactivity.lambda(place)))
            .collect();
        let of_stage = |(place, _): &&(usize, f64)| stage.is_none_or(|stage| inactivity.rules[*place].stage == stage);
        let Some((place, before)) = learned
            .iter()
            .filter(of_stage)
            .max_by_key(|(place, _)| inactivity.rules[*place].stage)
        else {
            continue;
        };
        let stage = inactivity.rules[*place].stage;
        let lambda = match wish {
            Wish::Lambda(lambda) => lambda,
            Wish::Budget(budget) => inactivity.lambda_within(stage, budget).with_context(|| {
                match inactivity.fixed_rate(stage).filter(|(_, rate)| *rate >= budget) {
                    Some((rule, rate)) => {
                        format!(
                            "{named}: {} alone is measured at {rate:.2} false alerts a home-month",
                            rule.name
                        )
                    }
                    None => {
                        format!("{named}: the table of hazards was measured on too little to set lambda by a budget")
                    }
                }
            })?,
        };
        if let Wish::Budget(budget) = wish {
            let curve = inactivity.hazard.model().map(|model| model.about.curve.as_slice());
            // Rates of a sound table fall.
            let mut rates = curve.unwrap_or_default().iter().map(|point| point.false_at_most);
            let most = rates.next();
            let beyond = match (rates.next_back(), most) {
                (Some(least), _) if budget < least => {
                    format!("; beyond what was measured: none of it says less than {least:.2}")
                }
                (_, Some(most)) if budget > most => {
                    format!("; beyond what was measured: none of it says more than {most:.2}")
                }
                _ => String::new(),
            };
            say!(
                "  {named}: λ {lambda:.0} h for {}, {}{beyond}",
                programme.name,
                stage.name()
            );
        }
        for (place, own) in &learned {
            let scaled = (own * lambda / before).clamp(1.0, 1e6);
            inactivity.rules[*place].when = Condition::Learned(Learned::with_lambda(scaled));
        }
        found = true;
    }
    Ok(found.then(|| Arc::new(rules)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, SettingsFile, Sources};

    #[test]
    fn a_wish_speaks_of_one_stage_and_the_others_keep_their_distance() {
        let text = "[programmes.default.inactivity]
             rules = [
               { name = 'ask', stage = 'ask', when = { learned = { lambda = 100 } } },
               { name = 'contact', stage = 'contact', when = { learned = { lambda = 200 } } },
               { name = 'visit', stage = 'visit', when = { learned = { lambda = 400 } } },
               { name = '18h', stage = 'visit', when = { no_use = { hours = 18 } } },
             ]";
        let sources = Sources {
            rules: Some(SettingsFile {
                path: "rules.toml".into(),
                text: text.into(),
            }),
            ..Sources::default()
        };
        let validated = Settings::read(&sources).unwrap_or_else(|problems| panic!("{problems}"));
        let lambdas = |stage, wish| {
            let rules = with_wish(&validated.rules, stage, wish).map_err(|error| error.to_string())?;
            let rules = rules.expect("each stage has a learned rule");
            let inactivity = &rules.programmes[0].detectors.inactivity;
            Ok([0, 1, 2].map(|place| inactivity.lambda(place).round()))
        };
        assert_eq!(lambdas(None, Wish::Lambda(800.0)), Ok([200.0, 400.0, 800.0]));
        assert_eq!(
            lambdas(Some(Stage::Ask), Wish::Lambda(200.0)),
            Ok([200.0, 400.0, 800.0])
        );
        // 0.29 of it go to the rule of 18 hours, and the rest is what the table's curve has at 400.
        let hazard = crate::detect::inactivity::hazard::Hazard::default();
        let curve = &hazard.model().expect("the shipped table").about.curve;
        let point = curve
            .iter()
            .find(|point| point.lambda.round() == 400.0)
            .expect("a point");
        let budget = point.false_at_most + 0.29;
        assert_eq!(lambdas(None, Wish::Budget(budget)), Ok([100.0, 200.0, 400.0]));
        assert_eq!(
            lambdas(None, Wish::Budget(0.1)),
            Err::<[f64; 3], _>("--budget 0.1: 18h alone is measured at 0.29 false alerts a home-month".to_owned())
        );
        for wish in [Wish::Lambda(0.0), Wish::Lambda(f64::NAN), Wish::Budget(-1.0)] {
            assert!(lambdas(None, wish).is_err(), "{wish:?}");
        }
        let default = Arc::new(Rules::default());
        let none = with_wish(&default, Some(Stage::Ask), Wish::Lambda(9.0)).map_err(|error| error.to_string());
        assert!(
            none.expect("nothing is wrong").is_none(),
            "no learned rule of that stage"
        );
    }
}
