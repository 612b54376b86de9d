//! One partition of the readings topic as a pure function: a batch of records in, effects out as values.
//!
//! Constraints: no clock, no I/O, no threads; the answer depends on the records (bytes, key, timestamp, offset) and on
//! the rules alone, so `run`, `backtest`, the silent replay after a restart, the tests and the benches drive this same
//! function, and cutting a log into other batches changes nothing.
//! Form: homes lie in a flat [`Arena`], packed, with an index beside it; the one at hand is open.
//! Operation: [`Partition::apply`] takes a batch, [`Partition::advance`] a moment that passed without readings,
//! [`Partition::take_beside`] a record of a topic that is followed beside the readings.

mod arena;
mod beside;
mod cases;
mod checkpoint;
mod consent;
mod contain;
mod deadlines;
mod effects;
mod hearing;
mod profile;
mod recovery;
mod rest;
mod rules;
mod snapshot;
mod speak;
mod table;
mod visits;
mod words;
mod zones;

#[cfg(test)]
mod tests;

pub use arena::Arena;
pub use beside::{Refusal, home_record};
pub use checkpoint::{Checkpoint, ReplayPoint, Stamp};
pub use effects::{Counts, Decided, Effects, Parting, ReadingState, Withdrawal};
pub use recovery::{Recovered, Recovery, StoredOutcome};
pub use rules::{ConsentRule, HomeError, Programme, ProgrammeSettings, Rules};
pub use snapshot::{Restored, StoredHome};
pub use zones::{StoredZone, ZONE_KEY};

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use self::arena::{MAX_METERS_NAMED, Slot};
use self::checkpoint::Unsaved;
use self::deadlines::Deadlines;
use self::zones::Zones;
use crate::alert::{Case, Occasion};
use crate::area::Watch;
use crate::detect::DetectorNumbers;
use crate::home::{MeterEvent, MeterReading, Placement, TimelineState};
use crate::ingest::{Arrived, Rejection, decode};
use crate::model::{AlertKind, DAY, EventTime, InputTopic, Measure, Quality, RawRecord};

/// The state of one partition.
pub struct Partition {
    rules: Arc<Rules>,
    /// The number of each programme's rules.
    rule_numbers: Box<[DetectorNumbers]>,
    arena: Arena,
    /// What is open, by slot and kind.
    cases: BTreeMap<(u32, AlertKind), Case>,
    /// When the next list of homes to visit is due; zero when that has not been worked out.
    visits_at: EventTime,
    /// When homes may have something to say without a reading.
    deadlines: Deadlines,
    clock: EventTime,
    /// The latest arrival alone. What is kept of homes depends on it and not on the clock, which [`Partition::advance`]
    /// moves at moments that no log has and no replay repeats.
    log_clock: EventTime,
    /// Where a jump of the log's clock led to that awaits confirmation; zero for none.
    log_jump: EventTime,
    next_offset: i64,
    applied: u64,
    unsaved: Unsaved,
    zones: Zones,
}

/// What a record does besides changing its home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    /// Time passes for all homes, and what changed is said.
    Aloud,
    /// Nothing is said, and no case changes: it was said before.
    Silent,
}

impl Partition {
    /// An empty partition under `rules`.
    pub fn new(rules: Arc<Rules>) -> Self {
        let mut arena = Arena::default();
        arena.names_mut().begin(&rules);
        Self {
            rule_numbers: rules.programmes.iter().map(Programme::numbers).collect(),
            zones: Zones::new(Watch::new(rules.area.clone())),
            rules,
            arena,
            cases: BTreeMap::new(),
            visits_at: EventTime::ZERO,
            deadlines: Deadlines::default(),
            clock: EventTime::ZERO,
            log_clock: EventTime::ZERO,
            log_jump: EventTime::ZERO,
            next_offset: 0,
            applied: 0,
            unsaved: Unsaved::default(),
        }
    }

    /// Records applied since the partition was made.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The stream's time: the latest arrival, or the latest moment that [`Partition::advance`] was told.
    pub fn clock(&self) -> EventTime {
        self.clock
    }

    /// The latest arrival alone.
    pub fn log_clock(&self) -> EventTime {
        self.log_clock
    }

    /// The offset after the last record applied.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Goes on from `offset`, if that is ahead: what lies before it is not there (retention, or offsets without records).
    pub fn begin_at(&mut self, offset: i64) {
        self.next_offset = self.next_offset.max(offset);
    }

    /// What it judges by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The homes.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Whether a reading of this home has been taken since it was first known, or erased.
    pub fn has_heard(&self, household: &str) -> bool {
        let slot = self.arena.find(household);
        slot.is_some_and(|slot| self.arena.slot(slot).arrived > EventTime::ZERO)
    }

    /// The time zone of the home in slot `index`.
    pub fn time_zone(&self, index: u32) -> &TimeZone {
        self.arena
            .names()
            .around(&self.arena.slot(index), &self.rules)
            .time_zone
    }

    /// Open alerts of one kind.
    pub fn open_alerts(&self, kind: AlertKind) -> usize {
        self.cases
            .iter()
            .filter(|((_, of), case)| *of == kind && case.open)
            .count()
    }

    /// Applies a batch of records, in the order of their offsets. Records before [`Partition::next_offset`] were applied
    /// already and are passed over.
    pub fn apply<'a>(&mut self, batch: impl IntoIterator<Item = RawRecord<'a>>) -> Effects {
        let mut effects = Effects::default();
        self.unsaved.mark(self.here());
        for record in batch {
            if record.offset < self.next_offset {
                continue;
            }
            self.next_offset = record.offset + 1;
            effects.records += 1;
            let taken = decode(&record, &self.rules.ingest).and_then(|arrived| {
                self.keep_time(arrived.arrival, &mut effects);
                self.take(&arrived, &record, Voice::Aloud, &mut effects)
            });
            match taken {
                Ok(()) => {}
                // What is wrong with it is nobody's business whose consent is not there.
                Err(_) if !self.is_of_somebody_watched(record.key) => effects.counts.not_watched += 1,
                Err(rejection) => {
                    self.hear_rejection(&record, &rejection, Voice::Aloud, &mut effects);
                    let (reason, detail) = (rejection.name(), rejection.to_string());
                    let letter = self.dead_letter(InputTopic::Readings, &record, reason, detail);
                    effects.dead_letters.push(letter);
                }
            }
        }
        effects.next_offset = self.next_offset;
        self.applied += effects.records;
        effects
    }

    /// Moves the stream's time on to `now` without a record, so that silence is noticed. Going back does nothing.
    pub fn advance(&mut self, now: EventTime) -> Effects {
        let mut effects = self.no_effects();
        self.move_clock(now, &mut effects);
        effects
    }

    /// Homes and zones whose state must be stored with the next commit, and then homes changed the longest ago, as long as
    /// `budget` bytes are not spent. They count as stored; the caller sees to it that they are, with the
    /// [`Partition::replay_point`] of this moment, or drops the partition.
    pub fn checkpoints(&mut self, stamp: Stamp, budget: i64) -> Vec<Checkpoint> {
        let mut left = budget;
        // A home that came back since is stored behind this.
        let gone = self.unsaved.take_removed().into_iter();
        let mut checkpoints: Vec<_> = gone.map(|household| Checkpoint { household, bytes: None }).collect();
        checkpoints.extend(self.zones.take_unsaved(stamp));
        let mut save = |partition: &Self, slot| {
            let household = partition.arena.id(slot).into();
            let bytes = partition.stored(slot, stamp);
            left -= bytes.len() as i64;
            let bytes = Some(bytes);
            checkpoints.push(Checkpoint { household, bytes });
            left > 0
        };
        for slot in self.unsaved.take_urgent() {
            save(self, slot);
        }
        let mut goes_on = budget > 0;
        while goes_on && let Some(slot) = self.unsaved.take_oldest() {
            goes_on = save(self, slot);
        }
        checkpoints
    }

    /// Where a restart would begin to replay, if every checkpoint given out is stored.
    pub fn replay_point(&mut self) -> ReplayPoint {
        let here = self.here();
        self.unsaved.replay_point(here)
    }

    /// How many homes a restart would have to bring up to date.
    pub fn unsaved_homes(&self) -> usize {
        self.unsaved.len()
    }

    /// How many homes have a stored state, if every checkpoint given out is stored.
    pub fn stored_homes(&self) -> u64 {
        self.unsaved.kept()
    }

    /// Memory taken by all homes, in bytes, with what an allocator adds, but without unused capacity.
    pub fn bytes(&self) -> usize {
        let cases = cases::heap_bytes(&self.cases);
        self.arena.bytes() + self.unsaved.bytes() + self.deadlines.bytes() + cases
    }

    /// How many homes, and zones of which something was said, must be stored with the next commit.
    pub fn urgent_homes(&self) -> usize {
        self.unsaved.urgent() + self.zones.urgent()
    }

    fn no_effects(&self) -> Effects {
        Effects {
            next_offset: self.next_offset,
            ..Effects::default()
        }
    }

    fn here(&self) -> ReplayPoint {
        ReplayPoint {
            offset: self.next_offset,
            log_clock: self.log_clock,
            jump: self.log_jump,
        }
    }

    fn take(
        &mut self,
        arrived: &Arrived<'_>,
        record: &RawRecord<'_>,
        voice: Voice,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let reading = &arrived.reading;
        let Some(index) = self.watched(&reading.household, reading.start) else {
            effects.counts.not_watched += 1;
            return Ok(());
        };
        // From here on the record leaves a trace, even if it is kept out.
        self.unsaved.note(index, record.offset);
        let slot = self.arena.slot_mut(index);
        let meter = slot
            .meter_index(&reading.household, &reading.meter)
            .ok_or(Rejection::TooManyMeters {
                limit: MAX_METERS_NAMED,
            })?;
        let compact = MeterReading::new(meter, reading.start, reading.seconds, reading.measure, reading.quality)
            .with_flags(reading.flags);
        slot.check_jump(&compact, self.rules.home.max_jump_seconds)?;
        slot.arrived = slot.arrived.max(arrived.arrival);

        if let Some(state) = unmeasured(reading.quality) {
            effects.counts.reading(state);
            // What its value is worth says nothing of what the meter says of itself.
            let events = reading.flags.iter().map(MeterEvent::from);
            let at = compact.end().min(self.log_clock);
            return self.hear_meter(index, events, at, record.timestamp, voice, effects);
        }
        let (clock, rules) = (self.log_clock, &*self.rules);
        let (slot, names) = self.arena.slot_and_names(index);
        let around = names.around(slot, rules);
        let counts = &mut effects.counts;
        let mut in_shadow = 0;
        let mut panicked = None;
        let placement = slot.home.offer(
            compact,
            rules.home.allowed_lateness_seconds,
            |state, reading, settled| {
                let outcome = state.apply(reading, rules, &around, clock, |event| {
                    if settled {
                        counts.meter_event(event);
                    }
                });
                match outcome {
                    Ok(shadows) if settled => in_shadow += u64::from(shadows),
                    Err(message) if (reading.meter, reading.end()) == (compact.meter, compact.end()) => {
                        panicked = Some(message);
                    }
                    _ => {}
                }
            },
        );
        effects.counts.shadow(slot.profile.programme(), in_shadow);
        effects.counts.reading(match (placement, reading.measure) {
            (Placement::Overlapping, _) => return Err(Rejection::Overlapping),
            (Placement::Duplicate, _) => ReadingState::Duplicate,
            (Placement::TooLate, _) => ReadingState::TooLate,
            (Placement::Late, _) => ReadingState::Late,
            (_, Some(Measure::Register(_))) => ReadingState::Register,
            (_, Some(Measure::Volume(0.0))) => ReadingState::Zero,
            _ => ReadingState::Use,
        });
        if placement == Placement::AfterGap {
            effects.counts.gaps += 1;
        }
        if matches!(placement, Placement::InOrder | Placement::AfterGap | Placement::Late) {
            let is_nearer = slot.hear(meter, clock, record.timestamp);
            let was_open = slot.open != 0;
            if meter == 0 {
                effects
                    .counts
                    .watch(slot.profile.programme(), u64::from(reading.seconds));
            }
            if voice == Voice::Aloud {
                let occasion = if placement == Placement::Late {
                    Occasion::LateReading
                } else {
                    Occasion::Reading
                };
                if let Err(message) = self.reconcile(index, occasion, record.timestamp, clock, None, effects) {
                    panicked.get_or_insert(message);
                }
                // With one meter of steady rhythm, a reading only puts the deadline off; but where an alert was open, the
                // deadline of silence may have passed, and what is noted be a later step of the ladder.
                let slot = self.arena.slot_mut(index);
                if is_nearer || was_open || slot.noted == EventTime::ZERO || slot.meters.is_some() {
                    self.schedule(index, clock);
                }
            }
        }
        panicked.map_or(Ok(()), |message| Err(Rejection::DetectorPanicked { message }))
    }
}

fn unmeasured(quality: Quality) -> Option<ReadingState> {
    match quality {
        Quality::Measured => None,
        Quality::Estimated => Some(ReadingState::Estimated),
        Quality::Faulty => Some(ReadingState::Faulty),
        Quality::Missing => Some(ReadingState::Missing),
    }
}

/// Whether time may go on to `to`: not by more than `most` seconds, unless an earlier jump, noted in `jump`, led to no more
/// than `near` seconds before it.
fn believes(jump: &mut EventTime, from: EventTime, to: EventTime, most: u32, near: u32) -> bool {
    let confirms = *jump > EventTime::ZERO && to > *jump && to.since(*jump) <= near;
    let is_believed = to.since(from) <= most || confirms;
    *jump = if is_believed { EventTime::ZERO } else { to };
    is_believed
}

impl Slot {
    /// A meter that jumps far ahead is believed when a second reading agrees with the first.
    fn check_jump(&mut self, reading: &MeterReading, max_jump_seconds: u32) -> Result<(), Rejection> {
        let Some(frontier) = self.home.state().frontier(reading.meter) else {
            return Ok(());
        };
        // The same record again is no second reading; the next one of a slow meter is.
        let near = DAY.saturating_add(reading.seconds);
        if believes(&mut self.jump, frontier, reading.start, max_jump_seconds, near) {
            return Ok(());
        }
        Err(Rejection::ClockJump {
            start: reading.start,
            frontier,
        })
    }
}
