//! What can be wrong with a file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

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
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not even a header.
    #[error("{}: the file is empty", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// Columns that are needed are not there.
    #[error("{}, line 1: missing columns: {columns}", file.display())]
    MissingColumns {
        /// The file.
        file: PathBuf,
        /// The columns, alternatives joined by "or".
        columns: String,
    },
    /// Columns that nobody knows.
    #[error("{}, line 1: unknown columns: {columns}; the columns known are {known}", file.display())]
    UnknownColumns {
        /// The file.
        file: PathBuf,
        /// The columns in question.
        columns: String,
        /// All that would have been understood.
        known: String,
    },
    /// One column twice.
    #[error("{}, line 1: the column {column} is there more than once", file.display())]
    RepeatedColumn {
        /// The file.
        file: PathBuf,
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
    #[error("{}, line {line}: {column} is {value:?}: {reason}", file.display())]
    BadValue {
        /// The file.
        file: PathBuf,
        /// The line.
        line: u64,
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
    #[error("{}: the gzip data are damaged after line {line}: {source}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The last line that could be read whole.
        line: u64,
        /// What the decoder said.
        source: io::Error,
    },
}
