//! What a programme wants done with what the detectors say.

use serde::{Deserialize, Serialize};

/// The policy of a programme.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {}
