//! Settings of the good news of the morning.

use serde::{Deserialize, Serialize};

use crate::detect::Mistake;

/// When the first sign of life of a morning is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WellTodaySettings {
    /// Whether it is told.
    pub enabled: bool,
    /// The local hour at which the morning begins.
    pub from_hour: u8,
    /// Whether other signs of life count, too.
    pub other_signs: bool,
}

impl Default for WellTodaySettings {
    fn default() -> Self {
        Self {
            enabled: false,
            from_hour: 4,
            other_signs: true,
        }
    }
}

impl WellTodaySettings {
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let message = || format!("{} is no hour of the day, 0 to 23", self.from_hour);
        let is_wrong = self.from_hour > 23;
        is_wrong
            .then(|| Mistake::new("from_hour", message()))
            .into_iter()
            .collect()
    }
}
