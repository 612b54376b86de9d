//! The leak floor: the flow that never stops.

mod pulses;
mod steady;
mod steps;

use serde::{Deserialize, Serialize};

use self::pulses::Pulses;
use self::steady::Steady;
use self::steps::Steps;
use crate::model::HOUR;

/// Known hours over which the floor is the least: a home without a leak has a dry hour in every day.
const FLOOR_HOURS: u32 = 24;
/// With fewer known hours than this among them, the floor may fall but not rise.
const ENOUGH_HOURS: usize = 18;

/// The flow of a home that never stopped in its last day, in litres an hour, and how finely its meter counts.
///
/// The floor falls at once and rises only when a whole day has lain above it, so that use is never taken for a leak
/// within a day. Method: minimum night flow as water utilities measure it (IWA), over all hours of the day, because
/// one home's quiet hours are its own. What goes on above it in the quietest hours in a row is the leak's as well, and so is what comes
/// slowly from hour to hour: pressure goes up and down with the day, and leaks grow.
///
/// A leak of less than a step of the meter an hour has hours without flow, and a floor of 0. It is known by its pulses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    leak: Leak,
    steps: Steps,
}

/// What never stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Leak {
    #[default]
    None,
    Steady(Steady),
    Pulses(Pulses),
}

impl Floor {
    /// The floor in litres an hour; 0 where there is no leak that shows in every hour.
    pub fn litres_per_hour(&self) -> f32 {
        match &self.leak {
            Leak::Steady(leak) => leak.floor,
            Leak::None | Leak::Pulses(_) => 0.0,
        }
    }

    /// The most that a leak with this floor is taken to bring in an hour, in litres.
    pub fn most_litres_per_hour(&self) -> f32 {
        match &self.leak {
            Leak::Steady(leak) => leak.most_an_hour(),
            Leak::None | Leak::Pulses(_) => 0.0,
        }
    }

    /// The pulses of a leak too slow to show in every hour, where there is one: the litres of each at most, and the hours from one to the
    /// next at most.
    pub fn pulses(&self) -> Option<(f32, u32)> {
        match &self.leak {
            Leak::Pulses(pulses) => Some((pulses.litres, pulses.hours.into())),
            Leak::None | Leak::Steady(_) => None,
        }
    }

    /// The smallest step this home's meters have shown of late, in litres; `None` before any use. It is forgotten within
    /// two weeks without a leak, so that a coarser meter is known for one soon.
    pub fn resolution(&self) -> Option<f32> {
        self.steps.seen()
    }

    /// The smallest step of the home's meters in litres: one, as most have it, before any use.
    pub fn step(&self) -> f32 {
        self.steps.or_litre()
    }

    /// Whether `litres` in `seconds` hold more than the leak: a sign of life.
    pub fn is_use(&self, litres: f32, seconds: u32) -> bool {
        let of_leak = match &self.leak {
            Leak::None => return litres > 0.0,
            Leak::Steady(leak) => leak.most_in(seconds, self.steps.of_leak()),
            Leak::Pulses(pulses) => pulses.most_in(seconds),
        };
        litres > of_leak + 1e-4
    }

    /// [`Self::is_use`] for a part of an hour that had `of_hour` litres with it. A refill or a pulse may come into any part of an hour,
    /// not into each; and where the leak does not come evenly, its hour alone says whether there was more than the leak.
    pub(super) fn is_use_in_hour(&self, litres: f32, seconds: u32, of_hour: f32, comes_evenly: bool) -> bool {
        let says_itself = seconds >= HOUR || comes_evenly || !matches!(self.leak, Leak::Steady(_));
        let hour_says = seconds < HOUR && litres > 0.0;
        says_itself && self.is_use(litres, seconds) || hour_says && self.is_use(of_hour, HOUR)
    }

    /// Whether `litres` in `seconds` are more than the leak at its least: a use, or no more than the leak's own step.
    pub(super) fn is_above(&self, litres: f32, seconds: u32) -> bool {
        litres > self.least_in(seconds) + 1e-4
    }

    /// Whether `litres` in `seconds` are less than a leak brings that comes evenly, by more than a step of the meter.
    pub(super) fn is_short(&self, litres: f32, seconds: u32) -> bool {
        litres + self.steps.of_leak() + 1e-4 < self.least_in(seconds)
    }

    fn least_in(&self, seconds: u32) -> f32 {
        match &self.leak {
            Leak::Steady(leak) => leak.least_in(seconds),
            Leak::None | Leak::Pulses(_) => 0.0,
        }
    }

    /// Learns from a volume measured in so many seconds how finely the meter counts. While a leak flows, what an hour has more than
    /// its floor tells as well: the floor is an hour's volume too. A leak from the first reading on would else be the step itself.
    pub(super) fn observe(&mut self, litres: f32, seconds: u32) {
        self.steps.take(litres);
        if let Leak::Steady(leak) = &self.leak
            && seconds == HOUR
        {
            self.steps.take(litres - leak.floor);
        }
        self.steps.weigh(litres);
    }

    /// Takes hour `next - 1` into account, of the litres of each hour where they say something of a leak; answers whether
    /// what is taken for the leak rose.
    pub(super) fn hour_completed(&mut self, litres: impl Fn(u32) -> Option<f32> + Copy, next: u32) -> bool {
        // While a leak flows the least volume is the leak's, and says nothing of the meter's step.
        if !matches!(self.leak, Leak::Steady(_)) {
            self.steps.begin_hour(next);
        }
        // A gap moves nothing, but that a pulse may not be waited for. Somebody who uses more may use as much as a refill, too.
        let step = self.steps.of_leak();
        let is_other_use =
            |pulses: &Pulses| pulses.litres > step && litres(next - 1).is_some_and(|last| last > pulses.litres);
        if matches!(&self.leak, Leak::Pulses(pulses) if pulses.are_over(0.0, litres, next) || is_other_use(pulses)) {
            self.leak = Leak::None;
        }
        let Some(last) = litres(next - 1) else {
            return false;
        };
        let before = self.litres_per_hour();
        let least = day_before(next).filter_map(litres).fold(f32::INFINITY, f32::min);
        let rose = least > before && enough_of_a_day(litres, next);
        let floor = if rose { least } else { least.min(before) };
        match (self.leak, floor > 0.0) {
            (Leak::Pulses(_), false) => false,
            (Leak::None | Leak::Steady(_), false) => {
                let pulses = Pulses::of_slow_leak(last, &self.steps, litres, next)
                    .or_else(|| Pulses::of_cistern(last, &self.steps, &(0.0..=0.0), litres, next));
                self.leak = pulses.map_or(Leak::None, Leak::Pulses);
                pulses.is_some()
            }
            (leak, true) => {
                let mut leak = match leak {
                    Leak::None | Leak::Pulses(_) => Steady::default(),
                    Leak::Steady(leak) => leak,
                };
                let goes_further = leak.follow(floor, last, &self.steps, litres, next);
                self.leak = Leak::Steady(leak);
                rose || goes_further
            }
        }
    }
}

/// The hours of the day that ends before hour `next`.
fn day_before(next: u32) -> std::ops::Range<u32> {
    next.saturating_sub(FLOOR_HOURS)..next
}

/// Whether enough of that day is known for the floor to rise by it.
fn enough_of_a_day(litres: impl Fn(u32) -> Option<f32>, next: u32) -> bool {
    day_before(next).filter(|hour| litres(*hour).is_some()).count() >= ENOUGH_HOURS
}
