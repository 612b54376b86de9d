//! What a programme wants done with what the detectors say.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::Band;

/// The policy of a programme.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    /// Contacts, in the order in which they are told while nobody acknowledges an alert. tapwatch names them in its
    /// records; whoever reads those does the telling.
    pub ladder: Vec<LadderStep>,
}

/// A contact and when it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderStep {
    /// Who: a name that means something to the subscribers, such as `family` or `warden`. No person's name.
    pub contact: Arc<str>,
    /// Minutes without acknowledgement after the step before, or after the alert was raised.
    #[serde(default)]
    pub after_minutes: u32,
    /// The hours of the local day in which they can be told; at others the next who is on duty is told instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duty: Option<Band>,
}
