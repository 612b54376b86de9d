//! Homes that do not exist, and their readings at an even pace with poison among them; now and then they pause, and
//! records are sent beside them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::aside::{Aside, OpenAlert, Record as Beside};
use super::{CrashesError, Order};
use crate::history::{History, Row, arrival};
use crate::kafka::{FeedError, Feeder, Pace, TopicNames};
use crate::model::{EventTime, HomeRecord, InputTopic, Measure};
use crate::simulate::District;

/// One record in so many is poison.
const POISON_ONE_IN: u32 = 80;
/// So many times the readings pause: three times for each topic beside them.
pub const PAUSES: usize = 12;
/// What a broker takes by default, with room for the record around it.
const BROKER_TAKES: usize = 900_000;

/// What is sent.
pub struct Feed {
    pub history: History,
    pub homes: Vec<HomeRecord>,
    seed: u64,
    partitions: i32,
    /// The largest payload that tapwatch accepts as a reading.
    max_payload: usize,
}

impl Feed {
    /// Simulates it. The readings are years old: no clock of the present moves anything.
    pub fn new(order: &Order, max_payload: usize) -> Result<Self, CrashesError> {
        let time_zone = jiff::tz::TimeZone::get("Europe/Madrid");
        let district = District {
            seed: order.seed,
            homes: order.homes,
            days: order.days,
            start: jiff::civil::date(2024, 1, 1),
            interval_seconds: 3_600,
            time_zone: time_zone.map_err(|error| CrashesError::Settings(error.to_string()))?,
            // Many, so that there is always something to be said twice, or lost.
            incidents_per_home_month: 6.0,
        };
        let mut history = district.history().0;
        history.sort_by_arrival();
        Ok(Self {
            history,
            homes: district.home_records(),
            seed: order.seed,
            partitions: order.partitions,
            max_payload,
        })
    }

    /// Puts the homes into their topic, and waits until they are there.
    pub fn send_homes(&self, feeder: &Feeder, topics: &TopicNames) -> Result<(), FeedError> {
        let at = self.history.rows.first().map(arrival).unwrap_or_default();
        feeder.send_homes(&topics.homes, &self.homes, at)
    }

    /// Puts the readings into their topic at an even pace, so that it takes `length` and the pauses. In a pause records
    /// are sent beside them, once `rest` has found that all before is committed; and the readings go on when these are.
    /// Where it does not, or `stop` is set, the feed ends early.
    pub fn send(
        &self,
        feeder: &Feeder,
        topics: &TopicNames,
        length: Duration,
        stop: &AtomicBool,
        rest: &dyn Fn() -> Result<Rest, String>,
    ) -> Result<Sent, FeedError> {
        let (mut random, mut payload) = (ChaCha8Rng::seed_from_u64(self.seed), Vec::new());
        let mut aside = Aside::new(self.seed, &self.homes, self.partitions);
        let (mut sent, topic) = (Sent::default(), &topics.readings);
        let (mut pace, mut paused) = (Pace::default(), Duration::ZERO);
        let count = self.history.rows.len().max(1);
        let distance = count / (PAUSES + 1) + 1;
        for (index, row) in self.history.rows.iter().enumerate() {
            if index > 0 && index % distance == 0 {
                feeder.finish()?;
                let found = match rest() {
                    Ok(found) => found,
                    Err(unrest) => {
                        sent.unrest = Some(unrest);
                        break;
                    }
                };
                sent.pauses.push(found.ends);
                for record in aside.pause(arrival(row), &found.open) {
                    self.send_beside(feeder, topics, &record, arrival(row))?;
                    sent.beside += 1;
                    sent.zones
                        .extend(Some(record).filter(|record| record.topic == InputTopic::Zones));
                }
                feeder.finish()?;
                if let Err(unrest) = rest() {
                    sent.unrest = Some(unrest);
                    break;
                }
                (pace, paused) = (Pace::default(), length.mul_f64(index as f64 / count as f64));
            }
            // Evenly by number: by the stream's own time, nights and ends would be empty.
            pace.wait(length.mul_f64(index as f64 / count as f64).saturating_sub(paused));
            if stop.load(Ordering::SeqCst) {
                break;
            }
            feeder.send_reading(topic, &self.history, row, &mut payload)?;
            sent.readings += 1;
            if random.random_ratio(1, POISON_ONE_IN) {
                let poison = self.poison(random.random_range(0..Poison::ALL.len()), row, &payload);
                feeder.send(topic, &poison.key, poison.value.as_deref(), arrival(row))?;
                (sent.readings, sent.poison) = (sent.readings + 1, sent.poison + 1);
            }
        }
        feeder.finish()?;
        Ok(sent)
    }

    /// Readings of the history that were left because the feed ended early.
    pub fn unsent(&self, sent: &Sent) -> u64 {
        self.history.rows.len() as u64 - (sent.readings - sent.poison)
    }

    fn send_beside(
        &self,
        feeder: &Feeder,
        topics: &TopicNames,
        record: &Beside,
        at: EventTime,
    ) -> Result<(), FeedError> {
        let topic = topics.input(record.topic);
        // Segments are closed, and compacted, by the times of their records. Homes keep one time. Zones are stamped by the wall
        // clock, as instances stamp what they write there: what is sent beside it stays for a day, as long as theirs.
        let is_of_homes = record.topic == InputTopic::Homes;
        let at = self.history.rows.first().filter(|_| is_of_homes).map_or(at, arrival);
        match record.to {
            Some(partition) => feeder.send_to(topic, partition, &record.key, record.value.as_deref()),
            None => feeder.send(topic, &record.key, record.value.as_deref(), at),
        }
    }

    fn poison(&self, which: usize, row: &Row, json: &[u8]) -> Record {
        let key = self.history.name(row).household.as_bytes().to_vec();
        let with = |change: fn(&mut Row)| {
            let (mut row, mut payload) = (*row, Vec::new());
            change(&mut row);
            self.history.json(&row, &mut payload);
            Some(payload)
        };
        let value = match Poison::ALL[which] {
            Poison::NotJson => Some(json[..json.len() - 1].to_vec()),
            Poison::NotUtf8 => Some([json, b"\xff\xfe"].concat()),
            Poison::WrongKey => {
                return Record {
                    key: [b"not-".as_slice(), &key].concat(),
                    value: Some(json.to_vec()),
                };
            }
            Poison::AbsurdVolume => with(|row| row.measure = Some(Measure::Volume(1e9))),
            Poison::AbsurdRegister => with(|row| row.measure = Some(Measure::Register(-5.0))),
            Poison::NoInterval => with(|row| row.seconds = 0),
            Poison::Tombstone => None,
            Poison::Again => Some(json.to_vec()),
            Poison::GiantAndAllowed => Some(grown(json, self.max_payload.min(BROKER_TAKES))),
            Poison::TooLarge => Some(grown(json, (self.max_payload + 1).min(BROKER_TAKES))),
        };
        Record { key, value }
    }
}

/// Where each partition of each topic that is read ends.
pub type Ends = BTreeMap<(InputTopic, i32), i64>;

/// What there is when nothing more happens.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// Where the topics end.
    pub ends: Ends,
    /// The alerts that are open.
    pub open: Vec<OpenAlert>,
}

/// What was sent.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Records of the readings topic.
    pub readings: u64,
    /// How many of them are poison.
    pub poison: u64,
    /// Records beside them.
    pub beside: u64,
    /// Where the topics ended before the records of each pause.
    pub pauses: Vec<Ends>,
    /// What was still to come in the pause that did not end.
    pub unrest: Option<String>,
    /// The records of the zones topic: what else is on it was written by instances.
    pub zones: Vec<Beside>,
}

impl Sent {
    /// All records of topics that nobody else writes to: all but those of the zones topic.
    pub fn apart_from_zones(&self) -> u64 {
        self.readings + self.beside - self.zones.len() as u64
    }
}

struct Record {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

/// What goes wrong with producers.
#[derive(Clone, Copy)]
enum Poison {
    NotJson,
    NotUtf8,
    WrongKey,
    AbsurdVolume,
    AbsurdRegister,
    NoInterval,
    Tombstone,
    Again,
    GiantAndAllowed,
    TooLarge,
}

impl Poison {
    const ALL: [Self; 10] = [
        Self::NotJson,
        Self::NotUtf8,
        Self::WrongKey,
        Self::AbsurdVolume,
        Self::AbsurdRegister,
        Self::NoInterval,
        Self::Tombstone,
        Self::Again,
        Self::GiantAndAllowed,
        Self::TooLarge,
    ];
}

/// The same JSON object with a field more, `bytes` long in all.
fn grown(json: &[u8], bytes: usize) -> Vec<u8> {
    let (begin, end) = (b",\"note\":\"".as_slice(), b"\"}".as_slice());
    let body = &json[..json.len() - 1];
    let filler = bytes.saturating_sub(body.len() + begin.len() + end.len());
    [body, begin, &vec![b'x'; filler], end].concat()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rdkafka::mocking::MockCluster;

    use super::*;
    use crate::ingest::{IngestSettings, decode};
    use crate::kafka::KafkaSettings;
    use crate::model::RawRecord;

    #[test]
    fn readings_left_over_by_a_pause_without_an_end_are_counted() {
        let cluster = MockCluster::new(1).expect("a cluster");
        let settings = KafkaSettings {
            bootstrap_servers: cluster.bootstrap_servers(),
            ..KafkaSettings::default()
        };
        for topic in settings.topic_names() {
            cluster.create_topic(topic, 6, 1).expect("a topic");
        }
        let feeder = Feeder::new(&settings).expect("a feeder");
        let order = Order {
            days: 30,
            ..Order::of_tests()
        };
        let feed = Feed::new(&order, IngestSettings::default().max_payload_bytes).expect("a feed");
        let (count, pauses) = (feed.history.rows.len() as u64, PAUSES as u64);
        // Each pause asks twice: before the records beside the readings, and after them.
        for (questions, left_over, paused) in [
            (2 * pauses, 0, pauses),
            (2 * pauses - 1, count - pauses * (count / (pauses + 1) + 1), pauses),
            (0, count - (count / (pauses + 1) + 1), 0),
        ] {
            let left = Cell::new(questions);
            let rest = || {
                let after = left.get().checked_sub(1).ok_or("one is behind")?;
                left.set(after);
                Ok(Rest::default())
            };
            let stop = AtomicBool::new(false);
            let sent = feed.send(&feeder, &settings.topics, Duration::ZERO, &stop, &rest);
            let sent = sent.expect("a cluster that takes all");
            let found = (feed.unsent(&sent), sent.pauses.len() as u64);
            assert_eq!(found, (left_over, paused), "{questions}");
            assert_eq!(sent.readings - sent.poison, count - left_over);
            assert_eq!(sent.unrest.as_deref(), (left_over > 0).then_some("one is behind"));
        }
    }

    #[test]
    fn poison_is_kept_out_by_its_name_or_is_allowed() {
        let settings = IngestSettings::default();
        let feed = Feed::new(&Order::of_tests(), settings.max_payload_bytes).expect("a feed");
        let row = feed.history.rows[5];
        let mut json = Vec::new();
        feed.history.json(&row, &mut json);
        let names: Vec<&str> = (0..Poison::ALL.len())
            .map(|which| {
                let record = feed.poison(which, &row, &json);
                let raw = RawRecord {
                    offset: 0,
                    timestamp: Some(arrival(&row)),
                    key: Some(&record.key),
                    value: record.value.as_deref(),
                };
                decode(&raw, &settings).map_or_else(|rejection| rejection.name(), |_| "allowed")
            })
            .collect();
        let expected = [
            "not_json",
            "not_utf8",
            "wrong_key",
            "absurd_volume",
            "absurd_register",
            "bad_interval",
            "no_payload",
            "allowed",
            "allowed",
            "too_large",
        ];
        assert_eq!(names, expected);
    }
}
