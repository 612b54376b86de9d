use super::*;

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
