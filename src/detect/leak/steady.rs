//! The floor of a run of hours, how surely it is one, and what else the run says.
//!
//! Method: a run of hours with flow in each is either ordinary use, or a steady flow under it. With a steady flow of m
//! litres an hour, every hour in which nobody would have used water shows about m; with ordinary use such an hour would
//! have been dry, and an hour of about m is rare. So each hour near the least one of the run speaks for a leak by the
//! logarithm of P(dry hour) / P(hour of about m); the first is this home's own, by hour of the day over sixty days.
//! Hours with more say nothing either way. The sum over the best tail of the run is the evidence (a likelihood ratio
//! maximised over the time at which the flow began and over its size).

use smallvec::SmallVec;

use super::super::HomeView;
use super::RunOf;
use crate::home::WINDOW_HOURS;

/// The most that one hour counts for, in nats: hours of one night are not independent.
const MOST_OF_AN_HOUR: f32 = 2.0;
/// Fewer hours at the floor say nothing: chance alone makes one of a run the least.
const FEWEST_QUIET: u32 = 5;
/// How far a steady leak is taken to vary, as a share of itself.
const VARIATION: f32 = 0.1;
/// Days of an hour's habit.
const HABIT_DAYS: u32 = 59;
/// P(an hour with use shows about m litres): for m up to this many litres, and for more. Counted on the open hourly
/// series of DAIAD (Alicante, 64 homes), 1 L meters, in a band of two steps.
const SMALL_LITRES: f32 = 1.5;
const CHANCE_OF_SMALL: f32 = 0.17;
const CHANCE_OF_MORE: f32 = 0.09;

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
    let step = home.usage.floor().resolution().unwrap_or(1.0);
    // Most hours of most runs are above every band: the home's habit is asked for the others alone, once each.
    let mut dry = [None; WINDOW_HOURS as usize];
    let mut best: Option<Estimate> = None;
    let mut floor = f32::INFINITY;
    for length in 1..=run.len() {
        floor = floor.min(run[length - 1].1);
        // A tail ends where the next hour would lower its floor: with every hour more it says no less.
        let whole = run.get(length).is_none_or(|(_, litres)| *litres < floor);
        if length < least_hours || !whole {
            continue;
        }
        let estimate = estimate(home, &run[..length], &mut dry, (floor, step));
        if estimate.quiet_hours >= FEWEST_QUIET && best.is_none_or(|best| estimate.evidence > best.evidence) {
            best = Some(estimate);
        }
    }
    best
}

fn estimate(home: &HomeView<'_>, run: &[(u32, f32)], dry: &mut [Option<f32>], (floor, step): (f32, f32)) -> Estimate {
    let band = floor + step.max(VARIATION * floor) + 1e-3;
    let chance = if floor <= SMALL_LITRES {
        CHANCE_OF_SMALL
    } else {
        CHANCE_OF_MORE
    };
    let (mut quiet, mut sum, mut stretches, mut evidence) = (0_u32, 0.0, 0_u32, 0.0);
    let mut last_quiet = None;
    for ((hour, litres), dry) in run.iter().zip(dry) {
        if *litres > band {
            continue;
        }
        quiet += 1;
        sum += litres;
        stretches += u32::from(last_quiet != Some(hour + 1));
        last_quiet = Some(*hour);
        let dry = *dry.get_or_insert_with(|| chance_of_dry(home, *hour));
        evidence += (dry / ((1.0 - dry) * chance)).ln().clamp(0.0, MOST_OF_AN_HOUR);
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

/// How likely this hour of the day is dry in this home, by the days before.
fn chance_of_dry(home: &HomeView<'_>, hour: u32) -> f32 {
    let routine = home.usage.routine();
    let (mut dry, mut known) = (1.0, 2.0);
    for used in (1..=HABIT_DAYS).filter_map(|day| routine.used(hour.checked_sub(24 * day)?)) {
        known += 1.0;
        dry += f32::from(u8::from(!used));
    }
    dry / known
}

/// The floor of all of a run's last day.
pub fn floor_of_day(run: &[(u32, f32)]) -> f32 {
    let last_day = run.iter().take(24);
    last_day.map(|(_, litres)| *litres).fold(f32::INFINITY, f32::min)
}
