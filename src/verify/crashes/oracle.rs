//! What should have been said: the very logs that the instances read, through the core, once and in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::aside::Record;
use super::cluster::Stored;
use super::compare::Entry;
use super::feed::Ends;
use crate::alert::{CloudEvent, event_headers};
use crate::area::{AreaAlert, ZoneRecord};
use crate::kafka::TopicNames;
use crate::model::{DeadLetter, EventTime, InputTopic, RawRecord, VisitList, partition_of};
use crate::partition::{Effects, Partition, Rules, Withdrawal};

/// The records that should lie on the topics, partition by partition of the readings.
#[derive(Debug, Default)]
pub struct Expected {
    /// Withdrawals of consent among them.
    pub alerts: Vec<Entry>,
    pub area_alerts: Vec<Entry>,
    pub visits: Vec<Entry>,
    pub zones: Vec<Entry>,
    pub dead_letters: Vec<Entry>,
}

/// Where records come from, in whose name alerts are written, and how many partitions there are.
pub struct Names<'a> {
    pub source: &'a str,
    pub topics: &'a TopicNames,
    pub partitions: i32,
}

/// Records by the topic that they were read from.
pub type Logs = BTreeMap<InputTopic, Vec<Stored>>;

/// Works it out from the whole of the topics that are read. What lies beside the readings between the ends of two pauses
/// was taken in at the end of the readings in the first of them; what lies before the first of them, before all readings.
pub fn expected(rules: &Arc<Rules>, names: &Names<'_>, logs: &Logs, pauses: &[Ends]) -> Expected {
    let mut expected = Expected::default();
    for number in 0..names.partitions {
        let mut partition = Partition::new(Arc::clone(rules));
        partition.set_place(number.unsigned_abs(), names.partitions.unsigned_abs());
        let mut left = InputTopic::ALL.map(|topic| {
            let log = logs.get(&topic).into_iter().flatten();
            let log = log.filter(move |record| record.partition == number);
            (topic, log.peekable())
        });
        for place in 0..=pauses.len() {
            let here = place.checked_sub(1).map(|pause| &pauses[pause]);
            let next = pauses.get(place);
            for (topic, log) in &mut left {
                let end = match topic {
                    InputTopic::Readings => here.map_or(Some(0), |ends| ends.get(&(*topic, number)).copied()),
                    _ => next.map_or(Some(i64::MAX), |ends| ends.get(&(*topic, number)).copied()),
                };
                let end = end.unwrap_or(0);
                while let Some(record) = log.next_if(|record| record.offset < end) {
                    let effects = match topic {
                        InputTopic::Readings => partition.apply([raw(record)]),
                        _ => partition.take_beside(*topic, &raw(record)),
                    };
                    expected.add(effects, names, number);
                }
            }
        }
        for (_, readings) in left.iter_mut().filter(|(topic, _)| *topic == InputTopic::Readings) {
            let effects = partition.apply(readings.map(raw));
            expected.add(effects, names, number);
        }
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
        let lists = effects.visit_lists.iter();
        self.visits.extend(lists.map(|list| visits(list, names.source, number)));
        let areas = effects.area_alerts.iter();
        self.area_alerts
            .extend(areas.map(|alert| area(alert, names.source, number)));
        for report in effects.zone_reports {
            let responsible = partition_of(report.zone.as_bytes(), names.partitions.unsigned_abs());
            let said = ZoneRecord::Report(report);
            self.add_zone(i32::try_from(responsible).unwrap_or(0), said.key(), said.value());
        }
        for status in effects.zone_statuses {
            let said = ZoneRecord::Status(status);
            (0..names.partitions).for_each(|to| self.add_zone(to, said.key(), said.value()));
        }
        for letter in effects.dead_letters {
            let topic = names.topics.input(letter.topic);
            self.dead_letters.push(dead_letter(&letter, topic, number));
        }
    }

    /// Adds what was sent to the zones topic; instances wrote the rest of it.
    pub fn add_sent(&mut self, sent: &[Record]) {
        for record in sent {
            let key = String::from_utf8_lossy(&record.key).into_owned();
            self.add_zone(record.to.unwrap_or(0), key, record.value.clone().unwrap_or_default());
        }
    }

    fn add_zone(&mut self, partition: i32, key: String, value: Vec<u8>) {
        self.zones.push(zone(partition, key, Some(value)));
    }
}

/// Nobody says the same of a zone twice.
fn zone(partition: i32, key: String, value: Option<Vec<u8>>) -> Entry {
    let said = String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned();
    Entry {
        id: said,
        stream: format!("{key} for partition {partition}"),
        partition,
        value,
        headers: Vec::new(),
    }
}

/// A list of homes to visit as it should be.
fn visits(list: &VisitList, source: &str, partition: i32) -> Entry {
    let value = serde_json::to_vec(list).unwrap_or_default();
    let number = crc32fast::hash(&value);
    let id = format!("visits/{}/{partition}/{}/{number:08x}", list.programme, list.day);
    let headers = event_headers("tapwatch.visits.v1", source, &id, &list.programme, list.made_at);
    Entry {
        stream: list.programme.to_string(),
        id,
        partition,
        value: Some(value),
        headers: headers.map(|(key, value)| (key.to_owned(), value)).to_vec(),
    }
}

/// An alert of a zone as it should be.
fn area(alert: &AreaAlert, source: &str, partition: i32) -> Entry {
    let id = format!("{}/{}", alert.alert_id, alert.revision);
    let headers = event_headers("tapwatch.area-alert.v1", source, &id, &alert.zone, alert.decided_at);
    Entry {
        stream: alert.zone.to_string(),
        id,
        partition,
        value: serde_json::to_vec(alert).ok(),
        headers: headers.map(|(key, value)| (key.to_owned(), value)).to_vec(),
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
        stream: stream_of_letter(letter.key.as_deref(), topic, &partition.to_string()),
        id: format!("{topic}/{partition}/{}", letter.offset),
        partition,
        value: letter.value.clone(),
        headers: headers
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    }
}

/// What was found to be said of a zone.
pub fn found_zone(record: Stored) -> Entry {
    let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
    Entry {
        headers: record.headers,
        ..zone(record.partition, key, record.value)
    }
}

/// An event as it was found: an alert of a home or a zone, a list. One without an id has one of its own, which nobody expects.
pub fn found_event(record: Stored) -> Entry {
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
        stream: stream_of_letter(record.key.as_deref(), &topic, &part("tapwatch_partition")),
        id: format!("{topic}/{}/{}", part("tapwatch_partition"), part("tapwatch_offset")),
        partition: record.partition,
        value: record.value,
        headers: record.headers,
    }
}

/// Dead letters lie where their keys put them: those of one key and topic have an order. Those without a key lie anywhere, and
/// have one among those of the same partition of their topic.
fn stream_of_letter(key: Option<&[u8]>, topic: &str, partition: &str) -> String {
    match key {
        Some(key) => format!("key {} in {topic}", String::from_utf8_lossy(key)),
        None => format!("no key in {topic}/{partition}"),
    }
}

fn header(record: &Stored, name: &str) -> Option<String> {
    let mut headers = record.headers.iter();
    headers.find(|(key, _)| key == name).map(|(_, value)| value.clone())
}
