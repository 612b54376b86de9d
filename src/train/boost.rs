//! Gradient boosting of a probability: trees grown leaf by leaf over binned features.
//!
//! Method: Friedman (2001) with logistic loss, a Newton step in each leaf, the leaf with the greatest gain split first, and
//! histograms of the bins, the larger child's by subtraction (as in LightGBM, Ke et al., NIPS 2017). `tests` hold it against a
//! search that tries every split, and against figures of LightGBM.
//! The result is the same whatever the number of threads: each sums whole features, in the order of the rows.

use crate::detect::inactivity::hazard::features::COUNT;
use crate::detect::inactivity::hazard::model::{Forest, MAX_BINS, MAX_LEAVES, Split, Tree, UNIT, logistic};

/// How trees are grown.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// How many trees.
    pub trees: usize,
    /// Leaves of each, at most.
    pub leaves: usize,
    /// Share of each step that is taken.
    pub rate: f64,
    /// The least sum of p(1-p) of the rows of a leaf.
    pub least_weight: f64,
    /// What is added to that sum where it divides, against leaves of few rows (L2).
    pub smoothing: f64,
    /// How many threads.
    pub threads: usize,
}

impl Growth {
    /// For absences, of which there are few; chosen likewise.
    pub const OF_ABSENCES: Self = Self {
        trees: 100,
        leaves: 7,
        rate: 0.05,
        least_weight: 5.0,
        smoothing: 5.0,
        threads: 1,
    };
}

impl Default for Growth {
    /// What was chosen on the data of the shipped table, by cross-validation.
    fn default() -> Self {
        Self {
            trees: 250,
            leaves: 31,
            rate: 0.08,
            least_weight: 60.0,
            smoothing: 5.0,
            threads: 1,
        }
    }
}

/// Rows of bins, and for each whether it happened.
#[derive(Clone, Debug, Default)]
pub struct Cases {
    /// The bin of each feature.
    pub bins: Vec<[u8; COUNT]>,
    /// Whether it happened.
    pub happened: Vec<bool>,
}

impl Cases {
    /// Adds one.
    pub fn add(&mut self, bins: [u8; COUNT], happened: bool) {
        self.bins.push(bins);
        self.happened.push(happened);
    }

    /// The cases of several.
    pub fn together<'a>(parts: impl Iterator<Item = &'a Self> + Clone) -> Self {
        Self {
            bins: parts.clone().flat_map(|part| &part.bins).copied().collect(),
            happened: parts.flat_map(|part| &part.happened).copied().collect(),
        }
    }
}

/// Sums over rows: of slopes, and of curvatures.
type Sums = (f64, f64);
type Histogram = Vec<[Sums; MAX_BINS]>;

/// A leaf that may still be split.
struct Leaf {
    rows: std::ops::Range<usize>,
    sums: Sums,
    histogram: Histogram,
    best: Option<(f64, usize, usize)>,
    /// The split it hangs from, and whether on the left.
    parent: Option<(usize, bool)>,
}

/// Grows trees. Leaves are rounded as they are kept.
pub fn boost(cases: &Cases, growth: &Growth) -> Forest {
    let count = cases.happened.len();
    let happened = cases.happened.iter().filter(|happened| **happened).count();
    // Half a row of each outcome, so that it is finite.
    let odds = (happened as f64 + 0.5) / ((count - happened) as f64 + 0.5);
    let base = (libm::log(odds) * f64::from(UNIT)).round() as i32;
    let mut scores = vec![base; count];
    let mut slopes = vec![(0.0_f32, 0.0_f32); count];
    let mut order: Vec<u32> = Vec::new();
    let mut trees = Vec::new();
    for _ in 0..growth.trees {
        for ((slope, score), happened) in slopes.iter_mut().zip(&scores).zip(&cases.happened) {
            let chance = logistic(*score as f32 / UNIT);
            let truth = if *happened { 1.0 } else { 0.0 };
            *slope = ((chance - truth) as f32, (chance * (1.0 - chance)) as f32);
        }
        order.clear();
        order.extend(0..count as u32);
        let Some((tree, leaves)) = grow(&cases.bins, &slopes, &mut order, growth) else {
            break;
        };
        for (rows, value) in leaves.into_iter().zip(&tree.leaves) {
            for row in &order[rows] {
                scores[*row as usize] += i32::from(*value);
            }
        }
        trees.push(tree);
    }
    Forest { base, trees }
}

/// A tree, with the rows of each leaf as a stretch of `order`; `None` where no split gains anything.
fn grow(
    bins: &[[u8; COUNT]],
    slopes: &[(f32, f32)],
    order: &mut [u32],
    growth: &Growth,
) -> Option<(Tree, Vec<std::ops::Range<usize>>)> {
    let leaf = |rows: std::ops::Range<usize>, histogram: Histogram, parent| {
        let sums = total(&histogram);
        Leaf {
            rows,
            sums,
            best: best_split(&histogram, sums, growth),
            histogram,
            parent,
        }
    };
    let first = histogram(bins, slopes, order, growth.threads);
    let mut leaves = vec![leaf(0..order.len(), first, None)];
    let mut splits: Vec<Split> = Vec::new();
    let mut right = Vec::new();
    while leaves.len() < growth.leaves.min(MAX_LEAVES) {
        let gains = leaves
            .iter()
            .enumerate()
            .filter_map(|(at, leaf)| Some((at, leaf.best?)));
        let Some((at, (_, feature, bin))) = gains.max_by(|(_, a), (_, b)| a.0.total_cmp(&b.0)) else {
            break;
        };
        let rows = leaves[at].rows.clone();
        let mut middle = rows.start;
        right.clear();
        for place in rows.clone() {
            let row = order[place];
            if usize::from(bins[row as usize][feature]) <= bin {
                order[middle] = row;
                middle += 1;
            } else {
                right.push(row);
            }
        }
        order[middle..rows.end].copy_from_slice(&right);
        let split = splits.len();
        splits.push(Split {
            feature: feature as u8,
            bin: bin as u8,
            left: !(at as i8),
            right: !(leaves.len() as i8),
        });
        if let Some((parent, is_left)) = leaves[at].parent {
            let child = if is_left {
                &mut splits[parent].left
            } else {
                &mut splits[parent].right
            };
            *child = split as i8;
        }
        let (left_rows, right_rows) = (rows.start..middle, middle..rows.end);
        let is_left_smaller = left_rows.len() <= right_rows.len();
        let smaller_rows = if is_left_smaller {
            left_rows.clone()
        } else {
            right_rows.clone()
        };
        let smaller = histogram(bins, slopes, &order[smaller_rows], growth.threads);
        let mut larger = std::mem::take(&mut leaves[at].histogram);
        for (whole, part) in larger.as_flattened_mut().iter_mut().zip(smaller.as_flattened()) {
            whole.0 -= part.0;
            whole.1 -= part.1;
        }
        let (of_left, of_right) = if is_left_smaller {
            (smaller, larger)
        } else {
            (larger, smaller)
        };
        leaves[at] = leaf(left_rows, of_left, Some((split, true)));
        leaves.push(leaf(right_rows, of_right, Some((split, false))));
    }
    let value = |leaf: &Leaf| {
        let step = -leaf.sums.0 / (leaf.sums.1 + growth.smoothing) * growth.rate;
        (step * f64::from(UNIT)).round() as i16
    };
    let tree = Tree {
        splits,
        leaves: leaves.iter().map(value).collect(),
    };
    (!tree.splits.is_empty()).then(|| (tree, leaves.into_iter().map(|leaf| leaf.rows).collect()))
}

fn total(histogram: &Histogram) -> Sums {
    let of_first = histogram.first().into_iter().flatten();
    of_first.fold((0.0, 0.0), |sum, bin| (sum.0 + bin.0, sum.1 + bin.1))
}

/// The gain, the feature and the last bin on the left of the split that gains most.
fn best_split(histogram: &Histogram, whole: Sums, growth: &Growth) -> Option<(f64, usize, usize)> {
    let worth = |sums: Sums| sums.0 * sums.0 / (sums.1 + growth.smoothing);
    let mut best: Option<(f64, usize, usize)> = None;
    for (feature, bins) in histogram.iter().enumerate() {
        let mut left = (0.0, 0.0);
        for (bin, sums) in bins[..MAX_BINS - 1].iter().enumerate() {
            left = (left.0 + sums.0, left.1 + sums.1);
            let right = (whole.0 - left.0, whole.1 - left.1);
            if sums.1 == 0.0 || left.1 < growth.least_weight || right.1 < growth.least_weight {
                continue;
            }
            let gain = worth(left) + worth(right) - worth(whole);
            if gain > 1e-6 && best.is_none_or(|(most, ..)| gain > most) {
                best = Some((gain, feature, bin));
            }
        }
    }
    best
}

/// Rows from which on threads are worth their start.
const WORTH_THREADS: usize = 5_000;

fn histogram(bins: &[[u8; COUNT]], slopes: &[(f32, f32)], rows: &[u32], threads: usize) -> Histogram {
    let mut histogram = vec![[(0.0, 0.0); MAX_BINS]; COUNT];
    let add = |part: &mut [[Sums; MAX_BINS]], first: usize| {
        for row in rows {
            let row = *row as usize;
            let (slope, curvature) = (f64::from(slopes[row].0), f64::from(slopes[row].1));
            let bins = &bins[row][first..first + part.len()];
            for (sums, bin) in part.iter_mut().zip(bins) {
                let sums = &mut sums[usize::from(*bin) % MAX_BINS];
                sums.0 += slope;
                sums.1 += curvature;
            }
        }
    };
    if threads <= 1 || rows.len() < WORTH_THREADS {
        add(&mut histogram, 0);
        return histogram;
    }
    let features = COUNT.div_ceil(threads);
    std::thread::scope(|scope| {
        for (number, part) in histogram.chunks_mut(features).enumerate() {
            let add = &add;
            scope.spawn(move || add(part, number * features));
        }
    });
    histogram
}
