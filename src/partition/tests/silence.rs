use super::*;
use crate::model::DAY;

#[test]
fn a_home_heard_at_the_deadline_is_not_silent_and_one_later_is() {
    let silent = |arrival: EventTime| {
        let mut partition = Partition::new(rules());
        apply(&mut partition, &[hour("h1", 0, 1.0)]);
        let late = Record {
            timestamp: Some(arrival),
            ..hour("h1", 1, 1.0)
        };
        let late = Record {
            value: String::from_utf8(late.value)
                .expect("text")
                .replace('}', &format!(r#","received_at":"{arrival}"}}"#))
                .into_bytes(),
            ..late
        };
        told(&apply(&mut partition, &[late]))
    };
    assert_eq!(silent(at(27)), [] as [&str; 0]);
    assert_eq!(
        silent(at(27).plus(1_800)),
        ["h1 silent_meter Raised at 27 h", "h1 silent_meter Resolved at 27.5 h"]
    );
}

#[test]
fn a_silent_home_is_told_of_once_however_time_moves() {
    let run = |steps: &[u32]| {
        let mut partition = Partition::new(rules());
        let homes = ["b", "a", "c"];
        let mut all = Effects::default();
        for (index, home) in (0..).zip(homes) {
            apply(&mut partition, &[hour(home, index, 1.0)]);
        }
        // `c` goes on, so that its first deadline passes unheeded.
        let going_on: Vec<_> = (3..20).map(|place| hour("c", place, 1.0)).collect();
        apply(&mut partition, &going_on);
        for step in steps {
            all.alerts.extend(partition.advance(at(*step)).alerts);
        }
        told(&all)
    };
    let once = run(&[100]);
    assert_eq!(
        once,
        [
            "b silent_meter Raised at 27 h",
            "a silent_meter Raised at 28 h",
            "c silent_meter Raised at 46 h"
        ]
    );
    assert_eq!(run(&[27, 28, 28, 29, 30, 46, 47, 60, 100]), once);
    assert_eq!(run(&(20..101).collect::<Vec<_>>()), once);
}

/// Records that were long on their way bear times that have passed.
#[test]
fn what_cannot_be_a_reading_does_not_end_silence_though_the_clock_is_ahead_of_the_log() {
    let mut partition = Partition::new(rules());
    apply(&mut partition, &[hour("h1", 0, 1.0)]);
    let raised = told(&partition.advance(at(30)));
    assert_eq!(raised, ["h1 silent_meter Raised at 27 h"]);
    let estimate = r#""volume_litres":4,"quality":"estimated","flags":["reverse_flow"]"#;
    let effects = apply(&mut partition, &[hour("h1", 1, 1e9), with("h1", 2, estimate)]);
    assert_eq!(effects.dead_letters.len(), 1);
    assert!(
        !told(&effects).iter().any(|line| line.contains("silent_meter")),
        "{:?}",
        told(&effects)
    );
    let effects = apply(&mut partition, &[hour("h1", 3, 1.0)]);
    let is_over = |line: &String| line.starts_with("h1 silent_meter Resolved");
    assert!(told(&effects).iter().any(is_over), "{:?}", told(&effects));
}

#[test]
fn in_a_home_of_two_meters_the_one_that_falls_silent_is_told_of() {
    let mut partition = Partition::new(rules());
    let mut lines = Vec::new();
    for place in 0..60 {
        let mut batch = vec![meter_hour("h1", "hot", place, 3.0)];
        if !(10..50).contains(&place) {
            batch.push(meter_hour("h1", "cold", place, 3.0));
        }
        lines.extend(
            told(&apply(&mut partition, &batch))
                .into_iter()
                .filter(|line| line.contains("silent")),
        );
    }
    assert_eq!(
        lines,
        ["h1 silent_meter Raised at 36 h", "h1 silent_meter Resolved at 51 h"]
    );
}

#[test]
fn a_home_whose_readings_are_all_estimates_is_silent() {
    let mut partition = Partition::new(rules());
    apply(&mut partition, &[hour("h1", 0, 1.0)]);
    let estimates: Vec<_> = (1..40)
        .map(|place| with("h1", place, r#""volume_litres":4,"quality":"estimated""#))
        .collect();
    let effects = apply(&mut partition, &estimates);
    assert_eq!(told(&effects), ["h1 silent_meter Raised at 27 h"]);
}

#[test]
fn a_deadline_that_a_late_reading_brings_nearer_is_kept_after_a_restart_too() {
    let mut original = Partition::new(rules());
    let garden = |place| meter_hour("h1", "garden", place, 1.0);
    let own = |place| meter_hour("h1", "h1", place, 1.0);
    apply(&mut original, &[garden(0), garden(2), own(3)]);
    let mut restored = Partition::new(rules());
    restored.restore(&original.snapshot(0)).expect("its own bytes");
    restored.next_offset = original.next_offset;
    for mut partition in [original, restored] {
        // It shows that the garden's meter was not replaced: that one has been silent for longer.
        let effects = apply(&mut partition, &[own(1), hour("h2", 29, 1.0)]);
        assert_eq!(told(&effects), ["h1 silent_meter Raised at 29 h"]);
    }
}

/// A meter that delivers with so many minutes between its deliveries: in which of these silences it was reported.
fn reported(record: Option<HomeRecord>, silences: &[u32]) -> Vec<usize> {
    let mut partition = Partition::new(rules());
    if record.is_some() {
        partition.set_home("h1", record.as_ref()).expect("known names");
    }
    let mut from = T0;
    let mut reported = Vec::new();
    for (place, minutes) in [60].iter().chain(silences).enumerate() {
        let seconds = minutes * 60;
        let at = from.plus(seconds);
        let value = format!(
            r#"{{"household_id":"h1","timestamp":"{from}","interval_seconds":{seconds},"volume_litres":5,"received_at":"{at}"}}"#
        );
        let delivery = Record {
            key: b"h1".to_vec(),
            value: value.into_bytes(),
            timestamp: Some(at),
        };
        let lines = told(&apply(&mut partition, &[delivery]));
        if lines.iter().any(|line| line.contains("silent_meter Raised")) {
            reported.push(place - 1);
        }
        from = at;
    }
    reported
}

const NEVER: [usize; 0] = [];

/// Daily deliveries, each up to `jitter` minutes late.
fn daily(days: u32, jitter: u32) -> Vec<u32> {
    let late = |day: u32| day * day * 7_919 % (jitter + 1);
    (0..days).map(|day| 24 * 60 + late(day + 1) - late(day)).collect()
}

#[test]
fn a_rhythm_that_goes_on_is_no_silence_however_rare_it_is() {
    let hours = |hours: u32, count: usize| vec![hours * 60; count];
    assert_eq!(reported(None, &hours(1, 600)), NEVER);
    assert_eq!(reported(None, &daily(90, 0)), NEVER);
    assert_eq!(reported(None, &daily(90, 110)), NEVER);
    // The first time nobody knows that it comes so rarely.
    assert_eq!(reported(None, &hours(48, 40)), [0]);
    assert_eq!(reported(None, &hours(7 * 24, 20)), [0]);
    assert!(reported(None, &daily(90, 180)).iter().all(|place| *place == 0));
    let told_daily = HomeRecord {
        household_id: "h1".into(),
        upload_seconds: Some(DAY),
        ..HomeRecord::default()
    };
    assert_eq!(reported(Some(told_daily), &daily(90, 180)), NEVER);
}

#[test]
fn silence_beyond_the_rhythm_is_reported_and_one_outage_is_no_rhythm() {
    let mut log = vec![60; 400];
    log.extend([7 * 60, 60]);
    assert_eq!(reported(None, &log), [400]);
    // Three days later it has forgotten.
    log.extend(vec![60; 71]);
    log.push(7 * 60);
    assert_eq!(reported(None, &log), [400, log.len() - 1]);
    let mut log = daily(40, 120);
    log.extend([6 * 24 * 60, 24 * 60]);
    assert_eq!(reported(None, &log), [40]);
    log.extend(daily(30, 120));
    log.push(40 * 60);
    assert_eq!(reported(None, &log), [40, log.len() - 1]);
}

#[test]
fn a_rhythm_that_changes_is_reported_once_and_learnt() {
    let mut rarer = vec![60; 400];
    rarer.extend(daily(40, 60));
    assert_eq!(reported(None, &rarer), [400]);
    let mut oftener = vec![7 * 24 * 60; 6];
    oftener.extend(vec![60; 24 * 8]);
    oftener.push(9 * 60);
    assert_eq!(reported(None, &oftener), [0, oftener.len() - 1]);
}

#[test]
fn readings_of_a_day_that_come_together_show_a_day_though_their_arrivals_lie_an_hour_apart() {
    let mut partition = Partition::new(rules());
    let mut all = Vec::new();
    for day in 0..220 {
        // No `received_at`: each counts as arrived at its end; the log has them at midnight.
        let batch: Vec<_> = (0..24)
            .map(|place| Record {
                timestamp: Some(at(day * 24 + 24)),
                ..hour("h1", day * 24 + place, f64::from(place % 2))
            })
            .collect();
        all.extend(told(&apply(&mut partition, &batch)));
        all.extend(told(&partition.advance(at(day * 24 + 47))));
    }
    all.retain(|line| line.contains("silent"));
    assert_eq!(all, [] as [&str; 0]);
}
