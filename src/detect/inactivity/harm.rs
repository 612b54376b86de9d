//! The chance that an emergency is behind a dry spell, from figures that a person can check.
//!
//! Method: Bayes over three causes of a spell that still goes on, each by how many such spells a home-month has: emergencies
//! (assumed), absences of a day and longer (this home's own, with a month as assumed), and ordinary spells (this home's
//! own, times the share of those begun about this hour that went on for so long).
//!
//! ```text
//! chance = e / (e + a + n·s)
//! ```
//!
//! Units: spells a home-month; `s` a share. Limits: sixty days show no share below half a spell; what is learnt of a person's
//! health is not in it; an emergency is taken to be as likely at any hour, and to leave the taps shut.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::comparable::Comparable;
use super::hazard::ABSENCE_HOURS;
use crate::detect::Mistake;
use crate::model::{MONTH_HOURS, Severity};

/// What is assumed of people, and from which chance on it matters more than the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HarmSettings {
    /// Whether severity rises with it. Presets say no more than their programmes do: there it does not.
    pub enabled: bool,
    /// Emergencies a home-month.
    pub emergencies_a_home_month: f64,
    /// Absences of a day and longer a home-month, as far as a home's own are not known.
    pub absences_a_home_month: f64,
    /// Severity is `high` at least from so many percent on.
    pub high_from_percent: f64,
    /// Severity is `critical` from so many percent on.
    pub critical_from_percent: f64,
}

impl Default for HarmSettings {
    /// Found helpless or dead at home: 27 of 1,000 people of 85 and older a year (Gurley et al., N Engl J Med 1996,
    /// 334:1710). Absences as measured in `docs/adr/0006-first-learned-rule.md`.
    fn default() -> Self {
        Self {
            enabled: true,
            emergencies_a_home_month: 0.00225,
            absences_a_home_month: 0.6,
            high_from_percent: 0.1,
            critical_from_percent: 0.3,
        }
    }
}

/// The chance of harm, with what it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chance {
    /// Percent.
    pub percent: f64,
    /// Absences a home-month.
    absences: f64,
    /// Ordinary spells a home-month.
    spells: f64,
    /// Percent of the comparable spells that went on for so long.
    going_on_percent: f64,
}

impl HarmSettings {
    /// The chance for a spell of `hours` whole hours.
    pub(super) fn chance(&self, own: &Comparable, hours: u32) -> Chance {
        let months = (own.known_days * 24.0 / MONTH_HOURS).max(1.0 / MONTH_HOURS);
        let absences = (f64::from(own.day_long) + self.absences_a_home_month) / (months + 1.0);
        let spells = f64::from(own.all) / months;
        // A spell of a day or more is no ordinary one, by definition.
        let going_on = match hours as usize {
            hours if hours >= ABSENCE_HOURS => 0.0,
            _ => (f64::from(own.spells - own.ended) + 0.5) / (f64::from(own.spells) + 1.0),
        };
        let emergencies = self.emergencies_a_home_month;
        Chance {
            percent: 100.0 * emergencies / (emergencies + absences + spells * going_on),
            absences,
            spells,
            going_on_percent: 100.0 * going_on,
        }
    }

    /// How much a chance matters by itself.
    pub(super) fn severity(&self, chance: &Chance) -> Severity {
        if chance.percent >= self.critical_from_percent {
            Severity::Critical
        } else if chance.percent >= self.high_from_percent {
            Severity::High
        } else {
            Severity::Low
        }
    }

    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let rates = [
            ("emergencies_a_home_month", self.emergencies_a_home_month),
            ("absences_a_home_month", self.absences_a_home_month),
        ];
        for (key, rate) in rates {
            if !(1e-6..=100.0).contains(&rate) {
                let message = format!("{rate} a home-month is not between 0.000001 and 100");
                mistakes.push(Mistake::new(format!("harm.{key}"), message));
            }
        }
        let (high, critical) = (self.high_from_percent, self.critical_from_percent);
        if !(high >= 0.0 && high <= critical && critical.is_finite()) {
            let message =
                format!("high_from_percent = {high} and critical_from_percent = {critical} do not rise from 0");
            mistakes.push(Mistake::new("harm", message));
        }
        mistakes
    }
}

impl Chance {
    /// Puts the figures into the evidence of an alert.
    pub(super) fn add_to(&self, settings: &HarmSettings, evidence: &mut Map<String, Value>) {
        let rounded = |value: f64, digits: f64| json!((value * digits).round() / digits);
        evidence.insert("chance_of_harm_percent".into(), rounded(self.percent, 1e4));
        evidence.insert(
            "emergencies_assumed_a_home_month".into(),
            json!(settings.emergencies_a_home_month),
        );
        evidence.insert("absences_a_home_month".into(), rounded(self.absences, 1e3));
        evidence.insert("dry_spells_a_home_month".into(), rounded(self.spells, 1e2));
        evidence.insert(
            "comparable_spells_going_on_percent".into(),
            rounded(self.going_on_percent, 1e2),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two home-months with four spells a day and one absence.
    fn own(spells: u32, ended: u32) -> Comparable {
        Comparable {
            median_hours: 1,
            spells,
            ended,
            longest_hours: 20,
            known_days: 2.0 * MONTH_HOURS / 24.0,
            all: 240,
            day_long: 1,
        }
    }

    #[test]
    fn the_chance_is_what_can_be_worked_out_by_hand() {
        let harm = HarmSettings::default();
        // a = (1 + 0.6) / 3, n = 120, s = 5.5 / 61.
        let chance = harm.chance(&own(60, 55), 9);
        let by_hand = 100.0 * 0.00225 / (0.00225 + 1.6 / 3.0 + 120.0 * 5.5 / 61.0);
        assert!((chance.percent - by_hand).abs() < 1e-9, "{}", chance.percent);
        // After a day only absences are left beside it.
        let after_a_day = harm.chance(&own(60, 60), 24).percent;
        assert!((after_a_day - 100.0 * 0.00225 / (0.00225 + 1.6 / 3.0)).abs() < 1e-9);
        let severity = |hours, ended| harm.severity(&harm.chance(&own(60, ended), hours));
        assert_eq!(severity(9, 55), Severity::Low);
        assert_eq!(severity(16, 60), Severity::High);
        assert_eq!(severity(24, 60), Severity::Critical);
    }

    #[test]
    fn the_longer_it_lasts_the_greater_the_chance() {
        let harm = HarmSettings::default();
        let chances: Vec<f64> = (2..=30)
            .map(|hours| harm.chance(&own(60, (3 * hours).min(60)), hours).percent)
            .collect();
        assert!(chances.is_sorted(), "{chances:?}");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(HarmSettings::default().mistakes(), []);
        let wrong = HarmSettings {
            enabled: true,
            emergencies_a_home_month: 0.0,
            absences_a_home_month: f64::NAN,
            high_from_percent: 2.0,
            critical_from_percent: 1.0,
        };
        assert_eq!(wrong.mistakes().len(), 3);
    }
}
