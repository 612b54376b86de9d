//! When homes may have something to say without a reading.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::EventTime;

/// Deadlines of slots, the earliest first. A slot may be there more than once.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<(EventTime, u32)>>);

impl Deadlines {
    /// Slot `slot` is to be looked at when the clock has passed `deadline`.
    pub fn note(&mut self, deadline: EventTime, slot: u32) {
        self.0.push(Reverse((deadline, slot)));
    }

    /// Takes the earliest deadline, if it lies before `now`, with all slots that have it.
    pub fn take_before(&mut self, now: EventTime) -> Option<(EventTime, Vec<u32>)> {
        let Reverse((deadline, _)) = *self.0.peek()?;
        if deadline >= now {
            return None;
        }
        let mut slots = Vec::new();
        while let Some(Reverse((next, slot))) = self.0.peek().copied().filter(|top| top.0.0 == deadline) {
            debug_assert_eq!(next, deadline);
            self.0.pop();
            slots.push(slot);
        }
        Some((deadline, slots))
    }

    /// Memory taken, in bytes, without unused capacity.
    pub fn bytes(&self) -> usize {
        size_of::<(EventTime, u32)>() * self.0.len()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
