//! What a backtest says on the terminal.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use super::sets::RuleSet;
use crate::backtest::judge::Score;
use crate::backtest::{Outcome, Summary};
use crate::history::Incident;

/// Kinds in the truth that the score says nothing of.
pub(super) fn not_judged(truth: &[Incident]) -> BTreeSet<&str> {
    let kinds = truth.iter().map(|incident| incident.kind.as_str());
    kinds.filter(|kind| !matches!(*kind, "emergency" | "leak")).collect()
}

/// What was compared, a line a set.
pub(super) fn compare(sets: &[RuleSet], summary: &Summary) -> anyhow::Result<()> {
    if summary.rule_sets.is_empty() {
        return Ok(());
    }
    let width = sets
        .iter()
        .map(|set| set.name.chars().count())
        .max()
        .unwrap_or_default();
    say!(
        "  {:<width$}  found    delay h  false/home-month  absence  leaks    false leaks  raised",
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
            "  {:<width$}  {:<7}  {:<7}  {:<16}  {:<7}  {:<7}  {:<11}  {}",
            set.name,
            of_all(score.detected, score.emergencies),
            figure(score.delay.mean_hours.value),
            figure(score.false_per_home_month.value),
            score.absence_alerts,
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
            figure(of.false_per_home_month.value),
            figure(of.absence_per_home_month.value)
        );
        if let Some(left) = of.false_per_home_month_with_answers {
            line += &format!("; {} false with the assumed answers", figure(left.value));
        }
        if score.emergencies > 0 {
            line += &format!(
                "; reached in {} of {} emergencies, mean delay {} h (by arrival {} h)",
                of.detected,
                score.emergencies,
                figure(of.delay.mean_hours.value),
                figure(of.arrival_delay.mean_hours.value)
            );
        }
        say!("{line}");
    }
    Ok(())
}

fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

pub(super) fn tell(
    folder: &Path,
    readings: u64,
    outcome: &Outcome,
    summary: &Summary,
    began: Instant,
) -> anyhow::Result<()> {
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
    if score.stages.len() > 1 || !summary.answers.are_none() {
        say!("  stages of inactivity");
        stages(score)?;
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
