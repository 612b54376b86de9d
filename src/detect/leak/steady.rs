//! The floor of a run of hours, how surely it is one, and what else the run says.
//!
//! Method: a run of hours with flow in each is either ordinary use, or a steady flow under it. With a steady flow of m
//! litres an hour, every hour in which nobody would have used water shows about m; with ordinary use such an hour would
//! have been dry, and an hour of about m is rare. Hours come in stretches: who used water in one hour mostly uses it in the
//! next, so each is held against the hour before it, by what this home did at that time of day after an hour with use and
//! after a dry one (a Markov chain of sixty days). So each hour speaks by the logarithm of a likelihood ratio:
//!
//! | hour | before it | with a steady flow | with ordinary use |
//! |---|---|---|---|
//! | about m | about m | dry after a dry one | used after a used one, and of about m |
//! | about m | more | dry after a used one | used after a used one, and of about m |
//! | more | about m | used after a dry one | used after a used one, and not below m |
//! | more | more | – | not below m |
//!
//! The sum over the best tail of the run is the evidence (a likelihood ratio maximised over the time at which the flow began
//! and over its size). It may fall: a home that is merely busy goes from small use to more and back. Habits of fewer than sixty days are
//! less sure, so a part of the evidence is taken off.

use smallvec::SmallVec;

use super::super::HomeView;
use super::RunOf;
use crate::home::WINDOW_HOURS;

/// The most that one hour counts for, and the most that it counts against, in nats: habits are estimates.
const MOST_OF_AN_HOUR: f32 = 3.0;
const LEAST_OF_AN_HOUR: f32 = -1.0;
/// Fewer hours at the floor say nothing: chance alone makes one of a run the least.
const FEWEST_QUIET: u32 = 5;
/// How far a steady leak is taken to vary, as a share of itself.
const VARIATION: f32 = 0.1;
/// Days of an hour's habit.
const HABIT_DAYS: u32 = 59;
/// Counted on the open hourly series of DAIAD (Alicante, 64 homes), 1 L meters, each rounded to what it is sure of.
///
/// P(an hour with use shows about m steps of the meter), in a band of one step or a tenth, is this divided by the root of m; at
/// least so much.
const CHANCE_OF_ABOUT: f32 = 0.3;
const LEAST_CHANCE: f32 = 0.03;
/// What an hour with more counts for not being below m, for a step and growing with the root of m: a quarter of what the
/// share of hours with use below m says, because hours of one day are alike.
const OF_MORE: f32 = 0.07;
/// P(an hour is dry) after an hour with use and after a dry one, of all homes; it counts as much as this many days.
const DRY_AFTER_USE: f32 = 0.3;
const DRY_AFTER_DRY: f32 = 0.73;
const DAYS_OF_ALL: f32 = 2.0;
/// Nats taken off for each time that the days known of a home (a week at least) go e-fold into those of its habits.
const WHILE_NEW: f32 = 4.0;
const LEAST_DAYS: f32 = 7.0;

/// What a run of hours says of a steady flow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The least hour of it, in litres an hour.
    pub floor: f32,
    /// Mean of the hours at the floor.
    pub mean: f32,
    /// How far the mean may be off for the meter's steps, in litres an hour.
    pub off_by: f32,
    /// Hours at the floor.
    pub quiet_hours: u32,
    /// The first hour.
    pub start: u32,
    /// Evidence in nats.
    pub evidence: f32,
}

/// Measured hours with their litres, latest first, on the stack.
type Hours = SmallVec<[(u32, f32); WINDOW_HOURS as usize]>;

/// The measured hours of the run of this kind that ends with the last complete hour, latest first.
pub fn run(home: &HomeView<'_>, before: u32, of: RunOf) -> Hours {
    let mut hours = Hours::new();
    let mut unknown = 0;
    for hour in (before.saturating_sub(WINDOW_HOURS)..before).rev() {
        if home.usage.appliance_ran(hour) {
            continue;
        }
        match home.usage.litres(hour) {
            None if unknown == of.skips => break,
            None => unknown += 1,
            Some(litres) if !of.is_wet(litres) => break,
            Some(litres) => {
                unknown = 0;
                hours.push((hour, litres));
            }
        }
    }
    hours
}

/// The tail of `run` (of `least_hours` at least) that speaks most for a steady flow.
pub fn best(home: &HomeView<'_>, run: &[(u32, f32)], least_hours: usize) -> Option<Estimate> {
    let step = home.usage.floor().step();
    // The home's habit is asked for where it is needed, once for each hour.
    let mut habits = [None; WINDOW_HOURS as usize];
    let mut best: Option<Estimate> = None;
    let mut floor = f32::INFINITY;
    for length in 1..=run.len() {
        floor = floor.min(run[length - 1].1);
        // A tail ends where the next hour would lower its floor.
        let whole = run.get(length).is_none_or(|(_, litres)| *litres < floor);
        if length < least_hours || !whole {
            continue;
        }
        let estimate = estimate(home, &run[..length], &mut habits, (floor, step));
        if estimate.quiet_hours >= FEWEST_QUIET && best.is_none_or(|best| estimate.evidence > best.evidence) {
            best = Some(estimate);
        }
    }
    let days = (home.usage.routine().known_hours() as f32 / 24.0).max(LEAST_DAYS);
    let unsure = WHILE_NEW * (HABIT_DAYS as f32 / days).ln().max(0.0);
    best.map(|best| Estimate {
        evidence: best.evidence - unsure,
        ..best
    })
}

fn estimate(
    home: &HomeView<'_>,
    run: &[(u32, f32)],
    habits: &mut [Option<Habit>],
    (floor, step): (f32, f32),
) -> Estimate {
    let band = floor + step.max(VARIATION * floor) + 1e-3;
    // Of meters that count finely no more is known than of those that count whole litres.
    let steps = (floor / step.max(1.0)).max(1.0).sqrt();
    let about = (CHANCE_OF_ABOUT / steps).max(LEAST_CHANCE);
    let (mut quiet, mut sum, mut stretches, mut evidence) = (0_u32, 0.0, 0_u32, 0.0);
    for (place, (hour, litres)) in run.iter().enumerate() {
        // What is not known, or lies before the tail, is taken for use.
        let before = run.get(place + 1).filter(|before| before.0 + 1 == *hour);
        let after_quiet = before.is_some_and(|before| before.1 <= band);
        let is_quiet = *litres <= band;
        if !is_quiet {
            evidence += OF_MORE * steps;
        } else {
            quiet += 1;
            sum += litres;
            stretches += u32::from(!after_quiet);
        }
        if !is_quiet && !after_quiet {
            continue;
        }
        let habit = *habits[place].get_or_insert_with(|| Habit::of(home, *hour));
        let ordinary = 1.0 - habit.dry_after_use;
        let ratio = match (is_quiet, after_quiet) {
            (true, true) => habit.dry_after_dry / (ordinary * about),
            (true, false) => habit.dry_after_use / (ordinary * about),
            (false, _) => (1.0 - habit.dry_after_dry) / ordinary,
        };
        evidence += ratio.ln().clamp(LEAST_OF_AN_HOUR, MOST_OF_AN_HOUR);
    }
    Estimate {
        floor,
        mean: sum / quiet.max(1) as f32,
        // Within a stretch of hours the steps of the meter cancel but for the first and the last.
        off_by: step * stretches as f32 / quiet.max(1) as f32,
        quiet_hours: quiet,
        start: run.last().map_or(0, |(hour, _)| *hour),
        evidence,
    }
}

/// How likely an hour of the day is dry in this home, by the days before.
#[derive(Clone, Copy, Debug)]
struct Habit {
    dry_after_use: f32,
    dry_after_dry: f32,
}

impl Habit {
    fn of(home: &HomeView<'_>, hour: u32) -> Self {
        let routine = home.usage.routine();
        let (mut days, mut dry) = (
            [DAYS_OF_ALL; 2],
            [DAYS_OF_ALL * DRY_AFTER_DRY, DAYS_OF_ALL * DRY_AFTER_USE],
        );
        for before in (1..=HABIT_DAYS).map_while(|day| hour.checked_sub(24 * day + 1)) {
            let (Some(before), Some(used)) = (routine.used(before), routine.used(before + 1)) else {
                continue;
            };
            days[usize::from(before)] += 1.0;
            dry[usize::from(before)] += f32::from(u8::from(!used));
        }
        Self {
            dry_after_use: dry[1] / days[1],
            dry_after_dry: dry[0] / days[0],
        }
    }
}

/// The floor of all of a run's last day.
pub fn floor_of_day(run: &[(u32, f32)]) -> f32 {
    let last_day = run.iter().take(24);
    last_day.map(|(_, litres)| *litres).fold(f32::INFINITY, f32::min)
}
