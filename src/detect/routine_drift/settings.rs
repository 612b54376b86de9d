//! Settings of the detector of change in the routine.

use serde::{Deserialize, Serialize};

use crate::detect::Mistake;
use crate::detect::drift::{check_change, check_p};

/// When a change of the routine is reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutineDriftSettings {
    /// Whether it is reported.
    pub enabled: bool,
    /// How unlikely the values must be if nothing had changed; shared between the three measures.
    pub p_below: f64,
    /// The least change of the first use of the morning from the first week to the last, in hours.
    pub least_waking_hours: f64,
    /// The least change of the hours with use, in hours a day.
    pub least_active_hours: f64,
    /// The least change of the likeness of a day to the one before, in percent.
    pub least_likeness_percent: f64,
}

impl Default for RoutineDriftSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            p_below: 0.001,
            least_waking_hours: 0.75,
            least_active_hours: 1.5,
            least_likeness_percent: 10.0,
        }
    }
}

impl RoutineDriftSettings {
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        [
            check_p(self.p_below),
            check_change("least_waking_hours", self.least_waking_hours, 12.0),
            check_change("least_active_hours", self.least_active_hours, 12.0),
            check_change("least_likeness_percent", self.least_likeness_percent, 100.0),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
