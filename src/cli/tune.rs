//! `tune`: the λ for a budget of false alerts, found on an operator's own history, and how sure it is.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, ValueHint};

use super::backtest::{Input, folder_of, refuse_overwriting, sweep, write_file};
use super::progress;
use super::wish::{Wish, budget, lambda_of, one_for_all, stage_named, with_wish};
use crate::backtest::Backtest;
use crate::backtest::analysis::sweep::Sweep;
use crate::backtest::analysis::tuned::{FOLDS, Tuned};
use crate::backtest::cases::HomeCases;
use crate::detect::inactivity::{Budgets, Condition, InactivitySettings, Learned};
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
    /// Write the programmes that have a learned rule to this file, with the λ found: for --rules, or the settings file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
}

/// Finds λ, and says which rules get which. `settings_files` are those that `validated` was read from.
pub fn tune(args: &TuneArgs, mut validated: Validated, settings_files: &[&PathBuf]) -> anyhow::Result<()> {
    Arc::make_mut(&mut validated.rules).consent = ConsentRule::Assumed;
    let Some(lambda) = lambda_of(&validated.rules, args.stage) else {
        bail!("no programme has a learned rule to tune");
    };
    if let Some(out) = &args.out {
        folder_of(out)?;
        let files: Vec<&PathBuf> = args.input.files().chain(settings_files.iter().copied()).collect();
        refuse_overwriting([out.clone()], files)?;
    }
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
    let Some(mut tuned) = with_wish(&validated.rules, args.stage, Wish::Lambda(lambda))? else {
        bail!("no programme has a learned rule to tune");
    };
    for programme in &mut Arc::make_mut(&mut tuned).programmes {
        round(&mut programme.detectors.inactivity);
        for (place, _) in programme.detectors.inactivity.learned() {
            let (name, inactivity) = (&programme.name, &programme.detectors.inactivity);
            let rule = &inactivity.rules[place].name;
            say!(
                "programme {name}, rule {rule}: learned = {{ lambda = {:.0} }}",
                inactivity.lambda(place)
            );
        }
    }
    match &args.out {
        Some(out) => write(out, &validated, &tuned),
        None => {
            say!("--out FILE writes these programmes whole, with this λ, as --rules and the settings take them");
            Ok(())
        }
    }
}

/// λ in whole hours: no history knows it better. A λ that is stated takes the place of a budget.
fn round(inactivity: &mut InactivitySettings) {
    let places: Vec<usize> = inactivity.learned().map(|(place, _)| place).collect();
    for place in places {
        let lambda = inactivity.lambda(place).round();
        inactivity.rules[place].when = Condition::Learned(Learned::with_lambda(lambda));
    }
    inactivity.budget = Budgets::default();
}

/// Writes the programmes that have a learned rule, with everything that holds in them: of what a file leaves out, something else might.
fn write(out: &Path, validated: &Validated, tuned: &Rules) -> anyhow::Result<()> {
    let mut programmes = toml::Table::new();
    for programme in &tuned.programmes {
        let Some(settings) = validated.settings.programmes.get(&*programme.name) else {
            continue;
        };
        if programme.detectors.inactivity.learned().next().is_none() {
            continue;
        }
        let mut settings = settings.clone();
        settings.detectors.inactivity = programme.detectors.inactivity.clone();
        let mut table = toml::Table::try_from(&settings)?;
        // What presets say is in it.
        table.insert("presets".into(), toml::Value::Array(Vec::new()));
        programmes.insert(programme.name.to_string(), table.into());
    }
    let text = toml::to_string(&BTreeMap::from([("programmes", programmes)]))?;
    write_file(out, |file| Ok(file.write_all(text.as_bytes())?))?;
    say!(
        "{}: these programmes whole, for --rules, or to stand in their place in the settings (where the settings state a budget of theirs, \
         the budget goes)",
        out.display()
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
