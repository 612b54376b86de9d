//! One simulated home: its people, its meters, how its readings are delivered, and what happens to it.

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::district::District;
use super::inject::EMERGENCY_SECONDS;
use super::routine::{Routine, Use};
use crate::history::{Incident, MeterName, Row};
use crate::model::{DAY, EventTime, Flags, HOUR, Litres, Measure, Quality};

/// Where a register starts again from zero, in litres: four digits of cubic metres.
const ROLLOVER: Litres = 10_000_000.0;
/// Days from the planning of an incident within which it is over.
const LONGEST_INCIDENT_DAYS: u32 = 10;
/// Mean days between absences of at least a day.
const ABSENCE_EVERY_DAYS: f64 = 45.0;
/// Lost days come in runs: with these chances a day is lost after a delivered one (2 % of all), and after a lost one.
const LOSS_BEGINS: f64 = 0.0068;
const LOSS_GOES_ON: f64 = 0.667;

/// A stretch of time; empty when it never was.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: EventTime,
    end: EventTime,
}

impl Span {
    fn new(start: EventTime, seconds: u32) -> Self {
        Self {
            start,
            end: start.plus(seconds),
        }
    }

    fn holds(self, moment: EventTime) -> bool {
        self.start <= moment && moment < self.end
    }
}

/// A meter: the water that went through it, and what it shows of that.
struct Meter {
    index: u32,
    counts_by_register: bool,
    /// Litres that went through it since it showed zero.
    litres: Litres,
    resolution: Litres,
}

impl Meter {
    fn shown(&self) -> Litres {
        (self.litres / self.resolution + 1e-9).floor() * self.resolution
    }

    /// Lets water through and reads the meter; the second value says whether the register rolled over.
    fn advance(&mut self, litres: Litres) -> (Measure, bool) {
        let before = self.shown();
        self.litres += litres;
        let (shown, rolls_over) = (self.shown(), self.counts_by_register && self.shown() >= ROLLOVER);
        if rolls_over {
            self.litres -= ROLLOVER;
        }
        let measure = match self.counts_by_register {
            true => Measure::Register(self.shown()),
            false => Measure::Volume(shown - before),
        };
        (measure, rolls_over)
    }
}

/// When the utility says that it received a reading.
#[derive(Clone, Copy, Debug)]
enum Delivery {
    /// It does not say.
    Unsaid,
    /// With the next full hour, so many seconds after it.
    Hourly(u32),
    /// Once a day, at this second of the UTC day.
    Daily(u32),
}

impl Delivery {
    fn received_at(self, end: EventTime) -> Option<EventTime> {
        let next = |period: u32, offset: u32| {
            let since = end.since(EventTime::from_seconds(offset));
            EventTime::from_seconds(offset.saturating_add(since.div_ceil(period).saturating_mul(period)))
        };
        match self {
            Self::Unsaid => None,
            Self::Hourly(offset) => Some(next(HOUR, 0).plus(offset)),
            Self::Daily(offset) => Some(next(DAY, offset)),
        }
    }
}

/// What an incident does to the home.
#[derive(Default)]
struct Troubles {
    /// From when on an emergency waits for the next use to end.
    emergency_waits: Option<EventTime>,
    emergency: Span,
    leak: Span,
    litres_per_hour: Litres,
    silence: Span,
    meter_is_swapped_at: Option<EventTime>,
    /// Until when nothing else is planned.
    busy_until: EventTime,
}

pub(super) struct Home {
    random: ChaCha8Rng,
    household: Arc<str>,
    people: Vec<Routine>,
    /// One, or two: the rest of the home and the kitchen.
    meters: Vec<Meter>,
    delivery: Delivery,
    /// Draws that are not over yet.
    uses: Vec<Use>,
    /// Start of the next interval.
    next: EventTime,
    absence: Span,
    day_is_lost: bool,
    troubles: Troubles,
}

impl Home {
    /// Draws the home with this number; it is the same however many homes there are. Appends its meters to `names`.
    pub fn draw(district: &District, number: u32, start: EventTime, names: &mut Vec<MeterName>) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(district.seed);
        random.set_stream(u64::from(number) + 1);
        let household: Arc<str> = format!("h-{number:06}").into();
        let people: Vec<Routine> = (0..if random.random_bool(0.85) { 1 } else { 2 })
            .map(|_| Routine::draw(&mut random))
            .collect();
        let resolution = if random.random_bool(0.7) { 1.0 } else { 0.5 };
        let counts_by_register = random.random_bool(0.3);
        let meter_count = if random.random_bool(0.05) { 2 } else { 1 };
        let mut meters = Vec::new();
        for place in 0..meter_count {
            let mut litres = f64::from(random.random_range(0..4_000_000_u32));
            // Some registers are about to roll over: somewhere in the days ahead, going by 100 litres a person.
            let days = f64::from(district.days.min(365));
            let rolls_over = (district.incidents_per_home_month * days / 30.44 * 0.07).clamp(0.0, 0.5);
            let ahead = days * random.random::<f64>() * 100.0 * people.len() as f64;
            if random.random_bool(rolls_over) && place == 0 {
                litres = (ROLLOVER - ahead).floor();
            }
            let meter = if meter_count == 1 {
                household.clone()
            } else {
                format!("{household}-{}", place + 1).into()
            };
            meters.push(Meter {
                index: names.len() as u32,
                counts_by_register,
                litres,
                resolution,
            });
            names.push(MeterName {
                household: household.clone(),
                meter,
            });
        }
        let delivery = match random.random_range(0..10) {
            0..5 => Delivery::Unsaid,
            5..8 => Delivery::Hourly(random.random_range(30..900)),
            _ => Delivery::Daily(random.random_range(0..DAY)),
        };
        Self {
            random,
            household,
            people,
            meters,
            delivery,
            uses: Vec::new(),
            next: start,
            absence: Span::default(),
            day_is_lost: false,
            troubles: Troubles::default(),
        }
    }

    /// Lives through one local day and appends its readings, and the labels of what became certain in it.
    pub fn live(&mut self, district: &District, today: Today, rows: &mut Vec<Row>, incidents: &mut Vec<Incident>) {
        let Today {
            day,
            midnight,
            next_midnight,
            weekday,
        } = today;
        self.plan_absence(midnight);
        self.plan_incident(district, day, midnight, incidents);
        self.plan_loss(midnight);
        let known = self.uses.len();
        for person in &self.people {
            person.live(&mut self.random, midnight, weekday, &mut self.uses);
        }
        let mut place = 0;
        self.uses.retain(|use_| {
            place += 1;
            place <= known || !self.absence.holds(use_.start)
        });
        let seconds = district.interval_seconds;
        let drawn = self.drawn(next_midnight.since(self.next) / seconds, seconds);
        for interval in drawn {
            self.read_meters(interval, seconds, rows, incidents);
        }
        self.uses.retain(|use_| use_.end() > self.next);
    }

    fn plan_absence(&mut self, midnight: EventTime) {
        let could = self.troubles.emergency_waits.is_none() && midnight >= self.troubles.emergency.end;
        if could && midnight >= self.absence.end && self.random.random_bool(1.0 / ABSENCE_EVERY_DAYS) {
            let start = midnight.plus(self.random.random_range(8 * HOUR..12 * HOUR));
            let days = self.random.random_range(1..=10);
            self.absence = Span::new(start, days * DAY + self.random.random_range(0..6 * HOUR));
        }
    }

    fn plan_loss(&mut self, midnight: EventTime) {
        // An emergency that nobody could see would judge the transmission, not the detector.
        let must_deliver = self.troubles.emergency_waits.is_some() || midnight < self.troubles.emergency.end;
        let chance = if self.day_is_lost { LOSS_GOES_ON } else { LOSS_BEGINS };
        self.day_is_lost = self.random.random_bool(chance) && !must_deliver;
    }

    fn plan_incident(&mut self, district: &District, day: u32, midnight: EventTime, incidents: &mut Vec<Incident>) {
        let would = self
            .random
            .random_bool((district.incidents_per_home_month / 30.44).clamp(0.0, 1.0));
        let troubles = &mut self.troubles;
        let is_free = midnight >= troubles.busy_until && troubles.emergency_waits.is_none();
        let fits = day >= super::WARM_UP_DAYS && district.days.saturating_sub(day) > LONGEST_INCIDENT_DAYS;
        if !would || !is_free || !fits || midnight < self.absence.end {
            return;
        }
        let random = &mut self.random;
        let start = self
            .next
            .plus(random.random_range(0..DAY / district.interval_seconds) * district.interval_seconds);
        troubles.busy_until = midnight.plus(LONGEST_INCIDENT_DAYS * DAY);
        let swaps = self.meters[0].counts_by_register;
        match random.random_range(0..100) {
            0..25 => troubles.run_water(random, start, 5),
            25..37 => {
                troubles.run_water(random, start, 6);
                troubles.emergency_waits = Some(start.plus(2 * DAY));
            }
            37..50 => troubles.silence = Span::new(start, 3 * DAY),
            50..60 if swaps => troubles.meter_is_swapped_at = Some(start),
            _ => troubles.emergency_waits = Some(start),
        }
        for (kind, span) in [("leak", troubles.leak), ("silent_meter", troubles.silence)] {
            if span.start >= midnight {
                let mut incident = label(&self.household, kind, span);
                incident.litres_per_hour = (kind == "leak").then_some(troubles.litres_per_hour);
                incidents.push(incident);
            }
        }
    }

    /// Litres that people draw in each of the intervals ahead, by meter.
    fn drawn(&self, intervals: u32, seconds: u32) -> Vec<[Litres; 2]> {
        let mut drawn = vec![[0.0; 2]; intervals as usize];
        for use_ in &self.uses {
            let meter = usize::from(use_.in_kitchen && self.meters.len() == 2);
            let first = use_.start.since(self.next) / seconds;
            for interval in first..intervals {
                let start = self.next.plus(interval * seconds);
                if start >= use_.end() {
                    break;
                }
                let overlap = start.plus(seconds).min(use_.end()).since(start.max(use_.start));
                drawn[interval as usize][meter] += use_.litres * f64::from(overlap) / f64::from(use_.seconds);
            }
        }
        drawn
    }

    fn read_meters(&mut self, drawn: [Litres; 2], seconds: u32, rows: &mut Vec<Row>, incidents: &mut Vec<Incident>) {
        let interval = Span::new(self.next, seconds);
        self.next = interval.end;
        let troubles = &mut self.troubles;
        let stands_still = troubles.emergency.holds(interval.start);
        let received_at = self.delivery.received_at(interval.end);
        if troubles
            .meter_is_swapped_at
            .is_some_and(|swapped_at| swapped_at <= interval.start)
        {
            troubles.meter_is_swapped_at = None;
            self.meters[0].litres = 0.0;
            incidents.push(label(&self.household, "meter_swap", interval));
        }
        // The leak is behind the first meter.
        let mut leaked = troubles.leaked(interval);
        for (meter, drawn) in self.meters.iter_mut().zip(drawn) {
            let litres = if stands_still { 0.0 } else { drawn };
            // A use that is sure to show on the meter.
            let is_seen = litres >= meter.resolution;
            if is_seen && troubles.emergency_waits.is_some_and(|from| from <= interval.start) {
                troubles.emergency_waits = None;
                troubles.emergency = Span::new(interval.end, EMERGENCY_SECONDS);
                troubles.busy_until = troubles.busy_until.max(troubles.emergency.end.plus(5 * DAY));
                incidents.push(label(&self.household, "emergency", troubles.emergency));
            }
            let (measure, rolled_over) = meter.advance(litres + std::mem::take(&mut leaked));
            if rolled_over {
                incidents.push(label(&self.household, "register_rollover", interval));
            }
            if !self.day_is_lost && !troubles.silence.holds(interval.start) {
                let (start, measure) = (interval.start, Some(measure));
                rows.push(Row {
                    meter: meter.index,
                    start,
                    seconds,
                    measure,
                    quality: Quality::Measured,
                    received_at,
                    flags: Flags::NONE,
                });
            }
        }
    }
}

impl Troubles {
    fn run_water(&mut self, random: &mut ChaCha8Rng, start: EventTime, days: u32) {
        self.leak = Span::new(start, days * DAY);
        self.litres_per_hour = [1.0, 2.0, 5.0, 10.0, 30.0][random.random_range(0..5_usize)];
    }

    /// Litres of the leak in an interval.
    fn leaked(&self, interval: Span) -> Litres {
        let overlap = interval
            .end
            .min(self.leak.end)
            .since(interval.start.max(self.leak.start));
        self.litres_per_hour * f64::from(overlap) / f64::from(HOUR)
    }
}

fn label(household: &Arc<str>, kind: &str, span: Span) -> Incident {
    Incident {
        household: household.clone(),
        kind: kind.to_owned(),
        start: span.start,
        end: span.end,
        litres_per_hour: None,
        detail: None,
    }
}

/// A local day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Today {
    /// Its number, from 0.
    pub day: u32,
    /// When it begins.
    pub midnight: EventTime,
    /// When the next one begins.
    pub next_midnight: EventTime,
    /// 0 is Monday.
    pub weekday: usize,
}
