//! Settings of the leak detector.

use serde::{Deserialize, Serialize};

use crate::detect::Mistake;

/// When a flow that does not stop is reported, and when it counts as stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeakSettings {
    /// Whether leaks are reported. The floor is taken off the signs of life either way.
    pub enabled: bool,
    /// Measured hours in a row, each with flow.
    pub hours: u32,
    /// The flow that counts, in litres an hour; 0 for any.
    pub at_least_litres_per_hour: f32,
    /// Unknown hours in a row that the run may skip; more begin it anew.
    pub skip_unknown_hours: u32,
    /// Dry hours (below the flow that counts) since the last `hours` hours began, after which the leak is over.
    pub clear_after_dry_hours: u32,
}

impl Default for LeakSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            hours: 24,
            at_least_litres_per_hour: 0.0,
            skip_unknown_hours: 6,
            clear_after_dry_hours: 3,
        }
    }
}

impl LeakSettings {
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if !(2..=1_000).contains(&self.hours) {
            mistakes.push(Mistake::new(
                "hours",
                format!("{} is not between 2 and 1000 hours", self.hours),
            ));
        }
        if !(0.0..=10_000.0).contains(&self.at_least_litres_per_hour) {
            let message = format!(
                "{} is not between 0 and 10000 litres an hour",
                self.at_least_litres_per_hour
            );
            mistakes.push(Mistake::new("at_least_litres_per_hour", message));
        }
        if !(1..=24).contains(&self.clear_after_dry_hours) {
            let message = format!("{} is not between 1 and 24 hours", self.clear_after_dry_hours);
            mistakes.push(Mistake::new("clear_after_dry_hours", message));
        }
        if self.skip_unknown_hours > 240 {
            let message = format!("{} is more than 240 hours", self.skip_unknown_hours);
            mistakes.push(Mistake::new("skip_unknown_hours", message));
        }
        mistakes
    }
}
