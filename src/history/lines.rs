//! Rows from the lines of a CSV file, plain or gzip.

use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};
use flate2::read::MultiGzDecoder;

use super::HistoryError;
use super::error::Place;

/// A CSV file being read.
pub(super) struct Lines {
    file: PathBuf,
    reader: csv::Reader<Box<dyn Read>>,
    record: StringRecord,
    /// The line of `record`.
    line: u64,
    /// 1 when the reader, having read a line, stands on the next one; 0 when it still has the `\n` of `\r\n` before it.
    ahead: u64,
}

impl Lines {
    /// Reads the header of a file, plain or gzip (told by its first bytes).
    pub fn open<S: BufRead + 'static>(file: &Path, mut plain: S) -> Result<(Self, Vec<String>), HistoryError> {
        let first = plain
            .fill_buf()
            .map_err(|source| super::error::io_error(file, source))?;
        let is_gzip = first.starts_with(&[0x1f, 0x8b]);
        if first.is_empty() {
            return Err(HistoryError::Empty { file: file.to_owned() });
        }
        let source: Box<dyn Read> = match is_gzip {
            true => Box::new(GzipSource(MultiGzDecoder::new(plain))),
            false => Box::new(plain),
        };
        let reader = ReaderBuilder::new()
            .trim(Trim::All)
            .buffer_capacity(1 << 16)
            .from_reader(source);
        let mut lines = Self {
            file: file.to_owned(),
            reader,
            record: StringRecord::new(),
            line: 0,
            ahead: 0,
        };
        let header: Vec<String> = match lines.reader.headers() {
            Ok(header) => header.iter().map(str::to_owned).collect(),
            Err(error) => return Err(lines.error(error)),
        };
        if header.iter().all(String::is_empty) {
            return Err(HistoryError::Empty { file: file.to_owned() });
        }
        if let [all] = header.as_slice()
            && let Some(separator) = all.chars().find(|letter| [';', '\t', '|'].contains(letter))
        {
            let file = file.to_owned();
            return Err(HistoryError::Separator { file, separator });
        }
        lines.ahead = u64::from(lines.reader.position().line() > 1);
        lines.line = 1;
        Ok((lines, header))
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
            Err(error) => Err(self.error(error)),
        }
    }

    /// The field in this place of the row.
    pub fn field(&self, place: usize) -> &str {
        self.record.get(place).unwrap_or("")
    }

    /// Where the row is.
    pub fn place(&self) -> Place {
        Place::Line(self.line)
    }

    /// The line of the record just read. Where it starts does not do: empty lines before it are counted to it.
    fn line_at(&self, start: Option<&csv::Position>) -> u64 {
        let end = self.reader.position().line() - self.ahead;
        start.map_or(end, |start| end.max(start.line()))
    }

    fn error(&self, error: csv::Error) -> HistoryError {
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
                    reason: source,
                }
            }
            ErrorKind::Utf8 { pos, .. } => HistoryError::NotUtf8 { file, line: at(pos) },
            ErrorKind::UnequalLengths { pos, expected_len, len } => HistoryError::FieldCount {
                file,
                line: at(pos),
                expected: expected_len,
                found: len,
            },
            ErrorKind::Io(source) => HistoryError::Io { file, reason: source },
            other => HistoryError::Io {
                file,
                reason: io::Error::other(format!("{other:?}")),
            },
        }
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
