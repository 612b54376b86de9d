//! What is kept of one home: its meters, rolling window, leak floor and routine.
//!
//! Constraints: 400 bytes a home, ten million homes to a server; every value a pure function of the home's readings in
//! order of event time, so that a replay gives the same state to the bit.
//! Form: [`Usage`] is that function's value. [`Ordered`] wraps it (and whatever detectors keep beside it) and puts
//! disorder right: readings that arrive behind a hole are applied at once, and applied again, in order, when the hole
//! fills within the allowed lateness.
//! Operation: [`Ordered::offer`] places a reading; [`Usage::apply`] turns it into home [`Interval`]s for the detectors.

mod appliances;
mod floor;
mod interval;
mod learnt;
mod meters;
mod order;
mod packed;
mod quarters;
mod register;
mod rhythm;
mod routine;
mod snapshot;
mod usage;
mod window;

#[cfg(test)]
mod tests;

pub use floor::Floor;
pub use interval::{CompactMeasure, Flow, Interval, MeterReading};
pub use learnt::Learnt;
pub use meters::{MAX_METERS, MeterIndex};
pub use order::{Ordered, Placement, TimelineState};
pub use packed::{PackedError, pack, unpack};
pub use quarters::{QUARTER, QUARTERS, Quarter};
pub use register::MeterEvent;
pub use rhythm::Rhythm;
pub use routine::{ROUTINE_HOURS, Routine, Spell, SpellEnd};
pub use snapshot::{SnapshotError, open_snapshot, seal_snapshot};
pub use usage::{Counts, HomeSettings, Usage};
pub use window::WINDOW_HOURS;
