//! The JSON form of a reading.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};

use super::{Rejection, UnknownFields};
use crate::model::{EventTime, Measure, Quality, Reading};

/// Text that borrows from the payload where it holds no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Default)]
struct Fields<'a> {
    household: Option<Cow<'a, str>>,
    meter: Option<Cow<'a, str>>,
    timestamp: Option<EventTime>,
    interval_seconds: Option<u32>,
    volume: Option<f64>,
    register: Option<f64>,
    quality: Option<Quality>,
    received_at: Option<EventTime>,
    unknown: Option<String>,
}

/// Reads the JSON text of one reading.
pub fn read(text: &str, unknown: UnknownFields) -> Result<Reading<'_>, Rejection> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let fields = deserializer
        .deserialize_map(FieldsVisitor)
        .and_then(|fields| deserializer.end().map(|()| fields))
        .map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Rejection::BadValue {
                message: error.to_string(),
            },
            _ => Rejection::NotJson {
                message: error.to_string(),
            },
        })?;
    if let (UnknownFields::Reject, Some(field)) = (unknown, fields.unknown) {
        return Err(Rejection::UnknownField { field });
    }
    let household = fields
        .household
        .ok_or(Rejection::MissingField { field: "household_id" })?;
    let measure = match (fields.volume, fields.register) {
        (Some(_), Some(_)) => return Err(Rejection::TwoMeasures),
        (Some(litres), None) => Some(Measure::Volume(litres)),
        (None, Some(litres)) => Some(Measure::Register(litres)),
        (None, None) => None,
    };
    Ok(Reading {
        meter: fields.meter.unwrap_or_else(|| household.clone()),
        household,
        start: fields.timestamp.ok_or(Rejection::MissingField { field: "timestamp" })?,
        seconds: fields.interval_seconds.ok_or(Rejection::MissingField {
            field: "interval_seconds",
        })?,
        measure,
        quality: fields.quality.unwrap_or_default(),
        received_at: fields.received_at,
    })
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with the fields of a reading")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        /// Takes a field's value once; null counts as absent, a second value of one name as an error.
        fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
            name: &str,
            place: &mut Option<T>,
            map: &mut A,
        ) -> Result<(), A::Error> {
            let value: Option<T> = map
                .next_value()
                .map_err(|error| de::Error::custom(format_args!("{name}: {error}")))?;
            if place.is_some() {
                return Err(de::Error::custom(format_args!("{name} is given twice")));
            }
            *place = value;
            Ok(())
        }
        fn once_text<'de, A: MapAccess<'de>>(
            name: &str,
            place: &mut Option<Cow<'de, str>>,
            map: &mut A,
        ) -> Result<(), A::Error> {
            let mut text: Option<Text<'de>> = place.take().map(Text);
            once(name, &mut text, map)?;
            *place = text.map(|text| text.0);
            Ok(())
        }

        let mut fields = Fields::default();
        while let Some(Text(name)) = map.next_key()? {
            match &*name {
                "household_id" => once_text(&name, &mut fields.household, &mut map)?,
                "meter_id" => once_text(&name, &mut fields.meter, &mut map)?,
                "timestamp" => once(&name, &mut fields.timestamp, &mut map)?,
                "interval_seconds" => once(&name, &mut fields.interval_seconds, &mut map)?,
                "volume_litres" => once(&name, &mut fields.volume, &mut map)?,
                "register_litres" => once(&name, &mut fields.register, &mut map)?,
                "quality" => once(&name, &mut fields.quality, &mut map)?,
                "received_at" => once(&name, &mut fields.received_at, &mut map)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    fields.unknown.get_or_insert_with(|| name.into_owned());
                }
            }
        }
        Ok(fields)
    }
}
