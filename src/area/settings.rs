//! Settings of area outages.

use serde::{Deserialize, Serialize};

use crate::model::{DAY, HOUR, MINUTE};

/// When a zone counts as cut off. They are the deployment's, not a programme's: a zone has homes of several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AreaSettings {
    /// Whether zones are watched. If not, no record of a zone is written.
    pub enabled: bool,
    /// Homes of a zone with known use below which nothing is said of it. Fewer than about ten never suffice anyway.
    pub min_homes: u32,
    /// Minutes after the full hour at which partitions report: hourly readings should have arrived by then.
    pub report_after_minutes: u32,
    /// False area alerts accepted for a zone in a year.
    pub false_alerts_per_zone_year: f64,
    /// Seconds that a meter takes between two deliveries where the homes topic does not say and its own rhythm is not learnt yet.
    pub upload_seconds: u32,
    /// The share of homes that may go on using water in an outage: roof tanks, another main.
    pub residual_share: f64,
    /// The share of a zone's meters that may be silent at any time without being an outage.
    pub usual_silent_share: f64,
    /// Hours after which homes are judged again although no water has returned.
    pub longest_hours: u32,
}

impl Default for AreaSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            min_homes: 8,
            report_after_minutes: 20,
            false_alerts_per_zone_year: 1.0,
            upload_seconds: DAY,
            residual_share: 0.1,
            usual_silent_share: 0.3,
            longest_hours: 48,
        }
    }
}

/// Seconds that a verdict may take to reach every partition: the wait for the next mark and for partitions that lag behind,
/// and the way.
const DELIVERY: u32 = 4 * HOUR;
/// Verdicts in a year: one an hour.
const VERDICTS_PER_YEAR: f64 = 8_766.0;

impl AreaSettings {
    /// Names of settings with what is wrong with them.
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut mistakes = Vec::new();
        let mut check = |right: bool, name, what: String| {
            if !right {
                mistakes.push((name, what));
            }
        };
        check(self.min_homes > 0, "min_homes", "0 homes are no zone".to_owned());
        let minutes = self.report_after_minutes;
        check(
            minutes < 60,
            "report_after_minutes",
            format!("{minutes} is not below 60 minutes"),
        );
        let rate = self.false_alerts_per_zone_year;
        check(
            rate > 0.0 && rate <= 50.0,
            "false_alerts_per_zone_year",
            format!("{rate} is not above 0 and at most 50"),
        );
        for (name, share) in [
            ("residual_share", self.residual_share),
            ("usual_silent_share", self.usual_silent_share),
        ] {
            check(
                (0.01..=0.5).contains(&share),
                name,
                format!("{share} is not between 0.01 and 0.5"),
            );
        }
        let seconds = self.upload_seconds;
        check(
            (MINUTE..=7 * DAY).contains(&seconds),
            "upload_seconds",
            format!("{seconds} is not between 60 and 604800 seconds"),
        );
        let hours = self.longest_hours;
        check(
            (1..=24 * 14).contains(&hours),
            "longest_hours",
            format!("{hours} is not between 1 and 336 hours"),
        );
        mistakes
    }

    /// The probability below which chance is ruled out.
    pub fn threshold(&self) -> f64 {
        self.false_alerts_per_zone_year / VERDICTS_PER_YEAR
    }

    /// Seconds after the full hour at which partitions report.
    pub(super) fn report_after(&self) -> u32 {
        self.report_after_minutes.min(59) * MINUTE
    }

    /// Seconds after which homes are judged again.
    pub(super) fn longest(&self) -> u32 {
        self.longest_hours.saturating_mul(HOUR)
    }

    /// Seconds after its beginning at which an outage holds nobody back any more, even if nobody said that it is over: by
    /// then the word that it has lasted too long must have come.
    pub fn forgotten_after(&self) -> u32 {
        self.longest().saturating_add(DELIVERY)
    }
}
