//! One partition of a topic: records, markers, and what each kind of reader sees of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::EventTime;

/// Headers of a record.
pub type Headers = Vec<(&'static str, String)>;

/// What a record says.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Content {
    /// The key.
    pub key: Option<Arc<[u8]>>,
    /// The payload; `None` for a tombstone.
    pub value: Option<Arc<[u8]>>,
    /// Headers, in order.
    pub headers: Headers,
    /// Kafka's timestamp.
    pub timestamp: Option<EventTime>,
}

/// A record at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its offset.
    pub offset: i64,
    /// What it says.
    pub content: Content,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Of no transaction, or of one that was committed.
    Certain,
    /// Of a transaction of this producer that is open here.
    Open(u64),
    Aborted,
}

/// The log of one partition. Markers take an offset each and are seen by nobody.
#[derive(Clone, Debug, Default)]
pub struct Log {
    entries: Vec<Entry>,
    first: i64,
    next: i64,
    /// Transactions that are open here, with their first offsets.
    open: BTreeMap<u64, i64>,
}

impl Log {
    /// The first offset that is retained.
    pub fn first(&self) -> i64 {
        self.first
    }

    /// The high watermark: the end as a `read_uncommitted` reader sees it.
    pub fn end(&self) -> i64 {
        self.next
    }

    /// The last stable offset: the end as a `read_committed` reader sees it.
    pub fn last_stable(&self) -> i64 {
        self.open.values().copied().min().unwrap_or(self.next)
    }

    /// Appends a record of no transaction.
    pub fn append(&mut self, content: Content) -> i64 {
        self.put(content, Fate::Certain)
    }

    /// Appends a record of `producer`'s transaction.
    pub fn append_in(&mut self, producer: u64, content: Content) -> i64 {
        self.open.entry(producer).or_insert(self.next);
        self.put(content, Fate::Open(producer))
    }

    /// Ends `producer`'s transaction here.
    pub fn mark(&mut self, producer: u64, commits: bool) {
        if self.open.remove(&producer).is_none() {
            return;
        }
        let fate = if commits { Fate::Certain } else { Fate::Aborted };
        for entry in self
            .entries
            .iter_mut()
            .filter(|entry| entry.fate == Fate::Open(producer))
        {
            entry.fate = fate;
        }
        self.next += 1;
    }

    /// Passes over offsets, as records of somebody's aborted transaction and its marker do.
    pub fn skip(&mut self, offsets: i64) {
        self.next += offsets;
    }

    /// Records from `offset` on as a `read_committed` reader gets them, and where it goes on.
    pub fn read(&self, offset: i64, most: usize) -> (Vec<Entry>, i64) {
        let stable = self.last_stable();
        let from = self.entries.partition_point(|entry| entry.offset < offset);
        let seen = self.entries[from..]
            .iter()
            .take_while(|entry| entry.offset < stable)
            .filter(|entry| entry.fate == Fate::Certain);
        let batch: Vec<Entry> = seen.take(most).cloned().collect();
        let next = match batch.last() {
            Some(last) if batch.len() == most => last.offset + 1,
            _ => stable.max(offset),
        };
        (batch, next)
    }

    /// All that a `read_committed` reader sees.
    pub fn committed(&self) -> Vec<Entry> {
        self.read(self.first, usize::MAX).0
    }

    /// All records that a `read_uncommitted` reader sees.
    #[cfg(test)]
    pub fn uncommitted(&self) -> &[Entry] {
        &self.entries
    }

    /// Keeps the latest record of each key, as far as it is stable; tombstones stay, since readers of a running system
    /// are never as far behind as `delete.retention.ms`.
    pub fn compact(&mut self) {
        let stable = self.last_stable();
        let mut seen = BTreeSet::new();
        let mut kept: Vec<Entry> = Vec::new();
        for entry in self.entries.drain(..).rev() {
            let stays = entry.offset >= stable || entry.fate == Fate::Certain && seen.insert(entry.content.key.clone());
            if stays {
                kept.push(entry);
            }
        }
        kept.reverse();
        self.entries = kept;
    }

    /// Drops what lies before `offset`.
    pub fn retain_from(&mut self, offset: i64) {
        let offset = offset.clamp(self.first, self.last_stable());
        self.first = offset;
        self.entries.retain(|entry| entry.offset >= offset);
    }

    fn put(&mut self, content: Content, fate: Fate) -> i64 {
        let offset = self.next;
        self.next += 1;
        self.entries.push(Entry { offset, content, fate });
        offset
    }
}
