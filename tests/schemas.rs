//! The schemas under `docs/schemas` against what the program reads and writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Value, json};
use tapwatch::alert::{AREA_TYPE, CloudEvent, EVENT_TYPE, VISITS_TYPE, WITHDRAWAL_TYPE};
use tapwatch::engine::OutRecord;
use tapwatch::model::{
    AlertState, EventTime, HOUR, InputTopic, RawRecord, Response, ResponseRecord, SignKind, SignRecord, VisitList,
};
use tapwatch::partition::{Decided, Effects, Parting, Partition, Rules, Withdrawal};
use tapwatch::simulate::sample;

const READING: &str = include_str!("../docs/schemas/reading.schema.json");
const HOME: &str = include_str!("../docs/schemas/home.schema.json");
const SIGN: &str = include_str!("../docs/schemas/sign.schema.json");
const RESPONSE: &str = include_str!("../docs/schemas/response.schema.json");
const ALERT: &str = include_str!("../docs/schemas/alert.schema.json");
const VISITS: &str = include_str!("../docs/schemas/visits.schema.json");
const WITHDRAWAL: &str = include_str!("../docs/schemas/withdrawal.schema.json");
const ALERTS: &str = include_str!("../docs/alerts.md");
const ASYNCAPI: &str = include_str!("../docs/asyncapi.yaml");

fn schema(text: &str) -> Validator {
    let schema: Value = serde_json::from_str(text).expect("the schema is JSON");
    assert!(jsonschema::meta::is_valid(&schema), "not a JSON Schema");
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("the schema is sound");
    for example in schema["examples"].as_array().into_iter().flatten() {
        assert_valid(&validator, example);
    }
    validator
}

fn assert_valid(schema: &Validator, value: &Value) {
    let errors: Vec<String> = schema.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{value:#}\n{}", errors.join("\n"));
}

/// A partition and the next hour of one home's readings.
struct Story {
    partition: Partition,
    start: EventTime,
    hour: u32,
    alerts: Vec<Decided>,
    visits: Vec<VisitList>,
}

impl Story {
    fn begin() -> Self {
        Self {
            partition: Partition::new(Arc::new(Rules::default())),
            start: "2026-03-01T00:00:00Z".parse().expect("a time"),
            hour: 0,
            alerts: Vec::new(),
            visits: Vec::new(),
        }
    }

    fn now(&self) -> EventTime {
        self.start.plus(self.hour * HOUR)
    }

    /// Hours of so many litres each.
    fn hours(&mut self, litres: impl IntoIterator<Item = f64>) {
        for volume in litres {
            let payload = json!({"household_id": "h-1", "timestamp": self.now().to_string(),
                "interval_seconds": HOUR, "volume_litres": volume});
            let effects = apply(&mut self.partition, "h-1", payload.to_string().as_bytes());
            assert!(effects.dead_letters.is_empty(), "{:?}", effects.dead_letters);
            self.alerts.extend(effects.alerts);
            self.visits.extend(effects.visit_lists);
            self.hour += 1;
        }
    }

    /// Two ordinary days, and then dry ones.
    fn dry(hours: usize) -> Self {
        let mut story = Self::begin();
        story.hours((0..48).map(|hour| if (7..22).contains(&(hour % 24)) { 10.0 } else { 0.0 }));
        story.hours(vec![0.0; hours]);
        story
    }

    /// What comes of a record from beside the readings, said of now.
    fn beside(&mut self, topic: InputTopic, mut said: Value) -> Effects {
        (said["household_id"], said["at"]) = (json!("h-1"), json!(self.now().to_string()));
        let value = said.to_string();
        let record = RawRecord {
            offset: 0,
            timestamp: None,
            key: Some(b"h-1"),
            value: Some(value.as_bytes()),
        };
        self.partition.take_beside(topic, &record)
    }
}

fn apply(partition: &mut Partition, key: &str, value: &[u8]) -> Effects {
    let offset = partition.next_offset();
    partition.apply([RawRecord {
        offset,
        timestamp: None,
        key: Some(key.as_bytes()),
        value: Some(value),
    }])
}

/// Two ordinary days, thirty dry hours, a leak of thirty hours, silence, and readings again.
fn story() -> Vec<Decided> {
    let mut story = Story::dry(30);
    story.hours([20.0]);
    story.hours([3.0; 30]);
    story.hours([0.0; 6]);
    story.hour += 40;
    let silence = story.partition.advance(story.now());
    story.alerts.extend(silence.alerts);
    story.hours([10.0]);
    story.alerts
}

#[test]
fn alerts_are_as_their_schema_says() {
    let schema = schema(ALERT);
    let alerts = story();
    let mut told = BTreeSet::new();
    for decided in &alerts {
        let event = serde_json::to_value(CloudEvent::new(decided.alert.clone(), "/tapwatch/test")).expect("JSON");
        assert_valid(&schema, &event["data"]);
        let word = |field: &str| event["data"][field].as_str().unwrap_or_default().to_owned();
        told.insert(format!("{} {}", word("kind"), word("state")));
    }
    for expected in [
        "inactivity raised",
        "inactivity updated",
        "inactivity resolved",
        "leak raised",
        "leak resolved",
        "silent_meter raised",
        "silent_meter resolved",
    ] {
        assert!(told.contains(expected), "the story has no {expected}: {told:?}");
    }

    let right = serde_json::to_value(&alerts[0].alert).expect("JSON");
    let with = |field: &str, value: Value| {
        let mut alert = right.clone();
        alert[field] = value;
        alert
    };
    assert_valid(&schema, &with("a_field_of_the_future", json!(1)));
    for kind in ["area_outage", "well_today", "burst"] {
        assert_valid(&schema, &with("kind", json!(kind)));
    }
    for wrong in [
        with("kind", json!("earthquake")),
        with("state", json!("open")),
        with("revision", json!(0)),
        with("since", json!("yesterday")),
        with("since", json!("2026-03-01T00:00:00+01:00")),
        with("alert_id", json!("42")),
        with("evidence", json!([])),
        with("text", json!({"en": "Only English."})),
        with("reason", Value::Null),
    ] {
        assert!(!schema.is_valid(&wrong), "accepted: {wrong:#}");
    }
    let fields = right.as_object().expect("an object");
    for field in fields
        .keys()
        .filter(|field| !["zone", "programme"].contains(&field.as_str()))
    {
        let mut without = fields.clone();
        without.remove(field);
        assert!(!schema.is_valid(&Value::Object(without)), "accepted without {field}");
    }
}

/// A record that is written, held against the schema of its type.
fn assert_written(schema: &Validator, record: &OutRecord, event_type: &str, subject: &str) -> Value {
    let header = |name: &str| {
        record
            .headers
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| &**value)
    };
    assert_eq!(header("ce_type"), Some(event_type));
    assert_eq!(header("ce_subject"), Some(subject));
    assert_eq!(record.key.as_deref(), Some(subject.as_bytes()));
    let data = serde_json::from_slice(record.value.as_deref().unwrap_or_default()).expect("JSON");
    assert_valid(schema, &data);
    data
}

fn without(object: &Value, field: &str) -> Value {
    let mut fields = object.as_object().expect("an object").clone();
    assert!(fields.remove(field).is_some(), "{field} is not there");
    Value::Object(fields)
}

#[test]
fn visit_lists_are_as_their_schema_says() {
    let schema = schema(VISITS);
    let story = Story::dry(36);
    let written =
        |list: &VisitList| assert_written(&schema, &OutRecord::visit_list(list, "/t", 3), VISITS_TYPE, "default");
    let lists: Vec<Value> = story.visits.iter().map(written).collect();
    let homes: Vec<usize> = lists
        .iter()
        .map(|list| list["homes"].as_array().map_or(0, Vec::len))
        .collect();
    assert_eq!(
        homes,
        [0, 0, 0, 1],
        "one list a day, and on the last the home that is dry"
    );
    let last = &lists[3];
    assert_eq!(last["homes"][0]["open"][0]["kind"], "inactivity");
    for field in ["programme", "day", "made_at", "homes", "left_off"] {
        assert!(!schema.is_valid(&without(last, field)), "accepted without {field}");
    }
    for field in ["household_id", "open", "measured_until"] {
        let mut wrong = last.clone();
        wrong["homes"][0] = without(&last["homes"][0], field);
        assert!(!schema.is_valid(&wrong), "accepted without {field}");
    }
}

#[test]
fn withdrawals_are_as_their_schema_says() {
    let schema = schema(WITHDRAWAL);
    let written = |withdrawal: &Withdrawal| {
        assert_written(
            &schema,
            &OutRecord::withdrawal(withdrawal, "/t", 3),
            WITHDRAWAL_TYPE,
            "h-1",
        )
    };
    let mut story = Story::dry(30);
    let effects = story.partition.set_home("h-1", None).expect("a tombstone");
    let [withdrawal] = &effects.withdrawals[..] else {
        panic!("{:?}", effects.withdrawals);
    };
    let data = written(withdrawal);
    assert_eq!(data["reason"], "consent_withdrawn");
    for why in [Parting::NoConsent, Parting::RecordRefused, Parting::StateLost] {
        written(&Withdrawal {
            why,
            ..withdrawal.clone()
        });
    }
    for field in ["household_id", "withdrawn_at", "reason"] {
        assert!(!schema.is_valid(&without(&data, field)), "accepted without {field}");
    }
    let mut wrong = data;
    wrong["reason"] = json!("moved");
    assert!(!schema.is_valid(&wrong), "accepted: {wrong:#}");
}

/// The document of alerts knows every reason that comes up, and what is said where a response is refused.
#[test]
fn reasons_are_those_of_the_document() {
    let schema = schema(ALERT);
    let check = |alerts: &[Decided]| {
        for decided in alerts {
            assert_valid(&schema, &serde_json::to_value(&decided.alert).expect("JSON"));
            let reason = &decided.alert.reason;
            assert!(
                ALERTS.contains(&format!("`{reason}`")),
                "docs/alerts.md has no {reason}"
            );
        }
    };
    check(&story());
    for response in Response::ALL {
        let mut story = Story::dry(30);
        let last = &story.alerts.last().expect("an alert is open").alert;
        let said = json!({"alert_id": last.alert_id, "response": response.name()});
        let effects = story.beside(InputTopic::Responses, said.clone());
        assert!(effects.dead_letters.is_empty(), "{said}: {:?}", effects.dead_letters);
        check(&effects.alerts);
        let alert = &effects.alerts[0].alert;
        let state = match response {
            Response::Acknowledged => AlertState::Acknowledged,
            _ => AlertState::Resolved,
        };
        assert_eq!((alert.state, alert.response), (state, Some(response)));
        let again = story.beside(InputTopic::Responses, said);
        let detail = &again.dead_letters[0].detail;
        assert!(
            ALERTS.contains(&format!("\"{detail}\"")),
            "docs/alerts.md has no {detail}"
        );
    }
    let signs = SignKind::ALL.map(|kind| (kind.name(), "other_sign_of_life"));
    for (sign, reason) in signs.into_iter().chain([("out", "declared_away")]) {
        let effects = Story::dry(30).beside(InputTopic::Signs, json!({"sign": sign}));
        check(&effects.alerts);
        assert_eq!(effects.alerts[0].alert.reason, reason, "{sign}");
    }
}

#[test]
fn the_sample_is_as_the_schemas_say() {
    let (readings, homes) = (schema(READING), schema(HOME));
    let sample = sample().expect("the sample is sound");
    let mut buffer = Vec::new();
    for row in &sample.history.rows {
        buffer.clear();
        sample.history.json(row, &mut buffer);
        assert_valid(&readings, &serde_json::from_slice(&buffer).expect("JSON"));
    }
    assert!(!sample.history.rows.is_empty() && !sample.homes.is_empty());
    for home in &sample.homes {
        assert_valid(&homes, &serde_json::to_value(home).expect("JSON"));
    }
}

/// What the schema says of a reading, and what the program does with it, must be the same.
#[test]
fn schema_and_program_agree_on_readings() {
    let schema = schema(READING);
    let good = json!({"household_id": "h-1", "timestamp": "2026-03-01T08:00:00Z", "interval_seconds": 3600,
        "volume_litres": 12.5});
    let with = |changes: &[(&str, Value)]| {
        let mut reading = good.clone();
        for (field, value) in changes {
            reading[*field] = value.clone();
        }
        reading
    };
    let long = "x".repeat(129);
    let cases = [
        (true, with(&[])),
        (true, with(&[("volume_litres", json!(0))])),
        (true, with(&[("volume_litres", json!(-3.5))])),
        (
            true,
            with(&[("volume_litres", Value::Null), ("register_litres", json!(1_234.5))]),
        ),
        (
            true,
            with(&[("volume_litres", Value::Null), ("quality", json!("missing"))]),
        ),
        (true, with(&[("quality", json!("estimated"))])),
        (
            true,
            with(&[
                ("quality", Value::Null),
                ("meter_id", Value::Null),
                ("received_at", Value::Null),
            ]),
        ),
        (true, with(&[("meter_id", json!("热水"))])),
        (true, with(&[("timestamp", json!("2026-03-01T08:00:00.25+01:00"))])),
        (true, with(&[("received_at", json!("2026-03-01T09:30:00Z"))])),
        (true, with(&[("battery", json!({"volts": 3.1}))])),
        (false, json!([1, 2])),
        (false, with(&[("household_id", Value::Null)])),
        (false, with(&[("household_id", json!(7))])),
        (false, with(&[("household_id", json!(""))])),
        (false, with(&[("household_id", json!(" h-1"))])),
        (false, with(&[("household_id", json!("h\n1"))])),
        (false, with(&[("meter_id", json!(long))])),
        (false, with(&[("timestamp", json!("2026-03-01 08:00"))])),
        (false, with(&[("timestamp", json!(1_772_352_000))])),
        (false, with(&[("interval_seconds", json!(0))])),
        (false, with(&[("interval_seconds", json!(-60))])),
        (false, with(&[("interval_seconds", json!(0.5))])),
        (false, with(&[("volume_litres", json!("12.5"))])),
        (false, with(&[("volume_litres", Value::Null)])),
        (
            false,
            with(&[("volume_litres", Value::Null), ("quality", json!("measured"))]),
        ),
        (false, with(&[("register_litres", json!(5))])),
        (
            false,
            with(&[("volume_litres", Value::Null), ("register_litres", json!(-4))]),
        ),
        (
            false,
            with(&[("volume_litres", Value::Null), ("register_litres", json!(2e12))]),
        ),
        (false, with(&[("quality", json!("guessed"))])),
        (false, with(&[("received_at", json!("later"))])),
    ];
    for (is_right, reading) in cases {
        let key = reading["household_id"].as_str().unwrap_or_default();
        let effects = apply(
            &mut Partition::new(Arc::new(Rules::default())),
            key,
            reading.to_string().as_bytes(),
        );
        assert_eq!(
            effects.dead_letters.is_empty(),
            is_right,
            "{reading}: {:?}",
            effects.dead_letters
        );
        assert_eq!(schema.is_valid(&reading), is_right, "the schema on {reading}");
    }
}

/// What the schema takes, the program reads, and nothing else.
fn assert_agree<T: serde::de::DeserializeOwned>(schema: &Validator, cases: impl IntoIterator<Item = (bool, Value)>) {
    for (is_right, record) in cases {
        assert_eq!(schema.is_valid(&record), is_right, "the schema on {record}");
        let read = serde_json::from_value::<T>(record.clone());
        assert_eq!(read.is_ok(), is_right, "the program on {record}");
    }
}

#[test]
fn schema_and_program_agree_on_signs_and_responses() {
    let at = "2026-03-01T08:00:00Z";
    let sign = |sign: &str| json!({"household_id": "h-1", "sign": sign, "at": at});
    let mut cases = vec![
        (false, sign("smoke")),
        (false, json!({"household_id": "h-1", "sign": "door"})),
        (false, json!({"sign": "door", "at": at})),
        (false, json!({"household_id": "h-1", "sign": "door", "at": "today"})),
        (
            false,
            json!({"household_id": "h-1", "sign": "door", "at": at, "name": "of a person"}),
        ),
        (
            true,
            json!({"household_id": "h-1", "sign": "out", "at": at, "until": at}),
        ),
        (
            true,
            json!({"household_id": "h-1", "sign": "back", "at": at, "until": null}),
        ),
    ];
    for word in [
        "electricity",
        "door",
        "phone",
        "button",
        "visit",
        "answer",
        "out",
        "back",
    ] {
        cases.push((true, sign(word)));
    }
    assert_agree::<SignRecord>(&schema(SIGN), cases);

    let response = |response: &str| json!({"household_id": "h-1", "alert_id": "a", "response": response, "at": at});
    let mut cases = vec![
        (false, response("asleep")),
        (false, json!({"household_id": "h-1", "response": "safe", "at": at})),
        (
            false,
            json!({"household_id": "h-1", "alert_id": "a", "response": "safe"}),
        ),
        (
            false,
            json!({"household_id": "h-1", "alert_id": 7, "response": "safe", "at": at}),
        ),
        (
            true,
            json!({"household_id": "h-1", "alert_id": "a", "response": "away", "at": at, "until": at, "by": "t"}),
        ),
    ];
    for word in tapwatch::model::Response::ALL {
        cases.push((true, response(word.name())));
    }
    assert_agree::<ResponseRecord>(&schema(RESPONSE), cases);
}

#[test]
fn schema_and_program_agree_on_homes() {
    let at = "2026-03-01T08:00:00Z";
    let cases = [
        (true, json!({"household_id": "h-1"})),
        (
            true,
            json!({"household_id": "h-1", "time_zone": "Asia/Shanghai", "zone": null, "programme": "default"}),
        ),
        (false, json!({"time_zone": "Asia/Shanghai"})),
        (false, json!({"household_id": "h-1", "name": "of a person"})),
        (true, json!({"household_id": "h-1", "erase": true})),
        (false, json!({"household_id": "h-1", "zone": 4})),
        (false, json!({"household_id": "h-1", "erase": "yes"})),
        (
            true,
            json!({"household_id": "h-1", "kind": "one_person", "upload_seconds": 86_400, "no_use_hours": 24.5, "q3_m3h": 2.5}),
        ),
        (false, json!({"household_id": "h-1", "kind": "two_cats"})),
        (false, json!({"household_id": "h-1", "upload_seconds": -1})),
        (false, json!({"household_id": "h-1", "q3_m3h": 0})),
        (
            true,
            json!({"household_id": "h-1", "absence": {"from": at}, "consent": null}),
        ),
        (
            true,
            json!({"household_id": "h-1", "absence": {"from": at, "to": "2026-03-09T08:00:00+01:00"}}),
        ),
        (false, json!({"household_id": "h-1", "absence": {"to": at}})),
        (
            false,
            json!({"household_id": "h-1", "absence": {"from": at, "why": "hospital"}}),
        ),
        (
            true,
            json!({"household_id": "h-1", "consent": {"purpose": "welfare", "given_at": at, "withdrawn_at": at}}),
        ),
        (false, json!({"household_id": "h-1", "consent": {"given_at": at}})),
        (false, json!({"household_id": "h-1", "consent": true})),
    ];
    let schema = schema(HOME);
    for (is_right, record) in cases {
        assert_eq!(schema.is_valid(&record), is_right, "the schema on {record}");
        let value = record.to_string();
        let record = RawRecord {
            offset: 0,
            timestamp: None,
            key: Some(b"h-1"),
            value: Some(value.as_bytes()),
        };
        let effects = Partition::new(Arc::new(Rules::default())).take_beside(InputTopic::Homes, &record);
        let letters = &effects.dead_letters;
        assert_eq!(letters.is_empty(), is_right, "the program on {value}: {letters:?}");
    }
}

#[test]
fn topics_and_headers_are_those_of_the_asyncapi_document() {
    let topics = serde_json::to_value(tapwatch::kafka::TopicNames::default()).expect("JSON");
    for (_, topic) in topics.as_object().expect("an object") {
        let line = format!("address: {}\n", topic.as_str().unwrap_or_default());
        assert!(ASYNCAPI.contains(&line), "no {line}");
    }
    // The names of reasons and of a dead letter's headers, as the program has them.
    let reasons = include_str!("../src/ingest/reject.rs")
        .lines()
        .chain(include_str!("../src/partition/beside.rs").lines())
        .filter_map(|line| line.split_once("=> \""));
    let reasons: Vec<&str> = reasons.map(|(_, name)| name.trim_end_matches("\",")).collect();
    let headers = include_str!("../src/engine/outgoing.rs")
        .split('"')
        .filter(|text| text.starts_with("tapwatch_"));
    let headers: Vec<&str> = headers.collect();
    assert!(reasons.len() > 10 && headers.len() > 5, "{reasons:?} {headers:?}");
    for reason in reasons {
        assert!(
            ASYNCAPI.contains(&format!("              - {reason}\n")),
            "no reason {reason}"
        );
    }
    for header in headers {
        assert!(
            ASYNCAPI.contains(&format!("          {header}:\n")),
            "no header {header}"
        );
    }
    for event_type in [EVENT_TYPE, AREA_TYPE, VISITS_TYPE, WITHDRAWAL_TYPE] {
        assert!(
            ASYNCAPI.contains(&format!("            const: {event_type}\n")),
            "no message {event_type}"
        );
    }
    let event = CloudEvent::new(story().remove(0).alert, "/tapwatch/test");
    for (name, _) in event.headers() {
        assert!(ASYNCAPI.contains(&format!("\n          {name}:\n")), "no header {name}");
    }
}
