//! What a table is worth: delay against false alerts, as the judge of backtests would count them, over every spell at once.
//!
//! Every hour with use from a home's 30th day on is taken as the start of an emergency; delays weigh the same for every home. A
//! false alert is a spell that ended by itself within a day and reached its threshold. Intervals come from drawing homes anew.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::lesson::{Lesson, Spell};
use crate::detect::inactivity::hazard::features::{COUNT, Rows, rows};
use crate::detect::inactivity::hazard::model::{Model, Point};
use crate::detect::inactivity::hazard::past::PAST_HOURS;
use crate::detect::inactivity::hazard::{ABSENCE_HOURS, FIRST_HOURS, Survival, stopping_hours, survival, weight};
use crate::model::MONTH_HOURS;

/// λ from here on, in hours, each √2 times the one before.
const LEAST_LAMBDA: f64 = 25.0;
const LAMBDAS: usize = 18;
/// Days of a home that are not judged.
const WARM_UP_HOURS: usize = 30 * 24;
/// Spells of a home that are judged at most; of more, every so-many-th is.
const MOST_SPELLS: usize = 4_000;
/// Fleets drawn for an interval.
const DRAWS: usize = 200;

/// The spells of each home that are judged, and how many each stands for.
pub fn judged_spells(lessons: &[Lesson]) -> Vec<(Vec<Spell>, f64)> {
    let of_home = |lesson: &Lesson| {
        let all: Vec<Spell> = lesson.spells().filter(|spell| spell.start >= WARM_UP_HOURS).collect();
        let every = all.len().div_ceil(MOST_SPELLS).max(1);
        let judged: Vec<Spell> = all.iter().copied().step_by(every).collect();
        let stands_for = all.len() as f64 / judged.len().max(1) as f64;
        (judged, stands_for)
    };
    lessons.iter().map(of_home).collect()
}

/// A spell, and what was to be expected of it when it began.
pub struct Expected {
    /// What came of it.
    pub spell: Spell,
    /// How much λ weighs.
    weight: f64,
    /// How likely it was to last.
    survival: Survival,
    /// How likely it was to be an absence.
    pub absence: f64,
}

/// What was to be expected of each judged spell of a home.
pub struct Foreseen {
    /// Its spells.
    pub spells: Vec<Expected>,
    stands_for: f64,
    months: f64,
}

impl Foreseen {
    /// As each of `models` expects, told of what was known before each.
    pub fn of<const N: usize>(
        lesson: &Lesson,
        (spells, stands_for): &(Vec<Spell>, f64),
        models: [&Model; N],
    ) -> [Self; N] {
        let mut told: Rows = [[0.0; COUNT]; ABSENCE_HOURS];
        let mut found = models.map(|_| Self {
            spells: Vec::with_capacity(spells.len()),
            stands_for: *stands_for,
            months: months(lesson),
        });
        for spell in spells {
            let past = lesson.past(spell.start, PAST_HOURS);
            rows(&past, lesson.utc_hour(spell.start), &lesson.zone, &mut told);
            for (found, model) in found.iter_mut().zip(models) {
                found.spells.push(Expected {
                    spell: *spell,
                    weight: weight(&past),
                    survival: survival(&model.hazards(&told)),
                    absence: model.absence(&told[0]),
                });
            }
        }
        found
    }
}

fn months(lesson: &Lesson) -> f64 {
    lesson.known_hours(WARM_UP_HOURS) as f64 / MONTH_HOURS
}

/// A home under one setting.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    months: f64,
    /// Sum of delays in hours, and of how many.
    delays: (f64, f64),
    false_alerts: f64,
    absence_alerts: f64,
}

impl Tally {
    fn add(&mut self, spell: &Spell, threshold: usize, stands_for: f64) {
        self.delays.0 += threshold as f64;
        self.delays.1 += 1.0;
        if spell.dry < threshold {
        } else if spell.dry >= ABSENCE_HOURS {
            self.absence_alerts += stands_for;
        } else if spell.is_ended {
            self.false_alerts += stands_for;
        }
    }
}

/// A figure and its 90 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// The interval's bounds.
    pub interval: (f64, f64),
}

impl Figure {
    /// With what it is in each fleet drawn.
    pub fn new(value: f64, mut drawn: Vec<f64>) -> Self {
        drawn.sort_by(f64::total_cmp);
        let at = |share: f64| drawn.get((share * drawn.len() as f64) as usize).copied();
        let [low, high] = [0.05, 0.95].map(|share| at(share).unwrap_or(f64::NAN));
        Self {
            value,
            interval: (low, high),
        }
    }
}

/// Fleets of as many homes, drawn from them: how often each comes.
pub fn fleets(homes: usize) -> impl Iterator<Item = Vec<usize>> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    (0..DRAWS).map(move |_| {
        let mut times = vec![0; homes];
        for _ in 0..homes {
            times[random.random_range(0..homes)] += 1;
        }
        times
    })
}

/// Delay against false alerts, over settings from the most eager to the most patient.
pub struct Curve {
    /// λ or hours.
    pub settings: Vec<f64>,
    /// A row for each setting, of all homes.
    tallies: Vec<Vec<Tally>>,
}

impl Curve {
    /// Over λ.
    pub fn of_foreseen(homes: &[Foreseen]) -> Self {
        let lambdas = (0..LAMBDAS).map(|step| LEAST_LAMBDA * 2.0_f64.powf(step as f64 / 2.0));
        let tally = |home: &Foreseen, lambda: f64| {
            let mut tally = Tally {
                months: home.months,
                ..Tally::default()
            };
            for expected in &home.spells {
                let hours = stopping_hours(&expected.survival, lambda * expected.weight);
                tally.add(&expected.spell, hours, home.stands_for);
            }
            tally
        };
        let settings: Vec<f64> = lambdas.collect();
        let of_all = |lambda: &f64| homes.iter().map(|home| tally(home, *lambda)).collect();
        Self {
            tallies: settings.iter().map(of_all).collect(),
            settings,
        }
    }

    /// Over fixed hours.
    pub fn of_constants(lessons: &[Lesson], judged: &[(Vec<Spell>, f64)]) -> Self {
        let hours = (FIRST_HOURS..=ABSENCE_HOURS).collect::<Vec<_>>();
        let tally = |lesson: &Lesson, (spells, stands_for): &(Vec<Spell>, f64), hours: usize| {
            let mut tally = Tally {
                months: months(lesson),
                ..Tally::default()
            };
            for spell in spells {
                tally.add(spell, hours, *stands_for);
            }
            tally
        };
        let of_all = |hours: &usize| {
            let homes = lessons.iter().zip(judged);
            homes.map(|(lesson, judged)| tally(lesson, judged, *hours)).collect()
        };
        Self {
            tallies: hours.iter().map(of_all).collect(),
            settings: hours.iter().map(|hours| *hours as f64).collect(),
        }
    }

    /// What each setting gives, the most false alerts first.
    pub fn points(&self) -> Vec<Point> {
        let mut points = self.points_of(&|_| 1);
        let homes = self.tallies.first().map_or(0, Vec::len);
        let drawn: Vec<_> = fleets(homes).map(|times| self.points_of(&|home| times[home])).collect();
        for (place, point) in points.iter_mut().enumerate() {
            let mut rates: Vec<f64> = drawn.iter().map(|points| points[place].false_per_home_month).collect();
            rates.sort_by(f64::total_cmp);
            point.false_at_most = rates.get(rates.len() * 9 / 10).copied().unwrap_or(f64::INFINITY);
        }
        points
    }

    /// The same with every home as often as `times` says.
    fn points_of(&self, times: &dyn Fn(usize) -> usize) -> Vec<Point> {
        let point = |(setting, tallies): (&f64, &Vec<Tally>)| {
            let (mut months, mut false_alerts, mut homes, mut delay) = (0.0, 0.0, 0.0, 0.0);
            for (home, tally) in tallies.iter().enumerate() {
                let times = times(home) as f64;
                months += times * tally.months;
                false_alerts += times * tally.false_alerts;
                if tally.delays.1 > 0.0 {
                    homes += times;
                    delay += times * tally.delays.0 / tally.delays.1;
                }
            }
            let rate = if months > 0.0 { false_alerts / months } else { 0.0 };
            Point {
                lambda: *setting,
                false_per_home_month: rate,
                false_at_most: rate,
                delay_hours: if homes > 0.0 { delay / homes } else { 0.0 },
            }
        };
        self.settings.iter().zip(&self.tallies).map(point).collect()
    }

    /// Delay and λ at a budget of false alerts a home-month; `None` where no setting comes to it.
    pub fn at(&self, budget: f64) -> Option<(Figure, Figure)> {
        let whole = between(&self.points_of(&|_| 1), budget)?;
        let homes = self.tallies.first().map_or(0, Vec::len);
        let drawn = fleets(homes).filter_map(|times| between(&self.points_of(&|home| times[home]), budget));
        let (delays, settings) = drawn.unzip();
        Some((Figure::new(whole.0, delays), Figure::new(whole.1, settings)))
    }

    /// Absence alerts a home-month at the setting next to a budget.
    pub fn absences_at(&self, budget: f64) -> Option<f64> {
        let place = self
            .points_of(&|_| 1)
            .iter()
            .position(|point| point.false_per_home_month < budget)?;
        let tallies = self.tallies.get(place)?;
        let months: f64 = tallies.iter().map(|tally| tally.months).sum();
        Some(tallies.iter().map(|tally| tally.absence_alerts).sum::<f64>() / months)
    }
}

/// Delay and setting at a budget, between two points on lines over the logarithm of the false rate.
fn between(points: &[Point], budget: f64) -> Option<(f64, f64)> {
    let place = points.windows(2).position(|pair| {
        let (more, fewer) = (pair[0].false_per_home_month, pair[1].false_per_home_month);
        more >= budget && fewer < budget && fewer > 0.0
    })?;
    let (more, fewer) = (&points[place], &points[place + 1]);
    let share =
        (budget / more.false_per_home_month).ln() / (fewer.false_per_home_month / more.false_per_home_month).ln();
    let delay = more.delay_hours + share * (fewer.delay_hours - more.delay_hours);
    let setting = more.lambda * (fewer.lambda / more.lambda).powf(share);
    Some((delay, setting))
}
