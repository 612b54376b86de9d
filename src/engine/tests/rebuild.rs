use std::sync::Arc;

use super::super::*;
use super::metadata::metadata;
use crate::model::{HomeRecord, InputTopic, RawRecord};
use crate::partition::{Partition, Rules, Stamp};

pub fn deployment() -> Deployment {
    Deployment {
        cluster: metadata().cluster,
        group: "night".into(),
        topics: InputTopic::ALL.map(|topic| topic.name().into()),
        partitions: 8,
        source: "/tapwatch".into(),
    }
}

fn plan(committed: Option<(i64, &CommitMetadata)>, end: i64) -> Result<Rebuild, RebuildError> {
    let committed = committed.map(|(offset, metadata)| (offset, metadata.to_string()));
    let committed = committed.as_ref().map(|(offset, text)| (*offset, text.as_str()));
    let rules = Arc::new(Rules::default());
    Rebuild::plan(rules, &deployment(), 3, committed, 0..end, |error| panic!("{error}"))
}

fn refusal(committed: (i64, &CommitMetadata), end: i64) -> String {
    let refused = plan(Some(committed), end).err();
    refused.expect("it does not belong together").to_string()
}

#[test]
fn offsets_and_log_that_do_not_belong_together_are_refused_by_what_is_wrong() {
    let said = refusal((60, &metadata()), 50);
    assert!(
        said.contains("offset 60 lies beyond the end of readings/3 (50)"),
        "{said}"
    );
    let mut other = metadata();
    other.cluster = "staging".into();
    let said = refusal((40, &other), 50);
    assert!(said.contains("of cluster staging, and this is cluster MkU3"), "{said}");
    let mut other = metadata();
    other.partitions = 4;
    let said = refusal((40, &other), 50);
    assert!(said.contains("a topic of 4 partitions, and readings has 8"), "{said}");
}

#[test]
fn without_a_commit_it_begins_at_the_first_retained_reading() {
    let mut rebuild = plan(None, 50).expect("nothing is wrong");
    // There is nothing to replay, and the homes topic is followed from its beginning.
    assert_eq!((rebuild.homes_until(), rebuild.range()), (Some(0), 0..0));
    let rebuilt = rebuild.finish().expect("an empty partition");
    assert_eq!((rebuilt.offset, rebuilt.lost, rebuilt.state.next_offset()), (0, 0, 0));
}

#[test]
fn the_metadata_of_an_older_version_means_everything_anew() {
    let mut warned = 0;
    let rules = Arc::new(Rules::default());
    let committed = Some((40, "tapwatch/1 clock=1800000000"));
    let rebuild = Rebuild::plan(rules, &deployment(), 3, committed, 5..50, |_| warned += 1);
    let mut rebuild = rebuild.expect("it can be rebuilt");
    assert_eq!((rebuild.homes_until(), rebuild.range(), warned), (None, 5..40, 1));
}

#[test]
fn states_that_are_gone_are_noticed_by_their_number() {
    let rebuild = plan(Some((40, &metadata())), 50).expect("nothing is wrong yet");
    let missing = RebuildError::StateMissing { expected: 55, found: 0 };
    assert_eq!(rebuild.finish().err(), Some(missing));
    // Their readings since do not take the place of what is lost.
    let mut one = metadata();
    one.stored = 1;
    let mut rebuild = plan(Some((40, &one)), 50).expect("nothing is wrong yet");
    let reading =
        r#"{"household_id":"h1","timestamp":"2027-01-15T08:00:00Z","interval_seconds":3600,"volume_litres":0}"#;
    rebuild.replay([RawRecord {
        offset: 36,
        timestamp: None,
        key: Some(b"h1"),
        value: Some(reading.as_bytes()),
    }]);
    let missing = RebuildError::StateMissing { expected: 1, found: 0 };
    assert_eq!(rebuild.finish().err(), Some(missing));
    let rebuild = plan(Some((40, &metadata())), 50).expect("nothing is wrong yet");
    let mut rebuild = rebuild.from_scratch();
    // Records of homes that were taken in since come when their topic is followed, and signs and responses are not repeated.
    assert_eq!((rebuild.homes_until(), rebuild.range()), (Some(12), 0..40));
    let rebuilt = rebuild.finish().expect("without what is stored");
    assert_eq!((rebuilt.from_scratch, rebuilt.offset), (true, 40));
    assert_eq!(rebuilt.beside, metadata().beside);
}

#[test]
fn a_topic_beside_the_readings_that_was_made_anew_is_taken_in_from_its_beginning_and_what_retention_took_is_counted() {
    let mut rebuild = plan(Some((40, &metadata())), 50).expect("nothing is wrong yet");
    assert_eq!(rebuild.beside(InputTopic::Homes, 0..12), None);
    assert_eq!(rebuild.beside(InputTopic::Homes, 2..11), Some(BesideChange::MadeAnew));
    assert_eq!(rebuild.beside(InputTopic::Responses, 9..30), None);
    assert_eq!(
        rebuild.beside(InputTopic::Responses, 12..30),
        Some(BesideChange::Lost(3))
    );
    let rebuilt = rebuild.from_scratch().finish().expect("without what is stored");
    let next = |topic| rebuilt.beside.next(topic);
    assert_eq!((next(InputTopic::Homes), next(InputTopic::Responses)), (2, 9));
    // A group that begins has lost nothing.
    let mut rebuild = plan(None, 50).expect("nothing is wrong");
    assert_eq!(rebuild.beside(InputTopic::Signs, 7..9), None);
}

#[test]
fn a_state_of_another_deployment_stops_it_and_a_damaged_one_does_not() {
    let mut partition = Partition::new(Arc::new(Rules::default()));
    let home = HomeRecord {
        household_id: "h1".into(),
        ..HomeRecord::default()
    };
    partition.set_home("h1", Some(&home)).expect("the defaults");
    let stamp = Stamp {
        deployment: deployment().number() ^ 1,
        offset: 1,
    };
    let foreign = partition.checkpoints(stamp, 0).remove(0).bytes.expect("it is kept");
    let record = |value| RawRecord {
        offset: 0,
        timestamp: None,
        key: Some(b"h1".as_slice()),
        value: Some(value),
    };
    let mut rebuild = plan(Some((40, &metadata())), 50).expect("nothing is wrong yet");
    let mut warned = Vec::new();
    rebuild
        .stored(&record(&foreign[1..]), |error| warned.push(error.to_string()))
        .expect("it goes on");
    assert_eq!(warned, ["not a snapshot of a home"]);
    // The home is rebuilt from the first retained reading, and needs its own record for that.
    assert_eq!((rebuild.homes_until(), rebuild.range()), (Some(12), 0..40));
    let refused = rebuild.stored(&record(&foreign), |error| panic!("{error}"));
    assert!(matches!(refused, Err(RebuildError::ForeignState { .. })), "{refused:?}");
}
