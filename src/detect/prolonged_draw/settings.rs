//! Settings of the detector of prolonged draws.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::detect::Mistake;
use crate::detect::met::StagedRule;
use crate::model::{MINUTE, Severity, Stage};

/// The most rules one programme may have: which were met is kept as bits.
pub const MAX_RULES: usize = 8;

/// When one use of water lasts too long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProlongedDrawSettings {
    /// Whether prolonged draws are reported.
    pub enabled: bool,
    /// Days of known use before which rules that learn, or that ask for it, say nothing.
    pub learn_days: u32,
    /// The rules; of those that are met one of the last stage gives the alert its name.
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
    /// What it asks for when it is met.
    #[serde(default = "visit")]
    pub stage: Stage,
    /// When it is met.
    pub when: Condition,
}

/// When a rule is met by a draw: intervals in a row, each with flow above the leak floor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// It lasts so long.
    Lasting {
        /// Minutes.
        minutes: u32,
        /// Intervals with less flow than this end it, in litres an hour.
        #[serde(default)]
        at_least_litres_per_hour: f32,
    },
    /// It lasts so long, or takes so much, at a high flow.
    HighFlow {
        /// Minutes.
        minutes: u32,
        /// Litres.
        litres: f32,
        /// Flow from which it is high, in litres an hour.
        above_litres_per_hour: f32,
    },
    /// It lasts so long, and takes so much, at whatever flow.
    LowFlow {
        /// Minutes.
        minutes: u32,
        /// Litres.
        litres: f32,
    },
    /// It lasts longer than this home's longest; by readings of more than a quarter of an hour, three hours longer at least.
    Own {
        /// So many times as long.
        factor: f32,
        /// And at least so many minutes.
        at_least_minutes: u32,
        /// Intervals with less flow than this end it, in litres an hour.
        #[serde(default)]
        at_least_litres_per_hour: f32,
    },
}

fn high() -> Severity {
    Severity::High
}

fn visit() -> Stage {
    Stage::Visit
}

impl Default for ProlongedDrawSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            learn_days: 14,
            rules: vec![Rule {
                name: "beyond-own-longest".into(),
                severity: high(),
                stage: visit(),
                when: Condition::Own {
                    factor: 1.5,
                    at_least_minutes: 60,
                    at_least_litres_per_hour: 120.0,
                },
            }],
        }
    }
}

impl Condition {
    /// The least flow of an interval that goes on with a draw, in litres an hour.
    pub(super) fn least_flow(&self) -> f32 {
        match self {
            Self::Lasting {
                at_least_litres_per_hour: least,
                ..
            }
            | Self::Own {
                at_least_litres_per_hour: least,
                ..
            }
            | Self::HighFlow {
                above_litres_per_hour: least,
                ..
            } => *least,
            Self::LowFlow { .. } => 0.0,
        }
    }

    /// Whether a reading of so many seconds can show it. A use that lasts is one without a dry reading in it, and of readings
    /// longer than a quarter of what is asked for two uses far apart look like one.
    pub(super) fn is_shown_by(&self, seconds: u32) -> bool {
        match self {
            Self::Lasting { minutes, .. } | Self::LowFlow { minutes, .. } => seconds <= minutes * MINUTE / 4,
            // A high flow lasts as long as the reading of which it is the mean.
            Self::HighFlow { .. } | Self::Own { .. } => true,
        }
    }

    /// Whether it waits until the home is known.
    pub fn learns(&self) -> bool {
        !matches!(self, Self::Lasting { .. })
    }

    fn mistake(&self) -> Option<String> {
        let minutes_are_right = |minutes: u32| (1..=7 * 24 * 60).contains(&minutes);
        let least = self.least_flow();
        let (minutes, amount) = match self {
            Self::Lasting { minutes, .. } => (*minutes, 1.0),
            Self::HighFlow { minutes, litres, .. } | Self::LowFlow { minutes, litres } => (*minutes, *litres),
            Self::Own {
                factor,
                at_least_minutes,
                ..
            } => (*at_least_minutes, *factor),
        };
        if !minutes_are_right(minutes) {
            Some(format!("{minutes} minutes are not between 1 and 10080"))
        } else if !(0.0..=100_000.0).contains(&least) {
            Some(format!("{least} is not between 0 and 100000 litres an hour"))
        } else if !(amount > 0.0 && amount <= 100_000.0) {
            Some(format!("{amount} is not between 0 and 100000"))
        } else {
            None
        }
    }
}

impl ProlongedDrawSettings {
    /// The rules, as far as their stages are concerned.
    pub(super) fn staged(&self) -> impl Iterator<Item = StagedRule<'_>> + Clone {
        self.rules.iter().map(|rule| StagedRule {
            name: &rule.name,
            severity: rule.severity,
            stage: rule.stage,
        })
    }

    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.rules.len() > MAX_RULES {
            let message = format!("{} rules; at most {MAX_RULES} are allowed", self.rules.len());
            mistakes.push(Mistake::new("rules", message));
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let key = format!("rules[{index}]");
            if rule.name.is_empty() || rule.name.len() > 64 {
                mistakes.push(Mistake::new(&key, "the name is empty or longer than 64 bytes"));
            }
            if self.rules[..index].iter().any(|other| other.name == rule.name) {
                mistakes.push(Mistake::new(
                    &key,
                    format!("the name {:?} is given to two rules", rule.name),
                ));
            }
            let mistake = rule.when.mistake();
            mistakes.extend(mistake.map(|message| Mistake::new(&key, format!("{}: {message}", rule.name))));
        }
        if self.learn_days > 60 {
            mistakes.push(Mistake::new(
                "learn_days",
                format!("{} is more than 60", self.learn_days),
            ));
        }
        mistakes
    }
}
