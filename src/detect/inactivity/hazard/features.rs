//! What the hazard is told of a spell and of each of its hours: shares and counts of this home's own last weeks.
//!
//! Units: hours and days; shares from 0 to 1, -1 where nothing is known; hours of the day by the clock on the wall.

use jiff::tz::TimeZone;

use super::past::{ABSENCE_HOURS, Hours, PAST_HOURS, Past};
use crate::model::EventTime;

/// Past days that are held against the spell hour by hour.
const DAYS: usize = 58;
/// Hours that a past day's window begins before the hour of the spell's beginning.
const BEFORE: usize = 4;
/// Weight of a spell that began so many hours of the day away, from two before to two after.
const KERNEL: [f32; 5] = [0.2, 0.6, 1.0, 0.6, 0.2];
/// The hour at which a person's day begins.
const DAWN: i32 = 3;

/// Names of the features, in their order; a model names those it was taught with.
pub const NAMES: [&str; COUNT] = [
    "start_hour",
    "weekday",
    "use_run",
    "used_of_3",
    "used_of_6",
    "used_of_12",
    "used_of_24",
    "used_share_7_days",
    "used_share_28_days",
    "previous_dry",
    "awake",
    "longest_1_day",
    "longest_3_days",
    "longest_7_days",
    "longest_28_days",
    "days_since_absence",
    "days_since_long",
    "long_8",
    "long_11",
    "long_14",
    "wake_mean",
    "wake_spread",
    "woke_today",
    "bed_mean",
    "own_median",
    "own_80_percent",
    "known_days",
    "elapsed",
    "hour",
    "hour_share_7_days",
    "hour_share_28_days",
    "hour_share_all_days",
    "hour_share_same_weekday",
    "still_dry_7_days",
    "still_dry_28_days",
    "still_dry_all_days",
    "still_dry_same_weekday",
    "next_use_28_days",
    "next_use_same_weekday",
    "own_hazard",
    "own_at_risk",
    "own_hazard_14_days",
    "own_survival",
    "from_wake",
    "from_bed",
    "from_own_95_percent",
    "ahead_28_days",
    "clock_hazard",
    "clock_at_risk",
    "clock_hazard_like_day",
    "clock_longest",
];
/// How many features there are.
pub const COUNT: usize = 51;
/// Features of the spell, the same in all its hours; those of its hours follow.
pub(super) const OF_SPELL: usize = 27;

/// The features of every hour of a spell.
pub type Rows = [[f32; COUNT]; ABSENCE_HOURS];

/// Parts of the past days, by how many days ago; together all days.
const PARTS: [fn(usize) -> bool; 3] = [|day| day <= 7, |day| day > 7 && day <= 28, |day| day > 28];

/// Local hours about a spell.
struct Clock<'a> {
    zone: &'a TimeZone,
    start: u32,
    /// Hours that the wall clock is ahead of UTC, where it is the same at both ends of the time that is looked at.
    steady: Option<i32>,
}

impl<'a> Clock<'a> {
    fn new(zone: &'a TimeZone, start: u32) -> Self {
        let mut clock = Self {
            zone,
            start,
            steady: None,
        };
        let now = clock.ahead_of_utc(0);
        let ends = [-(PAST_HOURS as i32), ABSENCE_HOURS as i32];
        clock.steady = ends.iter().all(|end| clock.ahead_of_utc(*end) == now).then_some(now);
        clock
    }

    fn ahead_of_utc(&self, ahead: i32) -> i32 {
        self.steady.unwrap_or_else(|| {
            let hour = EventTime::from_hour(self.start.saturating_add_signed(ahead));
            self.zone.to_offset(hour.to_jiff()).seconds().div_euclid(3_600)
        })
    }

    /// The local hour since 1970, so many hours after the start.
    fn at(&self, ahead: i32) -> i32 {
        self.start as i32 + ahead + self.ahead_of_utc(ahead)
    }

    /// The place among the hours of a [`Past`] of the hour that is `hours` before the start by the wall clock.
    fn place(&self, hours: i32) -> i32 {
        let changed = self.ahead_of_utc(0) - self.ahead_of_utc(-hours);
        PAST_HOURS as i32 - hours + changed
    }
}

/// Monday is 0.
fn weekday(local_hour: i32) -> i32 {
    (local_hour.div_euclid(24) + 3).rem_euclid(7)
}

fn share(part: f32, whole: f32) -> f32 {
    if whole > 0.0 { part / whole } else { -1.0 }
}

/// Hours from one hour of the day to another, the short way round.
fn around(hours: f32) -> f32 {
    if hours < -12.0 {
        hours + 24.0
    } else if hours > 12.0 {
        hours - 24.0
    } else {
        hours
    }
}

/// This home's spells begun about this hour, by dry hours.
#[derive(Default)]
struct Own {
    at_risk: [f32; ABSENCE_HOURS],
    ended: [f32; ABSENCE_HOURS],
}

impl Own {
    fn add(&mut self, dry: usize, seen: usize, weight: f32) {
        for at_risk in &mut self.at_risk[..dry.min(seen).min(ABSENCE_HOURS)] {
            *at_risk += weight;
        }
        if dry < seen && dry < ABSENCE_HOURS {
            self.at_risk[dry] += weight;
            self.ended[dry] += weight;
        }
    }

    fn hazard(&self, dry: usize) -> f32 {
        self.ended[dry] / (self.at_risk[dry] + 1.0)
    }

    /// The share of spells that last so many hours, for 0 to 24.
    fn survival(&self) -> [f32; ABSENCE_HOURS + 1] {
        let mut survival = [1.0; ABSENCE_HOURS + 1];
        for dry in 0..ABSENCE_HOURS {
            let ended = share(self.ended[dry], self.at_risk[dry]).max(0.0);
            survival[dry + 1] = survival[dry] * (1.0 - ended);
        }
        survival
    }
}

/// What past days of one class were like from the hour of the spell's beginning on.
#[derive(Clone, Copy)]
struct Days {
    /// Days with use, and known days, by hour.
    used: [f32; ABSENCE_HOURS],
    known: [f32; ABSENCE_HOURS],
    /// Days still dry after so many hours, of those of which it is known.
    dry: [f32; ABSENCE_HOURS + 1],
    told: [f32; ABSENCE_HOURS + 1],
}

impl Days {
    const NONE: Self = Self {
        used: [0.0; ABSENCE_HOURS],
        known: [0.0; ABSENCE_HOURS],
        dry: [0.0; ABSENCE_HOURS + 1],
        told: [0.0; ABSENCE_HOURS + 1],
    };

    fn add(&mut self, day: Hours) {
        let (dry, seen) = day.dry_and_seen();
        for hour in 0..ABSENCE_HOURS {
            self.used[hour] += (day.used >> hour & 1) as f32;
            self.known[hour] += (day.known >> hour & 1) as f32;
        }
        for hours in 0..=ABSENCE_HOURS {
            if dry < seen || hours <= seen {
                self.told[hours] += 1.0;
                self.dry[hours] += if dry >= hours { 1.0 } else { 0.0 };
            }
        }
    }

    /// These days and those.
    fn with(mut self, other: &Self) -> Self {
        let add = |to: &mut [f32], more: &[f32]| to.iter_mut().zip(more).for_each(|(to, more)| *to += more);
        add(&mut self.used, &other.used);
        add(&mut self.known, &other.known);
        add(&mut self.dry, &other.dry);
        add(&mut self.told, &other.told);
        self
    }

    fn share(&self, hour: usize) -> f32 {
        share(self.used[hour], self.known[hour])
    }

    /// The share of days still dry after `hours`.
    fn still_dry(&self, hours: usize) -> f32 {
        share(self.dry[hours], self.told[hours])
    }

    /// Of the days still dry after `hours`, the share that had use in the next.
    fn next_use(&self, hours: usize) -> f32 {
        share(self.dry[hours] - self.dry[hours + 1], self.dry[hours])
    }
}

/// When people of this home get up and when they last use water, by the last four weeks.
struct Waking {
    mean: f32,
    spread: f32,
    today: f32,
    bed: f32,
}

impl Waking {
    fn of(past: &Past, clock: &Clock<'_>, since_dawn: i32) -> Self {
        let (mut days, mut sum, mut squares) = (0.0_f32, 0.0_f32, 0.0_f32);
        let (mut nights, mut beds) = (0.0_f32, 0.0_f32);
        let mut today = -1.0;
        for day in 0..28 {
            let hours = past.from(clock.place(since_dawn + 24 * day)).first(24);
            let (dry, seen) = hours.dry_and_seen();
            let woke = (DAWN as usize + dry) as f32;
            match day {
                0 if dry < seen => today = woke,
                1.. if dry < seen && dry < 20 => {
                    days += 1.0;
                    sum += woke;
                    squares += woke * woke;
                }
                _ => {}
            }
            if day > 0 && hours.used != 0 {
                nights += 1.0;
                beds += (DAWN as u32 + hours.used.ilog2()) as f32;
            }
        }
        let mean = if days > 0.0 { sum / days } else { 8.0 };
        Self {
            mean,
            spread: if days > 2.0 {
                (squares / days - mean * mean).max(0.0).sqrt()
            } else {
                -1.0
            },
            today,
            bed: if nights > 0.0 { beds / nights } else { 23.0 },
        }
    }
}

/// What past hours at the same hour of the day, with about as long a dry time before them, were like.
#[derive(Default)]
struct AtThisHour {
    at_risk: f32,
    ended: f32,
    like_day: [f32; 2],
    longest: f32,
}

impl AtThisHour {
    fn of(past: &Past, places: &[i32; DAYS], elapsed: usize, local: i32) -> Self {
        let today = weekday(local);
        let is_weekend = |day: i32| (today - day).rem_euclid(7) >= 5;
        let mut found = Self::default();
        for (day, place) in (1..).zip(places) {
            let Some((dry, used)) = past.dry_then_used(place + elapsed as i32) else {
                continue;
            };
            found.longest = found.longest.max(f32::from(dry));
            let dry = usize::from(dry);
            if dry + 2 < elapsed || dry > 2 * elapsed + 2 {
                continue;
            }
            let used = if used { 1.0 } else { 0.0 };
            found.at_risk += 1.0;
            found.ended += used;
            if is_weekend(day) == is_weekend(0) {
                found.like_day[0] += 1.0;
                found.like_day[1] += used;
            }
        }
        found
    }
}

/// The features of a spell that begins with UTC hour `start`, of as many of its hours as there are `rows`.
pub fn rows(past: &Past, start: u32, zone: &TimeZone, rows: &mut [[f32; COUNT]]) {
    let clock = Clock::new(zone, start);
    let local = clock.at(0);
    let hour = local.rem_euclid(24);
    let mut places = [0; DAYS];
    let (mut own, mut own_lately) = (Own::default(), Own::default());
    let (mut parts, mut same_weekday) = ([Days::NONE; PARTS.len()], Days::NONE);
    for (day, place) in (1..).zip(&mut places) {
        *place = clock.place(24 * day as i32);
        let hours = past.from(*place - BEFORE as i32);
        for (later, weight) in KERNEL.iter().enumerate() {
            let use_before = BEFORE + later - KERNEL.len() / 2 - 1;
            if hours.used >> use_before & 1 == 0 {
                continue;
            }
            let (dry, seen) = hours.after(use_before + 1).dry_and_seen();
            own.add(dry, seen, *weight);
            if day <= 14 {
                own_lately.add(dry, seen, *weight);
            }
        }
        let of_day = hours.after(BEFORE);
        if let Some((part, _)) = parts.iter_mut().zip(PARTS).find(|(_, holds)| holds(day)) {
            part.add(of_day);
        }
        if day.is_multiple_of(7) {
            same_weekday.add(of_day);
        }
    }
    let [days_7, until_28, older] = &parts;
    let days_28 = days_7.with(until_28);
    let days_all = days_28.with(older);
    let since_dawn = (hour - DAWN).rem_euclid(24);
    let waking = Waking::of(past, &clock, since_dawn);
    let survival = own.survival();
    // Of spells that lasted an hour or two: those cut short at once are no spells to speak of.
    let lasting = survival[2].max(1e-6);
    let own_hours = |percent: f32| {
        let passed = |left: &f32| left / lasting <= 1.0 - percent / 100.0;
        survival.iter().position(passed).unwrap_or(ABSENCE_HOURS + 1) as f32
    };
    let used_of = |hours: usize| past.counts_of_last(hours).0 as f32;
    let used_share = |days: usize| {
        let (used, known) = past.counts_of_last(24 * days);
        share(used as f32, known as f32)
    };
    let awake = if waking.today < 0.0 {
        -1.0
    } else {
        (since_dawn + DAWN) as f32 - waking.today
    };
    let own_95 = own_hours(95.0);
    let of_spell: [f32; OF_SPELL] = [
        hour as f32,
        weekday(local) as f32,
        past.use_run,
        used_of(3),
        used_of(6),
        used_of(12),
        used_of(24),
        used_share(7),
        used_share(28),
        past.previous_dry,
        awake,
        past.longest[0],
        past.longest[1],
        past.longest[2],
        past.longest[3],
        past.days_since_absence,
        past.days_since_long,
        past.long[0],
        past.long[1],
        past.long[2],
        waking.mean,
        waking.spread,
        waking.today,
        waking.bed,
        own_hours(50.0),
        own_hours(80.0),
        past.counts_of_last(PAST_HOURS).1 as f32 / 24.0,
    ];
    for (elapsed, row) in rows.iter_mut().enumerate() {
        let local = clock.at(elapsed as i32);
        let hour = local.rem_euclid(24) as f32;
        let here = AtThisHour::of(past, &places, elapsed, local);
        let ahead = (elapsed..(elapsed + 3).min(ABSENCE_HOURS)).map(|hour| days_28.share(hour));
        let of_hour: [f32; COUNT - OF_SPELL] = [
            elapsed as f32,
            hour,
            days_7.share(elapsed),
            days_28.share(elapsed),
            days_all.share(elapsed),
            same_weekday.share(elapsed),
            days_7.still_dry(elapsed + 1),
            days_28.still_dry(elapsed + 1),
            days_all.still_dry(elapsed + 1),
            same_weekday.still_dry(elapsed + 1),
            days_28.next_use(elapsed),
            same_weekday.next_use(elapsed),
            own.hazard(elapsed),
            own.at_risk[elapsed],
            own_lately.hazard(elapsed),
            survival[elapsed + 1],
            around(hour - waking.mean),
            around(hour - waking.bed),
            elapsed as f32 - own_95,
            ahead.sum(),
            here.ended / (here.at_risk + 0.5),
            here.at_risk,
            here.like_day[1] / (here.like_day[0] + 0.5),
            here.longest,
        ];
        row[..OF_SPELL].copy_from_slice(&of_spell);
        row[OF_SPELL..].copy_from_slice(&of_hour);
    }
}
