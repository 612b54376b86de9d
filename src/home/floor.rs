//! The leak floor: the flow that never stops.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::window::WINDOW_HOURS;
use crate::model::HOUR;

/// Known hours over which the floor is the least: a home without a leak has a dry hour in every day.
const FLOOR_HOURS: u32 = 24;
/// With fewer known hours than this among them, the floor may fall but not rise.
const ENOUGH_HOURS: u32 = 18;
/// So many hours in a row, the quietest of the day, show the leak alone.
const QUIET_HOURS: u32 = 3;
/// Hours after which the smallest step seen begins to be forgotten.
const STEP_HOURS: u32 = 7 * 24;
const STEPS_PER_LITRE: f32 = 100.0;
const UNSEEN: u16 = u16::MAX;
/// How far a leak is taken to vary from one hour to the next, as a share of itself, and in litres at most: a cistern that is flushed
/// is seen above whatever leak.
const VARIATION: f32 = 0.1;
const MOST_VARIATION: f32 = 3.0;
/// The same of an hour in which water is used, so that the leak itself is not seen.
const UNSEEN_VARIATION: f32 = 0.03;
const MOST_UNSEEN_VARIATION: f32 = 0.5;
/// By how much of a step of the meter the mean of refills may miss a part of the floor.
const SURE_OF_REFILL: f32 = 0.25;
/// How many times an hour a cistern fills at most, where its refills are told by their size.
const MOST_REFILLS: f32 = 5.0;
/// The longest pause between two steps of a leak that is too slow to show in every hour, in whole dry hours; people sleep longer.
const LONGEST_PAUSE: u32 = 5;
/// How many times the floor the leak's flow of late may be.
const MOST_ABOVE: f32 = 2.0;
/// So many pauses within an hour of each other tell a slow leak.
const PAUSES: u32 = 3;
/// Where a step of the meter is more than this, in litres, a single use is a step, too, and more pauses are needed.
const A_USE: f32 = 2.5;
const PAUSES_OF_USES: u32 = 5;
/// From so many steps on a volume does not tell whether it is a whole number of them: litres are rounded.
const MANY_STEPS: f32 = 20.0;
/// By how much of a step a volume may miss a whole number of them.
const UNEVEN: f32 = 0.05;
/// How much a volume that is no whole number of steps weighs against one that is: of volumes of any size one in ten looks like one.
const UNEVEN_WEIGHT: i8 = 2;
/// The most that volumes weigh together, so that another meter is soon known for one.
const MOST_WEIGHT: i8 = 16;
/// The coarsest step of a meter that is taken for a leak's alone, in litres.
const COARSEST_STEP: f32 = 10.0;

/// The flow of a home that never stopped in its last day, in litres an hour, and how finely its meter counts.
///
/// The floor falls at once and rises only when a whole day has lain above it, so that use is never taken for a leak
/// within a day. Method: minimum night flow as water utilities measure it (IWA), over all hours of the day, because
/// one home's quiet hours are its own. What goes on above it in the quietest hours in a row is the leak's as well, and so is what comes
/// slowly from hour to hour: pressure goes up and down with the day, and leaks grow.
///
/// A leak of less than a step of the meter an hour has hours without flow, and a floor of 0. It is known by its pulses: single
/// steps every few hours, by night as by day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    litres_per_hour: f32,
    /// The leak's flow of late, in litres an hour: the floor or more.
    of_late: f32,
    /// How far the leak alone goes above the floor, in litres: a cistern that fills again and again does not come out even in
    /// hours, and a slow leak comes in single steps.
    swing: f32,
    /// Hours from one pulse of a slow leak to the next, at most; 0 where there is none.
    pulse_hours: u8,
    /// Whether this home's volumes are whole numbers of its least, and not always one of it: above 0 the least is its meter's step,
    /// else it may be a use.
    counts_in_steps: i8,
    /// The least volume that a meter has shown in this stretch of time and in the one before, in hundredths of a litre.
    steps: [u16; 2],
}

impl Default for Floor {
    fn default() -> Self {
        Self {
            litres_per_hour: 0.0,
            of_late: 0.0,
            swing: 0.0,
            pulse_hours: 0,
            counts_in_steps: 0,
            steps: [UNSEEN; 2],
        }
    }
}

impl Floor {
    /// The floor in litres an hour; 0 where there is no leak.
    pub fn litres_per_hour(&self) -> f32 {
        self.litres_per_hour
    }

    /// The smallest step this home's meters have shown of late, in litres; `None` before any use. It is forgotten within
    /// two weeks without a leak, so that a coarser meter is known for one soon.
    pub fn resolution(&self) -> Option<f32> {
        let step = self.steps[0].min(self.steps[1]);
        (step != UNSEEN).then(|| f32::from(step) / STEPS_PER_LITRE)
    }

    /// Learns from a volume measured in so many seconds how finely the meter counts. While a leak flows, what an hour has more than
    /// its floor tells as well: the floor is an hour's volume too. A leak from the first reading on would else be the step itself.
    pub(super) fn observe(&mut self, litres: f32, seconds: u32) {
        let is_of_hour = seconds == HOUR && self.litres_per_hour > 0.0;
        let above = is_of_hour.then_some(litres - self.litres_per_hour);
        for litres in [Some(litres), above].into_iter().flatten() {
            let steps = (litres * STEPS_PER_LITRE).round();
            if steps >= 1.0 && steps < f32::from(self.steps[0]) {
                self.steps[0] = steps as u16;
            }
        }
        let steps = litres / self.leak_step();
        if steps < MANY_STEPS {
            let is_uneven = (steps - steps.round()).abs() > UNEVEN;
            let weight = if is_uneven {
                -UNEVEN_WEIGHT
            } else {
                i8::from(steps > 1.5)
            };
            self.counts_in_steps = (self.counts_in_steps + weight).clamp(-MOST_WEIGHT, MOST_WEIGHT);
        }
    }

    /// The pulses of a leak too slow to show in every hour, where there is one: the litres of each at most, and the hours from one to the
    /// next at most.
    pub fn pulses(&self) -> Option<(f32, u32)> {
        (self.pulse_hours > 0).then(|| (self.swing, self.pulse_hours.into()))
    }

    /// Whether `litres` in `seconds` hold more than the leak: a sign of life.
    pub fn is_use(&self, litres: f32, seconds: u32) -> bool {
        if let Some((pulse, hours)) = self.pulses() {
            let more = seconds.saturating_sub(HOUR) / (hours.saturating_sub(1).max(1) * HOUR);
            return litres > pulse * (1 + more) as f32 + 1e-4;
        }
        if self.litres_per_hour <= 0.0 {
            return litres > 0.0;
        }
        litres > self.steady_in(seconds).max(self.leak_in(seconds) + self.swing) + 1e-4
    }

    /// The most that a leak without a swing brings in so many seconds, in litres.
    fn steady_in(&self, seconds: u32) -> f32 {
        let hours = seconds as f32 / HOUR as f32;
        let varies = (VARIATION * self.of_late).min(MOST_VARIATION) * hours;
        // The leak's own pulse may fall into this interval or the next: one step of the meter is no sign of life.
        self.of_late * hours + self.leak_step().max(varies)
    }

    /// The smallest step of the home's meters in litres: one, as most have it, before any use.
    pub fn step(&self) -> f32 {
        self.resolution().unwrap_or(1.0)
    }

    /// The most that is taken for a step of the leak alone.
    fn leak_step(&self) -> f32 {
        self.step().min(COARSEST_STEP)
    }

    /// [`Self::is_use`] for a part of an hour that had `of_hour` litres with it. A refill or a pulse may come into any part of an hour,
    /// not into each; and where the leak does not come evenly, its hour alone says whether there was more than the leak.
    pub(super) fn is_use_in_hour(&self, litres: f32, seconds: u32, of_hour: f32, comes_evenly: bool) -> bool {
        let says_itself = seconds >= HOUR || comes_evenly || self.litres_per_hour <= 0.0;
        let hour_says = seconds < HOUR && litres > 0.0;
        says_itself && self.is_use(litres, seconds) || hour_says && self.is_use(of_hour, HOUR)
    }

    /// Whether `litres` in `seconds` are more than the leak at its least: a use, or no more than the leak's own step.
    pub(super) fn is_above(&self, litres: f32, seconds: u32) -> bool {
        litres > self.leak_in(seconds) + 1e-4
    }

    /// Whether `litres` in `seconds` are less than a leak brings that comes evenly, by more than a step of the meter.
    pub(super) fn is_short(&self, litres: f32, seconds: u32) -> bool {
        litres + self.leak_step() + 1e-4 < self.leak_in(seconds)
    }

    /// Litres of the leak in so many seconds.
    fn leak_in(&self, seconds: u32) -> f32 {
        self.litres_per_hour * seconds as f32 / HOUR as f32
    }

    /// Takes hour `next - 1` into account, of the litres of each hour where they say something of a leak; answers whether
    /// what is taken for the leak rose.
    pub(super) fn hour_completed(&mut self, litres: impl Fn(u32) -> Option<f32> + Copy, next: u32) -> bool {
        // While a leak flows the least volume is the leak's, and says nothing of the meter's step.
        if next.is_multiple_of(STEP_HOURS) && self.litres_per_hour <= 0.0 {
            self.steps = [
                UNSEEN,
                if self.steps[0] == UNSEEN {
                    self.steps[1]
                } else {
                    self.steps[0]
                },
            ];
        }
        let Some(last) = litres(next - 1) else {
            // A gap moves nothing, but that a pulse may not be waited for.
            self.miss_pulse(litres, next);
            return false;
        };
        let mut known = 0;
        let mut least = f32::INFINITY;
        for litres in (next.saturating_sub(FLOOR_HOURS)..next).filter_map(litres) {
            known += 1;
            least = least.min(litres);
        }
        let rose = known >= ENOUGH_HOURS && least > self.litres_per_hour;
        if rose || least < self.litres_per_hour {
            self.litres_per_hour = least;
        }
        if self.litres_per_hour <= 0.0 {
            self.of_late = 0.0;
            return self.follow_pulses(last, litres, next);
        }
        self.follow_flow(last);
        self.pulse_hours = 0;
        let swung = self.swing;
        self.swing = self.swing_of(litres, next).unwrap_or(self.swing);
        rose || self.swing > swung
    }

    /// Takes an hour's litres for the leak's flow of late, where nobody used water: falls at once, rises slowly.
    fn follow_flow(&mut self, last: f32) {
        self.of_late = self.of_late.max(self.litres_per_hour);
        let follows = if last <= self.steady_in(HOUR) {
            last.min(self.of_late * (1.0 + VARIATION))
        } else {
            self.of_late + (UNSEEN_VARIATION * self.of_late).min(MOST_UNSEEN_VARIATION)
        };
        self.of_late = follows.clamp(self.litres_per_hour, MOST_ABOVE * self.litres_per_hour);
    }

    /// Learns of a slow leak, where none shows in every hour; answers whether one was found.
    fn follow_pulses(&mut self, last: f32, litres: impl Fn(u32) -> Option<f32> + Copy, next: u32) -> bool {
        self.miss_pulse(litres, next);
        if self.pulse_hours > 0 {
            return false;
        }
        self.swing = 0.0;
        let step = self.leak_step();
        let is_step = |litres: &f32| *litres <= step + 1e-4;
        if last <= 0.0 || !is_step(&last) {
            return false;
        }
        let pauses = if step > A_USE { PAUSES_OF_USES } else { PAUSES };
        let Some(pause) = pause_of_steps(|hour| litres(hour).filter(is_step), next, pauses) else {
            return false;
        };
        // One that never stops has had no longer pause all day.
        let day = next.saturating_sub(FLOOR_HOURS)..next;
        let known = day.clone().filter(|hour| litres(*hour).is_some()).count() as u32;
        // Where no more than a step is ever used at once, or other than whole steps, a step is a use.
        if known < ENOUGH_HOURS || self.counts_in_steps <= 0 || longest_pause(litres, day) > pause + 1 {
            return false;
        }
        (self.swing, self.pulse_hours) = (step, pause as u8 + 1);
        true
    }

    /// A slow leak is over when its next pulse is more than an hour late, or may not have come.
    fn miss_pulse(&mut self, litres: impl Fn(u32) -> Option<f32> + Copy, next: u32) {
        let hours = u32::from(self.pulse_hours);
        if hours > 0 && longest_pause(litres, next.saturating_sub(hours + 1)..next) > hours {
            (self.swing, self.pulse_hours) = (0.0, 0);
        }
    }

    /// How far the quietest hours in a row of the last day go above the floor; `None` where none in a row are known.
    fn swing_of(&self, litres: impl Fn(u32) -> Option<f32> + Copy, next: u32) -> Option<f32> {
        let first = next.saturating_sub(FLOOR_HOURS)..=next.saturating_sub(QUIET_HOURS);
        let most = first.filter_map(|first| {
            let mut hours = (first..first + QUIET_HOURS).map(litres);
            hours.try_fold(0.0_f32, |most, litres| Some(most.max(litres?)))
        });
        let most = most.reduce(f32::min)?;
        let refill = self.refill(litres, next).unwrap_or(0.0);
        // Behind a burst all hours in a row hold some of it.
        Some(
            (most - self.litres_per_hour)
                .max(refill)
                .clamp(0.0, self.litres_per_hour),
        )
    }

    /// What an hour has above the floor with one refill more, where a cistern fills a little more often than a whole number of times an
    /// hour, so that few hours have one: as much goes into the floor a whole number of times, and came twice with the floor alone in the
    /// hours beside it.
    fn refill(&self, litres: impl Fn(u32) -> Option<f32> + Copy, next: u32) -> Option<f32> {
        let step = self.leak_step();
        let above = |hour| litres(hour).map(|litres| litres - self.litres_per_hour);
        let at_floor = |hour: &u32| above(*hour).is_some_and(|above| (0.0..=step + 1e-4).contains(&above));
        let hours = next.saturating_sub(WINDOW_HOURS)..next;
        let (sum, count) = hours
            .clone()
            .filter(at_floor)
            .filter_map(above)
            .fold((0.0, 0.0), |(sum, count), above| (sum + above, count + 1.0));
        let (even, floor) = (sum / count, self.litres_per_hour + sum / count);
        let single = |hour: &u32| at_floor(&(hour - 1)) && at_floor(&(hour + 1)) && !at_floor(hour);
        let singles = || (hours.start + 1..next - 1).filter(single).filter_map(above);
        let of_size = singles().filter_map(|least| {
            let alike = singles().filter(|above| (least..=least + step + 1e-4).contains(above));
            let (most, more, refills) = alike.fold((0.0_f32, 0.0, 0.0), |(most, sum, count), above| {
                (most.max(above), sum + above, count + 1.0)
            });
            let refill = more / refills - even;
            let times = (floor / refill).round();
            let is_part =
                (1.0..=MOST_REFILLS).contains(&times) && (floor / times - refill).abs() <= SURE_OF_REFILL * step;
            (refills >= 2.0 && is_part).then_some(most)
        });
        of_size.reduce(f32::min)
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
