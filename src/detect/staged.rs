//! What rules that have stages say together.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::model::{Severity, Stage, Stages};

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

/// What the rules say of which bit i of `met` says that rule i is met: one rule by name, the gravest severity, the stages
/// that are due. Stage and severity are apart: the last stage is due even where an earlier one's rule is as grave.
pub(super) fn together<'a>(
    rules: impl Iterator<Item = StagedRule<'a>> + Clone,
    met: u16,
) -> Option<(StagedRule<'a>, Stages)> {
    let all = rules.clone().map(|rule| rule.stage);
    let met = rules.enumerate().filter(|(place, _)| met & (1 << place) != 0);
    let severity = met.clone().map(|(_, rule)| rule.severity).max()?;
    // Of the last stage the gravest rule gives its name; among equals the one named first.
    let (_, named) = met.max_by_key(|(place, rule)| (rule.stage, rule.severity, Reverse(*place)))?;
    Some((StagedRule { severity, ..named }, Stages::until(named.stage, all)))
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
            together(rules, met).map(|(rule, due)| (&**rule.name, rule.severity, due.iter().collect::<Vec<_>>()))
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
