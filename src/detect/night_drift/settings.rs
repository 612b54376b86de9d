//! Settings of the detector of change at night.

use serde::{Deserialize, Serialize};

use crate::detect::Mistake;
use crate::detect::drift::{check_change, check_p};

/// When a change of use at night is reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NightDriftSettings {
    /// Whether it is reported.
    pub enabled: bool,
    /// How unlikely the values must be if nothing had changed.
    pub p_below: f64,
    /// The least change from the first week to the last, in percent of the night's hours.
    pub least_change_percent: f64,
}

impl Default for NightDriftSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            p_below: 0.001,
            least_change_percent: 10.0,
        }
    }
}

impl NightDriftSettings {
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let change = check_change("least_change_percent", self.least_change_percent, 100.0);
        check_p(self.p_below).into_iter().chain(change).collect()
    }
}
