//! Dead letters of a run. A file may be wrong in every row, so most of them wait on disk.

// A shell: a temporary file is what it is for.
#![allow(clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use crate::model::DeadLetter;

/// Bytes of one partition's letters that wait in memory.
const HELD_BYTES: usize = 1 << 14;

/// One temporary file for the letters of all partitions, made when the first has to go there.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    file: Mutex<Option<(Arc<File>, u64)>>,
}

impl Spool {
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            file: Mutex::new(None),
        }
    }

    fn append(&self, bytes: &[u8]) -> io::Result<Block> {
        let mut place = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, end) = match &mut *place {
            Some(open) => open,
            None => place.insert((Arc::new(tempfile::tempfile_in(&self.folder)?), 0)),
        };
        file.write_all_at(bytes, *end)?;
        let block = Block {
            file: Arc::clone(file),
            start: *end,
            bytes: bytes.len(),
        };
        *end += bytes.len() as u64;
        Ok(block)
    }
}

/// Letters in the file.
#[derive(Clone, Debug)]
struct Block {
    file: Arc<File>,
    start: u64,
    bytes: usize,
}

/// Dead letters as lines of JSON, in the order of their partitions and offsets.
#[derive(Clone, Debug, Default)]
pub struct DeadLetters {
    blocks: Vec<Block>,
    last: Vec<u8>,
    reasons: BTreeMap<&'static str, u64>,
}

impl DeadLetters {
    /// Adds a letter of a partition.
    pub(super) fn push(&mut self, partition: u32, letter: &DeadLetter, spool: &Spool) -> io::Result<()> {
        let text = |bytes: &Option<Vec<u8>>| {
            bytes
                .as_deref()
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let line = json!({
            "reason": letter.reason,
            "detail": letter.detail,
            "partition": partition,
            "offset": letter.offset,
            "key": text(&letter.key),
            "value": text(&letter.value),
        });
        serde_json::to_writer(&mut self.last, &line)?;
        self.last.push(b'\n');
        *self.reasons.entry(letter.reason).or_default() += 1;
        if self.last.len() >= HELD_BYTES {
            self.blocks.push(spool.append(&self.last)?);
            self.last.clear();
        }
        Ok(())
    }

    /// Adds the letters of the next partition.
    pub(super) fn append(&mut self, next: Self, spool: &Spool) -> io::Result<()> {
        for (reason, count) in next.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        if !next.blocks.is_empty() && !self.last.is_empty() {
            self.blocks.push(spool.append(&self.last)?);
            self.last.clear();
        }
        self.blocks.extend(next.blocks);
        self.last.extend(next.last);
        Ok(())
    }

    /// How many there are, by reason.
    pub fn reasons(&self) -> &BTreeMap<&'static str, u64> {
        &self.reasons
    }

    /// Writes all of them, a line each.
    ///
    /// # Errors
    /// Of the disk.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::new();
        for block in &self.blocks {
            bytes.resize(block.bytes, 0);
            block.file.read_exact_at(&mut bytes, block.start)?;
            out.write_all(&bytes)?;
        }
        out.write_all(&self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InputTopic;

    #[test]
    fn letters_come_back_in_order_from_memory_and_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::new(folder.path().to_owned());
        let letter = |offset: i64| DeadLetter {
            topic: InputTopic::Readings,
            reason: if offset % 3 == 0 { "overlapping" } else { "bad_value" },
            detail: "x".repeat(200),
            offset,
            timestamp: None,
            key: Some(b"h".to_vec()),
            value: None,
        };
        let counts = [3, 700, 2, 0, 500, 1];
        // The partitions fill up by turns.
        let mut parts: Vec<DeadLetters> = counts.iter().map(|_| DeadLetters::default()).collect();
        for offset in 0..700 {
            for (partition, part) in parts
                .iter_mut()
                .enumerate()
                .filter(|(place, _)| offset < counts[*place])
            {
                part.push(partition as u32, &letter(offset), &spool)
                    .expect("the disk works");
            }
        }
        assert!(!parts[1].blocks.is_empty() && parts[0].blocks.is_empty());
        let mut all = DeadLetters::default();
        parts
            .into_iter()
            .for_each(|part| all.append(part, &spool).expect("the disk works"));
        let mut written = Vec::new();
        all.write(&mut written).expect("a vector takes all");
        let lines: Vec<serde_json::Value> = serde_json::Deserializer::from_slice(&written)
            .into_iter()
            .collect::<Result<_, _>>()
            .expect("lines of JSON");
        let places: Vec<_> = lines
            .iter()
            .map(|line| (line["partition"].as_i64(), line["offset"].as_i64()))
            .collect();
        let expected = (0..)
            .zip(counts)
            .flat_map(|(part, count)| (0..count).map(move |offset| (Some(part), Some(offset))));
        assert_eq!(places, expected.collect::<Vec<_>>());
        let count = counts.iter().map(|count| count.cast_unsigned()).sum::<u64>();
        assert_eq!(all.reasons().values().sum::<u64>(), count);
    }
}
