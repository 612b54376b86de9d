//! The JSON form of a reading.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::{Rejection, UnknownFields};
use crate::model::{EventTime, Flag, Flags, Measure, Quality, Reading};

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
    flags: Option<FlagNames>,
    unknown: Option<String>,
}

/// A list of names of flags; the first that is not known is kept by its name.
#[derive(Default)]
struct FlagNames {
    flags: Flags,
    unknown: Option<String>,
}

impl<'de> Deserialize<'de> for FlagNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = FlagNames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names of flags")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<FlagNames, A::Error> {
                let mut names = FlagNames::default();
                while let Some(Text(name)) = list.next_element()? {
                    match Flag::named(&name) {
                        Some(flag) => names.flags.insert(flag),
                        None => {
                            names.unknown.get_or_insert_with(|| format!("flags: {name}"));
                        }
                    }
                }
                Ok(names)
            }
        }
        deserializer.deserialize_seq(Names)
    }
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
    let flags = fields.flags.unwrap_or_default();
    if let (UnknownFields::Reject, Some(field)) = (unknown, fields.unknown.or(flags.unknown)) {
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
        flags: flags.flags,
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
                "flags" => once(&name, &mut fields.flags, &mut map)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    fields.unknown.get_or_insert_with(|| name.into_owned());
                }
            }
        }
        Ok(fields)
    }
}
