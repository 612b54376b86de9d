//! What a partition says of its zones by the hour, and what it does with what it is told of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Partition;
use super::effects::Effects;
use crate::area::{AreaStatus, Cause, Mark, Tally, Watch, ZoneRecord, next_mark};
use crate::home::SnapshotError;
use crate::model::{EventTime, HOUR, Outage};

/// The zones as a partition knows them.
pub(super) struct Zones {
    /// The number of this partition in its topic.
    partition: u32,
    /// The zones that this partition is responsible for.
    watch: Watch,
}

impl Zones {
    pub fn new(watch: Watch) -> Self {
        Self { partition: 0, watch }
    }
}

impl Partition {
    /// Says which partition of its topic this is, for the reports on its zones.
    pub fn set_number(&mut self, partition: u32) {
        self.zones.partition = partition;
    }

    /// The last outage of a zone that this partition was told of.
    pub fn outage(&self, zone: &str, cause: Cause) -> Option<Outage> {
        self.arena.names().outage(zone, cause)
    }

    /// Takes a record of the zones topic: a report on a zone that this partition is responsible for, or the status of a
    /// zone, upon which its homes are looked at and stored. A status that is known already changes nothing.
    pub fn take_zone_record(&mut self, record: &ZoneRecord) -> Effects {
        let mut effects = Effects {
            next_offset: self.next_offset,
            ..Effects::default()
        };
        match record {
            ZoneRecord::Report(report) => {
                for verdict in self.zones.watch.take(report) {
                    effects.zone_statuses.push(verdict.status);
                    effects.area_alerts.push(verdict.alert);
                }
            }
            ZoneRecord::Status(status) => self.take_status(status, &mut effects),
        }
        effects
    }

    /// What the watch has said of a zone, to be stored in the transaction that carries an alert on it.
    pub fn zone_state(&self, zone: &str) -> Vec<u8> {
        self.zones.watch.snapshot(zone)
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

    /// Puts back what [`Partition::zone_state`] gave, after all records before the restart are remembered.
    ///
    /// # Errors
    /// Why the bytes cannot be read; nothing changes then.
    pub fn restore_zone(&mut self, zone: &str, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.zones.watch.restore(zone, bytes)
    }

    /// Reports on the zones at the last mark after `before` that the clock has reached: what was known before it.
    pub(super) fn report_zones(&mut self, before: EventTime, effects: &mut Effects) {
        let settings = &self.rules.area;
        let at = next_mark(self.clock, settings).minus(HOUR);
        if !settings.enabled || before == EventTime::ZERO || at <= before {
            return;
        }
        let (names, rules) = (self.arena.names(), &*self.rules);
        let mut marks = BTreeMap::new();
        let mut tallies: BTreeMap<Arc<str>, Tally> = BTreeMap::new();
        for index in self.arena.occupied() {
            let slot = self.arena.slot(index);
            let Some(zone) = names.zone(slot, rules) else {
                continue;
            };
            let around = names.around(slot, rules);
            let mark = marks
                .entry(slot.profile.time_zone())
                .or_insert_with(|| Mark::new(at, around.time_zone));
            let rhythm = around.circumstances.upload_seconds.unwrap_or(settings.upload_seconds);
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
        for index in self.arena.occupied().collect::<Vec<_>>() {
            let zone = self.arena.names().zone(self.arena.slot(index), &self.rules);
            if zone.as_deref() != Some(&*status.zone) {
                continue;
            }
            // A detector that fails here fails on the next reading too, and is reported with it.
            let _ = self.reconcile(index, None, self.clock, None, effects);
            self.unsaved.urge(index);
            self.schedule(index, self.arena.slot(index).heard);
        }
    }

    /// Keeps a status; whether it is new.
    fn note(&mut self, status: &AreaStatus) -> bool {
        let AreaStatus { zone, cause, from, to } = status;
        let outage = Outage { from: *from, to: *to };
        self.arena.names_mut().set_outage(zone, *cause, outage)
    }
}
