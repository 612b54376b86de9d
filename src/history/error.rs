//! What can be wrong with a file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Where in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a CSV file, counted from 1, the header included.
    Line(u64),
    /// A row of a Parquet file, counted from 1.
    Row(u64),
    /// What a Parquet file says of its columns.
    Schema,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
            Self::Schema => f.write_str("schema"),
        }
    }
}

/// Why a file was refused. Lines count from 1, the header included.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// Nothing at that path.
    #[error("{}: no such file", file.display())]
    NotFound {
        /// The file.
        file: PathBuf,
    },
    /// Reading or writing failed.
    #[error("{}: {reason}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said: a part of this error's own words, so no source beside them.
        reason: io::Error,
    },
    /// Not even a header.
    #[error("{}: the file is empty", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// A table whose fields are separated by something else than commas.
    #[error("{}, line 1: the fields are separated by {separator:?}; commas are needed, and points in numbers", file.display())]
    Separator {
        /// The file.
        file: PathBuf,
        /// What separates them.
        separator: char,
    },
    /// Columns that are needed are not there.
    #[error("{}, {place}: missing columns: {columns}", file.display())]
    MissingColumns {
        /// The file.
        file: PathBuf,
        /// Where in it.
        place: Place,
        /// The columns, alternatives joined by "or", and those in the file that nobody knows.
        columns: String,
    },
    /// Columns that nobody knows.
    #[error("{}, {place}: unknown columns: {columns}; the columns known are {known}", file.display())]
    UnknownColumns {
        /// The file.
        file: PathBuf,
        /// Where in it.
        place: Place,
        /// The columns in question.
        columns: String,
        /// All that would have been understood.
        known: String,
    },
    /// One column twice.
    #[error("{}, {place}: the column {column} is there more than once", file.display())]
    RepeatedColumn {
        /// The file.
        file: PathBuf,
        /// Where in it.
        place: Place,
        /// The column.
        column: &'static str,
    },
    /// A line with more or fewer fields than the header.
    #[error("{}, line {line}: {found} fields where the header has {expected}", file.display())]
    FieldCount {
        /// The file.
        file: PathBuf,
        /// The line.
        line: u64,
        /// Fields in the header.
        expected: u64,
        /// Fields in the line.
        found: u64,
    },
    /// A field that cannot be understood.
    #[error("{}, {place}: {column} is {value:?}: {reason}", file.display())]
    BadValue {
        /// The file.
        file: PathBuf,
        /// Where in it.
        place: Place,
        /// The column, or the columns that together make no sense.
        column: &'static str,
        /// What stands there.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Bytes that are no text.
    #[error("{}, line {line}: not UTF-8", file.display())]
    NotUtf8 {
        /// The file.
        file: PathBuf,
        /// The line.
        line: u64,
    },
    /// A gzip file of which the end is missing.
    #[error("{}: the gzip data end too early, after line {line}", file.display())]
    CutShort {
        /// The file.
        file: PathBuf,
        /// The last line that could be read whole; 0 when not even the header could.
        line: u64,
    },
    /// A gzip file that is damaged.
    #[error("{}: the gzip data are damaged after line {line}: {reason}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The last line that could be read whole.
        line: u64,
        /// What the decoder said.
        reason: io::Error,
    },
    /// A record that cannot be understood.
    #[error("{}, line {line}: {reason}", file.display())]
    BadRecord {
        /// The file.
        file: PathBuf,
        /// The line.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A column of a Parquet file in a form that is not understood.
    #[error("{}, {}: {column} is {found}; {understood}", file.display(), Place::Schema)]
    BadType {
        /// The file.
        file: PathBuf,
        /// The column.
        column: String,
        /// What it is.
        found: String,
        /// What it may be.
        understood: &'static str,
    },
    /// A Parquet file that is damaged, or made in a way that is not understood.
    #[error("{}: the Parquet data cannot be read after row {row}: {reason}", file.display())]
    BadParquet {
        /// The file.
        file: PathBuf,
        /// The last row that could be read.
        row: u64,
        /// What the decoder said.
        reason: String,
    },
}

/// The error of a file that cannot be opened, read or written.
pub(super) fn io_error(file: &Path, source: io::Error) -> HistoryError {
    let file = file.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => HistoryError::NotFound { file },
        _ => HistoryError::Io { file, reason: source },
    }
}
