//! The form that subscribers read: CloudEvents 1.0.

use serde::{Deserialize, Serialize};

use crate::model::{Alert, EventTime};

/// The type of all alert events. A change that a reader could misread gets a new one.
pub const EVENT_TYPE: &str = "tapwatch.alert.v1";
/// The media type of an alert's data.
pub const CONTENT_TYPE: &str = "application/json";

/// An alert as a CloudEvent in structured mode. In Kafka's binary mode the attributes are headers (`ce_…`) and the
/// value is `data` alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CloudEvent {
    /// `1.0`.
    pub specversion: String,
    /// [`EVENT_TYPE`].
    #[serde(rename = "type")]
    pub event_type: String,
    /// The deployment that wrote it, such as `/tapwatch/district-7`.
    pub source: String,
    /// `<alert_id>/<revision>`: unique, and the same after a replay.
    pub id: String,
    /// The home.
    pub subject: String,
    /// When it was decided.
    pub time: EventTime,
    /// [`CONTENT_TYPE`].
    pub datacontenttype: String,
    /// The alert.
    pub data: Alert,
}

impl CloudEvent {
    /// Wraps an alert.
    pub fn new(alert: Alert, source: &str) -> Self {
        Self {
            specversion: "1.0".into(),
            event_type: EVENT_TYPE.into(),
            source: source.into(),
            id: format!("{}/{}", alert.alert_id, alert.revision),
            subject: alert.household_id.to_string(),
            time: alert.decided_at,
            datacontenttype: CONTENT_TYPE.into(),
            data: alert,
        }
    }

    /// The attributes as Kafka headers of binary mode (CloudEvents Kafka protocol binding 1.0).
    pub fn headers(&self) -> [(&'static str, String); 7] {
        [
            ("ce_specversion", self.specversion.clone()),
            ("ce_type", self.event_type.clone()),
            ("ce_source", self.source.clone()),
            ("ce_id", self.id.clone()),
            ("ce_subject", self.subject.clone()),
            ("ce_time", self.time.to_string()),
            ("content-type", self.datacontenttype.clone()),
        ]
    }
}
