//! The last day by quarter-hours: used or dry, and which are known.

use serde::{Deserialize, Serialize};

use super::interval::{Flow, Interval};
use crate::model::{EventTime, MINUTE};

/// Length of a slot in seconds.
pub const QUARTER: u32 = 15 * MINUTE;
/// Quarter-hours that can be asked for: a day.
pub const QUARTERS: u32 = 96;
/// Quarter-hours kept: a day, and the one in progress beside it.
const KEPT: u32 = 128;
/// A reading up to this long says enough of quarter-hours for them to be kept.
const FINE_SECONDS: u32 = 2 * QUARTER;
/// Meters' clocks jitter: so far may an interval reach into a slot without touching it, in seconds.
const JITTER_SECONDS: u32 = MINUTE;

/// What is known of a quarter-hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quarter {
    /// Measured, and no flow.
    Dry,
    /// Measured, with flow.
    Used,
    /// Part of a reading of up to half an hour with flow: in this quarter-hour, or in the one beside it.
    UsedNearby,
    /// Not known.
    Unknown,
}

/// The last [`QUARTERS`] quarter-hours, in a bit for used and one for known each.
///
/// Flow of any kind counts, the leak's own included. Invariant: what is kept depends on the stretches in order alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarters {
    used: [u32; 4],
    known: [u32; 4],
}

impl Quarters {
    /// Whether a stretch is measured finely enough to begin keeping quarter-hours.
    pub(super) fn worth_keeping(interval: &Interval) -> bool {
        matches!(interval.flow, Flow::Measured(_)) && interval.seconds() <= FINE_SECONDS
    }

    /// Takes the next stretch of the home's time.
    pub(super) fn take(&mut self, interval: &Interval) {
        let measured = match interval.flow {
            Flow::Measured(litres) => Some(litres > 0.0),
            Flow::Unknown | Flow::UsedSomewhere(_) => None,
        };
        let (short, fine) = (
            interval.seconds() <= QUARTER + JITTER_SECONDS,
            interval.seconds() <= FINE_SECONDS + JITTER_SECONDS,
        );
        // Flow in a long stretch says nothing of any one quarter-hour, and those before it must not look dry.
        let known = measured == Some(false) || measured == Some(true) && fine;
        let last = interval.end.minus(1).seconds() / QUARTER;
        let first = (interval.start.seconds() / QUARTER).max(last.saturating_sub(KEPT - 1));
        for slot in first..=last {
            let begins_here = interval.start.seconds() <= slot * QUARTER;
            let was_known = begins_here || bit(&self.known, slot);
            let was_used = !begins_here && bit(&self.used, slot);
            set(&mut self.known, slot, known && was_known);
            set(&mut self.used, slot, known && was_used);
        }
        if measured != Some(true) || !fine {
            return;
        }
        if short {
            let middle = interval.start.plus(interval.seconds() / 2).seconds() / QUARTER;
            set(&mut self.used, middle, true);
            return;
        }
        let first = interval.start.plus(JITTER_SECONDS).seconds() / QUARTER;
        let last = interval.end.minus(JITTER_SECONDS + 1).seconds() / QUARTER;
        for slot in first..=last {
            set(&mut self.used, slot, true);
            set(&mut self.known, slot, false);
        }
    }

    /// What is known of quarter-hour `slot` (counted from 1970), when everything before `frontier` has been taken.
    pub(super) fn at(&self, slot: u32, frontier: EventTime) -> Quarter {
        let next = frontier.seconds() / QUARTER;
        let oldest = (frontier.seconds().saturating_sub(1) / QUARTER).saturating_sub(QUARTERS);
        if slot >= next || slot < oldest {
            return Quarter::Unknown;
        }
        match (bit(&self.used, slot), bit(&self.known, slot)) {
            (true, true) => Quarter::Used,
            (true, false) => Quarter::UsedNearby,
            (false, true) => Quarter::Dry,
            (false, false) => Quarter::Unknown,
        }
    }
}

fn place(slot: u32) -> (usize, u32) {
    let index = slot % KEPT;
    ((index / 32) as usize, 1 << (index % 32))
}

fn bit(bits: &[u32; 4], slot: u32) -> bool {
    let (word, bit) = place(slot);
    bits[word] & bit != 0
}

fn set(bits: &mut [u32; 4], slot: u32, on: bool) {
    let (word, bit) = place(slot);
    if on {
        bits[word] |= bit;
    } else {
        bits[word] &= !bit;
    }
}
