//! Records as they are written: alerts, dead letters and states of homes, with keys, headers and bytes.

use crate::alert::CloudEvent;
use crate::model::{Alert, DeadLetter};
use crate::partition::Checkpoint;

/// Of a dead letter that its topic does not take, so many first bytes of key and payload are written; and if it takes
/// not even that, so many.
const CUTS: [(usize, usize); 2] = [(1_024, 65_536), (64, 128)];

/// Which topic a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output {
    /// Alerts, for subscribers.
    Alerts,
    /// What was kept out.
    DeadLetters,
    /// States of homes, for a restart; compacted.
    State,
}

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutRecord {
    /// Where to.
    pub output: Output,
    /// The partition of the readings that it follows from. A state goes into the partition of this number of its own
    /// topic; the others go where their key belongs.
    pub partition: i32,
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
            key: Some(event.subject.as_bytes().to_vec()),
            // Numbers, texts and lists have a form in JSON; there is nothing in an alert that has none.
            value: serde_json::to_vec(&event.data).ok(),
            headers: event.headers().into(),
        }
    }

    /// A record that was kept out, as it came, with the reason in its headers.
    pub fn dead_letter(letter: DeadLetter, topic: &str, partition: i32) -> Self {
        let mut headers = vec![
            ("tapwatch_reason", letter.reason.to_owned()),
            ("tapwatch_detail", letter.detail),
            ("tapwatch_topic", topic.to_owned()),
            ("tapwatch_partition", partition.to_string()),
            ("tapwatch_offset", letter.offset.to_string()),
        ];
        headers.extend(letter.timestamp.map(|at| ("tapwatch_timestamp", at.to_string())));
        Self {
            output: Output::DeadLetters,
            partition,
            key: letter.key,
            value: letter.value,
            headers,
        }
    }

    /// The state of a home.
    pub fn state(checkpoint: Checkpoint, partition: i32) -> Self {
        Self {
            output: Output::State,
            partition,
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
