//! What should have been said: the very log that the instances read, through the core, once and in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cluster::Stored;
use super::compare::Entry;
use crate::alert::{CloudEvent, event_headers};
use crate::kafka::TopicNames;
use crate::model::{DeadLetter, EventTime, InputTopic, RawRecord};
use crate::partition::{Effects, Partition, Rules, Withdrawal};

/// The records that should lie on the topics, partition by partition of the readings.
#[derive(Debug, Default)]
pub struct Expected {
    pub alerts: Vec<Entry>,
    pub dead_letters: Vec<Entry>,
}

/// Where records come from, and in whose name alerts are written.
pub struct Names<'a> {
    pub source: &'a str,
    pub topics: &'a TopicNames,
}

/// Records by the topic that they were read from.
pub type Logs = BTreeMap<InputTopic, Vec<Stored>>;

/// Works it out from the whole of the topics that are read. What came from beside the readings is taken first: homes did
/// come first in the run, and the rest is of homes that have no readings.
pub fn expected(rules: &Arc<Rules>, names: &Names<'_>, logs: &Logs) -> Expected {
    let mut expected = Expected::default();
    let numbers: BTreeSet<i32> = logs.values().flatten().map(|record| record.partition).collect();
    let of = |topic, number| {
        let log = logs.get(&topic).into_iter().flatten();
        log.filter(move |record| record.partition == number)
    };
    for number in numbers {
        let mut partition = Partition::new(Arc::clone(rules));
        for topic in InputTopic::BESIDE {
            for record in of(topic, number) {
                let effects = partition.take_beside(topic, &raw(record));
                expected.add(effects, names, number);
            }
        }
        let effects = partition.apply(of(InputTopic::Readings, number).map(raw));
        expected.add(effects, names, number);
    }
    expected
}

impl Expected {
    fn add(&mut self, effects: Effects, names: &Names<'_>, number: i32) {
        for decided in effects.alerts {
            let event = CloudEvent::new(decided.alert, names.source);
            self.alerts.push(alert(&event, number));
        }
        for withdrawal in effects.withdrawals {
            self.alerts.push(withdrawn(&withdrawal, names.source, number));
        }
        for letter in effects.dead_letters {
            let topic = names.topics.input(letter.topic);
            self.dead_letters.push(dead_letter(&letter, topic, number));
        }
    }
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

fn withdrawn(withdrawal: &Withdrawal, source: &str, partition: i32) -> Entry {
    let (home, at, why) = (&*withdrawal.household, withdrawal.at, withdrawal.why.name());
    let id = format!("withdrawal/{home}/{why}/{}", withdrawal.offset);
    let headers = event_headers("tapwatch.withdrawal.v1", source, &id, home, at);
    Entry {
        stream: home.to_owned(),
        partition,
        value: Some(format!(r#"{{"household_id":"{home}","reason":"{why}","withdrawn_at":"{at}"}}"#).into_bytes()),
        headers: headers.map(|(key, value)| (key.to_owned(), value)).to_vec(),
        id,
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
        stream: stream_of_letter(letter.key.as_deref(), topic),
        id: format!("{topic}/{partition}/{}", letter.offset),
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
    let topic = part("tapwatch_topic");
    Entry {
        stream: stream_of_letter(record.key.as_deref(), &topic),
        id: format!("{topic}/{}/{}", part("tapwatch_partition"), part("tapwatch_offset")),
        partition: record.partition,
        value: record.value,
        headers: record.headers,
    }
}

/// Dead letters lie where their keys put them: those of one key and topic have an order.
fn stream_of_letter(key: Option<&[u8]>, topic: &str) -> String {
    format!("key {} in {topic}", String::from_utf8_lossy(key.unwrap_or_default()))
}

fn header(record: &Stored, name: &str) -> Option<String> {
    let mut headers = record.headers.iter();
    headers.find(|(key, _)| key == name).map(|(_, value)| value.clone())
}
