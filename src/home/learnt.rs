//! Appliances that are learnt: draws at night that are as alike as only machines are.
//!
//! Method: a draw is a stretch of measured use between two dry stretches. One that begins between midnight and six, local
//! time, and takes 25 litres or more is held against the last few of its kind: it is of the same machine when it begins
//! within two minutes of the same local minute, lasts as long (within one interval), takes the same litres (within 3 %, or
//! a step of the meter of up to 5 %), and comes after the same number of days. After [`ENOUGH`] of them in a row it is taken for one;
//! after three runs that did not come, or came otherwise, it is forgotten. People's draws vary: the test is one of very
//! little variation of time, length and volume together, not of habit.
//! Why so strict: to take a person for a machine makes a false alert, to take a machine for a person hides an emergency
//! until it is declared; nothing but night draws of machine-like sameness are worth the first.

use serde::{Deserialize, Serialize};

use super::interval::{Flow, Interval};
use crate::model::{DAY, EventTime, HOUR, MINUTE};

/// A machine takes so many litres at least: no cistern, no tap.
pub const LEAST_LITRES: f32 = 25.0;
/// Draws that begin before this local hour are of the night.
pub const NIGHT_ENDS: u32 = 6;
/// So many in a row make a machine.
const ENOUGH: u8 = 8;
/// The longest time between two runs, in days.
pub const MOST_DAYS: u32 = 14;
/// How far litres may be apart, as a share, and beginnings, in minutes.
const APART: f32 = 0.03;
/// A step of the meter is allowed for up to this share: what a coarse meter shows is not alike enough to learn from.
const COARSE: f32 = 0.05;
const MINUTES_APART: u16 = 2;
/// How many kinds of draw are followed.
const FOLLOWED: usize = 3;
/// So many runs may fail before it is forgotten.
const MAY_FAIL: u16 = 3;

/// The draws of a home that may be those of a machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learner {
    kinds: [Kind; FOLLOWED],
    /// The draw that goes on: local start, in seconds; 0 while there is none, or where its start is not known.
    start: u32,
    litres: f32,
    /// Whether the last stretch was measured dry.
    was_dry: bool,
    /// What the learnt machine has drawn on its last day, and that day.
    spent: f32,
    day: u16,
}

/// Draws of one kind, the last of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Kind {
    /// Mean litres.
    litres: f32,
    /// Local minute of the day at which it begins.
    minute: u16,
    /// How long it lasts, in minutes.
    lasts: u16,
    /// Local day of the last one, since 1970.
    day: u16,
    /// Days from one to the next; 0 after the first.
    every: u8,
    /// How many there were in a row; 0 for none.
    seen: u8,
}

/// A machine that was learnt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learnt {
    /// Local minute of the day at which it begins.
    pub minute: u16,
    /// How long it runs, in minutes.
    pub minutes: u16,
    /// Days from one run to the next.
    pub every_days: u8,
    /// Litres a run.
    pub litres: f32,
}

/// The runs of a machine that has just been learnt; the last is just over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Runs {
    /// How long each of them lasted, in seconds.
    pub seconds: u32,
    /// From one to the next, in seconds.
    pub every: u32,
    /// How many there were.
    pub count: u8,
}

impl Runs {
    /// The UTC hours that they touched, of runs the last of which ended at `end`.
    pub fn hours_before(self, end: EventTime) -> impl Iterator<Item = u32> {
        (0..u32::from(self.count)).flat_map(move |back| {
            let end = end.minus(back * self.every);
            end.minus(self.seconds).hour()..=end.minus(1).hour()
        })
    }
}

impl Kind {
    fn is_learnt(&self) -> bool {
        self.seen >= ENOUGH
    }

    /// What it may draw at most, on a meter with this step.
    fn most(&self, step: f32) -> f32 {
        self.litres + apart(self.litres, step) + 1e-3
    }

    fn is_forgotten(&self, day: u16) -> bool {
        let most = match self.every {
            0 => MOST_DAYS as u16,
            every => u16::from(every) * MAY_FAIL,
        };
        self.seen > 0 && day.saturating_sub(self.day) > most
    }
}

/// How far runs of a machine may be apart, in litres.
fn apart(litres: f32, step: f32) -> f32 {
    step.min(COARSE * litres).max(APART * litres)
}

impl Learner {
    /// Begins to follow a home on a local day; if nothing comes of it for a while, it is dropped.
    pub fn begin(day: u16) -> Self {
        let mut learner = Self::default();
        // Of no minute of any day: nothing is like it.
        learner.kinds[0] = Kind {
            minute: u16::MAX,
            day,
            seen: 1,
            ..Kind::default()
        };
        learner
    }

    /// Whether it follows nothing.
    pub fn is_empty(&self) -> bool {
        self.kinds.iter().all(|kind| kind.seen == 0) && self.start == 0
    }

    /// The machine.
    pub fn learnt(&self) -> Option<Learnt> {
        let kind = self.kinds.iter().find(|kind| kind.is_learnt())?;
        Some(Learnt {
            minute: kind.minute,
            minutes: kind.lasts,
            every_days: kind.every,
            litres: kind.litres,
        })
    }

    /// Takes up to so many litres of a stretch of local time, as far as the machine's run within it allows, on a meter with
    /// this step.
    pub fn draw(&mut self, (start, end): (u32, u32), litres: f32, step: f32) -> f32 {
        let Some(kind) = self.kinds.iter().find(|kind| kind.is_learnt()).copied() else {
            return 0.0;
        };
        let day = u16::try_from(end.saturating_sub(1) / DAY).unwrap_or(u16::MAX);
        let is_due = day > kind.day && (day - kind.day).is_multiple_of(u16::from(kind.every.max(1)));
        let slack = u32::from(MINUTES_APART) * MINUTE;
        let from = (u32::from(day) * DAY + u32::from(kind.minute) * MINUTE).saturating_sub(slack);
        let to = from + u32::from(kind.lasts) * MINUTE + 2 * slack;
        if !is_due || end <= from || start >= to {
            return 0.0;
        }
        if self.day != day {
            (self.day, self.spent) = (day, 0.0);
        }
        let part = (kind.most(step) - self.spent).min(litres).max(0.0);
        self.spent += part;
        part
    }

    /// Takes the next stretch of the home's time, `local` by its clock. Answers the runs of a machine that it has just
    /// learnt.
    pub fn take(&mut self, interval: &Interval, local: (u32, u32), is_use: bool, step: f32) -> Option<Runs> {
        let seconds = interval.seconds();
        let Flow::Measured(litres) = interval.flow else {
            (self.start, self.litres, self.was_dry) = (0, 0.0, false);
            return None;
        };
        if seconds > HOUR + 5 * MINUTE {
            (self.start, self.litres, self.was_dry) = (0, 0.0, !is_use);
            return None;
        }
        if is_use {
            if self.start == 0 && self.was_dry {
                self.start = local.0;
            }
            self.litres += litres;
            self.was_dry = false;
            return None;
        }
        let (start, drawn) = (self.start, self.litres);
        (self.start, self.litres, self.was_dry) = (0, 0.0, true);
        let day = u16::try_from(local.0 / DAY).ok()?;
        for kind in self.kinds.iter_mut().filter(|kind| kind.is_forgotten(day)) {
            *kind = Kind::default();
        }
        let is_of_the_night = start % DAY < NIGHT_ENDS * HOUR;
        if start == 0 || drawn < LEAST_LITRES || !is_of_the_night {
            return None;
        }
        self.judge(start, local.0, drawn, (seconds / MINUTE, step))
    }

    /// A draw of the night is over.
    fn judge(&mut self, start: u32, end: u32, litres: f32, (interval, step): (u32, f32)) -> Option<Runs> {
        let day = u16::try_from(start / DAY).ok()?;
        let minute = u16::try_from(start % DAY / MINUTE).ok()?;
        let lasts = u16::try_from((end - start) / MINUTE).ok()?;
        let is_of = |kind: &Kind| {
            kind.seen > 0
                && kind.minute.abs_diff(minute) <= MINUTES_APART
                && u32::from(kind.lasts.abs_diff(lasts)) <= interval.max(1)
                && (kind.litres - litres).abs() <= apart(kind.litres, step)
        };
        let Some(place) = self.kinds.iter().position(is_of) else {
            let fresh = Kind {
                litres,
                minute,
                lasts,
                day,
                every: 0,
                seen: 1,
            };
            // A machine that is known keeps its place; else the one with the fewest makes room, of them the oldest.
            let oldest = self
                .kinds
                .iter_mut()
                .filter(|kind| !kind.is_learnt())
                .min_by_key(|kind| (kind.seen, kind.day))?;
            *oldest = fresh;
            return None;
        };
        let kind = &mut self.kinds[place];
        let after = day.saturating_sub(kind.day);
        if after == 0 {
            // Twice in a night at the same minute cannot be; by the clock that was turned back it can.
            return None;
        }
        let was_learnt = kind.is_learnt();
        let every = u16::from(kind.every);
        // A run may have been lost with its readings.
        if every > 0 && (after == every || after == 2 * every) {
            kind.seen = kind.seen.saturating_add(1);
        } else if u32::from(after) <= MOST_DAYS {
            (kind.every, kind.seen) = (after as u8, 2);
        } else {
            (kind.every, kind.seen) = (0, 1);
        }
        kind.litres += (litres - kind.litres) / f32::from(kind.seen.clamp(2, ENOUGH));
        (kind.day, kind.minute, kind.lasts) = (day, minute, kind.lasts.max(lasts));
        (kind.is_learnt() && !was_learnt).then_some(Runs {
            seconds: end - start,
            every: u32::from(kind.every) * DAY,
            count: kind.seen,
        })
    }
}
