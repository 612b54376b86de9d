//! What was last said of a home, kind by kind.
//!
//! Few homes have an alert, so those lie beside the arena. Messages are another matter: a programme may have one from every
//! home every day. Of them the home itself keeps all that matters of one that was said: what it was about.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem::size_of;

use super::Partition;
use crate::alert::Case;
use crate::model::{AlertKind, EventTime};

/// The kinds that are messages.
pub(super) const MESSAGES: [AlertKind; 3] = [AlertKind::WellToday, AlertKind::NightDrift, AlertKind::RoutineDrift];

fn place(kind: AlertKind) -> Option<usize> {
    MESSAGES.iter().position(|message| *message == kind)
}

impl Partition {
    /// What was last said of a home in one kind.
    pub(super) fn case(&self, index: u32, kind: AlertKind) -> Option<Cow<'_, Case>> {
        let Some(place) = place(kind) else {
            return self.cases.get(&(index, kind)).map(Cow::Borrowed);
        };
        let since = self.arena.slot(index).said[place];
        (since > EventTime::ZERO).then(|| Cow::Owned(Case::message(since)))
    }

    /// Keeps what was last said of a home in one kind.
    pub(super) fn keep_case(&mut self, index: u32, kind: AlertKind, case: Case) {
        match place(kind) {
            Some(place) => self.arena.slot_mut(index).said[place] = case.identity_since,
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
