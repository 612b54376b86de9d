//! Consent: whose readings count and from when on, withdrawal, erasure, and settings that change.

use std::collections::BTreeMap;

use super::care::{GIVEN, Input, WITHDRAWN, beside, consenting, lines, readings, sign, take, used};
use super::*;
use crate::model::DeadLetter;
use crate::partition::beside::home_record;

const DEPLOYMENT: u32 = 7;

fn home(fields: &str, hours: f64) -> Input {
    beside(InputTopic::Homes, "h1", hours, fields)
}

fn tombstone(home: &str) -> Input {
    let (key, value) = (home.as_bytes().to_vec(), Vec::new());
    let timestamp = None;
    Input::Beside(InputTopic::Homes, Record { key, value, timestamp })
}

fn dry_until(hours: u32) -> Vec<Input> {
    [used("h1"), readings("h1", 1..hours, 0.0)].concat()
}

/// What a commit leaves behind.
struct Commit {
    stored: BTreeMap<Box<str>, Vec<u8>>,
    point: ReplayPoint,
    next: i64,
    clock: EventTime,
    homes: u64,
}

impl Commit {
    fn of(partition: &mut Partition, before: Option<Self>) -> Self {
        let mut stored = before.map(|before| before.stored).unwrap_or_default();
        let stamp = Stamp {
            deployment: DEPLOYMENT,
            offset: partition.next_offset(),
        };
        for Checkpoint { household, bytes } in partition.checkpoints(stamp, i64::MAX) {
            match bytes {
                Some(bytes) => drop(stored.insert(household, bytes)),
                None => drop(stored.remove(&household)),
            }
        }
        Self {
            stored,
            point: partition.replay_point(),
            next: partition.next_offset(),
            clock: partition.clock(),
            homes: partition.stored_homes(),
        }
    }

    /// A restart under these rules; every home of the commit must be accounted for.
    fn restart(&self, rules: Arc<Rules>) -> (Partition, Effects) {
        let mut recovery = Recovery::new(rules);
        for (household, bytes) in &self.stored {
            recovery.stored(household, Some(bytes), DEPLOYMENT);
        }
        assert_eq!(recovery.stored_homes(), self.homes, "homes are missing");
        recovery.begin(Some(self.point), 0);
        let Recovered { state, effects } = recovery.finish(self.next, self.clock).expect("a partition");
        (state, effects)
    }
}

fn reasons(effects: &Effects) -> Vec<(String, &'static str)> {
    let gone = effects.withdrawals.iter();
    gone.map(|gone| (gone.household.to_string(), gone.why.name())).collect()
}

#[test]
fn a_withdrawal_under_assumed_consent_lasts_until_a_consent_comes() {
    for withdrawal in [home(WITHDRAWN, 8.0), tombstone("h1")] {
        let mut partition = Partition::new(rules());
        let place = home(r#""zone":"z9","time_zone":"Asia/Shanghai","kind":"one_person""#, 0.0);
        take(&mut partition, &[vec![place], dry_until(8)].concat());
        let effects = take(&mut partition, &[withdrawal]);
        assert_eq!(lines(&effects), ["8 resolved consent_withdrawn (-, then -)"]);
        assert_eq!(reasons(&effects), [("h1".to_owned(), "consent_withdrawn")]);
        // Only the fact is kept, over a restart and over records that say nothing of consent.
        assert_eq!(partition.arena().names().all(), [] as [&str; 0]);
        let commit = Commit::of(&mut partition, None);
        let (mut partition, effects) = commit.restart(rules());
        assert_eq!((effects.speaks(), partition.arena().len()), (false, 1));
        let more = [vec![home(r#""zone":"z9""#, 9.0)], readings("h1", 9..20, 0.0)].concat();
        let effects = take(&mut partition, &more);
        assert_eq!((effects.alerts.len(), effects.counts.not_watched), (0, 11));
        assert_eq!(partition.arena().names().all(), [] as [&str; 0]);
        let again = r#""consent":{"purpose":"welfare","given_at":"2024-03-01T20:00:00Z"}"#;
        let effects = take(
            &mut partition,
            &[vec![home(again, 20.0)], readings("h1", 15..27, 0.0)].concat(),
        );
        assert_eq!(lines(&effects), ["26 raised no_sign_of_life (-, then -)"]);
        assert_eq!((effects.alerts[0].alert.since, effects.counts.not_watched), (at(20), 5));
    }
}

#[test]
fn what_lies_before_the_consent_is_neither_judged_nor_kept() {
    let given = r#""consent":{"purpose":"welfare","given_at":"2024-03-01T05:00:00Z"}"#;
    let mut partition = Partition::new(consenting());
    let early = sign("h1", 3.0, "door");
    let effects = take(&mut partition, &[vec![home(given, 5.5), early], dry_until(13)].concat());
    assert_eq!(lines(&effects), ["11 raised no_sign_of_life (-, then -)"]);
    assert_eq!(effects.alerts[0].alert.since, at(5));
    assert_eq!((effects.counts.not_watched, effects.counts.signs), (6, 0));
    // A rebuild from the topics meets the homes first, and then all readings that are retained.
    let mut recovery = Recovery::new(consenting());
    recovery.begin(None, 0);
    let value = format!(r#"{{"household_id":"h1",{given}}}"#);
    recovery.home(&RawRecord {
        offset: 0,
        timestamp: None,
        key: Some(b"h1"),
        value: Some(value.as_bytes()),
    });
    for (offset, input) in (0i64..).zip(&dry_until(13)) {
        if let Input::Reading(record) = input {
            recovery.replay([RawRecord {
                offset,
                timestamp: record.timestamp,
                key: Some(&record.key),
                value: Some(&record.value),
            }]);
        }
    }
    let rebuilt = recovery.finish(13, EventTime::ZERO).expect("a partition").state;
    assert_eq!(rebuilt.snapshot(0), partition.snapshot(0));
}

/// Other settings, and what they make of a home with an open alert that is in "patient", in zone "z9", with consent.
#[test]
fn homes_that_the_settings_no_longer_cover_are_ended_once_and_leave_nothing() {
    let change = |change: &dyn Fn(&mut Rules)| {
        let mut rules = Rules::clone(&consenting());
        change(&mut rules);
        Arc::new(rules)
    };
    let enrolled = format!(r#""programme":"patient","zone":"z9",{GIVEN}"#);
    let plain = r#""programme":"patient","zone":"z9""#;
    let assumed = change(&|rules| rules.consent = ConsentRule::Assumed);
    let cases = [
        (Arc::clone(&assumed), plain, consenting(), "no_consent"),
        (
            consenting(),
            &*enrolled,
            change(&|rules| rules.consent_purposes = vec!["research".into()]),
            "no_consent",
        ),
        (
            consenting(),
            &*enrolled,
            change(&|rules| rules.programmes.truncate(1)),
            "record_refused",
        ),
        (
            assumed,
            plain,
            change(&|rules| {
                rules.programmes.truncate(1);
                rules.consent = ConsentRule::Assumed;
            }),
            "record_refused",
        ),
    ];
    for (before, record, after, reason) in cases {
        let mut partition = Partition::new(before);
        take(&mut partition, &[vec![home(record, 0.0)], dry_until(33)].concat());
        let commit = Commit::of(&mut partition, None);
        assert_eq!(partition.open_alerts(AlertKind::Inactivity), 1);
        let (mut partition, effects) = commit.restart(Arc::clone(&after));
        assert_eq!(lines(&effects), [format!("33 resolved {reason} (-, then -)")]);
        let alert = &effects.alerts[0].alert;
        assert_eq!((&*alert.programme, alert.zone.as_deref()), ("patient", Some("z9")));
        assert_eq!(reasons(&effects), [("h1".to_owned(), reason)]);
        // The list of visits named it this morning.
        let lists: Vec<_> = effects
            .visit_lists
            .iter()
            .map(|list| (&*list.programme, list.homes.len()))
            .collect();
        assert_eq!(lists, [("patient", 0)]);
        assert_eq!((partition.arena().len(), partition.arena().names().all().len()), (0, 0));
        let silent = partition.advance(at(200));
        assert_eq!(silent.alerts, []);
        let commit = Commit::of(&mut partition, Some(commit));
        assert!(commit.stored.is_empty(), "a tombstone takes its state away");
        let (_, effects) = commit.restart(after);
        assert!(!effects.speaks(), "{effects:?}");
    }
}

#[test]
fn a_state_of_another_version_without_consent_in_the_topic_is_ended_and_taken_away() {
    let mut partition = Partition::new(consenting());
    take(&mut partition, &[vec![home(GIVEN, 0.0)], dry_until(8)].concat());
    let mut commit = Commit::of(&mut partition, None);
    for bytes in commit.stored.values_mut() {
        bytes[3] -= 1;
    }
    let (mut partition, effects) = commit.restart(consenting());
    assert_eq!(reasons(&effects), [("h1".to_owned(), "state_lost")]);
    assert!(Commit::of(&mut partition, Some(commit)).stored.is_empty());
}

#[test]
fn a_list_that_names_a_home_is_made_anew_when_it_may_not_any_more() {
    let named = |effects: &Effects| {
        let lists = effects.visit_lists.iter();
        let list = |list: &crate::model::VisitList| {
            let homes: Vec<_> = list.homes.iter().map(|visit| visit.household_id.to_string()).collect();
            format!("{} {} {}", list.programme, list.day, homes.join(" "))
        };
        lists.map(list).collect::<Vec<_>>()
    };
    let begin = || {
        let mut partition = Partition::new(rules());
        let mut inputs = [used("h1"), used("h2"), used("h3")].concat();
        for place in 1..32 {
            let litres = if place == 20 { 3.0 } else { f64::from(place % 2 * place) };
            inputs.extend(readings("h1", place..place + 1, 0.0));
            inputs.extend(readings("h2", place..place + 1, 0.0));
            inputs.extend(readings("h3", place..place + 1, litres));
        }
        let effects = take(&mut partition, &inputs);
        assert_eq!(named(&effects)[1], "watched 2024-03-02 h1 h2");
        partition
    };
    let patient = r#""programme":"patient""#;
    for (input, expected) in [
        (home(WITHDRAWN, 32.0), "watched 2024-03-02 h2"),
        (home(patient, 32.0), "watched 2024-03-02 h2"),
        (home(r#""erase":true"#, 32.0), "watched 2024-03-02 h2"),
    ] {
        let mut partition = begin();
        assert_eq!(named(&take(&mut partition, &[input])), [expected]);
        // One that was on no list changes none.
        let other = beside(InputTopic::Homes, "h3", 32.0, WITHDRAWN);
        assert_eq!(named(&take(&mut partition, &[other])), [] as [&str; 0]);
        // The same after a restart, and the last one leaves an empty list.
        let (mut partition, _) = Commit::of(&mut partition, None).restart(rules());
        let last = beside(InputTopic::Homes, "h2", 33.0, WITHDRAWN);
        assert_eq!(named(&take(&mut partition, &[last])), ["watched 2024-03-02 "]);
    }
}

#[test]
fn a_dead_letter_holds_nothing_of_homes_that_are_not_watched() {
    let reading = |key: Option<&str>, value: &str| {
        let (key, value) = (key.map(str::to_owned), value.to_owned());
        (InputTopic::Readings, key, value)
    };
    let other = |topic, key: &str, value: &str| (topic, Some(key.to_owned()), value.to_owned());
    let records = [
        reading(
            Some("h1"),
            r#"{"household_id":"secret","timestamp":"2024-03-01T00:00:00Z"}"#,
        ),
        reading(Some("h1"), r#"{"household_id":"secret"#),
        reading(None, r#"{"household_id":"secret"}"#),
        reading(None, "something of secret"),
        other(
            InputTopic::Homes,
            "secret",
            r#"{"household_id":"secret","programme":"none such"}"#,
        ),
        other(InputTopic::Homes, "h1", r#"{"household_id":"secret"}"#),
        other(
            InputTopic::Signs,
            "secret",
            r#"{"household_id":"secret","sign":"yodel"}"#,
        ),
        other(
            InputTopic::Responses,
            "secret",
            r#"{"household_id":"secret","alert_id":"a","response":"safe","at":"2024-03-01T00:00:00Z"}"#,
        ),
    ];
    let mut partition = Partition::new(consenting());
    take(&mut partition, &[vec![home(GIVEN, 0.0)], used("h1")].concat());
    let give = |partition: &mut Partition, (topic, key, value): &(InputTopic, Option<String>, String)| {
        let record = RawRecord {
            offset: partition.next_offset(),
            timestamp: None,
            key: key.as_deref().map(str::as_bytes),
            value: Some(value.as_bytes()),
        };
        let effects = match topic {
            InputTopic::Readings => partition.apply([record]),
            _ => partition.take_beside(*topic, &record),
        };
        assert_eq!(effects.dead_letters.len(), 1, "{value}");
        effects.dead_letters
    };
    let letters: Vec<DeadLetter> = records.iter().flat_map(|record| give(&mut partition, record)).collect();
    for letter in &letters {
        assert_eq!((&letter.key, &letter.value), (&None, &None), "{letter:?}");
        assert!(!letter.detail.contains("secret"), "{letter:?}");
    }
    let reasons: Vec<_> = letters.iter().map(|letter| letter.reason).collect();
    assert_eq!(reasons[..3], ["missing_field", "bad_value", "no_key"]);
    assert!(letters[4].detail.contains("unknown programme"), "{:?}", letters[4]);
    // Those of a home that is watched are whole, until it withdraws.
    let own = reading(Some("h1"), r#"{"household_id":"h1"}"#);
    assert_eq!(give(&mut partition, &own)[0].value.as_deref(), Some(own.2.as_bytes()));
    take(&mut partition, &[home(WITHDRAWN, 1.0)]);
    let keyless = reading(None, r#"{"household_id":"h1"}"#);
    assert_eq!(give(&mut partition, &keyless)[0].value, None);
}

#[test]
fn other_policy_touches_nothing_and_other_rules_of_one_detector_only_its_own_alerts() {
    let mut partition = Partition::new(rules());
    take(&mut partition, &dry_until(9));
    let commit = Commit::of(&mut partition, None);
    let mut policy = Rules::clone(&rules());
    policy.programmes[0].policy.visit_list.at_hour = 9;
    let (restarted, effects) = commit.restart(Arc::new(policy));
    assert_eq!(effects.alerts, []);
    assert_eq!(restarted.snapshot(0), partition.snapshot(0));
    let mut silent = Rules::clone(&rules());
    silent.programmes[0].detectors.silent_meter.after_hours += 1;
    let (mut restarted, effects) = commit.restart(Arc::new(silent));
    assert_eq!(effects.alerts, []);
    assert_eq!(restarted.open_alerts(AlertKind::Inactivity), 1);
    let effects = take(&mut restarted, &readings("h1", 9..14, 0.0));
    assert!(
        effects
            .alerts
            .iter()
            .all(|decided| decided.alert.state != AlertState::Raised),
        "{effects:?}"
    );
}

#[test]
fn an_order_to_erase_is_done_even_without_the_consent_and_the_enrolment_stays() {
    let mut partition = Partition::new(consenting());
    take(&mut partition, &[vec![home(GIVEN, 0.0)], dry_until(8)].concat());
    let effects = take(&mut partition, &[home(r#""erase":true"#, 8.0)]);
    assert_eq!(lines(&effects), ["8 resolved erased (-, then -)"]);
    let letter = &effects.dead_letters[0];
    assert_eq!(letter.reason, "bad_home");
    assert!(letter.detail.contains("its topic now lacks its consent"), "{letter:?}");
    let mut fresh = Partition::new(consenting());
    take(&mut fresh, &[home(GIVEN, 0.0)]);
    assert_eq!(partition.snapshot(0), fresh.snapshot(0));
}

#[test]
fn each_withdrawal_has_an_identity_and_a_time_of_its_own() {
    let mut partition = Partition::new(consenting());
    let inputs = [
        home(GIVEN, 1.0),
        home(WITHDRAWN, 2.0),
        home(GIVEN, 3.0),
        home(WITHDRAWN, 4.0),
    ];
    let effects = take(&mut partition, &inputs);
    let said: Vec<_> = effects.withdrawals.iter().map(|gone| (gone.id(), gone.at)).collect();
    let id = |offset| format!("withdrawal/h1/consent_withdrawn/{offset}");
    assert_eq!(said, [(id(1), at(2)), (id(3), at(4))]);
}

#[test]
fn nothing_counts_a_withdrawn_home_among_those_of_its_zone() {
    let mut rules = Rules::clone(&rules());
    rules.zone = Some("z".into());
    rules.area.enabled = true;
    let mut partition = Partition::new(Arc::new(rules));
    take(&mut partition, &[dry_until(8), vec![home(WITHDRAWN, 8.0)]].concat());
    let effects = partition.advance(at(30));
    assert_eq!(effects.zone_reports, []);
}

#[test]
fn a_record_that_says_withdrawn_withdraws_whatever_else_is_wrong_with_it() {
    let consent = |fields: &str| format!(r#""consent":{{{fields}"withdrawn_at":"2024-03-01T08:00:00Z"}}"#);
    let given = r#""purpose":"welfare","given_at":"2024-02-01T00:00:00Z","#;
    let whole = consent(given);
    let withdrawn = [
        format!(r#""x":1,{whole}"#),
        format!(r#""kind":"castle",{whole}"#),
        format!(r#""zone":5,{whole}"#),
        format!(r#""appliances":"none",{whole}"#),
        consent(&format!(r#"{given}"by":"clerk","#)),
        consent(r#""purpose":"welfare","given_at":"1969-02-01T00:00:00Z","#),
        consent(""),
        whole.replace("2024-03-01T08:00:00Z", "2026-02-01"),
        whole.replace("2024-03-01T08:00:00Z", "2200-02-01T00:00:00Z"),
        whole.replace(r#""2024-03-01T08:00:00Z""#, "true"),
        whole.replace(r#""2024-03-01T08:00:00Z""#, "1709280000"),
        whole.replace("2024-03-01T08:00:00Z", "27/11/2026"),
    ];
    for fields in withdrawn {
        let mut partition = Partition::new(consenting());
        take(&mut partition, &[vec![home(GIVEN, 0.0)], dry_until(30)].concat());
        let effects = take(&mut partition, &[home(&fields, 30.0)]);
        assert_eq!(
            (effects.withdrawals.len(), effects.dead_letters.len()),
            (1, 0),
            "{fields}"
        );
        assert_eq!(partition.arena().occupied().count(), 0, "{fields}");
    }
    let named = |id: &str| {
        let value = format!(r#"{{"household_id":{id},"x":1,{whole}}}"#).into_bytes();
        let record = RawRecord {
            offset: 9,
            timestamp: None,
            key: Some(b"h1"),
            value: Some(&value),
        };
        home_record(&record).is_ok()
    };
    assert_eq!(
        [r#""h1""#, "7", "null", r#""h2""#].map(named),
        [true, true, true, false]
    );
    let kept = [
        format!(r#""x":1,{GIVEN}"#),
        format!(r#""x":1,{}"#, whole.replace(r#""2024-03-01T08:00:00Z""#, "null")),
        r#""x":1,"consent":"withdrawn_at""#.to_owned(),
        whole.replace("2024-03-01T08:00:00Z", ""),
        whole.replace(r#""2024-03-01T08:00:00Z""#, "0"),
        whole.replace(r#""2024-03-01T08:00:00Z""#, "false"),
        whole.replace("2024-03-01T08:00:00Z", "no"),
    ];
    for fields in kept {
        let mut partition = Partition::new(consenting());
        take(&mut partition, &[vec![home(GIVEN, 0.0)], dry_until(30)].concat());
        let effects = take(&mut partition, &[home(&fields, 30.0)]);
        assert_eq!(
            (effects.withdrawals.len(), effects.dead_letters.len()),
            (0, 1),
            "{fields}"
        );
        assert_eq!(partition.arena().occupied().count(), 1, "{fields}");
    }
}

#[test]
fn a_later_consent_covers_nothing_of_what_was_kept_before_it() {
    let from = |at: &str| format!(r#""consent":{{"purpose":"welfare","given_at":"{at}"}}"#);
    let mut partition = Partition::new(consenting());
    take(&mut partition, &[vec![home(GIVEN, 0.0)], dry_until(8)].concat());
    // The same again, and an earlier one, change nothing.
    for given in [GIVEN.to_owned(), from("2024-01-01T00:00:00Z")] {
        assert_eq!(lines(&take(&mut partition, &[home(&given, 8.0)])), [] as [&str; 0]);
        assert_ne!(
            *partition.arena().usage(partition.arena().find("h1").expect("its slot")),
            Default::default()
        );
    }
    let effects = take(&mut partition, &[home(&from("2024-03-01T08:00:00Z"), 8.0)]);
    assert_eq!(lines(&effects), ["8 resolved erased (-, then -)"]);
    assert_eq!(
        *partition.arena().usage(partition.arena().find("h1").expect("its slot")),
        Default::default()
    );
    let commit = Commit::of(&mut partition, None);
    let (mut partition, _) = commit.restart(consenting());
    let effects = take(&mut partition, &readings("h1", 8..15, 0.0));
    assert_eq!(effects.alerts[0].alert.since, at(8), "{:?}", lines(&effects));
}

#[test]
fn an_order_to_erase_is_carried_out_whatever_else_is_wrong_with_its_record() {
    let wrong = [
        (format!(r#""time_zone":"X/Y",{GIVEN}"#), "bad_home"),
        (format!(r#""programme":"X",{GIVEN}"#), "bad_home"),
        (format!(r#""name":"a",{GIVEN}"#), "bad_value"),
        (r#""zone":"z""#.to_owned(), "bad_home"),
    ];
    for (fields, reason) in wrong {
        let mut partition = Partition::new(consenting());
        take(&mut partition, &[vec![home(GIVEN, 0.0)], dry_until(8)].concat());
        let effects = take(&mut partition, &[home(&format!(r#""erase":true,{fields}"#), 8.0)]);
        assert_eq!(lines(&effects), ["8 resolved erased (-, then -)"], "{fields}");
        assert_eq!(effects.dead_letters[0].reason, reason, "{fields}");
        let slot = partition.arena().find("h1").expect("it is watched on");
        assert_eq!(*partition.arena().usage(slot), Default::default(), "{fields}");
    }
}

#[test]
fn of_a_withdrawn_home_no_word_is_kept_that_its_record_says() {
    for fields in [
        r#""time_zone":"Maria Lopez""#,
        r#""programme":"Maria Lopez""#,
        r#""consent":{"purpose":"Maria Lopez","given_at":"2024-02-01T00:00:00Z"}"#,
    ] {
        let mut partition = Partition::new(consenting());
        take(&mut partition, &[home(GIVEN, 0.0), home(WITHDRAWN, 1.0)]);
        let effects = take(&mut partition, &[home(fields, 2.0)]);
        let DeadLetter { detail, key, value, .. } = &effects.dead_letters[0];
        assert!(!detail.contains("Maria"), "{detail}");
        assert_eq!((key, value), (&None, &None));
    }
}
