//! `backtest`: files in, files out, no broker.

mod analysis;
mod input;
mod output;
mod sets;
mod told;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args, ValueHint};

pub(super) use self::analysis::sweep;
use self::analysis::{AnalysisArgs, Course};
pub(super) use self::input::Input;
use self::input::names;
pub(super) use self::output::{folder_of, refuse_overwriting, write_file};
use self::output::{names_of_files, remove_earlier, write, write_events};
use self::sets::{of_interest, rule_sets};
pub(super) use self::told::figure;
use self::told::{compare, not_judged, tell};
use super::progress;
use super::wish::{Wish, budget, share, stage_named};
use crate::backtest::judge::Answers;
use crate::backtest::report::Report;
use crate::backtest::{About, AboutProgramme, Outcome, RuleSetSummary, Summary};
use crate::history::{read_people, read_responses, read_signs};
use crate::model::Stage;
use crate::partition::ConsentRule;
use crate::settings::{SettingsFile, Validated};

/// So few litres a day are hardly anybody's; in cubic metres they would be much for one home.
const LITTLE_LITRES_A_DAY: f64 = 2.0;

#[derive(Debug, Args)]
pub struct BacktestArgs {
    #[command(flatten)]
    input: Input,
    /// File of other signs of life (JSON, a record a line, as for `send --topic signs`), each taken when it happened.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    signs: Option<PathBuf>,
    /// File of what became of alerts (JSON, a record a line, as for `send --topic responses`), each taken when it happened.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    responses: Option<PathBuf>,
    /// λ of the learned rule of a stage: hours of delay accepted for one false alert avoided. Those of the other stages
    /// keep their proportion to it.
    #[arg(long, value_name = "HOURS", allow_negative_numbers = true)]
    lambda: Option<f64>,
    /// False inactivity alerts accepted a home-month at a stage; sets λ by what was measured on open data, beside the
    /// fixed rules.
    #[arg(long, value_name = "N", conflicts_with = "lambda", allow_negative_numbers = true, value_parser = budget)]
    budget: Option<f64>,
    /// The stage that --lambda or --budget speaks of: ask, contact or visit; the last with a learned rule without it.
    #[arg(long, value_name = "STAGE", value_parser = stage_named)]
    stage: Option<Stage>,
    /// Assumed share of people who answer when they are asked and nothing is the matter (0 to 1): says what the later
    /// stages then cost.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    answer_share: Option<f64>,
    /// Assumed share of false alerts that a contact clears, of those that come to the contact (0 to 1).
    #[arg(long, value_name = "SHARE", value_parser = share)]
    contact_share: Option<f64>,
    /// Presets to compare with the rules of the settings (`tapwatch rules` lists them); each holds for every home.
    #[arg(long, num_args = 1.., value_name = "NAME")]
    preset: Vec<String>,
    #[command(flatten)]
    analysis: AnalysisArgs,
    /// The same readings with none lost: counts the alerts that the loss alone has caused.
    #[arg(long, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    complete: Vec<PathBuf>,
    /// Folder for alerts.jsonl, area-alerts.jsonl, dead-letters.jsonl, summary.json and report.html; where rules are compared,
    /// alerts.NAME.jsonl of each.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: PathBuf,
}

/// The rules over history: those of the settings, and beside them presets and the programmes of a rule file (`own`).
pub fn backtest(
    args: BacktestArgs,
    mut validated: Validated,
    own: Option<(Validated, SettingsFile)>,
) -> anyhow::Result<()> {
    // Whoever names a file may read it; a consent that the file of homes says is withdrawn still counts.
    Arc::make_mut(&mut validated.rules).consent = ConsentRule::Assumed;
    let began = Instant::now();
    let wish = match (args.lambda, args.budget) {
        (Some(lambda), _) => Some(Wish::Lambda(lambda)),
        (None, budget) => budget.map(Wish::Budget),
    };
    let answers = Answers {
        ask: args.answer_share,
        contact: args.contact_share,
    };
    let rules = Arc::clone(&validated.rules);
    let wish = wish.map(|wish| (wish, args.stage));
    let sets = rule_sets(rules, &args.preset, own.as_ref(), wish)?;
    let partitions = args.input.partitions(&validated);
    let people = args
        .input
        .homes
        .as_deref()
        .map(read_people)
        .transpose()?
        .unwrap_or_default();
    let mut beside = args.signs.as_deref().map(read_signs).transpose()?.unwrap_or_default();
    let responses = args.responses.as_deref().map(read_responses).transpose()?;
    beside.extend(responses.unwrap_or_default());
    // Before the work, so that a folder that cannot be written is not learnt of at its end.
    std::fs::create_dir_all(&args.out).with_context(|| format!("--out {}: cannot be made", args.out.display()))?;
    let written = names_of_files(&sets).into_iter().map(|name| args.out.join(name));
    let beside_files = args.signs.iter().chain(&args.responses).chain(&args.complete);
    let read: Vec<&PathBuf> = args.input.files().chain(beside_files).collect();
    refuse_overwriting(written, read)?;
    let space = args.input.space(&args.out);
    let (backtest, truth) = args.input.read(&validated, &space)?;
    let backtest = backtest.with_beside(beside);
    let readings = backtest.readings().len();
    let bar = progress(readings * sets.len() as u64, "readings");
    let rules: Vec<_> = sets.iter().map(|set| Arc::clone(&set.rules)).collect();
    let outcomes = backtest.run(&rules, |done| bar.inc(done))?;
    bar.finish_and_clear();
    let timelines = backtest.timelines(&truth)?;
    let median = timelines.median_litres_a_day();
    if let Some(litres) = median.filter(|litres| *litres > 0.0 && *litres < LITTLE_LITRES_A_DAY) {
        say!(
            "  half of the homes use {litres:.2} L a day or less: volume_litres and register_litres are litres, not cubic metres"
        );
    }
    let (truth, outside) = timelines.within_readings(truth);
    if outside > 0 {
        say!("  {outside} incidents of the truth lie outside the readings of their homes and are not judged");
    }
    remove_earlier(&args.out)?;
    let mut compared = BTreeMap::new();
    let mut main: Option<(Outcome, Summary)> = None;
    for (index, (set, outcome)) in sets.iter().zip(outcomes).enumerate() {
        let summary = outcome.summary(&timelines, &truth, answers);
        if sets.len() > 1 {
            write_events(&args.out.join(format!("alerts.{}.jsonl", set.name)), &outcome.alerts)?;
            compared.insert(set.name.clone(), RuleSetSummary::of(&summary));
        }
        if index == of_interest(&sets) {
            main = Some((outcome, summary));
        }
    }
    let Some((outcome, mut summary)) = main else {
        bail!("no rules to run");
    };
    let course = Course {
        backtest: &backtest,
        timelines: &timelines,
        truth: &truth,
        people: &people,
        sets: &sets,
        compared: &compared,
        stage: args.stage,
        budget: args.budget,
        time_zone: &validated.rules.time_zone,
        source: &validated.settings.source,
        partitions,
        space: &space,
    };
    let (analysis, pages) = args.analysis.analyse(&course, &outcome)?;
    summary.analysis = Some(analysis);
    if !args.complete.is_empty() {
        let rules = &sets[of_interest(&sets)].rules;
        summary.score.gap_caused = Some(course.gap_caused(&args.complete, rules, &outcome)?);
    }
    summary.rule_sets = compared;
    let set = &sets[of_interest(&sets)];
    let mut files = args.input.names();
    let beside = [
        ("signs", names(&args.signs)),
        ("responses", names(&args.responses)),
        ("complete", names(&args.complete)),
    ];
    files.extend(beside.into_iter().filter(|(_, names)| !names.is_empty()));
    summary.about = Some(About {
        files,
        period: backtest.readings().span().map(|(from, to)| [from, to]),
        partitions,
        rule_set: set.name.clone(),
        time_zone: validated.settings.defaults.time_zone.clone(),
        programmes: AboutProgramme::all(&set.rules),
    });
    write(&args.out, &outcome, &summary)?;
    let report = Report {
        summary: &summary,
        pages: &pages,
    };
    write_file(&args.out.join("report.html"), |file| {
        Ok(file.write_all(report.html().as_bytes())?)
    })?;
    for kind in not_judged(&truth) {
        say!("  truth of kind {kind:?} is not judged; emergency, leak, burst and prolonged_draw are");
    }
    compare(&sets, &summary)?;
    tell(&args.out, readings, &outcome, &summary, began)
}
