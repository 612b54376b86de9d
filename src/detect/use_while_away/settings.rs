//! Settings of the detector of use while people are away.

use serde::{Deserialize, Serialize};

use crate::detect::Mistake;

/// When use in an absence is reported, and when it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UseWhileAwaySettings {
    /// Whether it is reported.
    pub enabled: bool,
    /// Litres above the leak floor that count.
    pub at_least_litres: f32,
    /// The whole hours in which they are used.
    pub within_hours: u32,
    /// Hours after the start of an absence in which use does not count: people leave late.
    pub grace_hours: f32,
    /// Measured hours without use in a row after which it is over.
    pub clear_after_dry_hours: u32,
}

impl Default for UseWhileAwaySettings {
    fn default() -> Self {
        Self {
            enabled: true,
            at_least_litres: 2.0,
            within_hours: 1,
            grace_hours: 2.0,
            clear_after_dry_hours: 24,
        }
    }
}

impl UseWhileAwaySettings {
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let mut check = |right: bool, key: &str, message: String| {
            if !right {
                mistakes.push(Mistake::new(key, message));
            }
        };
        let (litres, within) = (self.at_least_litres, self.within_hours);
        check(
            litres > 0.0 && litres <= 10_000.0,
            "at_least_litres",
            format!("{litres} is not above 0 and at most 10000 litres"),
        );
        check(
            (1..=24).contains(&within),
            "within_hours",
            format!("{within} is not between 1 and 24 hours"),
        );
        check(
            (0.0..=72.0).contains(&self.grace_hours),
            "grace_hours",
            format!("{} is not between 0 and 72 hours", self.grace_hours),
        );
        check(
            (1..=240).contains(&self.clear_after_dry_hours),
            "clear_after_dry_hours",
            format!("{} is not between 1 and 240 hours", self.clear_after_dry_hours),
        );
        mistakes
    }
}
