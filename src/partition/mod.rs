//! One partition of the readings topic as a pure function: a batch of records in, effects out as values.
//!
//! Constraints: no clock, no I/O, no threads; the answer depends on the records (bytes, key, timestamp, offset) and on
//! the rules alone, so `run`, `backtest`, the silent replay after a restart, the tests and the benches drive this same
//! function, and cutting a log into other batches changes nothing.
//! Form: homes lie in a flat [`Arena`], one compact slot a home, with an index beside it.
//! Operation: [`Partition::apply`] takes a batch, [`Partition::advance`] a moment that passed without readings,
//! [`Partition::set_home`] a record of the homes topic.

mod arena;
mod effects;
mod rules;
mod snapshot;

#[cfg(test)]
mod tests;

pub use arena::Arena;
pub use effects::{Counts, Decided, Effects, ReadingState};
pub use rules::{Programme, Rules, UnknownName};

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use jiff::tz::TimeZone;

use self::arena::{MAX_METERS_NAMED, Slot};
use crate::alert::{Case, alert_id, decide};
use crate::detect::{HomeView, KINDS, OpenAlert};
use crate::home::{MeterReading, Placement, TimelineState};
use crate::ingest::{Arrived, Rejection, decode};
use crate::model::{
    Alert, AlertKind, AlertState, BothLanguages, DAY, DeadLetter, EventTime, Explanation, Finding, HomeRecord,
    HouseholdId, Measure, Quality, RawRecord,
};

/// The state of one partition.
pub struct Partition {
    rules: Arc<Rules>,
    arena: Arena,
    /// What was said, by slot and kind; only homes that ever had an alert are here.
    cases: BTreeMap<(u32, AlertKind), Case>,
    /// When homes may have something to say without a reading; at most one entry a home.
    deadlines: BinaryHeap<Reverse<(EventTime, u32)>>,
    clock: EventTime,
    /// The latest arrival alone. What is kept of homes depends on it and not on the clock, which [`Partition::advance`]
    /// moves at moments that no log has and no replay repeats.
    log_clock: EventTime,
    next_offset: i64,
    applied: u64,
}

impl Partition {
    /// An empty partition under `rules`.
    pub fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            arena: Arena::default(),
            cases: BTreeMap::new(),
            deadlines: BinaryHeap::new(),
            clock: EventTime::ZERO,
            log_clock: EventTime::ZERO,
            next_offset: 0,
            applied: 0,
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

    /// The offset after the last record applied.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Goes on from `offset`, if that is ahead: what lies before it is not there (retention, or offsets without records).
    pub fn begin_at(&mut self, offset: i64) {
        self.next_offset = self.next_offset.max(offset);
    }

    /// The homes.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// The time zone of the home in slot `index`.
    pub fn time_zone(&self, index: u32) -> &TimeZone {
        self.arena.names().around(self.arena.slot(index), &self.rules).time_zone
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
        for record in batch {
            if record.offset < self.next_offset {
                continue;
            }
            self.next_offset = record.offset + 1;
            effects.records += 1;
            let taken = decode(&record, &self.rules.ingest)
                .and_then(|arrived| self.take(&arrived, record.timestamp, &mut effects));
            if let Err(rejection) = taken {
                effects.dead_letters.push(dead_letter(&record, &rejection));
            }
        }
        effects.next_offset = self.next_offset;
        self.applied += effects.records;
        effects
    }

    /// Moves the stream's time on to `now` without a record, so that silence is noticed. Going back does nothing.
    pub fn advance(&mut self, now: EventTime) -> Effects {
        let mut effects = Effects {
            next_offset: self.next_offset,
            ..Effects::default()
        };
        self.move_clock(now, &mut effects);
        effects
    }

    /// Takes a record of the homes topic; `None` as record withdraws it and leaves the defaults.
    ///
    /// # Errors
    /// [`UnknownName`] if it names a time zone or a programme that does not exist; the home keeps what it had.
    pub fn set_home(&mut self, household: &str, record: Option<&HomeRecord>) -> Result<(), UnknownName> {
        let profile = self.arena.profile(record, &self.rules)?;
        let slot = self.arena.find_or_insert(household).0;
        self.arena.slot_mut(slot).set_profile(profile);
        self.schedule(slot, self.clock);
        Ok(())
    }

    fn take(
        &mut self,
        arrived: &Arrived<'_>,
        timestamp: Option<EventTime>,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let reading = &arrived.reading;
        let (index, is_new) = self.arena.find_or_insert(&reading.household);
        if is_new {
            effects.new_homes.push(Arena::hash(&reading.household));
        }
        let slot = self.arena.slot_mut(index);
        let meter = slot
            .meter_index(&reading.household, &reading.meter)
            .ok_or(Rejection::TooManyMeters {
                limit: MAX_METERS_NAMED,
            })?;
        let compact = MeterReading::new(meter, reading.start, reading.seconds, reading.measure, reading.quality);
        // From here on the record leaves a trace, even if it is kept out.
        effects.change(index);
        slot.check_jump(&compact, self.rules.home.max_jump_seconds)?;
        // Deadlines that passed before this reading are not decided by it, whoever moves the clock.
        self.move_clock(arrived.arrival, effects);
        self.log_clock = self.log_clock.max(arrived.arrival);
        let slot = self.arena.slot_mut(index);
        slot.arrived = slot.arrived.max(arrived.arrival);

        if let Some(state) = unmeasured(reading.quality) {
            effects.counts.reading(state);
            return Ok(());
        }
        let (clock, rules) = (self.log_clock, &*self.rules);
        let (slot, names) = self.arena.slot_and_names(index);
        let around = names.around(slot, rules);
        let counts = &mut effects.counts;
        let placement = slot.home.offer(
            compact,
            rules.home.allowed_lateness_seconds,
            |state, reading, settled| {
                state.apply(reading, &rules.home, &around, clock, |event| {
                    if settled {
                        counts.meter_event(event);
                    }
                });
            },
        );
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
            slot.hear(meter, clock);
            self.reconcile(index, timestamp, clock, effects);
            self.schedule(index, clock);
        }
        Ok(())
    }

    /// Moves the clock, and lets homes speak whose deadline has passed, in the order of deadlines, then of ids.
    fn move_clock(&mut self, now: EventTime, effects: &mut Effects) {
        if now <= self.clock {
            return;
        }
        self.clock = now;
        let mut due = Vec::new();
        while let Some(Reverse((deadline, index))) = self.deadlines.peek().copied().filter(|top| top.0.0 < now) {
            self.deadlines.pop();
            self.arena.slot_mut(index).scheduled = false;
            due.push((deadline, index));
        }
        due.sort_by(|a, b| (a.0, self.arena.id(a.1)).cmp(&(b.0, self.arena.id(b.1))));
        for (_, index) in due {
            let (slot, names) = self.arena.slot_and_names(index);
            let around = names.around(slot, &self.rules);
            slot.home.state_mut().on_time(&around, now);
            let alerts = effects.alerts.len();
            self.reconcile(index, None, now, effects);
            if effects.alerts.len() > alerts {
                effects.change(index);
            }
            self.schedule(index, now);
        }
    }

    /// Puts the home's next deadline from `now` on the heap, unless one is there; one that was too early is looked at
    /// again.
    fn schedule(&mut self, index: u32, now: EventTime) {
        let (slot, names) = self.arena.slot_and_names(index);
        if slot.scheduled {
            return;
        }
        let around = names.around(slot, &self.rules);
        let state = slot.home.state();
        let view = state.view(&around, now);
        if let Some(deadline) = state.detectors.next_deadline(&around.programme.detectors, &view) {
            slot.scheduled = true;
            self.deadlines.push(Reverse((deadline, index)));
        }
    }

    /// Compares what the detectors say at `now` with what was said, and writes the difference.
    fn reconcile(&mut self, index: u32, timestamp: Option<EventTime>, now: EventTime, effects: &mut Effects) {
        let slot = self.arena.slot(index);
        let around = self.arena.names().around(slot, &self.rules);
        let state = slot.home.state();
        let view = state.view(&around, now);
        let findings = state.detectors.findings(&around.programme.detectors, &view);
        let mut open = slot.open;
        for (bit, (kind, finding)) in KINDS.iter().zip(findings).enumerate() {
            let is_open = open & (1 << bit) != 0;
            if finding.is_none() && !is_open {
                continue;
            }
            let case = self.cases.get(&(index, *kind));
            for transition in decide(case, finding.as_ref()) {
                let decided_at = decided_at(slot, finding.as_ref(), &transition.case, transition.state);
                let case = transition.case;
                let view = HomeView {
                    now: decided_at,
                    ..view
                };
                let about = OpenAlert {
                    kind: *kind,
                    rule: &case.rule,
                    since: case.since,
                    detected_at: case.detected_at,
                    severity: case.severity,
                };
                let mut said = state
                    .detectors
                    .explain(&around.programme.detectors, &view, &about, transition.state);
                if slot.rules_changed && transition.state == AlertState::Resolved {
                    said = rules_changed();
                }
                let id = self.arena.id(index);
                let alert = Alert {
                    alert_id: alert_id(id, *kind, case.identity_since),
                    revision: case.revision,
                    household_id: HouseholdId::new(id),
                    kind: *kind,
                    state: transition.state,
                    severity: case.severity,
                    rule: case.rule.clone(),
                    zone: self.arena.names().zone(slot, &self.rules),
                    programme: around.programme.name.clone(),
                    since: case.since,
                    detected_at: case.detected_at,
                    decided_at,
                    reason: said.reason.to_owned(),
                    evidence: said.evidence,
                    text: said.text,
                };
                effects.alerts.push(Decided {
                    alert,
                    record_timestamp: timestamp,
                });
                open = if case.open { open | 1 << bit } else { open & !(1 << bit) };
                self.cases.insert((index, *kind), case);
            }
        }
        let slot = self.arena.slot_mut(index);
        slot.open = open;
        slot.rules_changed = false;
    }
}

/// When a record could be known: with the reading that brought it, or at the deadline that passed without one.
fn decided_at(slot: &Slot, finding: Option<&Finding>, case: &Case, state: AlertState) -> EventTime {
    let known = slot.arrived;
    match (state, finding) {
        (AlertState::Resolved, _) | (_, None) => known.max(case.detected_at),
        (_, Some(finding)) => known.max(finding.detected_at),
    }
}

/// Why an alert is resolved that only the rules of another programme had raised.
fn rules_changed() -> Explanation {
    Explanation {
        reason: "programme_changed",
        text: BothLanguages {
            en: "The home is in another programme now, and its rules are not met.".into(),
            zh: "该户已转入另一项目，其规则未触发。".into(),
        },
        ..Explanation::default()
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

fn dead_letter(record: &RawRecord<'_>, rejection: &Rejection) -> DeadLetter {
    DeadLetter {
        reason: rejection.name(),
        detail: rejection.to_string(),
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
    }
}

impl Slot {
    /// A meter that jumps far ahead is believed when a second reading agrees with the first.
    fn check_jump(&mut self, reading: &MeterReading, max_jump_seconds: u32) -> Result<(), Rejection> {
        let Some(frontier) = self.home.state().frontier(reading.meter) else {
            return Ok(());
        };
        if reading.start.since(frontier) <= max_jump_seconds {
            self.jump = EventTime::ZERO;
            return Ok(());
        }
        // The same record again is no second reading; the next one of a slow meter is.
        let confirms = self.jump > EventTime::ZERO
            && reading.start > self.jump
            && reading.start.since(self.jump) <= DAY.saturating_add(reading.seconds);
        if confirms {
            self.jump = EventTime::ZERO;
            return Ok(());
        }
        self.jump = reading.start;
        Err(Rejection::ClockJump {
            start: reading.start,
            frontier,
        })
    }
}
