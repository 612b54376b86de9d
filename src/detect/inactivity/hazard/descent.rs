//! Trees laid out so that all hours of a spell go down them together.
//!
//! Method: a set of hours is a word with a bit for each. A split divides the set that comes to it by the word of the hours that
//! are not above its border, so all hours go down a tree together, and no branch waits for a comparison. Splits to which no
//! hour comes are not looked at: in a spell that is most of them. Several trees are gone down at a time, so that the processor need not
//! wait for one split before it looks at the next.

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

/// Trees that are gone down together.
const TREES_AT_ONCE: usize = 16;
/// Room for all their splits, or for the leaves that hours come to (one for each hour at most), and for one that is not kept.
const ROOM: usize = TREES_AT_ONCE * MAX_LEAVES;
const _: () = assert!(TREES_AT_ONCE * (MAX_LEAVES - 1) < ROOM && TREES_AT_ONCE * ABSENCE_HOURS < ROOM);
/// Of a child of a split: it is a leaf.
const LEAF: u8 = 0x80;
const _: () = assert!(2 * MAX_LEAVES <= LEAF as usize);

/// A split; each child is given by how many places further it is, and whether it is a [`LEAF`].
#[derive(Clone, Copy, Debug)]
struct Fork {
    /// The border it compares with.
    border: u16,
    children: [u8; 2],
}

/// Splits, or leaves, that hours have come to.
struct Arrived {
    places: [(u32, Hours); ROOM],
    count: usize,
}

impl Arrived {
    const NONE: Self = Self {
        places: [(0, 0); ROOM],
        count: 0,
    };

    /// Keeps `hours` that come to `place`, if there are any and `is_kept`; without a branch, which could not be foretold.
    fn note(&mut self, place: u32, hours: Hours, is_kept: bool) {
        self.places[self.count % ROOM] = (place, hours);
        self.count += usize::from(is_kept & (hours != 0));
    }
}

/// Trees, one behind the other: of each its splits, the root first, and behind them its leaves.
#[derive(Clone, Debug)]
pub(super) struct Descent {
    /// Log-odds before any tree, in 1/16384.
    base: i32,
    /// The places of the roots.
    roots: Vec<u32>,
    /// The splits by their places.
    forks: Vec<Fork>,
    /// The leaves by their places, in 1/16384.
    leaves: Vec<i16>,
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
        let value = |(feature, bin): &(u8, u8)| borders[usize::from(*feature)][usize::from(*bin)];
        let mut descent = Self {
            base: forest.base,
            roots: Vec::new(),
            forks: Vec::new(),
            leaves: Vec::new(),
            borders: used.iter().map(value).collect(),
            of_feature,
        };
        let border = |split: &Split| used.partition_point(|other| *other < (split.feature, split.bin)) as u16;
        forest.trees.iter().for_each(|tree| descent.plant(tree, border));
        descent
    }

    fn plant(&mut self, tree: &Tree, border: impl Fn(&Split) -> u16) {
        self.roots.push(self.forks.len() as u32);
        for (place, split) in tree.splits.iter().enumerate() {
            let child = |to: i8| match usize::try_from(to) {
                Ok(to) => (to - place) as u8,
                Err(_) => (tree.splits.len() + !to as usize - place) as u8 | LEAF,
            };
            self.forks.push(Fork {
                border: border(split),
                children: [child(split.left), child(split.right)],
            });
            self.leaves.push(0);
        }
        for leaf in &tree.leaves {
            self.forks.push(Fork {
                border: 0,
                children: [0; 2],
            });
            self.leaves.push(*leaf);
        }
    }

    /// The probability that use returns in each hour of a spell, if it has not before: as [`Model::hazards`], to the bit.
    ///
    /// [`Model::hazards`]: super::model::Model::hazards
    pub fn hazards(&self, rows: &Rows) -> [f64; ABSENCE_HOURS] {
        let mut not_above = [0; MOST_BORDERS];
        self.compare(rows, &mut not_above);
        let mut sums = [self.base; ABSENCE_HOURS];
        let (mut splits, mut leaves) = (Arrived::NONE, Arrived::NONE);
        for roots in self.roots.chunks(TREES_AT_ONCE) {
            (splits.count, leaves.count) = (0, 0);
            for root in roots {
                splits.note(*root, ALL_HOURS, true);
            }
            let mut next = 0;
            while next < splits.count {
                let (place, hours) = splits.places[next % ROOM];
                next += 1;
                let fork = self.forks[place as usize];
                let left = hours & not_above[usize::from(fork.border)];
                for (child, hours) in fork.children.into_iter().zip([left, hours ^ left]) {
                    let (place, is_leaf) = (place + u32::from(child & !LEAF), child & LEAF != 0);
                    splits.note(place, hours, !is_leaf);
                    leaves.note(place, hours, is_leaf);
                }
            }
            for (place, hours) in &leaves.places[..leaves.count] {
                let more = i32::from(self.leaves[*place as usize]);
                for (sum, hour) in sums.iter_mut().zip(EACH_HOUR) {
                    *sum += if hours & hour == 0 { 0 } else { more };
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
