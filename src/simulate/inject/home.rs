//! One home, to put incidents into.

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::scenario::Scenario;
use super::water::{self, EMERGENCY_SECONDS, Flow, label};
use crate::history::{History, Incident, MeterName, Row};
use crate::model::{Absence, DAY, EventTime, HOUR, Litres, Measure};

/// How often a moment is drawn before the place is given up.
pub(super) const DRAWS: usize = 20;
/// The share of a stretch that must have readings.
const COVERAGE: f64 = 0.95;
/// What goes on after an incident before the next may begin, in seconds.
const RECOVERY: u32 = 2 * DAY;

/// A home whose readings, and no others, are in the history.
pub(super) struct Home<'a> {
    pub history: &'a mut History,
    pub random: ChaCha8Rng,
    pub truth: Vec<Incident>,
    /// What is in its readings already: nothing else is put there.
    pub given: Vec<Incident>,
    pub absence: Option<Absence>,
    /// Whether it has declared an absence already.
    pub has_declared: bool,
    name: Arc<str>,
    /// Starts and ends of measured intervals of the first meter, in order.
    measured: Vec<(EventTime, EventTime)>,
    /// Ends of intervals with use, in order.
    uses: Vec<EventTime>,
    /// The smallest step in which its first meter shows water, in litres.
    resolution: Litres,
}

impl<'a> Home<'a> {
    pub fn new(history: &'a mut History, name: &Arc<str>, random: ChaCha8Rng) -> Self {
        let mut home = Self {
            history,
            random,
            truth: Vec::new(),
            given: Vec::new(),
            absence: None,
            has_declared: false,
            name: Arc::clone(name),
            measured: Vec::new(),
            uses: Vec::new(),
            resolution: 1.0,
        };
        let meters = water::meters_of(home.history, name);
        let mut steps = Vec::new();
        for meter in &meters {
            let mut rows: Vec<_> = home.history.rows.iter().filter(|row| row.meter == *meter).collect();
            rows.sort_by_key(|row| row.start);
            let mut register = None;
            for row in rows {
                let litres = match row.measure {
                    Some(Measure::Volume(litres)) => litres,
                    Some(Measure::Register(index)) => index - register.replace(index).unwrap_or(index),
                    None => continue,
                };
                if Some(meter) == meters.first() {
                    home.measured.push((row.start, row.end()));
                    steps.extend((litres > 1e-6).then_some(litres));
                }
                if litres > 0.0 {
                    home.uses.push(row.end());
                }
            }
        }
        home.uses.sort_unstable();
        home.resolution = steps.into_iter().min_by(f64::total_cmp).unwrap_or(1.0);
        home
    }

    /// From the first reading to the end of the last.
    pub fn span(&self) -> Option<(EventTime, EventTime)> {
        Some((self.measured.first()?.0, self.measured.last()?.1))
    }

    /// Lets something happen that begins in the given time; the moment from which the next may. `None` without room.
    pub fn inject(&mut self, scenario: Scenario, from: EventTime, to: EventTime) -> Option<EventTime> {
        if scenario == Scenario::DeclaredAbsence && (self.has_declared || self.absence.is_some()) {
            return None;
        }
        let (lead, length) = self.lengths(scenario);
        let start = self.moment(from.plus(lead), to.plus(lead), lead, length)?;
        let end = start.plus(length);
        let before = self.truth.len();
        let (name, resolution) = (Arc::clone(&self.name), self.resolution);
        let rate = |tenths: u32| f64::from(tenths) / 10.0;
        match scenario {
            Scenario::Emergency => {
                let emergency = water::emergency(self.history, &name, start);
                self.truth.push(emergency);
            }
            Scenario::EmergencyUnder(leak) => {
                let emergency = water::emergency(self.history, &name, start);
                let (began, flow) = (start.minus(lead), leak.flow());
                water::pour(self.history, &name, began, end, &flow, resolution);
                let leak = flowing(label(&name, "leak", began, end), flow.mean());
                self.truth.extend([emergency, leak]);
            }
            Scenario::EmergencyInBath => {
                let stops = end.minus(EMERGENCY_SECONDS);
                water::no_use(self.history, &name, start, end);
                water::pour(self.history, &name, start, stops, &Flow::Steady(600.0), resolution);
                self.truth
                    .push(flowing(label(&name, "prolonged_draw", start, stops), 600.0));
                self.truth.push(label(&name, "emergency", stops, end));
            }
            Scenario::Decline => {
                let (weeks, random) = (6 * 7 * DAY, &mut self.random);
                // Uses of one hour fail together.
                let luck: Vec<f64> = (0..=length / HOUR).map(|_| random.random()).collect();
                water::keep(self.history, &name, |at| {
                    let gone = at.since(start);
                    let share = 0.5 * (f64::from(gone) / f64::from(weeks)).min(1.0);
                    at < start || at >= end || luck[(gone / HOUR) as usize] >= share
                });
                self.truth.push(label(&name, scenario.kind(), start, end));
            }
            Scenario::Leak(tenths) => {
                let leak = water::leak(self.history, &name, start, end, rate(tenths), resolution);
                self.truth.push(leak);
            }
            Scenario::IntermittentLeak(_) | Scenario::Toilet(_) | Scenario::Burst | Scenario::ProlongedDraw => {
                let flow = match scenario {
                    Scenario::IntermittentLeak(tenths) => Flow::Quarters(rate(tenths), self.quarters()),
                    Scenario::Toilet(tenths) => Flow::Toilet(rate(tenths)),
                    Scenario::Burst => Flow::Steady(1_500.0),
                    _ => Flow::Steady(600.0),
                };
                water::pour(self.history, &name, start, end, &flow, resolution);
                self.truth
                    .push(flowing(label(&name, scenario.kind(), start, end), flow.mean()));
            }
            Scenario::Absence | Scenario::DeclaredAbsence => {
                water::no_use(self.history, &name, start, end);
                if scenario == Scenario::DeclaredAbsence {
                    self.absence = Some(Absence {
                        from: start,
                        to: Some(end),
                    });
                }
                self.truth.push(label(&name, scenario.kind(), start, end));
            }
            Scenario::SwappedMeter => {
                if !self.swap_meter(start) {
                    return None;
                }
                self.truth.push(label(&name, scenario.kind(), start, end));
            }
            // Zones are dealt with for all of their homes at once.
            Scenario::AreaOutage => return None,
        }
        for incident in &mut self.truth[before..] {
            incident.detail = Some(scenario.to_string());
        }
        Some(end.plus(RECOVERY))
    }

    /// How long before its moment a scenario begins, and how long it takes from there.
    fn lengths(&mut self, scenario: Scenario) -> (u32, u32) {
        let random = &mut self.random;
        match scenario {
            Scenario::Emergency => (0, EMERGENCY_SECONDS),
            Scenario::EmergencyUnder(_) => (3 * DAY, EMERGENCY_SECONDS),
            Scenario::EmergencyInBath => (0, random.random_range(4..=12) * HOUR / 4 + EMERGENCY_SECONDS),
            Scenario::Decline => (0, 10 * 7 * DAY),
            Scenario::Leak(_) | Scenario::IntermittentLeak(_) | Scenario::Toilet(_) => (0, 7 * DAY),
            Scenario::Burst => (0, 3 * HOUR),
            Scenario::ProlongedDraw => (0, random.random_range(2..=4) * HOUR),
            Scenario::Absence | Scenario::DeclaredAbsence => (0, random.random_range(48..=168) * HOUR),
            Scenario::SwappedMeter => (0, HOUR),
            Scenario::AreaOutage => (0, 0),
        }
    }

    /// A moment right after an interval with use, from which nearly all of `length` has readings; from `lead` before it
    /// nothing else happens.
    fn moment(&mut self, from: EventTime, to: EventTime, lead: u32, length: u32) -> Option<EventTime> {
        let first = self.uses.partition_point(|end| *end < from);
        let last = self.uses.partition_point(|end| *end < to);
        let read_until = self.measured.last()?.1;
        for _ in 0..DRAWS {
            if first == last {
                break;
            }
            let start = self.uses[self.random.random_range(first..last)];
            let end = start.plus(length);
            // What goes on beyond the readings would have an end that nobody can see.
            if end > read_until {
                continue;
            }
            let is_free = |incident: &Incident| incident.end <= start.minus(lead) || end <= incident.start;
            let is_read = f64::from(self.measured_between(start, end)) >= COVERAGE * f64::from(length);
            if is_read && self.truth.iter().chain(&self.given).all(is_free) {
                return Some(start);
            }
        }
        None
    }

    fn measured_between(&self, start: EventTime, end: EventTime) -> u32 {
        let first = self.measured.partition_point(|interval| interval.1 <= start);
        let within = self.measured[first..].iter().take_while(|interval| interval.0 < end);
        within
            .map(|(from, to)| (*to).min(end).since((*from).max(start)))
            .fold(0, u32::saturating_add)
    }

    /// 50 to 90 quarter-hours of a day.
    fn quarters(&mut self) -> Box<[bool; 96]> {
        let mut set = Box::new([false; 96]);
        let mut left = self.random.random_range(50..=90);
        while left > 0 {
            let place = self.random.random_range(0..96);
            left -= u32::from(!std::mem::replace(&mut set[place], true));
        }
        set
    }

    /// From `at` on another meter: a register begins near zero, volumes come under another name. `false` where no meter
    /// is left by then, or its register falls later.
    fn swap_meter(&mut self, at: EventTime) -> bool {
        let Some(meter) = water::meter_at(self.history, &self.name, at) else {
            return false;
        };
        let is_later = |row: &&mut Row| row.meter == meter && row.start >= at;
        let register = |row: &Row| match row.measure {
            Some(Measure::Register(index)) => Some(index),
            _ => None,
        };
        let before = self
            .history
            .rows
            .iter()
            .filter(|row| row.meter == meter && row.start < at);
        let last = before.max_by_key(|row| row.start).and_then(register);
        if let Some(last) = last {
            // One that rolls over later has no index from which the new one could count.
            let mut later = self
                .history
                .rows
                .iter()
                .filter(|row| row.meter == meter && row.start >= at);
            if later.any(|row| register(row).is_some_and(|index| index < last)) {
                return false;
            }
            for row in self.history.rows.iter_mut().filter(is_later) {
                if let Some(Measure::Register(index)) = &mut row.measure {
                    *index -= last;
                }
            }
            return true;
        }
        let new = self.history.meters.len() as u32;
        let name = &self.history.meters[meter as usize];
        let name = MeterName {
            household: Arc::clone(&name.household),
            meter: format!("{}-next", name.meter).into(),
        };
        self.history.meters.push(name);
        for row in self.history.rows.iter_mut().filter(is_later) {
            row.meter = new;
        }
        true
    }
}

fn flowing(incident: Incident, litres_per_hour: Litres) -> Incident {
    Incident {
        litres_per_hour: Some(litres_per_hour),
        ..incident
    }
}
