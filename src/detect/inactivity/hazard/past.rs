//! The weeks before a dry spell, laid out so that any hour of them is a bit at hand.

use crate::home::Routine;

/// From here on a dry spell is an absence, in hours.
pub const ABSENCE_HOURS: usize = 24;
/// Words of 32 hours that are looked back on.
const WORDS: usize = 44;
/// A hole in so many hours before a spell, at most 32, weighs on what is thought of it; those before matter little one by one.
const LATELY_HOURS: u32 = 12;
/// Hours that are looked back on: less than the routine holds, so that they are all there while a spell goes on.
pub const PAST_HOURS: usize = WORDS * 32;
/// Lengths of spells that are counted, in hours.
const LONG: [usize; 3] = [8, 11, 14];
/// Days of which the longest dry spell is asked for.
const RECENT: [usize; 4] = [1, 3, 7, 28];
/// No dry time is known before this hour.
const UNKNOWN: u8 = u8::MAX;

/// What is known of the hours before a spell. Hour 0 is the earliest, hour [`PAST_HOURS`] the first of the spell.
///
/// Dry spells of a day or more do not teach: their hours count as unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    // A word more than there are hours for, so that 64 bits can be read anywhere.
    used: [u32; WORDS + 2],
    known: [u32; WORDS + 2],
    /// Dry hours before each hour, [`UNKNOWN`] where their beginning was not seen.
    dry_before: [u8; PAST_HOURS],
    /// Days since the latest spell of a day or more; the days that are looked back on if there was none.
    pub days_since_absence: f32,
    /// The longest dry spell of the last 1, 3, 7 and 28 days, in hours.
    pub longest: [f32; 4],
    /// How many spells lasted 8, 11 and 14 hours and more.
    pub long: [f32; 3],
    /// Days since a spell of 12 hours or more.
    pub days_since_long: f32,
    /// Hours of the dry spell before; -1 if none is known.
    pub previous_dry: f32,
    /// Hours with use, one after the other, that the spell follows.
    pub use_run: f32,
}

impl Past {
    /// The hours before UTC hour `start`, with which a spell begins: where the hour before it is not known, it was used, or the
    /// spell would have begun earlier.
    pub fn of_routine(routine: &Routine, start: u32) -> Self {
        Self::of_bits(Bits::of_routine(routine, start))
    }

    /// The hours before UTC hour `start` as they are known and, where some of the last twelve are not, with these used, and with
    /// these dry.
    pub fn with_holes_filled(routine: &Routine, start: u32) -> impl Iterator<Item = Self> {
        let bits = Bits::of_routine(routine, start);
        let filled = bits.filled();
        std::iter::once(bits)
            .chain(filled.into_iter().flatten())
            .map(Self::of_bits)
    }

    /// From whether each hour was used, the earliest first; `None` where that is not known.
    pub fn of_hours(hours: impl Iterator<Item = Option<bool>>) -> Self {
        let mut bits = Bits::UNKNOWN;
        for (hour, used) in hours.take(PAST_HOURS).enumerate() {
            bits.known[hour / 32] |= u32::from(used.is_some()) << (hour % 32);
            bits.used[hour / 32] |= u32::from(used == Some(true)) << (hour % 32);
        }
        Self::of_bits(bits)
    }

    fn of_bits(Bits { mut used, known }: Bits) -> Self {
        for (used, known) in used.iter_mut().zip(known) {
            *used &= known;
        }
        let mut past = Self {
            used,
            known,
            dry_before: [UNKNOWN; PAST_HOURS],
            days_since_absence: (PAST_HOURS / 24) as f32,
            longest: [0.0; 4],
            long: [0.0; 3],
            days_since_long: (PAST_HOURS / 24) as f32,
            previous_dry: -1.0,
            use_run: 0.0,
        };
        past.read_spells();
        past.read_dry_hours();
        past
    }

    /// Whether an hour was used; `None` where that is not known or teaches nothing.
    fn at(&self, hour: usize) -> Option<bool> {
        let bit = |words: &[u32]| words[hour / 32] >> (hour % 32) & 1 == 1;
        bit(&self.known).then(|| bit(&self.used))
    }

    fn read_spells(&mut self) {
        let mut hour = 0;
        while hour < PAST_HOURS {
            let start = hour;
            hour += self.dry_from(hour);
            match hour - start {
                0 => hour += self.run_from(hour, |hours| !hours.dry()),
                dry @ ABSENCE_HOURS.. => {
                    for absent in start..hour {
                        self.known[absent / 32] &= !(1 << (absent % 32));
                    }
                    self.days_since_absence = (PAST_HOURS - hour) as f32 / 24.0;
                    self.previous_dry = dry as f32;
                }
                dry => self.add_spell(dry, PAST_HOURS - hour),
            }
        }
        let used = (0..PAST_HOURS).rev().take_while(|hour| self.at(*hour) == Some(true));
        self.use_run = used.take(48).count() as f32;
    }

    /// Known dry hours from `hour` on, one after the other.
    fn dry_from(&self, hour: usize) -> usize {
        let mut dry = 0;
        loop {
            let run = self.run_from(hour + dry, Hours::dry);
            dry += run;
            if run < 64 {
                return dry;
            }
        }
    }

    /// How many hours from `hour` on have their bit set in `of`, at most 64.
    fn run_from(&self, hour: usize, of: impl Fn(Hours) -> u64) -> usize {
        of(self.from(hour as i32)).trailing_ones() as usize
    }

    fn add_spell(&mut self, dry: usize, hours_ago: usize) {
        for (longest, days) in self.longest.iter_mut().zip(RECENT) {
            if hours_ago < days * 24 {
                *longest = longest.max(dry as f32);
            }
        }
        for (count, least) in self.long.iter_mut().zip(LONG) {
            *count += if dry >= least { 1.0 } else { 0.0 };
        }
        if dry >= 12 {
            self.days_since_long = hours_ago as f32 / 24.0;
        }
        self.previous_dry = dry as f32;
    }

    fn read_dry_hours(&mut self) {
        let mut dry = UNKNOWN;
        let words = self.used.iter().zip(&self.known);
        for (before, (used, known)) in self.dry_before.as_chunks_mut::<32>().0.iter_mut().zip(words) {
            for (hour, before) in before.iter_mut().enumerate() {
                *before = dry;
                // Spells end long before a byte does, so what is unknown stays so.
                let longer = if known >> hour & 1 == 1 {
                    dry.saturating_add(1)
                } else {
                    UNKNOWN
                };
                dry = if used & known & 1 << hour != 0 { 0 } else { longer };
            }
        }
    }

    /// The dry hours before `hour` and whether it was used; `None` where one of them is not known.
    pub fn dry_then_used(&self, hour: i32) -> Option<(u8, bool)> {
        let hour = usize::try_from(hour).ok().filter(|hour| *hour < PAST_HOURS)?;
        let dry = Some(self.dry_before[hour]).filter(|dry| *dry != UNKNOWN)?;
        Some((dry, self.at(hour)?))
    }

    /// 64 hours from `hour` on, used and known, the earliest in the lowest bit. Hours outside are unknown.
    pub fn from(&self, hour: i32) -> Hours {
        let Some(hour) = usize::try_from(hour).ok().filter(|hour| *hour < PAST_HOURS) else {
            return Hours::default();
        };
        let read = |words: &[u32; WORDS + 2]| {
            let word = |place: usize| u128::from(words.get(place).copied().unwrap_or(0));
            let place = hour / 32;
            ((word(place) | word(place + 1) << 32 | word(place + 2) << 64) >> (hour % 32)) as u64
        };
        let known = read(&self.known);
        Hours {
            used: read(&self.used) & known,
            known,
        }
    }

    /// Hours used and hours known of the last `hours`.
    pub fn counts_of_last(&self, hours: usize) -> (u32, u32) {
        let (mut used, mut known) = (0, 0);
        let mut left = hours.min(PAST_HOURS);
        while left > 0 {
            let found = self.from((PAST_HOURS - left) as i32).first(left.min(64));
            used += found.used.count_ones();
            known += found.known.count_ones();
            left -= left.min(64);
        }
        (used, known)
    }
}

#[derive(Clone, Copy)]
struct Bits {
    used: [u32; WORDS + 2],
    known: [u32; WORDS + 2],
}

impl Bits {
    const UNKNOWN: Self = Self {
        used: [0; WORDS + 2],
        known: [0; WORDS + 2],
    };

    fn of_routine(routine: &Routine, start: u32) -> Self {
        let mut bits = Self::UNKNOWN;
        routine.copy_before(start, &mut bits.used[..WORDS], &mut bits.known[..WORDS]);
        let last = !bits.known[WORDS - 1] & 1 << 31;
        bits.known[WORDS - 1] |= last;
        bits.used[WORDS - 1] |= last;
        bits
    }

    /// The same with what is not known of the last hours used, and dry; `None` where all of them are known.
    fn filled(self) -> Option<[Self; 2]> {
        const LAST: usize = WORDS - 1;
        let unknown = !self.known[LAST] & u32::MAX << (32 - LATELY_HOURS);
        if unknown == 0 {
            return None;
        }
        let [mut used, mut dry] = [self; 2];
        for filled in [&mut used, &mut dry] {
            filled.known[LAST] |= unknown;
        }
        used.used[LAST] |= unknown;
        dry.used[LAST] &= !unknown;
        Some([used, dry])
    }
}

/// Up to 64 hours; used ones are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hours {
    /// Bits of hours with use.
    pub used: u64,
    /// Bits of hours of which it is known.
    pub known: u64,
}

impl Hours {
    /// Without the first `hours`.
    pub fn after(self, hours: usize) -> Self {
        Self {
            used: self.used >> hours,
            known: self.known >> hours,
        }
    }

    /// Only the first `hours`, at most 64.
    pub fn first(self, hours: usize) -> Self {
        let mask = if hours >= 64 { u64::MAX } else { (1 << hours) - 1 };
        Self {
            used: self.used & mask,
            known: self.known & mask,
        }
    }

    /// Bits of hours known to be dry.
    fn dry(self) -> u64 {
        self.known & !self.used
    }

    /// Dry hours at the beginning, and known hours at the beginning.
    pub fn dry_and_seen(self) -> (usize, usize) {
        (self.used.trailing_zeros() as usize, self.known.trailing_ones() as usize)
    }
}
