//! How far the topics beside the readings have been taken in.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::InputTopic;

/// The next offset of each topic that is followed beside the readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BesideOffsets(BTreeMap<InputTopic, i64>);

impl BesideOffsets {
    /// What `offset` says of each topic.
    ///
    /// # Errors
    /// The first of its errors.
    pub fn read<E>(offset: impl Fn(InputTopic) -> Result<i64, E>) -> Result<Self, E> {
        let each = InputTopic::BESIDE.map(|topic| Ok((topic, offset(topic)?)));
        each.into_iter().collect::<Result<_, _>>().map(Self)
    }

    /// The next offset of a topic.
    pub fn next(&self, topic: InputTopic) -> i64 {
        self.0.get(&topic).copied().unwrap_or(0)
    }

    /// A topic has been taken in up to `next`.
    pub fn set(&mut self, topic: InputTopic, next: i64) {
        self.0.insert(topic, next);
    }
}

impl Default for BesideOffsets {
    /// All from their beginning.
    fn default() -> Self {
        Self(InputTopic::BESIDE.map(|topic| (topic, 0)).into())
    }
}

impl fmt::Display for BesideOffsets {
    /// As it stands in the metadata of a commit: `homes_offset=3 signs_offset=0` and so on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (topic, offset)) in self.0.iter().enumerate() {
            let gap = if place > 0 { " " } else { "" };
            write!(f, "{gap}{}_offset={offset}", topic.name())?;
        }
        Ok(())
    }
}
