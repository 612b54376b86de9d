//! Settings of the detector of a missing return.

use serde::{Deserialize, Serialize};

use crate::detect::Mistake;
use crate::model::HOUR;

/// When somebody who was to be back is missed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoReturnSettings {
    /// Whether it is reported.
    pub enabled: bool,
    /// Hours of measured dry time after the end of the absence.
    pub after_hours: f32,
}

impl Default for NoReturnSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            after_hours: 12.0,
        }
    }
}

impl NoReturnSettings {
    pub(super) fn after_seconds(&self) -> u32 {
        (self.after_hours * HOUR as f32) as u32
    }

    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let right = (0.5..=240.0).contains(&self.after_hours);
        let mistake = || {
            Mistake::new(
                "after_hours",
                format!("{} is not between 0.5 and 240 hours", self.after_hours),
            )
        };
        if right { Vec::new() } else { vec![mistake()] }
    }
}
