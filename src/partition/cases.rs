//! What was last said of a home, kind by kind.
//!
//! What is open lies beside the arena: few homes have an alert. What is over is kept with its home, for as long as the home,
//! because the next alert must be told from it; sooner or later every home has some of it. Of a message the home keeps all that
//! matters of one that was said: what it was about.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem::size_of;

use serde::{Deserialize, Serialize};

use super::Partition;
use crate::alert::Case;
use crate::detect::KINDS;
use crate::model::{AlertKind, EventTime, Response, Severity, Stage};

/// The kinds that are messages.
pub(super) const MESSAGES: [AlertKind; 3] = [AlertKind::WellToday, AlertKind::NightDrift, AlertKind::RoutineDrift];

fn place(kind: AlertKind) -> Option<usize> {
    MESSAGES.iter().position(|message| *message == kind)
}

/// A [`Case`] that is over, with a number for the name of its rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Over {
    kind: AlertKind,
    rule: u16,
    identity_since: EventTime,
    since: EventTime,
    detected_at: EventTime,
    severity: Severity,
    stage: Option<Stage>,
    revision: u32,
    response: Option<Response>,
    step: u8,
    decided_at: EventTime,
}

impl Partition {
    /// What was last said of a home in one kind.
    pub(super) fn case(&self, index: u32, kind: AlertKind) -> Option<Cow<'_, Case>> {
        if let Some(case) = self.cases.get(&(index, kind)) {
            return Some(Cow::Borrowed(case));
        }
        let slot = self.arena.slot(index);
        if let Some(place) = place(kind) {
            let since = slot.said[place];
            return (since > EventTime::ZERO).then(|| Cow::Owned(Case::message(since)));
        }
        let over = slot.over.iter().find(|over| over.kind == kind)?;
        Some(Cow::Owned(Case {
            open: false,
            identity_since: over.identity_since,
            since: over.since,
            detected_at: over.detected_at,
            severity: over.severity,
            rule: self.arena.names().rule(over.rule),
            stage: over.stage,
            staged_at: EventTime::ZERO,
            revision: over.revision,
            response: over.response,
            step: over.step,
            next_at: EventTime::ZERO,
            decided_at: over.decided_at,
        }))
    }

    /// When the last record of a home was decided: none is decided before it.
    pub(super) fn last_decided(&self, index: u32) -> EventTime {
        let slot = self.arena.slot(index);
        let over = slot.over.iter().map(|over| over.decided_at);
        let kept = KINDS.iter().filter_map(|kind| self.cases.get(&(index, *kind)));
        over.chain(kept.map(|case| case.decided_at))
            .max()
            .unwrap_or(EventTime::ZERO)
    }

    /// Keeps what was last said of a home in one kind.
    pub(super) fn keep_case(&mut self, index: u32, kind: AlertKind, case: Case) {
        if let Some(place) = place(kind) {
            self.arena.slot_mut(index).said[place] = case.identity_since;
            return;
        }
        let number = self.arena.names_mut().rule_number(&case.rule);
        let slot = self.arena.slot_mut(index);
        slot.over.retain(|over| over.kind != kind);
        match number.filter(|_| !case.open) {
            Some(rule) => {
                slot.over.push(Over {
                    kind,
                    rule,
                    identity_since: case.identity_since,
                    since: case.since,
                    detected_at: case.detected_at,
                    severity: case.severity,
                    stage: case.stage,
                    revision: case.revision,
                    response: case.response,
                    step: case.step,
                    decided_at: case.decided_at,
                });
                slot.over.sort_unstable_by_key(|over| over.kind);
                self.cases.remove(&(index, kind));
            }
            None => {
                self.cases.insert((index, kind), case);
            }
        }
    }
}

/// Memory taken, in bytes. A node of a B-tree is three quarters full.
pub(super) fn heap_bytes(cases: &BTreeMap<(u32, AlertKind), Case>) -> usize {
    cases.len() * size_of::<((u32, AlertKind), Case)>() * 4 / 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::KINDS;

    #[test]
    fn every_message_has_its_place() {
        for kind in KINDS {
            assert_eq!(kind.is_message(), place(*kind).is_some(), "{}", kind.name());
        }
    }
}
