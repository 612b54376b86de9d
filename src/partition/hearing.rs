//! What meters say of themselves outside the timeline of their readings: with values that were not measured, and with records that are
//! refused.

use super::effects::Effects;
use super::{Partition, Voice};
use crate::alert::Occasion;
use crate::home::MeterEvent;
use crate::ingest::Rejection;
use crate::model::{EventTime, RawRecord};

impl Partition {
    /// Takes in what a meter did at `at` that no place of the timeline has: late readings do not move it.
    pub(super) fn hear_meter(
        &mut self,
        index: u32,
        events: impl IntoIterator<Item = MeterEvent>,
        at: EventTime,
        timestamp: Option<EventTime>,
        voice: Voice,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let rules = &*self.rules;
        let (slot, names) = self.arena.slot_and_names(index);
        let around = names.around(slot, rules);
        let mut outcome = Ok(());
        let mut heard = false;
        for event in events {
            heard = true;
            effects.counts.meter_event(event);
            slot.home.change(|state| {
                if let Err(message) = state.hear(event, &around, at) {
                    outcome = Err(message);
                }
            });
        }
        if heard && voice == Voice::Aloud {
            // None of it is a delivery: silence that the clock has brought to light goes on, however far the log is behind it.
            outcome = outcome.and(self.reconcile(index, Occasion::Reading, timestamp, self.clock, None, effects));
        }
        outcome.map_err(|message| Rejection::DetectorPanicked { message })
    }

    /// Some of what cannot be taken for a reading says something of the meter all the same.
    pub(super) fn hear_rejection(
        &mut self,
        record: &RawRecord<'_>,
        rejection: &Rejection,
        voice: Voice,
        effects: &mut Effects,
    ) {
        let event = match rejection {
            Rejection::AbsurdVolume { .. } | Rejection::AbsurdRegister { .. } => MeterEvent::ImpossibleFlow,
            Rejection::InTheFuture { .. } | Rejection::ClockJump { .. } => MeterEvent::ClockDrift,
            _ => return,
        };
        // Only a key that is the home of the payload comes so far.
        let home = record.key.and_then(|key| std::str::from_utf8(key).ok());
        let index = home.and_then(|home| self.arena.find(home));
        let Some(index) = index.filter(|index| self.is_watched(*index)) else {
            return;
        };
        self.unsaved.note(index, record.offset);
        // A detector that fails here fails on the next reading too, and is reported with it.
        let _ = self.hear_meter(index, [event], self.log_clock, record.timestamp, voice, effects);
    }
}
