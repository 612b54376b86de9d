//! The learned rule: how likely is it that use returns by itself, hour by hour, and when is waiting no longer worth it?
//!
//! Method: a discrete-time hazard, pooled over many homes and taught offline (`tapwatch train`), told of this home by features of its
//! own last weeks (`features`). The threshold is that of optimal stopping, decided at the start of the spell: the T that
//! minimises `T + λ·a·P(T ≤ dry < 24 h)`, where a is how often this home uses water, 1 for 250 hours a month: an emergency
//! is as likely in a home that seldom does.
//! Absences are told apart by a second, smaller forest over what is known at the start of the spell: they follow other uses
//! than ordinary spells do, and an emergency may follow any.
//! Units: whole dry hours; probabilities.
//! Assumptions: habits of the last eight weeks go on; spells of a day or more are absences or worse and do not teach.
//! Cost: nothing is allocated, and the answer is the same to the bit on every machine (sums of integers, IEEE arithmetic, and an
//! exponential that is not the machine's).

mod descent;
pub mod features;
pub mod model;
pub mod past;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, LazyLock};

use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use self::descent::Descent;
use self::features::{COUNT, Rows, rows};
use self::model::{Absences, Model, ModelError};
pub use self::past::ABSENCE_HOURS;
use self::past::{PAST_HOURS, Past};
use crate::home::Routine;
use crate::model::MONTH_HOURS;

/// No spell is judged before this many hours: deadlines are computed for those that last, not for every use.
pub const FIRST_HOURS: usize = 2;
/// Hours with use a month of a home for which λ is what it says.
const USUAL_ACTIVE_HOURS: f64 = 250.0;
/// A home that hardly ever uses water is taken to use it so often.
const LEAST_ACTIVE_HOURS: f64 = 50.0;

/// The probability that a spell lasts at least so many hours, for 0 to 24, if it lasts less than a day.
pub type Survival = [f64; ABSENCE_HOURS + 1];

/// Whether people went away after a use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Absence {
    /// How likely it is that an absence of a day or longer follows.
    pub probability: f64,
    /// The same of any use, in the homes that taught.
    pub usual: f64,
    /// Whether it is as likely as after one use in fifty.
    pub is_likely: bool,
    /// Hours with use a month.
    pub active_hours: f64,
}

impl Absence {
    /// Where people of this home leave it by the week, with the probability of that.
    #[must_use]
    pub fn with_weekly(self, weekly: Option<f64>) -> Self {
        match weekly.filter(|weekly| *weekly > self.probability) {
            Some(probability) => Self {
                probability,
                is_likely: true,
                ..self
            },
            None => self,
        }
    }

    /// As after any use: where it is not known what the spell followed, or somebody was heard of since.
    #[must_use]
    pub fn usual(self) -> Self {
        Self {
            probability: self.usual,
            is_likely: false,
            ..self
        }
    }
}

/// A taught table, shared by all programmes that use it.
#[derive(Clone)]
pub struct Hazard(Option<Arc<Table>>);

/// A table as it is kept, and its trees as they are asked.
struct Table {
    model: Model,
    descent: Descent,
}

impl Table {
    fn read(bytes: &[u8]) -> Result<Arc<Self>, ModelError> {
        let model = Model::read(bytes)?;
        let descent = Descent::new(&model.borders, &model.returns);
        Ok(Arc::new(Self { model, descent }))
    }
}

static SHIPPED: LazyLock<Option<Arc<Table>>> = LazyLock::new(|| Table::read(include_bytes!("shipped.hazard")).ok());

impl Default for Hazard {
    /// The table that is shipped.
    fn default() -> Self {
        Self(SHIPPED.clone())
    }
}

impl Hazard {
    /// Reads a table that `tapwatch train` has written.
    ///
    /// # Errors
    /// As [`Model::read`].
    pub fn read(bytes: &[u8]) -> Result<Self, ModelError> {
        Table::read(bytes).map(|table| Self(Some(table)))
    }

    /// The table; `None` only if the file in the source tree is damaged, which a test forbids.
    pub fn model(&self) -> Option<&Model> {
        self.0.as_ref().map(|table| &table.model)
    }

    /// Whether it is the one that is shipped.
    pub fn is_shipped(&self) -> bool {
        *self == Self::default()
    }

    /// What is to be said of an absence behind a spell that begins with UTC hour `start`; `None` without a table.
    pub fn absence(&self, routine: &Routine, start: u32, zone: &TimeZone) -> Option<Absence> {
        let model = self.model()?;
        let past = Past::of_routine(routine, start);
        let mut told = [[0.0; COUNT]];
        rows(&past, start, zone, &mut told);
        let [first] = &told;
        let probability = model.absence(first);
        let Absences { usual, likely_from } = model.about.absences;
        Some(Absence {
            probability,
            usual,
            is_likely: probability >= likely_from,
            active_hours: active_hours(&past),
        })
    }

    /// How likely a spell that begins with UTC hour `start` is to last; without a table every spell may last a day.
    pub fn survival(&self, past: &Past, start: u32, zone: &TimeZone) -> Survival {
        let Some(table) = &self.0 else {
            return [1.0; ABSENCE_HOURS + 1];
        };
        let mut told: Rows = [[0.0; COUNT]; ABSENCE_HOURS];
        rows(past, start, zone, &mut told);
        survival(&table.descent.hazards(&told))
    }

    /// The thresholds for a spell that begins with UTC hour `start`, in hours, one for each λ, by what is known of the hours
    /// before it: the least that [`Self::thresholds`] can be.
    pub fn least_thresholds<const N: usize>(
        &self,
        routine: &Routine,
        start: u32,
        zone: &TimeZone,
        lambdas: [f64; N],
    ) -> [usize; N] {
        self.thresholds_after(&Past::of_routine(routine, start), start, zone, lambdas)
    }

    /// The thresholds for a spell that begins with UTC hour `start`, in hours, one for each λ: the longest with what
    /// is not known of the last hours before it unknown, used and dry.
    pub fn thresholds<const N: usize>(
        &self,
        routine: &Routine,
        start: u32,
        zone: &TimeZone,
        lambdas: [f64; N],
    ) -> [usize; N] {
        Past::with_holes_filled(routine, start).fold([0; N], |longest, past| {
            let hours = self.thresholds_after(&past, start, zone, lambdas);
            std::array::from_fn(|place| hours[place].max(longest[place]))
        })
    }

    fn thresholds_after<const N: usize>(
        &self,
        past: &Past,
        start: u32,
        zone: &TimeZone,
        lambdas: [f64; N],
    ) -> [usize; N] {
        let survival = self.survival(past, start, zone);
        let weight = weight(past);
        lambdas.map(|lambda| stopping_hours(&survival, lambda * weight))
    }
}

impl PartialEq for Hazard {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one.model == other.model,
            (None, None) => true,
            _ => false,
        }
    }
}

impl fmt::Debug for Hazard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provenance = self.model().map(|model| &model.about.provenance);
        formatter.debug_tuple("Hazard").field(&provenance).finish()
    }
}

/// Its checksum: rules with another table are other rules.
impl Serialize for Hazard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        if let Some(model) = self.model() {
            model.write(&mut bytes).map_err(serde::ser::Error::custom)?;
        }
        serializer.serialize_u32(crc32fast::hash(&bytes))
    }
}

/// From hazards to the probability that a spell lasts, given that it lasts less than a day.
pub fn survival(hazards: &[f64; ABSENCE_HOURS]) -> Survival {
    let mut survival = [1.0; ABSENCE_HOURS + 1];
    for (hours, hazard) in hazards.iter().enumerate() {
        survival[hours + 1] = survival[hours] * (1.0 - hazard);
    }
    // Only spells shorter than a day have taught: what is left after a day is of the model's error.
    survival[ABSENCE_HOURS] = 0.0;
    survival
}

/// How much λ weighs in this home, by the hours with use in what is known of it.
pub fn weight(past: &Past) -> f64 {
    active_hours(past) / USUAL_ACTIVE_HOURS
}

/// Hours with use a month.
fn active_hours(past: &Past) -> f64 {
    let (used, known) = past.counts_of_last(PAST_HOURS);
    let active = f64::from(used) / f64::from(known.max(1)) * MONTH_HOURS;
    active.max(LEAST_ACTIVE_HOURS)
}

/// The T, in whole hours from 2 to 24, that minimises `T + λ·P(T ≤ dry < 24 h)`.
pub fn stopping_hours(survival: &Survival, lambda: f64) -> usize {
    let cost = |hours: usize| hours as f64 + lambda * (survival[hours] - survival[ABSENCE_HOURS]);
    (FIRST_HOURS..=ABSENCE_HOURS)
        .min_by(|a, b| cost(*a).total_cmp(&cost(*b)))
        .unwrap_or(ABSENCE_HOURS)
}
