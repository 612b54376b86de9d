//! Files of what is written beside readings: other signs of life, and what became of alerts.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::HistoryError;
use super::error::io_error;
use crate::model::{EventTime, InputTopic, ResponseRecord, SignRecord, check_id};

/// A record of a topic that is followed beside the readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BesideRecord {
    /// Its topic.
    pub topic: InputTopic,
    /// The home.
    pub household: String,
    /// When it happened; a file does not say when it was known.
    pub at: EventTime,
    /// The record itself (JSON).
    pub json: String,
}

/// Reads a file of signs of life: a record a line, as on their topic.
///
/// # Errors
/// What is wrong with the file.
pub fn read_signs(path: &Path) -> Result<Vec<BesideRecord>, HistoryError> {
    read(path, InputTopic::Signs, |sign: SignRecord| (sign.household_id, sign.at))
}

/// Reads a file of what became of alerts: a record a line, as on their topic.
///
/// # Errors
/// What is wrong with the file.
pub fn read_responses(path: &Path) -> Result<Vec<BesideRecord>, HistoryError> {
    read(path, InputTopic::Responses, |said: ResponseRecord| {
        (said.household_id, said.at)
    })
}

fn read<T: DeserializeOwned>(
    path: &Path,
    topic: InputTopic,
    parts: fn(T) -> (String, EventTime),
) -> Result<Vec<BesideRecord>, HistoryError> {
    let file = File::open(path).map_err(|source| io_error(path, source))?;
    let mut records = Vec::new();
    for (line, json) in (1..).zip(BufReader::new(file).lines()) {
        let json = json.map_err(|source| io_error(path, source))?;
        if json.trim().is_empty() {
            continue;
        }
        let bad = |reason: String| HistoryError::BadRecord {
            file: path.to_owned(),
            line,
            reason,
        };
        let (household, at) = parts(serde_json::from_str(&json).map_err(|error| bad(error.to_string()))?);
        check_id(&household).map_err(|error| bad(format!("household_id {household:?}: {error}")))?;
        records.push(BesideRecord {
            topic,
            household,
            at,
            json,
        });
    }
    Ok(records)
}
