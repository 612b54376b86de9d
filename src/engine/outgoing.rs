//! Records as they are written: alerts, dead letters, states of homes, what is said of zones and messages, with keys, headers and bytes.

use serde_json::json;

use super::deployment::Deployment;
use crate::alert::{CloudEvent, VISITS_TYPE, WITHDRAWAL_TYPE, event_headers};
use crate::area::{AreaAlert, ZoneRecord};
use crate::model::{Alert, DeadLetter, Message, Output, VisitList};
use crate::partition::{Checkpoint, Withdrawal};

/// Of a dead letter that its topic does not take, so many first bytes of key and payload are written; and if it takes
/// not even that, so many.
const CUTS: [(usize, usize); 2] = [(1_024, 65_536), (64, 128)];

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutRecord {
    /// Where to.
    pub output: Output,
    /// The partition of the readings that it follows from.
    pub partition: i32,
    /// The partition of its own topic that it goes into; `None` for the one where its key belongs.
    pub to: Option<i32>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The payload.
    pub value: Option<Vec<u8>>,
    /// Headers, in order.
    pub headers: Vec<(&'static str, String)>,
}

impl OutRecord {
    /// An alert, as a CloudEvent in Kafka's binary mode.
    pub fn alert(alert: Alert, source: &str, partition: i32) -> Self {
        let event = CloudEvent::new(alert, source);
        Self {
            output: Output::Alerts,
            partition,
            to: None,
            key: Some(event.subject.as_bytes().to_vec()),
            // Numbers, texts and lists have a form in JSON; there is nothing in an alert that has none.
            value: serde_json::to_vec(&event.data).ok(),
            headers: event.headers().into(),
        }
    }

    /// A record that was kept out, as it came, with the reason in its headers.
    pub fn dead_letter(letter: DeadLetter, deployment: &Deployment, partition: i32) -> Self {
        let mut headers = vec![
            ("tapwatch_reason", letter.reason.to_owned()),
            ("tapwatch_detail", letter.detail),
            ("tapwatch_topic", deployment.topic(letter.topic).to_string()),
            ("tapwatch_partition", partition.to_string()),
            ("tapwatch_offset", letter.offset.to_string()),
        ];
        headers.extend(letter.timestamp.map(|at| ("tapwatch_timestamp", at.to_string())));
        Self {
            output: Output::DeadLetters,
            partition,
            to: None,
            key: letter.key,
            value: letter.value,
            headers,
        }
    }

    /// On the alerts topic: a home is watched no more, and was erased.
    pub fn withdrawal(withdrawal: &Withdrawal, source: &str, partition: i32) -> Self {
        let Withdrawal { household, at, why, .. } = withdrawal;
        let data = json!({ "household_id": household, "withdrawn_at": at, "reason": why.name() });
        Self {
            output: Output::Alerts,
            partition,
            to: None,
            key: Some(household.as_bytes().to_vec()),
            value: serde_json::to_vec(&data).ok(),
            headers: event_headers(WITHDRAWAL_TYPE, source, &withdrawal.id(), household, *at).into(),
        }
    }

    /// A list of homes to visit: the latest of its programme and partition stays. One that is made anew, because a home is
    /// no more to be named, bears another id as soon as it says anything else.
    pub fn visit_list(list: &VisitList, source: &str, partition: i32) -> Self {
        let value = serde_json::to_vec(list).unwrap_or_default();
        let number = crc32fast::hash(&value);
        let id = format!("visits/{}/{partition}/{}/{number:08x}", list.programme, list.day);
        Self {
            output: Output::Visits,
            partition,
            to: Some(partition),
            key: Some(list.programme.as_bytes().to_vec()),
            value: Some(value),
            headers: event_headers(VISITS_TYPE, source, &id, &list.programme, list.made_at).into(),
        }
    }

    /// On the zones topic: a report goes to the partition that is responsible for its zone, a status to every one.
    pub fn zone(said: &ZoneRecord, deployment: &Deployment, partition: i32) -> Vec<Self> {
        let to = match said {
            ZoneRecord::Report(report) => {
                let responsible = deployment.place(report.zone.as_bytes());
                responsible..responsible + 1
            }
            ZoneRecord::Status(_) => 0..deployment.partitions,
        };
        let (key, value) = (said.key().into_bytes(), said.value());
        let record = |to| Self {
            output: Output::Zones,
            partition,
            to: Some(to),
            key: Some(key.clone()),
            value: Some(value.clone()),
            headers: Vec::new(),
        };
        to.map(record).collect()
    }

    /// An alert of a zone, as a CloudEvent in Kafka's binary mode.
    pub fn area_alert(alert: AreaAlert, source: &str, partition: i32) -> Self {
        let event = alert.event(source);
        Self {
            output: Output::AreaAlerts,
            partition,
            to: None,
            key: Some(event.subject.as_bytes().to_vec()),
            value: serde_json::to_vec(&event.data).ok(),
            headers: event.headers().into(),
        }
    }

    /// A record for a further topic.
    pub fn message(message: Message, partition: i32) -> Self {
        Self {
            output: message.output,
            partition,
            to: message.partition,
            key: Some(message.key.into_bytes()),
            value: message.value,
            headers: message.headers,
        }
    }

    /// The state of a home.
    pub fn state(checkpoint: Checkpoint, partition: i32) -> Self {
        Self {
            output: Output::State,
            partition,
            to: Some(partition),
            key: Some(checkpoint.household.into_boxed_bytes().into_vec()),
            value: checkpoint.bytes,
            headers: Vec::new(),
        }
    }

    /// Bytes of key, payload and headers.
    pub fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(key, value)| key.len() + value.len()).sum();
        self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len) + headers
    }

    /// Cuts key and payload of a dead letter to their first bytes, further with each call, and says so in a header; the
    /// whole is where it came from. False where that is not to be done, or can be done no more.
    pub fn shorten(&mut self) -> bool {
        let cuts = self.headers.iter().filter(|(key, _)| *key == "tapwatch_cut").count();
        if self.output != Output::DeadLetters {
            return false;
        }
        let Some((key_bytes, value_bytes)) = CUTS.get(cuts) else {
            return false;
        };
        let cut = |bytes: &mut Option<Vec<u8>>, most: usize| {
            let before = bytes.as_ref().map_or(0, Vec::len);
            if let Some(bytes) = bytes {
                bytes.truncate(most);
            }
            (before.min(most), before)
        };
        let (key, value) = (cut(&mut self.key, *key_bytes), cut(&mut self.value, *value_bytes));
        let mut said = format!("the first {} of {} bytes", value.0, value.1);
        if key.0 < key.1 {
            said += &format!(", and of the key the first {} of {}", key.0, key.1);
        }
        self.headers.push(("tapwatch_cut", said));
        true
    }
}
