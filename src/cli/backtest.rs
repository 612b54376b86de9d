//! `backtest` and `train`: files in, files out, no broker.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args, ValueHint};
use serde_json::json;

use super::progress;
use crate::backtest::{Outcome, Summary, Teacher, run};
use crate::detect::inactivity::learned::lambda_for;
use crate::detect::inactivity::{Condition, Learned};
use crate::history::{History, Incident, read_homes, read_truth};
use crate::partition::{ConsentRule, Rules};
use crate::settings::Validated;

#[derive(Debug, Args)]
pub struct BacktestArgs {
    /// Files of readings (CSV, plain or gzip).
    #[arg(long, required = true, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    readings: Vec<PathBuf>,
    /// File of homes: time zone, zone, programme.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    homes: Option<PathBuf>,
    /// File of incidents that truly happened: delays and false alerts are judged against it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    truth: Option<PathBuf>,
    /// λ of every learned rule: hours of delay accepted for one false alert avoided.
    #[arg(long, value_name = "HOURS")]
    lambda: Option<f64>,
    /// False inactivity alerts accepted a home-month; sets λ by what was measured on open data.
    #[arg(long, value_name = "N", conflicts_with = "lambda")]
    budget: Option<f64>,
    /// Partitions to share the homes out to, as the topics have; the setting kafka.partitions without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    partitions: Option<u32>,
    /// Folder for alerts.jsonl, dead-letters.jsonl and summary.json.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Files of readings (CSV, plain or gzip).
    #[arg(long, required = true, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    readings: Vec<PathBuf>,
    /// File of homes: the time zones matter.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    homes: Option<PathBuf>,
    /// Data, period and licence, to stand in the table.
    #[arg(long)]
    provenance: String,
    /// The table (JSON).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: PathBuf,
}

/// The rules over history.
pub fn backtest(args: BacktestArgs, mut validated: Validated) -> anyhow::Result<()> {
    // Whoever names a file may read it; a consent that the file of homes says is withdrawn still counts.
    Arc::make_mut(&mut validated.rules).consent = ConsentRule::Assumed;
    let began = Instant::now();
    let budget = match args.budget {
        Some(budget) => Some(lambda_for(budget).with_context(|| format!("--budget {budget}: give a number above 0"))?),
        None => None,
    };
    let rules = match args.lambda.or(budget) {
        Some(lambda) => with_lambda(&validated.rules, lambda)?,
        None => validated.rules,
    };
    let partitions = args
        .partitions
        .unwrap_or_else(|| validated.settings.kafka.partitions.max(1).unsigned_abs());
    let mut history = History::read(&args.readings)?;
    let homes = args.homes.as_deref().map(read_homes).transpose()?.unwrap_or_default();
    let truth = args.truth.as_deref().map(read_truth).transpose()?.unwrap_or_default();
    history.sort_by_arrival();
    // Before the work, so that a folder that cannot be written is not learnt of at its end.
    std::fs::create_dir_all(&args.out).with_context(|| format!("--out {}: cannot be made", args.out.display()))?;
    let bar = progress(history.rows.len() as u64, "readings");
    let outcome = run(
        &history,
        &homes,
        &rules,
        &validated.settings.source,
        partitions,
        |done| bar.inc(done),
    );
    bar.finish_and_clear();
    let summary = outcome.summary(&history, &truth);
    write(&args.out, &outcome, &summary)?;
    for kind in not_judged(&truth) {
        say!("  truth of kind {kind:?} is not judged; emergency and leak are");
    }
    tell(&args.out, history.rows.len(), &outcome, &summary, began)
}

/// Kinds in the truth that the score says nothing of.
fn not_judged(truth: &[Incident]) -> BTreeSet<&str> {
    let kinds = truth.iter().map(|incident| incident.kind.as_str());
    kinds.filter(|kind| !matches!(*kind, "emergency" | "leak")).collect()
}

/// The rules with λ in the place of every learned rule's own.
fn with_lambda(rules: &Arc<Rules>, lambda: f64) -> anyhow::Result<Arc<Rules>> {
    if !(1.0..=1e6).contains(&lambda) {
        bail!("--lambda {lambda}: give hours from 1 to 1000000");
    }
    let mut rules = Rules::clone(rules);
    let mut found = false;
    for programme in &mut rules.programmes {
        for rule in &mut programme.detectors.inactivity.rules {
            if let Condition::Learned(own) = &mut rule.when {
                *own = Learned::with_lambda(lambda);
                found = true;
            }
        }
    }
    if !found {
        bail!("--lambda {lambda}: no programme has a learned rule");
    }
    Ok(Arc::new(rules))
}

/// Writes a file whole or not at all: under another name first, so that a full disk leaves no half of one.
fn write_file(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let attempt = || -> anyhow::Result<()> {
        let mut file = BufWriter::new(File::create(&unfinished)?);
        fill(&mut file)?;
        file.into_inner()?.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        Ok(())
    };
    attempt()
        .inspect_err(|_| drop(std::fs::remove_file(&unfinished)))
        .with_context(|| format!("{}: cannot be written", path.display()))
}

fn write(folder: &Path, outcome: &Outcome, summary: &Summary) -> anyhow::Result<()> {
    write_file(&folder.join("alerts.jsonl"), |file| {
        for event in &outcome.alerts {
            serde_json::to_writer(&mut *file, event)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })?;
    write_file(&folder.join("dead-letters.jsonl"), |file| {
        for (partition, letter) in &outcome.dead_letters {
            let text = |bytes: &Option<Vec<u8>>| {
                bytes
                    .as_deref()
                    .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            };
            let line = json!({
                "reason": letter.reason,
                "detail": letter.detail,
                "partition": partition,
                "offset": letter.offset,
                "key": text(&letter.key),
                "value": text(&letter.value),
            });
            serde_json::to_writer(&mut *file, &line)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })?;
    write_file(&folder.join("summary.json"), |file| {
        serde_json::to_writer_pretty(&mut *file, summary)?;
        Ok(file.write_all(b"\n")?)
    })
}

fn tell(folder: &Path, readings: usize, outcome: &Outcome, summary: &Summary, began: Instant) -> anyhow::Result<()> {
    say!(
        "{readings} readings of {} homes in {:.1} s",
        outcome.homes,
        began.elapsed().as_secs_f64()
    );
    for (name, count) in &summary.alerts {
        say!("  {name:<24} {count}");
    }
    for (reason, count) in &summary.dead_letters {
        say!("  kept out: {reason:<14} {count}");
    }
    for home in &summary.bad_homes {
        say!("  home refused: {home}");
    }
    let score = &summary.score;
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    say!(
        "  inactivity: {} false and {} absence alerts in {:.1} home-months ({} false a home-month)",
        score.false_alerts,
        score.absence_alerts,
        score.home_months,
        figure(score.false_per_home_month.value)
    );
    if score.emergencies > 0 {
        say!(
            "  emergencies: {} of {} found, mean delay {} h (by arrival {} h), misses counted as 72 h",
            score.detected,
            score.emergencies,
            figure(score.delay.mean_hours.value),
            figure(score.arrival_delay.mean_hours.value)
        );
    }
    if score.leaks > 0 {
        say!(
            "  leaks: {} of {} found, median delay {} h",
            score.leaks_found,
            score.leaks,
            figure(score.leak_delay.median_hours)
        );
    }
    say!("{}: alerts.jsonl, dead-letters.jsonl, summary.json", folder.display());
    Ok(())
}

/// The pooled table from history.
pub fn train(args: TrainArgs, validated: &Validated) -> anyhow::Result<()> {
    let mut history = History::read(&args.readings)?;
    let homes = args.homes.as_deref().map(read_homes).transpose()?.unwrap_or_default();
    history.sort_by_arrival();
    let mut teacher = Teacher::default();
    teacher.add_history(&history, &homes, &validated.rules);
    let prior = teacher.prior(args.provenance);
    write_file(&args.out, |file| {
        serde_json::to_writer(&mut *file, &prior)?;
        Ok(file.write_all(b"\n")?)
    })?;
    say!(
        "{}: taught by {} readings of {} meters",
        args.out.display(),
        history.rows.len(),
        history.meters.len()
    );
    Ok(())
}
