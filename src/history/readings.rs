//! Files of readings.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::{Equivalent, HashMap, HashSet};

use super::HistoryError;
use super::table::{Layout, Table};
use super::writer::TableWriter;
use crate::model::{EventTime, Flag, Flags, Litres, Measure, Quality};

const HOUSEHOLD: usize = 0;
const METER: usize = 1;
const TIMESTAMP: usize = 2;
const SECONDS: usize = 3;
const VOLUME: usize = 4;
const REGISTER: usize = 5;
const QUALITY: usize = 6;
const RECEIVED: usize = 7;
const FLAGS: usize = 8;

static LAYOUT: Layout = Layout {
    columns: &[
        "household_id",
        "meter_id",
        "timestamp",
        "interval_seconds",
        "volume_litres",
        "register_litres",
        "quality",
        "received_at",
        "flags",
    ],
    needed: &[
        &["household_id", "meter_id"],
        &["timestamp"],
        &["interval_seconds"],
        &["volume_litres", "register_litres"],
    ],
};

/// A meter and the home it is in. A meter that is not named apart has the home's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MeterName {
    /// The home.
    pub household: Arc<str>,
    /// The meter.
    pub meter: Arc<str>,
}

impl MeterName {
    /// Appends a row of this meter as the JSON of the readings topic.
    pub fn json(&self, row: &Row, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(b"{\"household_id\":");
        json_value(buffer, &*self.household);
        if self.meter != self.household {
            buffer.extend_from_slice(b",\"meter_id\":");
            json_value(buffer, &*self.meter);
        }
        // Writing into a vector cannot fail.
        let _ = write!(
            buffer,
            ",\"timestamp\":\"{}\",\"interval_seconds\":{}",
            row.start, row.seconds
        );
        if let Some(measure) = row.measure {
            let (field, litres): (&[u8], Litres) = match measure {
                Measure::Volume(litres) => (b",\"volume_litres\":", litres),
                Measure::Register(litres) => (b",\"register_litres\":", litres),
            };
            buffer.extend_from_slice(field);
            json_value(buffer, &litres);
        }
        if row.quality != Quality::Measured {
            let _ = write!(buffer, ",\"quality\":\"{}\"", quality_name(row.quality));
        }
        if let Some(received_at) = row.received_at {
            let _ = write!(buffer, ",\"received_at\":\"{received_at}\"");
        }
        if !row.flags.is_empty() {
            buffer.extend_from_slice(b",\"flags\":");
            json_value(buffer, &row.flags.iter().map(Flag::name).collect::<Vec<_>>());
        }
        buffer.push(b'}');
    }
}

/// One reading of a file. 40 bytes: a file of a city's month has to fit into memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Which of [`History::meters`].
    pub meter: u32,
    /// Start of the interval.
    pub start: EventTime,
    /// Length of the interval in seconds; 0 is kept, although no engine takes it.
    pub seconds: u32,
    /// What was measured; `None` only where the quality says why.
    pub measure: Option<Measure>,
    /// How far it can be relied upon.
    pub quality: Quality,
    /// When the utility received it, where the file says so.
    pub received_at: Option<EventTime>,
    /// What the meter says of itself.
    pub flags: Flags,
}

impl Row {
    /// End of the interval (exclusive).
    pub fn end(&self) -> EventTime {
        self.start.plus(self.seconds)
    }
}

/// When a reading could be known: when it was received, or else the end of its interval.
pub fn arrival(row: &Row) -> EventTime {
    row.received_at.unwrap_or(row.end())
}

/// The readings of one or several files, in the order of the files until sorted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The meters, in the order in which they first appear.
    pub meters: Vec<MeterName>,
    /// The readings.
    pub rows: Vec<Row>,
}

impl History {
    /// Reads files, one after the other, into one history.
    pub fn read(paths: &[PathBuf]) -> Result<Self, HistoryError> {
        let (mut meters, mut rows) = (Meters::default(), Vec::new());
        for path in paths {
            rows.append(&mut Reader::open(path)?.rest(&mut meters)?);
        }
        Ok(Self {
            meters: meters.list,
            rows,
        })
    }

    /// Reads a file that is part of the program; `name` stands for it in errors.
    pub fn embedded(name: &str, bytes: &'static [u8]) -> Result<Self, HistoryError> {
        let mut meters = Meters::default();
        let rows = Reader::of(Table::embedded(name, bytes, &LAYOUT)?).rest(&mut meters)?;
        Ok(Self {
            meters: meters.list,
            rows,
        })
    }

    /// The meter that a row is of.
    pub fn name(&self, row: &Row) -> &MeterName {
        &self.meters[row.meter as usize]
    }

    /// Puts the rows into the order in which they became known; rows that came together stay in file order.
    pub fn sort_by_arrival(&mut self) {
        self.rows.sort_by_key(|row| (arrival(row), row.start));
    }

    /// Appends a row as the JSON of the readings topic.
    pub fn json(&self, row: &Row, buffer: &mut Vec<u8>) {
        self.name(row).json(row, buffer);
    }

    /// Writes all rows to one file.
    pub fn write(&self, path: &Path) -> Result<(), HistoryError> {
        let mut writer = ReadingsWriter::create(path)?;
        for row in &self.rows {
            writer.write(self.name(row), row)?;
        }
        writer.finish()
    }
}

fn json_value<T: serde::Serialize + ?Sized>(buffer: &mut Vec<u8>, value: &T) {
    // Strings and finite numbers always have a JSON form, and a vector takes it.
    let _ = serde_json::to_writer(buffer, value);
}

/// Writes readings row by row, for histories too long to be held.
pub struct ReadingsWriter {
    table: TableWriter,
}

impl ReadingsWriter {
    /// Creates (or empties) the file; gzip where its name ends in `.gz`.
    pub fn create(path: &Path) -> Result<Self, HistoryError> {
        Ok(Self {
            table: TableWriter::create(path, LAYOUT.columns)?,
        })
    }

    /// Writes one row of the meter named.
    pub fn write(&mut self, name: &MeterName, row: &Row) -> Result<(), HistoryError> {
        let (volume, register) = match row.measure {
            Some(Measure::Volume(litres)) => (litres.to_string(), String::new()),
            Some(Measure::Register(litres)) => (String::new(), litres.to_string()),
            None => Default::default(),
        };
        let (start, seconds) = (row.start.to_string(), row.seconds.to_string());
        let quality = if row.quality == Quality::Measured {
            ""
        } else {
            quality_name(row.quality)
        };
        let received_at = row.received_at.map(|time| time.to_string()).unwrap_or_default();
        let flags = row.flags.iter().map(Flag::name).collect::<Vec<_>>().join("|");
        let fields: [&str; 9] = [
            &name.household,
            &name.meter,
            &start,
            &seconds,
            &volume,
            &register,
            quality,
            &received_at,
            &flags,
        ];
        self.table.row(fields)
    }

    /// Writes what is left and closes the file.
    pub fn finish(self) -> Result<(), HistoryError> {
        self.table.finish()
    }
}

fn read_row(table: &Table, meter: u32) -> Result<Row, HistoryError> {
    let quality = match table.field(QUALITY) {
        "" | "measured" => Quality::Measured,
        "estimated" => Quality::Estimated,
        "faulty" => Quality::Faulty,
        "missing" => Quality::Missing,
        _ => return Err(table.bad(QUALITY, "not one of measured, estimated, faulty, missing")),
    };
    let measure = match (table.field(VOLUME), table.field(REGISTER)) {
        ("", "") if quality == Quality::Measured => {
            return Err(table.bad(VOLUME, "a measured reading needs volume_litres or register_litres"));
        }
        ("", "") => None,
        (_, "") => Some(Measure::Volume(litres(table, VOLUME)?)),
        ("", _) => Some(Measure::Register(litres(table, REGISTER)?)),
        _ => return Err(table.bad(REGISTER, "volume_litres is filled too, and only one of them may be")),
    };
    Ok(Row {
        meter,
        start: table.parse(TIMESTAMP)?,
        seconds: table.parse(SECONDS)?,
        measure,
        quality,
        received_at: table.optional_time(RECEIVED)?,
        flags: read_flags(table)?,
    })
}

/// The names of flags, joined by `|`.
fn read_flags(table: &Table) -> Result<Flags, HistoryError> {
    let mut flags = Flags::NONE;
    for name in table
        .field(FLAGS)
        .split('|')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        match Flag::named(name) {
            Some(flag) => flags.insert(flag),
            None => {
                return Err(table.bad(
                    FLAGS,
                    "not tamper, low_battery, reverse_flow, leak or clock, joined by |",
                ));
            }
        }
    }
    Ok(flags)
}

fn litres(table: &Table, column: usize) -> Result<Litres, HistoryError> {
    let litres: Litres = table.parse(column)?;
    if litres.is_finite() {
        Ok(litres)
    } else {
        Err(table.bad(column, "not a finite number"))
    }
}

const fn quality_name(quality: Quality) -> &'static str {
    match quality {
        Quality::Measured => "measured",
        Quality::Estimated => "estimated",
        Quality::Faulty => "faulty",
        Quality::Missing => "missing",
    }
}

fn is(name: &MeterName, household: &str, meter: &str) -> bool {
    *name.household == *household && *name.meter == *meter
}

/// A file of readings, read row by row.
pub(super) struct Reader {
    table: Table,
    last: Option<u32>,
}

impl Reader {
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        Ok(Self::of(Table::open(path, &LAYOUT)?))
    }

    fn of(table: Table) -> Self {
        Self { table, last: None }
    }

    /// The next row, its meter among `meters`; `None` at the end.
    pub fn next(&mut self, meters: &mut Meters) -> Result<Option<Row>, HistoryError> {
        if !self.table.next_row()? {
            return Ok(None);
        }
        let household = self.table.either_id(HOUSEHOLD, METER)?;
        let meter = self.table.either_id(METER, HOUSEHOLD)?;
        // Files mostly hold one meter after the other.
        let index = match self.last {
            Some(index) if is(&meters.list[index as usize], household, meter) => index,
            _ => meters.index(household, meter),
        };
        self.last = Some(index);
        read_row(&self.table, index).map(Some)
    }

    fn rest(mut self, meters: &mut Meters) -> Result<Vec<Row>, HistoryError> {
        let mut rows = Vec::new();
        while let Some(row) = self.next(meters)? {
            rows.push(row);
        }
        Ok(rows)
    }

    /// Bytes of the file that have been read.
    pub fn bytes_read(&self) -> u64 {
        self.table.bytes_read()
    }
}

/// The meters of files being read: each name once in memory, each meter once in the list.
#[derive(Default)]
pub(super) struct Meters {
    pub list: Vec<MeterName>,
    texts: HashSet<Arc<str>>,
    places: HashMap<MeterName, u32>,
}

/// A [`MeterName`] to look up by; hashed field by field like it.
#[derive(Hash)]
struct NameParts<'a> {
    household: &'a str,
    meter: &'a str,
}

impl Equivalent<MeterName> for NameParts<'_> {
    fn equivalent(&self, name: &MeterName) -> bool {
        is(name, self.household, self.meter)
    }
}

impl Meters {
    fn index(&mut self, household: &str, meter: &str) -> u32 {
        if let Some(index) = self.places.get(&NameParts { household, meter }) {
            return *index;
        }
        // Four thousand million meters do not fit into memory: the index cannot overflow.
        let index = self.list.len() as u32;
        let name = MeterName {
            household: self.text(household),
            meter: self.text(meter),
        };
        self.list.push(name.clone());
        self.places.insert(name, index);
        index
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        self.texts.get_or_insert_with(text, |text| Arc::from(text)).clone()
    }
}
