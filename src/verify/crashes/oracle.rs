//! What should have been said: the very log that the instances read, through the core, once and in order.

use std::sync::Arc;

use super::cluster::Stored;
use super::compare::Entry;
use crate::alert::CloudEvent;
use crate::engine::{LogRecord, home_record};
use crate::model::{DeadLetter, EventTime, RawRecord};
use crate::partition::{Partition, Rules};

/// The records that should lie on the topics, partition by partition of the readings.
#[derive(Debug, Default)]
pub struct Expected {
    pub alerts: Vec<Entry>,
    pub dead_letters: Vec<Entry>,
}

/// Where the readings come from, and in whose name alerts are written.
pub struct Names<'a> {
    pub source: &'a str,
    pub readings: &'a str,
}

/// Works it out from the whole of both topics. Homes come first, as they did in the run.
pub fn expected(rules: &Arc<Rules>, names: &Names<'_>, homes: &[Stored], readings: &[Stored]) -> Expected {
    let mut expected = Expected::default();
    for records in readings.chunk_by(|a, b| a.partition == b.partition) {
        let number = records[0].partition;
        let mut partition = Partition::new(Arc::clone(rules));
        for home in homes.iter().filter(|home| home.partition == number) {
            let (key, value) = (home.key.as_deref(), home.value.as_deref());
            // A home that is refused keeps the defaults, as it does in an instance.
            if let Ok((household, record)) = home_record(LogRecord { key, value }) {
                drop(partition.set_home(&household, record.as_ref()));
            }
        }
        let effects = partition.apply(records.iter().map(raw));
        for decided in effects.alerts {
            let event = CloudEvent::new(decided.alert, names.source);
            expected.alerts.push(alert(&event, number));
        }
        for letter in effects.dead_letters {
            expected.dead_letters.push(dead_letter(&letter, names.readings, number));
        }
    }
    expected
}

fn raw(record: &Stored) -> RawRecord<'_> {
    RawRecord {
        offset: record.offset,
        timestamp: record.timestamp.and_then(EventTime::from_millis),
        key: record.key.as_deref(),
        value: record.value.as_deref(),
    }
}

fn alert(event: &CloudEvent, partition: i32) -> Entry {
    let headers = event.headers().map(|(key, value)| (key.to_owned(), value));
    Entry {
        stream: event.subject.clone(),
        id: event.id.clone(),
        partition,
        value: serde_json::to_vec(&event.data).ok(),
        headers: headers.to_vec(),
    }
}

fn dead_letter(letter: &DeadLetter, topic: &str, partition: i32) -> Entry {
    let mut headers = vec![
        ("tapwatch_reason", letter.reason.to_owned()),
        ("tapwatch_detail", letter.detail.clone()),
        ("tapwatch_topic", topic.to_owned()),
        ("tapwatch_partition", partition.to_string()),
        ("tapwatch_offset", letter.offset.to_string()),
    ];
    headers.extend(letter.timestamp.map(|at| ("tapwatch_timestamp", at.to_string())));
    Entry {
        stream: stream_of_letter(letter.key.as_deref()),
        id: format!("{partition}/{}", letter.offset),
        partition,
        value: letter.value.clone(),
        headers: headers
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    }
}

/// An alert as it was found. One without an id has one of its own, which nobody expects.
pub fn found_alert(record: Stored) -> Entry {
    let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
    let id = header(&record, "ce_id").unwrap_or_else(|| format!("no ce_id at {}/{}", record.partition, record.offset));
    Entry {
        stream: key,
        id,
        partition: record.partition,
        value: record.value,
        headers: record.headers,
    }
}

/// A dead letter as it was found; its name is where it came from.
pub fn found_dead_letter(record: Stored) -> Entry {
    let part = |name: &str| header(&record, name).unwrap_or_else(|| "?".to_owned());
    let id = format!("{}/{}", part("tapwatch_partition"), part("tapwatch_offset"));
    Entry {
        stream: stream_of_letter(record.key.as_deref()),
        id,
        partition: record.partition,
        value: record.value,
        headers: record.headers,
    }
}

/// Dead letters lie where their keys put them: those of one key have an order.
fn stream_of_letter(key: Option<&[u8]>) -> String {
    format!("key {}", String::from_utf8_lossy(key.unwrap_or_default()))
}

fn header(record: &Stored, name: &str) -> Option<String> {
    let mut headers = record.headers.iter();
    headers.find(|(key, _)| key == name).map(|(_, value)| value.clone())
}
