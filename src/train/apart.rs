//! How well absences are told from emergencies: these may follow any use, those follow uses of their own kind.
//!
//! Measure: the share of absences that are held to be likely where so many emergencies, one after every use, homes weighing the same, would
//! be held to be absences too.

use super::curve::{Figure, Foreseen, fleets};
use crate::detect::inactivity::hazard::model::Absences;

/// Of so many emergencies one is held to be a likely absence.
const ONE_IN: f64 = 50.0;

/// A use, and whether an absence followed.
struct Use {
    home: usize,
    probability: f64,
    is_absence: bool,
    /// One over the uses of its home.
    weight: f64,
}

/// The uses of all homes, those that an absence follows most likely first.
pub struct Apart {
    uses: Vec<Use>,
    homes: usize,
}

impl Apart {
    /// By what was expected of each use.
    pub fn of_foreseen(homes: &[Foreseen]) -> Self {
        let of_home = |(home, foreseen): (usize, &Foreseen)| {
            let known = foreseen.spells.iter();
            let known: Vec<_> = known
                .filter_map(|of| Some((of.absence, of.spell.is_absence()?)))
                .collect();
            let weight = 1.0 / known.len().max(1) as f64;
            let of_use = move |(probability, is_absence)| Use {
                home,
                probability,
                is_absence,
                weight,
            };
            known.into_iter().map(of_use).collect::<Vec<_>>()
        };
        let mut uses: Vec<Use> = homes.iter().enumerate().flat_map(of_home).collect();
        uses.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        Self {
            uses,
            homes: homes.len(),
        }
    }

    /// How many absences there are.
    pub fn count(&self) -> usize {
        self.uses.iter().filter(|of| of.is_absence).count()
    }

    /// What a table says of itself.
    pub fn absences(&self) -> Absences {
        let all_homes = vec![1; self.homes];
        let (likely_from, _) = self.told(&all_homes, 1.0 / ONE_IN);
        let usual = self.count() as f64 / self.uses.len().max(1) as f64;
        Absences {
            usual,
            // Where few absences have taught, what is rare need not be likely.
            likely_from: likely_from.max(2.0 * usual).min(1.0),
        }
    }

    /// The share of absences that is told apart where a share `held_back` of emergencies would be taken for absences.
    pub fn at(&self, held_back: f64) -> Figure {
        let share = |times: &[usize]| self.told(times, held_back).1;
        Figure::new(
            share(&vec![1; self.homes]),
            fleets(self.homes).map(|times| share(&times)).collect(),
        )
    }

    /// The probability that a share `held_back` of uses has or more, and the share of absences that do, with every home as often as
    /// `times` says.
    fn told(&self, times: &[usize], held_back: f64) -> (f64, f64) {
        let of = |of: &Use| times[of.home] as f64;
        let (mut all, mut all_absences) = (0.0, 0.0);
        for one in &self.uses {
            all += of(one) * one.weight;
            all_absences += if one.is_absence { of(one) } else { 0.0 };
        }
        let (mut passed, mut absences, mut from) = (0.0, 0.0, 1.0);
        for one in &self.uses {
            passed += of(one) * one.weight;
            if passed > held_back * all {
                break;
            }
            from = one.probability;
            absences += if one.is_absence { of(one) } else { 0.0 };
        }
        (
            from,
            if all_absences > 0.0 {
                absences / all_absences
            } else {
                0.0
            },
        )
    }
}
