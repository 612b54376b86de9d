//! The runs behind the report: λ swept, presets as points, homes met anew.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use jiff::tz::TimeZone;

use super::sets::{RuleSet, rule_sets};
use crate::backtest::analysis::bound::Knows;
use crate::backtest::analysis::groups::Daily;
use crate::backtest::analysis::learning::{AGES, OfAge, history_of, of_age, windows};
use crate::backtest::analysis::pages::{Page, page, worst};
use crate::backtest::analysis::sweep::Sweep;
use crate::backtest::analysis::{Analysis, CurveOf, Curves, Fleet, OfRules, zones};
use crate::backtest::cases::HomeCases;
use crate::backtest::judge::{Answers, cases, gap_caused, score};
use crate::backtest::{Backtest, Outcome, RuleSetSummary, Timelines, all_processors};
use crate::cli::wish::{Wish, lambda_of, one_for_all, with_wish};
use crate::history::{HistoryError, Incident, People, SortSpace};
use crate::model::{AlertState, Stage};
use crate::partition::Rules;
use crate::presets::PRESETS;

#[derive(Debug, Args)]
pub(super) struct AnalysisArgs {
    /// Points of the curve of delay against false alerts: so many runs at λ around the one in force, and one for each
    /// preset with a rule of inactivity (or those of --preset alone); 0 for none.
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=33))]
    sweep: u32,
    /// No learning curve: saves about three runs.
    #[arg(long)]
    no_learning_curve: bool,
    /// Alerts that one operator can handle a day; one every ten minutes without it (EEMUA 191).
    #[arg(long, default_value_t = 144.0, value_name = "N", value_parser = above_zero)]
    operator_alerts_a_day: f64,
}

fn above_zero(text: &str) -> Result<f64, String> {
    let number = text
        .parse::<f64>()
        .ok()
        .filter(|number| *number > 0.0 && number.is_finite());
    number.ok_or_else(|| "give a number above 0".to_owned())
}

/// What the runs are made of.
pub(super) struct Course<'a> {
    pub backtest: &'a Backtest,
    pub timelines: &'a Timelines,
    pub truth: &'a [Incident],
    pub people: &'a People,
    /// The sets that were run: that of the settings first.
    pub sets: &'a [RuleSet],
    pub compared: &'a BTreeMap<String, RuleSetSummary>,
    pub stage: Option<Stage>,
    pub budget: Option<f64>,
    pub time_zone: &'a TimeZone,
    pub source: &'a str,
    pub partitions: u32,
    pub space: &'a SortSpace,
}

impl AnalysisArgs {
    /// How often the readings will be run through, beside the runs that were asked for.
    fn runs(&self, sets: usize) -> u64 {
        let presets = if sets > 1 { 0 } else { PRESETS.len() as u64 };
        u64::from(self.sweep) + if self.sweep > 0 { presets } else { 0 }
    }

    /// All figures of the report beyond the score of `outcome`, and the cases to show.
    pub(super) fn analyse(&self, course: &Course<'_>, outcome: &Outcome) -> anyhow::Result<(Analysis, Vec<Page>)> {
        let homes = cases(course.timelines, course.truth, &outcome.judged(), Answers::default());
        let fleet = Fleet {
            timelines: course.timelines,
            records: course.backtest.homes(),
            people: course.people,
            truth: course.truth,
            zones: zones(course.backtest.homes()),
            time_zone: course.time_zone,
        };
        let alerts = outcome.alerts.iter().map(|event| &event.data);
        let daily = Daily::new(alerts, homes.len(), self.operator_alerts_a_day);
        let mut analysis = fleet.analysis(&homes, daily);
        if self.sweep > 0 {
            let length = course.backtest.readings().len() * self.runs(course.sets.len());
            let bar = super::progress(length, "curve");
            analysis.curve = self.curves(course, &fleet, &homes, &bar)?;
            bar.finish_and_clear();
        }
        if !self.no_learning_curve && self.sweep > 0 {
            analysis.learning = learning(course, &fleet)?;
        }
        let pages = worst(&homes)
            .into_iter()
            .map(|choice| {
                let (from, to) = choice.needs();
                let rows = course.backtest.readings().of_home(&choice.household, from, to)?;
                let is_it = |id: &Arc<str>| {
                    let mut records = outcome.alerts.iter().map(|event| &event.data);
                    records.find(|alert| alert.alert_id == **id && alert.state == AlertState::Raised)
                };
                let alert = choice.alert_id.as_ref().and_then(is_it);
                let zone = fleet.zone(&choice.household);
                Ok(page(choice, &rows, alert, &zone))
            })
            .collect::<Result<_, HistoryError>>()?;
        Ok((analysis, pages))
    }

    fn curves(
        &self,
        course: &Course<'_>,
        fleet: &Fleet<'_>,
        homes: &[HomeCases],
        bar: &ProgressBar,
    ) -> anyhow::Result<Option<Curves>> {
        let Some(first) = course.sets.first() else {
            return Ok(None);
        };
        let Some(lambda) = lambda_of(&first.rules, course.stage) else {
            return Ok(None);
        };
        if let Some(note) = one_for_all(&first.rules, course.stage) {
            bar.suspend(|| -> anyhow::Result<()> {
                say!("  {note}");
                Ok(())
            })?;
        }
        let lambdas = around(lambda, self.sweep);
        let runs = sweep(
            course.backtest,
            course.timelines,
            course.truth,
            &first.rules,
            course.stage,
            &lambdas,
            bar,
        )?;
        let lambdas: Vec<f64> = runs.iter().map(|(lambda, _)| *lambda).collect();
        // Bounds cost little, and need a greater λ to come to as few false alerts.
        let farther = (1..=4).filter_map(|times| Some(lambdas.last()? * 4f64.powi(times)));
        let lambdas: Vec<f64> = lambdas.iter().copied().chain(farther).collect();
        let bound = |knows| CurveOf::new(&fleet.bound(homes, knows, &lambdas));
        Ok(Some(Curves {
            lambda,
            budget: course.budget,
            rules: CurveOf::new(&Sweep::of_runs(&runs)),
            bound_in_sample: bound(Knows::TheJudged),
            bound_without_fortnight: bound(Knows::AllButTheFortnight),
            others: others(course, &first.rules, bar)?,
        }))
    }
}

impl Course<'_> {
    /// Alerts of inactivity that only the loss can have caused: the same rules say nothing when given `complete`.
    pub(super) fn gap_caused(
        &self,
        complete: &[PathBuf],
        rules: &Arc<Rules>,
        outcome: &Outcome,
    ) -> anyhow::Result<usize> {
        let homes = self.backtest.homes().to_vec();
        let bar = super::input::reading_bar(complete);
        let whole = Backtest::read(
            complete,
            homes,
            self.partitions,
            rules,
            self.source,
            self.space,
            |bytes| bar.inc(bytes),
        )?;
        bar.finish_and_clear();
        let of_complete = whole.judged(&[Arc::clone(rules)], |_| {})?.concat();
        let timelines = whole.timelines(self.truth)?;
        Ok(gap_caused(self.timelines, &outcome.judged(), &timelines, &of_complete, self.truth).len())
    }
}

/// So many λ around one, each twice the one before.
fn around(lambda: f64, points: u32) -> Vec<f64> {
    let below = i32::try_from(points / 2).unwrap_or(0);
    let all = (0..points).map(|place| lambda * 2f64.powi(i32::try_from(place).unwrap_or(0) - below));
    let mut lambdas: Vec<f64> = all.map(|lambda| lambda.clamp(1.0, 1e6)).collect();
    lambdas.dedup();
    lambdas
}

/// Runs the rules at each λ and judges them home by home. No more are in memory than there are processors.
pub(in crate::cli) fn sweep(
    backtest: &Backtest,
    timelines: &Timelines,
    truth: &[Incident],
    rules: &Arc<Rules>,
    stage: Option<Stage>,
    lambdas: &[f64],
    bar: &ProgressBar,
) -> anyhow::Result<Vec<(f64, Vec<HomeCases>)>> {
    let mut runs = Vec::new();
    for part in lambdas.chunks(all_processors()) {
        let sets = part
            .iter()
            .map(|lambda| {
                let wished = with_wish(rules, stage, Wish::Lambda(*lambda))?;
                wished.context("no programme has a learned rule")
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let judged = backtest.judged(&sets, |done| bar.inc(done))?;
        for (lambda, alerts) in part.iter().zip(judged) {
            runs.push((*lambda, cases(timelines, truth, &alerts, Answers::default())));
        }
    }
    Ok(runs)
}

/// The other sets of rules as points: those that were compared, or else every preset that has a rule of inactivity.
fn others(course: &Course<'_>, rules: &Arc<Rules>, bar: &ProgressBar) -> anyhow::Result<Vec<OfRules>> {
    if course.sets.len() > 1 {
        let compared = course
            .sets
            .iter()
            .skip(1)
            .filter_map(|set| Some((set, course.compared.get(&set.name)?)));
        return Ok(compared.map(|(set, of)| OfRules::new(&set.name, &of.score)).collect());
    }
    let names: Vec<String> = PRESETS.iter().map(|preset| preset.name.to_owned()).collect();
    let mut sets = rule_sets(Arc::clone(rules), &names, None, None)?;
    sets.remove(0);
    let all = sets.len();
    sets.retain(|set| {
        let mut programmes = set.rules.programmes.iter();
        programmes.any(|programme| !programme.detectors.inactivity.rules.is_empty())
    });
    bar.inc(course.backtest.readings().len() * (all - sets.len()) as u64);
    let mut points = Vec::new();
    for part in sets.chunks(all_processors()) {
        let rules: Vec<_> = part.iter().map(|set| Arc::clone(&set.rules)).collect();
        let judged = course.backtest.judged(&rules, |done| bar.inc(done))?;
        for (set, alerts) in part.iter().zip(judged) {
            let homes = cases(course.timelines, course.truth, &alerts, Answers::default());
            points.push(OfRules::new(&set.name, &score(&homes, Answers::default(), 1)));
        }
    }
    Ok(points)
}

/// What the rules are worth by the days since a home's first reading. An age of which no home can tell is left out.
fn learning(course: &Course<'_>, fleet: &Fleet<'_>) -> anyhow::Result<Vec<OfAge>> {
    let (spans, Some(set)) = (fleet.spans(), course.sets.first()) else {
        return Ok(Vec::new());
    };
    let bar = super::progress(AGES.len() as u64 - 1, "learning curve");
    let mut ages = Vec::new();
    for place in 0..AGES.len() - 1 {
        let windows = windows(&spans, course.truth, place);
        if windows.is_empty() {
            continue;
        }
        let readings = course.backtest.readings();
        let (history, homes, truth) = history_of(&windows, course.backtest.homes(), course.truth, |home, from, to| {
            let rows = readings.of_home(home, from, to)?;
            let named = rows
                .into_iter()
                .map(|row| (Arc::clone(&readings.name(&row).meter), row));
            Ok::<_, HistoryError>(named.collect())
        })?;
        let (partitions, source) = (course.partitions, course.source);
        let anew = Backtest::of_history(&history, homes, partitions, &set.rules, source, course.space)?;
        drop(history);
        let judged = anew.judged(&[Arc::clone(&set.rules)], |_| {})?.concat();
        let timelines = anew.timelines(&truth)?;
        ages.push(of_age(place, &windows, &timelines, &truth, &judged));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(ages)
}

/// The curves in figures, a line each.
pub(super) fn tell(analysis: &Analysis) -> anyhow::Result<()> {
    if let Some(curves) = &analysis.curve {
        let has_delay = curves
            .rules
            .points
            .iter()
            .any(|point| point.delay_hours.value.is_some());
        if has_delay {
            tell_curves(curves)?
        } else {
            tell_rates(curves)?
        }
    }
    for of in &analysis.learning {
        say!(
            "  day {:<3} of a home: delay {} h; {} false a home-month up to day {}",
            of.days,
            super::told::figure(of.delay_hours),
            super::told::figure(of.false_per_home_month),
            of.until_days
        );
    }
    Ok(())
}

fn tell_curves(curves: &Curves) -> anyhow::Result<()> {
    say!("  mean delay in hours at budgets of false alerts a home-month");
    let rates: Vec<String> = curves
        .rules
        .at_budgets
        .iter()
        .map(|at| format!("{:<22}", at.false_per_home_month))
        .collect();
    say!("    {:<36}{}", "", rates.concat().trim_end());
    for (name, curve) in [
        ("the rules, λ swept", &curves.rules),
        ("bound: without the judged fortnight", &curves.bound_without_fortnight),
        ("bound: in sample", &curves.bound_in_sample),
    ] {
        let at: Vec<String> = curve
            .at_budgets
            .iter()
            .map(|at| format!("{:<22}", super::told::figure(at.delay_hours)))
            .collect();
        say!("    {name:<36}{}", at.concat().trim_end());
    }
    say!(
        "    bounds are of each home's own spells by the hour at which they begin: the first knows all of them but those of the judged"
    );
    say!(
        "    fortnight, and a rule that has learnt from other homes may pass it; the second knows those as well, as nobody can"
    );
    for (name, curve) in [
        ("the rules", &curves.rules),
        ("bound: without the judged fortnight", &curves.bound_without_fortnight),
        ("bound: in sample", &curves.bound_in_sample),
    ] {
        for point in &curve.points {
            let (rate, delay) = (
                super::told::figure(point.false_per_home_month),
                super::told::figure(point.delay_hours),
            );
            say!(
                "    {name:<36}λ {:<9.1} {rate:<22} false a home-month, delay {delay} h",
                point.lambda
            );
        }
    }
    for set in &curves.others {
        let (rate, delay) = (
            super::told::figure(set.false_per_home_month),
            super::told::figure(set.delay_hours),
        );
        say!(
            "    {:<36}            {rate:<22} false a home-month, delay {delay} h",
            set.name
        );
    }
    Ok(())
}

/// Without emergencies there are false alerts to count, and no delays.
fn tell_rates(curves: &Curves) -> anyhow::Result<()> {
    say!(
        "  no emergency in the truth: false alerts can be counted, and no delay (`tapwatch inject` puts emergencies in)"
    );
    for point in &curves.rules.points {
        let rate = super::told::figure(point.false_per_home_month);
        say!("    the rules, λ {:<20.1} {rate} false a home-month", point.lambda);
    }
    for set in &curves.others {
        let rate = super::told::figure(set.false_per_home_month);
        say!("    {:<33} {rate} false a home-month", set.name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_goes_around_the_lambda_in_force() {
        assert_eq!(around(400.0, 7), [50.0, 100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0]);
        assert_eq!(around(400.0, 1), [400.0]);
        assert_eq!(
            around(2.0, 5),
            [1.0, 2.0, 4.0, 8.0],
            "no λ is below 1, and none is run twice"
        );
    }
}
