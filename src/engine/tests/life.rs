//! Restores beside the stream, back-pressure, and homes that live in two partitions.

use super::support::{Seen, Story, enrolment, garbage, home, reading};
use crate::engine::Commits;

#[test]
fn a_partition_being_restored_does_not_hold_up_the_others() {
    let mut story = Story::new(2);
    for at in 0..400 {
        story.append(0, reading(&home(0, 0), at, 1, 1.0));
    }
    story.append(1, reading(&home(1, 0), 0, 1, 1.0));
    story.join();
    story.run();
    story.crash(0);
    story.append(1, reading(&home(1, 0), 1, 1, 1.0));
    let notes = story.join().notes.clone();
    story.run();
    let applied = notes.place(|seen| {
        matches!(
            seen,
            Seen::Applied {
                partition: 1,
                records: 1,
                ..
            }
        )
    });
    let live = notes.place(|seen| matches!(seen, Seen::Live { partition: 0, .. }));
    assert!(applied.expect("applied") < live.expect("live"), "{:?}", notes.all());
    story.assert_exactly_once();
}

#[test]
fn no_more_is_restored_at_once_than_the_settings_say() {
    let mut story = Story::with_homes(4, 60);
    story.settings.restores_at_once = 1;
    story.join();
    story.run();
    story.crash(0);
    let notes = story.join().notes.clone();
    story.run();
    let live: Vec<i32> = notes
        .all()
        .iter()
        .filter_map(|seen| match seen {
            Seen::Live { partition, .. } => Some(*partition),
            _ => None,
        })
        .collect();
    assert_eq!(live, [0, 1, 2, 3]);
    story.assert_exactly_once();
}

#[test]
fn too_much_in_flight_pauses_and_loses_nothing() {
    let mut story = Story::with_homes(2, 50);
    (0..100).for_each(|_| story.append(0, garbage()));
    story.settings.max_in_flight = 2;
    story.live_on(50, 70);
    let notes = story.join().notes.clone();
    let mut most = 0;
    for _ in 0..400 {
        story.turns(1);
        most = most.max(story.instances[0].engine.commits_mut().in_flight());
    }
    assert!(story.instances[0].engine.is_caught_up());
    // One batch of each partition may be on its way when the limit is passed.
    assert!(most > 2 && most <= 2 + 2 * 16, "{most} in flight");
    let switches: Vec<bool> = notes
        .all()
        .iter()
        .filter_map(|seen| match seen {
            Seen::BackPressure(held) => Some(*held),
            _ => None,
        })
        .collect();
    assert!(switches.len() >= 4, "{switches:?}");
    assert!(
        switches
            .iter()
            .enumerate()
            .all(|(place, held)| *held == (place % 2 == 0)),
        "{switches:?}"
    );
    story.assert_exactly_once();
}

#[test]
fn a_partition_that_goes_live_under_back_pressure_is_read_when_it_is_over() {
    let mut story = Story::new(2);
    (0..200).for_each(|_| story.append(0, garbage()));
    for at in 0..100 {
        story.append(1, reading(&home(1, 0), at, 1, 1.0));
    }
    story.settings.max_in_flight = 0;
    story.settings.restores_at_once = 1;
    story.join();
    story.run();
    story.assert_exactly_once();
}

#[test]
fn a_home_whose_readings_come_in_two_partitions_is_noticed() {
    let mut story = Story::with_homes(2, 5);
    let notes = story.join().notes.clone();
    story.run();
    assert!(notes.place(|seen| matches!(seen, Seen::Misplaced { .. })).is_none());
    story.append(1, reading(&home(0, 0), 5, 1, 1.0));
    story.run();
    let misplaced = Seen::Misplaced { partition: 1, homes: 1 };
    assert!(notes.all().contains(&misplaced));
    // A successor sees it when it restores, before anything new comes.
    story.crash(0);
    let notes = story.join().notes.clone();
    story.run();
    assert!(notes.all().contains(&misplaced));
}

#[test]
fn a_home_enrolled_in_one_partition_and_read_in_another_is_noticed() {
    for is_live in [false, true] {
        let mut story = Story::with_homes(2, 5);
        let notes = story.join().notes.clone();
        if is_live {
            story.run();
        }
        story.log.append_home(0, enrolment("stray", "patient"));
        story.run();
        story.append(1, reading("stray", 5, 1, 1.0));
        story.run();
        let seen: Vec<Seen> = notes
            .all()
            .into_iter()
            .filter(|seen| matches!(seen, Seen::Misplaced { .. }))
            .collect();
        assert_eq!(
            seen,
            [Seen::Misplaced { partition: 1, homes: 1 }],
            "followed live: {is_live}"
        );
    }
}
