//! Parquet files as others write them, read as the CSV files that say the same.

use std::fs;
use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::history::{History, HistoryError, read_homes, read_truth};

/// The values of one column.
enum Values {
    Text(Vec<Option<&'static str>>),
    Int(Vec<Option<i32>>),
    Long(Vec<Option<i64>>),
    Old(Vec<Option<Int96>>),
    Float(Vec<Option<f32>>),
    Double(Vec<Option<f64>>),
    Fixed(Vec<Option<[u8; 5]>>),
    Bool(Vec<Option<bool>>),
}

fn present<T: Clone>(values: &[Option<T>]) -> (Vec<T>, Vec<i16>) {
    let levels = values.iter().map(|value| i16::from(value.is_some()));
    (values.iter().flatten().cloned().collect(), levels.collect())
}

/// The bytes of a file of these columns, written in `groups` row groups of equal rows.
fn parquet(schema: &str, compression: Compression, groups: usize, columns: &[Values]) -> Vec<u8> {
    let schema = parse_message_type(&format!("message readings {{ {schema} }}")).unwrap();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties)).unwrap();
    for _ in 0..groups {
        let mut group = writer.next_row_group().unwrap();
        for values in columns {
            let mut column = group.next_column().unwrap().expect("a column of the schema");
            macro_rules! put {
                ($writer:expr, $values:expr) => {{
                    let (values, levels) = present($values);
                    $writer
                        .write_batch(&values, Some(&levels), Some(&vec![0; levels.len()]))
                        .map(drop)
                }};
            }
            match (values, column.untyped()) {
                (Values::Text(values), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                    let values: Vec<_> = values.iter().map(|value| value.map(ByteArray::from)).collect();
                    put!(writer, &values)
                }
                (Values::Int(values), ColumnWriter::Int32ColumnWriter(writer)) => put!(writer, values),
                (Values::Long(values), ColumnWriter::Int64ColumnWriter(writer)) => put!(writer, values),
                (Values::Old(values), ColumnWriter::Int96ColumnWriter(writer)) => put!(writer, values),
                (Values::Float(values), ColumnWriter::FloatColumnWriter(writer)) => put!(writer, values),
                (Values::Double(values), ColumnWriter::DoubleColumnWriter(writer)) => put!(writer, values),
                (Values::Bool(values), ColumnWriter::BoolColumnWriter(writer)) => put!(writer, values),
                (Values::Fixed(values), ColumnWriter::FixedLenByteArrayColumnWriter(writer)) => {
                    let fixed = |value: &[u8; 5]| FixedLenByteArray::from(value.to_vec());
                    let values: Vec<_> = values.iter().map(|value| value.as_ref().map(fixed)).collect();
                    put!(writer, &values)
                }
                _ => panic!("values do not go with the schema"),
            }
            .unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<History, HistoryError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readings");
    fs::write(&path, bytes).unwrap();
    History::read(&[path])
}

fn refusal(bytes: &[u8]) -> String {
    let said = read(bytes).expect_err("the file is wrong").to_string();
    said.split_once("readings").expect("the file is named").1.to_owned()
}

const START: i64 = 1_704_067_200;
fn codecs() -> [Compression; 4] {
    [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ]
}

#[test]
fn a_file_says_what_the_csv_file_says() {
    let csv = "household_id,meter_id,timestamp,interval_seconds,volume_litres,register_litres,quality,received_at,flags\n\
               a,m,2024-01-01T00:00:00Z,900,1.5,,,2024-01-01T01:00:00Z,leak|tamper\n\
               a,m,2024-01-01T00:15:00Z,900,,12.25,estimated,,\n\
               b,,2024-01-01T00:30:00Z,900,,,missing,,\n";
    let expected = read(csv.as_bytes()).unwrap();
    let texts = |texts: [Option<&'static str>; 3]| Values::Text(texts.to_vec());
    let seconds = [0, 900, 1_800].map(|after| START + after);
    let columns = [
        texts([Some("a"), Some("a"), Some("b")]),
        texts([Some("m"), Some("m"), None]),
        Values::Long(seconds.map(|second| Some(second * 1_000_000)).to_vec()),
        Values::Int(vec![Some(900); 3]),
        Values::Double(vec![Some(1.5), None, None]),
        Values::Float(vec![None, Some(12.25), None]),
        texts([None, Some("estimated"), Some("missing")]),
        Values::Long(vec![Some((START + 3_600) * 1_000), None, None]),
        texts([Some("leak|tamper"), Some(""), None]),
    ];
    let schema = "optional binary household_id (STRING); optional binary meter_id (STRING);
        optional int64 timestamp (TIMESTAMP(MICROS,true)); optional int32 interval_seconds;
        optional double volume_litres; optional float register_litres; optional binary quality (STRING);
        optional int64 received_at (TIMESTAMP(MILLIS,true)); optional binary flags (STRING);";
    for codec in codecs() {
        assert_eq!(read(&parquet(schema, codec, 1, &columns)).unwrap(), expected, "{codec}");
    }
}

#[test]
fn times_and_volumes_come_in_many_forms() {
    let expected = |volume: &str| {
        read(
            format!("meter_id,timestamp,interval_seconds,volume_litres\nm,2024-01-01T00:00:00Z,3600,{volume}\n")
                .as_bytes(),
        )
        .unwrap()
    };
    let midnight = |parts: i64| Values::Long(vec![Some(START * parts + parts / 2)]);
    let mut old = Int96::new();
    old.set_data(0, 0, 2_460_311);
    let times = [
        (
            "optional int64 timestamp (TIMESTAMP(NANOS,true));",
            midnight(1_000_000_000),
        ),
        ("optional int64 timestamp (TIMESTAMP_MILLIS);", midnight(1_000)),
        ("optional int96 timestamp;", Values::Old(vec![Some(old)])),
        (
            "optional binary timestamp;",
            Values::Text(vec![Some("2024-01-01T01:00:00+01:00")]),
        ),
    ];
    let volumes = [
        (
            "optional double volume_litres;",
            Values::Double(vec![Some(-0.1)]),
            "-0.1",
        ),
        ("optional float volume_litres;", Values::Float(vec![Some(0.3)]), "0.3"),
        ("optional int32 volume_litres;", Values::Int(vec![Some(-7)]), "-7"),
        (
            "optional int32 volume_litres (INTEGER(32,false));",
            Values::Int(vec![Some(-1)]),
            "4294967295",
        ),
        (
            "optional int64 volume_litres;",
            Values::Long(vec![Some(70_000_000_000)]),
            "70000000000",
        ),
        (
            "optional int64 volume_litres (DECIMAL(18,3));",
            Values::Long(vec![Some(-5)]),
            "-0.005",
        ),
        (
            "optional fixed_len_byte_array(5) volume_litres (DECIMAL(11,2));",
            Values::Fixed(vec![Some([0xff, 0xff, 0xff, 0xfe, 0xd4])]),
            "-3.00",
        ),
        (
            "optional fixed_len_byte_array(5) volume_litres (DECIMAL(11,2));",
            Values::Fixed(vec![Some([0, 0, 0, 4, 1])]),
            "10.25",
        ),
    ];
    let meter = || Values::Text(vec![Some(" m ")]);
    for (time, at) in &times {
        let schema = format!(
            "optional binary meter_id (STRING); {time} optional double interval_seconds;
            optional double volume_litres;"
        );
        let at = match at {
            Values::Long(at) => Values::Long(at.clone()),
            Values::Old(at) => Values::Old(at.clone()),
            Values::Text(at) => Values::Text(at.clone()),
            _ => unreachable!(),
        };
        // Whole numbers come as floating point where a column had holes once.
        let columns = [
            meter(),
            at,
            Values::Double(vec![Some(3_600.0)]),
            Values::Double(vec![Some(2.0)]),
        ];
        let read = read(&parquet(&schema, Compression::SNAPPY, 1, &columns)).unwrap();
        assert_eq!(read, expected("2"), "{time}");
    }
    for (form, litres, text) in volumes {
        let schema = format!(
            "optional binary meter_id (STRING); optional int64 timestamp (TIMESTAMP(MILLIS,true));
             optional int64 interval_seconds; {form}"
        );
        let columns = [meter(), midnight(1_000), Values::Long(vec![Some(3_600)]), litres];
        let read = read(&parquet(&schema, Compression::SNAPPY, 1, &columns)).unwrap();
        assert_eq!(read, expected(text), "{form}");
    }
}

/// Hourly readings of one meter, so many in each of some row groups.
fn hourly(rows: usize, groups: usize, litres: impl Fn(usize) -> Option<f64>) -> Vec<u8> {
    let schema = "required binary meter_id (STRING); required int64 timestamp (TIMESTAMP(MILLIS,true));
        required int32 interval_seconds; optional double volume_litres;";
    let columns = [
        Values::Text(vec![Some("m"); rows]),
        Values::Long(
            (0..rows)
                .map(|row| Some((START + 3_600 * row as i64) * 1_000))
                .collect(),
        ),
        Values::Int(vec![Some(3_600); rows]),
        Values::Double((0..rows).map(litres).collect()),
    ];
    parquet(schema, Compression::ZSTD(ZstdLevel::default()), groups, &columns)
}

#[test]
fn all_row_groups_are_read_and_a_bad_row_is_named() {
    let history = read(&hourly(2_500, 3, |row| Some(row as f64))).unwrap();
    let litres: Vec<_> = history.rows.iter().map(|row| row.measure).collect();
    assert_eq!((litres.len(), history.meters.len()), (7_500, 1));
    assert_eq!(litres[2_500..5_000], litres[..2_500]);
    assert_eq!(
        history.rows[2_499].measure,
        Some(crate::model::Measure::Volume(2_499.0))
    );
    assert_eq!(
        refusal(&hourly(2_500, 1, |row| (row != 2_049).then_some(1.0))),
        ", row 2050: volume_litres is \"\": a measured reading needs volume_litres or register_litres"
    );
    assert_eq!(
        refusal(&hourly(3, 1, |row| Some(if row == 1 { f64::NAN } else { 1.0 }))),
        ", row 2: volume_litres is \"NaN\": not a finite number"
    );
}

#[test]
fn columns_are_refused_by_name() {
    let meter = || Values::Text(vec![Some("m")]);
    let time = || Values::Long(vec![Some(START * 1_000)]);
    let others = || [Values::Int(vec![Some(3_600)]), Values::Double(vec![Some(1.0)])];
    let refused = |schema: &str, columns: Vec<Values>| refusal(&parquet(schema, Compression::SNAPPY, 1, &columns));
    let rest = "optional int32 interval_seconds; optional double volume_litres;";
    let [seconds, litres] = others();
    assert_eq!(
        refused(
            &format!("optional binary meter_id (STRING); optional int64 timestamp (TIMESTAMP(MILLIS,false)); {rest}"),
            vec![meter(), time(), seconds, litres]
        ),
        ", schema: timestamp is a timestamp without a time zone; text, numbers, decimals and timestamps in UTC are understood"
    );
    let [seconds, litres] = others();
    assert_eq!(
        refused(
            &format!("optional binary meter_id (STRING); optional int64 colour; {rest}"),
            vec![meter(), time(), seconds, litres]
        ),
        ", schema: missing columns: timestamp; unknown columns: \"colour\""
    );
    let [seconds, litres] = others();
    assert_eq!(
        refused(
            &format!("optional binary meter_id (STRING); optional int64 timestamp; {rest} optional boolean colour;"),
            vec![meter(), time(), seconds, litres, Values::Bool(vec![Some(true)])]
        ),
        ", schema: unknown columns: \"colour\"; the columns known are household_id, meter_id, timestamp, \
         interval_seconds, volume_litres, register_litres, quality, received_at, flags"
    );
    let [seconds, litres] = others();
    let untyped = refused(
        &format!("optional binary meter_id (STRING); optional int64 timestamp; {rest}"),
        vec![meter(), time(), seconds, litres],
    );
    assert!(
        untyped.starts_with(", row 1: timestamp is \"1704067200000\": "),
        "{untyped}"
    );
    let [seconds, litres] = others();
    let early = Values::Long(vec![Some(-1_000)]);
    let untimely = refused(
        &format!("optional binary meter_id (STRING); optional int64 timestamp (TIMESTAMP(MILLIS,true)); {rest}"),
        vec![meter(), early, seconds, litres],
    );
    assert!(
        untimely.starts_with(", row 1: timestamp is \"-1 s since 1970\": "),
        "{untimely}"
    );
    let list = "optional group flags (LIST) { repeated group list { optional binary element (STRING); } }";
    let [seconds, litres] = others();
    assert_eq!(
        refused(
            &format!(
                "optional binary meter_id (STRING); optional int64 timestamp (TIMESTAMP(MILLIS,true)); {rest} {list}"
            ),
            vec![meter(), time(), seconds, litres, Values::Text(vec![None])]
        ),
        ", schema: flags is a list or a structure; text, numbers, decimals and timestamps in UTC are understood"
    );
}

#[test]
fn homes_and_truth_come_as_parquet_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: Vec<u8>| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let homes = "optional binary household_id (STRING); optional int32 upload_seconds;";
    let columns = [Values::Text(vec![Some("a")]), Values::Int(vec![Some(900)])];
    let homes = read_homes(&file("homes", parquet(homes, Compression::SNAPPY, 1, &columns))).unwrap();
    assert_eq!(
        (homes[0].household_id.as_str(), homes[0].upload_seconds),
        ("a", Some(900))
    );
    let truth = "optional binary household_id (STRING); optional binary kind (STRING);
        optional int64 start (TIMESTAMP(MICROS,true)); optional int64 end (TIMESTAMP(MICROS,true));";
    let columns = [
        Values::Text(vec![Some("a")]),
        Values::Text(vec![Some("leak")]),
        Values::Long(vec![Some(START * 1_000_000)]),
        Values::Long(vec![Some((START + 60) * 1_000_000)]),
    ];
    let truth = read_truth(&file("truth", parquet(truth, Compression::SNAPPY, 1, &columns))).unwrap();
    assert_eq!(
        (truth[0].kind.as_str(), truth[0].end.since(truth[0].start)),
        ("leak", 60)
    );
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let whole = hourly(40, 2, |row| Some(row as f64));
    assert!(refusal(&whole[..whole.len() - 3]).starts_with(": the Parquet data cannot be read after row 0: "));
    let mut refused = 0;
    for place in 4..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x55;
        refused += usize::from(read(&damaged).is_err());
    }
    assert!(refused > whole.len() / 3, "{refused} of {} bytes matter", whole.len());
}
