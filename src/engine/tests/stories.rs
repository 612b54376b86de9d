//! Straight through, joining and leaving, crashing: what is published is what the core says.

use super::support::{Seen, Story, garbage, home, reading};
use crate::model::{AlertKind, AlertState};

#[test]
fn straight_through_every_record_is_published_once() {
    let mut story = Story::with_homes(3, 100);
    story.join();
    story.run();
    story.assert_exactly_once();
    let told = story.told(0);
    for state in [AlertState::Raised, AlertState::Updated, AlertState::Resolved] {
        let dry = (home(0, 1), AlertKind::Inactivity, state);
        assert!(told.contains(&dry), "the story is of a home that goes dry: {told:?}");
    }
}

#[test]
fn what_comes_later_is_published_as_if_it_had_been_there() {
    let mut story = Story::with_homes(2, 30);
    story.join();
    for from in (30..100).step_by(7) {
        story.live_on(from, from + 7);
        story.turns(2);
    }
    story.run();
    story.assert_exactly_once();
}

#[test]
fn one_joins_and_one_leaves_in_mid_stream() {
    let mut story = Story::with_homes(4, 80);
    story.join();
    story.turns(5);
    story.join();
    story.turns(4);
    story.live_on(80, 120);
    story.turns(3);
    let has_lost_some = |seen: &Seen| matches!(seen, Seen::Rebalanced { assigned: false, .. });
    assert!(story.instances[0].notes.place(has_lost_some).is_some());
    story.crash(0);
    story.run();
    assert_eq!(story.instances[0].engine.readiness(), (true, 4));
    story.assert_at_least_once();
}

#[test]
fn a_crash_at_any_turn_loses_nothing_and_invents_nothing() {
    let mut straight = Story::with_homes(2, 60);
    straight.append(0, garbage());
    straight.join();
    let mut turns = 0;
    while !straight.instances[0].engine.is_caught_up() {
        straight.turns(1);
        turns += 1;
    }
    assert!(turns > 8, "a story of {turns} turns is soon told");
    let mut repeated = 0;
    for at in 0..turns + 2 {
        let mut story = Story::with_homes(2, 60);
        story.append(0, garbage());
        story.join();
        story.turns(at);
        story.crash(0);
        story.join();
        story.run();
        story.assert_at_least_once();
        repeated += story.log.outputs().len() - straight.log.outputs().len();
    }
    assert!(repeated > 0, "no crash fell between a record and its offset");
}

#[test]
fn crash_after_crash_comes_to_an_end() {
    let mut story = Story::with_homes(2, 100);
    for round in 0..12 {
        story.join();
        story.turns(6 + round);
        story.crash(0);
    }
    story.join();
    story.run();
    story.assert_at_least_once();
}

#[test]
fn offsets_without_records_stop_nobody() {
    let mut story = Story::new(2);
    story.append_marker(0);
    story.append_marker(1);
    story.live_on(0, 40);
    (0..20).for_each(|_| story.append_marker(0));
    story.live_on(40, 60);
    (0..20).for_each(|_| story.append_marker(0));
    story.join();
    story.run();
    story.assert_exactly_once();
    // The successor begins at a committed offset that has markers before it and behind it.
    story.crash(0);
    story.live_on(60, 90);
    story.join();
    story.run();
    story.assert_exactly_once();
}

#[test]
fn a_partition_without_any_record_is_caught_up() {
    let mut story = Story::with_homes(2, 0);
    story.append_marker(1);
    story.join();
    story.run();
    assert_eq!((story.log.committed(0), story.log.committed(1)), (None, None));
    assert!(story.log.outputs().is_empty());
}

#[test]
fn readings_that_retention_took_before_they_were_read_are_reported_and_passed_over() {
    let mut story = Story::with_homes(1, 30);
    story.join();
    story.run();
    story.crash(0);
    let committed = story.log.committed(0).expect("a commit");
    story.live_on(30, 50);
    story.append(0, garbage());
    story.log.retain_from(0, committed + 12);
    let notes = story.join().notes.clone();
    story.run();
    let lost: Vec<u64> = notes
        .all()
        .iter()
        .filter_map(|seen| match seen {
            Seen::Live { lost, .. } => Some(*lost),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [12]);
    story.assert_dead_letters(&[0]);
    assert_eq!(story.log.committed(0), Some(story.end_of_records(0)));
}

#[test]
fn retention_behind_the_committed_offset_loses_nothing() {
    let mut story = Story::with_homes(1, 30);
    story.join();
    story.run();
    story.crash(0);
    let committed = story.log.committed(0).expect("a commit");
    story.log.retain_from(0, committed);
    story.append(0, garbage());
    let notes = story.join().notes.clone();
    story.run();
    assert!(notes.place(|seen| matches!(seen, Seen::Live { lost: 0, .. })).is_some());
    story.assert_dead_letters(&[0]);
}

#[test]
fn what_is_no_reading_is_kept_with_its_reason() {
    let mut story = Story::with_homes(1, 30);
    story.append(0, garbage());
    let mut of_another_key = reading(&home(0, 0), 30, 1, 1.0);
    of_another_key.key = Some(b"p0-h9".to_vec());
    story.append(0, of_another_key);
    story.live_on(30, 60);
    story.join();
    story.run();
    story.assert_exactly_once();
    let reasons: Vec<&str> = story.published(0).1.iter().map(|letter| letter.reason).collect();
    assert_eq!(reasons, ["not_json", "wrong_key"]);
}
