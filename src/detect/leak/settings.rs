//! Rules of leaks, in the words of a programme.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::trend;
use crate::detect::{Met, Mistake};
use crate::home::{QUARTERS, WINDOW_HOURS};
use crate::model::Severity;

/// The most rules one programme may have: which were met is kept as bits.
pub const MAX_RULES: usize = Met::MOST_RULES;
/// The most kinds of run: rules that count from the same flow and skip as many unknown hours share one.
pub const MAX_RUNS: usize = 4;

/// When a flow that does not stop is reported, and when it counts as stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeakSettings {
    /// Whether leaks are reported. The floor is taken off the signs of life either way.
    pub enabled: bool,
    /// The rules; the gravest that is met gives the alert its name.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, as alerts give it.
    pub name: Arc<str>,
    /// How much it matters when it is met; without it, the size of the flow says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// When it is met.
    pub when: Condition,
    /// Of rules on whole hours: unknown hours in a row that their run may skip; more begin it anew.
    #[serde(default = "one")]
    pub skip_unknown_hours: u32,
    /// Of rules without a dry hour: dry hours (below the flow that counts) since the rule was last fully met, after which
    /// it is over.
    #[serde(default = "three")]
    pub clear_after_dry_hours: u32,
}

/// A lost hour of each day hides no leak then, and dry hours that were lost make few (`docs/detectors.md`).
fn one() -> u32 {
    1
}

fn three() -> u32 {
    3
}

/// Hours with at least so much flow, with up to so many unknown hours in a row between them: what a rule counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunOf {
    /// Litres an hour; 0 for any flow.
    pub at_least: f32,
    /// Unknown hours in a row that are skipped.
    pub skips: u32,
}

impl RunOf {
    /// Whether an hour with so many litres belongs to such a run.
    pub fn is_wet(&self, litres: f32) -> bool {
        litres > 0.0 && litres >= self.at_least
    }
}

impl Rule {
    /// One with the usual allowances.
    pub fn new(name: &str, when: Condition) -> Self {
        Self {
            name: name.into(),
            severity: None,
            when,
            skip_unknown_hours: one(),
            clear_after_dry_hours: three(),
        }
    }

    /// The run that it counts, where it counts one.
    pub(super) fn run(&self) -> Option<RunOf> {
        let at_least = match self.when {
            Condition::Continuous {
                at_least_litres_per_hour,
                slot_minutes: 60,
                ..
            } => at_least_litres_per_hour,
            Condition::Steady { .. } => 0.0,
            _ => return None,
        };
        let skips = self.skip_unknown_hours;
        Some(RunOf { at_least, skips })
    }
}

/// When a rule is met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// No dry hour (half-hour, quarter-hour) in so many hours.
    Continuous {
        /// Measured hours in a row.
        hours: u32,
        /// The flow that counts, in litres an hour; 0 for any.
        #[serde(default)]
        at_least_litres_per_hour: f32,
        /// Length of what must not be dry: 60, 30 or 15 minutes.
        #[serde(default = "an_hour")]
        slot_minutes: u32,
    },
    /// Flow in many of the last quarter-hours, but not in all of them.
    Intermittent {
        /// Quarter-hours with flow, at least.
        at_least: u32,
        /// Quarter-hours with flow, at most.
        at_most: u32,
        /// The quarter-hours that are looked at.
        #[serde(default = "a_day_of_quarters")]
        of: u32,
    },
    /// More litres than this in the last whole hours.
    Daily {
        /// Litres.
        above_litres: f32,
        /// Whole hours.
        #[serde(default = "a_day")]
        hours: u32,
    },
    /// The least hourly flow of a day grows from day to day.
    Growing {
        /// Days that are looked at.
        #[serde(default = "trend_days")]
        days: u32,
        /// Growth over these days, in litres an hour.
        by_litres_per_hour: f32,
    },
    /// No dry hour in so many hours, and a flow that comes back to the same floor more often than this home's habits
    /// explain.
    Steady {
        /// Measured hours in a row.
        hours: u32,
        /// Evidence needed, in nats (a likelihood ratio of e to this power).
        evidence: f32,
    },
}

fn an_hour() -> u32 {
    60
}

fn a_day() -> u32 {
    24
}

fn a_day_of_quarters() -> u32 {
    QUARTERS
}

fn trend_days() -> u32 {
    8
}

impl Default for LeakSettings {
    /// What was measured to find the most for the fewest false alerts (`docs/detectors.md`), and the rule of the meters
    /// in the field beside it.
    fn default() -> Self {
        let steady = Condition::Steady {
            hours: 10,
            evidence: 6.0,
        };
        Self {
            enabled: true,
            rules: vec![
                Rule::new("steady-flow", steady),
                Rule::new("no-dry-hour-24h", Condition::continuous(24)),
            ],
        }
    }
}

impl Condition {
    /// Any flow in every hour of so many.
    pub fn continuous(hours: u32) -> Self {
        Self::Continuous {
            hours,
            at_least_litres_per_hour: 0.0,
            slot_minutes: 60,
        }
    }

    fn mistake(&self) -> Option<String> {
        let outside = |name: &str, value: f32, least: f32, most: f32| {
            let inside = (least..=most).contains(&value);
            (!inside).then(|| format!("{name} = {value} is not between {least} and {most}"))
        };
        match self {
            Self::Continuous {
                hours,
                at_least_litres_per_hour: litres,
                slot_minutes,
            } => {
                let most = if *slot_minutes == 60 { 1_000.0 } else { 24.0 };
                let slots_of_litres = *slot_minutes != 60 && *litres != 0.0;
                outside("continuous.hours", *hours as f32, 2.0, most)
                    .or_else(|| outside("continuous.at_least_litres_per_hour", *litres, 0.0, 10_000.0))
                    .or_else(|| {
                        (![60, 30, 15].contains(slot_minutes))
                            .then(|| format!("continuous.slot_minutes = {slot_minutes} is not 60, 30 or 15"))
                    })
                    .or_else(|| {
                        slots_of_litres.then(|| {
                            "continuous.at_least_litres_per_hour needs slot_minutes = 60: litres are kept by the hour"
                                .to_owned()
                        })
                    })
            }
            Self::Intermittent { at_least, at_most, of } => {
                outside("intermittent.of", *of as f32, 4.0, QUARTERS as f32).or_else(|| {
                    (!(1 <= *at_least && at_least <= at_most && at_most <= of)).then(|| {
                    format!(
                        "intermittent: at_least = {at_least}, at_most = {at_most} and of = {of} are not in rising order"
                    )
                })
                })
            }
            Self::Daily { above_litres, hours } => outside("daily.above_litres", *above_litres, 1.0, 100_000.0)
                .or_else(|| outside("daily.hours", *hours as f32, 1.0, WINDOW_HOURS as f32)),
            Self::Growing {
                days,
                by_litres_per_hour,
            } => outside(
                "growing.days",
                *days as f32,
                trend::FEWEST_DAYS as f32,
                trend::MOST_DAYS as f32,
            )
            .or_else(|| outside("growing.by_litres_per_hour", *by_litres_per_hour, 0.1, 1_000.0)),
            Self::Steady { hours, evidence } => outside("steady.hours", *hours as f32, 5.0, 30.0)
                .or_else(|| outside("steady.evidence", *evidence, 1.0, 60.0)),
        }
    }
}

impl LeakSettings {
    /// The kinds of run that the rules count, each once, in the order of the rules.
    pub(super) fn runs(&self) -> SmallVec<[RunOf; MAX_RUNS]> {
        let mut runs = SmallVec::new();
        for run in self.rules.iter().filter_map(Rule::run) {
            if !runs.contains(&run) {
                runs.push(run);
            }
        }
        runs
    }

    pub(super) fn has_growing(&self) -> bool {
        self.rules
            .iter()
            .any(|rule| matches!(rule.when, Condition::Growing { .. }))
    }

    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.rules.len() > MAX_RULES {
            let message = format!("{} rules; at most {MAX_RULES} are allowed", self.rules.len());
            mistakes.push(Mistake::new("rules", message));
        }
        if self.enabled && self.rules.is_empty() {
            mistakes.push(Mistake::new(
                "rules",
                "there is none; enabled = false switches leaks off",
            ));
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let key = format!("rules[{index}]");
            if let Some(message) = rule.when.mistake() {
                mistakes.push(Mistake::new(&key, format!("{}: {message}", rule.name)));
            }
            if rule.name.is_empty() || rule.name.len() > 64 {
                mistakes.push(Mistake::new(&key, "the name is empty or longer than 64 bytes"));
            }
            if !(1..=24).contains(&rule.clear_after_dry_hours) {
                let message = format!("{} is not between 1 and 24 hours", rule.clear_after_dry_hours);
                mistakes.push(Mistake::new(format!("{key}.clear_after_dry_hours"), message));
            }
            if rule.skip_unknown_hours > 240 {
                let message = format!("{} is more than 240 hours", rule.skip_unknown_hours);
                mistakes.push(Mistake::new(format!("{key}.skip_unknown_hours"), message));
            }
            if rule.run().is_none() && rule.skip_unknown_hours != one() {
                let message = "this rule counts no hours in a row: there is nothing to skip";
                mistakes.push(Mistake::new(format!("{key}.skip_unknown_hours"), message));
            }
            if self.rules[..index].iter().any(|other| other.name == rule.name) {
                mistakes.push(Mistake::new(
                    &key,
                    format!("the name {:?} is given to two rules", rule.name),
                ));
            }
        }
        let runs = self.runs().len();
        if runs > MAX_RUNS {
            let message = format!(
                "the rules count {runs} kinds of run (flow that counts, unknown hours skipped); {MAX_RUNS} are kept"
            );
            mistakes.push(Mistake::new("rules", message));
        }
        let is_steady = |rule: &&Rule| matches!(rule.when, Condition::Steady { .. });
        if self.rules.iter().filter(is_steady).count() > 1 {
            let message = "two rules are steady; one is allowed, because what the home has shown is kept once";
            mistakes.push(Mistake::new("rules", message));
        }
        mistakes
    }
}
