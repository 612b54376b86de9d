//! What is written to topics.

/// A topic that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output {
    /// Alerts, for subscribers.
    Alerts,
    /// What was kept out.
    DeadLetters,
    /// States of homes, for a restart; compacted.
    State,
    /// Lists of visits, by programme; compacted.
    Visits,
    /// What partitions tell each other of zones; compacted. It is read, too.
    Zones,
    /// Alerts of whole areas, by zone.
    AreaAlerts,
}

/// A record for a topic that is neither an alert of a home nor a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub output: Output,
    /// The key: the programme, or the zone.
    pub key: String,
    /// The payload, JSON; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers, in order.
    pub headers: Vec<(&'static str, String)>,
    /// The partition of its topic; `None` for the one where its key belongs.
    pub partition: Option<i32>,
}
