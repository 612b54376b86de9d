//! Records of the topics that are followed beside the readings.

use super::{Effects, Partition};
use crate::model::{DeadLetter, HomeRecord, InputTopic, RawRecord, ResponseRecord, SignRecord, check_id};

impl Partition {
    /// Takes a record of a topic beside the readings. What it changes is in no reading, so the homes concerned are among
    /// the next checkpoints; one that is refused changes nothing.
    pub fn take_beside(&mut self, topic: InputTopic, record: &RawRecord<'_>) -> Effects {
        let taken = match topic {
            InputTopic::Homes => home_record(record).and_then(|(household, home)| {
                self.set_home(household, home.as_ref())
                    .map_err(|error| error.to_string())
            }),
            InputTopic::Signs => parsed(record, |sign: &SignRecord| &sign.household_id).map(|_| Effects::default()),
            InputTopic::Responses => {
                parsed(record, |response: &ResponseRecord| &response.household_id).map(|_| Effects::default())
            }
            InputTopic::Zones | InputTopic::Readings => Ok(Effects::default()),
        };
        let mut effects = taken.unwrap_or_else(|detail| Effects {
            dead_letters: vec![refused(topic, record, detail)],
            ..Effects::default()
        });
        effects.next_offset = self.next_offset;
        effects
    }
}

/// Reads a record of the homes topic: the home, and what is said of it (`None` for a tombstone).
///
/// # Errors
/// What is wrong with it.
pub(super) fn home_record<'a>(record: &RawRecord<'a>) -> Result<(&'a str, Option<HomeRecord>), String> {
    match record.value {
        None => Ok((household(record)?, None)),
        Some(_) => {
            let (household, home) = parsed(record, |home: &HomeRecord| &home.household_id)?;
            Ok((household, Some(home)))
        }
    }
}

fn household<'a>(record: &RawRecord<'a>) -> Result<&'a str, String> {
    let key = record.key.ok_or("no key")?;
    let household = std::str::from_utf8(key).map_err(|_| "the key is not UTF-8")?;
    check_id(household).map_err(|error| format!("the key: {error}"))?;
    Ok(household)
}

fn parsed<'a, T: serde::de::DeserializeOwned>(
    record: &RawRecord<'a>,
    named: impl Fn(&T) -> &str,
) -> Result<(&'a str, T), String> {
    let household = household(record)?;
    let value = record.value.ok_or("no payload")?;
    let parsed: T = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    if named(&parsed) != household {
        return Err("the key is not the payload's household_id".into());
    }
    Ok((household, parsed))
}

fn refused(topic: InputTopic, record: &RawRecord<'_>, detail: String) -> DeadLetter {
    let reason = match topic {
        InputTopic::Homes => "bad_home",
        InputTopic::Signs => "bad_sign",
        InputTopic::Responses => "bad_response",
        InputTopic::Zones | InputTopic::Readings => "bad_zone",
    };
    DeadLetter {
        topic,
        reason,
        detail,
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
    }
}
