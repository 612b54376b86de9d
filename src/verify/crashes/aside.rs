//! What is sent beside the readings while they pause: homes, signs, responses and what is said of zones, right and wrong.
//!
//! Nothing says between which readings such a record is taken in, unless nothing else is under way; and records of two
//! topics have no order between them. So each pause has records of one topic.

use std::sync::Arc;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::area::{AreaStatus, Cause, Silence, ZoneRecord, ZoneReport};
use crate::model::{Absence, Consent, DAY, EventTime, HOUR, HomeRecord, InputTopic, Response, partition_of};

/// Homes below which nothing is said of a zone: more than there are. Between partitions reports have no order, and what
/// follows from those of homes would depend on it; so they are written and read, and nothing follows. An outage comes
/// from reports that are sent in a pause.
pub const MIN_HOMES: u32 = 1_000_000;
/// The topics by turns.
const TURNS: [InputTopic; 4] = [
    InputTopic::Responses,
    InputTopic::Homes,
    InputTopic::Signs,
    InputTopic::Zones,
];
/// Records of one pause, of homes that are drawn.
const AT_ONCE: usize = 20;

/// An alert that is open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenAlert {
    pub household: String,
    pub alert_id: String,
}

/// A record to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub topic: InputTopic,
    /// Its partition; `None` for the one where its key belongs.
    pub to: Option<i32>,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// Draws the records of pauses.
pub struct Aside<'a> {
    random: ChaCha8Rng,
    homes: &'a [HomeRecord],
    /// Homes that withdrew their consent.
    gone: Vec<usize>,
    partitions: i32,
    pauses: usize,
}

impl<'a> Aside<'a> {
    pub fn new(seed: u64, homes: &'a [HomeRecord], partitions: i32) -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            homes,
            gone: Vec::new(),
            partitions,
            pauses: 0,
        }
    }

    /// The records of the next pause, when the readings have come to `at` and these alerts are open.
    pub fn pause(&mut self, at: EventTime, open: &[OpenAlert]) -> Vec<Record> {
        let number = self.pauses;
        self.pauses += 1;
        match TURNS[number % TURNS.len()] {
            InputTopic::Responses => self.responses(at, open),
            InputTopic::Homes => self.records_of_homes(at),
            InputTopic::Signs => self.signs(at),
            _ => self.zones(number / TURNS.len(), at),
        }
    }

    fn records_of_homes(&mut self, at: EventTime) -> Vec<Record> {
        let mut records = Vec::new();
        for place in std::mem::take(&mut self.gone) {
            if self.random.random_bool(0.6) {
                // Their consent is given again.
                records.push(home(&self.homes[place]));
            } else {
                self.gone.push(place);
            }
        }
        for _ in 0..AT_ONCE {
            let place = self.random.random_range(0..self.homes.len());
            let own = &self.homes[place];
            let mut changed = own.clone();
            match self.random.random_range(0..9) {
                0 | 1 => {
                    let consent = changed.consent.as_mut();
                    changed.consent = consent.map(|consent| Consent {
                        withdrawn_at: Some(at),
                        ..consent.clone()
                    });
                    self.gone.push(place);
                }
                2 => {
                    self.gone.push(place);
                    records.push(of(InputTopic::Homes, &own.household_id, None));
                    continue;
                }
                3 => changed.consent = None,
                4 => changed.erase = true,
                5 => {
                    let to = Some(at.plus(2 * DAY));
                    changed.absence = Some(Absence { from: at, to });
                }
                6 => changed.absence = Some(Absence { from: at, to: None }),
                7 => changed.programme = Some("nobody's".into()),
                _ => {
                    let value = Some(b"not JSON".to_vec());
                    records.push(of(InputTopic::Homes, &own.household_id, value));
                    continue;
                }
            }
            records.push(home(&changed));
        }
        records
    }

    fn signs(&mut self, at: EventTime) -> Vec<Record> {
        let until = at.plus(9 * HOUR);
        let fields = [
            format!(r#","sign":"door","at":"{at}""#),
            format!(r#","sign":"visit","at":"{at}""#),
            format!(r#","sign":"out","at":"{at}","until":"{until}""#),
            format!(r#","sign":"out","at":"{at}""#),
            format!(r#","sign":"back","at":"{at}""#),
            format!(r#","sign":"smoke","at":"{at}""#),
            r#","sign":"door""#.to_owned(),
        ];
        let draw = |_| {
            let record = self.homes.choose(&mut self.random);
            let household = record.map_or("nobody", |record| &record.household_id);
            let value = match self.random.random_range(0..fields.len() + 2) {
                0 => None,
                1 => Some(br#"{"household_id":"another","sign":"door","at":"2024-01-01T00:00:00Z"}"#.to_vec()),
                which => Some(object(household, &fields[which - 2])),
            };
            of(InputTopic::Signs, household, value)
        };
        (0..AT_ONCE).map(draw).collect()
    }

    /// Responses to alerts that are open, some of them to one twice, and to none.
    fn responses(&mut self, at: EventTime, open: &[OpenAlert]) -> Vec<Record> {
        let mut records = Vec::new();
        for alert in open {
            let OpenAlert { household, alert_id } = alert;
            let times = *[0, 1, 1, 2].choose(&mut self.random).unwrap_or(&1);
            for _ in 0..times {
                let response = Response::ALL.choose(&mut self.random).map_or("", |said| said.name());
                let fields = format!(r#","alert_id":"{alert_id}","response":"{response}","at":"{at}""#);
                records.push(of(InputTopic::Responses, household, Some(object(household, &fields))));
            }
        }
        let household = self.homes.first().map_or("nobody", |record| &record.household_id);
        for fields in [
            format!(r#","alert_id":"of no form","response":"safe","at":"{at}""#),
            format!(r#","alert_id":"0000000000000000","response":"asleep","at":"{at}""#),
        ] {
            let value = Some(object(household, &fields));
            records.push(of(InputTopic::Responses, household, value));
        }
        records.push(of(InputTopic::Responses, household, Some(b"[1,2]".to_vec())));
        records.push(of(InputTopic::Responses, household, None));
        records
    }

    /// An outage of zones that homes live in, told to every partition; and reports of one that nobody lives in, whose
    /// meters fall silent and are heard again.
    fn zones(&mut self, number: usize, at: EventTime) -> Vec<Record> {
        let mut records = Vec::new();
        let zones = self.homes.iter().filter_map(|record| record.zone.as_deref());
        let zones: Vec<&str> = zones.collect();
        let status = AreaStatus {
            zone: zones.choose(&mut self.random).copied().unwrap_or("nowhere").into(),
            cause: *Cause::ALL.choose(&mut self.random).unwrap_or(&Cause::Dry),
            from: at.minus(DAY),
            to: self.random.random_bool(0.5).then_some(at),
        };
        let status = ZoneRecord::Status(status);
        records.extend((0..self.partitions).map(|to| said(&status, to)));
        let zone: Arc<str> = format!("cut-off-{number}").into();
        let responsible = partition_of(zone.as_bytes(), self.partitions.unsigned_abs());
        let responsible = i32::try_from(responsible).unwrap_or(0);
        // A mark is judged two hours later; its zone is new, and nothing is known of other partitions.
        for (hours, overdue) in [(0, MIN_HOMES), (3, MIN_HOMES), (6, 0), (9, 0)] {
            let report = ZoneRecord::Report(ZoneReport {
                zone: Arc::clone(&zone),
                partition: self.partitions.unsigned_abs(),
                at: at.plus(hours * HOUR),
                hours: Vec::new(),
                silence: Silence {
                    active: MIN_HOMES,
                    overdue,
                    last_heard: at.minus(DAY),
                },
            });
            records.push(said(&report, responsible));
        }
        records
    }
}

fn home(record: &HomeRecord) -> Record {
    let value = serde_json::to_vec(record).ok();
    of(InputTopic::Homes, &record.household_id, value)
}

fn of(topic: InputTopic, household: &str, value: Option<Vec<u8>>) -> Record {
    let (to, key) = (None, household.as_bytes().to_vec());
    Record { topic, to, key, value }
}

fn said(said: &ZoneRecord, to: i32) -> Record {
    Record {
        topic: InputTopic::Zones,
        to: Some(to),
        key: said.key().into_bytes(),
        value: Some(said.value()),
    }
}

fn object(household: &str, fields: &str) -> Vec<u8> {
    format!(r#"{{"household_id":"{household}"{fields}}}"#).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::AreaSettings;
    use crate::model::RawRecord;
    use crate::partition::{ConsentRule, Effects, Partition, Rules};

    /// Something of every kind follows from the records of a few pauses, and some of each topic are refused.
    #[test]
    fn pauses_have_what_is_allowed_and_what_is_not() {
        let begin = EventTime::from_seconds(1_704_067_200);
        let homes: Vec<HomeRecord> = (0..40)
            .map(|number| HomeRecord {
                household_id: format!("h-{number}"),
                zone: Some("block".into()),
                consent: Some(Consent::given("welfare", begin)),
                ..HomeRecord::default()
            })
            .collect();
        let rules = Rules {
            consent: ConsentRule::Required,
            area: AreaSettings {
                min_homes: MIN_HOMES,
                ..AreaSettings::default()
            },
            ..Rules::default()
        };
        let mut partition = Partition::new(Arc::new(rules));
        let mut aside = Aside::new(1, &homes, 1);
        let mut take = |record: &Record| -> Effects {
            let raw = RawRecord {
                offset: 0,
                timestamp: None,
                key: Some(&record.key),
                value: record.value.as_deref(),
            };
            partition.take_beside(record.topic, &raw)
        };
        for record in &homes {
            assert_eq!(take(&home(record)).dead_letters, []);
        }
        let (mut refused, mut withdrawn, mut areas, mut statuses, mut signs) = ([0; 5], 0, 0, 0, 0);
        for number in 0..12 {
            for record in aside.pause(begin.plus(number * DAY), &[]) {
                assert_ne!(record.topic, InputTopic::Readings);
                let effects = take(&record);
                refused[record.topic as usize] += effects.dead_letters.len();
                withdrawn += effects.withdrawals.len();
                areas += effects.area_alerts.len();
                statuses += effects.zone_statuses.len();
                signs += effects.counts.signs;
            }
        }
        assert!(refused[1..4].iter().all(|count| *count > 3), "{refused:?}");
        assert_eq!(refused[InputTopic::Zones as usize], 0);
        assert!(withdrawn > 5 && signs > 5, "{withdrawn} {signs}");
        assert_eq!((areas, statuses), (6, 6), "each outage begins and ends");
    }
}
