//! What a backtest says on the terminal.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use super::sets::RuleSet;
use crate::backtest::judge::{Figure, Score};
use crate::backtest::{Outcome, Summary};
use crate::history::Incident;

/// Kinds in the truth that the score says nothing of.
pub(super) fn not_judged(truth: &[Incident]) -> BTreeSet<&str> {
    let kinds = truth.iter().map(|incident| incident.kind.as_str());
    kinds
        .filter(|kind| !matches!(*kind, "emergency" | "leak" | "burst" | "prolonged_draw"))
        .collect()
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
pub(in crate::cli) fn figure(figure: Figure) -> String {
    match (figure.value, figure.low, figure.high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.2} [{low:.2}, {high:.2}]"),
        (Some(value), ..) => format!("{value:.2}"),
        (None, ..) => "-".to_owned(),
    }
}

pub(super) fn tell(
    folder: &Path,
    readings: u64,
    outcome: &Outcome,
    summary: &Summary,
    began: Instant,
) -> anyhow::Result<()> {
    let judged = summary.score.homes;
    let without = match outcome.homes.saturating_sub(judged) {
        0 => String::new(),
        more => format!(" ({more} more have none that counts)"),
    };
    say!(
        "{readings} readings of {judged} homes{without} in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    for (name, count) in &summary.alerts {
        say!("  {name:<24} {count}");
    }
    // Two files that overlap, or an export that says everything twice, would go unnoticed.
    for (state, what) in [
        ("duplicate", "repeated readings: the first that came holds"),
        ("too_late", "readings too late to change anything"),
    ] {
        if let Some(count) = summary.readings.get(state).filter(|count| **count > 0) {
            say!("  {count} {what}");
        }
    }
    for (reason, count) in &summary.dead_letters {
        say!("  kept out: {reason:<14} {count}");
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
            "  emergencies: {} of {} found, mean delay {} h, nine in ten within {} h (mean by arrival {} h; with these uploads {} h at best), misses counted as 72 h",
            score.first.detected,
            score.emergencies,
            figure(score.first.delay.mean_hours),
            figure(score.first.delay.nine_in_ten_hours),
            figure(score.first.arrival_delay.mean_hours),
            figure(score.first.arrival_delay_at_best.mean_hours)
        );
    }
    let under_slow_leaks = score.first.false_under_slow_leak_per_home_month;
    if under_slow_leaks.value > Some(0.0) {
        say!(
            "  {} of the false a home-month were raised while a leak slower than the meter ran: its steps are uses to the judge, also while people are away",
            figure(under_slow_leaks)
        );
    }
    let away = &score.first.likely_away;
    if away.absence_alerts.value > Some(0.0) {
        say!(
            "  that people may be away say {} of absence alerts, {} of detections of emergencies, {} of false alerts",
            figure(away.absence_alerts),
            figure(away.emergencies),
            figure(away.false_alerts)
        );
    }
    if score.stages.len() > 1 || !summary.answers.are_none() {
        say!("  stages of inactivity");
        stages(score)?;
    }
    if let Some(analysis) = &summary.analysis {
        super::analysis::tell(analysis)?;
    }
    let by_loss = "alerts that lost readings caused";
    let must_be_none = [
        (by_loss, score.gap_caused.unwrap_or(0)),
        ("second alerts in one spell", score.flaps),
        ("alerts in spells without a reading", score.alerts_without_readings),
        ("alerts decided before what they say, or long after", score.back_dated),
    ];
    if score.gap_caused == Some(0) {
        say!("  {by_loss}: none");
    }
    for (what, count) in must_be_none.into_iter().filter(|(_, count)| *count > 0) {
        say!("  {what}: {count}; there must be none");
    }
    if score.leaks > 0 {
        say!(
            "  leaks: {} of {} found, median delay {} h; {} false a home-month",
            score.leaks_found,
            score.leaks,
            figure(score.leak_delay.median_hours),
            figure(score.false_leaks_per_home_month)
        );
    }
    let sizes = summary.analysis.iter().flat_map(|analysis| &analysis.by_size);
    for of in sizes {
        say!(
            "    {:<22} {:>5}, found: a share of {}, median delay {} h",
            of.size,
            of.leaks,
            figure(of.recall),
            figure(of.median_delay_hours)
        );
    }
    let more = summary.rule_sets.keys().map(|name| format!(", alerts.{name}.jsonl"));
    say!(
        "{}: alerts.jsonl, area-alerts.jsonl, dead-letters.jsonl, summary.json, report.html{}",
        folder.display(),
        more.collect::<String>()
    );
    Ok(())
}
