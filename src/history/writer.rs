//! Files that are there whole or not at all, and tables being written as CSV.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use csv::ErrorKind;
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::NamedTempFile;

use super::HistoryError;
use super::error::io_error;

/// A file beside `path`, gone unless it is kept: filled first, then put there by [`keep`], `path` is never half a file.
///
/// # Errors
/// Where none can be made, or where something is there that is no ordinary file: a device would be replaced by one.
pub fn unfinished(path: &Path) -> io::Result<NamedTempFile> {
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::other("it is there, and is no ordinary file"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    tempfile::Builder::new()
        .prefix(".tapwatch-")
        .suffix(".unfinished")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
}

/// Puts a file that has been filled where it belongs, in the place of one that was there.
///
/// # Errors
/// What the disk says.
pub fn keep(file: BufWriter<NamedTempFile>, path: &Path) -> io::Result<()> {
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// A file being written; gzip where its name ends in `.gz`.
pub(super) struct TableWriter {
    file: PathBuf,
    writer: csv::Writer<Target>,
}

enum Target {
    Plain(BufWriter<NamedTempFile>),
    Gzip(GzEncoder<BufWriter<NamedTempFile>>),
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
    /// Begins the file, which takes its place when it is finished, with the header.
    pub fn create(file: &Path, header: &[&str]) -> Result<Self, HistoryError> {
        let target = BufWriter::new(unfinished(file).map_err(|source| io_error(file, source))?);
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

    /// Writes what is left and puts the file in its place; without it there is none.
    pub fn finish(self) -> Result<(), HistoryError> {
        let Self { file, writer } = self;
        let target = writer
            .into_inner()
            .map_err(|error| io_error(&file, error.into_error()))?;
        let finished = match target {
            Target::Plain(target) => keep(target, &file),
            Target::Gzip(target) => target.finish().and_then(|target| keep(target, &file)),
        };
        finished.map_err(|source| io_error(&file, source))
    }
}
