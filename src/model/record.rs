//! Records at the two edges of the engine.

use serde::{Deserialize, Serialize};

use super::EventTime;

/// A record of the readings topic as it was received: borrowed, not yet understood.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// The offset in its partition.
    pub offset: i64,
    /// Kafka's timestamp; `None` where the record has none.
    pub timestamp: Option<EventTime>,
    /// The key: the household id.
    pub key: Option<&'a [u8]>,
    /// The payload; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
}

/// A record that was kept out, whole, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// A short stable name of the reason (a metric label).
    pub reason: &'static str,
    /// What exactly was wrong.
    pub detail: String,
    /// The offset of the record in its partition.
    pub offset: i64,
    /// Kafka's timestamp of the record.
    pub timestamp: Option<EventTime>,
    /// The key as received.
    pub key: Option<Vec<u8>>,
    /// The payload as received.
    pub value: Option<Vec<u8>>,
}

/// What the homes topic says of a home; absent fields take the settings' defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeRecord {
    /// The home.
    pub household_id: String,
    /// IANA name of its time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Grid cell or street block of homes supplied together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The named set of rules under which it is enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programme: Option<String>,
    /// Whether all that is kept of it is to be erased, before the rest of this record holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erase: bool,
}
