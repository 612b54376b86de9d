//! Zones: what a partition says of them, and what it does when it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::area::{AreaAlert, AreaStatus, Cause, ZoneRecord, ZoneReport};

/// Days of the logs: a week of past, and more.
const DAYS: u32 = 12;

fn settle(partition: &mut Partition, homes: u32, zone: &str) {
    for home in 0..homes {
        let record = HomeRecord {
            household_id: format!("h{home}"),
            zone: Some(zone.into()),
            upload_seconds: Some(HOUR),
            ..HomeRecord::default()
        };
        partition
            .set_home(&record.household_id, Some(&record))
            .expect("known names");
    }
}

/// Every home uses water in two hours of three but in `dry`.
fn readings(homes: std::ops::Range<u32>, dry: &std::ops::Range<u32>) -> Vec<Record> {
    let mut log = Vec::new();
    for number in 0..DAYS * 24 {
        for home in homes.clone() {
            let litres = if (number + home) % 3 == 0 || dry.contains(&number) {
                0.0
            } else {
                7.0
            };
            log.push(hour(&format!("h{home}"), number, litres));
        }
    }
    log
}

fn reports(partition: &mut Partition, log: &[Record], batch: usize) -> Vec<ZoneReport> {
    log.chunks(batch)
        .flat_map(|part| apply(partition, part).zone_reports)
        .collect()
}

#[test]
fn a_zone_is_reported_once_an_hour_wherever_the_log_is_cut() {
    let log = readings(0..3, &(0..0));
    let fresh = || {
        let mut partition = Partition::new(rules());
        partition.set_number(5);
        settle(&mut partition, 3, "z");
        partition
    };
    let all = reports(&mut fresh(), &log, log.len());
    // From the first mark after the first arrival to the last before the last.
    assert_eq!(all.len(), DAYS as usize * 24 - 1);
    assert!(all.windows(2).all(|pair| pair[1].at == pair[0].at.plus(HOUR)));
    let last = all.last().expect("they report");
    assert_eq!((&*last.zone, last.partition, last.silence.active), ("z", 5, 3));
    assert_eq!(last.hours.last().map(|hour| hour.homes), Some(3));
    for batch in [1, 7, 100] {
        assert_eq!(reports(&mut fresh(), &log, batch), all);
    }
    let mut without = Rules::clone(&rules());
    without.area.enabled = false;
    let mut partition = Partition::new(Arc::new(without));
    settle(&mut partition, 3, "z");
    assert_eq!(reports(&mut partition, &log, log.len()), []);
}

#[test]
fn homes_without_a_zone_are_in_no_report() {
    let mut partition = Partition::new(rules());
    assert_eq!(reports(&mut partition, &readings(0..3, &(0..0)), 100), []);
}

#[test]
fn a_restart_neither_repeats_a_report_nor_leaves_one_out() {
    let log = readings(0..3, &(100..110));
    let mut truth = Partition::new(rules());
    settle(&mut truth, 3, "z");
    let all = reports(&mut truth, &log, log.len());
    for cut in [300, 433, 600] {
        let mut before = Partition::new(rules());
        settle(&mut before, 3, "z");
        let mut said = reports(&mut before, &log[..cut], 50);
        let stamp = Stamp {
            deployment: 1,
            offset: before.next_offset(),
        };
        let mut recovery = Recovery::new(rules());
        for checkpoint in before.checkpoints(stamp, i64::MAX) {
            recovery.stored(&checkpoint.household, checkpoint.bytes.as_deref(), 1);
        }
        recovery.begin(Some(before.replay_point()), 0);
        let (mut after, effects) = recovery.finish(cut as i64, before.clock()).expect("a partition");
        assert_eq!(effects.zone_reports, []);
        said.extend(reports(&mut after, &log[cut..], 50));
        // How often a meter delivers is not kept with its home yet; what it uses is.
        let hours = |reports: &[ZoneReport]| -> Vec<_> {
            reports.iter().map(|report| (report.at, report.hours.clone())).collect()
        };
        assert_eq!(hours(&said), hours(&all), "cut at {cut}");
    }
}

/// Two partitions with homes of one zone; the second is responsible for it.
struct Cluster {
    partitions: [Partition; 2],
    alerts: Vec<AreaAlert>,
    stored: BTreeMap<Arc<str>, Vec<u8>>,
}

impl Cluster {
    fn hour(&mut self, logs: [&[Record]; 2]) {
        let mut records = Vec::new();
        for (partition, log) in self.partitions.iter_mut().zip(logs) {
            records.extend(apply(partition, log).zone_reports.into_iter().map(ZoneRecord::Report));
        }
        for record in records {
            let effects = self.partitions[1].take_zone_record(&record);
            for alert in effects.area_alerts {
                let state = self.partitions[1].zone_state(&alert.zone);
                self.stored.insert(alert.zone.clone(), state);
                self.alerts.push(alert);
            }
            for status in effects.zone_statuses {
                let told = ZoneRecord::Status(status);
                for partition in &mut self.partitions {
                    partition.take_zone_record(&told);
                }
            }
        }
    }
}

#[test]
fn partitions_find_an_outage_together_and_every_one_hears_of_it() {
    let dry = 250..262;
    let (first, second) = (readings(0..20, &dry), readings(20..40, &dry));
    let mut cluster = Cluster {
        partitions: [Partition::new(rules()), Partition::new(rules())],
        alerts: Vec::new(),
        stored: BTreeMap::new(),
    };
    for (number, partition) in cluster.partitions.iter_mut().enumerate() {
        partition.set_number(number as u32);
        settle(partition, 40, "z");
    }
    let mut seen_open = false;
    for (number, logs) in first.chunks(20).zip(second.chunks(20)).enumerate() {
        cluster.hour([logs.0, logs.1]);
        let outages = [0, 1].map(|of| cluster.partitions[of].outage("z", Cause::Dry));
        assert_eq!(outages[0], outages[1], "hour {number}");
        if outages[0].is_some_and(|outage| outage.to.is_none()) {
            assert!(
                (dry.start as usize + 1..dry.end as usize + 2).contains(&number),
                "hour {number}"
            );
            seen_open = true;
        }
    }
    assert!(seen_open);
    let states: Vec<_> = cluster.alerts.iter().map(|alert| alert.state).collect();
    assert_eq!(states, [AlertState::Raised, AlertState::Resolved]);
    let outage = cluster.partitions[0].outage("z", Cause::Dry).expect("it was told");
    assert_eq!((outage.from, outage.to), (at(250), Some(at(262))));
    assert_eq!(cluster.partitions[0].outage("z", Cause::Silent), None);
    let mut again = Partition::new(rules());
    again.restore_zone("z", &cluster.stored["z"]).expect("it was stored");
    assert_eq!(again.zone_state("z"), cluster.stored["z"]);
}

#[test]
fn the_homes_of_a_zone_are_stored_when_its_status_changes_and_others_are_not() {
    let mut partition = Partition::new(rules());
    settle(&mut partition, 3, "z");
    partition.set_home("elsewhere", None).expect("known names");
    apply(&mut partition, &readings(0..3, &(0..0)));
    partition.checkpoints(Stamp::default(), i64::MAX);
    assert_eq!(partition.urgent_homes(), 0);
    let status = ZoneRecord::Status(AreaStatus {
        zone: "z".into(),
        cause: Cause::Dry,
        from: at(200),
        to: None,
    });
    partition.take_zone_record(&status);
    assert_eq!(partition.urgent_homes(), 3);
    partition.checkpoints(Stamp::default(), 0);
    partition.take_zone_record(&status);
    assert_eq!(partition.urgent_homes(), 0, "it is known already");
}
