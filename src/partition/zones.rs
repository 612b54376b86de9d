//! What a partition says of its zones by the hour, and what it does with what it is told of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Partition;
use super::beside::Refusal;
use super::checkpoint::{Checkpoint, Stamp};
use super::effects::Effects;
use crate::alert::Occasion;
use crate::area::{AreaStatus, Cause, Mark, Said, Tally, Watch, ZoneRecord, next_mark};
use crate::home::{SnapshotError, open_snapshot, seal_snapshot};
use crate::model::{EventTime, HOUR, Outage, RawRecord, partition_of};

/// With this begin the keys under which what was said of zones is stored, and the name of the zone follows. No home can bear
/// such an id.
pub const ZONE_KEY: &str = "\0zone/";

/// The zones as a partition knows them.
pub(super) struct Zones {
    /// The number of this partition in its topic.
    partition: u32,
    /// The partitions of the topic.
    partitions: u32,
    /// The zones that this partition is responsible for.
    watch: Watch,
    /// Those of which something was said since the last commit.
    unsaved: BTreeSet<Arc<str>>,
    /// Nobody is to hear reports: they were written before a restart.
    is_mute: bool,
}

/// What was said of a zone, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredZone {
    /// The number of the deployment.
    pub deployment: u32,
    /// What was said.
    pub said: Said,
}

impl StoredZone {
    /// Reads a record of the state topic whose key begins with [`ZONE_KEY`].
    ///
    /// # Errors
    /// Every way in which the bytes are no whole state of this version, by name.
    pub fn read(bytes: &[u8]) -> Result<Self, SnapshotError> {
        open_snapshot(bytes)
    }
}

impl Zones {
    pub fn new(watch: Watch) -> Self {
        Self {
            partition: 0,
            partitions: 1,
            watch,
            unsaved: BTreeSet::new(),
            is_mute: false,
        }
    }

    /// Saves the work of reports that nobody is to hear, or no longer.
    pub fn mute(&mut self, is_mute: bool) {
        self.is_mute = is_mute;
    }

    /// How many zones must be stored with the next commit.
    pub fn urgent(&self) -> usize {
        self.unsaved.len()
    }

    /// The zones that must be stored now. They count as stored.
    pub fn take_unsaved(&mut self, stamp: Stamp) -> Vec<Checkpoint> {
        let zones = std::mem::take(&mut self.unsaved).into_iter();
        let checkpoint = |zone: Arc<str>| Checkpoint {
            household: format!("{ZONE_KEY}{zone}").into(),
            bytes: Some(seal_snapshot(&StoredZone {
                deployment: stamp.deployment,
                said: self.watch.said(&zone),
            })),
        };
        zones.map(checkpoint).collect()
    }

    /// What was said before a restart.
    pub fn restore(&mut self, zone: &str, said: Said) {
        self.watch.restore(zone, said);
    }
}

impl Partition {
    /// Says which partition of its topic this is, and how many there are: for the reports on its zones, and to know the
    /// zones that it is responsible for.
    pub fn set_place(&mut self, partition: u32, partitions: u32) {
        (self.zones.partition, self.zones.partitions) = (partition, partitions);
    }

    /// The last outage of a zone that this partition was told of.
    pub fn outage(&self, zone: &str, cause: Cause) -> Option<Outage> {
        self.arena.names().outage(zone, cause)
    }

    /// Reads a record of the zones topic.
    ///
    /// # Errors
    /// It has no such form, or is a report on a zone that another partition is responsible for.
    pub(super) fn zone_record(&self, record: &RawRecord<'_>) -> Result<ZoneRecord, Refusal> {
        let bad = |message| Refusal::BadValue { message };
        let key = record.key.ok_or(Refusal::NoKey)?;
        let said = ZoneRecord::read(record.value.ok_or(Refusal::NoPayload)?).map_err(bad)?;
        let due = said.key();
        if key != due.as_bytes() {
            return Err(bad(format!("the key is not {due:?}")));
        }
        let Zones {
            partition, partitions, ..
        } = self.zones;
        match &said {
            ZoneRecord::Report(report) if partition_of(report.zone.as_bytes(), partitions) != partition => {
                Err(bad(format!(
                    "another partition than {partition} is responsible for zone {:?}",
                    report.zone
                )))
            }
            _ => Ok(said),
        }
    }

    /// Takes a record of the zones topic: a report on a zone that this partition is responsible for, or the status of a
    /// zone, upon which its homes are looked at and stored. A status that is known already changes nothing.
    pub fn take_zone_record(&mut self, record: &ZoneRecord) -> Effects {
        let mut effects = self.no_effects();
        self.put_zone_record(record, &mut effects);
        effects
    }

    pub(super) fn put_zone_record(&mut self, record: &ZoneRecord, effects: &mut Effects) {
        match record {
            ZoneRecord::Report(report) => {
                for verdict in self.zones.watch.take(report) {
                    self.zones.unsaved.insert(Arc::clone(&verdict.status.zone));
                    effects.zone_statuses.push(verdict.status);
                    effects.area_alerts.push(verdict.alert);
                }
            }
            ZoneRecord::Status(status) => self.take_status(status, effects),
        }
    }

    /// Takes a record of the zones topic from before a restart: nothing is said of it.
    pub fn remember_zone_record(&mut self, record: &ZoneRecord) {
        match record {
            ZoneRecord::Report(report) => self.zones.watch.remember(report),
            ZoneRecord::Status(status) => {
                self.note(status);
            }
        }
    }

    /// Reports on the zones at the last mark after `before` that the clock has reached: what was known before it.
    pub(super) fn report_zones(&mut self, before: EventTime, effects: &mut Effects) {
        let settings = &self.rules.area;
        let at = next_mark(self.clock, settings).minus(HOUR);
        if !settings.enabled || self.zones.is_mute || before == EventTime::ZERO || at <= before {
            return;
        }
        let (names, rules) = (self.arena.names(), &*self.rules);
        if !names.have_zones() {
            return;
        }
        let mut marks = BTreeMap::new();
        let mut tallies: BTreeMap<Arc<str>, Tally> = BTreeMap::new();
        for index in self.arena.occupied() {
            let slot = self.arena.slot(index);
            let is_watched = slot.profile.may_be_watched(rules.consent);
            let Some(zone) = names.zone(&slot, rules).filter(|_| is_watched) else {
                continue;
            };
            let around = names.around(&slot, rules);
            let mark = marks
                .entry(slot.profile.time_zone())
                .or_insert_with(|| Mark::new(at, around.time_zone));
            // As the detector of silent meters counts it, so that the zone is judged before its homes.
            let rhythm = match around.circumstances.upload_seconds {
                Some(told) => around.rhythm.usual(told).clamp(told, told.saturating_mul(2)),
                None => around.rhythm.usual(settings.upload_seconds),
            };
            let routine = slot.home.state().usage.routine();
            let tally = tallies.entry(zone).or_default();
            tally.add(mark, routine, around.heard_at, rhythm);
        }
        let partition = self.zones.partition;
        let reports = tallies
            .into_iter()
            .map(|(zone, tally)| tally.report(zone, partition, at));
        effects.zone_reports.extend(reports);
    }

    fn take_status(&mut self, status: &AreaStatus, effects: &mut Effects) {
        if !self.note(status) {
            return;
        }
        let (arena, rules) = (&self.arena, &*self.rules);
        let is_there = |index: &u32| {
            let slot = arena.slot(*index);
            let zone = arena.names().zone(&slot, rules);
            zone.as_deref() == Some(&*status.zone) && slot.profile.may_be_watched(rules.consent)
        };
        let mut homes: Vec<_> = arena.occupied().filter(is_there).collect();
        // In an order that a restart does not change.
        homes.sort_by(|a, b| arena.id(*a).cmp(arena.id(*b)));
        for index in homes {
            // A detector that fails here fails on the next reading too, and is reported with it.
            let _ = self.reconcile(index, Occasion::Beside, None, self.clock, None, effects);
            self.unsaved.urge(index);
            let heard = self.arena.slot(index).heard;
            self.schedule(index, heard);
        }
    }

    /// Keeps a status; whether it is new.
    fn note(&mut self, status: &AreaStatus) -> bool {
        let AreaStatus { zone, cause, from, to } = status;
        let outage = Outage { from: *from, to: *to };
        self.arena.names_mut().set_outage(zone, *cause, outage)
    }
}
