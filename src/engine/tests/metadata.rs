use super::super::*;
use crate::model::{EventTime, InputTopic};
use crate::partition::ReplayPoint;

pub fn metadata() -> CommitMetadata {
    let mut beside = BesideOffsets::default();
    beside.set(InputTopic::Homes, 12);
    beside.set(InputTopic::Responses, 9);
    CommitMetadata {
        clock: EventTime::from_seconds(1_800_000_000),
        beside,
        replay: ReplayPoint {
            offset: 34,
            log_clock: EventTime::from_seconds(1_799_999_999),
            jump: EventTime::ZERO,
        },
        homes: 56,
        stored: 55,
        partitions: 8,
        cluster: "MkU3OEVBNTcwNTJENDM2Qk".into(),
    }
}

#[test]
fn what_is_written_is_read_and_fields_may_be_added_behind() {
    let text = metadata().to_string();
    assert_eq!(
        text,
        "tapwatch/3 clock=1800000000 homes_offset=12 signs_offset=0 responses_offset=9 zones_offset=0 replay=34 \
         replay_clock=1799999999 replay_jump=0 homes=56 stored=55 partitions=8 cluster=MkU3OEVBNTcwNTJENDM2Qk"
    );
    assert_eq!(text.parse(), Ok(metadata()));
    assert_eq!(format!("{text} more=3").parse(), Ok(metadata()));
    let older = CommitMetadata {
        stored: 0,
        ..metadata()
    };
    assert_eq!(text.replace(" stored=55", "").parse(), Ok(older));
}

#[test]
fn what_is_not_whole_or_of_another_is_refused() {
    let text = metadata().to_string();
    let shorter = |at: &str| text[..text.find(at).expect("it is there")].to_owned();
    for wrong in [
        "",
        "tapwatch/1 clock=1800000000",
        "kafka-streams",
        &text.replace("tapwatch/3", "tapwatch/2"),
        &text.replace("signs_offset", "sings_offset"),
        &text.replace("replay=34", "replay=x"),
        &text.replace("clock=1800000000", "clock=-1"),
        &text.replace("homes=56", "homes=-56"),
        &text.replace("stored=55", "stored=-55"),
        &shorter(" cluster"),
        &shorter(" partitions"),
    ] {
        let read: Result<CommitMetadata, _> = wrong.parse();
        assert_eq!(read, Err(MetadataError::Foreign(wrong.to_owned())));
    }
}
