//! A CSV file as a table with known columns.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::HistoryError;
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
    reader: csv::Reader<Box<dyn Read>>,
    layout: &'static Layout,
    /// For each known column, where it stands in this file.
    places: Vec<Option<usize>>,
    record: StringRecord,
    /// The line of `record`.
    line: u64,
    bytes: Arc<AtomicU64>,
    /// 1 when the reader, having read a line, stands on the next one; 0 when it still has the `\n` of `\r\n` before it.
    ahead: u64,
}

impl Table {
    /// Opens a file, plain or gzip (told by its first bytes), and checks its header.
    pub fn open(file: &Path, layout: &'static Layout) -> Result<Self, HistoryError> {
        let plain = File::open(file).map_err(|source| io_error(file, source))?;
        let bytes = Arc::default();
        let plain = Counted(plain, Arc::clone(&bytes));
        let mut table = Self::from_source(file, BufReader::with_capacity(1 << 16, plain), layout)?;
        table.bytes = bytes;
        Ok(table)
    }

    /// A file that is part of the program; `name` stands for it in errors.
    pub fn embedded(name: &str, bytes: &'static [u8], layout: &'static Layout) -> Result<Self, HistoryError> {
        Self::from_source(Path::new(name), bytes, layout)
    }

    fn from_source<S: BufRead + 'static>(
        file: &Path,
        mut plain: S,
        layout: &'static Layout,
    ) -> Result<Self, HistoryError> {
        let first = plain.fill_buf().map_err(|source| io_error(file, source))?;
        if first.is_empty() {
            return Err(HistoryError::Empty { file: file.to_owned() });
        }
        let source: Box<dyn Read> = match first.starts_with(&[0x1f, 0x8b]) {
            true => Box::new(GzipSource(MultiGzDecoder::new(plain))),
            false => Box::new(plain),
        };
        let reader = ReaderBuilder::new()
            .trim(Trim::All)
            .buffer_capacity(1 << 16)
            .from_reader(source);
        let mut table = Self {
            file: file.to_owned(),
            reader,
            layout,
            places: vec![None; layout.columns.len()],
            record: StringRecord::new(),
            line: 0,
            bytes: Arc::default(),
            ahead: 0,
        };
        table.read_header()?;
        Ok(table)
    }

    fn read_header(&mut self) -> Result<(), HistoryError> {
        let header = match self.reader.headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(self.csv_error(error)),
        };
        if header.iter().all(str::is_empty) {
            return Err(HistoryError::Empty {
                file: self.file.clone(),
            });
        }
        let mut unknown = Vec::new();
        for (place, name) in header.iter().enumerate() {
            match self.layout.columns.iter().position(|column| *column == name) {
                None => unknown.push(format!("{name:?}")),
                Some(column) => {
                    if self.places[column].replace(place).is_some() {
                        return Err(HistoryError::RepeatedColumn {
                            file: self.file.clone(),
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
            return Err(HistoryError::MissingColumns {
                file: self.file.clone(),
                columns: missing.join(", "),
            });
        }
        if !unknown.is_empty() {
            return Err(HistoryError::UnknownColumns {
                file: self.file.clone(),
                columns: unknown.join(", "),
                known: self.layout.columns.join(", "),
            });
        }
        self.ahead = u64::from(self.reader.position().line() > 1);
        self.line = 1;
        Ok(())
    }

    /// Moves to the next row; `false` at the end.
    pub fn next_row(&mut self) -> Result<bool, HistoryError> {
        match self.reader.read_record(&mut self.record) {
            Ok(more) => {
                if more {
                    self.line = self.line_at(self.record.position());
                }
                Ok(more)
            }
            Err(error) => Err(self.csv_error(error)),
        }
    }

    /// Bytes of the file that have been read.
    pub fn bytes_read(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The field of a column in this row; empty where the file does not have the column.
    pub fn field(&self, column: usize) -> &str {
        self.places[column]
            .and_then(|place| self.record.get(place))
            .unwrap_or("")
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
            line: self.line,
            column: self.layout.columns[column],
            value: self.field(column).to_owned(),
            reason: reason.into(),
        }
    }

    /// The line of the record just read. Where it starts does not do: empty lines before it are counted to it.
    fn line_at(&self, start: Option<&csv::Position>) -> u64 {
        let end = self.reader.position().line() - self.ahead;
        start.map_or(end, |start| end.max(start.line()))
    }

    fn csv_error(&self, error: csv::Error) -> HistoryError {
        let file = self.file.clone();
        let at = |position: Option<csv::Position>| self.line_at(position.as_ref());
        match error.into_kind() {
            ErrorKind::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                HistoryError::CutShort { file, line: self.line }
            }
            ErrorKind::Io(source) if source.get_ref().is_some_and(|inner| inner.is::<GzipDamage>()) => {
                HistoryError::Damaged {
                    file,
                    line: self.line,
                    source,
                }
            }
            ErrorKind::Utf8 { pos, .. } => HistoryError::NotUtf8 { file, line: at(pos) },
            ErrorKind::UnequalLengths { pos, expected_len, len } => HistoryError::FieldCount {
                file,
                line: at(pos),
                expected: expected_len,
                found: len,
            },
            ErrorKind::Io(source) => HistoryError::Io { file, source },
            other => HistoryError::Io {
                file,
                source: io::Error::other(format!("{other:?}")),
            },
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

/// A gzip decoder that marks what it cannot decode, so that damage is not taken for trouble with the disk.
struct GzipSource<R: BufRead>(MultiGzDecoder<R>);

/// The mark.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct GzipDamage(io::Error);

impl<R: BufRead> Read for GzipSource<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => io::Error::other(GzipDamage(error)),
            _ => error,
        })
    }
}

fn io_error(file: &Path, source: io::Error) -> HistoryError {
    let file = file.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => HistoryError::NotFound { file },
        _ => HistoryError::Io { file, source },
    }
}

/// A file being written; gzip where its name ends in `.gz`.
pub(super) struct TableWriter {
    file: PathBuf,
    writer: csv::Writer<Target>,
}

enum Target {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(target) => target.write(bytes),
            Self::Gzip(target) => target.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(target) => target.flush(),
            Self::Gzip(target) => target.flush(),
        }
    }
}

impl TableWriter {
    /// Creates (or empties) the file and writes the header.
    pub fn create(file: &Path, header: &[&str]) -> Result<Self, HistoryError> {
        let target = BufWriter::new(File::create(file).map_err(|source| io_error(file, source))?);
        let target = match file.extension().is_some_and(|ending| ending == "gz") {
            true => Target::Gzip(GzEncoder::new(target, Compression::default())),
            false => Target::Plain(target),
        };
        let mut writer = Self {
            file: file.to_owned(),
            writer: csv::Writer::from_writer(target),
        };
        writer.row(header)?;
        Ok(writer)
    }

    /// Writes one row.
    pub fn row<F: AsRef<[u8]>>(&mut self, fields: impl IntoIterator<Item = F>) -> Result<(), HistoryError> {
        self.writer
            .write_record(fields)
            .map_err(|error| match error.into_kind() {
                ErrorKind::Io(source) => io_error(&self.file, source),
                other => io_error(&self.file, io::Error::other(format!("{other:?}"))),
            })
    }

    /// Writes what is left and closes the file; without it the end of the file may be missing.
    pub fn finish(self) -> Result<(), HistoryError> {
        let Self { file, writer } = self;
        let target = writer
            .into_inner()
            .map_err(|error| io_error(&file, error.into_error()))?;
        let finished = match target {
            Target::Plain(mut target) => target.flush(),
            Target::Gzip(target) => target.finish().and_then(|mut target| target.flush()),
        };
        finished.map_err(|source| io_error(&file, source))
    }
}
