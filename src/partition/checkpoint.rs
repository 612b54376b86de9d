//! Which homes a restart would have to bring up to date by replay, and from which offset on.
//!
//! Method: fuzzy checkpoints (C. Mohan et al., ARIES, 1992). The state of a home is stored now and then, each with the
//! offset that it includes; a restart reads the latest of each and replays the readings from the oldest one that some
//! home's stored state does not include. Homes are stored in the order in which their first such reading came, so that
//! every stored home moves that offset forward.

use std::collections::{BTreeSet, VecDeque};

use crate::model::EventTime;

/// The state of a home, to be stored under its id; or what was said of a zone, under [`super::ZONE_KEY`] and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The key: the home, or the zone.
    pub household: Box<str>,
    /// Its state, sealed, with the offset that it includes; `None` where nothing of it is to be kept.
    pub bytes: Option<Vec<u8>>,
}

/// What marks a stored state: whose it is, and up to where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the deployment.
    pub deployment: u32,
    /// The next offset after those that the state includes.
    pub offset: i64,
}

/// Where replay begins, and what the stream's time was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayPoint {
    /// The first offset to be replayed.
    pub offset: i64,
    /// The log's clock before that record.
    pub log_clock: EventTime,
    /// The jump of the log's clock that awaited confirmation; zero for none.
    pub jump: EventTime,
}

/// Marks are kept no closer than this many records: replay may begin so much earlier than it must.
const MARK_DISTANCE: i64 = 1_024;

/// In `since`: nothing is to be stored.
const STORED: u32 = u32::MAX;

/// A set of slots, a bit for each.
#[derive(Debug, Default)]
struct Kept {
    bits: Vec<u64>,
    count: u64,
}

impl Kept {
    fn set(&mut self, slot: u32, is_kept: bool) {
        let (place, bit) = (slot as usize / 64, 1_u64 << (slot % 64));
        if self.bits.len() <= place {
            self.bits.resize(place + 1, 0);
        }
        match (self.bits[place] & bit != 0, is_kept) {
            (false, true) => self.count += 1,
            (true, false) => self.count -= 1,
            _ => return,
        }
        self.bits[place] ^= bit;
    }
}

/// Homes that changed since they were stored.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    /// The low half of the offset of the first reading that is not stored, and the slot, in order of offsets. An entry
    /// whose offset is not that of `since` is out of date.
    queue: VecDeque<(u32, u32)>,
    /// By slot: the low half of the offset of the first reading that is not stored, or [`STORED`].
    since: Vec<u32>,
    /// How many of them are not stored.
    count: usize,
    /// Homes that have a stored state, be it an older one.
    kept: Kept,
    /// Slots that must be stored with the next commit, because what they hold cannot be had by replay.
    urgent: Vec<u32>,
    /// Homes of which nothing is to be kept, since the last commit.
    removed: BTreeSet<Box<str>>,
    /// The log's clock at some offsets, in order.
    marks: VecDeque<ReplayPoint>,
}

impl Unsaved {
    /// Slot `slot` is changed by the record at `offset`.
    pub fn note(&mut self, slot: u32, offset: i64) {
        let place = slot as usize;
        if self.since.len() <= place {
            let more = place + 1 - self.since.len();
            if self.since.capacity() <= place {
                // As long as there are homes: it is not to stand half empty.
                self.since.reserve_exact(self.since.len() / 8 + more);
            }
            self.since.resize(place + 1, STORED);
        }
        if self.since[place] == STORED {
            // The offset whose low half is the mark of a stored home counts as the one before it.
            let low = (offset as u32).min(STORED - 1);
            self.since[place] = low;
            self.count += 1;
            self.queue.push_back((low, slot));
        }
    }

    /// Slot `slot` must be stored with the next commit.
    pub fn urge(&mut self, slot: u32) {
        self.urgent.push(slot);
    }

    /// The home in slot `slot` is removed; what is stored of it must go with the next commit.
    pub fn remove(&mut self, slot: u32, household: &str) {
        self.forget(slot);
        self.kept.set(slot, false);
        self.urgent.retain(|urgent| *urgent != slot);
        self.removed.insert(household.into());
    }

    /// There is a stored state of slot `slot`, or none any more.
    pub fn keep(&mut self, slot: u32, is_kept: bool) {
        self.kept.set(slot, is_kept);
    }

    /// How many homes have a stored state, counting what was taken as stored.
    pub fn kept(&self) -> u64 {
        self.kept.count
    }

    /// Nothing is to be kept of a home that is in no slot.
    pub fn remove_unknown(&mut self, household: &str) {
        self.removed.insert(household.into());
    }

    /// The homes of which nothing is to be kept. They count as dealt with.
    pub fn take_removed(&mut self) -> BTreeSet<Box<str>> {
        std::mem::take(&mut self.removed)
    }

    /// Notes the log's clock before the record at `point`.
    pub fn mark(&mut self, point: ReplayPoint) {
        if self
            .marks
            .back()
            .is_none_or(|last| point.offset - last.offset >= MARK_DISTANCE)
        {
            self.marks.push_back(point);
        }
    }

    /// The slots that must be stored now, each once. They count as stored.
    pub fn take_urgent(&mut self) -> Vec<u32> {
        let mut slots = std::mem::take(&mut self.urgent);
        slots.sort_unstable();
        slots.dedup();
        slots.iter().for_each(|slot| self.stored(*slot));
        slots
    }

    /// The slot that was changed the longest ago. It counts as stored.
    pub fn take_oldest(&mut self) -> Option<u32> {
        let (_, slot) = self.oldest()?;
        self.queue.pop_front();
        self.stored(slot);
        Some(slot)
    }

    /// Where replay would begin if the stream stood at `now` and everything taken were stored.
    pub fn replay_point(&mut self, now: ReplayPoint) -> ReplayPoint {
        let behind = |since: u32| i64::from((now.offset as u32).wrapping_sub(since));
        let needed = self
            .oldest()
            .map_or(now.offset, |(since, _)| now.offset - behind(since));
        if needed == now.offset {
            self.marks.clear();
            return now;
        }
        while self.marks.get(1).is_some_and(|second| second.offset <= needed) {
            self.marks.pop_front();
        }
        self.marks.front().copied().unwrap_or_default()
    }

    /// How many slots must be stored with the next commit.
    pub fn urgent(&self) -> usize {
        self.urgent.len() + self.removed.len()
    }

    /// How many homes are changed and not stored.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Memory taken, in bytes, without unused capacity.
    pub fn bytes(&self) -> usize {
        4 * self.since.len()
            + 8 * self.kept.bits.len()
            + 8 * self.queue.len()
            + size_of::<ReplayPoint>() * self.marks.len()
    }

    fn stored(&mut self, slot: u32) {
        self.forget(slot);
        self.kept.set(slot, true);
    }

    fn forget(&mut self, slot: u32) {
        if let Some(since) = self.since.get_mut(slot as usize).filter(|since| **since != STORED) {
            *since = STORED;
            self.count -= 1;
        }
    }

    fn oldest(&mut self) -> Option<(u32, u32)> {
        while let Some((since, slot)) = self.queue.front().copied() {
            if self.since[slot as usize] == since {
                return Some((since, slot));
            }
            self.queue.pop_front();
        }
        None
    }
}
