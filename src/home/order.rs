//! Disorder put right: what arrives late is applied in its place, as if it had come in time.
//!
//! A reading that starts behind a hole is applied at once, because the hole may never fill. From then on a copy of the
//! state before the hole is kept with the readings since. When a reading falls into the hole, the state is built anew
//! from that copy, in order; so the state after late readings equals the state of ordered ones by construction. Holes
//! older than the allowed lateness are given up, and the copy goes. Homes without holes keep none.

use serde::{Deserialize, Serialize};

use super::interval::MeterReading;
use super::meters::MeterIndex;
use crate::model::EventTime;

/// Readings kept behind a hole at most; beyond it the oldest hole is given up early.
const MAX_PENDING: usize = 8_192;

/// A state that readings are applied to in order.
pub trait TimelineState: Clone {
    /// Up to where meter `index` has reported; `None` before its first reading.
    fn frontier(&self, index: MeterIndex) -> Option<EventTime>;
    /// Up to where the meter furthest ahead has reported.
    fn latest(&self) -> EventTime;
    /// Whether all of the stretch is known.
    fn knows(&self, start: EventTime, end: EventTime) -> bool;
}

/// Applies one reading to a state. The flag is set once for each reading: when no late one can move it any more.
pub trait Apply<S>: FnMut(&mut S, &MeterReading, bool) {}
impl<S, F: FnMut(&mut S, &MeterReading, bool)> Apply<S> for F {}

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It followed the one before it.
    InOrder,
    /// It came after a hole.
    AfterGap,
    /// It was late and was put in its place.
    Late,
    /// It was there already.
    Duplicate,
    /// Its place had been given up.
    TooLate,
    /// It overlaps what was counted and cannot be told apart from it.
    Overlapping,
}

/// A state with its disorder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ordered<S> {
    state: S,
    pending: Option<Box<Pending<S>>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pending<S> {
    /// The state before the first hole.
    settled: S,
    /// What came since, by start, then meter.
    readings: Vec<MeterReading>,
}

impl<S: TimelineState> Ordered<S> {
    /// The state with everything that has arrived.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The state alone.
    pub fn into_state(self) -> S {
        self.state
    }

    /// The state, for what is not rolled back by late readings.
    pub fn state_mut(&mut self) -> &mut S {
        &mut self.state
    }

    /// Changes what does not follow from readings, also in the copy that late readings start from.
    pub fn change(&mut self, mut change: impl FnMut(&mut S)) {
        change(&mut self.state);
        if let Some(pending) = &mut self.pending {
            change(&mut pending.settled);
        }
    }

    /// Readings kept behind a hole.
    pub fn pending(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.readings.len())
    }

    /// Places one measured reading; `allowed_lateness` in seconds behind the latest reading.
    pub fn offer(&mut self, mut reading: MeterReading, allowed_lateness: u32, mut apply: impl Apply<S>) -> Placement {
        let Some(frontier) = self.state.frontier(reading.meter) else {
            self.append(reading, &mut apply);
            // It may have begun before what lies behind the hole.
            self.build_anew(&mut apply);
            return Placement::InOrder;
        };
        let (end, jitter) = (reading.end(), reading.jitter());
        if reading.start < frontier && end > frontier.plus(jitter) && reading.can_be_cut() {
            reading = starting_at(reading, frontier);
        }
        let follows = reading.start.since(frontier).max(frontier.since(reading.start)) <= jitter && end > frontier;
        let placement = if follows {
            self.append(reading, &mut apply);
            Placement::InOrder
        } else if reading.start > frontier {
            if self.pending.is_none() {
                self.pending = Some(Box::new(Pending {
                    settled: self.state.clone(),
                    readings: Vec::new(),
                }));
            }
            self.append(reading, &mut apply);
            Placement::AfterGap
        } else {
            self.insert(reading, frontier, &mut apply)
        };
        self.settle(allowed_lateness, &mut apply);
        placement
    }

    /// Applies a reading at the end of the timeline.
    fn append(&mut self, reading: MeterReading, apply: &mut impl Apply<S>) {
        apply(&mut self.state, &reading, self.pending.is_none());
        if let Some(pending) = &mut self.pending {
            let at = pending
                .readings
                .partition_point(|other| order(other) <= order(&reading));
            pending.readings.insert(at, reading);
        }
    }

    /// Puts a reading into a hole, if there is one for it.
    fn insert(&mut self, mut reading: MeterReading, frontier: EventTime, apply: &mut impl Apply<S>) -> Placement {
        let jitter = reading.jitter();
        let Some(pending) = &mut self.pending else {
            return behind_everything(&self.state, &reading, frontier);
        };
        let settled = pending.settled.frontier(reading.meter).unwrap_or(EventTime::ZERO);
        if reading.end().since(settled) <= jitter {
            return behind_everything(&self.state, &reading, settled);
        }
        if reading.start < settled {
            if settled.since(reading.start) > jitter && !reading.can_be_cut() {
                return Placement::Overlapping;
            }
            if reading.can_be_cut() {
                reading = starting_at(reading, settled);
            }
        }
        let same_meter = |other: &&MeterReading| other.meter == reading.meter;
        for other in pending.readings.iter().filter(same_meter) {
            let overlap = reading.end().min(other.end()).since(reading.start.max(other.start));
            if overlap > jitter.min(other.jitter()) {
                let same = overlap + 2 * jitter >= reading.seconds.max(other.seconds);
                return if same {
                    Placement::Duplicate
                } else {
                    Placement::Overlapping
                };
            }
        }
        let at = pending
            .readings
            .partition_point(|other| order(other) <= order(&reading));
        pending.readings.insert(at, reading);
        self.build_anew(apply);
        Placement::Late
    }

    /// The state from the copy before the hole and what came since, in order.
    fn build_anew(&mut self, apply: &mut impl Apply<S>) {
        let Some(pending) = &self.pending else { return };
        self.state = pending.settled.clone();
        for reading in &pending.readings {
            apply(&mut self.state, reading, false);
        }
    }

    /// Moves the settled state forward as far as no hole, or none within the allowed lateness, stands before it.
    fn settle(&mut self, allowed_lateness: u32, apply: &mut impl Apply<S>) {
        let Some(pending) = &mut self.pending else { return };
        let watermark = self.state.latest().minus(allowed_lateness);
        let surplus = pending.readings.len().saturating_sub(MAX_PENDING);
        let ready = |(index, reading): (usize, &MeterReading), settled: &S| {
            let frontier = settled.frontier(reading.meter);
            index < surplus
                || reading.start <= watermark
                || frontier.is_none_or(|frontier| reading.start <= frontier.plus(reading.jitter()))
        };
        let mut count = 0;
        while let Some(reading) = pending
            .readings
            .get(count)
            .filter(|r| ready((count, r), &pending.settled))
        {
            apply(&mut pending.settled, reading, true);
            count += 1;
        }
        pending.readings.drain(..count);
        if pending.readings.is_empty() {
            self.pending = None;
        }
    }
}

impl MeterReading {
    /// Whether a part of it says as much as the whole: nothing flowed, or only the index at the end counts.
    fn can_be_cut(&self) -> bool {
        use super::interval::CompactMeasure::{Register, Volume};
        matches!(self.measure, Some(Register(_)) | None)
            || matches!(self.measure, Some(Volume(litres)) if litres == 0.0)
    }
}

fn order(reading: &MeterReading) -> (EventTime, MeterIndex) {
    (reading.start, reading.meter)
}

fn starting_at(reading: MeterReading, start: EventTime) -> MeterReading {
    MeterReading {
        start,
        seconds: reading.end().since(start),
        ..reading
    }
}

fn behind_everything(state: &impl TimelineState, reading: &MeterReading, frontier: EventTime) -> Placement {
    if reading.end() > frontier.plus(reading.jitter()) {
        Placement::Overlapping
    } else if state.knows(reading.start, reading.end()) {
        Placement::Duplicate
    } else {
        Placement::TooLate
    }
}
