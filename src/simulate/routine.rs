//! What one person does with water, and when.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::model::{EventTime, HOUR, Litres};

/// Water drawn evenly over some seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    pub start: EventTime,
    pub seconds: u32,
    pub litres: Litres,
    /// Whether it is drawn in the kitchen, which has a meter of its own in some homes.
    pub in_kitchen: bool,
}

impl Use {
    pub fn end(&self) -> EventTime {
        self.start.plus(self.seconds)
    }
}

/// The habits of a person: drawn once, kept for good. Times are hours after local midnight.
#[derive(Clone, Debug)]
pub(super) struct Routine {
    wakes: f64,
    /// Standard deviation of the waking hour; other hours of the day vary with it.
    spread: f64,
    hours_awake: f64,
    flush: Litres,
    flushes_by_day: u32,
    /// How likely a walk to the toilet is in a night.
    night_toilet: f64,
    meals: [Meal; 3],
    shower: Wash,
    bath: Option<Wash>,
    /// By weekday, Monday first: the hour of leaving and the hours away, where it is a day for going out.
    outings: [Option<(f64, f64)>; 7],
    laundry_weekday: usize,
}

#[derive(Clone, Copy, Debug)]
struct Meal {
    hour: f64,
    litres: Litres,
    /// How likely it is eaten at home.
    chance: f64,
}

#[derive(Clone, Copy, Debug)]
struct Wash {
    hour: f64,
    litres: Litres,
    chance: f64,
}

impl Routine {
    pub fn draw(random: &mut ChaCha8Rng) -> Self {
        let wakes = around(random, 6.8, 0.9).clamp(4.0, 10.0);
        let hours_awake = around(random, 15.5, 0.8).clamp(13.0, 18.0);
        let mut meal = |hour, chance| Meal {
            hour: around(random, hour, 0.5),
            litres: random.random_range(8.0..20.0),
            chance: around(random, chance, 0.1).clamp(0.4, 1.0),
        };
        let meals = [meal(wakes + 0.7, 0.95), meal(12.7, 0.85), meal(18.6, 0.9)];
        let by_morning = random.random_bool(0.5);
        let wash_hour = if by_morning {
            wakes + 0.4
        } else {
            wakes + hours_awake - 1.5
        };
        let shower = Wash {
            hour: wash_hour,
            litres: random.random_range(30.0..70.0),
            chance: random.random_range(0.4..1.0),
        };
        let bath = random.random_bool(0.3).then(|| Wash {
            hour: wakes + hours_awake - 1.2,
            litres: random.random_range(90.0..150.0),
            chance: random.random_range(0.1..0.5),
        });
        let outing_days = random.random_range(0.1..0.7);
        let outings = std::array::from_fn(|_| {
            let goes_out = random.random_bool(outing_days);
            goes_out.then(|| (random.random_range(9.0..14.5), random.random_range(1.5..5.5)))
        });
        Self {
            wakes,
            spread: random.random_range(0.2..0.8),
            hours_awake,
            flush: random.random_range(5.0..9.0),
            flushes_by_day: random.random_range(4..=7),
            night_toilet: random.random_range(0.1..0.95),
            meals,
            shower,
            bath,
            outings,
            laundry_weekday: random.random_range(0..7),
        }
    }

    /// Adds what the person draws from the getting up of one day to that of the next.
    pub fn live(&self, random: &mut ChaCha8Rng, midnight: EventTime, weekday: usize, uses: &mut Vec<Use>) {
        let shift = around(random, 0.0, self.spread).clamp(-3.0, 3.0);
        let wakes = (self.wakes + shift).max(0.5);
        let sleeps = wakes + (self.hours_awake + around(random, 0.0, self.spread)).clamp(12.0, 19.0);
        // Habits are not laws: now and then somebody stays in, or goes out on another day.
        let outing = match self.outings[weekday] {
            Some((leaves, hours)) if random.random_bool(0.85) => {
                let leaves = around(random, leaves, 0.3).max(wakes + 0.8);
                Some(leaves..leaves + around(random, hours, 0.6).max(0.5))
            }
            None if random.random_bool(0.06) => Some(13.0..13.0 + random.random_range(1.0..6.0)),
            _ => None,
        };
        let mut draw = |hour: f64, seconds: u32, litres: Litres, in_kitchen: bool| {
            if !outing.as_ref().is_some_and(|away| away.contains(&hour)) {
                let start = midnight.plus((hour.max(0.0) * f64::from(HOUR)) as u32);
                uses.push(Use {
                    start,
                    seconds,
                    litres,
                    in_kitchen,
                });
            }
        };
        let flush = self.flush + 1.0;
        draw(wakes + 0.05, 60, flush, false);
        draw(sleeps - 0.1, 60, flush, false);
        for _ in 2..self.flushes_by_day {
            draw(random.random_range(wakes..sleeps), 60, flush, false);
        }
        let mut night = self.night_toilet;
        while random.random_bool(night) {
            draw(sleeps + random.random_range(0.5..6.5), 60, flush, false);
            night *= 0.4;
        }
        for meal in self.meals {
            if random.random_bool(meal.chance) {
                let hour = around(random, meal.hour, self.spread * 0.7).max(wakes + 0.2);
                let litres = meal.litres * random.random_range(0.6..1.4);
                draw(hour, 120, litres * 0.4, true);
                draw(hour + random.random_range(0.5..1.0), 240, litres * 0.6, true);
            }
        }
        for wash in [Some(self.shower), self.bath].into_iter().flatten() {
            if random.random_bool(wash.chance) {
                let hour = wash.hour + shift + around(random, 0.0, 0.2);
                draw(
                    hour,
                    (wash.litres * 8.0) as u32,
                    wash.litres * random.random_range(0.8..1.2),
                    false,
                );
            }
        }
        if weekday == self.laundry_weekday {
            let hour = random.random_range(wakes + 1.0..wakes + 5.0);
            for part in [0.0, 0.6, 1.0] {
                draw(hour + part, 240, 16.0, true);
            }
        }
    }
}

/// A number about `mean` with standard deviation `spread`: the sum of three even draws is near enough to normal, and
/// never far out.
pub(super) fn around(random: &mut ChaCha8Rng, mean: f64, spread: f64) -> f64 {
    let sum: f64 = (0..3).map(|_| random.random_range(-1.0..1.0)).sum();
    mean + spread * sum
}
