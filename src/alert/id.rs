//! The identity of an alert.

use uuid::Uuid;

use crate::model::{AlertKind, EventTime};

/// The namespace of alert ids (RFC 9562, version 5): a fixed random value of this project.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_2a94_0c7b_4e5e_9b3a_7d10_52c8_e4f1);

/// The id of the alert of `kind` on `household` that began at `since`: the same whenever and wherever it is worked out.
pub fn alert_id(household: &str, kind: AlertKind, since: EventTime) -> String {
    let name = format!("{}\n{}\n{household}", kind.name(), since.seconds());
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}
