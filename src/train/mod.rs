//! Teaches the table of hazards of the learned rule from history: `tapwatch train`.
//!
//! Operation: each home's hours come from the core itself (`lesson`); every dry hour of a spell is a case, "does use return in
//! it?", and every use is one, "does an absence follow?", with the features that the rule will see (`cases`); trees are grown over them
//! (`boost`), five times without a fifth of the homes to measure what they are worth on homes they do not know (`curve`, `apart`), and once
//! with all. `card` says what came of it in words.

pub mod apart;
pub mod boost;
pub mod card;
mod cases;
pub mod curve;
pub mod lesson;

#[cfg(test)]
mod tests;

use self::apart::Apart;
use self::boost::{Cases, Growth, boost};
use self::cases::{Binning, cases_of};
use self::curve::{Curve, Foreseen, judged_spells};
use self::lesson::Lesson;
use crate::detect::inactivity::hazard::model::{About, Absences, Model};
use crate::detect::inactivity::lambda_of;
use crate::parallel::each_in_parallel;

/// Parts that homes are shared out to; each is left out once.
pub const FOLDS: usize = 5;

/// A table, and what it is worth.
pub struct Taught {
    /// The table.
    pub model: Model,
    /// On homes that did not teach, each judged by what the others taught.
    pub curve: Curve,
    /// On the homes that taught: too good to be true, a bound.
    pub in_sample: Curve,
    /// What fixed rules of so many hours do on the same spells.
    pub constant: Curve,
    /// How well absences are told apart in homes that did not teach.
    pub apart: Apart,
    /// The first UTC hour of a home, and the hour after the last.
    pub hours: std::ops::Range<u32>,
}

/// What may be too little to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLittle {
    /// There are fewer homes than folds.
    #[error(
        "{homes} homes are lived in and known for two weeks or more; at least {FOLDS} are needed, and hundreds are better"
    )]
    Homes {
        /// How many there are.
        homes: usize,
    },
    /// Nobody could say what the table is worth.
    #[error(
        "what the table is worth cannot be measured: it takes homes with readings of well over 30 days, and dry spells in them that ended by themselves"
    )]
    Spells,
}

/// Teaches a table. `progress` hears of tables grown, [`FOLDS`] and one.
///
/// # Errors
/// [`TooLittle`] where there are fewer homes than folds, or too little to measure what the table is worth.
pub fn teach(
    lessons: &[Lesson],
    (provenance, licence): (&str, &str),
    growth: Growth,
    threads: usize,
    progress: impl Fn() + Sync,
) -> Result<Taught, TooLittle> {
    if lessons.len() < FOLDS {
        return Err(TooLittle::Homes { homes: lessons.len() });
    }
    let binning = Binning::of(lessons);
    let cases = cases_of(lessons, &binning, threads);
    let growth = Growth {
        threads: threads / (FOLDS + 1),
        ..growth
    };
    // A table without each fold, and the last with all homes.
    let models = each_in_parallel(threads, (0..=FOLDS).collect(), |fold| {
        let teachers = cases
            .iter()
            .enumerate()
            .filter(|(home, _)| home % FOLDS != fold || fold == FOLDS);
        let [returns, uses] = [0, 1].map(|kind| Cases::together(teachers.clone().map(|(_, cases)| &cases[kind])));
        let of_absences = Growth {
            threads: growth.threads,
            ..Growth::OF_ABSENCES
        };
        let (rows, absence) = (returns.happened.len() as u64, boost(&uses, &of_absences));
        let returns = boost(&returns, &growth);
        progress();
        let about = About {
            provenance: provenance.to_owned(),
            licence: licence.to_owned(),
            homes: teachers.count() as u32,
            rows,
            curve: Vec::new(),
            absences: Absences::default(),
        };
        Model {
            about,
            borders: binning.borders.clone(),
            returns,
            absence,
        }
    });
    drop(cases);
    let judged = judged_spells(lessons);
    let homes = lessons.iter().zip(&judged).enumerate().collect();
    let foreseen = each_in_parallel(threads, homes, |(home, (lesson, judged))| {
        let [stranger, teacher] = [home % FOLDS, FOLDS].map(|model| &models[model]);
        Foreseen::of(lesson, judged, [stranger, teacher]).into()
    });
    let (strangers, teachers): (Vec<_>, Vec<_>) = foreseen.into_iter().unzip();
    let curve = Curve::of_foreseen(&strangers);
    let in_sample = Curve::of_foreseen(&teachers);
    let apart = Apart::of_foreseen(&strangers);
    let constant = Curve::of_constants(lessons, &judged);
    let mut model = models[FOLDS].clone();
    model.about.curve = curve.points();
    if lambda_of(&model.about.curve, 1.0).is_none() {
        return Err(TooLittle::Spells);
    }
    model.about.absences = apart.absences();
    let first = lessons.iter().map(|lesson| lesson.first).min().unwrap_or(0);
    let last = lessons
        .iter()
        .map(|lesson| lesson.utc_hour(lesson.hours.len()))
        .max()
        .unwrap_or(0);
    Ok(Taught {
        model,
        curve,
        in_sample,
        constant,
        apart,
        hours: first..last,
    })
}
