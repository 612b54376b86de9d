//! How finely a home's meters count.

use serde::{Deserialize, Serialize};

/// Hours after which the smallest step seen begins to be forgotten.
const STEP_HOURS: u32 = 7 * 24;
const STEPS_PER_LITRE: f32 = 100.0;
const UNSEEN: u16 = u16::MAX;
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

/// The least volumes that a home's meters have shown, and whether those are steps of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Steps {
    /// The least volume of this stretch of time and of the one before, in hundredths of a litre.
    least: [u16; 2],
    /// Whether volumes are whole numbers of the least, and not always one of it: above 0 the least is the meter's step, else it may be a
    /// use.
    weight: i8,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            least: [UNSEEN; 2],
            weight: 0,
        }
    }
}

impl Steps {
    /// The smallest step of late, in litres; `None` before any use.
    pub fn seen(&self) -> Option<f32> {
        let step = self.least[0].min(self.least[1]);
        (step != UNSEEN).then(|| f32::from(step) / STEPS_PER_LITRE)
    }

    /// The most that is taken for a step of a leak alone, in litres.
    pub fn of_leak(&self) -> f32 {
        self.or_litre().min(COARSEST_STEP)
    }

    /// The smallest step in litres: one, as most meters have it, before any use.
    pub fn or_litre(&self) -> f32 {
        self.seen().unwrap_or(1.0)
    }

    /// Whether the least volume is the meter's step, and not a use.
    pub fn are_counted(&self) -> bool {
        self.weight > 0
    }

    /// By how much volumes of one cistern differ, in litres: by a litre, or a step of the meter where that is known for one.
    pub fn apart(&self) -> f32 {
        if self.are_counted() {
            self.of_leak().max(1.0)
        } else {
            1.0
        }
    }

    /// Takes a volume for a step, if it is the least.
    pub fn take(&mut self, litres: f32) {
        let steps = (litres * STEPS_PER_LITRE).round();
        if steps >= 1.0 && steps < f32::from(self.least[0]) {
            self.least[0] = steps as u16;
        }
    }

    /// Weighs whether a volume is a whole number of steps.
    pub fn weigh(&mut self, litres: f32) {
        let steps = litres / self.of_leak();
        if steps >= MANY_STEPS {
            return;
        }
        let is_uneven = (steps - steps.round()).abs() > UNEVEN;
        let weight = if is_uneven {
            -UNEVEN_WEIGHT
        } else {
            i8::from(steps > 1.5)
        };
        self.weight = (self.weight + weight).clamp(-MOST_WEIGHT, MOST_WEIGHT);
    }

    /// Forgets the stretch before with the first hour of a new one.
    pub fn begin_hour(&mut self, hour: u32) {
        if hour.is_multiple_of(STEP_HOURS) {
            let [lately, before] = self.least;
            self.least = [UNSEEN, if lately == UNSEEN { before } else { lately }];
        }
    }
}
