//! What the core says of the same logs in one go, and where what was published differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cluster::{Cluster, Content, Topic};
use super::plan::{MAX_RECORD_BYTES, Setup};
use super::ports::log_record;
use crate::alert::CloudEvent;
use crate::engine::{Output, SideInput, home_record};
use crate::model::{Alert, DeadLetter, EventTime, RawRecord};
use crate::partition::{Effects, Partition};

/// Homes with their states.
pub type Homes = BTreeMap<String, Vec<u8>>;

/// What should be there of one partition.
pub struct Truth {
    /// Alerts, in order.
    pub alerts: Vec<Content>,
    /// Dead letters, in order.
    pub dead_letters: Vec<Content>,
    /// The states of its homes.
    pub homes: Homes,
}

/// The states of all homes of a partition.
pub fn homes(partition: &Partition) -> Homes {
    (0..partition.arena().len() as u32)
        .map(|slot| (partition.arena().id(slot).to_owned(), partition.snapshot(slot)))
        .collect()
}

impl Truth {
    /// Reads a partition's log in one go, with what came from beside it where the committed transactions say it came.
    pub fn of(setup: &Setup, cluster: &Cluster, partition: i32) -> Self {
        let mut state = Partition::new(Arc::clone(&setup.rules));
        let mut truth = Self {
            alerts: Vec::new(),
            dead_letters: Vec::new(),
            homes: Homes::new(),
        };
        let mut readings = cluster.written(Topic::Readings, partition).peekable();
        let mut until = |state: &mut Partition, before: i64| {
            let batch = std::iter::from_fn(|| readings.next_if(|(offset, _)| *offset < before));
            state.apply(batch.map(|(offset, content)| RawRecord {
                offset,
                timestamp: content.timestamp,
                key: content.key.as_deref(),
                value: content.value.as_deref(),
            }))
        };
        for input in cluster.inputs(partition) {
            let (SideInput::Home { before, .. } | SideInput::Clock { before, .. }) = input;
            let effects = until(&mut state, *before);
            truth.take(setup, partition, effects);
            let effects = match input {
                SideInput::Clock { to, .. } => state.advance(*to),
                SideInput::Home { offset, .. } => {
                    let Some(content) = cluster.written_at(Topic::Homes, partition, *offset) else {
                        continue;
                    };
                    let Ok((household, record)) = home_record(log_record(content)) else {
                        continue;
                    };
                    state.set_home(&household, record.as_ref()).unwrap_or_default()
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
        for decided in effects.alerts {
            self.alerts.push(alert(decided.alert, &deployment.source));
        }
        for letter in effects.dead_letters {
            self.dead_letters
                .push(dead_letter(letter, &deployment.readings, partition));
        }
    }

    /// Compares what a `read_committed` reader sees with what should be there.
    ///
    /// # Errors
    /// The first differences, in words.
    pub fn compare(&self, cluster: &mut Cluster, partition: i32) -> Result<(), String> {
        for (output, expected) in [
            (Output::Alerts, &self.alerts),
            (Output::DeadLetters, &self.dead_letters),
        ] {
            let found = cluster.log(Topic::of(output), partition).committed();
            let found: Vec<Content> = found.into_iter().map(|entry| entry.content).collect();
            if found != *expected {
                return Err(format!(
                    "{output:?} of partition {partition}: {} expected, {} found\n{}",
                    expected.len(),
                    found.len(),
                    differences(expected, &found)
                ));
            }
        }
        Ok(())
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
/// every record of a home at most once, in order, the latest of each home for certain, and no time that had not come.
///
/// # Errors
/// What is not so, in words.
pub fn check_inputs(cluster: &Cluster, partition: i32, latest: EventTime) -> Result<(), String> {
    let (mut last, mut taken) = (-1, BTreeSet::new());
    for input in cluster.inputs(partition) {
        match input {
            SideInput::Home { offset, .. } if *offset <= last => {
                return Err(format!(
                    "homes/{partition} was taken in at offset {offset} after {last}"
                ));
            }
            SideInput::Home { before, offset, .. }
                if cluster
                    .first_after(partition, *offset)
                    .is_some_and(|first| *before > first) =>
            {
                return Err(format!(
                    "homes/{partition} at offset {offset} was there before its home's first reading, and taken in after it"
                ));
            }
            SideInput::Home { offset, .. } => {
                last = *offset;
                taken.insert(last);
            }
            SideInput::Clock { to, .. } if *to > latest => {
                return Err(format!(
                    "partition {partition} let time pass up to {to}, and it was {latest} at most"
                ));
            }
            SideInput::Clock { .. } => {}
        }
    }
    let written = cluster.written(Topic::Homes, partition);
    let newest: BTreeMap<_, i64> = written.map(|(offset, content)| (&content.key, offset)).collect();
    match newest.values().find(|offset| !taken.contains(offset)) {
        Some(missed) => Err(format!("homes/{partition} was not taken in at offset {missed}")),
        None => Ok(()),
    }
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
