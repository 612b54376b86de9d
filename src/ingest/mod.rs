//! From bytes to a reading, or to a dead letter with its reason.
//!
//! Constraints: any bytes may come in; nothing here panics, allocates for a good reading, or looks at a home's history.
//! Form: a JSON object as `docs/schemas/reading.schema.json` describes it.
//! Operation: [`decode`] checks in this order: size, key, UTF-8, JSON, fields, ranges, dates; the first failure names it.

mod reject;
mod wire;

#[cfg(test)]
mod tests;

pub use reject::Rejection;

use serde::{Deserialize, Serialize};

use crate::model::{DAY, EventTime, Flag, HOUR, MINUTE, Measure, Quality, RawRecord, Reading, check_id};

/// What is accepted as a reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestSettings {
    /// The largest payload accepted, in bytes.
    pub max_payload_bytes: usize,
    /// What to do with a field that the schema does not know.
    pub unknown_fields: UnknownFields,
    /// The longest interval accepted, in seconds. Longer than a day, because catch-up readings are real.
    pub max_interval_seconds: u32,
    /// The greatest flow believed, in litres an hour; shorter intervals may hold what an hour may hold.
    pub max_flow_litres_per_hour: f64,
    /// The earliest start of an interval believed.
    pub earliest: EventTime,
    /// How far an interval may end after its arrival (clocks of meters run ahead), in seconds.
    pub max_future_seconds: u32,
}

/// What to do with a field that the schema does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownFields {
    /// Read past it: producers may add fields before tapwatch learns of them.
    Ignore,
    /// Keep the reading out, with the field's name.
    Reject,
}

impl Default for IngestSettings {
    fn default() -> Self {
        Self {
            max_payload_bytes: 64 * 1024,
            unknown_fields: UnknownFields::Ignore,
            max_interval_seconds: 400 * DAY,
            max_flow_litres_per_hour: 20_000.0,
            earliest: EventTime::from_seconds(946_684_800), // 2000-01-01
            max_future_seconds: HOUR,
        }
    }
}

/// A reading with the moment at which it counts as arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived<'a> {
    /// What the meter reports.
    pub reading: Reading<'a>,
    /// When the utility received it: `received_at`, else the interval's end, and never after Kafka's timestamp.
    pub arrival: EventTime,
}

/// Reads one record.
///
/// # Errors
/// The [`Rejection`] that belongs on the dead-letter topic.
pub fn decode<'a>(record: &RawRecord<'a>, settings: &IngestSettings) -> Result<Arrived<'a>, Rejection> {
    let value = record.value.ok_or(Rejection::NoPayload)?;
    if value.len() > settings.max_payload_bytes {
        return Err(Rejection::TooLarge {
            bytes: value.len(),
            limit: settings.max_payload_bytes,
        });
    }
    let key = record.key.ok_or(Rejection::NoKey)?;
    let text = std::str::from_utf8(value).map_err(|error| Rejection::NotUtf8 {
        at: error.valid_up_to(),
    })?;
    let mut reading = wire::read(text, settings.unknown_fields)?;
    if key != reading.household.as_bytes() {
        return Err(Rejection::WrongKey {
            household: reading.household.into_owned(),
        });
    }
    check_id(&reading.household).map_err(|error| Rejection::BadId {
        field: "household_id",
        error,
    })?;
    check_id(&reading.meter).map_err(|error| Rejection::BadId {
        field: "meter_id",
        error,
    })?;
    check_ranges(&reading, settings)?;
    let arrival = arrival(&reading, record.timestamp, settings)?;
    if reading
        .received_at
        .is_some_and(|received| reading.end() > received.plus(CLOCK_SLACK))
    {
        // Received before it was over: the meter's clock runs ahead of the utility's.
        reading.flags.insert(Flag::Clock);
    }
    Ok(Arrived { reading, arrival })
}

/// By how much clocks may differ without being wrong, in seconds.
const CLOCK_SLACK: u32 = MINUTE;

fn check_ranges(reading: &Reading<'_>, settings: &IngestSettings) -> Result<(), Rejection> {
    if reading.seconds == 0 || reading.seconds > settings.max_interval_seconds {
        return Err(Rejection::BadInterval {
            seconds: reading.seconds,
            limit: settings.max_interval_seconds,
        });
    }
    let hours = f64::from(reading.seconds.max(HOUR)) / f64::from(HOUR);
    match reading.measure {
        Some(Measure::Volume(litres)) if litres.abs() > settings.max_flow_litres_per_hour * hours => {
            Err(Rejection::AbsurdVolume {
                litres,
                seconds: reading.seconds,
            })
        }
        // The largest index on a dial is far below a million million litres, and dials start at nought.
        Some(Measure::Register(litres)) if !(0.0..=1e12).contains(&litres) => Err(Rejection::AbsurdRegister { litres }),
        None if reading.quality == Quality::Measured => Err(Rejection::MissingField { field: "volume_litres" }),
        _ => Ok(()),
    }
}

fn arrival(
    reading: &Reading<'_>,
    timestamp: Option<EventTime>,
    settings: &IngestSettings,
) -> Result<EventTime, Rejection> {
    if reading.start < settings.earliest {
        return Err(Rejection::TooOld {
            start: reading.start,
            earliest: settings.earliest,
        });
    }
    let end = reading.end();
    let witness = match (timestamp, reading.received_at) {
        (Some(kafka), Some(received)) => Some(kafka.min(received)),
        (kafka, received) => kafka.or(received),
    };
    match witness {
        Some(witness) if end > witness.plus(settings.max_future_seconds) => {
            Err(Rejection::InTheFuture { end, arrived: witness })
        }
        Some(witness) => Ok(reading.received_at.unwrap_or(end).min(witness)),
        None => Ok(end),
    }
}
