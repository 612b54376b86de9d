//! `backtest` and `train`: files in, files out, no broker.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args, ValueHint};
use serde::Serialize;
use serde_json::json;

use super::progress;
use super::wish::{Wish, share, stage_named, with_wish};
use crate::alert::CloudEvent;
use crate::backtest::judge::{Answers, Figure, Score};
use crate::backtest::{Outcome, RuleSetSummary, Summary, Teacher, run};
use crate::history::{History, Incident, read_homes, read_truth};
use crate::model::Stage;
use crate::partition::{ConsentRule, ProgrammeSettings, Rules};
use crate::presets::{Preset, likely};
use crate::settings::{Settings, SettingsFile, Validated};

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
    /// λ of the learned rule of a stage: hours of delay accepted for one false alert avoided. Those of the other stages
    /// keep their proportion to it.
    #[arg(long, value_name = "HOURS")]
    lambda: Option<f64>,
    /// False inactivity alerts accepted a home-month at a stage; sets λ by what was measured on open data, beside the
    /// fixed rules.
    #[arg(long, value_name = "N", conflicts_with = "lambda")]
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
    /// Partitions to share the homes out to, as the topics have; the setting kafka.partitions without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    partitions: Option<u32>,
    /// Folder for alerts.jsonl, area-alerts.jsonl, dead-letters.jsonl and summary.json; where rules are compared,
    /// alerts.NAME.jsonl of each.
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

/// The name under which the rules of the settings are compared with others.
const DEFAULT: &str = "default";

/// Rules to be run over the history.
struct RuleSet {
    name: String,
    rules: Arc<Rules>,
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
    let rules = match (args.lambda, args.budget) {
        (Some(lambda), _) => with_wish(&validated.rules, args.stage, Wish::Lambda(lambda))?,
        (None, Some(budget)) => with_wish(&validated.rules, args.stage, Wish::Budget(budget))?,
        (None, None) => Arc::clone(&validated.rules),
    };
    let answers = Answers {
        ask: args.answer_share,
        contact: args.contact_share,
    };
    let sets = rule_sets(rules, &args.preset, own.as_ref())?;
    let partitions = args
        .partitions
        .unwrap_or_else(|| validated.settings.kafka.partitions.max(1).unsigned_abs());
    let mut history = History::read(&args.readings)?;
    let homes = args.homes.as_deref().map(read_homes).transpose()?.unwrap_or_default();
    let truth = args.truth.as_deref().map(read_truth).transpose()?.unwrap_or_default();
    history.sort_by_arrival();
    // Before the work, so that a folder that cannot be written is not learnt of at its end.
    std::fs::create_dir_all(&args.out).with_context(|| format!("--out {}: cannot be made", args.out.display()))?;
    let bar = progress((history.rows.len() * sets.len()) as u64, "readings");
    let mut compared = BTreeMap::new();
    let mut main: Option<(Outcome, Summary)> = None;
    for (index, set) in sets.iter().enumerate() {
        let source = &validated.settings.source;
        let outcome = run(&history, &homes, &set.rules, source, partitions, |done| bar.inc(done));
        let summary = outcome.summary(&history, &truth, answers);
        if sets.len() > 1 {
            write_events(&args.out.join(format!("alerts.{}.jsonl", set.name)), &outcome.alerts)?;
            compared.insert(set.name.clone(), RuleSetSummary::of(&summary));
        }
        if index == of_interest(&sets) {
            main = Some((outcome, summary));
        }
    }
    bar.finish_and_clear();
    let Some((outcome, mut summary)) = main else {
        bail!("no rules to run");
    };
    summary.rule_sets = compared;
    write(&args.out, &outcome, &summary)?;
    for kind in not_judged(&truth) {
        say!("  truth of kind {kind:?} is not judged; emergency and leak are");
    }
    compare(&sets, &summary)?;
    tell(&args.out, history.rows.len(), &outcome, &summary, began)
}

/// The set that alerts.jsonl and the top of summary.json speak of: the one that was asked for, if it is the only one, else
/// that of the settings.
fn of_interest(sets: &[RuleSet]) -> usize {
    usize::from(sets.len() == 2)
}

/// The rules of the settings first, then what is compared with them. Presets and the programmes of a rule file hold for
/// every home, whatever programme its record names: they are compared, not mixed.
fn rule_sets(
    rules: Arc<Rules>,
    presets: &[String],
    own: Option<&(Validated, SettingsFile)>,
) -> anyhow::Result<Vec<RuleSet>> {
    let mut sets = vec![RuleSet {
        name: DEFAULT.to_owned(),
        rules: Arc::clone(&rules),
    }];
    let mut add = |name: String, programme: &ProgrammeSettings| {
        if sets.iter().any(|set| set.name == name) {
            bail!("two sets of rules are called {name:?}; their alerts go to files of that name");
        }
        let rules = Arc::new(for_all_homes(&rules, programme));
        sets.push(RuleSet { name, rules });
        Ok(())
    };
    for name in presets {
        let Some(preset) = Preset::find(name) else {
            let hint = likely(name).map(|likely| format!("; did you mean {likely}?"));
            bail!(
                "--preset {name}: there is none of that name{}",
                hint.unwrap_or_else(|| "; `tapwatch rules` lists them".into())
            );
        };
        add(name.clone(), &Settings::of_preset(preset)?)?;
    }
    let Some((validated, file)) = own else {
        return Ok(sets);
    };
    let names = file.programmes();
    if names.is_empty() {
        bail!(
            "--rules {}: no programme, such as [programmes.night]",
            file.path.display()
        );
    }
    for name in names {
        let Some(programme) = validated.settings.programmes.get(&name) else {
            continue;
        };
        if !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')) {
            bail!("--rules: the programme {name:?} cannot be part of a file's name; letters, digits, - and _ can");
        }
        // A file that changes what holds by default is compared with what held before.
        let name = if name == DEFAULT {
            format!("{DEFAULT}-of-file")
        } else {
            name
        };
        add(name, programme)?;
    }
    Ok(sets)
}

/// The rules with one programme in the place of each.
fn for_all_homes(rules: &Rules, programme: &ProgrammeSettings) -> Rules {
    let mut rules = rules.clone();
    for each in &mut rules.programmes {
        each.detectors = programme.detectors.clone();
        each.policy = programme.policy.clone();
    }
    rules
}

/// Kinds in the truth that the score says nothing of.
fn not_judged(truth: &[Incident]) -> BTreeSet<&str> {
    let kinds = truth.iter().map(|incident| incident.kind.as_str());
    kinds.filter(|kind| !matches!(*kind, "emergency" | "leak")).collect()
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

fn write_events<T: Serialize>(path: &Path, events: &[CloudEvent<T>]) -> anyhow::Result<()> {
    write_file(path, |file| {
        for event in events {
            serde_json::to_writer(&mut *file, event)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })
}

fn write(folder: &Path, outcome: &Outcome, summary: &Summary) -> anyhow::Result<()> {
    write_events(&folder.join("alerts.jsonl"), &outcome.alerts)?;
    write_events(&folder.join("area-alerts.jsonl"), &outcome.area_alerts)?;
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

/// What was compared, a line a set.
fn compare(sets: &[RuleSet], summary: &Summary) -> anyhow::Result<()> {
    if summary.rule_sets.is_empty() {
        return Ok(());
    }
    let width = sets
        .iter()
        .map(|set| set.name.chars().count())
        .max()
        .unwrap_or_default();
    say!(
        "  {:<width$}  found    delay h               false/home-month      absence  leaks    false leaks  raised",
        "rules"
    );
    for set in sets {
        let Some(of) = summary.rule_sets.get(&set.name) else {
            continue;
        };
        let score = &of.score;
        let of_all = |found: usize, all: usize| format!("{found}/{all}");
        let raised: Vec<String> = of
            .alerts
            .iter()
            .filter_map(|(name, count)| Some(format!("{} {count}", name.strip_suffix(".raised")?)))
            .collect();
        say!(
            "  {:<width$}  {:<7}  {:<20}  {:<20}  {:<7}  {:<7}  {:<11}  {}",
            set.name,
            of_all(score.first.detected, score.emergencies),
            figure(score.first.delay.mean_hours),
            figure(score.first.false_per_home_month),
            score.first.absence_alerts,
            of_all(score.leaks_found, score.leaks),
            score.false_leaks,
            raised.join(", ")
        );
    }
    for set in sets {
        if let Some(of) = summary.rule_sets.get(&set.name).filter(|of| of.score.stages.len() > 1) {
            say!("  stages of {}", set.name);
            stages(&of.score)?;
        }
    }
    Ok(())
}

/// What each stage is worth, a line a stage.
fn stages(score: &Score) -> anyhow::Result<()> {
    for (stage, of) in &score.stages {
        let mut line = format!(
            "    {:<8} {} false a home-month, {} of absence",
            stage.name(),
            figure(of.false_per_home_month),
            figure(of.absence_per_home_month)
        );
        if let Some(left) = of.false_per_home_month_with_answers {
            line += &format!("; {} false with the assumed answers", figure(left));
        }
        if score.emergencies > 0 {
            line += &format!(
                "; reached in {} of {} emergencies, mean delay {} h (by arrival {} h)",
                of.detected,
                score.emergencies,
                figure(of.delay.mean_hours),
                figure(of.arrival_delay.mean_hours)
            );
        }
        say!("{line}");
    }
    Ok(())
}

/// A figure with its interval.
fn figure(figure: Figure) -> String {
    match (figure.value, figure.low, figure.high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.2} [{low:.2}, {high:.2}]"),
        (Some(value), ..) => format!("{value:.2}"),
        (None, ..) => "-".to_owned(),
    }
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
    say!("  in brackets: the interval that holds the figure in 90 of 100 fleets of such homes");
    say!(
        "  inactivity: {} false and {} absence alerts in {:.1} home-months ({} false a home-month)",
        score.first.false_alerts,
        score.first.absence_alerts,
        score.home_months,
        figure(score.first.false_per_home_month)
    );
    if score.emergencies > 0 {
        say!(
            "  emergencies: {} of {} found, mean delay {} h (by arrival {} h), misses counted as 72 h",
            score.first.detected,
            score.emergencies,
            figure(score.first.delay.mean_hours),
            figure(score.first.arrival_delay.mean_hours)
        );
    }
    if score.stages.len() > 1 || !summary.answers.are_none() {
        say!("  stages of inactivity");
        stages(score)?;
    }
    let must_be_none = [
        ("second alerts in one spell", score.flaps),
        ("alerts in spells without a reading", score.alerts_without_readings),
        ("alerts decided before what they say, or long after", score.back_dated),
    ];
    for (what, count) in must_be_none.into_iter().filter(|(_, count)| *count > 0) {
        say!("  {what}: {count}; there must be none");
    }
    if score.leaks > 0 {
        say!(
            "  leaks: {} of {} found, median delay {} h",
            score.leaks_found,
            score.leaks,
            figure(score.leak_delay.median_hours)
        );
    }
    let more = summary.rule_sets.keys().map(|name| format!(", alerts.{name}.jsonl"));
    say!(
        "{}: alerts.jsonl, area-alerts.jsonl, dead-letters.jsonl, summary.json{}",
        folder.display(),
        more.collect::<String>()
    );
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Sources;

    fn own(text: &str) -> (Validated, SettingsFile) {
        let file = SettingsFile {
            path: "rules.toml".into(),
            text: text.into(),
        };
        let sources = Sources {
            rules: Some(file.clone()),
            ..Sources::default()
        };
        let validated = Settings::read(&sources).unwrap_or_else(|problems| panic!("{problems}"));
        (validated, file)
    }

    fn names(presets: &[&str], own: Option<&(Validated, SettingsFile)>) -> Result<Vec<String>, String> {
        let presets: Vec<String> = presets.iter().map(ToString::to_string).collect();
        let sets = rule_sets(Arc::new(Rules::default()), &presets, own).map_err(|error| error.to_string())?;
        Ok(sets.into_iter().map(|set| set.name).collect())
    }

    #[test]
    fn rules_are_compared_under_names_of_their_own() {
        assert_eq!(names(&[], None), Ok(vec!["default".into()]));
        let file = own("[programmes.default]\npresets = ['taicang']\n[programmes.night]\npresets = ['k-water']\n");
        let all = names(&["malaga"], Some(&file)).expect("right");
        assert_eq!(all, ["default", "malaga", "default-of-file", "night"]);
        for (presets, said) in [
            (
                ["malagga"].as_slice(),
                "--preset malagga: there is none of that name; did you mean malaga?",
            ),
            (
                &["malaga", "malaga"],
                "two sets of rules are called \"malaga\"; their alerts go to files of that name",
            ),
        ] {
            assert_eq!(names(presets, None), Err(said.to_owned()));
        }
        let clash = own("[programmes.malaga]\npresets = []\n");
        assert!(names(&["malaga"], Some(&clash)).is_err());
        assert!(
            names(&[], Some(&own("[programmes.'../x']\npresets = []\n"))).is_err(),
            "no path"
        );
        assert!(names(&[], Some(&own(""))).is_err(), "no programme");
    }

    #[test]
    fn a_set_holds_for_homes_of_every_programme() {
        let file = own("[programmes.night]\npresets = ['k-water']\n[programmes.day]\npresets = ['malaga']\n");
        let sets = rule_sets(Arc::clone(&file.0.rules), &["taicang".to_owned()], None).expect("right");
        let own_names = |rules: &Rules| -> Vec<String> {
            rules
                .programmes
                .iter()
                .map(|programme| programme.name.to_string())
                .collect()
        };
        assert_eq!(
            own_names(&sets[1].rules),
            own_names(&sets[0].rules),
            "homes find the programme they name"
        );
        for programme in &sets[1].rules.programmes {
            assert_eq!(
                programme.detectors.inactivity.rules[0].name.as_ref(),
                "taicang-under-10l-in-24h"
            );
        }
    }
}
