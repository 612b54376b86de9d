//! The routine profile: one bit an hour, used or dry, for sixty days, and which hours are known.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Hours kept: sixty days.
pub const ROUTINE_HOURS: u32 = 60 * 24;
const WORDS: usize = ROUTINE_HOURS as usize / 32;
/// Runs of unknown hours kept at most; beyond it, the two runs nearest to each other become one.
const MAX_UNKNOWN_RUNS: usize = 128;
const LENGTH_BITS: u32 = 11;
const LONGEST_RUN: u32 = (1 << LENGTH_BITS) - 1;

/// Hourly use of the last [`ROUTINE_HOURS`] UTC hours.
///
/// Used hours are bits; unknown hours are kept as runs (first hour in 21 bits, length in 11), because a home that
/// delivers well has few. A home with very many gaps forgets the known hours between two of them: less is known then,
/// never something false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routine {
    #[serde(with = "bits")]
    used: [[u32; 15]; WORDS / 15],
    unknown: SmallVec<[u32; 4]>,
    first: u32,
    next: u32,
}

/// The bits as bytes, the earliest hour in the lowest bit: half of them are set, and numbers of other sizes only take longer.
mod bits {
    use serde::{Deserializer, Serializer, de};

    use super::WORDS;

    type Words = [[u32; 15]; WORDS / 15];

    pub fn serialize<S: Serializer>(words: &Words, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = [0; 4 * WORDS];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words.as_flattened()) {
            *bytes = word.to_le_bytes();
        }
        serializer.serialize_bytes(&bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Words, D::Error> {
        deserializer.deserialize_bytes(Visitor)
    }

    struct Visitor;

    impl de::Visitor<'_> for Visitor {
        type Value = Words;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(formatter, "{} bytes", 4 * WORDS)
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Words, E> {
            let (chunks, rest) = bytes.as_chunks();
            if chunks.len() != WORDS || !rest.is_empty() {
                return Err(E::invalid_length(bytes.len(), &self));
            }
            let mut words = Words::default();
            for (word, bytes) in words.as_flattened_mut().iter_mut().zip(chunks) {
                *word = u32::from_le_bytes(*bytes);
            }
            Ok(words)
        }
    }
}

/// A run of dry hours between two uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spell {
    /// The first dry hour (UTC hour number).
    pub start: u32,
    /// Dry hours, at least 1.
    pub hours: u32,
    /// How it ended.
    pub end: SpellEnd,
}

/// How a dry spell ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpellEnd {
    /// Use came back.
    Use,
    /// A gap in the data began, or it goes on: it lasted at least this long.
    Unseen,
}

impl Default for Routine {
    fn default() -> Self {
        Self {
            used: [[0; 15]; WORDS / 15],
            unknown: SmallVec::new(),
            first: u32::MAX,
            next: 0,
        }
    }
}

impl Routine {
    /// The first hour after those kept.
    pub fn next_hour(&self) -> u32 {
        self.next
    }

    /// The first hour kept.
    pub fn first_hour(&self) -> u32 {
        if self.next == 0 {
            0
        } else {
            self.first.max(self.next.saturating_sub(ROUTINE_HOURS))
        }
    }

    fn place(hour: u32) -> (usize, usize, u32) {
        let bit = (hour % ROUTINE_HOURS) as usize;
        (bit / 480, bit / 32 % 15, 1 << (bit % 32))
    }

    /// Stores the next hour: `Some(used)` when known. Hours come in order, none left out.
    pub(crate) fn push(&mut self, hour: u32, known: Option<bool>) {
        if self.next == 0 {
            self.first = hour;
        }
        self.next = hour + 1;
        self.set_used(hour, known == Some(true));
        let oldest = self.first_hour();
        while self.unknown.first().is_some_and(|run| run_end(*run) <= oldest) {
            self.unknown.remove(0);
        }
        if known.is_some() {
            return;
        }
        match self.unknown.last_mut() {
            Some(run) if run_end(*run) == hour && run_length(*run) < LONGEST_RUN => *run += 1,
            _ => {
                if self.unknown.len() == MAX_UNKNOWN_RUNS {
                    self.forget_between_nearest();
                }
                self.unknown.push(hour << LENGTH_BITS | 1);
            }
        }
    }

    fn forget_between_nearest(&mut self) {
        let nearest = self
            .unknown
            .windows(2)
            .enumerate()
            .min_by_key(|(_, pair)| run_start(pair[1]) - run_end(pair[0]));
        let oldest = self.first_hour();
        if let Some((index, pair)) = nearest {
            // From the oldest hour kept on, because a run cannot say a length far beyond the sixty days.
            let (start, end) = (run_start(pair[0]).max(oldest), run_end(pair[1]));
            self.unknown[index] = start << LENGTH_BITS | (end - start);
            self.unknown.remove(index + 1);
        }
    }

    /// Sets whether `hour` was used.
    fn set_used(&mut self, hour: u32, used: bool) {
        let (row, word, bit) = Self::place(hour);
        if used {
            self.used[row][word] |= bit;
        } else {
            self.used[row][word] &= !bit;
        }
    }

    /// Takes back the use of a known hour that turns out to have been only the leak.
    pub(super) fn clear_use(&mut self, hour: u32) {
        if (self.first_hour()..self.next).contains(&hour) {
            self.set_used(hour, false);
        }
    }

    /// Whether `hour` was used; `None` when that is not known.
    pub fn used(&self, hour: u32) -> Option<bool> {
        let known = (self.first_hour()..self.next).contains(&hour)
            && !self
                .unknown
                .iter()
                .any(|run| (run_start(*run)..run_end(*run)).contains(&hour));
        known.then(|| self.bit(hour))
    }

    fn bit(&self, hour: u32) -> bool {
        let (row, word, bit) = Self::place(hour);
        self.used[row][word] & bit != 0
    }

    /// Use in the 32 hours before hour `end`, the latest of them in the highest bit; dry hours are 0, and so are unknown ones
    /// unless they were known once. All 0 where one of them lies outside of what is kept.
    pub fn use_before(&self, end: u32) -> u32 {
        if end > self.next || end < 32 || end + ROUTINE_HOURS < self.next + 32 {
            return 0;
        }
        let words = self.used.as_flattened();
        let start = (end - 32) % ROUTINE_HOURS;
        let at = (start / 32) as usize;
        let both = u64::from(words[(at + 1) % WORDS]) << 32 | u64::from(words[at]);
        (both >> (start % 32)) as u32
    }

    /// Copies the hours before hour `end` as bits, the earliest in the lowest: used ones and known ones. Words before the first
    /// hour kept stay 0.
    pub fn copy_before(&self, end: u32, used: &mut [u32], known: &mut [u32]) {
        let hours = used.len() as u32 * 32;
        let first = end.saturating_sub(hours);
        let place = |hour: u32| (hour + hours - end) as usize;
        let mut know = |from: u32, to: u32, is_known: bool| {
            let (from, to) = (from.max(first), to.min(end));
            let mut bit = if from < to { place(from)..place(to) } else { 0..0 };
            while !bit.is_empty() {
                let within = bit.start % 32..(bit.start % 32 + bit.len()).min(32);
                let mask = u32::MAX >> (32 - within.len()) << within.start;
                let word = &mut known[bit.start / 32];
                *word = if is_known { *word | mask } else { *word & !mask };
                bit.start += within.len();
            }
        };
        know(self.first_hour(), self.next, true);
        for run in &self.unknown {
            know(run_start(*run), run_end(*run), false);
        }
        for (word, end) in used.iter_mut().zip((first + 32..=end).step_by(32)) {
            *word = self.use_before(end);
        }
    }

    /// How many hours before hour `end` are known to be dry without a break, at most 32.
    pub fn dry_hours_before(&self, end: u32) -> u32 {
        if end > self.next {
            return 0;
        }
        let last_run = self.unknown.iter().rev().find(|run| run_start(**run) < end);
        let known_since = last_run.map_or(0, |run| run_end(*run).min(end)).max(self.first_hour());
        let dry = self.use_before(end).leading_zeros();
        dry.min(end.saturating_sub(known_since))
    }

    /// Bytes kept on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        if self.unknown.spilled() {
            self.unknown.len() * size_of::<u32>()
        } else {
            0
        }
    }

    /// Hours of which it is known whether they were used.
    pub fn known_hours(&self) -> u32 {
        let first = self.first_hour();
        let unknown: u32 = self
            .unknown
            .iter()
            .map(|run| run_end(*run).saturating_sub(run_start(*run).max(first)))
            .sum();
        self.next.saturating_sub(first).saturating_sub(unknown)
    }

    /// The dry spells that began after a use, oldest first.
    pub fn spells(&self) -> impl Iterator<Item = Spell> + '_ {
        let mut runs = self.unknown.iter().copied().peekable();
        let mut hour = self.first_hour();
        let mut started: Option<u32> = None;
        std::iter::from_fn(move || {
            loop {
                if hour >= self.next {
                    let start = started.take()?;
                    return (hour > start).then_some(Spell {
                        start,
                        hours: hour - start,
                        end: SpellEnd::Unseen,
                    });
                }
                while runs.peek().is_some_and(|run| run_end(*run) <= hour) {
                    runs.next();
                }
                let now = hour;
                if let Some(run) = runs.peek().filter(|run| run_start(**run) <= now) {
                    hour = run_end(*run);
                    if let Some(start) = started.take().filter(|start| now > *start) {
                        return Some(Spell {
                            start,
                            hours: now - start,
                            end: SpellEnd::Unseen,
                        });
                    }
                } else {
                    hour += 1;
                    if self.bit(now)
                        && let Some(start) = started.replace(now + 1).filter(|start| now > *start)
                    {
                        return Some(Spell {
                            start,
                            hours: now - start,
                            end: SpellEnd::Use,
                        });
                    }
                }
            }
        })
    }
}

const fn run_start(run: u32) -> u32 {
    run >> LENGTH_BITS
}

const fn run_length(run: u32) -> u32 {
    run & LONGEST_RUN
}

const fn run_end(run: u32) -> u32 {
    run_start(run) + run_length(run)
}
