//! What is stored for a restart, on a real broker: damaged, foreign, without offsets, of an older version, looked at,
//! exported, erased; and several deployments on the same readings.

// A test of processes: it waits for them by the wall clock.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::{Value, json};
use tapwatch::engine::CommitMetadata;
use tapwatch::kafka::Feeder;
use tapwatch::model::{Consent, EventTime, HomeRecord, partition_of};

use support::broker::Broker;
use support::district::District;
use support::process::{tapwatch, wait_until};
use support::said::Said;
use support::service::{Deployment, PARTITIONS, Stored};

/// Feeds a part to an instance that runs only for it.
fn live_through(deployment: &Deployment, from: usize, until: usize) {
    let mut instance = deployment.start();
    District::shared().feed(deployment, from..until);
    deployment.wait_until_done(until);
    instance.stop();
}

/// Runs to the end of what was fed, `all` readings, and stops; what it said.
fn finish(deployment: &Deployment, all: usize) -> String {
    let mut instance = deployment.start();
    deployment.wait_until_done(all);
    instance.stop();
    instance.process.said()
}

/// Writes records as anybody may who has the permission.
fn write<'a>(deployment: &Deployment, topic: &str, records: impl IntoIterator<Item = (i32, &'a [u8], &'a [u8])>) {
    let producer: ThreadedProducer<DefaultProducerContext> = deployment.client().create().expect("a producer");
    for (partition, key, value) in records {
        let record = BaseRecord::to(topic).partition(partition).key(key).payload(value);
        let sent = producer.send(record).map_err(|(error, _)| error);
        sent.expect("room for a record");
    }
    producer.flush(Duration::from_secs(30)).expect("the broker takes them");
}

/// The latest state of each home.
fn states(deployment: &Deployment) -> BTreeMap<Vec<u8>, Stored> {
    let records = deployment.records("state").into_iter();
    records
        .map(|record| (record.key.clone().expect("a home"), record))
        .collect()
}

fn value(record: &Stored) -> &[u8] {
    record.value.as_deref().expect("a state")
}

/// A home with an alert that is open at the end of what was said.
fn home_with_open_alert(said: &Said) -> (String, Value) {
    let open = said.by_home.iter().find_map(|(home, ids)| {
        let last = &said.alerts[ids.last()?];
        (last["state"] != "resolved").then(|| (home.clone(), last.clone()))
    });
    open.expect("an alert is open")
}

#[test]
fn states_that_are_damaged_or_of_an_older_version_are_rebuilt_from_the_readings() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "damaged");
    let part = district.at(0.8);
    live_through(&deployment, 0, part);
    let states = states(&deployment);
    let open = home_with_open_alert(&deployment.alerts()).0.into_bytes();
    let mut victims: Vec<&Stored> = states
        .values()
        .take(4)
        .filter(|state| state.key.as_ref() != Some(&open))
        .collect();
    victims.push(&states[&open]);
    let bad: Vec<Vec<u8>> = victims
        .iter()
        .enumerate()
        .map(|(n, state)| {
            let mut bytes = value(state).to_vec();
            let middle = bytes.len() / 2;
            match n {
                0 => bytes[3] = 1,
                1 => bytes.truncate(middle),
                2 => bytes = b"{}".to_vec(),
                _ => bytes[middle] ^= 1,
            }
            bytes
        })
        .collect();
    let records = victims.iter().zip(&bad);
    write(
        &deployment,
        &deployment.topic("state"),
        records.map(|(state, bytes)| (state.partition, state.key.as_deref().expect("a home"), &**bytes)),
    );
    let check = tapwatch(deployment.arguments(&["state", "check"]));
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(1), "{said}");
    for problem in [
        "a snapshot of version 1; this build reads version",
        "not a snapshot of a home",
        "a damaged snapshot",
    ] {
        assert!(said.contains(problem), "{said}");
    }

    let mut instance = deployment.start();
    instance.wait_until_ready();
    assert_eq!(instance.sum("tapwatch_unreadable_states_total"), victims.len() as f64);
    let said = instance.process.said();
    assert!(
        said.contains("a stored state cannot be read; its home is rebuilt"),
        "{said}"
    );
    district.feed(&deployment, part..district.count());
    deployment.wait_until_done(district.count());
    instance.stop();
    deployment.alerts().assert_is(&district.said);
    let mut instance = deployment.start();
    instance.wait_until_ready();
    assert_eq!(
        instance.sum("tapwatch_unreadable_states_total"),
        0.0,
        "it is not stored again"
    );
    instance.stop();
    deployment.alerts().assert_is(&district.said);
}

#[test]
fn states_of_another_deployment_are_refused() {
    let district = District::shared();
    let broker = Broker::shared();
    let (deployment, other) = (
        Deployment::new(broker, "ours"),
        Deployment::beside(broker, "theirs", "ours"),
    );
    let part = district.at(0.5);
    live_through(&deployment, 0, part);
    finish(&other, part);
    let before = deployment.alerts();

    // Two groups, one state topic: the second one does not begin.
    let third = Deployment::beside(broker, "third", "ours").with("kafka.topics.state=ours.state");
    let refusal = "give this group a state topic of its own (kafka.topics.state)";
    let mut instance = third.start();
    instance.process.wait_for(refusal);
    instance.wait_for_reason(refusal);
    instance.process.kill();
    third.alerts().assert_is(&Said::default());
    assert!(third.refused(&["state", "check"]).contains("problems"));
    finish(&deployment, part);

    // A state that has strayed in.
    let stray = states(&other).into_values().next().expect("a state");
    write(
        &deployment,
        &deployment.topic("state"),
        [(stray.partition, stray.key.as_deref().expect("a home"), value(&stray))],
    );
    district.feed(&deployment, part..district.count());
    let mut instance = deployment.start();
    instance.wait_for_reason(refusal);
    instance.process.kill();
    let said = tapwatch(deployment.arguments(&["state", "check"]));
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stdout).contains("a state of deployment"));
    // Its home's next state takes its place: here it is put there by hand.
    assert!(deployment.alerts().alerts.len() >= before.alerts.len());
}

#[test]
fn offsets_of_another_cluster_or_beyond_the_end_are_refused() {
    let district = District::shared();
    let broker = Broker::shared();
    let deployment = Deployment::new(broker, "confused");
    let part = district.at(0.5);
    live_through(&deployment, 0, part);
    let (committed, said) = (deployment.committed(), deployment.alerts());
    district.feed(&deployment, part..district.count());

    let refused = |offsets: &[(i64, String)], reason: &str, problem: &str| {
        deployment.set_committed(offsets);
        let mut instance = deployment.start();
        instance.process.wait_for(reason);
        instance.wait_for_reason(reason);
        let check = tapwatch(deployment.arguments(&["state", "check"]));
        let shown = String::from_utf8_lossy(&check.stdout).into_owned();
        assert_eq!(check.status.code(), Some(1), "{shown}");
        assert!(shown.contains(problem), "{shown}");
        instance.process.kill();
        deployment.alerts().assert_is(&said);
    };
    let elsewhere = |(offset, text): &(i64, String)| {
        let metadata: CommitMetadata = text.parse().expect("metadata of tapwatch");
        let metadata = CommitMetadata {
            cluster: "another-cluster".into(),
            ..metadata
        };
        (*offset, metadata.to_string())
    };
    let copied: Vec<_> = committed.iter().map(elsewhere).collect();
    refused(
        &copied,
        "the group's offsets are of cluster another-cluster",
        "the offset is of cluster another-cluster",
    );
    let beyond: Vec<_> = committed.iter().map(|(_, text)| (1_000_000, text.clone())).collect();
    refused(
        &beyond,
        "the committed offset 1000000 lies beyond the end of confused.readings/",
        "the committed offset lies beyond the end of the readings",
    );
    // Reset by an administrator: nobody knows any more what was said.
    let reset: Vec<_> = committed.iter().map(|_| (0, String::new())).collect();
    refused(
        &reset,
        "the group has committed no offset of this version for them",
        "no commit of this version says up to where they hold",
    );
    deployment.set_committed(&committed);
    finish(&deployment, district.count());
    deployment.alerts().assert_is(&district.said);
}

#[test]
fn from_the_version_before_state_was_stored() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "upgraded");
    let part = district.at(0.7);
    district.feed(&deployment, 0..part);
    let offsets: Vec<_> = (0..PARTITIONS as i32)
        .map(|partition| {
            let consumer: rdkafka::consumer::BaseConsumer = deployment.client().create().expect("a consumer");
            let limit = Duration::from_secs(30);
            let ends = rdkafka::consumer::Consumer::fetch_watermarks(
                &consumer,
                &deployment.topic("readings"),
                partition,
                limit,
            );
            (
                ends.expect("the broker answers").1,
                "tapwatch/1 clock=1738000000".to_owned(),
            )
        })
        .collect();
    deployment.set_committed(&offsets);
    let mut instance = deployment.start();
    instance.wait_until_ready();
    let words = "is not of tapwatch/3; everything is rebuilt from the first retained reading";
    assert!(instance.process.said().contains(words), "{}", instance.process.said());
    deployment.alerts().assert_is(&Said::default());
    district.feed(&deployment, part..district.count());
    deployment.wait_until_done(district.count());
    instance.stop();
    let expected = district.said.after(&district.said_of_first(part));
    assert!(
        expected.sorts().iter().any(|sort| sort.ends_with("resolved")),
        "{:?}",
        expected.sorts()
    );
    deployment.alerts().assert_is(&expected);

    // Back to the old version and up again: the states of the time before do not say what it has said since.
    let back: Vec<_> = deployment
        .committed()
        .into_iter()
        .map(|(offset, _)| (offset, "tapwatch/1 clock=1740000000".to_owned()))
        .collect();
    deployment.set_committed(&back);
    let mut instance = deployment.start();
    instance.wait_for_reason("an older version ran since");
    instance.process.kill();
}

#[test]
fn a_second_group_and_a_second_cluster_say_the_same() {
    let district = District::shared();
    let broker = Broker::shared();
    let blue = Deployment::new(broker, "blue");
    let mut first = blue.start();
    district.feed(&blue, 0..district.at(0.5));
    blue.wait_until_done(district.at(0.5));
    let green = Deployment::beside(broker, "green", "blue");
    let mut second = green.start();
    district.feed(&blue, district.at(0.5)..district.count());
    blue.wait_until_done(district.count());
    green.wait_until_done(district.count());
    first.stop();
    second.stop();
    blue.alerts().assert_is(&district.said);
    green.alerts().assert_is(&district.said);

    let elsewhere = Broker::start(&[]);
    let moved = Deployment::new(&elsewhere, "blue");
    live_through(&moved, 0, district.count());
    moved.alerts().assert_is(&district.said);
}

#[test]
fn what_is_stored_is_shown_and_exported() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "shown");
    let never = deployment.run(&["state"]);
    assert!(never.contains("never"), "{never}");
    let part = district.at(0.8);
    live_through(&deployment, 0, part);
    let shown = deployment.run(&["state", "check"]);
    assert!(
        shown.contains("group shown on cluster") && shown.contains("4 partitions"),
        "{shown}"
    );
    assert!(!shown.contains("never") && !shown.contains('!'), "{shown}");

    let json = deployment.run(&["state", "--json"]);
    let lines: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let sum = |field: &str| {
        lines
            .iter()
            .map(|line| line[field].as_i64().expect("a number"))
            .sum::<i64>()
    };
    assert_eq!(lines.len(), PARTITIONS as usize);
    assert_eq!((sum("committed"), sum("lag"), sum("homes")), (part as i64, 0, 40));
    let said = deployment.alerts();
    let open: BTreeSet<&str> = said
        .by_home
        .values()
        .flat_map(|ids| {
            let last: BTreeMap<&str, &Value> = ids
                .iter()
                .map(|id| (said.alerts[id]["alert_id"].as_str().expect("an id"), &said.alerts[id]))
                .collect();
            last.into_iter()
                .filter(|(_, alert)| alert["state"] != "resolved")
                .map(|(id, _)| id)
        })
        .collect();
    assert_eq!(sum("open_alerts"), open.len() as i64);
    assert_eq!(sum("stored") as usize, states(&deployment).len());
    assert!(lines.iter().all(|line| line["problems"] == serde_json::json!([])));

    let (home, alert) = home_with_open_alert(&said);
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("home.json").to_string_lossy().into_owned();
    deployment.run(&["state", "export", "--home", &home, "--out", &out]);
    let file = fs::read_to_string(&out).expect("it is written");
    assert_eq!(file, deployment.run(&["state", "export", "--home", &home]));
    let exported: Value = serde_json::from_str(&file).expect("JSON");
    assert_eq!(exported["home"]["record"]["household_id"], Value::String(home.clone()));
    let cases = exported["home"]["cases"].as_array().expect("its alerts");
    assert!(
        cases
            .iter()
            .any(|case| case[0] == alert["kind"] && case[1]["open"] == true),
        "{cases:?}"
    );

    let unknown = deployment.refused(&["state", "export", "--home", "nobody"]);
    assert!(unknown.contains("nothing is stored of \"nobody\""), "{unknown}");
    let nowhere = deployment.refused(&["state", "export", "--home", &home, "--out", "/nowhere/home.json"]);
    assert!(nowhere.contains("/nowhere/home.json"), "{nowhere}");
    for command in ["export", "erase"] {
        let refused = deployment.refused(&["state", command, "--home", ""]);
        assert!(refused.contains("\"\" is no household_id"), "{refused}");
        assert_eq!(tapwatch(["state", command]).status.code(), Some(2));
    }
    assert_eq!(tapwatch(["state", "forget"]).status.code(), Some(2));
    let missing = Deployment::named(Broker::shared(), "shown-nowhere").refused(&["state"]);
    assert!(
        missing.contains("topic shown-nowhere.readings does not exist"),
        "{missing}"
    );
}

/// A deployment where consent is required, with that of every home of the district that has an alert on record.
fn consenting(name: &str) -> Deployment {
    let deployment = Deployment::new(Broker::shared(), name).with("privacy.consent=required");
    let given = EventTime::from_seconds(1);
    let homes: Vec<_> = District::shared()
        .said
        .by_home
        .keys()
        .map(|home| HomeRecord {
            household_id: home.clone(),
            consent: Some(Consent::given("welfare", given)),
            ..HomeRecord::default()
        })
        .collect();
    let settings = deployment.kafka();
    let feeder = Feeder::new(&settings).expect("a producer");
    let sent = feeder.send_homes(&settings.topics.homes, &homes, given);
    sent.expect("the broker takes them");
    deployment
}

/// The records of a topic, as they stand after compaction.
fn compacted(deployment: &Deployment, purpose: &str) -> Vec<Stored> {
    let mut last = BTreeMap::new();
    for record in deployment.records(purpose) {
        last.insert((record.partition, record.key.clone()), record);
    }
    last.into_values().filter(|record| record.value.is_some()).collect()
}

/// Whether a record names a home anywhere.
fn names(record: &Stored, home: &str) -> bool {
    let holds = |bytes: &[u8]| bytes.windows(home.len()).any(|part| part == home.as_bytes());
    let bytes = [&record.key, &record.value];
    bytes.into_iter().flatten().any(|bytes| holds(bytes)) || record.headers.values().any(|text| text.contains(home))
}

#[test]
fn a_home_that_withdraws_in_mid_stream_leaves_nothing() {
    let district = District::shared();
    let deployment = consenting("withdrawn");
    let (part, all) = (district.at(0.8), district.count());
    let mut instance = deployment.start();
    district.feed(&deployment, 0..part);
    deployment.wait_until_done(part);
    let alerts = |home: &str| {
        let records = deployment.records("alerts").into_iter();
        records
            .filter(|record| record.key.as_deref() == Some(home.as_bytes()))
            .collect::<Vec<_>>()
    };
    let (home, alert) = home_with_open_alert(&deployment.alerts());
    let before = alerts(&home).len();
    assert!(
        compacted(&deployment, "state")
            .iter()
            .any(|record| names(record, &home))
    );

    let done = deployment.run(&["state", "withdraw", "--home", &home]);
    assert!(done.contains(&format!("{home} is withdrawn and erased")), "{done}");
    assert!(done.contains(&deployment.topic("alerts")), "{done}");
    // It goes on delivering, and so does something that nobody can read.
    let readings = deployment.topic("readings");
    let named = format!(r#"{{"household_id":"{home}"}}"#);
    let other = district
        .said
        .by_home
        .keys()
        .find(|other| **other != home)
        .expect("another home");
    let place = |key: &str| partition_of(key.as_bytes(), PARTITIONS) as i32;
    let wrong: [(i32, &[u8], &[u8]); 2] = [
        (place(&home), home.as_bytes(), b"no reading"),
        (place(other), other.as_bytes(), named.as_bytes()),
    ];
    write(&deployment, &readings, wrong);
    district.feed(&deployment, part..all);
    deployment.wait_until_done(all + wrong.len());
    let assert_gone = || {
        let after = alerts(&home);
        let (resolved, event) = (&after[after.len() - 2], &after[after.len() - 1]);
        let resolved: Value = serde_json::from_slice(value(resolved)).expect("JSON");
        assert_eq!(
            (&resolved["reason"], &resolved["alert_id"]),
            (&"consent_withdrawn".into(), &alert["alert_id"])
        );
        assert_eq!(event.headers["ce_type"], "tapwatch.withdrawal.v1");
        let event: Value = serde_json::from_slice(value(event)).expect("JSON");
        assert_eq!(event["reason"], "consent_withdrawn");
        for purpose in ["state", "visits", "zones", "homes"] {
            let left = compacted(&deployment, purpose);
            assert!(!left.iter().any(|record| names(record, &home)), "{purpose}");
        }
        let letters = deployment.records("dead-letter");
        assert!(!letters.iter().any(|letter| names(letter, &home)));
        let bare = |letter: &&Stored| letter.key.is_none() && letter.value.is_none();
        assert_eq!(
            letters.iter().filter(bare).count(),
            1,
            "what came under another's key, with its reason alone"
        );
        after.len()
    };
    let count = assert_gone();
    assert!(count > before);
    instance.process.kill();
    let mut instance = deployment.start();
    instance.wait_until_ready();
    instance.stop();
    assert_eq!(assert_gone(), count);
    let nothing = deployment.refused(&["state", "export", "--home", &home]);
    assert!(nothing.contains("nothing is stored"), "{nothing}");
}

#[test]
fn a_home_where_no_order_reaches_it_is_not_said_to_be_erased() {
    let deployment = Deployment::new(Broker::shared(), "stray");
    let topic = deployment.topic("homes");
    let home = "stray-home";
    let belongs = partition_of(home.as_bytes(), PARTITIONS);
    let lies = (belongs + 1) % PARTITIONS;
    let record = json!({ "household_id": home }).to_string();
    let place = i32::try_from(lies).expect("a partition");
    write(&deployment, &topic, [(place, home.as_bytes(), record.as_bytes())]);
    for order in ["erase", "withdraw"] {
        let said = deployment.refused(&["state", order, "--home", home, "--wait", "1"]);
        let where_it_is =
            format!("{home} lies in partition {lies} of {topic}, and its key belongs in partition {belongs}");
        assert!(said.contains(&where_it_is), "{said}");
    }
}

#[test]
fn a_home_is_erased_for_good() {
    let district = District::shared();
    let deployment = consenting("erased");
    let part = district.at(0.8);
    let mut instance = deployment.start();
    district.feed(&deployment, 0..part);
    deployment.wait_until_done(part);
    let said = deployment.alerts();
    let (home, alert) = home_with_open_alert(&said);
    let done = deployment.run(&["state", "erase", "--home", &home]);
    assert!(done.contains(&format!("{home} is erased")), "{done}");
    let assert_erased = |others: &Said| {
        let after = deployment.alerts();
        let gone = &after.by_home[&home];
        let last = &after.alerts[gone.last().expect("alerts")];
        assert_eq!(
            (&last["state"], &last["reason"]),
            (&"resolved".into(), &"erased".into()),
            "{last}"
        );
        assert_eq!(last["alert_id"], alert["alert_id"]);
        for (other, ids) in &others.by_home {
            assert!(*other == home || after.by_home[other].starts_with(ids), "{other}");
        }
        let state: Value = serde_json::from_str(&deployment.run(&["state", "export", "--home", &home])).expect("JSON");
        assert_eq!(state["home"]["cases"], serde_json::json!([]));
        assert!(state["home"]["meters"].is_null());
        // The enrolment stays, in the state and in the topic that a rebuild would read.
        assert_eq!(state["home"]["record"]["consent"]["purpose"], "welfare");
        let mut homes = deployment.records("homes").into_iter();
        let last = homes.rfind(|record| record.key.as_deref() == Some(home.as_bytes()));
        let last: Value = serde_json::from_slice(value(&last.expect("its record"))).expect("JSON");
        assert_eq!(
            (&last["consent"]["purpose"], &last["erase"]),
            (&"welfare".into(), &true.into())
        );
        after
    };
    let after = assert_erased(&said);
    assert_eq!(
        after.alerts.len(),
        said.alerts.len() + after.by_home[&home].len() - said.by_home[&home].len()
    );
    instance.process.kill();
    let mut instance = deployment.start();
    instance.wait_until_ready();
    instance.stop();
    assert_eq!(assert_erased(&after), after);

    // Nobody is there to do it: it is done at the next start.
    let other = said
        .by_home
        .keys()
        .find(|other| **other != home)
        .expect("another home")
        .clone();
    let waits = deployment.refused(&["state", "erase", "--home", &other, "--wait", "1"]);
    assert!(waits.contains("the service has not done it within 1 s"), "{waits}");
    let mut instance = deployment.start();
    let cases = || {
        let exported = deployment.run(&["state", "export", "--home", &other]);
        serde_json::from_str::<Value>(&exported).expect("JSON")["home"]["cases"].clone()
    };
    wait_until("it is erased", || cases() == serde_json::json!([]));
    instance.stop();
}

#[test]
fn rules_that_are_gone_resolve_their_alerts_once() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "fewer-rules");
    let part = district.at(0.8);
    live_through(&deployment, 0, part);
    let before = deployment.alerts();
    let (home, alert) = {
        let open = before.by_home.iter().find_map(|(home, ids)| {
            let last = &before.alerts[ids.last()?];
            (last["state"] != "resolved" && last["kind"] == "inactivity").then(|| (home.clone(), last.clone()))
        });
        open.expect("an alert for inactivity is open")
    };
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("tapwatch.toml");
    let rules =
        "[[programmes.default.inactivity.rules]]\nname = \"no-use-240h\"\nwhen = { no_use = { hours = 240 } }\n";
    fs::write(&config, rules).expect("the folder takes files");
    let config = config.to_string_lossy().into_owned();
    let start = || support::process::Instance::start(&deployment.arguments(&["run", "--config", &config]));
    let resolved = |said: &Said| {
        let of_home = said.by_home[&home].iter().map(|id| &said.alerts[id]);
        of_home
            .filter(|found| found["alert_id"] == alert["alert_id"] && found["reason"] == "programme_changed")
            .count()
    };
    let mut instance = start();
    wait_until("it is resolved", || resolved(&deployment.alerts()) == 1);
    instance.process.kill();
    let after = deployment.alerts();
    for _ in 0..2 {
        let mut instance = start();
        instance.wait_until_ready();
        instance.stop();
    }
    assert_eq!(deployment.alerts(), after);
    assert_eq!(resolved(&after), 1);
    assert_eq!(resolved(&before), 0);
}
