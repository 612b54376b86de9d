//! One home's state as bytes, and back: versioned and checksummed (`home::seal_snapshot`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Partition;
use super::arena::{HomeState, NamedMeter};
use super::checkpoint::Stamp;
use super::effects::Parting;
use super::profile::{Beside, Profile};
use super::rules::HomeError;
use crate::alert::Case;
use crate::detect::{DetectorNumbers, KINDS, Met};
use crate::home::{Ordered, Rhythm, SnapshotError, open_snapshot, seal_snapshot};
use crate::model::{AlertKind, Consent, EventTime, HomeRecord};

/// Everything that is kept of one home.
#[derive(Serialize, Deserialize)]
struct HomeSnapshot {
    /// What the homes topic said of it.
    record: HomeRecord,
    beside: Option<Beside>,
    /// The numbers of the programme's rules.
    rules: DetectorNumbers,
    home: Ordered<HomeState>,
    meters: Option<Vec<NamedMeter>>,
    heard: EventTime,
    rhythm: Rhythm,
    arrived: EventTime,
    jump: EventTime,
    /// The programme of which the last list of visits names it.
    listed: Option<String>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The slot of the home.
    pub slot: u32,
    /// What it was marked with.
    pub stamp: Stamp,
    /// Whether the rules of its programme are others than when it was stored. What had been met under them is forgotten.
    pub rules_changed: bool,
    /// Why the settings of today do not let it be watched any more, if they do not.
    pub parting: Option<Parting>,
    /// The programme that its record names.
    pub programme: Option<Arc<str>>,
    /// The programme of which the last list of visits names it, though it is not of that programme any more.
    pub listed: Option<Arc<str>>,
}

impl Partition {
    /// The state of the home in slot `index` as bytes, the same wherever and whenever it was reached.
    pub fn snapshot(&self, index: u32) -> Vec<u8> {
        self.stored(index, Stamp::default())
    }

    /// The state of the home in slot `index`, marked.
    pub(super) fn stored(&self, index: u32, stamp: Stamp) -> Vec<u8> {
        let slot = self.arena.slot(index);
        let (names, rules) = (self.arena.names(), &*self.rules);
        let (record, around) = (
            names.record(self.arena.id(index), &slot, rules),
            names.around(&slot, rules),
        );
        let cases = KINDS
            .iter()
            .filter_map(|kind| Some((*kind, self.case(index, *kind)?.into_owned())));
        let home = HomeSnapshot {
            record,
            beside: slot.beside.as_deref().copied(),
            rules: self.numbers(index),
            home: slot.home.clone(),
            meters: slot.meters.as_deref().cloned(),
            heard: slot.heard,
            rhythm: slot.rhythm,
            arrived: slot.arrived,
            jump: slot.jump,
            listed: slot.listed.then(|| around.programme.name.to_string()),
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
    /// Every way in which the bytes are no whole snapshot of this version, by name. A home that the settings of today do not
    /// let be watched any more is put back all the same, so that what is open can be ended; nothing more is taken of it.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<Restored, SnapshotError> {
        let Stored {
            deployment,
            offset,
            home,
        } = open_snapshot(bytes)?;
        let record = home.record;
        let (profile, parting) = self.profile_of_today(&record);
        let index = self.arena.find_or_insert(&record.household_id);
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
        self.arena.set_profile(index, profile);
        let place = profile.programme();
        let programme = self
            .rules
            .programmes
            .get(place)
            .map(|programme| Arc::clone(&programme.name));
        let listed: Option<Arc<str>> = home.listed.map(Into::into);
        let slot = self.arena.slot_mut(index);
        slot.listed = parting.is_none() && listed.is_some() && listed == programme;
        let is_listed = slot.listed;
        slot.beside = home.beside.map(Box::new);
        slot.home = home.home;
        slot.meters = home.meters.map(Box::new);
        (slot.heard, slot.rhythm, slot.arrived) = (home.heard, home.rhythm, home.arrived);
        (slot.jump, slot.open) = (home.jump, open);
        self.log_clock = self.log_clock.max(home.heard).max(home.arrived);
        self.clock = self.clock.max(self.log_clock);
        let rules_changed = self.forget_stale(index, &home.rules);
        // From where the home stood: a deadline that other homes' clocks have passed must still be looked at.
        self.schedule(index, home.heard);
        Ok(Restored {
            slot: index,
            stamp: Stamp { deployment, offset },
            rules_changed,
            parting,
            listed: listed.filter(|_| !is_listed),
            programme: record.programme.map(Into::into),
        })
    }

    /// What the settings of today make of a stored record.
    fn profile_of_today(&mut self, record: &HomeRecord) -> (Profile, Option<Parting>) {
        let is_withdrawn = |consent: &Consent| consent.withdrawn_at.is_some();
        if record.consent.as_ref().is_some_and(is_withdrawn) {
            return (Profile::withdrawn(), None);
        }
        let names = self.arena.names_mut();
        let why = match names.profile(record, &self.rules) {
            Ok(profile) if profile.may_be_watched(self.rules.consent) => return (profile, None),
            Ok(profile) => {
                names.release(profile);
                Parting::NoConsent
            }
            Err(HomeError::Purpose { .. }) => Parting::NoConsent,
            Err(_) => Parting::RecordRefused,
        };
        (names.parting(record, &self.rules), Some(why))
    }

    pub(super) fn numbers(&self, index: u32) -> DetectorNumbers {
        let place = self.arena.slot(index).profile.programme();
        self.rule_numbers.get(place).copied().unwrap_or_default()
    }

    /// What was met under rules of those numbers says nothing under others; the usage stays. Whether any are others.
    pub(super) fn forget_stale(&mut self, index: u32, before: &DetectorNumbers) -> bool {
        let now = self.numbers(index);
        if *before == now {
            return false;
        }
        let home = &mut self.arena.slot_mut(index).home;
        home.change(|state| {
            state.detectors.forget(before, &now);
        });
        true
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
    /// The programme that its record names.
    pub programme: Option<String>,
    /// Hours of its last sixty days of which it is known whether water was used.
    pub known_hours: u32,
    /// Rules of inactivity that are met and not said, because the home is not learnt: bit i for rule i.
    pub inactivity_in_shadow: Met,
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
        let state = home.home.state();
        Ok(Self {
            stamp: Stamp { deployment, offset },
            open: open.collect(),
            programme: home.record.programme,
            known_hours: state.usage.routine().known_hours(),
            inactivity_in_shadow: state.detectors.in_shadow(AlertKind::Inactivity),
            household: home.record.household_id,
            contents,
        })
    }
}
