//! Teaches the pooled table of the learned rule: how dry spells of many homes end, by the hour at which they begin.

use std::sync::Arc;

use jiff::tz::TimeZone;
use ndarray::Array2;

use crate::detect::inactivity::learned::{ABSENCE_HOURS, Counts, LocalHours, Prior, visit_starts};
use crate::history::{History, arrival};
use crate::home::{ROUTINE_HOURS, Routine};
use crate::model::{HOUR, HomeRecord, RawRecord};
use crate::partition::{Partition, Rules};

/// Counts of spells of many homes.
pub struct Teacher {
    by_hour: Vec<Counts>,
}

/// Spells that an hour of the day borrows from the hours beside it, so that a rare hour is not learnt from noise.
const NEIGHBOURS: [f64; 3] = [1.0, 0.5, 0.2];

impl Default for Teacher {
    fn default() -> Self {
        Self {
            by_hour: vec![Counts::default(); 24],
        }
    }
}

impl Teacher {
    /// Adds the spells of one home's last sixty days; its weight is 1 in all, so that a busy home does not speak for a quiet one.
    pub fn add(&mut self, routine: &Routine, zone: &TimeZone) {
        let mut starts: f64 = 0.0;
        visit_starts(routine, |_, _, _| starts += 1.0);
        if starts < 50.0 {
            return; // An empty flat, or too few days to tell.
        }
        let mut local = LocalHours::new(zone);
        visit_starts(routine, |start, hours, end| {
            self.by_hour[local.at(start)].add(hours, end, 1.0 / starts)
        });
    }

    /// Runs readings that are sorted by arrival through the core, and adds every home's spells each sixty days.
    pub fn add_history(&mut self, history: &History, homes: &[HomeRecord], rules: &Arc<Rules>) {
        let mut partition = Partition::new(Arc::clone(rules));
        for home in homes {
            // A home whose record names what does not exist is learnt from in the default time zone.
            let _ = partition.set_home(&home.household_id, Some(home));
        }
        let mut taught = history.rows.first().map(arrival).unwrap_or_default();
        let mut payload = Vec::new();
        for (offset, row) in (0..).zip(&history.rows) {
            let time = arrival(row);
            if time.since(taught) >= ROUTINE_HOURS * HOUR {
                self.add_partition(&partition);
                taught = time;
            }
            payload.clear();
            history.json(row, &mut payload);
            let key = Some(history.name(row).household.as_bytes());
            partition.apply([RawRecord {
                offset,
                timestamp: Some(time),
                key,
                value: Some(&payload),
            }]);
        }
        self.add_partition(&partition);
    }

    /// Adds all homes of a partition.
    fn add_partition(&mut self, partition: &Partition) {
        for slot in 0..partition.arena().len() as u32 {
            self.add(partition.arena().usage(slot).routine(), partition.time_zone(slot));
        }
    }

    /// The table.
    pub fn prior(&self, provenance: String) -> Prior {
        let hazards = Array2::from_shape_fn((24, ABSENCE_HOURS), |(hour, dry)| {
            let (mut ended, mut at_risk) = (0.0, 0.0);
            for (other, counts) in self.by_hour.iter().enumerate() {
                let away = other.abs_diff(hour);
                if let Some(weight) = NEIGHBOURS.get(away.min(24 - away)) {
                    ended += weight * counts.ended[dry];
                    at_risk += weight * counts.at_risk[dry];
                }
            }
            // Half a spell of each outcome, scaled as a home is: a table of few homes says nothing for sure.
            let hazard: f64 = (ended + 0.0005) / (at_risk + 0.001);
            (hazard * 1e4).round() / 1e4
        });
        Prior { provenance, hazards }
    }
}
