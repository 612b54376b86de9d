//! Each preset against a story of its own, and against a plain re-reading of its programme's words on random homes.

mod homes;
mod naive;
mod stories;

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::*;
use crate::model::{Alert, AlertState, EventTime, HomeRecord, RawRecord};
use crate::partition::{Partition, Programme, Rules};
use crate::settings::Settings;

/// Two readings of a home may lie so many seconds apart.
const STEPS: [u32; 3] = [3_600, 900, 60];

/// A preset as the core takes it, in Shanghai where nothing is said of the home: eight hours before UTC all year.
fn rules_of(name: &str) -> Arc<Rules> {
    let preset = Preset::find(name).expect("a preset");
    let programme = Settings::of_preset(preset).unwrap_or_else(|problems| panic!("{problems}"));
    Arc::new(Rules {
        programmes: vec![Programme {
            name: name.into(),
            detectors: programme.detectors,
            policy: programme.policy,
        }],
        time_zone: TimeZone::get("Asia/Shanghai").expect("a time zone"),
        ..Rules::default()
    })
}

/// What is said of one home whose readings of `step` seconds begin at `start`; `None` is a reading that never came.
fn alerts(name: &str, start: EventTime, step: u32, litres: &[Option<f64>], record: &HomeRecord) -> Vec<Alert> {
    let mut partition = Partition::new(rules_of(name));
    partition.set_home("h", Some(record)).expect("a home");
    let mut alerts = Vec::new();
    for (place, litres) in (0_u32..).zip(litres) {
        let Some(litres) = litres else { continue };
        let begins = start.plus(place * step);
        let value = format!(
            r#"{{"household_id":"h","timestamp":"{begins}","interval_seconds":{step},"volume_litres":{litres}}}"#
        );
        let effects = partition.apply([RawRecord {
            offset: i64::from(place),
            timestamp: Some(begins.plus(step)),
            key: Some(b"h"),
            value: Some(value.as_bytes()),
        }]);
        assert!(effects.dead_letters.is_empty(), "{:?}", effects.dead_letters);
        alerts.extend(effects.alerts.into_iter().map(|decided| decided.alert));
    }
    alerts
}

#[test]
fn every_preset_is_a_right_rule_file_of_its_name() {
    for preset in PRESETS {
        let programme = Settings::of_preset(preset).unwrap_or_else(|problems| panic!("{}: {problems}", preset.name));
        let table = preset.table();
        assert_eq!(
            table.get("presets"),
            Some(&Value::Array(Vec::new())),
            "{}: nothing else holds",
            preset.name
        );
        assert!(
            !programme.title.is_empty() && !programme.source.is_empty(),
            "{}",
            preset.name
        );
        assert!(!words(&programme).is_empty(), "{}: no rule", preset.name);
        assert_eq!(
            Preset::find(preset.name).map(|found| found.text),
            Some(preset.text),
            "{} is there twice",
            preset.name
        );
        // What it does not speak of says nothing, whatever detectors there are.
        for (detector, settings) in blank(|detector| table.contains_key(detector)) {
            if !table.contains_key(&detector) {
                let whole = serde_json::to_value(&programme.detectors).expect("settings");
                assert_eq!(whole[&detector], settings, "{}: {detector}", preset.name);
            }
        }
    }
}

#[test]
fn every_detector_can_be_switched_off() {
    let silent = Value::Object(blank(|_| false));
    for (detector, table) in silent.as_object().expect("tables") {
        let is_off = table.get("enabled") == Some(&Value::Bool(false));
        let has_none = table.get("rules").and_then(Value::as_array).is_some_and(Vec::is_empty);
        assert!(is_off || has_none, "{detector}: neither `enabled` nor `rules`");
    }
    let settings: DetectorSettings = serde_json::from_value(silent).expect("settings");
    assert_eq!(settings.mistakes(), []);
    // A home that gives each of them a reason to speak, and hears nothing.
    let rules = Arc::new(Rules {
        programmes: vec![Programme {
            name: "silent".into(),
            detectors: settings,
            policy: crate::alert::PolicySettings::default(),
        }],
        ..Rules::default()
    });
    let mut partition = Partition::new(rules);
    let start: EventTime = "2024-03-01T00:00:00Z".parse().expect("a time");
    let litres = [
        vec![4.0; 80],
        vec![900.0; 3],
        vec![0.0; 40],
        vec![900.0; 2],
        vec![0.0; 30],
    ]
    .concat();
    let mut told = Vec::new();
    for (hour, litres) in (0_u32..).zip(litres) {
        let begins = start.plus(hour * 3_600);
        let value = format!(
            r#"{{"household_id":"h","timestamp":"{begins}","interval_seconds":3600,"volume_litres":{litres}}}"#
        );
        let effects = partition.apply([RawRecord {
            offset: i64::from(hour),
            timestamp: Some(begins.plus(3_600)),
            key: Some(b"h"),
            value: Some(value.as_bytes()),
        }]);
        told.extend(effects.alerts);
    }
    told.extend(partition.advance(start.plus(40 * 86_400)).alerts);
    assert_eq!(told, []);
}

#[test]
fn rules_are_said_in_words() {
    let mut told = String::new();
    for preset in PRESETS {
        let programme = Settings::of_preset(preset).expect("right");
        told += &format!("{}\n", preset.name);
        for rule in words(&programme) {
            told += &format!(
                "  {} {}: {}\n",
                rule.detector,
                rule.rule.as_deref().unwrap_or("-"),
                rule.words
            );
        }
        told += &format!("  told: {}\n", told_in_words(&programme));
    }
    expect_test::expect![[r#"
        shanghai-changning
          inactivity changning-under-10l-in-12h: less than 10 L in the last 12 h; a leak's water counts as use
          told: street-platform, after 30 min paired-volunteer; of inactivity
        shanghai-jingan
          inactivity jingan-under-10l-a-day: less than 10 L on a calendar day; a leak's water counts as use
          leak jingan-over-2000l-in-24h: more than 2000 L in the last 24 h
          told: emergency-contact, after 30 min street, and community, and volunteer; of inactivity, leak
        shenzhen-longgang
          inactivity longgang-under-10l-in-12h: less than 10 L in the last 12 h; a leak's water counts as use
          leak longgang-every-half-hour-of-a-day: flow in every half-hour for 24 h
          told: platform, and community-worker, and family; of inactivity, leak
        zhuhai-shishan
          inactivity shishan-no-use-12h: no use for 12 h; a leak's water counts as use
          told: community-social-worker; of inactivity
        taicang
          inactivity taicang-under-10l-in-24h: less than 10 L in the last 24 h; a leak's water counts as use
          told: civil-affairs, and water-group; of inactivity
        ningbo-haishu
          inactivity haishu-at-most-8l-in-24h: at most 8 L in the last 24 h; a leak's water counts as use
          leak haishu-no-dry-hour-24h: flow in every hour for 24 h
          told: relatives, after 30 min grid-worker; of inactivity, leak
        ningbo-zhenhai
          inactivity zhenhai-under-6l-in-24h: less than 6 L in the last 24 h; a leak's water counts as use
          leak zhenhai-over-2000l-in-24h: more than 2000 L in the last 24 h
          told: named-contact, after 30 min social-worker (on duty 09-17 mon tue wed thu fri); of inactivity, leak
        liaocheng
          inactivity liaocheng-under-10l-in-24h: less than 10 L in the last 24 h; a leak's water counts as use
          leak liaocheng-over-1000l-in-24h: more than 1000 L in the last 24 h
          told: grid-worker; of inactivity, leak
        sakaki-kizuki
          inactivity kizuki-no-use-8h: no use for 8 h; a leak's water counts as use
          prolonged_draw kizuki-use-2h: one use of water that lasts 120 min
          well_today -: the first water of the day from 04:00 on, once a day, as good news
          told: family, after 30 min welfare-commissioner; of inactivity, prolonged_draw, well_today
        tokyo-2007
          inactivity tokyo-no-use-in-band: no use in the band 06-10 of the day, told anew with each; a leak's water counts as use
          told: family; of inactivity
        k-water
          inactivity k-water-both-bands: no use in any of the bands 05-09, 17-21 of the day; a leak's water counts as use
          inactivity k-water-no-use-24h: no use for 24 h; a leak's water counts as use
          told: social-worker, and guardian; of inactivity
        kepco
          inactivity kepco-level-1: dry for longer than 90 % of the home's own dry spells of the last 60 days, and for at least 8 h; a leak's water counts as use
          inactivity kepco-level-2: dry for longer than 97.5 % of the home's own dry spells of the last 60 days, and for at least 10 h; a leak's water counts as use
          inactivity kepco-level-3: dry for longer than 99.5 % of the home's own dry spells of the last 60 days, and for at least 12 h; a leak's water counts as use
          told: automatic-call, after 30 min municipality; of inactivity
        malaga
          inactivity malaga-hours-of-the-person: no use for the hours set for the person (no_use_hours), 24 h where none are set; a leak's water counts as use
          told: telecare-centre, after 30 min emergency-social-unit; of inactivity
        kamstrup
          leak kamstrup-no-dry-hour-24h: flow in every hour for 24 h
          burst kamstrup-burst: more than 20 % of Q3 (500 L/h of 2500 L/h) for 30 min without a pause
          told: 
        kamstrup-10
          burst kamstrup-burst-10: more than 10 % of Q3 (250 L/h of 2500 L/h) for 30 min without a pause
          told: 
        kamstrup-5
          burst kamstrup-burst-5: more than 5 % of Q3 (125 L/h of 2500 L/h) for 30 min without a pause
          told: 
        badger-eyeonwater
          leak eyeonwater-1gal-an-hour-24h: at least 3.785 L/h in every hour for 24 h
          told: 
        sfpuc
          leak sfpuc-28l-an-hour-48h: at least 28.4 L/h in every hour for 48 h
          told: 
        seoul
          leak seoul-no-dry-hour-72h: flow in every hour for 72 h
          told: 
        neptune
          inactivity neptune-day-of-zero-use: less than 0.1 L on a calendar day; a leak's water counts as use
          leak neptune-continuous: flow in 96 of the last 96 quarter-hours
          leak neptune-intermittent: flow in 50 to 95 of the last 96 quarter-hours
          meter_trouble -: water ran backwards through the meter
          told: 
        phyn
          prolonged_draw phyn-high-flow: one use at 900 L/h or more that lasts 3 min or takes 189.3 L
          prolonged_draw phyn-low-flow: one use that lasts 20 min and takes 22.7 L
          told: household; of prolonged_draw
    "#]].assert_eq(&told);
    let ours = words(&crate::partition::ProgrammeSettings::default());
    let learned: Vec<&str> = ours.iter().filter_map(|rule| rule.in_shadow_until.as_deref()).collect();
    assert!(
        learned.iter().any(|needs| needs.starts_with("168 hours")),
        "{learned:?}"
    );
}

#[test]
fn a_name_that_is_nearly_right_is_guessed() {
    assert_eq!(likely("zhuhai"), None);
    assert_eq!(likely("kwater"), Some("k-water"));
    assert_eq!(likely("shanghai-changing"), Some("shanghai-changning"));
}
