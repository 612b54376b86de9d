//! The chance that an emergency is behind a dry spell, from figures that a person can check.
//!
//! Method: Bayes over three causes of a spell that still goes on, each by how many such spells a home-month has: emergencies
//! (assumed), absences of a day and longer (by the taught table, as if all uses of this home were like the last one), and ordinary
//! spells (this home's own, times the share of those begun about this hour that went on for so long).
//!
//! ```text
//! chance = e / (e + p·u + n·s)
//! ```
//!
//! Units: spells and uses a home-month; `p` and `s` shares. Limits: sixty days show no share below half a spell; what is learnt of a person's
//! health is not in it; an emergency is taken to be as likely at any hour, and to leave the taps shut.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::comparable::Comparable;
use super::hazard::{ABSENCE_HOURS, Absence};
use crate::detect::Mistake;
use crate::detect::words::figure;
use crate::model::{Explanation, MONTH_HOURS, Severity};

/// What is assumed of people, and from which chance on it matters more than the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HarmSettings {
    /// Whether severity rises with it. Presets say no more than their programmes do: there it does not.
    pub enabled: bool,
    /// Emergencies a home-month.
    pub emergencies_a_home_month: f64,
    /// Severity is `high` at least from so many percent on.
    pub high_from_percent: f64,
    /// Severity is `critical` from so many percent on.
    pub critical_from_percent: f64,
}

impl Default for HarmSettings {
    /// Found helpless or dead at home: 27 of 1,000 people of 85 and older a year (Gurley et al., N Engl J Med 1996,
    /// 334:1710).
    fn default() -> Self {
        Self {
            enabled: true,
            emergencies_a_home_month: 0.00225,
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
    /// Whether people went away.
    absence: Absence,
    /// Ordinary spells a home-month.
    spells: f64,
    /// Percent of the comparable spells that went on for so long.
    going_on_percent: f64,
}

impl HarmSettings {
    /// The chance for a spell of `hours` whole hours.
    pub(super) fn chance(&self, own: &Comparable, absence: Absence, hours: u32) -> Chance {
        let months = (own.known_days * 24.0 / MONTH_HOURS).max(1.0 / MONTH_HOURS);
        let absences = absence.probability * absence.active_hours;
        let spells = f64::from(own.all) / months;
        // A spell of a day or more is no ordinary one, by definition.
        let going_on = match hours as usize {
            hours if hours >= ABSENCE_HOURS => 0.0,
            _ => (f64::from(own.spells - own.ended) + 0.5) / (f64::from(own.spells) + 1.0),
        };
        let emergencies = self.emergencies_a_home_month;
        Chance {
            percent: 100.0 * emergencies / (emergencies + absences + spells * going_on),
            absence,
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
        let rate = self.emergencies_a_home_month;
        if !(1e-6..=100.0).contains(&rate) {
            let message = format!("{rate} a home-month is not between 0.000001 and 100");
            mistakes.push(Mistake::new("harm.emergencies_a_home_month", message));
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
    /// Puts the figures into the evidence of an alert, and says where people may have gone away.
    pub(super) fn add_to(&self, settings: &HarmSettings, explanation: &mut Explanation) {
        let Explanation { evidence, text, .. } = explanation;
        let rounded = |value: f64, digits: f64| json!((value * digits).round() / digits);
        evidence.insert("chance_of_harm_percent".into(), rounded(self.percent, 1e4));
        evidence.insert(
            "emergencies_assumed_a_home_month".into(),
            json!(settings.emergencies_a_home_month),
        );
        let Absence { probability, usual, .. } = self.absence;
        evidence.insert("absence_expected_percent".into(), rounded(100.0 * probability, 1e3));
        evidence.insert("absence_usual_percent".into(), rounded(100.0 * usual, 1e3));
        evidence.insert("likely_away".into(), json!(self.absence.is_likely));
        evidence.insert(
            "active_hours_a_home_month".into(),
            rounded(self.absence.active_hours, 1e1),
        );
        evidence.insert("dry_spells_a_home_month".into(), rounded(self.spells, 1e2));
        evidence.insert(
            "comparable_spells_going_on_percent".into(),
            rounded(self.going_on_percent, 1e2),
        );
        if self.absence.is_likely {
            let [followed, usually] = [probability, usual].map(|share| figure(100.0 * share as f32));
            text.en += &format!(
                " They may be away: after uses like the last one people were gone for a day or longer in {followed} of 100 cases \
                 ({usually} of 100 after any)."
            );
            text.zh +=
                &format!("可能外出：类似的最后一次用水之后，100次中约{followed}次离家一天以上（一般为{usually}次）。");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two home-months with four spells a day.
    fn own(spells: u32, ended: u32) -> Comparable {
        Comparable {
            median_hours: 1,
            spells,
            ended,
            longest_hours: 20,
            known_days: 2.0 * MONTH_HOURS / 24.0,
            all: 240,
            of_days: (0, 0),
        }
    }

    /// After so many percent of uses like the last one people were away.
    fn away(percent: f64) -> Absence {
        Absence {
            probability: percent / 100.0,
            usual: 0.0015,
            is_likely: percent > 0.5,
            active_hours: 250.0,
        }
    }

    #[test]
    fn the_chance_is_what_can_be_worked_out_by_hand() {
        let harm = HarmSettings::default();
        // An absence after 0.2 % of 250 uses, 120 dry spells a month, s = 5.5 / 61.
        let chance = harm.chance(&own(60, 55), away(0.2), 9);
        let by_hand = 100.0 * 0.00225 / (0.00225 + 0.5 + 120.0 * 5.5 / 61.0);
        assert!((chance.percent - by_hand).abs() < 1e-9, "{}", chance.percent);
        // After a day only absences are left beside it.
        let after_a_day = harm.chance(&own(60, 60), away(0.2), 24).percent;
        assert!((after_a_day - 100.0 * 0.00225 / (0.00225 + 0.5)).abs() < 1e-9);
        let severity = |hours, ended, percent| harm.severity(&harm.chance(&own(60, ended), away(percent), hours));
        assert_eq!(severity(9, 55, 0.05), Severity::Low);
        assert_eq!(severity(16, 60, 0.05), Severity::High);
        assert_eq!(severity(24, 60, 0.05), Severity::Critical);
        assert_eq!(severity(24, 60, 15.0), Severity::Low, "they have gone away");
    }

    #[test]
    fn the_longer_it_lasts_the_greater_the_chance() {
        let harm = HarmSettings::default();
        let chances: Vec<f64> = (2..=30)
            .map(|hours| harm.chance(&own(60, (3 * hours).min(60)), away(0.1), hours).percent)
            .collect();
        assert!(chances.is_sorted(), "{chances:?}");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(HarmSettings::default().mistakes(), []);
        let wrong = HarmSettings {
            enabled: true,
            emergencies_a_home_month: 0.0,
            high_from_percent: 2.0,
            critical_from_percent: 1.0,
        };
        assert_eq!(wrong.mistakes().len(), 2);
    }
}
