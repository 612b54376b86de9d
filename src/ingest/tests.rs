use proptest::prelude::*;

use super::*;

const GOOD: &str =
    r#"{"household_id":"h1","timestamp":"2024-03-01T08:00:00Z","interval_seconds":3600,"volume_litres":12.5}"#;

fn record(
    key: &'static str,
    value: &str,
    timestamp: Option<&str>,
) -> Result<(Measure, EventTime), (&'static str, String)> {
    let timestamp = timestamp.map(|text| text.parse().expect("a valid time"));
    let record = RawRecord {
        offset: 0,
        timestamp,
        key: Some(key.as_bytes()),
        value: Some(value.as_bytes()),
    };
    match decode(&record, &IngestSettings::default()) {
        Ok(arrived) => Ok((arrived.reading.measure.expect("a measure"), arrived.arrival)),
        Err(rejection) => Err((rejection.name(), rejection.to_string())),
    }
}

fn with(field: &str) -> String {
    GOOD.replace('}', &format!(",{field}}}"))
}

#[test]
fn a_good_reading_arrives_at_its_end_unless_something_says_otherwise() {
    let nine: EventTime = "2024-03-01T09:00:00Z".parse().expect("a time");
    assert_eq!(record("h1", GOOD, None), Ok((Measure::Volume(12.5), nine)));
    assert_eq!(
        record("h1", GOOD, Some("2026-01-01T00:00:00Z")),
        Ok((Measure::Volume(12.5), nine))
    );
    let received = with(r#""received_at":"2024-03-01T11:30:00Z""#);
    assert_eq!(record("h1", &received, None).map(|r| r.1.since(nine)), Ok(9_000));
    assert_eq!(
        record("h1", &received, Some("2024-03-01T10:00:00Z")).map(|r| r.1.since(nine)),
        Ok(3_600)
    );
}

#[test]
fn every_kind_of_bad_input_has_a_name() {
    let cases: [(&str, String, &str); 16] = [
        ("h1", "{".into(), "not_json"),
        ("h1", "[1,2]".into(), "bad_value"),
        ("h1", format!("{GOOD} x"), "not_json"),
        ("h1", GOOD.replace("12.5", "\"12.5\""), "bad_value"),
        ("h1", GOOD.replace("12.5", "1e400"), "bad_value"),
        ("h1", GOOD.replace("12.5", "null"), "missing_field"),
        ("h1", GOOD.replace("3600", "0"), "bad_interval"),
        ("h1", GOOD.replace("3600", "-60"), "bad_value"),
        ("h1", GOOD.replace("12.5", "900000"), "absurd_volume"),
        (
            "h1",
            GOOD.replace("\"volume_litres\":12.5", "\"register_litres\":-4"),
            "absurd_register",
        ),
        ("h1", GOOD.replace("2024", "1983"), "too_old"),
        ("h1", GOOD.replace("2024-03-01T08:00:00Z", "yesterday"), "bad_value"),
        ("h2", GOOD.into(), "wrong_key"),
        ("h1", with("\"register_litres\":5"), "two_measures"),
        ("h1", with("\"household_id\":\"h2\""), "bad_value"),
        ("", GOOD.replace("h1", ""), "bad_id"),
    ];
    for (key, payload, name) in cases {
        let answer = record(key, &payload, None);
        assert_eq!(
            answer.as_ref().err().map(|e| e.0),
            Some(name),
            "{payload} gave {answer:?}"
        );
    }
    let future = record("h1", GOOD, Some("2024-02-29T00:00:00Z"));
    assert_eq!(future.expect_err("from the future").0, "in_the_future");
}

#[test]
fn unknown_fields_are_read_past_or_refused_as_settings_say() {
    let payload = with("\"battery\":{\"volts\":3.1}");
    let raw = RawRecord {
        offset: 0,
        timestamp: None,
        key: Some(b"h1"),
        value: Some(payload.as_bytes()),
    };
    assert!(decode(&raw, &IngestSettings::default()).is_ok());
    let strict = IngestSettings {
        unknown_fields: UnknownFields::Reject,
        ..IngestSettings::default()
    };
    assert_eq!(
        decode(&raw, &strict),
        Err(Rejection::UnknownField {
            field: "battery".into()
        })
    );
}

#[test]
fn size_key_and_encoding_are_checked_first() {
    let settings = IngestSettings {
        max_payload_bytes: 10,
        ..IngestSettings::default()
    };
    let raw = RawRecord {
        offset: 0,
        timestamp: None,
        key: None,
        value: Some(GOOD.as_bytes()),
    };
    assert_eq!(decode(&raw, &settings).expect_err("too large").name(), "too_large");
    assert_eq!(decode(&raw, &IngestSettings::default()), Err(Rejection::NoKey));
    let raw = RawRecord {
        key: Some(b"h"),
        value: Some(b"{\"a\":\"\xff\"}"),
        ..raw
    };
    assert_eq!(
        decode(&raw, &IngestSettings::default()),
        Err(Rejection::NotUtf8 { at: 6 })
    );
    assert_eq!(
        decode(&RawRecord { value: None, ..raw }, &settings),
        Err(Rejection::NoPayload)
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(key in prop::option::of(prop::collection::vec(any::<u8>(), 0..8)),
                              value in prop::collection::vec(any::<u8>(), 0..200)) {
        let raw = RawRecord { offset: 1, timestamp: None, key: key.as_deref(), value: Some(&value) };
        let _ = decode(&raw, &IngestSettings::default());
    }

    #[test]
    fn no_damage_to_a_good_reading_makes_it_panic(at in 0..GOOD.len(), byte in any::<u8>(), cut in 0..GOOD.len()) {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(GOOD.len() - cut);
        let raw = RawRecord { offset: 1, timestamp: None, key: Some(b"h1"), value: Some(&bytes) };
        let _ = decode(&raw, &IngestSettings::default());
    }
}
