//! Homes that do not exist, their readings at an even pace with poison among them, and records beside them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{CrashesError, Order};
use crate::history::{History, Row, arrival};
use crate::kafka::{FeedError, Feeder, Pace, TopicNames};
use crate::model::{EventTime, HomeRecord, InputTopic, Measure};
use crate::simulate::District;

/// One record in so many is poison.
const POISON_ONE_IN: u32 = 80;
/// And one in so many is followed by a record beside the readings.
const BESIDE_ONE_IN: u32 = 40;
/// What a broker takes by default, with room for the record around it.
const BROKER_TAKES: usize = 900_000;

/// What is sent.
pub struct Feed {
    pub history: History,
    pub homes: Vec<HomeRecord>,
    seed: u64,
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
            max_payload,
        })
    }

    /// Puts the homes into their topic, and waits until they are there.
    pub fn send_homes(&self, feeder: &Feeder, topics: &TopicNames) -> Result<(), FeedError> {
        let at = self.history.rows.first().map(arrival).unwrap_or_default();
        feeder.send_homes(&topics.homes, &self.homes, at)
    }

    /// Puts the readings into their topic at an even pace, so that it takes `length`, and others beside them.
    pub fn send(
        &self,
        feeder: &Feeder,
        topics: &TopicNames,
        length: Duration,
        stop: &AtomicBool,
    ) -> Result<Sent, FeedError> {
        let (mut random, mut payload) = (ChaCha8Rng::seed_from_u64(self.seed), Vec::new());
        let (mut sent, topic) = (Sent::default(), &topics.readings);
        let pace = Pace::default();
        let count = self.history.rows.len().max(1) as f64;
        for (index, row) in self.history.rows.iter().enumerate() {
            // Evenly by number: by the stream's own time, nights and ends would be empty.
            pace.wait(length.mul_f64(index as f64 / count));
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
            if random.random_ratio(1, BESIDE_ONE_IN) {
                let (topic, record) = self.beside(sent.beside, random.random_range(0..BESIDE.len()));
                feeder.send(topics.input(topic), &record.key, record.value.as_deref(), arrival(row))?;
                sent.beside += 1;
            }
        }
        feeder.finish()?;
        Ok(sent)
    }

    /// A record beside the readings, of a home that has none: no log says between which readings it is taken in, so it
    /// must come to the same wherever that is.
    fn beside(&self, number: u64, which: usize) -> (InputTopic, Record) {
        let (topic, fields) = BESIDE[which];
        let household = format!("guest-{}", number % 20);
        let at = self.history.rows.first().map_or(EventTime::ZERO, arrival);
        let value = match fields {
            "" => None,
            fields if fields.starts_with(',') => {
                let fields = fields.replace("(at)", &at.to_string());
                Some(format!(r#"{{"household_id":"{household}"{fields}}}"#).into_bytes())
            }
            other => Some(other.as_bytes().to_vec()),
        };
        let key = household.into_bytes();
        (topic, Record { key, value })
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

/// How much was sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// Records of the readings topic.
    pub readings: u64,
    /// How many of them are poison.
    pub poison: u64,
    /// Records beside them.
    pub beside: u64,
}

impl Sent {
    /// All records.
    pub fn all(&self) -> u64 {
        self.readings + self.beside
    }
}

/// What is sent beside the readings: the fields of a record, something else, or nothing for a tombstone.
const BESIDE: [(InputTopic, &str); 12] = [
    (InputTopic::Signs, r#","sign":"door","at":"(at)""#),
    (InputTopic::Signs, r#","sign":"out","at":"(at)","until":"(at)""#),
    (InputTopic::Signs, r#","sign":"smoke","at":"(at)""#),
    (InputTopic::Signs, r#","sign":"door""#),
    (
        InputTopic::Signs,
        r#"{"household_id":"another","sign":"door","at":"2024-01-01T00:00:00Z"}"#,
    ),
    (InputTopic::Signs, ""),
    (
        InputTopic::Responses,
        r#","alert_id":"of no form","response":"safe","at":"(at)""#,
    ),
    (
        InputTopic::Responses,
        r#","alert_id":"0000000000000000","response":"asleep","at":"(at)""#,
    ),
    (InputTopic::Responses, "[1,2]"),
    (InputTopic::Responses, ""),
    (InputTopic::Homes, r#","programme":"nobody's""#),
    (InputTopic::Homes, "not JSON"),
];

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
    use super::*;
    use crate::ingest::{IngestSettings, decode};
    use crate::model::RawRecord;
    use crate::partition::Partition;
    use std::sync::Arc;

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

    #[test]
    fn beside_the_readings_comes_what_is_allowed_and_what_is_not() {
        let feed = Feed::new(&Order::of_tests(), 1_000).expect("a feed");
        let mut refused = std::collections::BTreeMap::new();
        for which in 0..BESIDE.len() {
            let (topic, record) = feed.beside(7, which);
            let raw = RawRecord {
                offset: 0,
                timestamp: None,
                key: Some(&record.key),
                value: record.value.as_deref(),
            };
            let mut partition = Partition::new(Arc::default());
            let effects = partition.take_beside(topic, &raw);
            *refused.entry(topic).or_insert(0) += effects.dead_letters.len();
        }
        assert_eq!(refused[&InputTopic::Signs], 5, "of six");
        assert!(refused[&InputTopic::Responses] >= 3, "of four: {refused:?}");
        assert_eq!(refused[&InputTopic::Homes], 2, "of two");
    }
}
