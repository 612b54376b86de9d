//! Sorting in memory and on disk against a sort of all rows.

use proptest::prelude::*;

use super::*;
use crate::model::{Flag, Flags, Measure, Quality};

fn row() -> impl Strategy<Value = Row> {
    let litres = prop_oneof![Just(0.0), -1e12..1e12_f64];
    let measure = (0..3_u8, litres);
    let times = (0..40_u32, 0..4_u32, prop::option::of(0..40_u32));
    (0..5_u32, times, measure, 0..4_usize, 0..32_u8).prop_map(|(meter, times, (kind, litres), quality, bits)| {
        let mut flags = Flags::NONE;
        Flag::ALL
            .into_iter()
            .filter(|flag| bits & 1 << *flag as u8 != 0)
            .for_each(|flag| flags.insert(flag));
        Row {
            meter,
            start: EventTime::from_seconds(times.0),
            seconds: times.1,
            measure: [None, Some(Measure::Volume(litres)), Some(Measure::Register(litres))][usize::from(kind)],
            quality: [Quality::Measured, Quality::Estimated, Quality::Faulty, Quality::Missing][quality],
            received_at: times.2.map(EventTime::from_seconds),
            flags,
        }
    })
}

fn collected(rows: Result<Rows<'_>, HistoryError>) -> Vec<Row> {
    rows.and_then(Iterator::collect).expect("the disk works")
}

proptest! {
    #[test]
    fn rows_come_as_one_sort_of_all_of_them_would_have_it(
        rows in prop::collection::vec(row(), 0..120),
        rows_in_memory in 1..50_usize,
        readers in 1..4_usize,
        span in (0..40_u32, 0..40_u32),
    ) {
        let name = |household: &str, meter: &str| MeterName { household: household.into(), meter: meter.into() };
        let meters = vec![name("a", "a"), name("b", "b"), name("a", "a2"), name("c", "c"), name("d", "d")];
        let mut history = History { meters, rows };
        let folder = tempfile::tempdir().expect("a folder");
        // Two orders, each with 60 bytes a row.
        let space = SortSpace { memory_bytes: 120 * rows_in_memory, folder: folder.path().to_owned() };
        let lane = |household: &str| u32::from(household == "b" || household == "c") * 7;
        let sorted = SortedReadings::of_history(&history, &space, lane).expect("the disk works");
        prop_assert_eq!(sorted.are_on_disk(), history.rows.len() > rows_in_memory);
        prop_assert_eq!(sorted.len(), history.rows.len() as u64);
        history.sort_by_arrival();
        for number in [0, 3, 7] {
            let of_lane = history.rows.iter().copied().filter(|row| lane(&history.name(row).household) == number);
            prop_assert_eq!(collected(sorted.lane(number, readers)), of_lane.collect::<Vec<_>>());
        }
        let mut by_home = Vec::new();
        let (from, to) = (EventTime::from_seconds(span.0), EventTime::from_seconds(span.1));
        for household in ["a", "b", "c", "d"] {
            let of_home = history.rows.iter().copied().filter(|row| *history.name(row).household == *household);
            let mut of_home: Vec<Row> = of_home.collect();
            of_home.sort_by_key(|row| row.start);
            let within = of_home.iter().copied().filter(|row| from <= row.start && row.start < to);
            let fetched = sorted.of_home(household, from, to).expect("the disk works");
            prop_assert_eq!(fetched, within.collect::<Vec<_>>());
            by_home.extend(of_home);
        }
        prop_assert_eq!(collected(sorted.homes_between(0, 4, readers)), by_home);
        prop_assert_eq!(sorted.of_home("nobody", EventTime::ZERO, EventTime::MAX).expect("nothing is read"), vec![]);
        prop_assert_eq!(std::fs::read_dir(folder.path()).expect("the folder is there").count(), 0, "the file has no name");
    }
}

#[test]
fn what_is_received_together_is_taken_in_the_order_of_time() {
    let row = |hour: u32| Row {
        meter: 0,
        start: EventTime::from_hour(hour),
        seconds: 3_600,
        measure: Some(Measure::Volume(f64::from(hour))),
        quality: Quality::Measured,
        received_at: Some(EventTime::from_hour(9)),
        flags: Flags::NONE,
    };
    let name = MeterName {
        household: "a".into(),
        meter: "a".into(),
    };
    let history = History {
        meters: vec![name],
        rows: [3, 1, 2, 0].map(row).into(),
    };
    let space = SortSpace {
        memory_bytes: 1 << 20,
        folder: PathBuf::new(),
    };
    let sorted = SortedReadings::of_history(&history, &space, |_| 0).expect("in memory");
    assert_eq!(collected(sorted.lane(0, 1)), [0, 1, 2, 3].map(row));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let space = SortSpace {
        memory_bytes: 0,
        folder: PathBuf::from("/nowhere/at/all"),
    };
    let row = Row {
        meter: 0,
        start: EventTime::ZERO,
        seconds: 60,
        measure: None,
        quality: Quality::Missing,
        received_at: None,
        flags: Flags::NONE,
    };
    let meters = vec![MeterName {
        household: "a".into(),
        meter: "a".into(),
    }];
    let history = History {
        meters,
        rows: vec![row; 3],
    };
    let refused = SortedReadings::of_history(&history, &space, |_| 0).err();
    let said = refused.expect("nothing can be written").to_string();
    assert!(said.starts_with("/nowhere/at/all"), "{said}");
}
