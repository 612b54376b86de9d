//! What comes again and again at distances alike, by night as by day: steps of a leak too slow to show in every hour, and refills of a
//! cistern.

use std::ops::{Range, RangeInclusive};

use serde::{Deserialize, Serialize};

use super::steps::Steps;
use super::{FLOOR_HOURS, day_before, enough_of_a_day};
use crate::home::window::WINDOW_HOURS;
use crate::model::HOUR;

/// The longest pause between two steps of a leak that is too slow to show in every hour, in whole dry hours; people sleep longer.
const LONGEST_PAUSE: u32 = 5;
/// So many pauses within an hour of each other tell a slow leak.
const PAUSES: u32 = 3;
/// Where a step of the meter is more than this, in litres, a single use is a step, too, and more pauses are needed.
const A_USE: f32 = 2.5;
const PAUSES_OF_USES: u32 = 5;
/// Refills are known by so many distances alike.
const DISTANCES: u32 = 3;
/// And by so many hours of them: people use as much twice in a night.
const ALIKE_HOURS: u32 = 12;
/// Where there is no floor, by so many, and by nothing else in the last day: alike flushes every few hours are a person's as well.
const ALIKE_HOURS_ALONE: u32 = FLOOR_HOURS - LONGEST_APART;
/// The longest of those distances, in hours: few people use water so often in the night, and as much as by day.
const LONGEST_APART: u32 = 4;
/// All three where a refill goes a whole number of times into the floor, as those of one cistern do.
const DISTANCES_OF_PART: u32 = 2;
const LONGEST_APART_OF_PART: u32 = 9;
const ALIKE_HOURS_OF_PART: u32 = 10;
/// By how much of a step of the meter the mean of refills may miss a part of the floor.
const SURE_OF_PART: f32 = 0.25;
/// How many times an hour a cistern fills at most, where its refills are told by their size.
const MOST_REFILLS: f32 = 5.0;

/// Pulses above the floor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pulses {
    /// Litres of each above the floor at most.
    pub litres: f32,
    /// Hours from one to the next, at most.
    pub hours: u8,
}

impl Pulses {
    /// Those of a leak of less than a step of the meter an hour, if hour `next - 1`, which had `last` litres, has one.
    pub fn of_slow_leak(
        last: f32,
        steps: &Steps,
        litres: impl Fn(u32) -> Option<f32> + Copy,
        next: u32,
    ) -> Option<Self> {
        let step = steps.of_leak();
        let is_step = |litres: &f32| *litres <= step + 1e-4;
        if last <= 0.0 || !is_step(&last) {
            return None;
        }
        let needed = if step > A_USE { PAUSES_OF_USES } else { PAUSES };
        let pause = pause_of_steps(|hour| litres(hour).filter(is_step), next, needed)?;
        // One that never stops has had no longer pause all day. Where no more than a step is ever used at once, or other than whole
        // steps, a step is a use.
        let goes_on_all_day = || longest_pause(litres, day_before(next)) <= pause + 1;
        (steps.are_counted() && enough_of_a_day(litres, next) && goes_on_all_day()).then_some(Self {
            litres: step,
            hours: pause as u8 + 1,
        })
    }

    /// Refills, if hour `next - 1`, which had `last` litres, has one more than hours `at_floor` have: where a cistern fills every few
    /// hours, or a little more often than a whole number of times an hour. What people use is not alike, and they sleep.
    pub fn of_cistern(
        last: f32,
        steps: &Steps,
        at_floor: &RangeInclusive<f32>,
        litres: impl Fn(u32) -> Option<f32> + Copy,
        next: u32,
    ) -> Option<Self> {
        let (step, apart_by) = (steps.of_leak(), steps.apart());
        let has_floor = *at_floor.start() > 0.0;
        let is_pulse = |litres: &f32| *litres > at_floor.end().max(step + 1e-4);
        if !is_pulse(&last) {
            return None;
        }
        // What never stops has had no longer pause all day.
        let above = |hour| litres(hour).map(|litres| litres - at_floor.end());
        let pause = longest_pause(above, day_before(next));
        if pause > LONGEST_APART_OF_PART {
            return None;
        }
        let hours = next.saturating_sub(WINDOW_HOURS)..next;
        let sizes = hours.clone().filter_map(litres).filter(is_pulse);
        let mut of_last = sizes.filter(|least| (*least..=least + apart_by + 1e-4).contains(&last));
        of_last.find_map(|least| {
            let alike = least..=least + apart_by + 1e-4;
            let kind = |hour| match litres(hour) {
                Some(litres) if at_floor.contains(&litres) => Kind::AtFloor,
                Some(litres) if alike.contains(&litres) => Kind::Pulse,
                _ => Kind::Other,
            };
            if !has_floor && day_before(next).any(|hour| matches!(kind(hour), Kind::Other)) {
                return None;
            }
            let is_part = is_part(at_floor, &alike, step, || hours.clone().filter_map(litres));
            let (longest_apart, needed) = match is_part {
                true => (LONGEST_APART_OF_PART, (DISTANCES_OF_PART, ALIKE_HOURS_OF_PART)),
                false if has_floor => (LONGEST_APART, (DISTANCES, ALIKE_HOURS)),
                false => (LONGEST_APART, (DISTANCES, ALIKE_HOURS_ALONE)),
            };
            let apart = distance_alike(kind, hours.clone(), needed)?;
            let seen = hours.clone().filter_map(litres).filter(|litres| alike.contains(litres));
            (pause <= apart && apart <= longest_apart).then(|| Self {
                litres: seen.fold(least, f32::max) - at_floor.start(),
                hours: apart as u8,
            })
        })
    }

    /// Whether they are over: the next one is more than an hour late above what the floor alone brings `at_most`, or may not have come.
    pub fn are_over(&self, at_most: f32, litres: impl Fn(u32) -> Option<f32>, next: u32) -> bool {
        let hours = u32::from(self.hours);
        longest_pause(
            |hour| litres(hour).map(|litres| litres - at_most),
            next.saturating_sub(hours + 1)..next,
        ) > hours
    }

    /// The most that they bring in so many seconds, in litres.
    pub fn most_in(&self, seconds: u32) -> f32 {
        let least_apart = u32::from(self.hours).saturating_sub(1).max(1) * HOUR;
        let more = seconds.saturating_sub(HOUR) / least_apart;
        self.litres * (1 + more) as f32
    }
}

/// What an hour shows of refills.
enum Kind {
    AtFloor,
    Pulse,
    /// Other uses, or nothing is known: it may hide a pulse.
    Other,
}

/// The longest distance in hours between the last pulses of `hours`, of which the last has one; `None` where they do not come at distances
/// alike, or not as many, of as many hours, as are `needed`.
fn distance_alike(kind: impl Fn(u32) -> Kind, hours: Range<u32>, needed: (u32, u32)) -> Option<u32> {
    let (mut shortest, mut longest, mut sum, mut count) = (u32::MAX, 0, 0, 0);
    let (mut quiet, mut longest_quiet, mut is_before_pulse) = (0, 0, false);
    for hour in hours.rev() {
        match kind(hour) {
            Kind::AtFloor => {
                quiet += 1;
                longest_quiet = longest_quiet.max(quiet);
            }
            Kind::Pulse => {
                if is_before_pulse {
                    (shortest, longest) = (shortest.min(quiet + 1), longest.max(quiet + 1));
                    (sum, count) = (sum + quiet + 1, count + 1);
                }
                (quiet, is_before_pulse) = (0, true);
            }
            Kind::Other => (quiet, is_before_pulse) = (0, false),
        }
        if longest.max(longest_quiet + 1) > shortest.saturating_add(1 + shortest / 4) {
            return None;
        }
        if count >= needed.0 && sum >= needed.1 && longest > 1 {
            return Some(longest);
        }
    }
    None
}

/// Whether a pulse goes a whole number of times into what hours at the floor have, by the means of both.
fn is_part<I: Iterator<Item = f32>>(
    at_floor: &RangeInclusive<f32>,
    alike: &RangeInclusive<f32>,
    step: f32,
    litres: impl Fn() -> I,
) -> bool {
    let mean = |range: &RangeInclusive<f32>| {
        let within = litres().filter(|litres| range.contains(litres));
        let (sum, count) = within.fold((0.0, 0.0_f32), |(sum, count), litres| (sum + litres, count + 1.0));
        sum / count
    };
    let floor = mean(at_floor);
    let refill = mean(alike) - floor;
    let times = (floor / refill).round();
    (1.0..=MOST_REFILLS).contains(&times) && (floor / times - refill).abs() <= SURE_OF_PART * step
}

/// The longest pause in hours between the last single steps up to hour `next - 1`, which has one; `None` where something else flowed between
/// them, or they do not come at distances alike: `needed` pauses within an hour of each other, or one less of the same length.
fn pause_of_steps(step: impl Fn(u32) -> Option<f32>, next: u32, needed: u32) -> Option<u32> {
    let (mut shortest, mut longest) = (LONGEST_PAUSE, 0);
    let (mut pauses, mut pause) = (0, 0);
    for hour in (0..next - 1).rev() {
        if step(hour)? <= 0.0 {
            pause += 1;
            if pause > LONGEST_PAUSE {
                return None;
            }
            continue;
        }
        (shortest, longest) = (shortest.min(pause), longest.max(pause));
        (pauses, pause) = (pauses + 1, 0);
        let apart = longest - shortest;
        if apart > 1 {
            return None;
        }
        if longest > 0 && (apart == 0 && pauses == needed - 1 || pauses == needed) {
            return Some(longest);
        }
        if pauses == needed {
            return None; // In every hour: that is a floor.
        }
    }
    None
}

/// The longest stretch of `hours` without flow, as far as is known.
fn longest_pause(litres: impl Fn(u32) -> Option<f32>, hours: Range<u32>) -> u32 {
    let (mut longest, mut pause) = (0, 0);
    for hour in hours {
        pause = if litres(hour).is_some_and(|litres| litres > 0.0) {
            0
        } else {
            pause + 1
        };
        longest = longest.max(pause);
    }
    longest
}
