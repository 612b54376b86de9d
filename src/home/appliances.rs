//! Appliances that draw water by themselves: neither people nor leaks.
//!
//! Method: what a declared appliance may draw within its window of the local day is taken off what flowed before anything
//! else looks at it; more than that is a person. Learnt ones: a draw at night that begins at the same minute, every so many
//! days, lasts as long and takes the same litres, again and again (`learnt`). Hours in which one ran say nothing of leaks.
//! Units: minutes of the local day, litres a run. Limits: somebody who uses less than the allowance in the window is not
//! seen; an appliance at varying hours or volumes must be declared.

use serde::{Deserialize, Serialize};

use super::interval::{Flow, Interval};
use super::learnt::{Learner, Learnt, NIGHT_ENDS, Runs};
use crate::model::{Appliance, DAY, EventTime, HOUR, MINUTE};

/// Steps in which the difference of local time is kept, in seconds.
const OFFSET_STEP: i32 = 15 * 60;

/// What is known of a home's appliances. Kept only for homes that have one, or may have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Appliances {
    /// Local time less UTC, in quarters of an hour.
    offset: i8,
    /// Declared since the last interval: the past is to be read again.
    is_new: bool,
    /// Bit i: one ran in the last UTC hour whose number leaves i by 32.
    ran: u32,
    declared: Vec<Allowance>,
    learner: Learner,
}

/// What one appliance may draw, and has drawn on the last day that it ran.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Allowance {
    appliance: Appliance,
    spent: f32,
    day: u16,
}

impl Appliances {
    /// Sets what is declared.
    pub fn declare(&mut self, declared: &[Appliance]) {
        let before: Vec<Appliance> = self.declared().collect();
        if before != declared {
            self.is_new = true;
            // What is declared needs no learning, and must not be taken off twice.
            self.learner = Learner::default();
            let fresh = |appliance: &Appliance| Allowance {
                appliance: *appliance,
                spent: 0.0,
                day: 0,
            };
            self.declared = declared.iter().map(fresh).collect();
        }
    }

    /// What is declared.
    pub fn declared(&self) -> impl Iterator<Item = Appliance> + '_ {
        self.declared.iter().map(|allowance| allowance.appliance)
    }

    /// The one that was learnt.
    pub fn learnt(&self) -> Option<Learnt> {
        self.learner.learnt()
    }

    /// Whether nothing is kept any more.
    pub fn is_empty(&self) -> bool {
        self.declared.is_empty() && self.learner.is_empty()
    }

    /// Sets how far local time is ahead of UTC, in seconds.
    pub fn set_local(&mut self, ahead: i32) {
        self.offset = (ahead / OFFSET_STEP) as i8;
    }

    /// A moment by the local clock, in seconds since 1970.
    fn local(&self, moment: EventTime) -> u32 {
        moment
            .seconds()
            .saturating_add_signed(i32::from(self.offset) * OFFSET_STEP)
    }

    /// Whether one ran in a UTC hour, of the last 32.
    pub fn ran_in(&self, hour: u32) -> bool {
        self.ran & (1 << (hour % 32)) != 0
    }

    /// In the hours that begin within a stretch none ran yet.
    pub fn begin_hours(&mut self, interval: &Interval) {
        let first = interval.start.seconds().div_ceil(HOUR);
        let last = interval.end.minus(1).hour();
        for hour in first.max(last.saturating_sub(31))..=last {
            self.ran &= !(1 << (hour % 32));
        }
    }

    /// Begins to follow a home whose hour that begins at this local time looks like a machine's; none by day.
    pub fn follow(local_start: u32) -> Option<Self> {
        let day = u16::try_from(local_start / DAY).ok()?;
        let learner = Learner::begin(day);
        (local_start % DAY < NIGHT_ENDS * HOUR).then(|| Self {
            learner,
            ..Self::default()
        })
    }

    /// Takes off what appliances may have drawn, down to the leak of so many litres an hour. The rest is of people and pipes.
    pub fn take_off(&mut self, interval: &Interval, leak: f32, step: f32) -> Interval {
        let (Flow::Measured(litres) | Flow::UsedSomewhere(litres)) = interval.flow else {
            return *interval;
        };
        let least = leak * interval.seconds() as f32 / HOUR as f32;
        let (start, end) = (self.local(interval.start), self.local(interval.end));
        let mut left = (litres - least).max(0.0);
        let before = left;
        for allowance in &mut self.declared {
            left -= allowance.draw(start, end, left);
        }
        if self.declared.is_empty() {
            left -= self.learner.draw((start, end), left, step);
        }
        if left >= before {
            return *interval;
        }
        for hour in interval.start.hour()..=interval.end.minus(1).hour().min(interval.start.hour() + 31) {
            self.ran |= 1 << (hour % 32);
        }
        let rest = litres - (before - left);
        let flow = match interval.flow {
            Flow::UsedSomewhere(_) => Flow::UsedSomewhere(rest),
            _ => Flow::Measured(rest),
        };
        Interval { flow, ..*interval }
    }

    /// Learns from what flowed. Answers the runs of an appliance that has just been learnt.
    pub fn learn(&mut self, interval: &Interval, is_use: bool, step: f32) -> Option<Runs> {
        if !self.declared.is_empty() {
            return None;
        }
        let (start, end) = (self.local(interval.start), self.local(interval.end));
        self.learner.take(interval, (start, end), is_use, step)
    }

    /// Whether what is declared is new; once.
    pub fn take_new(&mut self) -> bool {
        std::mem::take(&mut self.is_new)
    }

    /// Whether a declared window covers a quarter of a UTC hour: the hour's use is taken for the appliance's.
    pub fn covers_hour(&self, hour: u32) -> bool {
        let start = self.local(EventTime::from_hour(hour));
        let covered = |allowance: &Allowance| {
            let appliance = allowance.appliance;
            days(&appliance, start, start + HOUR).any(|day| {
                let (from, to) = window(&appliance, day);
                to.min(start + HOUR).saturating_sub(from.max(start)) >= 15 * MINUTE
            })
        };
        self.declared.iter().any(covered)
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.declared.capacity() * size_of::<Allowance>()
    }
}

impl Allowance {
    /// Takes up to so many litres of a stretch of local time, as far as its runs within it allow.
    fn draw(&mut self, start: u32, end: u32, litres: f32) -> f32 {
        let mut taken = 0.0;
        for day in days(&self.appliance, start, end) {
            if self.day != day {
                (self.day, self.spent) = (day, 0.0);
            }
            let part = (self.appliance.litres_at_most - self.spent)
                .min(litres - taken)
                .max(0.0);
            self.spent += part;
            taken += part;
        }
        taken
    }
}

/// First and last moment of a window that begins on local day `day`.
fn window(appliance: &Appliance, day: u16) -> (u32, u32) {
    let from = u32::from(day) * DAY + u32::from(appliance.from.minutes()) * MINUTE;
    (from, from + appliance.minutes() * MINUTE)
}

/// The local days on which windows begin that a stretch of local time touches.
fn days(appliance: &Appliance, start: u32, end: u32) -> impl Iterator<Item = u16> + use<> {
    let appliance = *appliance;
    let first = (start / DAY).saturating_sub(1);
    (first..=end.saturating_sub(1) / DAY).filter_map(move |day| {
        let day = u16::try_from(day).ok()?;
        let (from, to) = window(&appliance, day);
        (from < end && to > start).then_some(day)
    })
}
