//! Settings of the burst detector.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::detect::Mistake;
use crate::model::Severity;

/// The most rules one programme may have: for each the start of its high flow is kept.
pub const MAX_RULES: usize = 4;

/// When a flow is too great for the taps of a home.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BurstSettings {
    /// Whether bursts are reported.
    pub enabled: bool,
    /// The meters' permanent flow rate, in litres an hour, for homes whose record does not state it.
    pub q3_litres_per_hour: f32,
    /// Hours of known use after which a home's own peak is known.
    pub learn_hours: u32,
    /// Dry hours in a row after which the burst is over.
    pub clear_after_dry_hours: u32,
    /// An hour with no more than this part of the flow that counts is dry, in percent; so is one with no more than the home's leak.
    pub dry_percent: f32,
    /// The rules; the gravest that is met gives the alert its name.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, as alerts give it.
    pub name: Arc<str>,
    /// How much it matters when it is met.
    #[serde(default = "high")]
    pub severity: Severity,
    /// When it is met.
    pub when: Condition,
}

/// The flow of a rule, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// A share of the meter's permanent flow rate.
    ShareOfQ3 {
        /// Percent of `q3_litres_per_hour`.
        percent: f32,
        /// Minutes without a pause.
        #[serde(default = "half_an_hour")]
        minutes: u32,
    },
    /// More than this home's own peak: the second greatest of the days' greatest hours, as far back as it remembers.
    OwnPeak {
        /// Times the peak.
        times: f32,
        /// And at least so many litres an hour.
        at_least_litres_per_hour: f32,
        /// Minutes without a pause.
        #[serde(default = "an_hour")]
        minutes: u32,
    },
}

fn high() -> Severity {
    Severity::High
}

fn half_an_hour() -> u32 {
    30
}

fn an_hour() -> u32 {
    60
}

impl Default for BurstSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            q3_litres_per_hour: 2_500.0,
            learn_hours: 14 * 24,
            clear_after_dry_hours: 1,
            dry_percent: 10.0,
            rules: vec![Rule {
                name: "above-own-peak".into(),
                severity: high(),
                when: Condition::OwnPeak {
                    times: 1.5,
                    at_least_litres_per_hour: 600.0,
                    minutes: an_hour(),
                },
            }],
        }
    }
}

impl Condition {
    pub(super) fn minutes(&self) -> u32 {
        match self {
            Self::ShareOfQ3 { minutes, .. } | Self::OwnPeak { minutes, .. } => *minutes,
        }
    }

    fn mistake(&self) -> Option<String> {
        let outside = |name: &str, value: f32, least: f32, most: f32| {
            let inside = (least..=most).contains(&value);
            (!inside).then(|| format!("{name} = {value} is not between {least} and {most}"))
        };
        match self {
            Self::ShareOfQ3 { percent, .. } => outside("share_of_q3.percent", *percent, 0.1, 100.0),
            Self::OwnPeak {
                times,
                at_least_litres_per_hour,
                ..
            } => outside("own_peak.times", *times, 1.0, 100.0).or_else(|| {
                outside(
                    "own_peak.at_least_litres_per_hour",
                    *at_least_litres_per_hour,
                    1.0,
                    60_000.0,
                )
            }),
        }
        .or_else(|| outside("minutes", self.minutes() as f32, 1.0, 1_440.0))
    }
}

impl BurstSettings {
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.rules.len() > MAX_RULES {
            let message = format!("{} rules; at most {MAX_RULES} are allowed", self.rules.len());
            mistakes.push(Mistake::new("rules", message));
        }
        if self.enabled && self.rules.is_empty() {
            mistakes.push(Mistake::new(
                "rules",
                "there is none; enabled = false switches bursts off",
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
            if self.rules[..index].iter().any(|other| other.name == rule.name) {
                mistakes.push(Mistake::new(
                    &key,
                    format!("the name {:?} is given to two rules", rule.name),
                ));
            }
        }
        if !(1.0..=60_000.0).contains(&self.q3_litres_per_hour) {
            let message = format!("{} is not between 1 and 60000 litres an hour", self.q3_litres_per_hour);
            mistakes.push(Mistake::new("q3_litres_per_hour", message));
        }
        if !(0.0..=100.0).contains(&self.dry_percent) {
            let message = format!("{} is not between 0 and 100 percent", self.dry_percent);
            mistakes.push(Mistake::new("dry_percent", message));
        }
        if !(24..=1_440).contains(&self.learn_hours) {
            let message = format!("{} is not between 24 and 1440", self.learn_hours);
            mistakes.push(Mistake::new("learn_hours", message));
        }
        if !(1..=24).contains(&self.clear_after_dry_hours) {
            let message = format!("{} is not between 1 and 24 hours", self.clear_after_dry_hours);
            mistakes.push(Mistake::new("clear_after_dry_hours", message));
        }
        mistakes
    }
}
