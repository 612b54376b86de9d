//! Settings of the silent-meter detector.

use serde::{Deserialize, Serialize};

use crate::detect::Mistake;

/// When a meter counts as silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SilentMeterSettings {
    /// Whether silence is reported.
    pub enabled: bool,
    /// Hours without the arrival of a measured reading while the meter's rhythm is not learnt. The default leaves a daily upload
    /// two hours of delay.
    pub after_hours: u32,
    /// Hours at least, however often the meter delivers.
    pub at_least_hours: u32,
    /// Hours at most, however rarely the meter has come to deliver, unless the homes topic says that it delivers so rarely.
    pub at_most_hours: u32,
}

impl Default for SilentMeterSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            after_hours: 26,
            at_least_hours: 6,
            at_most_hours: 12 * 24,
        }
    }
}

impl SilentMeterSettings {
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let all = [
            ("after_hours", self.after_hours),
            ("at_least_hours", self.at_least_hours),
            ("at_most_hours", self.at_most_hours),
        ];
        let wrong = all.into_iter().filter(|(_, hours)| !(1..=24 * 60).contains(hours));
        let mut mistakes: Vec<Mistake> = wrong
            .map(|(key, hours)| Mistake::new(key, format!("{hours} is not between 1 and 1440 hours")))
            .collect();
        if self.at_least_hours > self.at_most_hours {
            let message = format!(
                "{} is more than at_most_hours = {}",
                self.at_least_hours, self.at_most_hours
            );
            mistakes.push(Mistake::new("at_least_hours", message));
        }
        mistakes
    }
}
