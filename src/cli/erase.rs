//! `state erase` and `state withdraw`: orders to the service, put into the homes topic, and a look at what came of them.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::state::find;
use crate::engine::{CommitMetadata, Deployment};
use crate::kafka::{Feeder, KafkaSettings};
use crate::model::{Consent, HomeRecord, InputTopic, check_id};
use crate::partition::{ConsentRule, StoredHome};

/// What is to be done with a home.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// What is kept of its usage is erased, and it goes on being watched.
    Erase,
    /// Its consent is withdrawn.
    Withdraw,
}

/// What the homes topic says last of a home.
enum Last {
    Nothing,
    /// A tombstone, or a record that says that consent is withdrawn.
    Withdrawn,
    Record(Box<HomeRecord>),
}

/// Orders it, waits until the service has committed it, and reads in the state topic whether it is so.
pub fn order(
    kafka: &KafkaSettings,
    deployment: &Deployment,
    home: &str,
    (order, rule): (Order, ConsentRule),
    wait: Duration,
) -> anyhow::Result<()> {
    check_id(home).map_err(|error| anyhow::anyhow!("{home:?} is no household_id: {error}"))?;
    let partition = deployment.place(home.as_bytes());
    let (_, state_end) = kafka.retained(&kafka.topics.state, partition)?;
    // One that cannot be read cannot say what to send again.
    let before = find(kafka, deployment, home).ok().flatten().map(|(_, stored)| stored);
    let last = last(kafka, partition, home)?;
    let is_unknown = before.is_none() && matches!(last, Last::Nothing);
    if is_unknown {
        let others = (0..deployment.partitions).filter(|other| *other != partition);
        refuse_misplaced(kafka, home, partition, others)?;
    }
    let is_withdrawn = matches!(last, Last::Withdrawn);
    if !(is_withdrawn && order == Order::Erase) {
        let value = record(home, order, rule, last, before.as_ref())?;
        let feeder = Feeder::new(kafka)?;
        let now = crate::app::wall_clock();
        feeder.send(&kafka.topics.homes, home.as_bytes(), value.as_deref(), now)?;
        feeder.finish()?;
    }
    wait_until_committed(kafka, partition, wait)?;
    let after = find(kafka, deployment, home)?;
    let is_done = match &after {
        None => true,
        // Where consent is assumed, the fact of a withdrawal is kept, and nothing else.
        Some((_, stored)) if order == Order::Withdraw || is_withdrawn => is_blank(stored),
        Some((offset, stored)) => {
            *offset >= state_end && before.as_ref().is_none_or(|before| !holds_cases_of(stored, before))
        }
    };
    if !is_done {
        bail!(
            "the service has taken the order in, and {} still holds a state of {home} from before it: look for a dead letter \
             of {} in {}",
            kafka.topics.state,
            kafka.topics.homes,
            kafka.topics.dead_letter
        );
    }
    if is_unknown {
        say!(
            "note: neither {} nor {} knew of {home} before; is the number right?",
            kafka.topics.homes,
            kafka.topics.state
        );
    }
    tell(kafka, home, order, after.is_some())
}

/// Refuses where something of the home lies in another partition than the one that its key belongs to: an order goes there, and
/// would leave this as it is.
fn refuse_misplaced(
    kafka: &KafkaSettings,
    home: &str,
    partition: i32,
    others: impl Iterator<Item = i32>,
) -> anyhow::Result<()> {
    for other in others {
        for topic in [&kafka.topics.homes, &kafka.topics.state] {
            let mut is_there = false;
            kafka.scan(topic, other, |_, key, value| {
                if key == Some(home.as_bytes()) {
                    is_there = value.is_some();
                }
            })?;
            if is_there {
                bail!(
                    "{home} lies in partition {other} of {topic}, and its key belongs in partition {partition}, where orders go: \
                     nothing is done. Its producer must choose partitions as Kafka's own clients do (docs/operations.md, \"Topics\")"
                );
            }
        }
    }
    Ok(())
}

/// The record that orders it; none is a tombstone.
fn record(
    home: &str,
    order: Order,
    rule: ConsentRule,
    last: Last,
    stored: Option<&StoredHome>,
) -> anyhow::Result<Option<Vec<u8>>> {
    // What the service holds stands in for what the topic lacks.
    let held = stored.and_then(|stored| {
        let record = stored.contents["home"]["record"].clone();
        serde_json::from_value::<HomeRecord>(record).ok()
    });
    let held_consent = held.as_ref().and_then(|held| held.consent.clone());
    let plain = HomeRecord {
        household_id: home.to_owned(),
        ..HomeRecord::default()
    };
    let known = match last {
        Last::Record(known) => *known,
        Last::Nothing | Last::Withdrawn => held.unwrap_or_else(|| plain.clone()),
    };
    let consent = known.consent.clone().or(held_consent);
    let record = match (order, rule) {
        (Order::Erase, _) => HomeRecord {
            consent,
            erase: true,
            ..known
        },
        (Order::Withdraw, ConsentRule::Required) => return Ok(None),
        // A tombstone goes with the next compaction, and who is not known is watched: this has to stay.
        (Order::Withdraw, ConsentRule::Assumed) => {
            let now = crate::app::wall_clock();
            let given = consent.unwrap_or_else(|| Consent::given("none", now));
            HomeRecord {
                consent: Some(Consent {
                    withdrawn_at: Some(now),
                    ..given
                }),
                ..plain
            }
        }
    };
    Ok(Some(serde_json::to_vec(&record)?))
}

/// What the homes topic says last of a home.
fn last(kafka: &KafkaSettings, partition: i32, home: &str) -> anyhow::Result<Last> {
    let mut last = Last::Nothing;
    let mut unreadable = None;
    kafka.scan(&kafka.topics.homes, partition, |offset, key, value| {
        if key != Some(home.as_bytes()) {
            return;
        }
        unreadable = None;
        last = match value.map(serde_json::from_slice::<HomeRecord>) {
            None => Last::Withdrawn,
            Some(Ok(record))
                if record
                    .consent
                    .as_ref()
                    .is_some_and(|consent| consent.withdrawn_at.is_some()) =>
            {
                Last::Withdrawn
            }
            Some(Ok(record)) => Last::Record(Box::new(record)),
            Some(Err(error)) => {
                unreadable = Some((offset, error));
                Last::Nothing
            }
        };
    })?;
    match unreadable {
        Some((offset, error)) => Err(error).with_context(|| {
            let topic = &kafka.topics.homes;
            format!(
                "the last record of {home} in {topic}/{partition}, at offset {offset}, cannot be read: mend it first"
            )
        }),
        None => Ok(last),
    }
}

/// Waits until what the homes topic holds now is in what the service has committed.
fn wait_until_committed(kafka: &KafkaSettings, partition: i32, wait: Duration) -> anyhow::Result<()> {
    // Done is what a commit includes; a state that was stored since may be one from before.
    let (_, ordered) = kafka.retained(&kafka.topics.homes, partition)?;
    let began = Instant::now();
    loop {
        let committed = kafka.committed(partition)?;
        let metadata = committed.and_then(|(_, text)| text.parse::<CommitMetadata>().ok());
        if metadata.is_some_and(|metadata| metadata.beside.next(InputTopic::Homes) >= ordered) {
            return Ok(());
        }
        if began.elapsed() > wait {
            bail!(
                "the order is in {}, and the service has not done it within {} s: it does when its partition is live",
                kafka.topics.homes,
                wait.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Whether nothing is stored but that consent was withdrawn.
fn is_blank(stored: &StoredHome) -> bool {
    let home = &stored.contents["home"];
    let has_none = |value: &serde_json::Value| value.as_array().is_none_or(Vec::is_empty);
    let withdrawn = &home["record"]["consent"]["withdrawn_at"];
    !withdrawn.is_null() && has_none(&home["cases"]) && home["meters"].is_null()
}

/// Whether a state holds an alert that an earlier one held.
fn holds_cases_of(stored: &StoredHome, before: &StoredHome) -> bool {
    let cases = |home: &StoredHome| {
        let cases = home.contents["home"]["cases"].as_array().cloned().unwrap_or_default();
        let identity = |case: &serde_json::Value| (case[0].to_string(), case[1]["identity_since"].to_string());
        cases.iter().map(identity).collect::<Vec<_>>()
    };
    let old = cases(before);
    cases(stored).iter().any(|case| old.contains(case))
}

/// What was done, and what is left where.
fn tell(kafka: &KafkaSettings, home: &str, order: Order, is_stored: bool) -> anyhow::Result<()> {
    let topics = &kafka.topics;
    match order {
        Order::Erase => say!(
            "{home} is erased: {} holds nothing of its usage from before",
            topics.state
        ),
        Order::Withdraw if is_stored => say!(
            "{home} is withdrawn and erased: {} holds nothing of it but that it is withdrawn",
            topics.state
        ),
        Order::Withdraw => say!("{home} is withdrawn and erased: {} holds nothing of it", topics.state),
    }
    say!(
        "left until retention removes them: its readings in {}, signs in {}, responses in {}, alerts in {}, and dead letters \
         from before in {}; until compaction does: older states in {}, lists that name it in {}, and its older records in {}. \
         See \"Consent, withdrawal and erasure\" in docs/operations.md",
        topics.readings,
        topics.signs,
        topics.responses,
        topics.alerts,
        topics.dead_letter,
        topics.state,
        topics.visits,
        topics.homes
    );
    Ok(())
}
