//! Single homes: jumps of clocks, programmes, what counts as changed.

use super::*;

fn reasons(effects: &Effects) -> Vec<&str> {
    effects.dead_letters.iter().map(|letter| letter.reason).collect()
}

fn any_length(home: &str, start: EventTime, seconds: u32) -> Record {
    let value =
        format!(r#"{{"household_id":"{home}","timestamp":"{start}","interval_seconds":{seconds},"volume_litres":0}}"#);
    Record {
        key: home.as_bytes().to_vec(),
        value: value.into_bytes(),
        timestamp: None,
    }
}

#[test]
fn a_clock_that_jumps_is_believed_when_a_second_reading_agrees() {
    for seconds in [900, HOUR, DAY, 7 * DAY] {
        let mut partition = Partition::new(rules());
        let start = at(400 * 24);
        let log = [any_length("h1", T0, seconds), any_length("h1", start, seconds)];
        assert_eq!(reasons(&apply(&mut partition, &log)), ["clock_jump"], "{seconds} s");
        // The same record again is no second reading.
        assert_eq!(
            reasons(&apply(&mut partition, &log[1..])),
            ["clock_jump"],
            "{seconds} s"
        );
        let next = any_length("h1", start.plus(seconds + 7), seconds);
        assert_eq!(reasons(&apply(&mut partition, &[next])), [] as [&str; 0], "{seconds} s");
    }
}

#[test]
fn every_record_that_leaves_a_trace_in_a_home_is_to_be_stored_or_replayed() {
    let mut partition = Partition::new(rules());
    apply(&mut partition, &[hour("h1", 0, 1.0), hour("h1", 1, 1.0)]);
    for record in [
        with("h1", 2, r#""volume_litres":4,"quality":"estimated""#),
        hour("h1", 3, 0.0),
        hour("h1", 3, 0.0),
        hour("h1", 9_000, 0.0),
        meter_hour("h1", "second", 4, 0.0),
        with("h1", 3, r#""volume_litres":4,"meter_id":"third","quality":"faulty""#),
    ] {
        partition.checkpoints(Stamp::default(), i64::MAX);
        assert_eq!(partition.replay_point().offset, partition.next_offset());
        let before = partition.snapshot(0);
        let effects = apply(&mut partition, &[record]);
        let changed = partition.snapshot(0) != before;
        assert!(!changed || partition.unsaved_homes() == 1, "{effects:?}");
    }
}

#[test]
fn another_programme_judges_by_its_own_rules_also_when_late_readings_come() {
    let mut partition = Partition::new(rules());
    apply(&mut partition, &[hour("h1", 0, 5.0)]);
    let dry: Vec<_> = (1..8).chain(9..10).map(|place| hour("h1", place, 0.0)).collect();
    assert_eq!(told(&apply(&mut partition, &dry)), ["h1 inactivity Raised at 7 h"]);
    let record = HomeRecord {
        household_id: "h1".into(),
        time_zone: Some("Asia/Shanghai".into()),
        zone: Some("g-7".into()),
        programme: Some("patient".into()),
        ..HomeRecord::default()
    };
    let effects = partition.set_home("h1", Some(&record)).expect("known names");
    assert_eq!(told(&effects), ["h1 inactivity Resolved at 10 h"]);
    assert_eq!(effects.alerts[0].alert.reason, "programme_changed");
    // Hour 8 arrives after hour 9: the state is built anew from before the hole, and the old rules must not come back.
    let late = Record {
        timestamp: Some(at(11)),
        ..hour("h1", 8, 0.0)
    };
    let effects = apply(&mut partition, &[late, hour("h1", 10, 0.0)]);
    assert_eq!(told(&effects), [] as [&str; 0]);
    let effects = apply(&mut partition, &[hour("h1", 11, 0.0), hour("h1", 12, 0.0)]);
    assert_eq!(told(&effects), ["h1 inactivity Raised at 13 h"]);
    let alert = &effects.alerts[0].alert;
    assert_eq!(
        (&*alert.programme, alert.zone.as_deref(), &*alert.rule),
        ("patient", Some("g-7"), "no-use-12h")
    );
    assert!(
        alert.text.zh.contains("自09:00起"),
        "hours of its own time zone: {}",
        alert.text.zh
    );
}

#[test]
fn a_record_with_unknown_names_changes_nothing() {
    let mut partition = Partition::new(rules());
    let record = |time_zone: Option<&str>, programme: Option<&str>| HomeRecord {
        household_id: "h1".into(),
        time_zone: time_zone.map(Into::into),
        zone: None,
        programme: programme.map(Into::into),
        ..HomeRecord::default()
    };
    let error = partition.set_home("h1", Some(&record(Some("Asia/Atlantis"), None)));
    assert_eq!(error, Err(HomeError::TimeZone("Asia/Atlantis".into())));
    let error = partition
        .set_home("h1", Some(&record(None, Some("none"))))
        .expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "unknown programme \"none\"; the settings have watched, patient"
    );
    assert!(partition.arena().is_empty());
}

#[test]
fn a_declared_appliance_is_no_sign_of_life_and_is_stored_with_the_home() {
    let mut partition = Partition::new(rules());
    let record = |appliances: &str| {
        let text = format!(r#"{{"household_id": "h1", "time_zone": "Asia/Shanghai", "appliances": {appliances}}}"#);
        serde_json::from_str::<HomeRecord>(&text)
    };
    let declared = record(r#"[{"from": "14:00", "to": "14:30", "litres_at_most": 60}]"#).expect("a record");
    partition.set_home("h1", Some(&declared)).expect("it may be");
    let start = at(0).seconds() % 86_400 / 3_600;
    // 14:00 in Shanghai is 6:00 UTC.
    let place = (6 + 24 - start) % 24;
    apply(&mut partition, &[hour("h1", 0, 5.0)]);
    let litres = |hour: u32| if hour % 24 == place { 60.0 } else { 0.0 };
    let days: Vec<_> = (1..30).map(|at| hour("h1", at, litres(at))).collect();
    let told_of = told(&apply(&mut partition, &days));
    assert_eq!(
        told_of,
        ["h1 inactivity Raised at 7 h", "h1 inactivity Updated at 13 h"],
        "it does not end with the appliance"
    );
    let bytes = partition.snapshot(0);
    let mut other = Partition::new(rules());
    other.restore(&bytes).expect("its own bytes");
    assert_eq!(other.snapshot(0), bytes);
    let kept: Vec<_> = other.arena().usage(0).declared_appliances().collect();
    assert_eq!(kept, declared.appliances);
    // What cannot be is refused whole.
    for (appliances, because) in [
        (
            r#"[{"from": "14:00", "to": "14:00", "litres_at_most": 60}]"#,
            "begins where it ends",
        ),
        (
            r#"[{"from": "14:00", "to": "04:00", "litres_at_most": 60}]"#,
            "longer than 12 hours",
        ),
        (
            r#"[{"from": "14:00", "to": "15:00", "litres_at_most": -1}]"#,
            "litres_at_most",
        ),
    ] {
        let refused = other.set_home("h1", Some(&record(appliances).expect("a record")));
        assert!(refused.expect_err("refused").to_string().contains(because), "{because}");
    }
    assert!(record(r#"[{"from": "24:00", "to": "05:00", "litres_at_most": 60}]"#).is_err());
    assert!(record(r#"[{"from": "5:00", "to": "05:30", "litres_at_most": 60}]"#).is_err());
    assert_eq!(
        other.arena().usage(0).declared_appliances().count(),
        1,
        "it keeps what it had"
    );
    // A record that says nothing of appliances takes them back.
    other
        .set_home("h1", Some(&record("[]").expect("a record")))
        .expect("it may be");
    assert_eq!(other.arena().usage(0).declared_appliances().count(), 0);
}
