//! The leak floor: the flow that never stops.

use serde::{Deserialize, Serialize};

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
/// How far a steady leak is taken to vary, as a share of itself.
const VARIATION: f32 = 0.1;

/// The flow of a home that never stopped in its last day, in litres an hour, and how finely its meter counts.
///
/// The floor falls at once and rises only when a whole day has lain above it, so that use is never taken for a leak
/// within a day. Method: minimum night flow as water utilities measure it (IWA), over all hours of the day, because
/// one home's quiet hours are its own. What goes on above it in the quietest hours in a row is the leak's as well.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    litres_per_hour: f32,
    /// How far the leak alone goes above the floor, in litres: a cistern that fills again and again does not come out even in
    /// hours.
    swing: f32,
    /// The least volume that a meter has shown in this stretch of time and in the one before, in hundredths of a litre.
    steps: [u16; 2],
}

impl Default for Floor {
    fn default() -> Self {
        Self {
            litres_per_hour: 0.0,
            swing: 0.0,
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
    }

    /// Whether `litres` in `seconds` hold more than the leak: a sign of life.
    pub fn is_use(&self, litres: f32, seconds: u32) -> bool {
        if self.litres_per_hour <= 0.0 {
            return litres > 0.0;
        }
        let leak = self.leak_in(seconds);
        // The leak's own pulse may fall into this interval or the next: one step of the meter is no sign of life.
        let step = self.resolution().unwrap_or(1.0).min(10.0);
        litres > leak + step.max(VARIATION * leak).max(self.swing) + 1e-4
    }

    /// Whether `litres` in `seconds` are more than the leak at its least: a use, or no more than the leak's own step.
    pub(super) fn is_above(&self, litres: f32, seconds: u32) -> bool {
        litres > self.leak_in(seconds) + 1e-4
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
        if litres(next - 1).is_none() {
            // A gap moves nothing.
            return false;
        }
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
        let swung = self.swing;
        self.swing = self.swing_of(litres, next).unwrap_or(self.swing);
        rose || self.swing > swung
    }

    /// How far the quietest hours in a row of the last day go above the floor; `None` where none in a row are known.
    fn swing_of(&self, litres: impl Fn(u32) -> Option<f32> + Copy, next: u32) -> Option<f32> {
        if self.litres_per_hour <= 0.0 {
            return Some(0.0);
        }
        let first = next.saturating_sub(FLOOR_HOURS)..=next.saturating_sub(QUIET_HOURS);
        let most = first.filter_map(|first| {
            let mut hours = (first..first + QUIET_HOURS).map(litres);
            hours.try_fold(0.0_f32, |most, litres| Some(most.max(litres?)))
        });
        let most = most.reduce(f32::min)?;
        // Behind a burst all hours in a row hold some of it.
        Some((most - self.litres_per_hour).clamp(0.0, self.litres_per_hour))
    }
}
