//! A leak that shows in every hour of the day.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::pulses::Pulses;
use super::steps::Steps;
use super::{FLOOR_HOURS, day_before};
use crate::model::HOUR;

/// So many hours in a row, the quietest of the day, show the leak alone.
const QUIET_HOURS: u32 = 3;
/// How far a leak is taken to vary from one hour to the next, as a share of itself, and in litres at most: a cistern that is flushed
/// is seen above whatever leak.
const VARIATION: f32 = 0.1;
const MOST_VARIATION: f32 = 3.0;
/// The same of an hour in which water is used, so that the leak itself is not seen.
const UNSEEN_VARIATION: f32 = 0.03;
const MOST_UNSEEN_VARIATION: f32 = 0.5;
/// How much of the way its flow of late falls towards an hour with less: what comes irregularly has more again in the next.
const FALLS_BY: f32 = 0.1;
/// What goes less above the floor, in litres, may be a leak that swings, and is not taken for refills.
const LEAST_REFILL: f32 = 4.0;
/// Hours with a part of a refill are rarer than hours with a whole one by so many times.
const LESS_OFTEN: usize = 3;
/// How many times the floor the leak is taken to bring at most.
const MOST_ABOVE: f32 = 2.0;

/// What flows in every hour, by what the home's last day has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Steady {
    /// The least of the day, in litres an hour; above 0.
    pub floor: f32,
    /// The leak's flow of late, in litres an hour: the floor or more.
    of_late: f32,
    /// How far the leak alone goes above the floor in its quietest hours, in litres: a cistern that fills again and again does not come
    /// out even in hours.
    swing: f32,
    /// What comes above it in few hours.
    pulses: Option<Pulses>,
}

impl Steady {
    /// The leak's litres in so many seconds, at its least.
    pub fn least_in(&self, seconds: u32) -> f32 {
        self.floor * seconds as f32 / HOUR as f32
    }

    /// The most that it brings in so many seconds, in litres.
    pub fn most_in(&self, seconds: u32, step: f32) -> f32 {
        let pulse = self.pulses.map_or(0.0, |pulses| pulses.litres);
        self.even_in(seconds, step)
            .max(self.least_in(seconds) + self.swing.max(pulse))
    }

    /// The most that it brings in an hour whatever it does, in litres.
    pub fn most_an_hour(&self) -> f32 {
        MOST_ABOVE * self.floor
    }

    /// The most that it brings without a swing.
    fn even_in(&self, seconds: u32, step: f32) -> f32 {
        self.of_late * seconds as f32 / HOUR as f32 + self.varies_in(seconds, step)
    }

    /// By how much it may bring more in so many seconds than it did of late.
    fn varies_in(&self, seconds: u32, step: f32) -> f32 {
        let varies = (VARIATION * self.of_late).min(MOST_VARIATION) * seconds as f32 / HOUR as f32;
        // The leak's own pulse may fall into this interval or the next: one step of the meter is no sign of life.
        step.max(varies)
    }

    /// Follows it with hour `next - 1`, which had `last` litres, and the `floor` that holds now; answers whether it was found to go
    /// further above the floor than was known.
    pub fn follow(
        &mut self,
        floor: f32,
        last: f32,
        steps: &Steps,
        litres: impl Fn(u32) -> Option<f32> + Copy,
        next: u32,
    ) -> bool {
        let step = steps.of_leak();
        self.floor = floor;
        self.follow_flow(last, step, litres, next);
        let before = self.most_in(HOUR, step);
        self.swing = self.swing_of(step, litres, next).unwrap_or(self.swing);
        let at_floor = floor..=self.even_in(HOUR, step) + 1e-4;
        let found = Pulses::of_cistern(last, steps, &at_floor, litres, next);
        let kept = self
            .pulses
            .filter(|pulses| !pulses.are_over(*at_floor.end(), litres, next));
        self.pulses = found.or(kept);
        self.most_in(HOUR, step) > before
    }

    /// Takes an hour's litres for the leak's flow of late, where nobody used water: it rises at once. It falls at once, too, as far as
    /// an irregular leak alone goes above the floor, and slowly from there.
    fn follow_flow(&mut self, last: f32, step: f32, litres: impl Fn(u32) -> Option<f32>, next: u32) {
        self.of_late = self.of_late.max(self.floor);
        let follows = if last > self.even_in(HOUR, step) {
            self.of_late + (UNSEEN_VARIATION * self.of_late).min(MOST_UNSEEN_VARIATION)
        } else if last > self.of_late {
            last.min(self.of_late * (1.0 + VARIATION))
        } else {
            let falls = self.of_late - FALLS_BY * (self.of_late - last);
            let most = median_of_day(litres, next).min(last + self.varies_in(HOUR, step));
            falls.min(most).max(last)
        };
        self.of_late = follows.clamp(self.floor, self.most_an_hour());
    }

    /// Whether what goes so far above the floor comes whole or not at all, as refills do: hours of the last day with about as much outnumber
    /// those with less by far.
    fn is_of_refills(&self, above: f32, step: f32, litres: impl Fn(u32) -> Option<f32>, next: u32) -> bool {
        let hours = || day_before(next).filter_map(&litres).map(|litres| litres - self.floor);
        let part = hours().filter(|part| (step + 1e-4..above - step - 1e-4).contains(part));
        let whole = hours().filter(|whole| (above - whole).abs() <= step + 1e-4);
        part.count() * LESS_OFTEN <= whole.count()
    }

    /// How far the quietest hours in a row of the last day go above the floor; `None` where none in a row are known.
    fn swing_of(&self, step: f32, litres: impl Fn(u32) -> Option<f32> + Copy, next: u32) -> Option<f32> {
        let first = next.saturating_sub(FLOOR_HOURS)..=next.saturating_sub(QUIET_HOURS);
        let most = first.filter_map(|first| {
            let mut hours = (first..first + QUIET_HOURS).map(litres);
            hours.try_fold(0.0_f32, |most, litres| Some(most.max(litres?)))
        });
        let above = most.reduce(f32::min)? - self.floor;
        // Behind a burst all hours in a row hold some of it; a refill more than the floor has is no more than that and a step.
        let swing = above.clamp(0.0, self.floor);
        if swing < LEAST_REFILL.max(2.0 * step) || !self.is_of_refills(above, step, litres, next) {
            return Some(swing);
        }
        // Refills are no whole numbers of steps: as many bring a step more in another hour.
        Some(above.min(self.floor + step) + step)
    }
}

/// The median of the known hours of the last day, in litres: in most homes nobody uses water in the lesser half of them, so that it
/// shows how far an irregular leak alone goes up.
fn median_of_day(litres: impl Fn(u32) -> Option<f32>, next: u32) -> f32 {
    let mut hours: SmallVec<[f32; FLOOR_HOURS as usize]> = day_before(next).filter_map(litres).collect();
    let middle = hours.len().saturating_sub(1) / 2;
    hours.sort_unstable_by(f32::total_cmp);
    hours.get(middle).copied().unwrap_or_default()
}
