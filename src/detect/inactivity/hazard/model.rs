//! The taught table: two forests over the same binned features, each summed to log-odds: that use returns in an hour, and that what
//! follows a use is an absence.
//!
//! Method: gradient-boosted trees (Friedman, Annals of Statistics 29, 2001), the first as a discrete-time hazard (Singer and Willett
//! 1993).
//! Form: a line of JSON that says what it is, then bytes: for each feature its borders (a count, then f32), then for each forest its
//! base (i32) and for each tree its number of leaves, its splits (feature, bin, left, right), and its leaves (i16), in 1/16384 of a
//! unit of log-odds; all little-endian. Sums are of integers, so the same on every machine.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::features::{COUNT, NAMES, Rows};
use super::past::ABSENCE_HOURS;

/// What a file of this form calls itself.
const FORM: &str = "tapwatch hazard";
/// The form of the bytes and the meaning of the features.
const VERSION: u32 = 2;
/// The most bins of a feature.
pub const MAX_BINS: usize = 64;
/// The most leaves of a tree.
pub const MAX_LEAVES: usize = 64;
/// The most trees of a forest; so many leaves and a base add up within 32 bits.
pub const MAX_TREES: u32 = 2_000;
/// The farthest that a base is from even odds, in 1/16384: one in 10^27.
const MOST_LOG_ODDS: u32 = 1 << 20;
/// Parts of a unit of log-odds.
pub const UNIT: f32 = 16_384.0;

/// Why a table cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ModelError {
    /// It does not begin with a line that says what it is.
    #[error("no table of hazards: {0}")]
    NotATable(String),
    /// It is of another version.
    #[error(
        "a table of hazards of version {found}; this tapwatch reads version {VERSION}: teach it again with `tapwatch train`"
    )]
    Version {
        /// The version it states.
        found: u32,
    },
    /// It was taught with other features.
    #[error(
        "feature {place} of the table is {found:?}, of this tapwatch {wanted:?}: teach it again with `tapwatch train`"
    )]
    Features {
        /// The first feature that differs.
        place: usize,
        /// Its name in the table; empty where the table has fewer.
        found: String,
        /// Its name here; empty where there are fewer.
        wanted: String,
    },
    /// Its bytes are not those that were written.
    #[error("the table is damaged: {0}")]
    Damaged(&'static str),
}

/// What a table says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// What it was taught by: which data these are, in words.
    pub provenance: String,
    /// The licence of that data, and so of the table.
    pub licence: String,
    /// Homes that taught.
    pub homes: u32,
    /// Hours of spells that taught.
    pub rows: u64,
    /// False alerts a home-month by λ in hours, measured on homes that did not teach (cross-validated by home), the most first.
    pub curve: Vec<Point>,
    /// Absences among what follows a use.
    pub absences: Absences,
}

/// How absences of a day and longer are known, measured on homes that did not teach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Absences {
    /// The share of uses that an absence followed.
    pub usual: f64,
    /// The probability from which an absence is likely: one use in fifty has it or more, homes weighing the same.
    pub likely_from: f64,
}

/// What λ gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Hours of delay accepted for one false alert avoided.
    pub lambda: f64,
    /// False alerts a home-month.
    pub false_per_home_month: f64,
    /// No more than so many in nine of ten fleets drawn from the homes.
    pub false_at_most: f64,
    /// Mean delay in hours, homes weighing the same.
    pub delay_hours: f64,
}

#[derive(Serialize, Deserialize)]
struct Header {
    form: String,
    version: u32,
    features: Vec<String>,
    /// Of the two forests.
    trees: [u32; 2],
    crc32: u32,
    #[serde(flatten)]
    about: About,
}

/// Of the first line with `crc32` 0 in the place of `said`, and of the bytes.
fn checksum(line: &[u8], said: u32, body: &[u8]) -> u32 {
    let line = String::from_utf8_lossy(line).replacen(&format!("\"crc32\":{said}"), "\"crc32\":0", 1);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(line.as_bytes());
    hasher.update(body);
    hasher.finalize()
}

impl About {
    /// Whether its figures can be: λ rises, rates do not, probabilities are some.
    fn is_sound(&self) -> bool {
        let is_rate = |rate: f64| rate.is_finite() && rate >= 0.0;
        let is_point = |point: &Point| {
            point.lambda.is_finite()
                && point.lambda > 0.0
                && is_rate(point.false_per_home_month)
                && is_rate(point.false_at_most)
        };
        let falls = |pair: &[Point]| pair[0].lambda < pair[1].lambda && pair[0].false_at_most >= pair[1].false_at_most;
        let Absences { usual, likely_from } = self.absences;
        self.curve.iter().all(is_point)
            && self.curve.windows(2).all(falls)
            && [usual, likely_from].iter().all(|share| (0.0..=1.0).contains(share))
    }
}

/// What can be read before a version is known to be right.
#[derive(Deserialize)]
struct Opening {
    form: String,
    version: u32,
}

/// A split; what is at most `bin` goes left. A child of `!n` is leaf n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The feature.
    pub feature: u8,
    /// The last bin that goes left.
    pub bin: u8,
    /// Where the left goes.
    pub left: i8,
    /// Where the right goes.
    pub right: i8,
}

/// A tree of one split or more; the first is the root, and children come after their parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Its splits.
    pub splits: Vec<Split>,
    /// Log-odds to add, in 1/16384, one leaf more than there are splits.
    pub leaves: Vec<i16>,
}

impl Tree {
    /// The leaf to which a row of bins comes.
    pub fn leaf(&self, row: &[u8; COUNT]) -> usize {
        let mut place = 0_i8;
        loop {
            let split = &self.splits[place as usize];
            let value = row[usize::from(split.feature)];
            place = if value <= split.bin { split.left } else { split.right };
            if place < 0 {
                return !place as usize;
            }
        }
    }

    fn is_sound(&self, borders: &[Vec<f32>]) -> bool {
        let splits = self.splits.len();
        let (mut children, mut leaves) = (vec![0; splits], vec![0; self.leaves.len()]);
        let mut goes_on = |from: usize, to: i8| match usize::try_from(to) {
            Ok(child) if child > from && child < splits => children[child] += 1,
            Ok(_) => children[0] += 2,
            Err(_) if (!to as usize) < leaves.len() => leaves[!to as usize] += 1,
            Err(_) => children[0] += 2,
        };
        for (place, split) in self.splits.iter().enumerate() {
            goes_on(place, split.left);
            goes_on(place, split.right);
        }
        let bins = |split: &Split| {
            borders
                .get(usize::from(split.feature))
                .is_some_and(|borders| usize::from(split.bin) < borders.len())
        };
        splits > 0
            && self.leaves.len() == splits + 1
            && self.splits.iter().all(bins)
            && children[0] == 0
            && children[1..].iter().chain(&leaves).all(|times| *times == 1)
    }
}

/// Trees whose leaves add up to log-odds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forest {
    /// Log-odds before any tree, in 1/16384.
    pub base: i32,
    /// The trees.
    pub trees: Vec<Tree>,
}

impl Forest {
    fn read(count: u32, borders: &[Vec<f32>], rest: &mut Rest<'_>) -> Result<Self, ModelError> {
        let base = i32::from_le_bytes(rest.four()?);
        if base.unsigned_abs() > MOST_LOG_ODDS || count > MAX_TREES {
            return Err(ModelError::Damaged("its sums do not fit"));
        }
        let mut trees = Vec::new();
        for _ in 0..count {
            let leaves = usize::from(rest.byte()?);
            let splits = (1..leaves).map(|_| {
                let [feature, bin, left, right] = rest.four()?;
                Ok(Split {
                    feature,
                    bin,
                    left: left.cast_signed(),
                    right: right.cast_signed(),
                })
            });
            let splits = splits.collect::<Result<_, _>>()?;
            let leaves = (0..leaves).map(|_| Ok(i16::from_le_bytes([rest.byte()?, rest.byte()?])));
            let tree = Tree {
                splits,
                leaves: leaves.collect::<Result<_, _>>()?,
            };
            if tree.leaves.len() > MAX_LEAVES || !tree.is_sound(borders) {
                return Err(ModelError::Damaged(
                    "a tree does not lead from its root to each of its leaves",
                ));
            }
            trees.push(tree);
        }
        Ok(Self { base, trees })
    }

    fn write(&self, body: &mut Vec<u8>) {
        body.extend(self.base.to_le_bytes());
        for tree in &self.trees {
            body.push(tree.leaves.len() as u8);
            let bytes = |split: &Split| [split.feature, split.bin, split.left as u8, split.right as u8];
            body.extend(tree.splits.iter().flat_map(bytes));
            body.extend(tree.leaves.iter().flat_map(|leaf| leaf.to_le_bytes()));
        }
    }

    /// The probability of what each row tells of.
    fn probabilities<const N: usize>(&self, rows: &[[u8; COUNT]; N]) -> [f64; N] {
        let mut sums = [self.base; N];
        // A tree at a time: it stays near while all rows pass through it.
        for tree in &self.trees {
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum += i32::from(tree.leaves[tree.leaf(row)]);
            }
        }
        sums.map(|sum| logistic(sum as f32 / UNIT))
    }
}

/// A taught table.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What it says of itself.
    pub about: About,
    /// Bounds between the bins of each feature, rising.
    pub borders: Vec<Vec<f32>>,
    /// That use returns in an hour.
    pub returns: Forest,
    /// That an absence follows a use.
    pub absence: Forest,
}

impl Model {
    /// Reads a table.
    ///
    /// # Errors
    /// Another form, another version, other features, and damaged bytes, each by name.
    pub fn read(bytes: &[u8]) -> Result<Self, ModelError> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, body) = bytes.split_at(end.ok_or_else(|| ModelError::NotATable("it has no first line".into()))?);
        let not_a_table = |error: serde_json::Error| ModelError::NotATable(error.to_string());
        let opening: Opening = serde_json::from_slice(line).map_err(not_a_table)?;
        if opening.form != FORM {
            return Err(ModelError::NotATable(format!("it calls itself {:?}", opening.form)));
        }
        if opening.version != VERSION {
            return Err(ModelError::Version { found: opening.version });
        }
        let header: Header = serde_json::from_slice(line).map_err(not_a_table)?;
        let name = |names: Option<&str>| names.unwrap_or_default().to_owned();
        for place in 0..header.features.len().max(COUNT) {
            let (found, wanted) = (
                header.features.get(place).map(String::as_str),
                NAMES.get(place).copied(),
            );
            if found != wanted {
                return Err(ModelError::Features {
                    place,
                    found: name(found),
                    wanted: name(wanted),
                });
            }
        }
        let body = &body[1..];
        if checksum(line, header.crc32, body) != header.crc32 {
            return Err(ModelError::Damaged("its checksum is another"));
        }
        if !header.about.is_sound() {
            return Err(ModelError::Damaged("what it says of its worth cannot be"));
        }
        let mut rest = Rest(body);
        let mut borders = Vec::with_capacity(COUNT);
        for _ in 0..COUNT {
            let count = usize::from(rest.byte()?);
            let of_feature = (0..count).map(|_| rest.four().map(f32::from_le_bytes));
            let of_feature: Vec<f32> = of_feature.collect::<Result<_, _>>()?;
            if count >= MAX_BINS || !of_feature.is_sorted_by(|a, b| a < b) {
                return Err(ModelError::Damaged("borders of a feature do not rise"));
            }
            borders.push(of_feature);
        }
        let [returns, absence] = header.trees;
        let returns = Forest::read(returns, &borders, &mut rest)?;
        let absence = Forest::read(absence, &borders, &mut rest)?;
        if !rest.0.is_empty() {
            return Err(ModelError::Damaged("it goes on after its last tree"));
        }
        Ok(Self {
            about: header.about,
            borders,
            returns,
            absence,
        })
    }

    /// Writes the table.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut body = Vec::new();
        for borders in &self.borders {
            body.push(borders.len() as u8);
            body.extend(borders.iter().flat_map(|border| border.to_le_bytes()));
        }
        self.returns.write(&mut body);
        self.absence.write(&mut body);
        let mut header = Header {
            form: FORM.into(),
            version: VERSION,
            features: NAMES.map(str::to_owned).into(),
            trees: [&self.returns, &self.absence].map(|forest| forest.trees.len() as u32),
            crc32: 0,
            about: self.about.clone(),
        };
        header.crc32 = checksum(&serde_json::to_vec(&header)?, 0, &body);
        serde_json::to_writer(&mut *to, &header)?;
        to.write_all(b"\n")?;
        to.write_all(&body)
    }

    /// The probability that use returns in each hour of a spell, if it has not before.
    pub fn hazards(&self, rows: &Rows) -> [f64; ABSENCE_HOURS] {
        self.returns
            .probabilities(&rows.each_ref().map(|row| bins(&self.borders, row)))
    }

    /// The probability that the use before a spell was the last one before an absence, by the features of its first hour.
    pub fn absence(&self, row: &[f32; COUNT]) -> f64 {
        let [probability] = self.absence.probabilities(&[bins(&self.borders, row)]);
        probability
    }
}

/// The bin of each feature of a row: how many of its borders are below it.
pub fn bins(borders: &[Vec<f32>], row: &[f32; COUNT]) -> [u8; COUNT] {
    let mut bins = [0; COUNT];
    for ((bin, value), borders) in bins.iter_mut().zip(row).zip(borders) {
        *bin = borders.partition_point(|border| border < value) as u8;
    }
    bins
}

/// The probability of log-odds, by an exponential that is the same on every machine.
pub fn logistic(log_odds: f32) -> f64 {
    1.0 / (1.0 + libm::exp(-f64::from(log_odds)))
}

/// Bytes not yet read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn byte(&mut self) -> Result<u8, ModelError> {
        let (first, rest) = self.0.split_first().ok_or(ModelError::Damaged("it ends too soon"))?;
        self.0 = rest;
        Ok(*first)
    }

    fn four(&mut self) -> Result<[u8; 4], ModelError> {
        let (first, rest) = self
            .0
            .split_first_chunk()
            .ok_or(ModelError::Damaged("it ends too soon"))?;
        self.0 = rest;
        Ok(*first)
    }
}
