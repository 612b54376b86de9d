//! The wall clock: it lets silence be noticed when nothing arrives, and does nothing else.

use super::support::{Seen, Story, garbage, home, hour, reading};
use crate::model::{AlertKind, AlertState, EventTime};

/// The wall clock at which the stream's time of an idle partition is hour `n`.
fn wall_for(story: &Story, n: u32) -> EventTime {
    hour(n).plus(story.settings.idle_grace_seconds)
}

fn silent(story: &Story, partition: i32) -> Vec<(String, AlertState)> {
    let told = story.told(partition).into_iter();
    let silent = told.filter(|(_, kind, _)| *kind == AlertKind::SilentMeter);
    silent.map(|(home, _, state)| (home, state)).collect()
}

/// One home that reports each of the first ten hours; it may be silent for 26 hours from then.
fn ten_hours() -> Story {
    let mut story = Story::new(1);
    (0..10).for_each(|at| story.append(0, reading(&home(0, 0), at, 1, 1.0)));
    story
}

#[test]
fn a_meter_that_falls_silent_is_reported_when_nothing_arrives() {
    let mut story = ten_hours();
    story.wall = wall_for(&story, 36);
    story.join();
    story.run();
    assert!(silent(&story, 0).is_empty(), "the 26 hours are not over");
    story.wall = wall_for(&story, 36).plus(1);
    story.run();
    assert_eq!(silent(&story, 0), [(home(0, 0), AlertState::Raised)]);
    // The record is the one that the log says as soon as somebody else's reading moves the time.
    let (by_wall, _) = story.published(0);
    story.append(0, reading(&home(0, 1), 36, 1, 1.0));
    assert_eq!(by_wall, story.oracle(0).0);
    story.wall = wall_for(&story, 40);
    story.run();
    story.append(0, reading(&home(0, 0), 40, 1, 1.0));
    story.run();
    let resolved = (home(0, 0), AlertState::Resolved);
    assert_eq!(silent(&story, 0), [(home(0, 0), AlertState::Raised), resolved]);
}

#[test]
fn time_waits_for_the_records_that_are_there() {
    let mut story = Story::new(1);
    (0..100).for_each(|at| story.append(0, reading(&home(0, 0), at, 1, 1.0)));
    story.wall = wall_for(&story, 130);
    let notes = story.join().notes.clone();
    story.run();
    assert_eq!(silent(&story, 0).len(), 1);
    let by_time = |seen: &Seen| matches!(seen, Seen::Applied { records: 0, .. });
    let first_by_time = notes.place(by_time).expect("time has passed");
    let read: u64 = notes.all()[..first_by_time]
        .iter()
        .map(|seen| {
            if let Seen::Applied { records, .. } = seen {
                *records
            } else {
                0
            }
        })
        .sum();
    assert_eq!(read, 100);
}

#[test]
fn time_stands_still_over_a_log_of_history() {
    let mut story = ten_hours();
    let last = story.settings.idle_max_behind_seconds;
    story.wall = wall_for(&story, 10).plus(last + 1);
    story.join();
    story.run();
    assert!(silent(&story, 0).is_empty());
    story.wall = wall_for(&story, 10).plus(last);
    story.run();
    assert_eq!(silent(&story, 0).len(), 1);
}

#[test]
fn a_restart_does_not_report_again_what_time_brought() {
    let mut story = ten_hours();
    story.wall = wall_for(&story, 37);
    story.join();
    story.run();
    assert_eq!(silent(&story, 0).len(), 1);
    for more in [0, 1, 30] {
        story.crash(0);
        story.wall = wall_for(&story, 37).plus(more * 60);
        story.join();
        story.run();
        assert_eq!(silent(&story, 0).len(), 1, "{more} minutes later");
    }
    story.append(0, reading(&home(0, 0), 37, 1, 1.0));
    story.run();
    let (alerts, _) = story.published(0);
    let ids: Vec<(&str, u32)> = alerts.iter().map(|alert| (&*alert.alert_id, alert.revision)).collect();
    assert_eq!(
        ids,
        [(ids[0].0, 1), (ids[0].0, 2)],
        "the same alert is resolved that was raised"
    );
}

/// What waits behind the pause may be the very readings that are missed.
#[test]
fn time_stands_still_for_a_partition_that_is_held_back() {
    let mut story = Story::new(2);
    (0..10).for_each(|at| story.append(0, reading(&home(0, 0), at, 1, 1.0)));
    story.settings.max_in_flight = 2;
    let notes = story.join().notes.clone();
    story.run();
    (0..16).for_each(|_| story.append(1, garbage()));
    story.turns(1);
    assert_eq!(notes.all().last(), Some(&Seen::BackPressure(true)));
    story.append(0, reading(&home(0, 0), 34, 1, 1.0));
    story.wall = wall_for(&story, 37);
    story.run();
    assert!(silent(&story, 0).is_empty(), "{:?}", silent(&story, 0));
}

/// The wall clock leaves no trace in the log: what it did must not show in what a successor makes of the log.
#[test]
fn a_reading_that_comes_after_the_wall_clock_counts_as_heard_when_the_log_says() {
    let mut story = ten_hours();
    story.join();
    story.wall = wall_for(&story, 12);
    story.run();
    story.append(0, reading(&home(0, 0), 10, 1, 1.0));
    story.run();
    story.wall = wall_for(&story, 40);
    story.run();
    story.crash(0);
    story.join();
    story.run();
    story.append(0, reading(&home(0, 0), 40, 1, 1.0));
    story.run();
    let (told, _) = story.published(0);
    let since = told.iter().map(|alert| alert.since).collect::<Vec<_>>();
    assert_eq!(since, [hour(11), hour(11)]);
    assert_eq!(
        told[0].alert_id, told[1].alert_id,
        "what is resolved is what was raised"
    );
    assert_eq!(told, story.oracle(0).0);
}

/// Readings of two days come at once, with the wall clock far ahead of the log: one end to the silence, no flapping.
#[test]
fn readings_that_come_after_a_long_silence_of_the_whole_partition_end_it_once() {
    let mut story = ten_hours();
    story.join();
    story.wall = wall_for(&story, 60);
    story.run();
    (10..60).for_each(|at| story.append(0, reading(&home(0, 0), at, 1, 1.0)));
    story.run();
    assert_eq!(
        silent(&story, 0),
        [(home(0, 0), AlertState::Raised), (home(0, 0), AlertState::Resolved)]
    );
    story.wall = wall_for(&story, 87);
    story.run();
    assert_eq!(silent(&story, 0).len(), 3, "it falls silent again");
}
