//! A leak that shows in every hour of the day.

use serde::{Deserialize, Serialize};

use super::FLOOR_HOURS;
use super::refills::one_refill_more;
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
/// How many times the floor the leak is taken to bring at most.
const MOST_ABOVE: f32 = 2.0;

/// What flows in every hour, by what the home's last day has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Steady {
    /// The least of the day, in litres an hour; above 0.
    pub floor: f32,
    /// The leak's flow of late, in litres an hour: the floor or more.
    of_late: f32,
    /// How far the leak alone goes above the floor, in litres: a cistern that fills again and again does not come out even in
    /// hours, and a slow leak comes in single steps.
    pub swing: f32,
}

impl Steady {
    /// One that was not seen before, with the swing that is known.
    pub fn with_swing(swing: f32) -> Self {
        Self {
            swing,
            ..Self::default()
        }
    }

    /// The leak's litres in so many seconds, at its least.
    pub fn least_in(&self, seconds: u32) -> f32 {
        self.floor * seconds as f32 / HOUR as f32
    }

    /// The most that it brings in so many seconds, in litres.
    pub fn most_in(&self, seconds: u32, step: f32) -> f32 {
        self.even_in(seconds, step).max(self.least_in(seconds) + self.swing)
    }

    /// The most that it brings in an hour whatever it does, in litres.
    pub fn most_an_hour(&self) -> f32 {
        MOST_ABOVE * self.floor
    }

    /// The most that it brings without a swing.
    fn even_in(&self, seconds: u32, step: f32) -> f32 {
        let hours = seconds as f32 / HOUR as f32;
        let varies = (VARIATION * self.of_late).min(MOST_VARIATION) * hours;
        // The leak's own pulse may fall into this interval or the next: one step of the meter is no sign of life.
        self.of_late * hours + step.max(varies)
    }

    /// Follows it with hour `next - 1`, which had `last` litres, and the `floor` that holds now.
    pub fn follow(&mut self, floor: f32, last: f32, step: f32, litres: impl Fn(u32) -> Option<f32> + Copy, next: u32) {
        self.floor = floor;
        self.follow_flow(last, step);
        self.swing = self.swing_of(step, litres, next).unwrap_or(self.swing);
    }

    /// Takes an hour's litres for the leak's flow of late, where nobody used water: falls at once, rises slowly.
    fn follow_flow(&mut self, last: f32, step: f32) {
        self.of_late = self.of_late.max(self.floor);
        let follows = if last <= self.even_in(HOUR, step) {
            last.min(self.of_late * (1.0 + VARIATION))
        } else {
            self.of_late + (UNSEEN_VARIATION * self.of_late).min(MOST_UNSEEN_VARIATION)
        };
        self.of_late = follows.clamp(self.floor, self.most_an_hour());
    }

    /// How far the quietest hours in a row of the last day go above the floor; `None` where none in a row are known.
    fn swing_of(&self, step: f32, litres: impl Fn(u32) -> Option<f32> + Copy, next: u32) -> Option<f32> {
        let first = next.saturating_sub(FLOOR_HOURS)..=next.saturating_sub(QUIET_HOURS);
        let most = first.filter_map(|first| {
            let mut hours = (first..first + QUIET_HOURS).map(litres);
            hours.try_fold(0.0_f32, |most, litres| Some(most.max(litres?)))
        });
        let most = most.reduce(f32::min)?;
        let refill = one_refill_more(self.floor, step, litres, next).unwrap_or(0.0);
        // Behind a burst all hours in a row hold some of it.
        Some((most - self.floor).max(refill).clamp(0.0, self.floor))
    }
}
