//! What the core says of the same logs in one go, and where what was published differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cluster::{Cluster, Content, Topic};
use super::plan::{MAX_RECORD_BYTES, Setup};
use super::ports::raw_record;
use crate::alert::{CloudEvent, event_headers};
use crate::area::{AreaAlert, ZoneRecord};
use crate::engine::SideInput;
use crate::model::{Alert, DeadLetter, EventTime, InputTopic, Message, Output, VisitList};
use crate::partition::{Effects, Partition, Withdrawal};

/// Homes with their states.
pub type Homes = BTreeMap<String, Vec<u8>>;

/// Records by topic and partition, in order.
pub type Said = BTreeMap<(Topic, i32), Vec<Content>>;

/// What should be there of one partition.
pub struct Truth {
    /// What is to be said, by topic and the partition it goes into, in order.
    pub said: Said,
    /// The states of its homes.
    pub homes: Homes,
}

/// The states of all homes of a partition.
pub fn homes(partition: &Partition) -> Homes {
    partition
        .arena()
        .occupied()
        .map(|slot| (partition.arena().id(slot).to_owned(), partition.snapshot(slot)))
        .collect()
}

impl Truth {
    /// Reads a partition's log in one go, with what came from beside it where the committed transactions say it came.
    pub fn of(setup: &Setup, cluster: &Cluster, partition: i32) -> Self {
        let mut state = Partition::new(Arc::clone(&setup.rules));
        let partitions = setup.deployment.partitions;
        state.set_place(partition.unsigned_abs(), partitions.unsigned_abs());
        let mut truth = Self {
            said: Said::new(),
            homes: Homes::new(),
        };
        let mut readings = cluster.written(InputTopic::Readings, partition).peekable();
        let mut until = |state: &mut Partition, before: i64| {
            let batch = std::iter::from_fn(|| readings.next_if(|(offset, _)| *offset < before));
            state.apply(batch.map(|(offset, content)| raw_record(offset, content)))
        };
        for input in cluster.inputs(partition) {
            let (SideInput::Record { before, .. } | SideInput::Clock { before, .. }) = input;
            let effects = until(&mut state, *before);
            truth.take(setup, partition, effects);
            let effects = match input {
                SideInput::Clock { to, .. } => state.advance(*to),
                SideInput::Record { topic, offset, .. } => {
                    let Some(content) = cluster.written_at(*topic, partition, *offset) else {
                        continue;
                    };
                    state.take_beside(*topic, &raw_record(*offset, content))
                }
            };
            truth.take(setup, partition, effects);
        }
        let effects = until(&mut state, i64::MAX);
        truth.take(setup, partition, effects);
        truth.homes = homes(&state);
        truth
    }

    fn take(&mut self, setup: &Setup, partition: i32, effects: Effects) {
        let deployment = &setup.deployment;
        let mut say = |output, to: Option<i32>, content| {
            let place = (Topic::of(output), to.unwrap_or(partition));
            self.said.entry(place).or_default().push(content);
        };
        for decided in effects.alerts {
            say(Output::Alerts, None, alert(decided.alert, &deployment.source));
        }
        for withdrawal in effects.withdrawals {
            say(Output::Alerts, None, withdrawn(withdrawal, &deployment.source));
        }
        for list in effects.visit_lists {
            say(Output::Visits, None, visits(&list, &deployment.source, partition));
        }
        for report in effects.zone_reports {
            let responsible = deployment.place(report.zone.as_bytes());
            say(Output::Zones, Some(responsible), zone(&ZoneRecord::Report(report)));
        }
        for status in effects.zone_statuses {
            let told = zone(&ZoneRecord::Status(status));
            (0..deployment.partitions).for_each(|each| say(Output::Zones, Some(each), told.clone()));
        }
        for alert in effects.area_alerts {
            say(Output::AreaAlerts, None, area(&alert, &deployment.source));
        }
        for letter in effects.dead_letters {
            let topic = deployment.topic(letter.topic);
            say(Output::DeadLetters, None, dead_letter(letter, topic, partition));
        }
        for record in effects.messages {
            say(record.output, record.partition, message(record));
        }
    }

    /// How many records of a topic are to be there.
    pub fn count(&self, output: Output) -> u64 {
        let said = self.said.iter().filter(|((topic, _), _)| *topic == Topic::of(output));
        said.map(|(_, contents)| contents.len() as u64).sum()
    }
}

/// Topics whose records are compared: all that are written, but for states, which are compared as homes.
const SPOKEN: [Output; 5] = [
    Output::Alerts,
    Output::DeadLetters,
    Output::Visits,
    Output::Zones,
    Output::AreaAlerts,
];

/// Compares what a `read_committed` reader sees with what should be there of all partitions.
///
/// # Errors
/// The first differences, in words.
pub fn compare(truths: &[Truth], cluster: &mut Cluster) -> Result<(), String> {
    for output in SPOKEN {
        for partition in (0..).take(truths.len()) {
            let place = (Topic::of(output), partition);
            let expected = truths.iter().filter_map(|truth| truth.said.get(&place)).flatten();
            let mut expected: Vec<Content> = expected.cloned().collect();
            let found = cluster.log(place.0, partition).committed();
            let mut found: Vec<Content> = found.into_iter().map(|entry| entry.content).collect();
            if output == Output::Zones {
                // What came from outside has a time. Several partitions write into one, and nothing says in which order.
                found.retain(|content| content.timestamp.is_none());
                expected.sort();
                found.sort();
            }
            if found != expected {
                return Err(format!(
                    "{output:?} of partition {partition}: {} expected, {} found\n{}",
                    expected.len(),
                    found.len(),
                    differences(&expected, &found)
                ));
            }
        }
    }
    Ok(())
}

/// As a message is to be written.
fn message(message: Message) -> Content {
    Content {
        key: Some(message.key.into_bytes().into()),
        value: message.value.map(Into::into),
        headers: message.headers,
        timestamp: None,
    }
}

/// As an alert is to be written: said here once more, so that a slip in the engine's own words is seen.
fn alert(alert: Alert, source: &str) -> Content {
    let key = alert.household_id.as_str().as_bytes().into();
    let event = CloudEvent::new(alert, source);
    Content {
        key: Some(key),
        value: serde_json::to_vec(&event.data).ok().map(Into::into),
        headers: event.headers().into(),
        timestamp: None,
    }
}

/// As a withdrawal of consent is to be written.
fn withdrawn(withdrawal: Withdrawal, source: &str) -> Content {
    let (home, at, why) = (withdrawal.household, withdrawal.at, withdrawal.why.name());
    let id = format!("withdrawal/{home}/{why}/{}", withdrawal.offset);
    Content {
        value: Some(
            format!(r#"{{"household_id":"{home}","reason":"{why}","withdrawn_at":"{at}"}}"#)
                .into_bytes()
                .into(),
        ),
        headers: event_headers("tapwatch.withdrawal.v1", source, &id, &home, at).into(),
        key: Some(home.as_bytes().into()),
        timestamp: None,
    }
}

/// As a list of homes to visit is to be written.
fn visits(list: &VisitList, source: &str, partition: i32) -> Content {
    let value = serde_json::to_vec(list).unwrap_or_default();
    let number = crc32fast::hash(&value);
    let id = format!("visits/{}/{partition}/{}/{number:08x}", list.programme, list.day);
    Content {
        key: Some(list.programme.as_bytes().into()),
        value: Some(value.into()),
        headers: event_headers("tapwatch.visits.v1", source, &id, &list.programme, list.made_at).into(),
        timestamp: None,
    }
}

/// As what is said of a zone is to be written.
fn zone(said: &ZoneRecord) -> Content {
    let key = match said {
        ZoneRecord::Report(report) => format!("{}/{}", report.zone, report.partition),
        ZoneRecord::Status(status) => format!("{}/{}", status.zone, status.cause.name()),
    };
    Content {
        key: Some(key.into_bytes().into()),
        value: serde_json::to_vec(said).ok().map(Into::into),
        ..Content::default()
    }
}

/// As an alert of a zone is to be written.
fn area(alert: &AreaAlert, source: &str) -> Content {
    let id = format!("{}/{}", alert.alert_id, alert.revision);
    Content {
        key: Some(alert.zone.as_bytes().into()),
        value: serde_json::to_vec(alert).ok().map(Into::into),
        headers: event_headers("tapwatch.area-alert.v1", source, &id, &alert.zone, alert.decided_at).into(),
        timestamp: None,
    }
}

/// As a dead letter is to be written; one that its topic does not take, with the first 64 KiB.
fn dead_letter(letter: DeadLetter, topic: &str, partition: i32) -> Content {
    let mut headers = vec![
        ("tapwatch_reason", letter.reason.to_owned()),
        ("tapwatch_detail", letter.detail),
        ("tapwatch_topic", topic.to_owned()),
        ("tapwatch_partition", format!("{partition}")),
        ("tapwatch_offset", format!("{}", letter.offset)),
    ];
    headers.extend(letter.timestamp.map(|at| ("tapwatch_timestamp", format!("{at}"))));
    let mut value = letter.value;
    // No key and no header here is large enough to matter.
    if let Some(value) = value
        .as_mut()
        .filter(|value| value.len() > 65_536 && value.len() + 1_000 > MAX_RECORD_BYTES)
    {
        headers.push(("tapwatch_cut", format!("the first 65536 of {} bytes", value.len())));
        value.truncate(65_536);
    }
    Content {
        key: letter.key.map(Into::into),
        value: value.map(Into::into),
        headers,
        timestamp: None,
    }
}

/// A record's identity, short: the event of an alert, the offset of a dead letter.
fn name(content: &Content) -> String {
    let header = |wanted: &str| {
        let mut headers = content.headers.iter();
        headers.find(|(key, _)| *key == wanted).map(|(_, value)| value.clone())
    };
    let key = String::from_utf8_lossy(content.key.as_deref().unwrap_or_default()).into_owned();
    match (header("ce_id"), header("tapwatch_offset")) {
        (Some(id), _) => {
            let value: serde_json::Value =
                serde_json::from_slice(content.value.as_deref().unwrap_or_default()).unwrap_or_default();
            format!(
                "{key} {} {} ({id})",
                value["kind"].as_str().unwrap_or("?"),
                value["state"].as_str().unwrap_or("?")
            )
        }
        (None, offset) => format!("{key} at offset {}", offset.unwrap_or_default()),
    }
}

fn differences(expected: &[Content], found: &[Content]) -> String {
    let count = |all: &[Content]| {
        let mut counts: BTreeMap<Content, usize> = BTreeMap::new();
        for content in all {
            *counts.entry(content.clone()).or_default() += 1;
        }
        counts
    };
    let (wanted, there) = (count(expected), count(found));
    let names: BTreeSet<String> = wanted.keys().map(name).collect();
    let mut lines = Vec::new();
    for (content, times) in &there {
        let due = wanted.get(content).copied().unwrap_or(0);
        if *times > due {
            let what = match due {
                0 if names.contains(&name(content)) => "different",
                0 => "invented",
                _ => "doubled",
            };
            lines.push(format!("  {what}: {} ({times} times, not {due})", name(content)));
        }
    }
    for (content, due) in &wanted {
        let times = there.get(content).copied().unwrap_or(0);
        if times < *due {
            lines.push(format!("  missing: {} ({times} times, not {due})", name(content)));
        }
    }
    if lines.is_empty() {
        let place = expected.iter().zip(found).position(|(a, b)| a != b).unwrap_or(0);
        let (a, b) = (name(&expected[place]), name(&found[place]));
        lines.push(format!("  out of order: at {place} {b}, not {a}"));
    }
    lines.truncate(12);
    lines.join("\n")
}

/// The oracle believes what commits say they took in from beside the readings; here that is held against what there was:
/// every record at most once, in order, the latest under each key for certain and all where nothing is compacted, and no
/// time that had not come.
///
/// # Errors
/// What is not so, in words.
pub fn check_inputs(cluster: &mut Cluster, partition: i32, latest: EventTime) -> Result<(), String> {
    let mut taken: BTreeMap<InputTopic, BTreeSet<i64>> = BTreeMap::new();
    for input in cluster.inputs(partition) {
        match input {
            SideInput::Record {
                topic, before, offset, ..
            } => {
                let taken = taken.entry(*topic).or_default();
                let name = topic.name();
                if let Some(last) = taken.last().filter(|last| offset <= last) {
                    return Err(format!(
                        "{name}/{partition} was taken in at offset {offset} after {last}"
                    ));
                }
                let first = cluster
                    .first_after(partition, *offset)
                    .filter(|_| *topic == InputTopic::Homes);
                if first.is_some_and(|first| *before > first) {
                    return Err(format!(
                        "{name}/{partition} at offset {offset} was there before its home's first reading, and taken in \
                         after it"
                    ));
                }
                taken.insert(*offset);
            }
            SideInput::Clock { to, .. } if *to > latest => {
                return Err(format!(
                    "partition {partition} let time pass up to {to}, and it was {latest} at most"
                ));
            }
            SideInput::Clock { .. } => {}
        }
    }
    for topic in InputTopic::BESIDE {
        // Nor is the zones topic in less than a day, and no simulation takes so long.
        let is_compacted = topic == InputTopic::Homes;
        let written = cluster.log(Topic::Input(topic), partition).committed();
        let mut due: BTreeMap<_, i64> = BTreeMap::new();
        for entry in written {
            let apart = if is_compacted { 0 } else { entry.offset };
            due.insert((entry.content.key, apart), entry.offset);
        }
        let taken = taken.remove(&topic).unwrap_or_default();
        if let Some(missed) = due.values().find(|offset| !taken.contains(offset)) {
            return Err(format!(
                "{}/{partition} was not taken in at offset {missed}",
                topic.name()
            ));
        }
    }
    Ok(())
}

/// Compares states of homes.
///
/// # Errors
/// The first difference, in words.
pub fn compare_homes(expected: &Homes, found: &Homes, partition: i32) -> Result<(), String> {
    let all: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    for home in all {
        let what = match (expected.get(home), found.get(home)) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(_), Some(_)) => "is not what it should be",
            (Some(_), None) => "is missing",
            (None, _) => "is known and should not be",
        };
        return Err(format!("the state of {home} in partition {partition} {what}"));
    }
    Ok(())
}
