//! Trees laid out so that all hours of a spell go down them together.
//!
//! Method: a set of hours is a word with a bit for each. A split divides the set that comes to it by the word of the hours that
//! are not above its border, so all hours go down a tree together, and no branch waits for a comparison.

use super::features::{COUNT, OF_SPELL, Rows};
use super::model::{Forest, MAX_BINS, MAX_LEAVES, Split, Tree, UNIT, logistic};
use super::past::ABSENCE_HOURS;

/// A bit for each hour of a spell.
type Hours = u32;
const ALL_HOURS: Hours = (1 << ABSENCE_HOURS) - 1;
const EACH_HOUR: [Hours; ABSENCE_HOURS] = {
    let (mut bits, mut hour) = ([0; ABSENCE_HOURS], 0);
    while hour < ABSENCE_HOURS {
        bits[hour] = 1 << hour;
        hour += 1;
    }
    bits
};
const MOST_BORDERS: usize = COUNT * (MAX_BINS - 1);

/// A split; its children are places among the splits of its tree, and behind them its leaves.
#[derive(Clone, Copy, Debug)]
struct Fork {
    /// The border it compares with.
    border: u16,
    left: u8,
    right: u8,
}

/// Trees, one behind the other.
#[derive(Clone, Debug)]
pub(super) struct Descent {
    /// Log-odds before any tree, in 1/16384.
    base: i32,
    /// The splits of all trees.
    forks: Vec<Fork>,
    /// The leaves of all trees, in 1/16384.
    leaves: Vec<i16>,
    /// How many splits each tree has; it has one leaf more.
    splits: Vec<u8>,
    /// The borders that splits compare with, feature by feature, rising.
    borders: Vec<f32>,
    /// How many of them each feature has.
    of_feature: [u8; COUNT],
}

impl Descent {
    /// Lays out sound trees.
    pub fn new(borders: &[Vec<f32>], forest: &Forest) -> Self {
        let splits = || forest.trees.iter().flat_map(|tree| &tree.splits);
        let mut used: Vec<(u8, u8)> = splits().map(|split| (split.feature, split.bin)).collect();
        used.sort_unstable();
        used.dedup();
        let mut of_feature = [0; COUNT];
        for (feature, _) in &used {
            of_feature[usize::from(*feature)] += 1;
        }
        let forks = |tree: &Tree| {
            let leaf = tree.splits.len() as u8;
            let child = move |to: i8| u8::try_from(to).unwrap_or_else(|_| leaf + !to as u8);
            let fork = |split: &Split| Fork {
                border: used.partition_point(|other| *other < (split.feature, split.bin)) as u16,
                left: child(split.left),
                right: child(split.right),
            };
            tree.splits.iter().map(fork).collect::<Vec<_>>()
        };
        let value = |(feature, bin): &(u8, u8)| borders[usize::from(*feature)][usize::from(*bin)];
        Self {
            base: forest.base,
            forks: forest.trees.iter().flat_map(forks).collect(),
            leaves: forest.trees.iter().flat_map(|tree| &tree.leaves).copied().collect(),
            splits: forest.trees.iter().map(|tree| tree.splits.len() as u8).collect(),
            borders: used.iter().map(value).collect(),
            of_feature,
        }
    }

    /// The probability that use returns in each hour of a spell, if it has not before: as [`Model::hazards`], to the bit.
    ///
    /// [`Model::hazards`]: super::model::Model::hazards
    pub fn hazards(&self, rows: &Rows) -> [f64; ABSENCE_HOURS] {
        let mut not_above = [0; MOST_BORDERS];
        self.compare(rows, &mut not_above);
        let mut sums = [self.base; ABSENCE_HOURS];
        let (mut forks, mut leaves) = (&self.forks[..], &self.leaves[..]);
        for splits in &self.splits {
            let splits = usize::from(*splits);
            let (of_tree, other_forks) = forks.split_at(splits);
            let (of_leaves, other_leaves) = leaves.split_at(splits + 1);
            (forks, leaves) = (other_forks, other_leaves);
            // The hours that come to each split, and behind them those that come to each leaf.
            let mut hours: [Hours; 2 * MAX_LEAVES] = [0; 2 * MAX_LEAVES];
            hours[0] = ALL_HOURS;
            for (place, fork) in of_tree.iter().enumerate() {
                let left = hours[place] & not_above[usize::from(fork.border)];
                hours[usize::from(fork.right)] = hours[place] ^ left;
                hours[usize::from(fork.left)] = left;
            }
            let hours = &hours[splits..=2 * splits];
            let reached = |(leaf, hours): (usize, &Hours)| u64::from(*hours != 0) << leaf;
            let mut reached = hours.iter().enumerate().map(reached).fold(0, |all, one| all | one);
            while reached != 0 {
                let leaf = reached.trailing_zeros() as usize;
                reached &= reached - 1;
                let (of_leaf, more) = (hours[leaf], i32::from(of_leaves[leaf]));
                for (sum, hour) in sums.iter_mut().zip(EACH_HOUR) {
                    *sum += if of_leaf & hour == 0 { 0 } else { more };
                }
            }
        }
        sums.map(|sum| logistic(sum as f32 / UNIT))
    }

    /// For each border the hours whose feature is not above it.
    fn compare(&self, rows: &Rows, not_above: &mut [Hours; MOST_BORDERS]) {
        let mut first = 0;
        for (feature, count) in self.of_feature.iter().enumerate() {
            let places = first..first + usize::from(*count);
            first = places.end;
            let (borders, not_above) = (&self.borders[places.clone()], &mut not_above[places]);
            let mut note = |value: f32, hours: Hours| {
                let lowest = borders.partition_point(|border| *border < value);
                if let Some(not_above) = not_above.get_mut(lowest) {
                    *not_above |= hours;
                }
            };
            if feature < OF_SPELL {
                // The same in every hour.
                note(rows[0][feature], ALL_HOURS);
            } else {
                rows.iter()
                    .zip(EACH_HOUR)
                    .for_each(|(row, hour)| note(row[feature], hour));
            }
            let mut so_far = 0;
            for not_above in not_above {
                so_far |= *not_above;
                *not_above = so_far;
            }
        }
    }
}
