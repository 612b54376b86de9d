//! A table being written as CSV.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use csv::ErrorKind;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::HistoryError;
use super::error::io_error;

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
