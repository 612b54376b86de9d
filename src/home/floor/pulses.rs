//! A leak of less than a step of the meter an hour: single steps every few hours, by night as by day.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::steps::Steps;
use super::{day_before, enough_of_a_day};
use crate::model::HOUR;

/// The longest pause between two steps of a leak that is too slow to show in every hour, in whole dry hours; people sleep longer.
const LONGEST_PAUSE: u32 = 5;
/// So many pauses within an hour of each other tell a slow leak.
const PAUSES: u32 = 3;
/// Where a step of the meter is more than this, in litres, a single use is a step, too, and more pauses are needed.
const A_USE: f32 = 2.5;
const PAUSES_OF_USES: u32 = 5;

/// The pulses of a slow leak.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pulses {
    /// Litres of each at most.
    pub litres: f32,
    /// Hours from one to the next, at most.
    pub hours: u8,
}

impl Pulses {
    /// Those that go on in hour `next - 1`, which had `last` litres, if it has one.
    pub fn find(last: f32, steps: &Steps, litres: impl Fn(u32) -> Option<f32> + Copy, next: u32) -> Option<Self> {
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

    /// Whether they are over: the next one is more than an hour late, or may not have come.
    pub fn are_over(&self, litres: impl Fn(u32) -> Option<f32>, next: u32) -> bool {
        let hours = u32::from(self.hours);
        longest_pause(litres, next.saturating_sub(hours + 1)..next) > hours
    }

    /// The most that they bring in so many seconds, in litres.
    pub fn most_in(&self, seconds: u32) -> f32 {
        let least_apart = u32::from(self.hours).saturating_sub(1).max(1) * HOUR;
        let more = seconds.saturating_sub(HOUR) / least_apart;
        self.litres * (1 + more) as f32
    }
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
