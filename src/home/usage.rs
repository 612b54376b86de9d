//! The usage of a home: everything that follows from its readings in order.

use serde::{Deserialize, Serialize};

use super::appliances::Appliances;
use super::floor::Floor;
use super::interval::{Flow, Interval, MeterReading};
use super::learnt::{LEAST_LITRES, Learnt, MOST_DAYS};
use super::meters::{MeterIndex, Meters};
use super::quarters::{QUARTER, Quarter, Quarters};
use super::register::MeterEvent;
use super::routine::Routine;
use super::window::{WINDOW_HOURS, Window};
use crate::model::{Appliance, DAY, EventTime, HOUR, MINUTE};

/// Settings of what is kept of a home.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HomeSettings {
    /// How long after newer readings a late one is still put in its place, in seconds.
    pub allowed_lateness_seconds: u32,
    /// How far a meter may jump ahead before a second reading must confirm it, in seconds.
    pub max_jump_seconds: u32,
    /// The greatest flow that a register may show, in litres an hour.
    pub max_flow_litres_per_hour: f64,
}

impl Default for HomeSettings {
    fn default() -> Self {
        Self {
            allowed_lateness_seconds: 3 * DAY,
            max_jump_seconds: 14 * DAY,
            max_flow_litres_per_hour: 20_000.0,
        }
    }
}

/// Which water counts as use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    /// What flows above the leak floor.
    #[default]
    AboveLeak,
    /// All that the meter shows, a leak's water too.
    AllWater,
}

impl Counts {
    /// Whether it is what holds where nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Litres of one hour of two days that may be those of a machine are apart by this share at most.
const DAILY_APART: f32 = 0.1;
/// An hour that lacks no more than this many seconds is wholly measured (clocks of meters jitter).
const HOUR_SLACK: u32 = 2 * MINUTE;

/// What follows from a home's readings: window, floor, routine, and the last sign of life.
///
/// Invariant: equal readings in equal order give equal bytes. Nothing here depends on when a reading arrived.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    meters: Meters,
    window: Window,
    routine: Routine,
    floor: Floor,
    /// Kept only for homes whose readings are fine enough.
    quarters: Option<Box<Quarters>>,
    /// Kept only for homes that have appliances, or may have: what they draw is taken off before anything looks at it.
    appliances: Option<Box<Appliances>>,
    frontier: EventTime,
    known_since: EventTime,
    last_sign: EventTime,
    /// The end of the last flow of any kind, a leak's and an appliance's too.
    last_flow: EventTime,
    /// The end of the last flow above the leak floor that is too little for a sign of life.
    last_doubt: EventTime,
    /// The end of the last part of an hour that shows that the leak does not come evenly.
    uneven_at: EventTime,
    /// Litres placed in the hour in progress.
    open_litres: f32,
    /// Seconds of the hour in progress that are measured.
    open_seconds: u16,
    /// Whether the hour in progress holds a sign of life.
    open_used: bool,
}

impl Usage {
    /// Up to where the home is known or given up.
    pub fn frontier(&self) -> EventTime {
        self.frontier
    }

    /// The end of the last sign of life; `None` before the first.
    pub fn last_sign(&self) -> Option<EventTime> {
        (self.last_sign > EventTime::ZERO).then_some(self.last_sign)
    }

    /// The end of the last use by what counts; `None` before the first.
    pub fn last_use(&self, counts: Counts) -> Option<EventTime> {
        match counts {
            Counts::AboveLeak => self.last_sign(),
            Counts::AllWater => (self.last_flow > EventTime::ZERO).then_some(self.last_flow),
        }
    }

    /// The end of the last flow above the leak floor that may have been a use, or the leak's own step; `None` before the first.
    pub fn last_doubt(&self) -> Option<EventTime> {
        (self.last_doubt > EventTime::ZERO).then_some(self.last_doubt)
    }

    /// From when on everything is known, but for what lacks in hours that are measured all the same: the end of the last gap.
    pub fn known_since(&self) -> EventTime {
        self.known_since
    }

    /// The start of the dry spell that goes on at the frontier, as far back as it is measured; `None` when there is use.
    pub fn dry_since(&self) -> Option<EventTime> {
        self.dry_since_by(Counts::AboveLeak)
    }

    /// The same, by what counts as use.
    pub fn dry_since_by(&self, counts: Counts) -> Option<EventTime> {
        let since = self.last_use(counts).unwrap_or_default().max(self.known_since);
        (since < self.frontier).then_some(since)
    }

    /// The first UTC hour that is not complete yet.
    pub fn next_hour(&self) -> u32 {
        self.routine.next_hour()
    }

    /// The UTC hours that were completed by `interval`, which must be the latest.
    pub fn completed_hours(&self, interval: &Interval) -> std::ops::Range<u32> {
        interval.start.hour()..self.next_hour()
    }

    /// Litres of one of the last [`WINDOW_HOURS`] complete hours; `None` where it is not wholly measured.
    pub fn litres(&self, hour: u32) -> Option<f32> {
        self.window.litres(hour, self.next_hour())
    }

    /// Litres that count in the `hours` hours before hour `before`; `None` where one is not wholly measured.
    pub fn litres_before(&self, hours: u32, before: u32, counts: Counts) -> Option<f32> {
        (before.checked_sub(hours)?..before)
            .map(|hour| self.litres_that_count(hour, counts))
            .sum()
    }

    /// Litres that count in those of these hours that are wholly measured.
    pub fn litres_at_least(&self, hours: u32, before: u32, counts: Counts) -> f32 {
        (before.saturating_sub(hours)..before)
            .filter_map(|hour| self.litres_that_count(hour, counts))
            .sum()
    }

    fn litres_that_count(&self, hour: u32, counts: Counts) -> Option<f32> {
        let floor = match counts {
            Counts::AboveLeak => self.floor.litres_per_hour(),
            Counts::AllWater => 0.0,
        };
        Some((self.litres(hour)? - floor).max(0.0))
    }

    /// Hours used and known, for sixty days.
    pub fn routine(&self) -> &Routine {
        &self.routine
    }

    /// What is known of quarter-hour `slot`, counted from 1970; of the last day only, and only where readings of up to
    /// half an hour come.
    pub fn quarter(&self, slot: u32) -> Quarter {
        let quarters = self.quarters.as_ref();
        quarters.map_or(Quarter::Unknown, |quarters| quarters.at(slot, self.frontier))
    }

    /// The first quarter-hour, counted from 1970, that is not complete yet.
    pub fn next_quarter(&self) -> u32 {
        self.frontier.seconds() / QUARTER
    }

    /// How many of the last `of` quarter-hours had flow; `None` where one of them is not known.
    pub fn quarters_used(&self, of: u32) -> Option<u32> {
        let next = self.next_quarter();
        (next.checked_sub(of)?..next)
            .map(|slot| match self.quarter(slot) {
                Quarter::Used => Some(1),
                Quarter::Dry => Some(0),
                Quarter::UsedNearby | Quarter::Unknown => None,
            })
            .sum()
    }

    /// The flow that never stops.
    pub fn floor(&self) -> &Floor {
        &self.floor
    }

    /// Sets the appliances that are declared.
    pub fn declare_appliances(&mut self, declared: &[Appliance]) {
        if declared.is_empty() && self.appliances.is_none() {
            return;
        }
        self.appliances.get_or_insert_default().declare(declared);
    }

    /// The appliances that are declared.
    pub fn declared_appliances(&self) -> impl Iterator<Item = Appliance> + '_ {
        self.appliances.iter().flat_map(|appliances| appliances.declared())
    }

    /// The appliance that was learnt from the readings.
    pub fn learnt_appliance(&self) -> Option<Learnt> {
        self.appliances.as_ref()?.learnt()
    }

    /// Whether the home is followed for an appliance that may be learnt.
    pub fn may_have_appliance(&self) -> bool {
        self.appliances.is_some()
    }

    /// Whether an appliance ran in `hour`, one of the last [`WINDOW_HOURS`] complete ones: what else flowed in it says nothing
    /// of a leak.
    pub fn appliance_ran(&self, hour: u32) -> bool {
        self.appliances
            .as_ref()
            .is_some_and(|appliances| appliances.ran_in(hour))
    }

    /// Whether another meter has taken the place of meter `index`.
    pub fn replaced(&self, index: MeterIndex) -> bool {
        self.meters.replaced(index)
    }

    /// Up to where meter `index` has reported.
    pub fn meter_frontier(&self, index: MeterIndex) -> Option<EventTime> {
        self.meters.frontier(index)
    }

    /// Up to where the meter furthest ahead has reported.
    pub fn latest(&self) -> EventTime {
        self.meters.latest()
    }

    /// Whether all hours that the stretch touches are known.
    pub fn knows(&self, start: EventTime, end: EventTime) -> bool {
        let last = end.minus(1).hour().min(self.routine.next_hour().saturating_sub(1));
        start.hour() >= self.routine.first_hour() && (start.hour()..=last).all(|hour| self.routine.used(hour).is_some())
    }

    /// Bytes kept on the heap besides the value itself.
    pub fn heap_bytes(&self) -> usize {
        let quarters = self.quarters.as_ref().map_or(0, |_| size_of::<Quarters>());
        let appliances = self.appliances.as_ref();
        let appliances = appliances.map_or(0, |kept| size_of::<Appliances>() + kept.heap_bytes());
        self.meters.heap_bytes() + self.routine.heap_bytes() + quarters + appliances
    }

    /// [`Self::apply_local`] of a home whose clocks show UTC.
    pub fn apply(
        &mut self,
        reading: &MeterReading,
        settings: &HomeSettings,
        event: impl FnMut(MeterEvent),
        emit: impl FnMut(&Self, &Interval),
    ) {
        self.apply_local(reading, settings, |_| 0, event, emit);
    }

    /// Applies one measured reading. `ahead` answers by how many seconds the home's clocks are ahead of UTC at a moment;
    /// `event` hears of classed steps, `emit` of each stretch of the home's time that is now known or given up, without
    /// what its appliances drew, with the usage as it stands then.
    pub fn apply_local(
        &mut self,
        reading: &MeterReading,
        settings: &HomeSettings,
        ahead: impl Fn(EventTime) -> i32,
        event: impl FnMut(MeterEvent),
        mut emit: impl FnMut(&Self, &Interval),
    ) {
        let mut meters = std::mem::take(&mut self.meters);
        let lateness = settings.allowed_lateness_seconds;
        meters.apply(
            reading,
            settings.max_flow_litres_per_hour,
            lateness,
            event,
            |interval, least| {
                self.floor.observe(least, interval.seconds());
                let interval = self.take(&interval, &ahead);
                emit(self, &interval);
            },
        );
        self.meters = meters;
    }

    /// Takes the next stretch; answers what is left of it without what appliances drew.
    fn take(&mut self, measured: &Interval, ahead: &impl Fn(EventTime) -> i32) -> Interval {
        let flow_before = self.last_flow;
        if let Flow::Measured(litres) | Flow::UsedSomewhere(litres) = measured.flow
            && litres > 0.0
        {
            self.last_flow = measured.end;
        }
        let interval = &self.without_appliances(measured, ahead);
        if self.frontier == EventTime::ZERO {
            self.frontier = interval.start;
            self.known_since = interval.start;
        }
        if self.quarters.is_none() && Quarters::worth_keeping(interval) {
            self.quarters = Some(Box::default());
        }
        if let Some(quarters) = &mut self.quarters {
            // Which of what flowed was an appliance's is not known to the quarter of an hour.
            let flow = if interval == measured {
                interval.flow
            } else {
                Flow::Unknown
            };
            quarters.take(&Interval { flow, ..*interval });
        }
        match interval.flow {
            Flow::Unknown if self.lacks_little(interval) => {}
            Flow::Unknown => self.known_since = interval.end,
            Flow::UsedSomewhere(litres) => {
                let (seconds, of_hour) = (interval.seconds(), self.open_hour_with(litres, interval));
                let used = self
                    .floor
                    .is_use_in_hour(litres, seconds, of_hour, self.comes_evenly(interval));
                if used {
                    self.last_sign = interval.end;
                } else if self.floor.is_above(of_hour, seconds.max(HOUR)) {
                    self.last_doubt = interval.end;
                }
                // In a short gap the leak brought it; in a long one a use may hide behind what the leak did not bring.
                if used || seconds > HOUR {
                    self.known_since = interval.end;
                }
            }
            Flow::Measured(litres) => {
                self.follow_evenness(litres, interval, flow_before);
                let comes_evenly = self.comes_evenly(interval);
                let of_hour = self.open_hour_with(litres, interval);
                let is_use = |floor: &Floor| floor.is_use_in_hour(litres, interval.seconds(), of_hour, comes_evenly);
                let used = is_use(&self.floor);
                let placeable = !used || interval.is_placeable();
                self.pass(interval, placeable.then_some((litres, used)), ahead);
                // The floor may have risen with the hour that this completed.
                if used && is_use(&self.floor) {
                    self.last_sign = interval.end;
                } else if interval.is_placeable() && self.floor.is_above(of_hour, interval.seconds().max(HOUR)) {
                    self.last_doubt = interval.end;
                }
                return *interval;
            }
        }
        self.pass(interval, None, ahead);
        *interval
    }

    /// Notes whether a part of an hour, or the pause that goes on with it since the flow before, had less than a leak brings that comes
    /// evenly: a cistern fills and waits, and coarse meters count seldom.
    fn follow_evenness(&mut self, litres: f32, interval: &Interval, flow_before: EventTime) {
        let since = match litres > 0.0 {
            true => interval.start,
            false => flow_before.max(self.known_since).min(interval.start),
        };
        if interval.seconds() < HOUR && self.floor.is_short(litres, interval.end.since(since)) {
            self.uneven_at = interval.end;
        }
    }

    /// Whether the leak came evenly within the hours of the day before `interval`, as far as is known.
    fn comes_evenly(&self, interval: &Interval) -> bool {
        interval.start.since(self.uneven_at) >= DAY
    }

    /// Whether the hours that `interval` lies in are wholly measured as far as they have come, though nothing is known of it: a spell
    /// needs no more than its hours do.
    fn lacks_little(&self, interval: &Interval) -> bool {
        let hour = interval.start.hour();
        let end = interval.end.min(EventTime::from_hour(hour + 1));
        let lacked = end
            .since(EventTime::from_hour(hour))
            .saturating_sub(self.open_seconds.into());
        lacked <= HOUR_SLACK && interval.end.since(end) <= HOUR_SLACK
    }

    /// Litres of the hour that is not over, with those of the interval that comes next, where it is a part of that hour and no use was
    /// in it yet.
    fn open_hour_with(&self, litres: f32, interval: &Interval) -> f32 {
        let is_part = interval.start.hour() == interval.end.minus(1).hour() && !self.open_used;
        if is_part { self.open_litres + litres } else { litres }
    }

    fn without_appliances(&mut self, interval: &Interval, ahead: &impl Fn(EventTime) -> i32) -> Interval {
        let Some(appliances) = &mut self.appliances else {
            return *interval;
        };
        appliances.set_local(ahead(interval.start));
        appliances.begin_hours(interval);
        let step = self.floor.step();
        let is_use = |flow| matches!(flow, Flow::Measured(litres) if self.floor.is_use(litres, interval.seconds()));
        let rest = appliances.take_off(interval, self.floor.litres_per_hour(), step);
        // It ran as a person's use until now.
        let before = appliances.learn(interval, is_use(interval.flow), step);
        let runs = before.iter().flat_map(|runs| runs.hours_before(interval.start));
        runs.for_each(|hour| self.routine.clear_use(hour));
        if appliances.take_new() {
            let hours = self.routine.first_hour()..self.routine.next_hour();
            for hour in hours.filter(|hour| appliances.covers_hour(*hour)) {
                self.routine.clear_use(hour);
            }
        }
        if appliances.is_empty() {
            self.appliances = None;
        }
        rest
    }

    /// Moves the frontier over an interval, with its litres and whether they are a sign of life where it is measured.
    fn pass(&mut self, interval: &Interval, measured: Option<(f32, bool)>, ahead: &impl Fn(EventTime) -> i32) {
        let main_hour = interval.start.plus(interval.seconds() / 2).hour();
        let long = !interval.is_placeable();
        let mut start = interval.start;
        while start < interval.end {
            let hour = start.hour();
            let next = EventTime::from_hour(hour + 1);
            let end = interval.end.min(next);
            if let Some((litres, used)) = measured {
                self.open_seconds += end.since(start) as u16;
                if long {
                    self.open_litres += litres * end.since(start) as f32 / interval.seconds() as f32;
                } else if hour == main_hour {
                    self.open_litres += litres;
                    self.open_used |= used;
                }
            }
            start = end;
            self.frontier = end;
            if end == next {
                self.complete(hour, ahead);
            }
        }
    }

    fn complete(&mut self, hour: u32, ahead: &impl Fn(EventTime) -> i32) {
        let whole = u32::from(self.open_seconds) + HOUR_SLACK >= HOUR;
        let known = if self.open_used {
            Some(true)
        } else {
            whole.then_some(false)
        };
        self.window.push(hour, whole.then_some(self.open_litres));
        self.routine.push(hour, known);
        (self.open_litres, self.open_seconds, self.open_used) = (0.0, 0, false);
        let next = hour + 1;
        let (window, appliances) = (&self.window, &self.appliances);
        let ran = |hour| appliances.as_ref().is_some_and(|appliances| appliances.ran_in(hour));
        let of_leaks = |hour| window.litres(hour, next).filter(|_| !ran(hour));
        if self.floor.hour_completed(of_leaks, next) {
            self.read_signs_again(next);
        }
        if self.appliances.is_none() && self.may_be_appliance(hour) {
            let ahead = ahead(EventTime::from_hour(hour));
            let start = EventTime::from_hour(hour).seconds().saturating_add_signed(ahead);
            self.appliances = Appliances::follow(start).map(Box::new);
        }
    }

    /// Whether as much was used in `hour` as a machine takes, and in this hour of three earlier days at equal distances, but
    /// not between; daily, as many litres as the day before.
    fn may_be_appliance(&self, hour: u32) -> bool {
        let litres = self.window.litres(hour, hour + 1).unwrap_or(0.0) - self.floor.litres_per_hour();
        if litres < LEAST_LITRES {
            return false;
        }
        let used = |days: u32| hour.checked_sub(24 * days).and_then(|hour| self.routine.used(hour)) == Some(true);
        let Some(every) = (1..=MOST_DAYS).find(|days| used(*days)) else {
            return false;
        };
        let before = hour
            .checked_sub(24)
            .and_then(|before| self.window.litres(before, hour + 1));
        let is_alike = every > 1 || before.is_some_and(|before| (before - litres).abs() <= DAILY_APART * litres);
        is_alike && used(2 * every) && used(3 * every)
    }

    /// The floor rose: what looked like use in the hours since may have been the leak alone.
    fn read_signs_again(&mut self, next: u32) {
        for hour in (next.saturating_sub(WINDOW_HOURS)..next).rev() {
            // An hour that is not wholly measured may hold a use that the window does not: it is not read again.
            let leak_alone = |litres| !self.floor.is_use(litres, HOUR);
            let Some(litres) = self.window.litres(hour, next).filter(|litres| leak_alone(*litres)) else {
                return;
            };
            if litres < self.floor.litres_per_hour() && self.routine.used(hour) == Some(true) {
                return; // A use of before the leak.
            }
            self.routine.clear_use(hour);
            if self.last_sign > EventTime::from_hour(hour) {
                self.last_sign = EventTime::from_hour(hour);
            }
        }
        // The leak alone, as far back as litres are kept: it was dry for longer.
        let first = next.saturating_sub(WINDOW_HOURS);
        if self.last_sign == EventTime::from_hour(first) {
            self.last_sign = EventTime::from_hour(first - self.routine.dry_hours_before(first));
        }
    }
}
