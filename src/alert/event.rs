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
pub struct CloudEvent<T = Alert> {
    /// `1.0`.
    pub specversion: String,
    /// [`EVENT_TYPE`], or [`AREA_TYPE`].
    #[serde(rename = "type")]
    pub event_type: String,
    /// The deployment that wrote it, such as `/tapwatch/district-7`.
    pub source: String,
    /// `<alert_id>/<revision>`: unique, and the same after a replay.
    pub id: String,
    /// The home, or the zone.
    pub subject: String,
    /// When it was decided.
    pub time: EventTime,
    /// [`CONTENT_TYPE`].
    pub datacontenttype: String,
    /// The alert.
    pub data: T,
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
}

impl<T> CloudEvent<T> {
    /// The attributes as Kafka headers of binary mode.
    pub fn headers(&self) -> [(&'static str, String); 7] {
        event_headers(&self.event_type, &self.source, &self.id, &self.subject, self.time)
    }
}

/// The type of the event that says that a home is watched no more.
pub const WITHDRAWAL_TYPE: &str = "tapwatch.withdrawal.v1";
/// The type of the event that carries a list of homes to visit.
pub const VISITS_TYPE: &str = "tapwatch.visits.v1";

/// The type of the event that carries an alert of a zone.
pub const AREA_TYPE: &str = "tapwatch.area-alert.v1";

/// The attributes of an event with JSON data as Kafka headers (CloudEvents Kafka protocol binding 1.0, binary mode).
pub fn event_headers(
    event_type: &str,
    source: &str,
    id: &str,
    subject: &str,
    time: EventTime,
) -> [(&'static str, String); 7] {
    [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_type", event_type.to_owned()),
        ("ce_source", source.to_owned()),
        ("ce_id", id.to_owned()),
        ("ce_subject", subject.to_owned()),
        ("ce_time", time.to_string()),
        ("content-type", CONTENT_TYPE.to_owned()),
    ]
}
