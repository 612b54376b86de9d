//! One home's state as bytes, and back: versioned and checksummed (`home::seal_snapshot`).

use serde::{Deserialize, Serialize};

use super::Partition;
use super::arena::{HomeState, NamedMeter};
use super::checkpoint::Stamp;
use super::profile::Beside;
use crate::alert::Case;
use crate::detect::KINDS;
use crate::home::{Ordered, Rhythm, SnapshotError, open_snapshot, seal_snapshot};
use crate::model::{AlertKind, EventTime, HomeRecord};

/// Everything that is kept of one home.
#[derive(Serialize, Deserialize)]
struct HomeSnapshot {
    /// What the homes topic said of it.
    record: HomeRecord,
    beside: Option<Beside>,
    /// The number of the programme's rules.
    rules: u32,
    home: Ordered<HomeState>,
    meters: Option<Vec<NamedMeter>>,
    heard: EventTime,
    rhythm: Rhythm,
    arrived: EventTime,
    jump: EventTime,
    cases: Vec<(AlertKind, Case)>,
}

/// A home's state as it is stored: whose it is, and up to where.
#[derive(Serialize, Deserialize)]
struct Stored {
    deployment: u32,
    offset: i64,
    home: HomeSnapshot,
}

/// What was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The slot of the home.
    pub slot: u32,
    /// What it was marked with.
    pub stamp: Stamp,
    /// Whether the rules of its programme are others than when it was stored. What had been met under them is forgotten.
    pub rules_changed: bool,
}

impl Partition {
    /// The state of the home in slot `index` as bytes, the same wherever and whenever it was reached.
    pub fn snapshot(&self, index: u32) -> Vec<u8> {
        self.stored(index, Stamp::default())
    }

    /// The state of the home in slot `index`, marked.
    pub(super) fn stored(&self, index: u32, stamp: Stamp) -> Vec<u8> {
        let slot = self.arena.slot(index);
        let record = self.arena.names().record(self.arena.id(index), &slot, &self.rules);
        let cases = KINDS
            .iter()
            .filter_map(|kind| Some((*kind, self.case(index, *kind)?.into_owned())));
        let home = HomeSnapshot {
            record,
            beside: slot.beside.as_deref().copied(),
            rules: self.rules_number(index),
            home: slot.home.clone(),
            meters: slot.meters.as_deref().cloned(),
            heard: slot.heard,
            rhythm: slot.rhythm,
            arrived: slot.arrived,
            jump: slot.jump,
            cases: cases.collect(),
        };
        let Stamp { deployment, offset } = stamp;
        seal_snapshot(&Stored {
            deployment,
            offset,
            home,
        })
    }

    /// Puts back a home from its bytes, in the place of what is known of it. The partition's clock moves on to what the
    /// home had heard.
    ///
    /// # Errors
    /// Every way in which the bytes are no whole snapshot of this version, by name; a programme or time zone that no
    /// longer exists is one of them.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<Restored, SnapshotError> {
        let Stored {
            deployment,
            offset,
            home,
        } = open_snapshot(bytes)?;
        let record = home.record;
        let profile = self.arena.profile(Some(&record), &self.rules);
        let profile = profile.map_err(|error| SnapshotError::Values(error.to_string()))?;
        let (index, _) = self.arena.find_or_insert(&record.household_id);
        for kind in KINDS {
            self.cases.remove(&(index, *kind));
        }
        let slot = self.arena.slot_mut(index);
        (slot.said, slot.over) = Default::default();
        let mut open = 0;
        for (kind, case) in home.cases {
            let bit = KINDS.iter().position(|known| *known == kind);
            open |= bit.filter(|_| case.open).map_or(0, |bit| 1 << bit);
            self.keep_case(index, kind, case);
        }
        let slot = self.arena.slot_mut(index);
        slot.profile = profile;
        slot.beside = home.beside.map(Box::new);
        slot.home = home.home;
        slot.meters = home.meters.map(Box::new);
        (slot.heard, slot.rhythm, slot.arrived) = (home.heard, home.rhythm, home.arrived);
        (slot.jump, slot.open) = (home.jump, open);
        self.log_clock = self.log_clock.max(home.heard).max(home.arrived);
        self.clock = self.clock.max(self.log_clock);
        let rules_changed = home.rules != self.rules_number(index);
        if rules_changed {
            self.arena.slot_mut(index).forget_what_was_met();
        }
        // From where the home stood: a deadline that other homes' clocks have passed must still be looked at.
        self.schedule(index, home.heard);
        Ok(Restored {
            slot: index,
            stamp: Stamp { deployment, offset },
            rules_changed,
        })
    }
    fn rules_number(&self, index: u32) -> u32 {
        let place = self.arena.slot(index).profile.programme();
        self.rule_numbers.get(place).copied().unwrap_or_default()
    }
}

/// A stored state, to be looked at.
#[derive(Clone, Debug)]
pub struct StoredHome {
    /// What it is marked with.
    pub stamp: Stamp,
    /// The home.
    pub household: String,
    /// What was open when it was stored.
    pub open: Vec<AlertKind>,
    /// Everything that is kept of the home.
    pub contents: serde_json::Value,
}

impl StoredHome {
    /// Reads a record of the state topic.
    ///
    /// # Errors
    /// Every way in which the bytes are no whole state of this version, by name.
    pub fn read(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let stored: Stored = open_snapshot(bytes)?;
        let contents = serde_json::to_value(&stored).map_err(|error| SnapshotError::Values(error.to_string()))?;
        let Stored {
            deployment,
            offset,
            home,
        } = stored;
        let open = home.cases.iter().filter(|(_, case)| case.open).map(|(kind, _)| *kind);
        Ok(Self {
            stamp: Stamp { deployment, offset },
            open: open.collect(),
            household: home.record.household_id,
            contents,
        })
    }
}
