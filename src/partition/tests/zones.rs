//! Zones: what a partition says of them, and what it does when it is told.

use std::sync::Arc;

use super::*;
use crate::area::{AreaAlert, AreaStatus, Cause, Silence, ZoneRecord, ZoneReport};
use crate::model::partition_of;

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
        partition.set_place(5, 8);
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
        let recovered = recovery.finish(cut as i64, before.clock()).expect("a partition");
        let (mut after, effects) = (recovered.state, recovered.effects);
        assert_eq!(effects.zone_reports, []);
        said.extend(reports(&mut after, &log[cut..], 50));
        // How often a meter delivers is not kept with its home yet; what it uses is.
        let hours = |reports: &[ZoneReport]| -> Vec<_> {
            reports.iter().map(|report| (report.at, report.hours.clone())).collect()
        };
        assert_eq!(hours(&said), hours(&all), "cut at {cut}");
    }
}

/// Two partitions with homes of one zone; the first is responsible for it.
struct Cluster {
    partitions: [Partition; 2],
    alerts: Vec<AreaAlert>,
    /// What each has taken in of the zones topic.
    taken: [Vec<ZoneRecord>; 2],
    /// What is stored of each, by key.
    stored: [BTreeMap<Box<str>, Vec<u8>>; 2],
}

impl Cluster {
    fn settled() -> Self {
        let mut cluster = Self {
            partitions: [Partition::new(rules()), Partition::new(rules())],
            alerts: Vec::new(),
            taken: Default::default(),
            stored: Default::default(),
        };
        for (number, partition) in cluster.partitions.iter_mut().enumerate() {
            partition.set_place(number as u32, 2);
            settle(partition, 40, "z");
        }
        cluster
    }

    fn take(&mut self, partition: usize, record: &ZoneRecord) -> Effects {
        self.taken[partition].push(record.clone());
        self.partitions[partition].take_zone_record(record)
    }

    /// Commits what a partition has done, and rebuilds it from that; with what was said of zones, or without.
    fn restart(&mut self, partition: usize, keeps_zones: bool) {
        let before = &mut self.partitions[partition];
        let stamp = Stamp {
            deployment: 1,
            offset: before.next_offset(),
        };
        for checkpoint in before.checkpoints(stamp, i64::MAX) {
            let bytes = checkpoint.bytes.expect("nothing is removed");
            self.stored[partition].insert(checkpoint.household, bytes);
        }
        let mut recovery = Recovery::new(rules()).of(partition as u32, 2);
        for (key, bytes) in &self.stored[partition] {
            if keeps_zones || !key.starts_with(ZONE_KEY) {
                assert_eq!(recovery.stored(key, Some(bytes), 1), StoredOutcome::Taken);
            }
        }
        recovery.begin(Some(before.replay_point()), 0);
        for said in &self.taken[partition] {
            let (key, value) = (said.key(), said.value());
            let record = RawRecord {
                offset: 0,
                timestamp: None,
                key: Some(key.as_bytes()),
                value: Some(&value),
            };
            recovery.zone(&record);
        }
        let (until, clock) = (before.next_offset(), before.clock());
        let recovered = recovery.finish(until, clock).expect("a partition");
        let (after, effects) = (recovered.state, recovered.effects);
        assert!(!effects.speaks());
        self.partitions[partition] = after;
    }

    fn hour(&mut self, logs: [&[Record]; 2]) {
        let mut records = Vec::new();
        for (partition, log) in self.partitions.iter_mut().zip(logs) {
            records.extend(apply(partition, log).zone_reports.into_iter().map(ZoneRecord::Report));
        }
        for record in records {
            let effects = self.take(0, &record);
            self.alerts.extend(effects.area_alerts);
            for status in effects.zone_statuses {
                let told = ZoneRecord::Status(status);
                for partition in 0..2 {
                    self.take(partition, &told);
                }
            }
        }
    }
}

#[test]
fn partitions_find_an_outage_together_and_every_one_hears_of_it() {
    let dry = 250..262;
    let (first, second) = (readings(0..20, &dry), readings(20..40, &dry));
    assert_eq!(partition_of(b"z", 2), 0);
    let mut cluster = Cluster::settled();
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
}

#[test]
fn after_a_restart_in_the_midst_of_an_outage_nothing_is_said_twice() {
    let dry = 250..262;
    let (first, second) = (readings(0..20, &dry), readings(20..40, &dry));
    let story = |restarts: std::ops::Range<usize>, keeps_zones: bool| {
        let mut cluster = Cluster::settled();
        for (number, logs) in first.chunks(20).zip(second.chunks(20)).enumerate() {
            if restarts.contains(&number) {
                cluster.restart(number % 2, keeps_zones);
            }
            cluster.hour([logs.0, logs.1]);
        }
        (
            cluster.alerts,
            [0, 1].map(|of| cluster.partitions[of].outage("z", Cause::Dry)),
        )
    };
    let truth = story(0..0, true);
    assert_eq!(truth.0.len(), 2);
    assert_eq!(story(245..266, true), truth);
    assert_ne!(story(256..258, false), truth, "what was said must be stored");
}

fn raw<'a>(key: Option<&'a str>, value: Option<&'a [u8]>) -> RawRecord<'a> {
    RawRecord {
        offset: 7,
        timestamp: None,
        key: key.map(str::as_bytes),
        value,
    }
}

#[test]
fn what_is_no_word_on_a_zone_is_a_dead_letter() {
    let report = |zone: &str| {
        ZoneRecord::Report(ZoneReport {
            zone: zone.into(),
            partition: 0,
            at: at(20),
            hours: Vec::new(),
            silence: Silence::default(),
        })
    };
    let elsewhere = ["a", "b", "c", "d"]
        .into_iter()
        .find(|zone| partition_of(zone.as_bytes(), 2) == 1)
        .expect("one of them");
    let (ours, theirs) = (report("z"), report(elsewhere));
    let mut partition = Partition::new(rules());
    partition.set_place(0, 2);
    let mut reason = |key: Option<&str>, value: Option<&[u8]>| {
        let effects = partition.take_beside(InputTopic::Zones, &raw(key, value));
        let letter = effects.dead_letters.first()?;
        assert_eq!((letter.topic, letter.offset), (InputTopic::Zones, 7));
        Some(letter.reason)
    };
    assert_eq!(reason(Some(&ours.key()), Some(&ours.value())), None);
    assert_eq!(reason(Some("z/1"), Some(&ours.value())), Some("bad_value"));
    assert_eq!(reason(Some(&theirs.key()), Some(&theirs.value())), Some("bad_value"));
    assert_eq!(reason(Some("z/0"), Some(b"{\"report\":")), Some("bad_value"));
    assert_eq!(reason(Some("z/0"), None), Some("no_payload"));
    assert_eq!(reason(None, Some(&ours.value())), Some("no_key"));
}

#[test]
fn what_was_said_of_a_zone_is_of_its_deployment_and_no_home() {
    let mut partition = Partition::new(rules());
    let overdue = |at: EventTime| {
        ZoneRecord::Report(ZoneReport {
            zone: "z".into(),
            partition: 0,
            at,
            hours: Vec::new(),
            silence: Silence {
                active: 30,
                overdue: 30,
                last_heard: super::at(17),
            },
        })
    };
    for number in 20..24 {
        partition.take_zone_record(&overdue(at(number)));
    }
    assert_eq!(partition.urgent_homes(), 1);
    let stamp = Stamp {
        deployment: 1,
        offset: 0,
    };
    let stored = partition.checkpoints(stamp, 0);
    assert_eq!((stored.len(), partition.urgent_homes()), (1, 0));
    assert_eq!(&*stored[0].household, "\0zone/z");
    let bytes = stored[0].bytes.as_deref().expect("it is kept");
    let said = StoredZone::read(bytes).expect("its own bytes").said;
    assert_eq!(
        said.silent.map(|silent| (silent.from, silent.is_open)),
        Some((at(17), true))
    );
    let mut recovery = Recovery::new(rules());
    let key = &stored[0].household;
    let foreign = recovery.stored(key, Some(bytes), 2);
    assert_eq!(foreign, StoredOutcome::Foreign { deployment: 1 });
    assert!(matches!(
        recovery.stored(key, Some(&bytes[1..]), 1),
        StoredOutcome::Unreadable(_)
    ));
    assert_eq!(recovery.stored(key, Some(bytes), 1), StoredOutcome::Taken);
    assert_eq!((recovery.stored_homes(), recovery.unreadable()), (0, 0));
}

fn told(cause: Cause, from: u32, to: Option<u32>) -> ZoneRecord {
    ZoneRecord::Status(AreaStatus {
        zone: "z".into(),
        cause,
        from: at(from),
        to: to.map(at),
    })
}

#[test]
fn meters_that_fall_silent_with_their_zone_are_reported_when_they_stay_silent_after_it() {
    let mut rules = Rules::clone(&rules());
    rules.zone = Some("z".into());
    let fresh = || {
        let mut partition = Partition::new(Arc::new(rules.clone()));
        apply(&mut partition, &[hour("h", 0, 7.0)]);
        partition
    };
    let silent_at = |partition: &mut Partition| {
        let alerts = partition.advance(at(200)).alerts;
        let raised = alerts
            .into_iter()
            .find(|decided| decided.alert.kind == AlertKind::SilentMeter);
        raised.map(|decided| decided.alert.detected_at)
    };
    assert_eq!(silent_at(&mut fresh()), Some(at(27)));
    let mut ended = fresh();
    ended.take_zone_record(&told(Cause::Silent, 2, None));
    ended.advance(at(40));
    ended.take_zone_record(&told(Cause::Silent, 2, Some(41)));
    assert_eq!(silent_at(&mut ended), Some(at(41 + 26)));
    // Nobody says that it is over: it does not hold for ever.
    let mut forgotten = fresh();
    forgotten.take_zone_record(&told(Cause::Silent, 2, None));
    assert_eq!(silent_at(&mut forgotten), Some(at(2 + 48 + 4 + 26)));
    // One that was silent before the others stays reported; one that was reported with them is not any more.
    let states = |from| {
        let mut partition = fresh();
        let mut alerts = partition.advance(at(30)).alerts;
        alerts.extend(partition.take_zone_record(&told(Cause::Silent, from, None)).alerts);
        let said = alerts
            .into_iter()
            .map(|decided| (decided.alert.state, decided.alert.reason));
        said.collect::<Vec<_>>()
    };
    let raised = (AlertState::Raised, "no_readings".to_owned());
    assert_eq!(states(28), std::slice::from_ref(&raised));
    assert_eq!(states(2), [raised, (AlertState::Resolved, "zone_silent".to_owned())]);
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

#[test]
fn when_the_head_end_dies_the_zone_is_reported_and_no_meter_alone_though_nobody_stated_their_rhythm() {
    let mut partition = Partition::new(rules());
    for home in 0..60 {
        let record = HomeRecord {
            household_id: format!("h{home}"),
            zone: Some("z".into()),
            ..HomeRecord::default()
        };
        partition
            .set_home(&record.household_id, Some(&record))
            .expect("known names");
    }
    let (mut alerts, mut zones) = (Vec::new(), Vec::new());
    let mut hear = |partition: &mut Partition, effects: Effects| {
        let mut records: Vec<_> = effects.zone_reports.into_iter().map(ZoneRecord::Report).collect();
        alerts.extend(effects.alerts);
        while let Some(record) = records.pop() {
            let effects = partition.take_zone_record(&record);
            records.extend(effects.zone_statuses.into_iter().map(ZoneRecord::Status));
            zones.extend(effects.area_alerts);
            alerts.extend(effects.alerts);
        }
    };
    let log = readings(0..60, &(0..0));
    for (number, hour) in (1..).zip(log.chunks(60)) {
        let lives = !(200..230).contains(&number);
        let effects = if lives {
            apply(&mut partition, hour)
        } else {
            partition.advance(at(number))
        };
        hear(&mut partition, effects);
        // The zone is judged at its mark, and what follows from it is heard before the next.
        let effects = partition.advance(at(number).plus(HOUR / 2));
        hear(&mut partition, effects);
    }
    let said: Vec<_> = zones.iter().map(|alert| (alert.cause, alert.state)).collect();
    assert_eq!(
        said,
        [
            (Cause::Silent, AlertState::Raised),
            (Cause::Silent, AlertState::Resolved)
        ]
    );
    let hours = zones[0].decided_at.since(at(200)) / HOUR;
    assert!(hours <= 2, "seen after {hours} h");
    let silent = alerts.iter().filter(|told| told.alert.kind == AlertKind::SilentMeter);
    assert_eq!(silent.count(), 0);
}
