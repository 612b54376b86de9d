//! A file as a table with known columns, whatever its form.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::HistoryError;
use super::columns::Columns;
use super::error::{Place, io_error};
use super::lines::Lines;
use crate::model::{EventTime, check_id};

/// What a kind of file may and must hold. A column is known by its place in `columns`.
pub(super) struct Layout {
    /// All columns that are understood.
    pub columns: &'static [&'static str],
    /// Groups of columns of which at least one must be there.
    pub needed: &'static [&'static [&'static str]],
}

/// A file being read, one row at a time.
pub(super) struct Table {
    file: PathBuf,
    source: Source,
    layout: &'static Layout,
    /// For each known column, where it stands in this file.
    places: Vec<Option<usize>>,
    bytes: Arc<AtomicU64>,
}

enum Source {
    Lines(Lines),
    Columns(Box<Columns>),
}

impl Table {
    /// Opens a file, CSV (plain or gzip) or Parquet, told by its first bytes, and checks its columns.
    pub fn open(file: &Path, layout: &'static Layout) -> Result<Self, HistoryError> {
        let plain = File::open(file).map_err(|source| io_error(file, source))?;
        let bytes = Arc::default();
        let mut plain = BufReader::with_capacity(1 << 16, Counted(plain, Arc::clone(&bytes)));
        let first = plain.fill_buf().map_err(|source| io_error(file, source))?;
        if first.starts_with(b"PAR1") {
            let (columns, header) = Columns::open(file, plain.into_inner().0)?;
            return Self::new(file, Source::Columns(Box::new(columns)), layout, &header, bytes);
        }
        let (lines, header) = Lines::open(file, plain)?;
        Self::new(file, Source::Lines(lines), layout, &header, bytes)
    }

    /// A CSV file that is part of the program; `name` stands for it in errors.
    pub fn embedded(name: &str, bytes: &'static [u8], layout: &'static Layout) -> Result<Self, HistoryError> {
        let file = Path::new(name);
        let (lines, header) = Lines::open(file, bytes)?;
        Self::new(file, Source::Lines(lines), layout, &header, Arc::default())
    }

    fn new(
        file: &Path,
        source: Source,
        layout: &'static Layout,
        header: &[String],
        bytes: Arc<AtomicU64>,
    ) -> Result<Self, HistoryError> {
        let mut table = Self {
            file: file.to_owned(),
            source,
            layout,
            places: vec![None; layout.columns.len()],
            bytes,
        };
        table.check_header(header)?;
        if let Source::Columns(columns) = &table.source {
            columns.check()?;
        }
        Ok(table)
    }

    fn check_header(&mut self, header: &[String]) -> Result<(), HistoryError> {
        let place = match &self.source {
            Source::Lines(_) => Place::Line(1),
            Source::Columns(_) => Place::Schema,
        };
        let mut unknown = Vec::new();
        for (at, name) in header.iter().enumerate() {
            match self.layout.columns.iter().position(|column| column == name) {
                None => unknown.push(format!("{name:?}")),
                Some(column) => {
                    if self.places[column].replace(at).is_some() {
                        return Err(HistoryError::RepeatedColumn {
                            file: self.file.clone(),
                            place,
                            column: self.layout.columns[column],
                        });
                    }
                }
            }
        }
        let is_there = |name: &&str| header.iter().any(|column| column == *name);
        let missing: Vec<String> = (self.layout.needed.iter())
            .filter(|group| !group.iter().any(is_there))
            .map(|group| group.join(" or "))
            .collect();
        if !missing.is_empty() {
            let mut columns = missing.join(", ");
            if !unknown.is_empty() {
                columns += &format!("; unknown columns: {}", unknown.join(", "));
            }
            return Err(HistoryError::MissingColumns {
                file: self.file.clone(),
                place,
                columns,
            });
        }
        if !unknown.is_empty() {
            return Err(HistoryError::UnknownColumns {
                file: self.file.clone(),
                place,
                columns: unknown.join(", "),
                known: self.layout.columns.join(", "),
            });
        }
        Ok(())
    }

    /// Moves to the next row; `false` at the end.
    pub fn next_row(&mut self) -> Result<bool, HistoryError> {
        match &mut self.source {
            Source::Lines(lines) => lines.next_row(),
            Source::Columns(columns) => columns.next_row(),
        }
    }

    /// Bytes of the file that have been read.
    pub fn bytes_read(&self) -> u64 {
        match &self.source {
            Source::Lines(_) => self.bytes.load(Ordering::Relaxed),
            Source::Columns(columns) => columns.bytes_read(),
        }
    }

    /// The field of a column in this row; empty where the file does not have the column.
    pub fn field(&self, column: usize) -> &str {
        match (self.places[column], &self.source) {
            (None, _) => "",
            (Some(place), Source::Lines(lines)) => lines.field(place),
            (Some(place), Source::Columns(columns)) => columns.field(place),
        }
    }

    /// The field of a column, `None` where it is empty.
    pub fn optional(&self, column: usize) -> Option<String> {
        Some(self.field(column))
            .filter(|field| !field.is_empty())
            .map(str::to_owned)
    }

    /// The field of a column, read as `T`.
    pub fn parse<T: std::str::FromStr<Err: ToString>>(&self, column: usize) -> Result<T, HistoryError> {
        self.field(column)
            .parse()
            .map_err(|error: T::Err| self.bad(column, error.to_string()))
    }

    /// The field of a column as a time, `None` where it is empty.
    pub fn optional_time(&self, column: usize) -> Result<Option<EventTime>, HistoryError> {
        if self.field(column).is_empty() {
            Ok(None)
        } else {
            self.parse(column).map(Some)
        }
    }

    /// The first of two columns that is filled, checked as an identifier.
    pub fn either_id(&self, first: usize, second: usize) -> Result<&str, HistoryError> {
        let column = if self.field(first).is_empty() && self.places[second].is_some() {
            second
        } else {
            first
        };
        self.id(column)
    }

    /// The field of a column, checked as an identifier.
    pub fn id(&self, column: usize) -> Result<&str, HistoryError> {
        let id = self.field(column);
        check_id(id).map_err(|error| self.bad(column, error.to_string()))?;
        Ok(id)
    }

    /// The error that says that a field of this row is wrong.
    pub fn bad(&self, column: usize, reason: impl Into<String>) -> HistoryError {
        HistoryError::BadValue {
            file: self.file.clone(),
            place: match &self.source {
                Source::Lines(lines) => lines.place(),
                Source::Columns(columns) => columns.place(),
            },
            column: self.layout.columns[column],
            value: self.field(column).to_owned(),
            reason: reason.into(),
        }
    }
}

/// A file that counts the bytes read of it.
struct Counted(File, Arc<AtomicU64>);

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
