//! From spells to the rows that trees are grown over.

use super::boost::Cases;
use super::lesson::{Lesson, Spell};
use crate::detect::inactivity::hazard::ABSENCE_HOURS;
use crate::detect::inactivity::hazard::features::{COUNT, Rows, rows};
use crate::detect::inactivity::hazard::model::{MAX_BINS, bins};
use crate::detect::inactivity::hazard::past::PAST_HOURS;
use crate::parallel::each_in_parallel;

/// Hours of spells that are learnt from at most; of more, spells are left out evenly.
const MOST_CASES: usize = 6_000_000;
/// Spells that the bounds of bins are taken from, about.
const SPELLS_FOR_BINS: usize = 20_000;
/// One spell in so many is told of with a past cut short, so that the first weeks of a home are learnt too.
const ONE_IN: u32 = 4;
/// The shortest past it is told of, and how much longer it may be, in days.
const SHORT_DAYS: (u32, u32) = (5, 50);

/// Even numbers out of a place: the same every time, and unlike its neighbours' (the finaliser of SplitMix64).
fn scattered(home: usize, start: usize) -> u64 {
    let mut z = (home as u64) << 32 | start as u64;
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Fills in what the rule would be told of a spell of home number `home`.
fn tell(lesson: &Lesson, home: usize, spell: &Spell, told: &mut Rows) {
    let chance = scattered(home, spell.start);
    let limit = if (chance as u32).is_multiple_of(ONE_IN) {
        let (least, more) = SHORT_DAYS;
        24 * (least + (chance >> 32) as u32 % more) as usize
    } else {
        PAST_HOURS
    };
    let past = lesson.past(spell.start, limit);
    rows(&past, lesson.utc_hour(spell.start), &lesson.zone, told);
}

/// The hours of a spell that teach, each with whether use returned in it.
fn hours(spell: &Spell) -> impl Iterator<Item = (usize, bool)> + use<> {
    let Spell { dry, is_ended, .. } = *spell;
    let known = if is_ended { dry + 1 } else { dry };
    (0..known.min(ABSENCE_HOURS)).map(move |hour| (hour, is_ended && hour == dry))
}

/// The bounds of bins.
pub struct Binning {
    /// Those of each feature, rising.
    pub borders: Vec<Vec<f32>>,
}

impl Binning {
    /// Bins that hold about as many hours each, of the values that occur.
    pub fn of(lessons: &[Lesson]) -> Self {
        let spells: usize = lessons
            .iter()
            .map(|lesson| lesson.spells().filter(Spell::teaches).count())
            .sum();
        let one_in = (spells / SPELLS_FOR_BINS).max(1) as u64;
        let mut values: Vec<Vec<f32>> = vec![Vec::new(); COUNT];
        let mut told: Rows = [[0.0; COUNT]; ABSENCE_HOURS];
        for (home, lesson) in lessons.iter().enumerate() {
            for spell in lesson.spells().filter(Spell::teaches) {
                if !scattered(home, spell.start).rotate_left(17).is_multiple_of(one_in) {
                    continue;
                }
                tell(lesson, home, &spell, &mut told);
                for (hour, _) in hours(&spell) {
                    for (values, value) in values.iter_mut().zip(told[hour]) {
                        values.push(value);
                    }
                }
            }
        }
        Self {
            borders: values.into_iter().map(borders).collect(),
        }
    }
}

/// Bounds half-way between values, so that bins hold about as many of them each.
fn borders(mut values: Vec<f32>) -> Vec<f32> {
    values.sort_by(f32::total_cmp);
    let mut distinct = values.clone();
    distinct.dedup();
    let between = |after: usize| (distinct[after - 1] + distinct[after]) / 2.0;
    if distinct.len() <= MAX_BINS {
        return (1..distinct.len()).map(between).collect();
    }
    let ranks = (1..MAX_BINS).map(|bin| values[bin * values.len() / MAX_BINS]);
    let above = ranks.map(|value| distinct.partition_point(|other| *other <= value));
    let mut borders: Vec<f32> = above.filter(|after| *after < distinct.len()).map(between).collect();
    borders.dedup();
    borders
}

/// The cases of each home, of two kinds: hours of spells, each with whether use returned in it, and uses, each with whether an
/// absence followed.
pub fn cases_of(lessons: &[Lesson], binning: &Binning, threads: usize) -> Vec<[Cases; 2]> {
    let of_lesson = |lesson: &Lesson| -> usize {
        let spells = lesson.spells().filter(Spell::teaches);
        spells.map(|spell| hours(&spell).count()).sum()
    };
    let all: usize = lessons.iter().map(of_lesson).sum();
    let one_in = all.div_ceil(MOST_CASES).max(1) as u64;
    each_in_parallel(threads, lessons.iter().enumerate().collect(), |(home, lesson)| {
        let mut cases: [Cases; 2] = Default::default();
        let mut told: Rows = [[0.0; COUNT]; ABSENCE_HOURS];
        for spell in lesson.spells() {
            if !scattered(home, spell.start).rotate_left(31).is_multiple_of(one_in) {
                continue;
            }
            tell(lesson, home, &spell, &mut told);
            let [returns, absences] = &mut cases;
            if let Some(is_absence) = spell.is_absence() {
                absences.add(bins(&binning.borders, &told[0]), is_absence);
            }
            if spell.teaches() {
                for (hour, happened) in hours(&spell) {
                    returns.add(bins(&binning.borders, &told[hour]), happened);
                }
            }
        }
        cases
    })
}
