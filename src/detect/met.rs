//! Which rules of a detector are met, and what those say together.

use std::cmp::Reverse;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Severity, Stage, Stages};

/// The rules that are met, by their places among those of their detector: bit i says that rule i is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Met(u16);

impl Met {
    /// The most rules of which can be told.
    pub const MOST_RULES: usize = u16::BITS as usize;

    /// Whether the rule at `place` is met.
    #[must_use]
    pub fn holds(self, place: usize) -> bool {
        self.0 & (1 << place) != 0
    }

    /// Whether any is.
    #[must_use]
    pub fn any(self) -> bool {
        self.0 != 0
    }

    /// How many are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The rule at `place` is met.
    pub fn add(&mut self, place: usize) {
        self.0 |= 1 << place;
    }

    /// The rule at `place` is not met.
    pub fn remove(&mut self, place: usize) {
        self.0 &= !(1 << place);
    }

    /// Those that are not in `others`.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// These and the rule at `place`.
    #[must_use]
    pub fn with(mut self, place: usize) -> Self {
        self.add(place);
        self
    }

    /// Those of `rules` that are met, with their places.
    pub fn of<T>(self, rules: impl Iterator<Item = T> + Clone) -> impl Iterator<Item = (usize, T)> + Clone {
        rules.enumerate().filter(move |(place, _)| self.holds(*place))
    }
}

/// The gravest of the rules that are met gives its name; among equals the one named first.
pub(super) fn gravest<T>(met: impl Iterator<Item = (Severity, T)>) -> Option<(Severity, T)> {
    // Of equals `min_by_key` gives the first.
    met.min_by_key(|(severity, _)| Reverse(*severity))
}

/// A rule, as far as its stage is concerned.
#[derive(Clone, Copy)]
pub(super) struct StagedRule<'a> {
    /// Its name.
    pub name: &'a Arc<str>,
    /// How much it matters when it is met.
    pub severity: Severity,
    /// What it asks for when it is met.
    pub stage: Stage,
}

/// What those of `rules` that are `met` say together: one rule with its place among them, the gravest severity, the stages that are due. Stage and severity are apart: the last stage is due even where an earlier one's rule is as grave.
pub(super) fn together<'a>(
    rules: impl Iterator<Item = StagedRule<'a>> + Clone,
    met: Met,
) -> Option<(usize, StagedRule<'a>, Stages)> {
    let all = rules.clone().map(|rule| rule.stage);
    let met = met.of(rules);
    let severity = met.clone().map(|(_, rule)| rule.severity).max()?;
    // Of the last stage the gravest rule gives its name; among equals the one named first.
    let (place, named) = met.max_by_key(|(place, rule)| (rule.stage, rule.severity, Reverse(*place)))?;
    Some((place, StagedRule { severity, ..named }, Stages::until(named.stage, all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_is_due_however_grave_the_others_are() {
        let names: [Arc<str>; 4] = ["ask", "contact", "visit", "also-visit"].map(Into::into);
        let stages = [Stage::Ask, Stage::Contact, Stage::Visit, Stage::Visit];
        let said = |severities: [Severity; 4], met: u16| {
            let rules = names.iter().zip(stages).zip(severities);
            let rules = rules.map(|((name, stage), severity)| StagedRule { name, severity, stage });
            together(rules, Met(met)).map(|(place, rule, due)| {
                assert_eq!(*rule.name, names[place]);
                (&**rule.name, rule.severity, due.iter().collect::<Vec<_>>())
            })
        };
        use Severity::{Critical, High, Low};
        assert_eq!(said([High; 4], 0), None);
        assert_eq!(said([High; 4], 0b0001), Some(("ask", High, vec![Stage::Ask])));
        assert_eq!(said([High; 4], 0b1111), Some(("visit", High, Stage::ALL.to_vec())));
        assert_eq!(
            said([Critical, Low, Low, Low], 0b0011),
            Some(("contact", Critical, vec![Stage::Ask, Stage::Contact]))
        );
        assert_eq!(
            said([Low, Low, Low, High], 0b1100),
            Some(("also-visit", High, Stage::ALL.to_vec()))
        );
    }

    #[test]
    fn a_stage_that_no_rule_has_is_left_out() {
        let due = Stages::until(Stage::Visit, [Stage::Visit, Stage::Ask]);
        assert_eq!(due.iter().collect::<Vec<_>>(), [Stage::Ask, Stage::Visit]);
        assert_eq!((due.first(), due.last()), (Some(Stage::Ask), Some(Stage::Visit)));
        assert_eq!(due.after(Stage::Ask), Some(Stage::Visit));
        assert_eq!(due.after(Stage::Visit), None);
        let asked = Stages::until(Stage::Ask, [Stage::Visit, Stage::Ask]);
        assert_eq!(
            asked.iter().collect::<Vec<_>>(),
            [Stage::Ask],
            "the visit is not due yet"
        );
    }
}
