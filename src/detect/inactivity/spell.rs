//! What is left of a spell when something from beside the readings has shortened it.

use super::settings::{Condition, InactivitySettings, Rule};
use super::{HomeView, InactivityState, dry_since, seconds_of};
use crate::model::{EventTime, HOUR};

/// A spell and the rules that it meets.
pub(super) struct MetSpell {
    /// Bit i: rule i is met.
    pub met: u16,
    pub since: EventTime,
    pub detected_at: EventTime,
}

/// The rules that are met, as far as something heard since (another sign of life, an absence, an outage) leaves them. A
/// rule of hours is still met by the hours after that: the alert goes on, instead of ending now and beginning again with
/// the next reading. Of other rules, what was met then says nothing any more.
pub(super) fn still_met(settings: &InactivitySettings, state: &InactivityState, home: &HomeView<'_>) -> MetSpell {
    let mut spell = MetSpell {
        met: state.met,
        since: state.since,
        detected_at: state.detected_at,
    };
    let excused = home.excused_until();
    if state.since >= excused || state.met == 0 {
        return spell;
    }
    (spell.met, spell.since, spell.detected_at) = (0, excused, EventTime::ZERO);
    for (index, rule) in settings
        .rules
        .iter()
        .enumerate()
        .filter(|(index, _)| state.is_met(*index))
    {
        // What the rule counts as use may have come since.
        let since = dry_since(rule, home).filter(|since| *since == excused);
        let needed = needed(settings, state, home, rule);
        let met_at = since.zip(needed).map(|(since, needed)| since.plus(needed));
        if let Some(met_at) = met_at.filter(|met_at| *met_at <= home.usage.frontier()) {
            spell.met |= 1 << index;
            spell.detected_at = spell.detected_at.max(met_at);
        }
    }
    spell
}

/// The dry seconds that a rule of hours asks for. A learned one keeps its threshold until the next reading works out that
/// of the shorter spell.
fn needed(settings: &InactivitySettings, state: &InactivityState, home: &HomeView<'_>, rule: &Rule) -> Option<u32> {
    match rule.when {
        Condition::Learned(_) => {
            let place = settings
                .learned()
                .position(|(of, _)| settings.rules[of].name == rule.name)?;
            Some(u32::from(*state.threshold_hours.get(place)?) * HOUR)
        }
        _ => rule.when.allowed_hours(&home.circumstances).map(seconds_of),
    }
}
