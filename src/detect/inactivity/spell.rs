//! What is left of a spell when something from beside the readings has shortened it.

use super::settings::{Condition, InactivitySettings};
use super::{HomeView, InactivityState, dry_since, seconds_of};
use crate::detect::met::Met;
use crate::model::EventTime;

/// A spell and the rules that it meets.
pub(super) struct MetSpell {
    pub met: Met,
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
    let excused = home.excused_until_though_met(state.detected_at);
    if state.since >= excused || !state.met.any() {
        return spell;
    }
    (spell.met, spell.since, spell.detected_at) = (Met::default(), excused, EventTime::ZERO);
    for (index, rule) in state.met.of(settings.rules.iter()) {
        // What the rule counts as use may have come since.
        let since = dry_since(rule, home).filter(|since| *since == excused);
        let needed = match rule.when {
            // Kept until the next reading works out that of the shorter spell.
            Condition::Learned(_) => state.threshold(settings, index),
            _ => rule.when.allowed_hours(&home.circumstances).map(seconds_of),
        };
        let met_at = since.zip(needed).map(|(since, needed)| since.plus(needed));
        if let Some(met_at) = met_at.filter(|met_at| *met_at <= home.usage.frontier()) {
            spell.met.add(index);
            spell.detected_at = spell.detected_at.max(met_at);
        }
    }
    spell
}
