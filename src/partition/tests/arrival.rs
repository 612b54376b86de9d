//! However readings come within the lateness that is allowed, the alerts end as if they had come in order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::{DAY, MINUTE};

/// A reading of a home, and when it comes.
#[derive(Clone, Debug)]
struct Delivered {
    record: Record,
    at: EventTime,
}

/// How readings come.
#[derive(Clone, Debug)]
enum Way {
    /// Once in so many hours, in order.
    Batches(u32),
    /// Once in so many hours, in any order.
    Shuffled(u32, Vec<u32>),
    /// Each so many hours late.
    Late(Vec<u32>),
}

#[derive(Clone, Debug)]
struct Story {
    /// Litres of each hour; those that are lost have none.
    hours: Vec<Option<f64>>,
    is_register: bool,
    way: Way,
    /// Which readings come a second time, and how many hours later.
    again: Vec<(usize, u32)>,
}

fn stories() -> impl Strategy<Value = Story> {
    let stretch = prop_oneof![
        3 => (1usize..20).prop_map(|hours| vec![Some(0.0); hours]),
        3 => prop::collection::vec((1u32..900).prop_map(|tenths| Some(f64::from(tenths) / 10.0)), 1..4),
        1 => (20usize..40).prop_map(|hours| (0..hours).map(|hour| Some(if hour % 5 == 0 { 15.0 } else { 4.0 })).collect()),
        1 => (1usize..30).prop_map(|hours| vec![None; hours]),
    ];
    let lots = || prop::collection::vec(0u32..44, 240);
    let way = prop_oneof![
        prop_oneof![Just(6u32), Just(24)].prop_map(Way::Batches),
        (prop_oneof![Just(6u32), Just(24)], lots()).prop_map(|(hours, order)| Way::Shuffled(hours, order)),
        lots().prop_map(Way::Late),
    ];
    let hours = prop::collection::vec(stretch, 4..14).prop_map(|stretches| {
        let mut hours = stretches.concat();
        hours.truncate(200);
        // The first reading says where the home's readings begin.
        hours.insert(0, Some(5.0));
        hours
    });
    let again = prop::collection::vec((0usize..200, 0u32..40), 0..12);
    (hours, any::<bool>(), way, again).prop_map(|(hours, is_register, way, again)| Story {
        hours,
        is_register,
        way,
        again,
    })
}

impl Story {
    /// The readings, each delivered as soon as it is measured.
    fn in_order(&self) -> Vec<Delivered> {
        let mut index = 1_000.0;
        let known = (0..).zip(&self.hours).filter_map(|(place, litres)| {
            index += litres.unwrap_or(2.0);
            let field = match (*litres)? {
                _ if self.is_register => format!(r#""meter_id":"m","register_litres":{index:.1}"#),
                litres => format!(r#""meter_id":"m","volume_litres":{litres}"#),
            };
            Some(Delivered {
                record: with("home", place, &field),
                at: at(place + 1),
            })
        });
        known.collect()
    }

    /// The same, as they come.
    fn delivered(&self) -> Vec<Delivered> {
        let mut all = self.in_order();
        let next = |at: EventTime, hours: u32| {
            let step = hours * HOUR;
            EventTime::from_seconds(at.seconds().div_ceil(step) * step)
        };
        let first = all[0].clone();
        match &self.way {
            Way::Batches(hours) => all.iter_mut().for_each(|one| one.at = next(one.at, *hours)),
            Way::Shuffled(hours, order) => {
                for (one, lot) in all.iter_mut().zip(order.iter().cycle()) {
                    one.at = next(one.at, *hours).plus(lot % 20 * MINUTE);
                }
            }
            Way::Late(hours) => {
                for (one, late) in all.iter_mut().zip(hours.iter().cycle()) {
                    one.at = one.at.plus(late * HOUR);
                }
            }
        }
        // Where a home's readings begin is known from the first that comes.
        all[0] = first;
        let again = self.again.iter().filter_map(|(place, later)| {
            let mut one = all.get(*place)?.clone();
            one.at = one.at.plus(later * HOUR);
            Some(one)
        });
        let again: Vec<_> = again.collect();
        all.extend(again);
        all.sort_by_key(|one| one.at);
        all
    }
}

/// What is open after all has come, and how grave; of inactivity also since when. Meters that are silent are a matter of
/// arrival. The rule and the time of the last record are not compared: what is said late is said once, with all that has
/// come by then.
fn left_open(delivered: &[Delivered]) -> BTreeMap<AlertKind, (Severity, Option<EventTime>)> {
    let mut partition = Partition::new(rules());
    let mut open = BTreeMap::new();
    for one in delivered {
        let mut record = one.record.clone();
        record.timestamp = Some(one.at);
        let text = String::from_utf8(record.value).expect("text");
        record.value = text
            .replacen('{', &format!(r#"{{"received_at":"{}","#, one.at), 1)
            .into_bytes();
        for decided in apply(&mut partition, std::slice::from_ref(&record)).alerts {
            let alert = decided.alert;
            let since = (alert.kind == AlertKind::Inactivity).then_some(alert.since);
            let said = (alert.severity, since);
            match alert.state {
                AlertState::Resolved => drop(open.remove(&alert.kind)),
                _ => drop(open.insert(alert.kind, said)),
            }
        }
    }
    open.remove(&AlertKind::SilentMeter);
    open
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn alerts_end_as_those_of_ordered_readings(story in stories()) {
        let straight = story.in_order();
        let delivered = story.delivered();
        let latest = delivered.last().expect("readings").at.since(straight.last().expect("readings").at);
        prop_assert!(latest <= 4 * DAY);
        prop_assert_eq!(left_open(&delivered), left_open(&straight));
    }
}
