//! A partition rebuilt: states of homes as they were stored, and the readings since.
//!
//! Operation: [`Recovery::stored`] for every record of the state topic, in order; [`Recovery::begin`];
//! [`Recovery::zone`] for what was taken in of the zones topic; [`Recovery::replay`] for the readings from [`Recovery::from`] up to the committed offset; [`Recovery::finish`].
//! Replay changes usage, never cases: whatever was said since a home was last stored would have stored it again. A home
//! whose stored state cannot be read is rebuilt from the first retained reading, cases and all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::beside::home_record;
use super::checkpoint::ReplayPoint;
use super::effects::{Effects, Parting, Withdrawal};
use super::rules::{ConsentRule, Rules};
use super::snapshot::Restored;
use super::words::rules_changed;
use super::zones::{StoredZone, ZONE_KEY};
use super::{Partition, Voice};
use crate::alert::Occasion;
use crate::home::SnapshotError;
use crate::ingest::{Arrived, Rejection, decode};
use crate::model::{EventTime, RawRecord};

/// A partition on its way back.
pub struct Recovery {
    state: Partition,
    /// By slot: the offset up to which the stored state includes the readings.
    held: Vec<i64>,
    /// What was put back, by slot, where something is to be done about it.
    restored: BTreeMap<u32, Restored>,
    /// Homes whose stored state cannot be read.
    unreadable: BTreeSet<Box<str>>,
    /// Where those are rebuilt.
    anew: Option<Partition>,
    /// Nothing is stored that could be used: everything is rebuilt.
    from_scratch: bool,
    from: i64,
}

/// What a stored state was good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredOutcome {
    /// It was put back.
    Taken,
    /// It is of another deployment.
    Foreign {
        /// The number of that deployment.
        deployment: u32,
    },
    /// It cannot be read: the home will be rebuilt from the readings, or the zone judged as if nothing had been said of it.
    Unreadable(SnapshotError),
}

/// A partition that is back.
pub struct Recovered {
    /// The partition at its commit.
    pub state: Partition,
    /// What it has to say.
    pub effects: Effects,
}

impl Recovery {
    /// Nothing is known yet.
    pub fn new(rules: Arc<Rules>) -> Self {
        Self {
            state: Partition::new(rules),
            held: Vec::new(),
            restored: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            anew: None,
            from_scratch: false,
            from: 0,
        }
    }

    /// The same, of this partition of so many: for its zones.
    #[must_use]
    pub fn of(mut self, partition: u32, partitions: u32) -> Self {
        self.state.set_place(partition, partitions);
        self
    }

    /// Takes a record of the state topic: later ones of a home are in the place of earlier ones, and one without a value
    /// says that nothing is kept of it.
    pub fn stored(&mut self, household: &str, bytes: Option<&[u8]>, deployment: u32) -> StoredOutcome {
        if let Some(zone) = household.strip_prefix(ZONE_KEY) {
            return bytes.map_or(StoredOutcome::Taken, |bytes| self.stored_zone(zone, bytes, deployment));
        }
        let outcome = match bytes {
            None => {
                if let Some(slot) = self.state.arena.find(household) {
                    self.state.forget(slot);
                    self.state.arena.remove(slot);
                    self.state.unsaved.keep(slot, false);
                    self.hold(slot, 0);
                    self.restored.remove(&slot);
                }
                StoredOutcome::Taken
            }
            Some(bytes) => match self.state.restore(bytes) {
                Err(error) => StoredOutcome::Unreadable(error),
                Ok(restored) if restored.stamp.deployment != deployment => {
                    return StoredOutcome::Foreign {
                        deployment: restored.stamp.deployment,
                    };
                }
                Ok(restored) => {
                    self.hold(restored.slot, restored.stamp.offset);
                    self.state.unsaved.keep(restored.slot, true);
                    if restored.rules_changed || restored.parting.is_some() || restored.listed.is_some() {
                        self.restored.insert(restored.slot, restored);
                    } else {
                        self.restored.remove(&restored.slot);
                    }
                    StoredOutcome::Taken
                }
            },
        };
        match &outcome {
            StoredOutcome::Unreadable(_) => self.unreadable.insert(household.into()),
            _ => self.unreadable.remove(household),
        };
        outcome
    }

    fn stored_zone(&mut self, zone: &str, bytes: &[u8], deployment: u32) -> StoredOutcome {
        match StoredZone::read(bytes) {
            Err(error) => StoredOutcome::Unreadable(error),
            Ok(stored) if stored.deployment != deployment => StoredOutcome::Foreign {
                deployment: stored.deployment,
            },
            Ok(stored) => {
                self.state.zones.restore(zone, stored.said);
                StoredOutcome::Taken
            }
        }
    }

    /// Everything stored has been taken. `point` is where the last commit said that replay begins, none when there is no
    /// such commit; `first` is the first reading that is retained.
    pub fn begin(&mut self, point: Option<ReplayPoint>, first: i64) {
        self.from_scratch = point.is_none();
        let point = point.unwrap_or(ReplayPoint {
            offset: first,
            ..ReplayPoint::default()
        });
        if !self.unreadable.is_empty() {
            let mut anew = Partition::new(Arc::clone(&self.state.rules));
            anew.begin_at(first);
            anew.zones.mute(true);
            self.anew = Some(anew);
        }
        self.from = if self.anew.is_some() {
            first
        } else {
            point.offset.max(first)
        };
        let state = &mut self.state;
        // What stored homes had heard says nothing of the time at which replay begins.
        (state.log_clock, state.log_jump) = (point.log_clock, point.jump);
        state.clock = if self.from_scratch {
            EventTime::ZERO
        } else {
            point.log_clock
        };
        state.deadlines.clear();
        state.zones.mute(true);
        state.next_offset = point.offset.max(first);
    }

    /// Takes a record of the homes topic, after [`Recovery::begin`], for homes that are rebuilt; others have theirs.
    /// One that is refused was said when it was first met, and leaves the home as it was.
    pub fn home(&mut self, record: &RawRecord<'_>) {
        let Ok((household, home)) = home_record(record) else {
            return;
        };
        let anew = self.anew.as_mut().filter(|_| self.unreadable.contains(household));
        let state = if self.from_scratch { Some(&mut self.state) } else { anew };
        if let Some(state) = state {
            // One that names what does not exist was refused, too.
            let _ = state.set_home(household, home.as_ref());
        }
    }

    /// Takes a record of the zones topic, after [`Recovery::begin`], from before what was committed: what followed from it
    /// was said. One that was refused changes nothing.
    pub fn zone(&mut self, record: &RawRecord<'_>) {
        let Ok(said) = self.state.zone_record(record) else {
            return;
        };
        for state in [Some(&mut self.state), self.anew.as_mut()].into_iter().flatten() {
            state.remember_zone_record(&said);
        }
    }

    /// The first offset to be replayed.
    pub fn from(&self) -> i64 {
        self.from
    }

    /// How many homes are rebuilt from the readings because their stored state cannot be read.
    pub fn unreadable(&self) -> usize {
        self.unreadable.len()
    }

    /// How many homes have a stored state, readable or not.
    pub fn stored_homes(&self) -> u64 {
        let unreadable = self.unreadable.iter();
        let others = unreadable.filter(|household| self.state.arena.find(household).is_none());
        self.state.stored_homes() + others.count() as u64
    }

    /// Takes readings, in the order of their offsets.
    pub fn replay<'a>(&mut self, batch: impl IntoIterator<Item = RawRecord<'a>>) {
        if self.from_scratch {
            // As it was said the first time; it is not said again.
            self.state.apply(batch);
            return;
        }
        self.state.unsaved.mark(self.state.here());
        for record in batch {
            let arrived = decode(&record, &self.state.rules.ingest);
            if let Some(anew) = &mut self.anew {
                let is_theirs = record
                    .key
                    .and_then(|key| std::str::from_utf8(key).ok())
                    .is_some_and(|key| self.unreadable.contains(key));
                if is_theirs {
                    anew.apply([record]);
                } else if let Ok(arrived) = &arrived {
                    // The log's time is that of all homes.
                    anew.keep_time(arrived.arrival, &mut Effects::default());
                }
            }
            if record.offset >= self.state.next_offset {
                self.replay_one(&record, arrived);
            }
        }
    }

    fn replay_one(&mut self, record: &RawRecord<'_>, arrived: Result<Arrived<'_>, Rejection>) {
        let state = &mut self.state;
        state.next_offset = record.offset + 1;
        state.applied += 1;
        if let Ok(arrived) = &arrived {
            state.keep_log_time(arrived.arrival);
        }
        let key = record.key.and_then(|key| std::str::from_utf8(key).ok());
        let slot = key.and_then(|key| state.arena.find(key));
        let held = slot.and_then(|slot| self.held.get(slot as usize)).copied().unwrap_or(0);
        if record.offset < held {
            return;
        }
        let mut unheard = Effects::default();
        let taken = arrived.and_then(|arrived| state.take(&arrived, record, Voice::Silent, &mut unheard));
        // What is no reading was said when it was first met; what it says of the meter is kept.
        if let Err(rejection) = taken {
            state.hear_rejection(record, &rejection, Voice::Silent, &mut unheard);
        }
    }

    /// The partition as it was when `until` was committed, with the clock of that commit; and what the settings of today
    /// make it say: alerts are resolved that the rules have no reason for, and homes are ended that may not be watched.
    ///
    /// # Errors
    /// If a rebuilt home cannot be moved, which would be a mistake in this crate.
    pub fn finish(mut self, until: i64, clock: EventTime) -> Result<Recovered, SnapshotError> {
        let log_clock = self.state.log_clock;
        let mut lost = Vec::new();
        if let Some(mut anew) = self.anew.take() {
            anew.begin_at(until);
            anew.advance(clock);
            for slot in anew.arena.occupied().collect::<Vec<_>>() {
                let restored = self.state.restore(&anew.snapshot(slot))?;
                self.restored.remove(&restored.slot);
                self.state.unsaved.urge(restored.slot);
            }
            let is_back = |household: &str| anew.arena.find(household).is_some();
            lost = std::mem::take(&mut self.unreadable)
                .into_iter()
                .filter(|household| !is_back(household))
                .collect();
        }
        let mut state = self.state;
        state.zones.mute(false);
        state.begin_at(until);
        if self.from_scratch {
            state.advance(clock);
            return Ok(Recovered {
                state,
                effects: Effects::default(),
            });
        }
        state.log_clock = log_clock;
        state.clock = log_clock.max(clock);
        state.visits_at = EventTime::ZERO;
        let mut effects = Effects {
            next_offset: until,
            ..Effects::default()
        };
        state.settle(self.restored, lost, until, &mut effects);
        state.deadlines.clear();
        for slot in state.arena.occupied().collect::<Vec<_>>() {
            let known = state.arena.slot_mut(slot);
            known.noted = EventTime::ZERO;
            // From where the home stood: what time has brought since was said, and saying it again changes nothing.
            let heard = known.heard;
            state.schedule(slot, heard);
        }
        Ok(Recovered { state, effects })
    }

    fn hold(&mut self, slot: u32, offset: i64) {
        let place = slot as usize;
        if self.held.len() <= place {
            self.held.resize(place + 1, 0);
        }
        self.held[place] = offset;
    }
}

impl Partition {
    /// Does what the settings of today ask for: of what was put back, and of homes whose state is lost.
    fn settle(&mut self, restored: BTreeMap<u32, Restored>, lost: Vec<Box<str>>, until: i64, effects: &mut Effects) {
        let mut lists = BTreeSet::new();
        for (slot, restored) in restored {
            if restored.listed.is_some() {
                self.unsaved.urge(slot);
            }
            lists.extend(restored.listed);
            let Some(why) = restored.parting else {
                // A detector that fails here fails on the next reading too, and is reported with it.
                let _ = self.reconcile(slot, Occasion::Beside, None, self.clock, Some(rules_changed), effects);
                continue;
            };
            let said = effects.alerts.len();
            self.part(slot, why, self.clock, until, effects);
            // In the words of the programme that raised them, be it gone.
            for decided in &mut effects.alerts[said..] {
                if let Some(name) = &restored.programme {
                    decided.alert.programme = Arc::clone(name);
                }
            }
        }
        for household in lost {
            match self.arena.find(&household) {
                Some(slot) => self.remove(slot),
                None => self.unsaved.remove_unknown(&household),
            }
            effects.withdrawals.push(Withdrawal {
                household,
                at: self.clock,
                why: Parting::StateLost,
                offset: until,
            });
        }
        if self.rules.consent == ConsentRule::Required {
            // Of those whose withdrawal was said, not even that is kept any more.
            let left = |slot: &u32| !self.is_watched(*slot);
            let slots: Vec<u32> = self.arena.occupied().filter(left).collect();
            slots.into_iter().for_each(|slot| self.remove(slot));
        }
        for name in lists {
            self.list_named_anew(&name, effects);
        }
    }
}
