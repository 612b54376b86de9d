use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::model::{EventTime, Flag, Flags, HomeRecord, InputTopic, Measure, Quality};

const HEADER: &str = "meter_id,timestamp,interval_seconds,volume_litres\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Reads one file of readings with these bytes.
fn read(bytes: &[u8]) -> Result<History, HistoryError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readings.csv");
    fs::write(&path, bytes).unwrap();
    History::read(&[path])
}

/// The message with which these bytes are refused, without the folder.
fn refusal(bytes: &[u8]) -> String {
    let message = read(bytes).expect_err("the file is wrong").to_string();
    message
        .split_once("readings.csv")
        .expect("the message names the file")
        .1
        .to_owned()
}

fn json(history: &History) -> Vec<String> {
    let text = |row| {
        let mut buffer = Vec::new();
        history.json(row, &mut buffer);
        String::from_utf8(buffer).unwrap()
    };
    history.rows.iter().map(text).collect()
}

#[test]
fn readings_become_the_json_of_the_topic() {
    let history = read(
        b"household_id,meter_id,timestamp,interval_seconds,volume_litres,register_litres,quality,received_at\n\
          h,m,2024-01-01T00:00:00Z,3600,1.5,,estimated,2024-01-01T02:00:00Z\n\
          h,h,2024-01-01T09:00:00+09:00,0,,12.25,,\n\
          h\"1,,2024-01-01T00:00:00Z,900,-3,,measured,\n\
          ,m,2024-01-01T00:00:00Z,900,,,missing,\n",
    )
    .unwrap();
    assert_eq!(
        json(&history),
        [
            r#"{"household_id":"h","meter_id":"m","timestamp":"2024-01-01T00:00:00Z","interval_seconds":3600,"volume_litres":1.5,"quality":"estimated","received_at":"2024-01-01T02:00:00Z"}"#,
            r#"{"household_id":"h","timestamp":"2024-01-01T00:00:00Z","interval_seconds":0,"register_litres":12.25}"#,
            r#"{"household_id":"h\"1","timestamp":"2024-01-01T00:00:00Z","interval_seconds":900,"volume_litres":-3.0}"#,
            r#"{"household_id":"m","timestamp":"2024-01-01T00:00:00Z","interval_seconds":900,"quality":"missing"}"#,
        ]
    );
    assert_eq!(history.meters.len(), 4);
    assert_eq!(size_of::<Row>(), 40);
}

#[test]
fn files_are_appended_and_sorted_by_arrival() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, zipped) = (folder.path().join("a.csv"), folder.path().join("b.csv.gz"));
    fs::write(
        &plain,
        format!("{HEADER}b,2024-01-01T01:00:00Z,3600,1\na,2024-01-01T00:00:00Z,3600,2\n"),
    )
    .unwrap();
    let received = "household_id,timestamp,interval_seconds,volume_litres,received_at\n\
                    a,2024-01-01T01:00:00Z,3600,3,2024-01-01T01:30:00Z\nb,2024-01-01T00:00:00Z,3600,4,\n";
    fs::write(&zipped, gzip(received.as_bytes())).unwrap();
    let mut history = History::read(&[plain, zipped]).unwrap();
    history.sort_by_arrival();
    let order: Vec<_> = history.rows.iter().map(|row| (row.meter, row.measure)).collect();
    let volume = |litres| Some(Measure::Volume(litres));
    assert_eq!(
        order,
        [(1, volume(2.0)), (0, volume(4.0)), (1, volume(3.0)), (0, volume(1.0))]
    );
    assert!(history.rows.is_sorted_by_key(arrival));
}

#[test]
fn a_file_is_refused_with_the_line_and_the_reason() {
    let row = |text: &str| refusal(format!("{HEADER}a,2024-01-01T00:00:00Z,3600,1\n{text}\n").as_bytes());
    assert_eq!(refusal(b""), ": the file is empty");
    assert_eq!(refusal(&gzip(b"")), ": the file is empty");
    for (header, separator) in [("meter_id;volume_litres\n", ';'), ("meter_id\tvolume_litres\n", '\t')] {
        let said =
            format!(", line 1: the fields are separated by {separator:?}; commas are needed, and points in numbers");
        assert_eq!(refusal(header.as_bytes()), said);
    }
    assert_eq!(
        refusal(b"volume_litres,meter_id\n"),
        ", line 1: missing columns: timestamp, interval_seconds"
    );
    assert_eq!(
        refusal(b"meter_id,time,interval_seconds,volume_m3\n"),
        ", line 1: missing columns: timestamp, volume_litres or register_litres; unknown columns: \"time\", \"volume_m3\""
    );
    assert_eq!(
        refusal(b"timestamp,interval_seconds\n"),
        ", line 1: missing columns: household_id or meter_id, volume_litres or register_litres"
    );
    assert_eq!(
        refusal(b"meter_id,timestamp,interval_seconds,volume_litres,colour\n"),
        ", line 1: unknown columns: \"colour\"; the columns known are household_id, meter_id, timestamp, \
         interval_seconds, volume_litres, register_litres, quality, received_at, flags"
    );
    assert_eq!(
        refusal(b"meter_id,meter_id,timestamp,interval_seconds,volume_litres\n"),
        ", line 1: the column meter_id is there more than once"
    );
    assert_eq!(
        row("a,2024-01-01T00:00:00Z,3600"),
        ", line 3: 3 fields where the header has 4"
    );
    assert_eq!(
        row("a,2024-01-01T00:00:00Z,3600,NaN"),
        ", line 3: volume_litres is \"NaN\": not a finite number"
    );
    assert_eq!(
        row("a,2024-01-01T00:00:00Z,3600,inf"),
        ", line 3: volume_litres is \"inf\": not a finite number"
    );
    assert_eq!(
        row("a,2024-01-01T00:00:00Z,3600,"),
        ", line 3: volume_litres is \"\": a measured reading needs volume_litres or register_litres"
    );
    assert_eq!(
        row(",2024-01-01T00:00:00Z,3600,1"),
        ", line 3: meter_id is \"\": it is empty"
    );
    assert!(row("a,2024-01-01T00:00:00Z,-5,1").starts_with(", line 3: interval_seconds is \"-5\": "));
    assert_eq!(
        row("a,1900-01-01T00:00:00Z,3600,1"),
        ", line 3: timestamp is \"1900-01-01T00:00:00Z\": 1900-01-01T00:00:00Z is outside 1970 to 2106"
    );
    assert!(row("a,yesterday,3600,1").starts_with(", line 3: timestamp is \"yesterday\": "));
    let quality = "meter_id,timestamp,interval_seconds,volume_litres,register_litres,quality\n";
    assert_eq!(
        refusal(format!("{quality}a,2024-01-01T00:00:00Z,3600,1,,fine\n").as_bytes()),
        ", line 2: quality is \"fine\": not one of measured, estimated, faulty, missing"
    );
    assert_eq!(
        refusal(format!("{quality}a,2024-01-01T00:00:00Z,3600,1,2,\n").as_bytes()),
        ", line 2: register_litres is \"2\": volume_litres is filled too, and only one of them may be"
    );
    let latin = [
        HEADER.as_bytes(),
        b"a,2024-01-01T00:00:00Z,3600,1\n\xe9,2024-01-01T00:00:00Z,3600,1\n",
    ]
    .concat();
    assert_eq!(refusal(&latin), ", line 3: not UTF-8");
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let text = format!("{HEADER}a,2024-01-01T00:00:00Z,3600,1\n\n\nb,2024-01-01T00:00:00Z,3600,x\n");
    assert!(refusal(text.as_bytes()).starts_with(", line 5: volume_litres is \"x\""));
    assert!(refusal(text.replace('\n', "\r\n").as_bytes()).starts_with(", line 5: volume_litres is \"x\""));
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_name() {
    let text = format!("\u{feff}{HEADER}a,2024-01-01T00:00:00Z,3600,1\n");
    assert_eq!(read(text.as_bytes()).unwrap().rows.len(), 1);
}

#[test]
fn a_gzip_file_that_is_cut_short_says_after_which_line() {
    // Times and volumes that do not compress well, so that a cut takes a few rows away, not all of them.
    let rows: Vec<String> = (0..5_000_u64)
        .map(|i| {
            let noise = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            format!(
                "m{},{},3600,{}\n",
                noise % 97,
                EventTime::from_seconds(noise as u32),
                noise % 1_009
            )
        })
        .collect();
    let text = format!("{HEADER}{}", rows.concat());
    let zipped = gzip(text.as_bytes());
    let message = refusal(&zipped[..zipped.len() / 2]);
    let line = message
        .strip_prefix(": the gzip data end too early, after line ")
        .expect("the line is named");
    let line: usize = line.parse().unwrap();
    assert!(
        (500..4_500).contains(&line),
        "half of 5,001 lines were there, not {line}"
    );
    // Without the trailing checksum nothing vouches for the data.
    assert_eq!(
        refusal(&zipped[..zipped.len() - 4]),
        ": the gzip data end too early, after line 5001"
    );
    assert_eq!(refusal(&zipped[..5]), ": the gzip data end too early, after line 0");
    let mut damaged = zipped.clone();
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    assert!(refusal(&damaged).starts_with(": the gzip data are damaged after line 5001: "));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = History::read(&[PathBuf::from("nowhere/readings.csv")]).unwrap_err();
    assert_eq!(error.to_string(), "nowhere/readings.csv: no such file");
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        History::read(&[folder.path().to_owned()]),
        Err(HistoryError::Io { .. })
    ));
}

#[test]
fn homes_and_truth_are_read_back_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let home = |id: &str, zone: Option<&str>| HomeRecord {
        household_id: id.to_owned(),
        time_zone: Some("Asia/Shanghai".to_owned()),
        zone: zone.map(str::to_owned),
        programme: None,
        ..HomeRecord::default()
    };
    let homes = vec![home("a", Some("block, 7")), home("b", None)];
    let said = [("household_size", "1"), ("dwelling", "a flat, third floor")];
    let of_a = said.map(|(column, said)| (column.to_owned(), said.to_owned())).to_vec();
    let people = People::from([("a".to_owned(), of_a), ("b".to_owned(), Vec::new())]);
    write_homes(&file("homes.csv"), &homes, &people).unwrap();
    assert_eq!(read_homes(&file("homes.csv")).unwrap(), homes);
    assert_eq!(read_people(&file("homes.csv")).unwrap(), people);

    let incident = |id: &str, start| Incident {
        household: Arc::from(id),
        kind: "emergency".to_owned(),
        start: EventTime::from_seconds(start),
        end: EventTime::from_seconds(start + 259_200),
        litres_per_hour: None,
        detail: None,
    };
    let leak = Incident {
        litres_per_hour: Some(2.5),
        detail: Some("leak:2.5".to_owned()),
        ..incident("b", 1_700_003_600)
    };
    let incidents = vec![incident("a", 1_700_000_000), leak];
    write_truth(&file("truth.csv.gz"), &incidents).unwrap();
    assert_eq!(fs::read(file("truth.csv.gz")).unwrap()[..2], [0x1f, 0x8b]);
    assert_eq!(read_truth(&file("truth.csv.gz")).unwrap(), incidents);

    let refused = |text: &str| {
        fs::write(file("truth.csv"), text).unwrap();
        read_truth(&file("truth.csv")).map_err(|error| error.to_string().split_once("truth.csv").unwrap().1.to_owned())
    };
    let by_meter = refused("meter_id,start,end,kind\nm,2024-01-01T00:00:00Z,2024-01-02T00:00:00Z,leak\n").unwrap();
    assert_eq!(&*by_meter[0].household, "m");
    assert_eq!(
        refused("meter_id,start,end,kind\nm,2024-01-01T00:00:00Z,2024-01-01T00:00:00Z,leak\n").unwrap_err(),
        ", line 2: end is \"2024-01-01T00:00:00Z\": not after the start"
    );
    assert_eq!(
        refused("meter_id,start,end,kind,litres_per_hour\nm,2024-01-01T00:00:00Z,2024-01-02T00:00:00Z,leak,-1\n")
            .unwrap_err(),
        ", line 2: litres_per_hour is \"-1\": not a flow"
    );
    fs::write(
        file("homes.csv"),
        "household_id,time_zone\nh,Europe/Madrid\nh,Asia/Kolkata\n",
    )
    .unwrap();
    let said = read_homes(&file("homes.csv")).unwrap_err().to_string();
    assert!(
        said.ends_with("line 3: household_id is \"h\": this home stands above"),
        "{said}"
    );
    let once = "m,2024-01-01T00:00:00Z,2024-01-02T00:00:00Z,leak\n";
    assert_eq!(
        refused(&format!("meter_id,start,end,kind\n{once}{once}")).unwrap_err(),
        ", line 3: start is \"2024-01-01T00:00:00Z\": an incident of this home and kind with the same start stands above"
    );
    assert_eq!(
        refused("start,end,kind\n").unwrap_err(),
        ", line 1: missing columns: household_id or meter_id"
    );
}

fn written_and_read(history: &History, path: &Path) -> History {
    history.write(path).unwrap();
    History::read(&[path.to_owned()]).unwrap()
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        readings in prop::collection::vec(
            (0..3_u32, any::<u32>(), any::<u32>(), -1e12..1e12_f64, 0..4_u8, 0..3_u8, any::<Option<u32>>(), 0..32_u8),
            0..40,
        ),
        zipped in any::<bool>(),
    ) {
        let name = |household: &str, meter: &str| MeterName { household: household.into(), meter: meter.into() };
        let mut history =
            History { meters: vec![name("h", "h"), name("h", "a,\"b\""), name("家", "m")], rows: Vec::new() };
        // Meters are numbered by first appearance: make them appear in order.
        let firsts = (0..3).map(|meter| (meter, 0, 1, 0.0, 0, 0, None, 0));
        for (meter, start, seconds, litres, quality, measure, received_at, bits) in firsts.chain(readings) {
            let quality = [Quality::Measured, Quality::Estimated, Quality::Faulty, Quality::Missing][quality as usize];
            let measure = match measure {
                0 => Some(Measure::Volume(litres)),
                1 => Some(Measure::Register(litres)),
                _ if quality == Quality::Measured => Some(Measure::Volume(0.0)),
                _ => None,
            };
            let (start, received_at) = (EventTime::from_seconds(start), received_at.map(EventTime::from_seconds));
            let mut flags = Flags::NONE;
            Flag::ALL.into_iter().filter(|flag| bits & 1 << *flag as u8 != 0).for_each(|flag| flags.insert(flag));
            history.rows.push(Row { meter, start, seconds, measure, quality, received_at, flags });
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(if zipped { "r.csv.gz" } else { "r.csv" });
        prop_assert_eq!(written_and_read(&history, &path), history);
    }
}

#[test]
fn files_without_a_reading_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, full) = (folder.path().join("a.csv"), folder.path().join("b.csv"));
    fs::write(&empty, HEADER).unwrap();
    fs::write(&full, format!("{HEADER}a,2024-01-01T00:00:00Z,3600,1\n")).unwrap();
    let space = SortSpace {
        memory_bytes: 1 << 20,
        folder: folder.path().to_owned(),
    };
    let mut bytes = 0;
    let files = [empty.clone(), full];
    let readings = SortedReadings::read(&files, &space, |_| 0, |more| bytes += more).unwrap();
    assert_eq!(
        (readings.empty_files(), readings.len()),
        ([empty.clone()].as_slice(), 1)
    );
    let lengths = files.iter().map(|file| fs::metadata(file).unwrap().len());
    assert_eq!(bytes, lengths.sum::<u64>(), "progress is told to the end");
    let none = SortedReadings::read(&[empty], &space, |_| 0, |_| {}).unwrap();
    assert!(none.is_empty() && none.span().is_none());
}

#[test]
fn records_beside_the_readings_are_read_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.jsonl");
    let read = |text: &str, of: fn(&Path) -> Result<Vec<BesideRecord>, HistoryError>| {
        fs::write(&path, text).unwrap();
        of(&path).map_err(|error| error.to_string().split_once("records.jsonl").unwrap().1.to_owned())
    };
    let sign = r#"{"household_id":"a","sign":"back","at":"2024-01-01T00:00:00Z"}"#;
    let signs = read(&format!("{sign}\n\n"), read_signs).unwrap();
    assert_eq!(
        (signs.len(), signs[0].household.as_str(), signs[0].json.as_str()),
        (1, "a", sign)
    );
    assert_eq!(
        (signs[0].topic, signs[0].at.seconds()),
        (InputTopic::Signs, 1_704_067_200)
    );
    assert!(
        read(&format!("{sign}\nx"), read_signs)
            .unwrap_err()
            .starts_with(", line 2: ")
    );
    assert!(
        read(sign, read_responses).unwrap_err().starts_with(", line 1: "),
        "no answer"
    );
    let nobody = sign.replace("\"a\"", "\"\"");
    assert_eq!(
        read(&nobody, read_signs).unwrap_err(),
        ", line 1: household_id \"\": it is empty"
    );
}
