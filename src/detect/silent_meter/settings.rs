//! Settings of the silent-meter detector.

use serde::{Deserialize, Serialize};

use crate::detect::Mistake;

/// When a meter counts as silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SilentMeterSettings {
    /// Whether silence is reported.
    pub enabled: bool,
    /// Hours without the arrival of a measured reading, at most, unless the homes topic says that the meter delivers
    /// more rarely. The default leaves a daily upload two hours of delay.
    pub after_hours: u32,
    /// And at least, however often the meter delivers.
    pub at_least_hours: u32,
}

impl Default for SilentMeterSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            after_hours: 26,
            at_least_hours: 6,
        }
    }
}

impl SilentMeterSettings {
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let right = (1..=24 * 60).contains(&self.after_hours);
        let mistake = || {
            Mistake::new(
                "after_hours",
                format!("{} is not between 1 and 1440 hours", self.after_hours),
            )
        };
        let mut mistakes = if right { Vec::new() } else { vec![mistake()] };
        if self.at_least_hours == 0 || self.at_least_hours > 24 * 60 {
            let message = format!("{} is not between 1 and 1440 hours", self.at_least_hours);
            mistakes.push(Mistake::new("at_least_hours", message));
        }
        mistakes
    }
}
