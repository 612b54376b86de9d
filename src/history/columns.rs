//! Rows from the columns of a Parquet file.
//!
//! Method: some rows at a time, each column's values are turned into the text that a CSV file would hold, so that one and the
//! same code reads, checks and refuses both. Pages are read as they are needed: of a file's rows, memory holds one batch and
//! one page of each column.

use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::{Compression, ConvertedType, LogicalType, TimeUnit, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{AsBytes, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::HistoryError;
use super::error::Place;
use crate::model::EventTime;

/// Rows that are turned into text at a time.
const BATCH: usize = 1_024;

/// A Parquet file being read.
pub(super) struct Columns {
    file: PathBuf,
    reader: SerializedFileReader<File>,
    file_bytes: u64,
    rows: u64,
    columns: Vec<Column>,
    /// The next row group.
    group: usize,
    /// Rows of the current row group that are not in the batch yet.
    left: usize,
    /// Rows of the batch, and the one at hand.
    held: usize,
    at: usize,
    /// Rows gone through, the one at hand included.
    row: u64,
}

/// One column, and its values for the rows of a batch.
struct Column {
    name: String,
    form: Result<Form, String>,
    reader: Option<ColumnReader>,
    texts: String,
    /// Where each row's text ends.
    ends: Vec<usize>,
}

/// What the values of a column are.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Number,
    Unsigned,
    /// An integer, to be divided by so many tens.
    Decimal(u32),
    /// So many parts of a second since 1970.
    Time(i64),
}

/// What the crate says, and panics where a file is very wrong.
struct Trouble(String);

impl From<ParquetError> for Trouble {
    fn from(error: ParquetError) -> Self {
        Self(error.to_string())
    }
}

impl Columns {
    /// Reads what a file says of itself.
    pub fn open(file: &Path, opened: File) -> Result<(Self, Vec<String>), HistoryError> {
        let bad = |reason: String| HistoryError::BadParquet {
            file: file.to_owned(),
            row: 0,
            reason,
        };
        let file_bytes = opened.metadata().map_or(0, |metadata| metadata.len());
        let reader = contained(|| Ok(SerializedFileReader::new(opened)?)).map_err(|trouble| bad(trouble.0))?;
        let metadata = reader.metadata();
        let schema = metadata.file_metadata().schema_descr();
        let fields = schema.root_schema().get_fields();
        let names: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
        let mut leaves = schema.columns().iter();
        let mut columns = Vec::new();
        for field in fields {
            let form = if field.is_group() {
                Err("a list or a structure".to_owned())
            } else {
                let leaf = leaves.find(|leaf| leaf.path().parts().first().is_some_and(|name| name == field.name()));
                leaf.map_or_else(|| Err("not there".to_owned()), |leaf| form(leaf))
            };
            columns.push(Column {
                name: field.name().to_owned(),
                form,
                reader: None,
                texts: String::new(),
                ends: Vec::new(),
            });
        }
        for chunk in metadata.row_groups().iter().flat_map(|group| group.columns()) {
            let compression = chunk.compression();
            if !matches!(
                compression,
                Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) | Compression::ZSTD(_)
            ) {
                return Err(bad(format!(
                    "compressed by {compression}; snappy, gzip, zstd and none are understood"
                )));
            }
        }
        let columns = Self {
            file: file.to_owned(),
            file_bytes,
            rows: metadata.file_metadata().num_rows().max(0).unsigned_abs(),
            columns,
            reader,
            group: 0,
            left: 0,
            held: 0,
            at: 0,
            row: 0,
        };
        Ok((columns, names))
    }

    /// Whether all columns are of forms that are understood.
    pub fn check(&self) -> Result<(), HistoryError> {
        for column in &self.columns {
            if let Err(found) = &column.form {
                return Err(HistoryError::BadType {
                    file: self.file.clone(),
                    column: column.name.clone(),
                    found: found.clone(),
                    understood: "text, numbers, decimals and timestamps in UTC are understood",
                });
            }
        }
        Ok(())
    }

    /// Moves to the next row; `false` at the end.
    pub fn next_row(&mut self) -> Result<bool, HistoryError> {
        self.at += 1;
        while self.at >= self.held {
            let more = contained(|| self.next_batch());
            let more = more.map_err(|trouble| HistoryError::BadParquet {
                file: self.file.clone(),
                row: self.row,
                reason: trouble.0,
            })?;
            if !more {
                return Ok(false);
            }
        }
        self.row += 1;
        Ok(true)
    }

    /// The text of the column in this place, in the row at hand.
    pub fn field(&self, place: usize) -> &str {
        let column = &self.columns[place];
        let start = self.at.checked_sub(1).map_or(0, |before| column.ends[before]);
        column.texts[start..column.ends[self.at]].trim()
    }

    /// Where the row is.
    pub fn place(&self) -> Place {
        Place::Row(self.row)
    }

    /// That part of the file's bytes which is the part of its rows gone through.
    pub fn bytes_read(&self) -> u64 {
        (self.file_bytes as f64 * self.row as f64 / self.rows.max(1) as f64) as u64
    }

    /// Turns further rows into text; `false` at the end.
    fn next_batch(&mut self) -> Result<bool, Trouble> {
        (self.at, self.held) = (0, 0);
        if self.left == 0 {
            if self.group == self.reader.num_row_groups() {
                return Ok(false);
            }
            let group = self.reader.get_row_group(self.group)?;
            self.group += 1;
            self.left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            for (place, column) in self.columns.iter_mut().enumerate() {
                column.reader = Some(group.get_column_reader(place)?);
            }
        }
        let count = self.left.min(BATCH);
        for column in &mut self.columns {
            column.read(count)?;
        }
        self.left -= count;
        self.held = count;
        Ok(true)
    }
}

/// What a damaged file makes the decoder panic over is an error like others.
fn contained<T>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    let panicked = |_| Trouble("the decoder gave up".to_owned());
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).map_err(panicked)?
}

impl Column {
    /// Reads the values of so many rows.
    fn read(&mut self, count: usize) -> Result<(), Trouble> {
        let Self {
            form: Ok(form),
            reader: Some(reader),
            texts,
            ends,
            ..
        } = self
        else {
            return Err(Trouble("a column is not understood".to_owned()));
        };
        texts.clear();
        ends.clear();
        let form = *form;
        let whole = |out: &mut String, value: i64| integer(out, i128::from(value), form);
        match reader {
            ColumnReader::BoolColumnReader(reader) => read(reader, count, texts, ends, |out, value| {
                let _ = write!(out, "{value}");
                Ok(())
            }),
            ColumnReader::Int32ColumnReader(reader) => read(reader, count, texts, ends, |out, value| match form {
                Form::Unsigned => whole(out, i64::from(value.cast_unsigned())),
                _ => whole(out, i64::from(*value)),
            }),
            ColumnReader::Int64ColumnReader(reader) => read(reader, count, texts, ends, |out, value| match form {
                Form::Unsigned => integer(out, i128::from(value.cast_unsigned()), form),
                _ => whole(out, *value),
            }),
            ColumnReader::Int96ColumnReader(reader) => read(reader, count, texts, ends, |out, value| {
                integer(out, i128::from(value.to_seconds()), Form::Time(1))
            }),
            ColumnReader::FloatColumnReader(reader) => read(reader, count, texts, ends, |out, value| {
                let _ = write!(out, "{value}");
                Ok(())
            }),
            ColumnReader::DoubleColumnReader(reader) => read(reader, count, texts, ends, |out, value| {
                let _ = write!(out, "{value}");
                Ok(())
            }),
            ColumnReader::ByteArrayColumnReader(reader) => read(reader, count, texts, ends, |out, value| {
                bytes(out, value.as_bytes(), form)
            }),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => read(reader, count, texts, ends, |out, value| {
                bytes(out, value.as_bytes(), form)
            }),
        }
    }
}

/// Reads values of one type and appends the text of each; of rows without a value, none.
fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
    texts: &mut String,
    ends: &mut Vec<usize>,
    text: impl Fn(&mut String, &T::T) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let (rows, ..) = reader.read_records(count, Some(&mut levels), None, &mut values)?;
    if rows != count {
        return Err(Trouble(format!("a column ends {} rows too early", count - rows)));
    }
    let mut values = values.iter();
    for row in 0..count {
        // A column that must have values has no levels.
        if levels.get(row).is_none_or(|level| *level > 0) {
            let value = values.next().ok_or_else(|| Trouble("a value is missing".to_owned()))?;
            text(texts, value)?;
        }
        ends.push(texts.len());
    }
    Ok(())
}

fn integer(out: &mut String, value: i128, form: Form) -> Result<(), Trouble> {
    // Writing into a string cannot fail.
    let _ = match form {
        Form::Decimal(scale) if scale > 0 => {
            let sign = if value < 0 { "-" } else { "" };
            let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale as usize + 1);
            let (whole, part) = digits.split_at(digits.len() - scale as usize);
            write!(out, "{sign}{whole}.{part}")
        }
        Form::Time(parts) => {
            let seconds = value.div_euclid(i128::from(parts));
            let known = i64::try_from(seconds).ok().and_then(EventTime::from_unix);
            match known {
                Some(time) => write!(out, "{time}"),
                // It is refused where it is read, and shown as it is.
                None => write!(out, "{seconds} s since 1970"),
            }
        }
        _ => write!(out, "{value}"),
    };
    Ok(())
}

fn bytes(out: &mut String, bytes: &[u8], form: Form) -> Result<(), Trouble> {
    if let Form::Decimal(_) = form {
        if bytes.len() > size_of::<i128>() {
            return Err(Trouble("a decimal has more than 38 digits".to_owned()));
        }
        // Big-endian, in two's complement.
        let sign = bytes.first().is_some_and(|first| *first >= 0x80);
        let value = bytes.iter().fold(if sign { -1 } else { 0 }, |value: i128, byte| {
            value << 8 | i128::from(*byte)
        });
        return integer(out, value, form);
    }
    out.push_str(std::str::from_utf8(bytes).map_err(|_| Trouble("text that is not UTF-8".to_owned()))?);
    Ok(())
}

/// What the values of a column are; what it is instead, where that is not understood.
fn form(column: &ColumnDescriptor) -> Result<Form, String> {
    let (physical, converted) = (column.physical_type(), column.converted_type());
    if column.max_rep_level() > 0 || column.max_def_level() > 1 {
        return Err("a list or a structure".to_owned());
    }
    let decimal = |scale: i32| {
        u32::try_from(scale)
            .ok()
            .filter(|scale| *scale <= 38)
            .map(Form::Decimal)
    };
    let scale = || decimal(column.type_scale()).ok_or_else(|| "a decimal of an unknown scale".to_owned());
    match (physical, column.logical_type_ref()) {
        (Type::INT96, _) => Ok(Form::Time(1)),
        (Type::INT64, Some(LogicalType::Timestamp(timestamp))) => {
            if !timestamp.is_adjusted_to_u_t_c {
                return Err("a timestamp without a time zone".to_owned());
            }
            Ok(Form::Time(match timestamp.unit {
                TimeUnit::MILLIS => 1_000,
                TimeUnit::MICROS => 1_000_000,
                TimeUnit::NANOS => 1_000_000_000,
            }))
        }
        (Type::BYTE_ARRAY, Some(LogicalType::String | LogicalType::Enum | LogicalType::Json)) => Ok(Form::Text),
        (_, Some(LogicalType::Decimal(_))) => scale(),
        (Type::INT32 | Type::INT64, Some(LogicalType::Integer(integer))) => Ok(match integer.is_signed {
            true => Form::Number,
            false => Form::Unsigned,
        }),
        // A column that is empty throughout.
        (_, Some(LogicalType::Unknown)) => Ok(Form::Number),
        (_, Some(other)) => Err(format!("of type {other:?}")),
        (_, None) => match (physical, converted) {
            (Type::INT64, ConvertedType::TIMESTAMP_MILLIS) => Ok(Form::Time(1_000)),
            (Type::INT64, ConvertedType::TIMESTAMP_MICROS) => Ok(Form::Time(1_000_000)),
            (_, ConvertedType::DECIMAL) => scale(),
            (
                Type::BYTE_ARRAY,
                ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON | ConvertedType::NONE,
            ) => Ok(Form::Text),
            (
                Type::INT32 | Type::INT64,
                ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64,
            ) => Ok(Form::Unsigned),
            (
                Type::INT32 | Type::INT64,
                ConvertedType::NONE
                | ConvertedType::INT_8
                | ConvertedType::INT_16
                | ConvertedType::INT_32
                | ConvertedType::INT_64,
            )
            | (Type::FLOAT | Type::DOUBLE | Type::BOOLEAN, ConvertedType::NONE) => Ok(Form::Number),
            _ => Err(format!("of type {physical} ({converted})")),
        },
    }
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
