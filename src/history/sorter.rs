//! Readings sorted within a budget of memory: an external merge sort.
//!
//! Method: rows are collected until the budget is spent, sorted and written to a temporary file as one run of rows of equal
//! length; what is sorted is read back by merging the runs. What fits into the budget never leaves memory. Equal keys keep
//! the order in which they came, so it makes no difference how many runs there were.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::Row;
use crate::model::{EventTime, Flags, Measure, Quality};

/// What a sort may take.
#[derive(Clone, Debug)]
pub struct SortSpace {
    /// Memory in bytes for rows that are being sorted.
    pub memory_bytes: usize,
    /// Where the temporary file goes. It has no name there, so that nothing is left of it however the process ends.
    pub folder: PathBuf,
}

/// A row in memory, and the half of one that a stable sort needs beside it.
const BYTES_WHILE_SORTED: usize = size_of::<Row>() * 3 / 2;
/// A row in the temporary file.
const BYTES_ON_DISK: usize = 26;

/// A group of rows, a time and the start of the interval: what rows are sorted by.
pub(super) type Key = (u32, EventTime, EventTime);

/// Where a group begins.
pub(super) fn first_of(group: u32) -> Key {
    (group, EventTime::ZERO, EventTime::ZERO)
}

/// Takes rows in.
pub(super) struct Sorter {
    time: fn(&Row) -> EventTime,
    space: SortSpace,
    /// Rows that are held at most.
    limit: usize,
    rows: Vec<Row>,
    spill: Option<BufWriter<File>>,
    runs: Vec<Run>,
}

/// Rows in the temporary file, by their number in it.
#[derive(Clone, Copy)]
struct Run {
    start: u64,
    end: u64,
}

impl Sorter {
    pub fn new(space: SortSpace, time: fn(&Row) -> EventTime) -> Self {
        Self {
            time,
            limit: (space.memory_bytes / BYTES_WHILE_SORTED).max(1),
            space,
            rows: Vec::new(),
            spill: None,
            runs: Vec::new(),
        }
    }

    /// Adds a row; `groups` says for every meter so far which group it belongs to.
    pub fn push(&mut self, row: Row, groups: &[u32]) -> io::Result<()> {
        if self.rows.len() == self.limit {
            self.write_run(groups)?;
        }
        if self.rows.len() == self.rows.capacity() {
            let more = self.rows.len().max(1 << 12).min(self.limit - self.rows.len());
            self.rows.reserve_exact(more);
        }
        self.rows.push(row);
        Ok(())
    }

    /// Ends the sort.
    pub fn finish(mut self, groups: Vec<u32>) -> io::Result<Sorted> {
        if self.spill.is_none() {
            self.sort(&groups);
            self.rows.shrink_to_fit();
            return Ok(Sorted {
                time: self.time,
                groups,
                memory_bytes: self.space.memory_bytes,
                place: Place::Memory(self.rows),
            });
        }
        self.write_run(&groups)?;
        let spill = self.spill.map(BufWriter::into_inner).transpose();
        let file = spill.map_err(io::IntoInnerError::into_error)?;
        Ok(Sorted {
            time: self.time,
            groups,
            memory_bytes: self.space.memory_bytes,
            place: file.map_or(Place::Memory(Vec::new()), |file| Place::Disk(file, self.runs)),
        })
    }

    fn sort(&mut self, groups: &[u32]) {
        let time = self.time;
        self.rows
            .sort_by_key(|row| (groups[row.meter as usize], time(row), row.start));
    }

    fn write_run(&mut self, groups: &[u32]) -> io::Result<()> {
        self.sort(groups);
        let file = match &mut self.spill {
            Some(file) => file,
            None => {
                let file = tempfile::tempfile_in(&self.space.folder)?;
                self.spill.insert(BufWriter::with_capacity(1 << 20, file))
            }
        };
        for row in &self.rows {
            file.write_all(&encode(row))?;
        }
        let start = self.runs.last().map_or(0, |run| run.end);
        self.runs.push(Run {
            start,
            end: start + self.rows.len() as u64,
        });
        self.rows.clear();
        Ok(())
    }
}

/// Rows in order.
pub(super) struct Sorted {
    time: fn(&Row) -> EventTime,
    groups: Vec<u32>,
    memory_bytes: usize,
    place: Place,
}

enum Place {
    Memory(Vec<Row>),
    Disk(File, Vec<Run>),
}

impl Sorted {
    fn key(&self, row: &Row) -> Key {
        (self.groups[row.meter as usize], (self.time)(row), row.start)
    }

    /// Whether rows were written to disk.
    pub fn is_on_disk(&self) -> bool {
        matches!(self.place, Place::Disk(..))
    }

    /// The rows with keys from `from` on and before `to`, in order; with `None`, to the end. So many `readers` go at a time.
    pub fn between(&self, from: Key, to: Option<Key>, readers: usize) -> io::Result<Merge<'_>> {
        let to = to.map(|to| to.max(from));
        let sources = match &self.place {
            Place::Memory(rows) => {
                let at = |key: Key| rows.partition_point(|row| self.key(row) < key);
                vec![Source::Memory(rows[at(from)..to.map_or(rows.len(), at)].iter())]
            }
            Place::Disk(file, runs) => {
                // An eighth of the memory: the state of homes takes some too.
                let share = self.memory_bytes / 8 / runs.len().max(1) / readers.max(1) / size_of::<Row>();
                let at_once = share.clamp(64, 1 << 13) as u64;
                let source = |run: &Run| -> io::Result<Source<'_>> {
                    let next = self.lower_bound(file, *run, from)?;
                    let end = to.map_or(Ok(run.end), |to| self.lower_bound(file, *run, to))?;
                    let held = Vec::new().into_iter();
                    Ok(Source::Disk {
                        file,
                        next,
                        end,
                        at_once,
                        held,
                    })
                };
                runs.iter().map(source).collect::<io::Result<_>>()?
            }
        };
        let mut merge = Merge {
            sorted: self,
            heads: vec![None; sources.len()],
            sources,
            order: BinaryHeap::new(),
        };
        for place in 0..merge.sources.len() {
            merge.draw(place)?;
        }
        Ok(merge)
    }

    /// The first row of a run whose key is not below `key`.
    fn lower_bound(&self, file: &File, run: Run, key: Key) -> io::Result<u64> {
        let (mut start, mut end) = (run.start, run.end);
        while start < end {
            let middle = start.midpoint(end);
            let mut bytes = [0; BYTES_ON_DISK];
            file.read_exact_at(&mut bytes, middle * BYTES_ON_DISK as u64)?;
            if self.key(&decode(&bytes)) < key {
                start = middle + 1;
            } else {
                end = middle;
            }
        }
        Ok(start)
    }
}

/// Runs being merged.
pub(super) struct Merge<'a> {
    sorted: &'a Sorted,
    sources: Vec<Source<'a>>,
    /// The next row of each source.
    heads: Vec<Option<Row>>,
    /// The sources by the key of their next row; of equal keys the earlier run first.
    order: BinaryHeap<Reverse<(Key, usize)>>,
}

enum Source<'a> {
    Memory(std::slice::Iter<'a, Row>),
    Disk {
        file: &'a File,
        next: u64,
        end: u64,
        at_once: u64,
        held: std::vec::IntoIter<Row>,
    },
}

impl Source<'_> {
    fn next(&mut self) -> io::Result<Option<Row>> {
        match self {
            Self::Memory(rows) => Ok(rows.next().copied()),
            Self::Disk {
                file,
                next,
                end,
                at_once,
                held,
            } => {
                if held.as_slice().is_empty() && next < end {
                    let count = (*end - *next).min(*at_once);
                    let mut bytes = vec![0; count as usize * BYTES_ON_DISK];
                    file.read_exact_at(&mut bytes, *next * BYTES_ON_DISK as u64)?;
                    let (rows, _) = bytes.as_chunks::<BYTES_ON_DISK>();
                    *held = rows.iter().map(decode).collect::<Vec<_>>().into_iter();
                    *next += count;
                }
                Ok(held.next())
            }
        }
    }
}

impl Merge<'_> {
    fn draw(&mut self, place: usize) -> io::Result<()> {
        self.heads[place] = self.sources[place].next()?;
        if let Some(row) = &self.heads[place] {
            self.order.push(Reverse((self.sorted.key(row), place)));
        }
        Ok(())
    }

    fn next_row(&mut self) -> io::Result<Option<Row>> {
        let Some(Reverse((_, place))) = self.order.pop() else {
            return Ok(None);
        };
        let row = self.heads[place];
        self.draw(place)?;
        Ok(row)
    }
}

impl Iterator for Merge<'_> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}

fn encode(row: &Row) -> [u8; BYTES_ON_DISK] {
    let (kind, litres) = match row.measure {
        None => (0, 0.0),
        Some(Measure::Volume(litres)) => (1, litres),
        Some(Measure::Register(litres)) => (2, litres),
    };
    let quality = match row.quality {
        Quality::Measured => 0,
        Quality::Estimated => 1,
        Quality::Faulty => 2,
        Quality::Missing => 3,
    };
    let mut bytes = [0; BYTES_ON_DISK];
    bytes[..4].copy_from_slice(&row.meter.to_le_bytes());
    bytes[4..8].copy_from_slice(&row.start.seconds().to_le_bytes());
    bytes[8..12].copy_from_slice(&row.seconds.to_le_bytes());
    bytes[12..20].copy_from_slice(&litres.to_le_bytes());
    let received_at = row.received_at.unwrap_or_default();
    bytes[20..24].copy_from_slice(&received_at.seconds().to_le_bytes());
    bytes[24] = kind | quality << 2 | u8::from(row.received_at.is_some()) << 4;
    bytes[25] = row.flags.bits();
    bytes
}

fn decode(bytes: &[u8; BYTES_ON_DISK]) -> Row {
    let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let litres = f64::from_bits(u64::from(number(12)) | u64::from(number(16)) << 32);
    Row {
        meter: number(0),
        start: EventTime::from_seconds(number(4)),
        seconds: number(8),
        measure: match bytes[24] & 3 {
            0 => None,
            1 => Some(Measure::Volume(litres)),
            _ => Some(Measure::Register(litres)),
        },
        quality: match bytes[24] >> 2 & 3 {
            0 => Quality::Measured,
            1 => Quality::Estimated,
            2 => Quality::Faulty,
            _ => Quality::Missing,
        },
        received_at: (bytes[24] & 16 != 0).then(|| EventTime::from_seconds(number(20))),
        flags: Flags::from_bits(bytes[25]),
    }
}
