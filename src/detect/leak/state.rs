//! What is kept of a home's leaks.

use serde::{Deserialize, Serialize};

use super::settings::MAX_RUNS;
use super::{LEAK_HOURS, trend};
use crate::detect::met::Met;
use crate::model::EventTime;

/// Runs kept in the state itself; those of more kinds are kept with what is open.
const AT_HAND: usize = 2;
/// Steps to a nat of evidence, in what is kept.
const STEPS: f32 = 256.0;
/// A later run must show more than the home's runs that ended within a day: so many times as much, and so many nats.
const MORE_THAN_SHOWN: (f32, f32) = (2.0, 3.0);
/// What the home has shown is forgotten by this part a day, half of it in nine months.
const FORGOTTEN_A_DAY: u16 = 400;
/// A leak is told of anew at so many times its size, and so many litres an hour more: another one may have come to it.
const GROWN: (f32, f32) = (2.0, 1.0);
/// The place of the dry hours of rules on parts of an hour, after those of the runs.
pub const OF_SLOTS: usize = MAX_RUNS;

/// The runs of hours with flow, and what is open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeakState {
    /// Runs of the first kinds that the rules count (`LeakSettings::runs`).
    runs: [Run; AT_HAND],
    /// The most evidence of a steady flow in runs that ended within a day, fading.
    shown: u16,
    /// The most evidence in the run at hand.
    showing: u16,
    /// Unknown hours at the end of the runs.
    unknown: u8,
    /// Only while there is a leak, a run of a further kind, or a floor whose trend is followed.
    pub(super) ongoing: Option<Box<Ongoing>>,
}

/// First hour (in 22 bits) and measured hours (in 10) of a run of hours with flow; 0 while there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run(u32);

impl Run {
    const MOST: u32 = 1_023;

    /// Measured hours.
    pub fn hours(self) -> u32 {
        self.0 & Self::MOST
    }

    /// The first hour.
    pub fn start(self) -> u32 {
        self.0 >> 10
    }

    fn extend(&mut self, hour: u32) {
        if self.0 == 0 {
            *self = Self(hour << 10);
        }
        if self.hours() < Self::MOST {
            self.0 += 1;
        }
    }
}

/// What is told of a leak that is open, and since when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum News {
    /// It is many times as great as when it was told last; then it had so many litres an hour.
    Grew(EventTime, f32),
    /// Uses are not told apart from it.
    HidesUses(EventTime),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ongoing {
    pub met: Met,
    /// Dry hours of each kind of run since a rule on it was last fully met.
    dry: [u8; MAX_RUNS + 1],
    /// The floor before it grew, where a rule on growth is met (`trend`).
    before: u8,
    /// When what the first of them met had begun.
    pub since: EventTime,
    /// When the latest of them was met.
    pub detected_at: EventTime,
    /// The floor of the run when a rule was last fully met.
    pub litres_per_hour: f32,
    /// The floor that was told; 0 while it is not known.
    told: f32,
    /// Whether it was told that uses are not told apart from it.
    hides_uses: bool,
    /// What there was to tell of it last, after it was found.
    pub news: Option<News>,
    /// Runs of further kinds.
    more: [Run; MAX_RUNS - AT_HAND],
    /// Floors of the last days, newest last (`trend`).
    days: [u8; trend::MOST_DAYS],
}

impl Ongoing {
    fn is_empty(&self) -> bool {
        let no_floor = self.days.iter().all(|day| trend::says_nothing(*day));
        !self.met.any() && no_floor && self.more == [Run::default(); MAX_RUNS - AT_HAND]
    }
}

impl LeakState {
    /// Whether rule `index` is met.
    pub fn is_met(&self, index: usize) -> bool {
        self.ongoing.as_ref().is_some_and(|ongoing| ongoing.met.holds(index))
    }

    /// Whether any is.
    pub fn is_open(&self) -> bool {
        self.ongoing.as_ref().is_some_and(|ongoing| ongoing.met.any())
    }

    fn ongoing(&mut self) -> &mut Ongoing {
        self.ongoing.get_or_insert_with(|| {
            Box::new(Ongoing {
                days: [trend::encoded(None); trend::MOST_DAYS],
                ..Ongoing::default()
            })
        })
    }

    /// The run of the kind at `place`.
    pub fn run(&self, place: usize) -> Run {
        let more = || Some(self.ongoing.as_ref()?.more[place - AT_HAND]);
        self.runs.get(place).copied().or_else(more).unwrap_or_default()
    }

    /// An hour more of the run at `place`.
    pub fn extend(&mut self, place: usize, hour: u32) {
        match self.runs.get_mut(place) {
            Some(run) => run.extend(hour),
            None => self.ongoing().more[place - AT_HAND].extend(hour),
        }
    }

    /// The run at `place` is over.
    pub fn end_run(&mut self, place: usize) {
        match (self.runs.get_mut(place), &mut self.ongoing) {
            (Some(run), _) => *run = Run::default(),
            (None, Some(ongoing)) => ongoing.more[place - AT_HAND] = Run::default(),
            (None, None) => {}
        }
    }

    /// Nothing is known of an hour; answers how many in a row that are.
    pub fn skip(&mut self) -> u32 {
        self.unknown = self.unknown.saturating_add(1);
        u32::from(self.unknown)
    }

    /// An hour is known.
    pub fn know(&mut self) {
        self.unknown = 0;
    }

    /// Rule `index` holds at `at`, for what began at `since`.
    pub fn meet(&mut self, index: usize, since: EventTime, at: EventTime) {
        let ongoing = self.ongoing();
        if ongoing.met.holds(index) {
            return;
        }
        if !ongoing.met.any() {
            (ongoing.since, ongoing.litres_per_hour) = (since, 0.0);
            (ongoing.told, ongoing.hides_uses, ongoing.news) = (0.0, false, None);
        }
        ongoing.detected_at = at;
        ongoing.met.add(index);
    }

    /// Rule `index` is over.
    pub fn unmeet(&mut self, index: usize) {
        if let Some(ongoing) = &mut self.ongoing {
            ongoing.met.remove(index);
        }
    }

    /// A rule on the run at `place` is fully met: the leak goes on, at this size.
    pub fn renew(&mut self, place: usize, litres_per_hour: f32) {
        let ongoing = self.ongoing();
        (ongoing.dry[place], ongoing.litres_per_hour) = (0, litres_per_hour);
    }

    /// The first hour at which what is open is measured by a day of its own: its size, or what was new of it last, is a day old.
    pub fn settled_from(&self) -> Option<u32> {
        let ongoing = self.ongoing.as_ref().filter(|ongoing| ongoing.met.any())?;
        let grew = match ongoing.news {
            Some(News::Grew(at, _)) => at,
            _ => EventTime::ZERO,
        };
        Some(ongoing.since.max(grew).hour() + LEAK_HOURS)
    }

    /// At `at` the size of what is open is that of a day of its own: what it is told by, or news.
    pub fn follow_size(&mut self, at: EventTime) {
        let ongoing = self.ongoing();
        let (size, told) = (ongoing.litres_per_hour, ongoing.told);
        if told <= 0.0 {
            ongoing.told = size;
        } else if size >= (told * GROWN.0).max(told + GROWN.1) {
            (ongoing.told, ongoing.news) = (size, Some(News::Grew(at, told)));
        }
    }

    /// What is open runs so that uses are not told apart from it.
    pub fn hide_uses(&mut self, at: EventTime) {
        let ongoing = self.ongoing();
        if !ongoing.hides_uses {
            (ongoing.hides_uses, ongoing.news) = (true, Some(News::HidesUses(at)));
        }
    }

    /// One dry hour more of the run at `place`; answers how many there are.
    pub fn dry(&mut self, place: usize) -> u32 {
        let dry = &mut self.ongoing().dry[place];
        *dry = dry.saturating_add(1);
        u32::from(*dry)
    }

    /// Gives the box back when there is nothing in it.
    pub fn tidy(&mut self) {
        if self.ongoing.as_deref().is_some_and(Ongoing::is_empty) {
            self.ongoing = None;
        }
    }

    /// The run at hand shows this much evidence of a steady flow, in nats.
    pub fn show(&mut self, evidence: f32) {
        self.showing = self.showing.max((evidence * STEPS).min(f32::from(u16::MAX)) as u16);
    }

    /// The run that showed evidence is over. If it ended within a day, that is this home's habit.
    pub fn shown(&mut self, within_a_day: bool) {
        if within_a_day {
            self.shown = self.shown.max(self.showing);
        }
        self.showing = 0;
    }

    /// A day has passed.
    pub fn fade(&mut self) {
        self.shown -= self.shown.div_ceil(FORGOTTEN_A_DAY);
    }

    /// Evidence that a steady flow needs in this home.
    pub fn needed(&self, evidence: f32) -> f32 {
        let shown = f32::from(self.shown) / STEPS;
        evidence.max(MORE_THAN_SHOWN.0 * shown + MORE_THAN_SHOWN.1)
    }

    /// The floor of a day, in litres an hour; `None` where too little of it is known.
    pub fn take_floor(&mut self, floor: Option<f32>) {
        if self.ongoing.is_none() && floor.is_none_or(|floor| floor <= 0.0) {
            return;
        }
        let days = &mut self.ongoing().days;
        days.rotate_left(1);
        days[trend::MOST_DAYS - 1] = trend::encoded(floor);
    }

    /// How the floor grew in so many days.
    pub fn growth(&self, days: u32) -> Option<trend::Growth> {
        let kept = &self.ongoing.as_ref()?.days;
        trend::growth(&kept[trend::MOST_DAYS.saturating_sub(days as usize)..])
    }

    /// The least floor of so many days.
    pub fn least_floor(&self, days: u32) -> f32 {
        let kept = self
            .ongoing
            .iter()
            .flat_map(|ongoing| ongoing.days.iter().rev().take(days as usize));
        let least = kept.filter_map(|day| trend::decoded(*day)).reduce(f32::min);
        least.unwrap_or(0.0)
    }

    /// The floor grew to this size from what it was `before`.
    pub fn grew(&mut self, before: f32, litres_per_hour: f32) {
        let ongoing = self.ongoing();
        ongoing.before = trend::encoded(Some(before));
        ongoing.litres_per_hour = ongoing.litres_per_hour.max(litres_per_hour);
    }

    /// The floor before it grew.
    pub fn before(&self) -> f32 {
        let before = self.ongoing.as_ref().map(|ongoing| ongoing.before);
        before.and_then(trend::decoded).unwrap_or(0.0)
    }
}
