//! The readings of files of any length, by arrival and by home.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;

use super::readings::{Meters, Reader};
use super::sorter::{Key, Merge, SortSpace, Sorted, Sorter, first_of};
use super::{History, HistoryError, MeterName, Row, arrival};
use crate::model::EventTime;

/// Readings of one or several files, in memory or, where they do not fit, on disk. Each home is in one *lane*; the rows of
/// a lane come in the order in which they became known, those of a home also in the order in which they were measured.
pub struct SortedReadings {
    meters: Vec<MeterName>,
    /// The homes, in the order in which they first appear.
    homes: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
    by_lane: Sorted,
    by_home: Sorted,
    folder: PathBuf,
    len: u64,
    span: Option<(EventTime, EventTime)>,
    empty_files: Vec<PathBuf>,
}

impl SortedReadings {
    /// Reads files, one after the other. `lane` says which lane a home is in; `progress` hears of bytes read.
    ///
    /// # Errors
    /// What is wrong with a file, or with the disk.
    pub fn read(
        files: &[PathBuf],
        space: &SortSpace,
        lane: impl Fn(&str) -> u32,
        mut progress: impl FnMut(u64),
    ) -> Result<Self, HistoryError> {
        let (mut meters, mut sorting) = (Meters::default(), Sorting::new(space, lane));
        let mut empty_files = Vec::new();
        for file in files {
            let (mut reader, before, mut told) = (Reader::open(file)?, sorting.len, 0);
            while let Some(row) = reader.next(&mut meters)? {
                sorting.push(row, &meters.list)?;
                if sorting.len.is_multiple_of(1 << 14) {
                    progress(reader.bytes_read() - told);
                    told = reader.bytes_read();
                }
            }
            progress(reader.bytes_read() - told);
            if sorting.len == before {
                empty_files.push(file.clone());
            }
        }
        let mut sorted = sorting.finish(meters.list)?;
        sorted.empty_files = empty_files;
        Ok(sorted)
    }

    /// Sorts readings that are in memory already.
    ///
    /// # Errors
    /// [`HistoryError::Io`] where `space` does not suffice and the disk is in trouble.
    pub fn of_history(history: &History, space: &SortSpace, lane: impl Fn(&str) -> u32) -> Result<Self, HistoryError> {
        let mut sorting = Sorting::new(space, lane);
        for row in &history.rows {
            sorting.push(*row, &history.meters)?;
        }
        sorting.finish(history.meters.clone())
    }

    /// The meters; a [`Row`] names its own by its place among them.
    pub fn meters(&self) -> &[MeterName] {
        &self.meters
    }

    /// The meter that a row is of.
    pub fn name(&self, row: &Row) -> &MeterName {
        &self.meters[row.meter as usize]
    }

    /// The homes, in the order in which they first appear.
    pub fn homes(&self) -> &[Arc<str>] {
        &self.homes
    }

    /// How many readings there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The start of the first interval and the end of the last; `None` without readings.
    pub fn span(&self) -> Option<(EventTime, EventTime)> {
        self.span
    }

    /// Where what does not fit into memory goes.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is said of trouble there.
    pub(crate) fn disk_error(&self, source: io::Error) -> HistoryError {
        disk(&self.folder, source)
    }

    /// Whether the readings did not fit into memory.
    pub fn are_on_disk(&self) -> bool {
        self.by_lane.is_on_disk()
    }

    /// Files without a reading.
    pub fn empty_files(&self) -> &[PathBuf] {
        &self.empty_files
    }

    /// The readings of a lane in the order of their arrival. So many `readers` go at a time and share the memory.
    pub(crate) fn lane(&self, lane: u32, readers: usize) -> Result<Rows<'_>, HistoryError> {
        let to = lane.checked_add(1).map(first_of);
        self.rows(&self.by_lane, first_of(lane), to, readers)
    }

    /// The readings of the homes in these places of [`SortedReadings::homes`], home by home, each home's by their start.
    pub(crate) fn homes_between(&self, from: u32, to: u32, readers: usize) -> Result<Rows<'_>, HistoryError> {
        let to = Some(first_of(to));
        self.rows(&self.by_home, first_of(from), to, readers)
    }

    /// Whether there are readings of a home.
    pub fn has_home(&self, household: &str) -> bool {
        self.places.contains_key(household)
    }

    /// The readings of one home whose intervals begin from `from` on and before `to`, by their start.
    ///
    /// # Errors
    /// [`HistoryError::Io`] where they are on disk and cannot be read.
    pub fn of_home(&self, household: &str, from: EventTime, to: EventTime) -> Result<Vec<Row>, HistoryError> {
        let Some(place) = self.places.get(household).copied() else {
            return Ok(Vec::new());
        };
        let at = |time| (place, time, time);
        self.rows(&self.by_home, at(from), Some(at(to)), 1)?.collect()
    }

    fn rows<'a>(
        &'a self,
        sorted: &'a Sorted,
        from: Key,
        to: Option<Key>,
        readers: usize,
    ) -> Result<Rows<'a>, HistoryError> {
        let merge = sorted.between(from, to, readers);
        Ok(Rows {
            merge: merge.map_err(|source| disk(&self.folder, source))?,
            folder: &self.folder,
        })
    }
}

/// Readings in order.
pub(crate) struct Rows<'a> {
    merge: Merge<'a>,
    folder: &'a Path,
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.merge.next()?.map_err(|source| disk(self.folder, source)))
    }
}

fn disk(folder: &Path, reason: io::Error) -> HistoryError {
    HistoryError::Io {
        file: folder.to_owned(),
        reason,
    }
}

/// Readings that are being sorted.
struct Sorting<L> {
    space: SortSpace,
    lane: L,
    lanes: Vec<u32>,
    sorter: Sorter,
    len: u64,
    span: Option<(EventTime, EventTime)>,
}

impl<L: Fn(&str) -> u32> Sorting<L> {
    fn new(space: &SortSpace, lane: L) -> Self {
        // Rows are kept twice, in two orders.
        let space = SortSpace {
            memory_bytes: space.memory_bytes / 2,
            folder: space.folder.clone(),
        };
        Self {
            sorter: Sorter::new(space.clone(), arrival),
            space,
            lane,
            lanes: Vec::new(),
            len: 0,
            span: None,
        }
    }

    fn push(&mut self, row: Row, meters: &[MeterName]) -> Result<(), HistoryError> {
        for meter in &meters[self.lanes.len()..] {
            self.lanes.push((self.lane)(&meter.household));
        }
        self.len += 1;
        let (first, last) = self.span.unwrap_or((row.start, row.end()));
        self.span = Some((first.min(row.start), last.max(row.end())));
        let pushed = self.sorter.push(row, &self.lanes);
        pushed.map_err(|source| disk(&self.space.folder, source))
    }

    fn finish(mut self, meters: Vec<MeterName>) -> Result<SortedReadings, HistoryError> {
        for meter in &meters[self.lanes.len()..] {
            self.lanes.push((self.lane)(&meter.household));
        }
        let on_disk = |source| disk(&self.space.folder, source);
        let by_lane = self.sorter.finish(self.lanes).map_err(on_disk)?;
        let (mut homes, mut places) = (Vec::new(), HashMap::new());
        let home_of = |meter: &MeterName| {
            *places.entry(Arc::clone(&meter.household)).or_insert_with(|| {
                homes.push(Arc::clone(&meter.household));
                homes.len() as u32 - 1
            })
        };
        let home_of_meter: Vec<u32> = meters.iter().map(home_of).collect();
        let mut by_home = Sorter::new(self.space.clone(), |row| row.start);
        for row in by_lane.between(first_of(0), None, 1).map_err(on_disk)? {
            by_home.push(row.map_err(on_disk)?, &home_of_meter).map_err(on_disk)?;
        }
        Ok(SortedReadings {
            by_home: by_home.finish(home_of_meter).map_err(on_disk)?,
            by_lane,
            meters,
            homes,
            places,
            folder: self.space.folder,
            len: self.len,
            span: self.span,
            empty_files: Vec::new(),
        })
    }
}

#[cfg(test)]
#[path = "sorted_tests.rs"]
mod tests;
