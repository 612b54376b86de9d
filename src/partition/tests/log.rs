//! Whole logs: cut into batches, replayed, damaged.

use proptest::prelude::*;

use super::*;
use crate::model::DeadLetter;

/// A log of a few homes with uses, zeros, a leak, losses, delays, duplicates, estimates and rubbish.
pub fn logs() -> impl Strategy<Value = Vec<Record>> {
    let step = prop_oneof![
        8 => Just(0u8), // dry
        3 => Just(1),   // use
        2 => Just(2),   // lost
        1 => Just(3),   // late
        1 => Just(4),   // twice
        1 => Just(5),   // estimated
        1 => Just(6),   // rubbish
        1 => Just(7),   // a long silence
        1 => Just(8),   // faulty, and the meter says why
        1 => Just(9),   // more than any home is supplied with
    ];
    let home = (
        prop::collection::vec(step, 1..70),
        0u32..5,
        any::<bool>(),
        any::<bool>(),
    );
    prop::collection::vec(home, 1..5).prop_map(|homes| {
        let mut log: Vec<(u32, Record)> = Vec::new();
        for (number, (steps, first, leaks, two)) in homes.into_iter().enumerate() {
            let id = format!("h{number}");
            let mut place = first;
            for step in steps {
                let leak = if leaks { 4.0 } else { 0.0 };
                if step == 7 {
                    place += 30;
                }
                let meters: &[&str] = if two { &["hot", "cold"] } else { &[&id] };
                for meter in meters {
                    let made = meter_hour(&id, meter, place, leak + if step == 1 { 20.0 } else { 0.0 });
                    let end = 2 * (place + 1);
                    match step {
                        2 => {}
                        3 => log.push((
                            end + 9,
                            Record {
                                timestamp: Some(at(place + 5)),
                                ..made
                            },
                        )),
                        4 => log.extend([(end, made.clone()), (end + 1, made)]),
                        5 => log.push((end, with(&id, place, r#""volume_litres":3,"quality":"estimated""#))),
                        8 => log.push((
                            end,
                            with(&id, place, r#""quality":"faulty","flags":["tamper","reverse_flow"]"#),
                        )),
                        9 => log.push((end, with(&id, place, r#""volume_litres":90000"#))),
                        6 => log.push((
                            end,
                            Record {
                                value: made.value[..20].to_vec(),
                                ..made
                            },
                        )),
                        _ => log.push((end, made)),
                    }
                }
                place += 1;
            }
        }
        log.sort_by_key(|(at, _)| *at);
        log.into_iter().map(|(_, record)| record).collect()
    })
}

/// What shows outside, whatever the batches were.
fn outside(all: &[Effects]) -> (Vec<Decided>, Vec<DeadLetter>, Counts, u64) {
    let mut counts = Counts::default();
    all.iter().for_each(|effects| counts.add(&effects.counts));
    (
        all.iter().flat_map(|effects| effects.alerts.clone()).collect(),
        all.iter().flat_map(|effects| effects.dead_letters.clone()).collect(),
        counts,
        all.iter().map(|effects| effects.records).sum(),
    )
}

pub fn states(partition: &Partition) -> Vec<(String, Vec<u8>)> {
    let slots = 0..partition.arena().len() as u32;
    let mut states: Vec<_> = slots
        .map(|slot| (partition.arena().id(slot).to_owned(), partition.snapshot(slot)))
        .collect();
    states.sort();
    states
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn cutting_a_log_into_other_batches_changes_nothing(log in logs(), cuts in prop::collection::vec(1usize..30, 60)) {
        let mut whole = Partition::new(rules());
        let straight = apply(&mut whole, &log);
        let mut cut = Partition::new(rules());
        let (mut rest, mut all) = (&log[..], Vec::new());
        for size in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (batch, left) = rest.split_at((*size).min(rest.len()));
            all.push(apply(&mut cut, batch));
            // A tick of the wall clock that says nothing new, and a batch that comes again.
            all.push(cut.advance(cut.clock()));
            let seen = cut.apply(batch.iter().map(|record| RawRecord {
                offset: 0, timestamp: record.timestamp, key: Some(&record.key), value: Some(&record.value),
            }));
            prop_assert_eq!((seen.records, seen.alerts.len()), (0, 0));
            rest = left;
        }
        prop_assert_eq!(outside(&[straight]), outside(&all));
        prop_assert_eq!(states(&whole), states(&cut));
    }

    /// No home has two open alerts of a kind, records of one alert count up, and no record's id comes twice.
    #[test]
    fn alerts_have_one_life_each(log in logs()) {
        let mut partition = Partition::new(rules());
        let effects = apply(&mut partition, &log);
        let mut open = BTreeMap::new();
        let mut ids = std::collections::BTreeSet::new();
        for Decided { alert, .. } in &effects.alerts {
            let key = (alert.household_id.clone(), alert.kind);
            let before = open.get(&key).cloned().flatten();
            if alert.state == AlertState::Raised {
                prop_assert_eq!(before, None, "{:?} is open already", key);
            } else {
                prop_assert_eq!(before, Some((alert.alert_id.clone(), alert.revision - 1)));
            }
            let now = (alert.state != AlertState::Resolved).then(|| (alert.alert_id.clone(), alert.revision));
            open.insert(key, now);
            prop_assert!(ids.insert((alert.alert_id.clone(), alert.revision)), "{alert:?} twice");
            prop_assert!(alert.since <= alert.detected_at && alert.detected_at <= alert.decided_at, "{alert:?}");
            prop_assert!(!alert.reason.is_empty() && !alert.text.en.is_empty() && !alert.text.zh.is_empty());
        }
        for kind in KINDS {
            let count = open.iter().filter(|(key, alert)| key.1 == *kind && alert.is_some()).count();
            prop_assert_eq!(partition.open_alerts(*kind), count);
        }
    }

    /// A home is called dry only for hours of which every one was measured.
    #[test]
    fn no_inactivity_is_raised_over_hours_that_were_not_measured(log in logs()) {
        let mut partition = Partition::new(rules());
        let mut measured = std::collections::BTreeSet::new();
        for record in &log {
            let text = String::from_utf8_lossy(&record.value);
            let whole: Option<serde_json::Value> = serde_json::from_str(&text).ok();
            if let Some(reading) = whole.filter(|reading| reading.get("quality").is_none()) {
                let start: EventTime = reading["timestamp"].as_str().expect("a time").parse().expect("a time");
                measured.insert((reading["household_id"].as_str().expect("an id").to_owned(), start.hour()));
            }
            for Decided { alert, .. } in apply(&mut partition, std::slice::from_ref(record)).alerts {
                if alert.kind == AlertKind::Inactivity && alert.state == AlertState::Raised {
                    for hour in alert.since.hour()..alert.detected_at.hour() {
                        prop_assert!(measured.contains(&(alert.household_id.to_string(), hour)), "{alert:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_taken_or_become_dead_letters(
        records in prop::collection::vec((prop::option::of(prop::collection::vec(any::<u8>(), 0..4)),
            prop::option::of(prop::collection::vec(any::<u8>(), 0..60)), any::<Option<u32>>()), 1..20),
        at in 0usize..100, byte in any::<u8>(),
    ) {
        let mut damaged = hour("h1", 3, 1.5);
        let place = at % damaged.value.len();
        damaged.value[place] = byte;
        let mut partition = Partition::new(rules());
        let good = hour("h1", 2, 1.5);
        let effects = partition.apply((0i64..).zip(&records).map(|(offset, (key, value, time))| RawRecord {
            offset, timestamp: time.map(EventTime::from_seconds), key: key.as_deref(), value: value.as_deref(),
        }));
        prop_assert_eq!(effects.dead_letters.len(), records.len());
        for (letter, (key, value, _)) in effects.dead_letters.iter().zip(&records) {
            prop_assert_eq!((&letter.key, &letter.value), (key, value), "whole, as received");
        }
        let effects = apply(&mut partition, &[good, damaged]);
        prop_assert_eq!(effects.records, 2);
        let taken: u64 = effects.counts.readings().map(|(_, count)| count).sum();
        prop_assert_eq!(taken + effects.dead_letters.len() as u64, 2);
    }
}
