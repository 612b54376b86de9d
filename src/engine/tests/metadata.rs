use super::super::*;
use crate::model::EventTime;
use crate::partition::ReplayPoint;

pub fn metadata() -> CommitMetadata {
    CommitMetadata {
        clock: EventTime::from_seconds(1_800_000_000),
        homes_offset: 12,
        replay: ReplayPoint {
            offset: 34,
            log_clock: EventTime::from_seconds(1_799_999_999),
            jump: EventTime::ZERO,
        },
        homes: 56,
        partitions: 8,
        cluster: "MkU3OEVBNTcwNTJENDM2Qk".into(),
    }
}

#[test]
fn what_is_written_is_read_and_fields_may_be_added_behind() {
    let text = metadata().to_string();
    assert_eq!(
        text,
        "tapwatch/2 clock=1800000000 homes_offset=12 replay=34 replay_clock=1799999999 replay_jump=0 homes=56 \
         partitions=8 cluster=MkU3OEVBNTcwNTJENDM2Qk"
    );
    assert_eq!(text.parse(), Ok(metadata()));
    assert_eq!(format!("{text} signs=3").parse(), Ok(metadata()));
}

#[test]
fn what_is_not_whole_or_of_another_is_refused() {
    let text = metadata().to_string();
    let shorter = |at: &str| text[..text.find(at).expect("it is there")].to_owned();
    for wrong in [
        "",
        "tapwatch/1 clock=1800000000",
        "kafka-streams",
        &text.replace("tapwatch/2", "tapwatch/3"),
        &text.replace("replay=34", "replay=x"),
        &text.replace("clock=1800000000", "clock=-1"),
        &text.replace("homes=56", "homes=-56"),
        &shorter(" cluster"),
        &shorter(" partitions"),
    ] {
        let read: Result<CommitMetadata, _> = wrong.parse();
        assert_eq!(read, Err(MetadataError::Foreign(wrong.to_owned())));
    }
}
