//! The homes topic: before the readings, and followed live.

use super::support::{Seen, Story, enrolment, home, reading};
use crate::engine::memory::StoredRecord;
use crate::model::{AlertKind, AlertState};

fn dry(story: &mut Story, from: u32, to: u32) {
    for at in from..to {
        story.append(0, reading(&home(0, 0), at, 1, 0.0));
    }
}

fn raised(story: &Story) -> Vec<String> {
    let alerts = story.published(0).0.into_iter();
    let raised = alerts.filter(|alert| alert.kind == AlertKind::Inactivity && alert.state == AlertState::Raised);
    raised
        .map(|alert| format!("{} {}", alert.programme, alert.rule))
        .collect()
}

#[test]
fn what_is_known_of_a_home_holds_from_its_first_reading_on() {
    let mut story = Story::new(1);
    story.append(0, reading(&home(0, 0), 0, 1, 5.0));
    dry(&mut story, 1, 40);
    story.log.append_home(0, enrolment(&home(0, 0), "patient"));
    story.join();
    story.run();
    assert!(raised(&story).is_empty());
    dry(&mut story, 40, 50);
    story.run();
    assert_eq!(raised(&story), ["patient no-use-48h"]);
}

#[test]
fn the_homes_topic_is_followed_live() {
    let mut story = Story::new(1);
    story.log.append_home(0, enrolment(&home(0, 0), "patient"));
    story.append(0, reading(&home(0, 0), 0, 1, 5.0));
    dry(&mut story, 1, 11);
    story.join();
    story.run();
    story.log.append_home(0, enrolment(&home(0, 0), "default"));
    story.run();
    dry(&mut story, 11, 14);
    story.run();
    assert_eq!(raised(&story), ["default no-use-12h"]);
}

#[test]
fn a_record_of_the_homes_topic_that_is_wrong_leaves_the_home_as_it_was() {
    let mut story = Story::new(1);
    story.log.append_home(0, enrolment(&home(0, 0), "patient"));
    story.append(0, reading(&home(0, 0), 0, 1, 5.0));
    let notes = story.join().notes.clone();
    story.run();
    let good = enrolment(&home(0, 0), "default");
    let without_key = StoredRecord {
        key: None,
        ..good.clone()
    };
    let of_another = StoredRecord {
        key: Some(b"p0-h7".to_vec()),
        ..good.clone()
    };
    let no_json = StoredRecord {
        value: Some(b"{".to_vec()),
        ..good
    };
    for wrong in [without_key, of_another, no_json, enrolment(&home(0, 0), "unheard-of")] {
        story.log.append_home(0, wrong);
    }
    dry(&mut story, 1, 40);
    story.run();
    assert!(raised(&story).is_empty());
    assert_eq!(notes.all().iter().filter(|seen| **seen == Seen::BadHome(0)).count(), 4);
}

#[test]
fn a_tombstone_brings_back_the_defaults() {
    let mut story = Story::new(1);
    story.log.append_home(0, enrolment(&home(0, 0), "patient"));
    story.append(0, reading(&home(0, 0), 0, 1, 5.0));
    story.join();
    story.run();
    let tombstone = StoredRecord {
        value: None,
        ..enrolment(&home(0, 0), "")
    };
    story.log.append_home(0, tombstone);
    story.run();
    dry(&mut story, 1, 14);
    story.run();
    assert_eq!(raised(&story), ["default no-use-12h"]);
}
