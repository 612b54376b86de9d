//! Settings of the detector of meters in trouble.

use serde::{Deserialize, Serialize};

use super::trouble::Trouble;
use crate::detect::Mistake;

/// When a meter cannot be relied upon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeterTroubleSettings {
    /// Whether it is reported.
    pub enabled: bool,
    /// The troubles that are reported, by the names that alerts give them; all if none is named.
    pub report: Vec<Trouble>,
    /// Small backward flows, bad reads or wrong times within `quiet_hours` of each other that make a trouble.
    pub repeated: u8,
    /// Hours without another sign of it after which a trouble is over that readings show.
    pub quiet_hours: u32,
    /// The same for what the meter says of itself (tamper, battery, leak): many repeat it once a week.
    pub flag_quiet_hours: u32,
    /// Hours between two gaps that suffice to notice that nobody uses water. Where no such stretch comes for `holes_days`, the home
    /// is as good as not watched; 0 for never.
    pub watchable_hours: u32,
    /// Days for which it may be so.
    pub holes_days: u32,
    /// Days without any use, though nobody said that they are away, after which the register may be stuck; 0 for never.
    pub stuck_days: u32,
}

impl Default for MeterTroubleSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            report: Vec::new(),
            repeated: 3,
            quiet_hours: 72,
            flag_quiet_hours: 15 * 24,
            watchable_hours: 12,
            holes_days: 3,
            stuck_days: 14,
        }
    }
}

impl MeterTroubleSettings {
    /// Whether gaps are counted.
    pub(super) fn watches_holes(&self) -> bool {
        self.enabled && self.watchable_hours > 0 && self.reports(Trouble::Holes)
    }

    /// Whether such a trouble is reported.
    pub fn reports(&self, trouble: Trouble) -> bool {
        self.report.is_empty() || self.report.contains(&trouble)
    }

    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.repeated == 0 {
            mistakes.push(Mistake::new("repeated", "0 is not between 1 and 255"));
        }
        for (key, hours) in [
            ("quiet_hours", self.quiet_hours),
            ("flag_quiet_hours", self.flag_quiet_hours),
        ] {
            if !(1..=24 * 60).contains(&hours) {
                mistakes.push(Mistake::new(key, format!("{hours} is not between 1 and 1440 hours")));
            }
        }
        if self.watchable_hours > 24 {
            let message = format!("{} is more than 24 hours", self.watchable_hours);
            mistakes.push(Mistake::new("watchable_hours", message));
        }
        if !(1..=60).contains(&self.holes_days) {
            let message = format!("{} is not between 1 and 60 days", self.holes_days);
            mistakes.push(Mistake::new("holes_days", message));
        }
        if self.stuck_days > 400 {
            let message = format!("{} is more than 400 days", self.stuck_days);
            mistakes.push(Mistake::new("stuck_days", message));
        }
        mistakes
    }
}
