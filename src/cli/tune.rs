//! `tune`: the λ for a budget of false alerts, found on an operator's own history, and how sure it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;

use super::backtest::{Input, sweep};
use super::progress;
use super::wish::{Wish, budget, lambda_of, one_for_all, stage_named, with_wish};
use crate::backtest::Backtest;
use crate::backtest::analysis::sweep::Sweep;
use crate::backtest::analysis::tuned::{FOLDS, Tuned};
use crate::backtest::cases::HomeCases;
use crate::model::Stage;
use crate::partition::{ConsentRule, Rules};
use crate::settings::Validated;

/// Runs that halve the gap around the λ that is looked for.
const HALVINGS: u32 = 4;
/// Factors of the λ in force at which the search begins.
const FIRST: [f64; 5] = [0.0625, 0.25, 1.0, 4.0, 16.0];

#[derive(Debug, Args)]
pub struct TuneArgs {
    #[command(flatten)]
    input: Input,
    /// False inactivity alerts accepted a home-month at the stage.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = budget)]
    budget: f64,
    /// The stage whose λ is looked for: ask, contact or visit; the last with a learned rule without it. λ of the others keeps its
    /// proportion to it.
    #[arg(long, value_name = "STAGE", value_parser = stage_named)]
    stage: Option<Stage>,
}

/// Finds λ, and prints the rules with it.
pub fn tune(args: &TuneArgs, mut validated: Validated) -> anyhow::Result<()> {
    Arc::make_mut(&mut validated.rules).consent = ConsentRule::Assumed;
    let Some(lambda) = lambda_of(&validated.rules, args.stage) else {
        bail!("no programme has a learned rule to tune");
    };
    if let Some(note) = one_for_all(&validated.rules, args.stage) {
        say!("{note}");
    }
    let space = args.input.space(&std::env::temp_dir());
    let (backtest, truth) = args.input.read(&validated, &space)?;
    let timelines = backtest.timelines(&truth)?;
    let length = backtest.readings().len() * (FIRST.len() as u64 + u64::from(HALVINGS));
    let bar = progress(length, "runs");
    let at = |lambdas: &[f64]| {
        sweep(
            &backtest,
            &timelines,
            &truth,
            &validated.rules,
            args.stage,
            lambdas,
            &bar,
        )
    };
    let mut runs = at(&FIRST.map(|factor| (lambda * factor).clamp(1.0, 1e6)))?;
    runs.dedup_by(|a, b| a.0 == b.0);
    for _ in 0..HALVINGS {
        let Some(next) = between(&runs, args.budget) else { break };
        runs.extend(at(&[next])?);
        runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    bar.finish_and_clear();
    let sweep = Sweep::of_runs(&runs);
    let lambda = tell(args, &backtest, &sweep)?;
    let tuned = with_wish(&validated.rules, args.stage, Wish::Lambda(lambda.round()))?;
    tell_rules(&tuned.unwrap_or(validated.rules))
}

/// The programmes' rules as a file of rules has them.
fn tell_rules(rules: &Rules) -> anyhow::Result<()> {
    let with_learned = rules.programmes.iter().filter_map(|programme| {
        let inactivity = &programme.detectors.inactivity;
        inactivity.learned().next()?;
        let rules = BTreeMap::from([("rules", &inactivity.rules)]);
        Some((&*programme.name, BTreeMap::from([("inactivity", rules)])))
    });
    let programmes: BTreeMap<_, _> = with_learned.collect();
    say!(
        "# All rules of inactivity, as the settings or a file for --rules take them (a part of them would take the place of all):"
    );
    say!(
        "{}",
        toml::to_string(&BTreeMap::from([("programmes", programmes)]))?.trim_end()
    );
    Ok(())
}

/// The λ in the middle of the two whose rates the budget lies between.
fn between(runs: &[(f64, Vec<HomeCases>)], budget: f64) -> Option<f64> {
    let sweep = Sweep::of_runs(runs);
    let levels = sweep.levels(&vec![1; sweep.homes.len()]);
    let next = levels.rates.iter().position(|rate| *rate <= budget)?;
    let before = next.checked_sub(1)?;
    Some((sweep.lambdas[before] * sweep.lambdas[next]).sqrt())
}

/// Says what was found; the λ for the budget.
fn tell(args: &TuneArgs, backtest: &Backtest, sweep: &Sweep) -> anyhow::Result<f64> {
    let months: f64 = sweep.homes.iter().map(|home| home.months).sum();
    say!(
        "{} readings of {} homes, {months:.1} home-months from their 30th day on",
        backtest.readings().len(),
        sweep.homes.len()
    );
    for point in sweep.points() {
        say!(
            "  λ {:<9.1} {} false a home-month",
            point.lambda,
            super::backtest::figure(point.false_per_home_month)
        );
    }
    let tuned = Tuned::new(sweep, args.budget).with_context(|| {
        format!(
            "--budget {}: not reached by any λ that was tried (the figures above). Where all of them say more, the rules beside the learned one may do so already; where all say less, no λ says as much: there is nothing to save; else there are too few home-months",
            args.budget
        )
    })?;
    say!(
        "for {} false alerts a home-month: λ {}",
        args.budget,
        super::backtest::figure(tuned.lambda)
    );
    say!(
        "  at this λ these homes have {} false a home-month",
        super::backtest::figure(tuned.rate)
    );
    let of_all = sweep.homes.len();
    say!(
        "  tuned on four fifths of the homes and measured on the last, each in turn: {} false a home-month",
        super::backtest::figure(tuned.on_others)
    );
    for (fold, of_fold) in tuned.folds.iter().enumerate() {
        say!(
            "    fold {} of {FOLDS}, {} of {of_all} homes: λ {:.0}, {:.2} false a home-month",
            fold + 1,
            of_fold.homes,
            of_fold.lambda,
            of_fold.rate
        );
    }
    say!(
        "  between the λ that were run, rates are taken from a line of logarithms; in brackets the interval in 90 of 100 fleets"
    );
    if months * args.budget < 10.0 {
        say!(
            "  only about {:.0} false alerts are behind this: more history or more homes make it surer",
            months * args.budget
        );
    }
    tuned.lambda.value.context("no λ comes near the budget")
}
