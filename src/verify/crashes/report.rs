//! What came of it, for people and for machines.

use std::fmt::Write as _;

use serde::Serialize;

use super::compare::Differences;
use super::fleet::Exit;
use super::recovery::Recovery;

/// Everything a run has found. It is `report.json`, too.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of tapwatch.
    pub version: &'static str,
    /// Whether every record was there once, in order, and nothing else was wrong.
    pub passed: bool,
    /// What topics and group are named by.
    pub prefix: String,
    /// Equal seeds give equal homes and schedules.
    pub seed: u64,
    /// How many instances ran.
    pub instances: u32,
    /// Partitions of the readings.
    pub partitions: i32,
    /// Replicas of the topics.
    pub replication: i32,
    /// How long the readings came in, under blows.
    pub seconds: f64,
    /// And how long after that until all was committed.
    pub seconds_to_catch_up: f64,
    /// Records of the readings topic.
    pub readings: u64,
    /// How many of them were poison.
    pub poison: u64,
    /// Records sent beside them meanwhile: homes, signs, responses, and what is said of zones.
    pub beside: u64,
    /// How many times an instance was killed.
    pub kills: u32,
    /// Blows by kind, and how long until the partitions of who was struck were live again.
    pub blows: Vec<Recovery>,
    /// Processes that ended otherwise than they were made to.
    pub exits: Vec<Exit>,
    /// How often the readings paused, so that something could be sent beside them.
    pub pauses: usize,
    /// The topics that are written.
    #[serde(flatten)]
    pub topics: Comparisons,
    /// What else is wrong.
    pub problems: Vec<String>,
}

/// Every topic that is written, but for that of states.
#[derive(Clone, Debug, Serialize)]
pub struct Comparisons {
    /// The alerts topic: alerts, and withdrawals of consent.
    pub alerts: Comparison,
    /// The area-alerts topic.
    pub area_alerts: Comparison,
    /// The topic of homes to visit.
    pub visits: Comparison,
    /// The zones topic: reports and statuses.
    pub zones: Comparison,
    /// The dead-letter topic.
    pub dead_letters: Comparison,
}

impl Comparisons {
    /// Each of them with its name.
    pub fn all(&self) -> [(&'static str, &Comparison); 5] {
        [
            ("alerts", &self.alerts),
            ("area alerts", &self.area_alerts),
            ("visits", &self.visits),
            ("zones", &self.zones),
            ("dead letters", &self.dead_letters),
        ]
    }
}

/// A topic against what should be on it.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Records that should be there.
    pub expected: usize,
    /// Records that are.
    pub found: usize,
    /// What differs.
    pub differences: Differences,
}

impl Report {
    /// As people read it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a text cannot fail.
        let mut line = |words: String| {
            let _ = writeln!(text, "{words}");
        };
        line(format!(
            "{} kills of {} instances in {:.0} s; {} readings in {} partitions, {} of them poison, and {} records beside them in {} pauses; all committed {:.1} s later",
            self.kills,
            self.instances,
            self.seconds,
            self.readings,
            self.partitions,
            self.poison,
            self.beside,
            self.pauses,
            self.seconds_to_catch_up
        ));
        line(format!(
            "\n{:<26} {:>6} {:>9} {:>9} {:>9}",
            "an instance was", "times", "measured", "median", "longest"
        ));
        let seconds = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2} s"));
        for recovery in &self.blows {
            line(format!(
                "{:<26} {:>6} {:>9} {:>9} {:>9}",
                recovery.blow.name(),
                recovery.count,
                recovery.measured,
                seconds(recovery.median_seconds),
                seconds(recovery.max_seconds)
            ));
        }
        line(
            "(median and longest: until all its partitions were live again; not measured where it had none)".to_owned(),
        );
        for exit in &self.exits {
            let how = if exit.was_asked { "asked to end" } else { "by itself" };
            line(format!(
                "\n{} ended ({how}) after {:.1} s: {}",
                exit.instance, exit.ran_seconds, exit.status
            ));
            for said in exit.last_lines.iter().rev().take(3).rev() {
                line(format!("    {said}"));
            }
        }
        for (name, comparison) in self.topics.all() {
            let kinds = comparison.differences.kinds();
            let counts: Vec<String> = kinds
                .iter()
                .map(|(kind, tally)| format!("{} {kind}", tally.count))
                .collect();
            line(format!(
                "\n{name}: {} expected, {} found; {}",
                comparison.expected,
                comparison.found,
                counts.join(", ")
            ));
            for (kind, tally) in kinds {
                for told in &tally.first {
                    line(format!("  {kind}: {told}"));
                }
                if tally.count > tally.first.len() {
                    line(format!("  and {} more {kind}", tally.count - tally.first.len()));
                }
            }
        }
        for problem in &self.problems {
            line(format!("\nproblem: {problem}"));
        }
        line(
            if self.passed {
                "\nPASSED: every record is there exactly once, in order."
            } else {
                "\nFAILED: what was published is not what follows from the readings, once and in order."
            }
            .to_owned(),
        );
        text
    }
}
