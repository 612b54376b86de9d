//! The programmes' rules once more, from their words alone, on plain lists of readings: no detector, no state that is kept.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::model::EventTime;

/// Readings of one home from a local midnight on, each of `step` seconds, in tenths of a litre; `None` where none came.
pub struct Home {
    pub start: EventTime,
    pub zone: TimeZone,
    pub step: u32,
    pub tenths: Vec<Option<u32>>,
    pub no_use_hours: Option<f64>,
}

/// A record that opens an alert, or (of inactivity) makes an open one graver: kind, rule, second at which it was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub kind: &'static str,
    pub rule: String,
    pub at: u32,
}

/// What a programme would say of a home.
pub type Programme = fn(&Home) -> Vec<Said>;

/// Who is told first, and of what.
pub const TOLD_FIRST: &[(&str, &[&str], &str)] = &[
    ("shanghai-changning", &["inactivity"], "street-platform"),
    ("shanghai-jingan", &["inactivity", "leak"], "emergency-contact"),
    ("shenzhen-longgang", &["inactivity", "leak"], "platform"),
    ("zhuhai-shishan", &["inactivity"], "community-social-worker"),
    ("taicang", &["inactivity"], "civil-affairs"),
    ("ningbo-haishu", &["inactivity", "leak"], "relatives"),
    ("ningbo-zhenhai", &["inactivity", "leak"], "named-contact"),
    ("liaocheng", &["inactivity", "leak"], "grid-worker"),
    (
        "sakaki-kizuki",
        &["inactivity", "prolonged_draw", "well_today"],
        "family",
    ),
    ("tokyo-2007", &["inactivity"], "family"),
    ("k-water", &["inactivity"], "social-worker"),
    ("kepco", &["inactivity"], "automatic-call"),
    ("malaga", &["inactivity"], "telecare-centre"),
    ("phyn", &["prolonged_draw"], "household"),
];

/// Each preset by its name.
pub const PROGRAMMES: &[(&str, Programme)] = &[
    ("shanghai-changning", |home| {
        told(
            home,
            &[(2, "changning-under-10l-in-12h", &|at| home.under(100, 12, at))],
        )
    }),
    ("shanghai-jingan", |home| {
        and(
            told(home, &[(2, "jingan-under-10l-a-day", &|at| home.under_a_day(100, at))]),
            home.over(20_000, "jingan-over-2000l-in-24h"),
        )
    }),
    ("shenzhen-longgang", |home| {
        and(
            told(home, &[(2, "longgang-under-10l-in-12h", &|at| home.under(100, 12, at))]),
            home.every_slot(1_800, "longgang-every-half-hour-of-a-day"),
        )
    }),
    ("zhuhai-shishan", |home| {
        told(home, &[(2, "shishan-no-use-12h", &|at| home.dry(12.0, at))])
    }),
    ("taicang", |home| {
        told(home, &[(2, "taicang-under-10l-in-24h", &|at| home.under(100, 24, at))])
    }),
    ("ningbo-haishu", |home| {
        and(
            told(home, &[(2, "haishu-at-most-8l-in-24h", &|at| home.under(81, 24, at))]),
            home.flowing(24, 0.0, 0, "haishu-no-dry-hour-24h"),
        )
    }),
    ("ningbo-zhenhai", |home| {
        and(
            told(home, &[(2, "zhenhai-under-6l-in-24h", &|at| home.under(60, 24, at))]),
            home.over(20_000, "zhenhai-over-2000l-in-24h"),
        )
    }),
    ("liaocheng", |home| {
        and(
            told(
                home,
                &[(2, "liaocheng-under-10l-in-24h", &|at| home.under(100, 24, at))],
            ),
            home.over(10_000, "liaocheng-over-1000l-in-24h"),
        )
    }),
    ("sakaki-kizuki", |home| {
        let dry = told(home, &[(2, "kizuki-no-use-8h", &|at| home.dry(8.0, at))]);
        and(and(dry, home.lasting(7_200, "kizuki-use-2h")), home.mornings())
    }),
    ("tokyo-2007", tokyo),
    ("k-water", |home| {
        told(
            home,
            &[
                (2, "k-water-both-bands", &|at| home.both_bands(at)),
                (3, "k-water-no-use-24h", &|at| home.dry(24.0, at)),
            ],
        )
    }),
    ("kepco", |home| {
        told(
            home,
            &[
                (1, "kepco-level-1", &|at| home.outlasts(90.0, 8.0, at)),
                (2, "kepco-level-2", &|at| home.outlasts(97.5, 10.0, at)),
                (3, "kepco-level-3", &|at| home.outlasts(99.5, 12.0, at)),
            ],
        )
    }),
    ("malaga", |home| {
        let hours = home.no_use_hours.unwrap_or(24.0);
        told(home, &[(2, "malaga-hours-of-the-person", &|at| home.dry(hours, at))])
    }),
    ("kamstrup", |home| {
        and(
            home.flowing(24, 0.0, 0, "kamstrup-no-dry-hour-24h"),
            home.burst(500.0, 1_800, "kamstrup-burst"),
        )
    }),
    ("kamstrup-10", |home| home.burst(250.0, 1_800, "kamstrup-burst-10")),
    ("kamstrup-5", |home| home.burst(125.0, 1_800, "kamstrup-burst-5")),
    ("badger-eyeonwater", |home| {
        home.flowing(24, 3.785, 240, "eyeonwater-1gal-an-hour-24h")
    }),
    ("sfpuc", |home| home.flowing(48, 28.4, 0, "sfpuc-28l-an-hour-48h")),
    ("seoul", |home| home.flowing(72, 0.0, 0, "seoul-no-dry-hour-72h")),
    ("neptune", neptune),
    ("phyn", phyn),
];

fn and(mut said: Vec<Said>, more: Vec<Said>) -> Vec<Said> {
    said.extend(more);
    said
}

/// What a rule says after the reading with this number.
enum Word {
    /// It is met, at this second.
    Met(u32),
    /// It is not met any more.
    Over,
    /// Nothing new.
    Nothing,
}

/// One alert at most: opened by the first rule that is met, graver with each graver one, over when none is met.
/// How grave, its name, and what it says after each reading.
type Rule<'a> = (u8, &'a str, &'a dyn Fn(usize) -> Word);

fn told(home: &Home, rules: &[Rule<'_>]) -> Vec<Said> {
    let mut said = Vec::new();
    let mut met: BTreeSet<usize> = BTreeSet::new();
    let mut worst = 0;
    for reading in (0..home.tenths.len()).filter(|reading| home.tenths[*reading].is_some()) {
        let mut last = 0;
        for (index, (_, _, word)) in rules.iter().enumerate() {
            match word(reading) {
                Word::Met(at) if met.insert(index) => last = last.max(at),
                Word::Over => drop(met.remove(&index)),
                _ => {}
            }
        }
        let gravest = met
            .iter()
            .max_by_key(|index| (rules[**index].0, std::cmp::Reverse(**index)));
        match gravest {
            Some(index) if rules[*index].0 > worst => {
                worst = rules[*index].0;
                said.push(Said {
                    kind: "inactivity",
                    rule: rules[*index].1.to_owned(),
                    at: last,
                });
            }
            Some(_) => {}
            None => worst = 0,
        }
    }
    said
}

/// Every morning whose hours from 6 to 10 are all measured and dry, each by itself.
fn tokyo(home: &Home) -> Vec<Said> {
    let is_last = |hour: &i64| home.clock(*hour).1 == 9;
    let dry = (3..home.hours()).filter(is_last).filter(|last| home.is_dry(*last, 4));
    dry.map(|last| of("inactivity", "tokyo-no-use-in-band", (last as u32 + 1) * 3_600))
        .collect()
}

impl Home {
    fn a_step(&self) -> usize {
        (3_600 / self.step) as usize
    }

    /// Tenths of litres in an hour; `None` unless it is wholly measured, but for two minutes.
    fn hour(&self, hour: i64) -> Option<u32> {
        let first = usize::try_from(hour).ok()? * self.a_step();
        let steps = self.tenths.get(first..first + self.a_step())?;
        let lost = steps.iter().filter(|tenths| tenths.is_none()).count() as u32;
        (lost * self.step <= 120).then(|| steps.iter().flatten().sum())
    }

    /// Day and hour by the clock on the wall, as an hour begins.
    fn clock(&self, hour: i64) -> (Date, i8) {
        let begins = self.start.plus(u32::try_from(hour).unwrap_or(0) * 3_600);
        let local = self.zone.to_datetime(begins.to_jiff());
        (local.date(), local.hour())
    }

    /// The first hour of the day in which an hour lies.
    fn midnight(&self, hour: i64) -> i64 {
        let day = self.clock(hour).0;
        let before = (0..=hour).rev().take_while(|hour| self.clock(*hour).0 == day);
        before.last().unwrap_or(hour)
    }

    /// Whether an hour and those before it, so many together, are measured and dry.
    fn is_dry(&self, last: i64, hours: i64) -> bool {
        (last - hours + 1..=last).all(|hour| self.hour(hour) == Some(0))
    }

    /// The hour that ends with a reading; `None` within an hour.
    fn hour_ending(&self, reading: usize) -> Option<i64> {
        (reading + 1)
            .is_multiple_of(self.a_step())
            .then(|| (reading / self.a_step()) as i64)
    }

    fn sum(&self, first: i64, last: i64) -> Option<u32> {
        (first..=last).map(|hour| self.hour(hour)).sum()
    }

    fn end(&self, reading: usize) -> u32 {
        (reading as u32 + 1) * self.step
    }

    /// Dry for so many hours: back from this reading to the last use or the last gap.
    fn dry(&self, hours: f64, reading: usize) -> Word {
        if self.tenths[reading] != Some(0) {
            return Word::Over;
        }
        let needed = (hours * 3_600.0) as u32;
        let since = self.dry_since(reading);
        // Met in the reading in which the hours are full, and said once.
        if self.end(reading) - since >= needed && self.end(reading) - since < needed + self.step {
            Word::Met(since + needed)
        } else {
            Word::Nothing
        }
    }

    fn dry_since(&self, reading: usize) -> u32 {
        let dry = self.tenths[..=reading]
            .iter()
            .rev()
            .take_while(|tenths| **tenths == Some(0))
            .count();
        self.end(reading) - dry as u32 * self.step
    }

    /// Less than so many tenths in the last hours, whenever an hour is full.
    fn under(&self, tenths: u32, hours: i64, reading: usize) -> Word {
        let Some(last) = self.hour_ending(reading) else {
            return Word::Nothing;
        };
        match self.sum(last - hours + 1, last) {
            Some(sum) if sum < tenths => Word::Met(self.end(reading)),
            Some(_) => Word::Over,
            None => Word::Nothing,
        }
    }

    /// Less than so many tenths from midnight to midnight; over as soon as the day has more.
    fn under_a_day(&self, tenths: u32, reading: usize) -> Word {
        let Some(last) = self.hour_ending(reading) else {
            return Word::Nothing;
        };
        match self.sum(self.midnight(last), last) {
            Some(sum) if sum >= tenths => Word::Over,
            Some(_) if self.clock(last + 1).0 != self.clock(last).0 => Word::Met(self.end(reading)),
            _ => Word::Nothing,
        }
    }

    /// The bands from 5 to 9 and from 17 to 21, each the last that is over, all measured and dry.
    fn both_bands(&self, reading: usize) -> Word {
        if self.tenths[reading] != Some(0) {
            return Word::Over;
        }
        let Some(last) = self.hour_ending(reading) else {
            return Word::Nothing;
        };
        // The other band's last hour is the latest at which the clock showed it.
        let other = match self.clock(last).1 {
            8 => 20,
            20 => 8,
            _ => return Word::Nothing,
        };
        let Some(other) = (0..last).rev().find(|hour| self.clock(*hour).1 == other) else {
            return Word::Nothing;
        };
        if self.is_dry(last, 4) && self.is_dry(other, 4) {
            Word::Met(self.end(reading))
        } else {
            Word::Nothing
        }
    }

    /// Longer in whole hours than `percent` % of the dry runs of whole hours between two uses in the last sixty days that
    /// were shorter than a day, once 54 days of them are known.
    fn outlasts(&self, percent: f64, least: f64, reading: usize) -> Word {
        if self.tenths[reading] != Some(0) {
            return Word::Over;
        }
        let dry = self.end(reading) - self.dry_since(reading);
        if f64::from(dry) < least * 3_600.0 {
            return Word::Nothing;
        }
        let next = ((reading + 1) / self.a_step()) as i64;
        let hours: Vec<Option<u32>> = ((next - 1_440).max(0)..next).map(|hour| self.used_hour(hour)).collect();
        if hours.iter().flatten().count() < 1_296 {
            return Word::Nothing;
        }
        let mut lengths = Vec::new();
        let mut run: Option<usize> = None;
        for hour in hours {
            match (hour, run) {
                (None, _) => run = None,
                (Some(0), Some(dry)) => run = Some(dry + 1),
                (Some(0), None) => {}
                (Some(_), dry) => {
                    lengths.extend(dry.filter(|dry| (1..24).contains(dry)));
                    run = Some(0);
                }
            }
        }
        lengths.sort_unstable();
        let place = (percent * lengths.len() as f64 / 100.0).ceil() as usize;
        let Some(longest) = place.checked_sub(1).and_then(|place| lengths.get(place)) else {
            return Word::Nothing;
        };
        let needed = ((*longest as u32 + 1) * 3_600).max((least * 3_600.0) as u32);
        if dry < needed {
            return Word::Nothing;
        }
        // The yardstick moves: it may be met later than when the hours were full, and then in this reading.
        Word::Met((self.dry_since(reading) + needed).clamp(self.end(reading) - self.step, self.end(reading)))
    }

    /// As [`Home::hour`], but an hour with a use in it is known to be used even where a part of it is missing.
    fn used_hour(&self, hour: i64) -> Option<u32> {
        let first = usize::try_from(hour).ok()? * self.a_step();
        let steps = self.tenths.get(first..first + self.a_step())?;
        let used: u32 = steps.iter().flatten().sum();
        if used > 0 { Some(used) } else { self.hour(hour) }
    }

    fn hours(&self) -> i64 {
        (self.tenths.len() / self.a_step()) as i64
    }

    /// More than so many tenths in the last 24 hours, whenever an hour is full; over when there are not.
    fn over(&self, tenths: u32, rule: &str) -> Vec<Said> {
        let mut said = Vec::new();
        let mut open = false;
        for hour in 0..self.hours() {
            let Some(sum) = self.sum(hour - 23, hour) else { continue };
            if sum > tenths && !open {
                said.push(leak(rule, (hour as u32 + 1) * 3_600));
            }
            // Over only well below, so that a home that hovers about it has one alert.
            open = sum > tenths || open && sum * 10 >= tenths * 8;
        }
        said
    }

    /// So many measured hours in a row, each with at least so many litres, where a few without a reading may lie between;
    /// over with the first hour that has less.
    fn flowing(&self, hours: u32, litres: f64, skip: u32, rule: &str) -> Vec<Said> {
        let mut said = Vec::new();
        let (mut run, mut unknown, mut open) = (0, 0, false);
        for hour in 0..self.hours() {
            let Some(tenths) = self.hour(hour) else {
                unknown += 1;
                if unknown > skip {
                    run = 0;
                }
                continue;
            };
            unknown = 0;
            if tenths == 0 || f64::from(tenths) / 10.0 < litres {
                (run, open) = (0, false);
                continue;
            }
            run += 1;
            if run >= hours && !open {
                open = true;
                said.push(leak(rule, (hour as u32 + 1) * 3_600));
            }
        }
        said
    }

    /// Flow in each slot of so many seconds in the last day, judged with each slot; over with a dry hour.
    fn every_slot(&self, slot: u32, rule: &str) -> Vec<Said> {
        let mut said = Vec::new();
        let mut open = false;
        for reading in 0..self.tenths.len() {
            open &= !self.ends_dry_hour(reading);
            if !open && self.no_dry_slot(slot, reading) {
                open = true;
                said.push(leak(rule, self.end(reading)));
            }
        }
        said
    }

    fn ends_dry_hour(&self, reading: usize) -> bool {
        self.hour_ending(reading).is_some_and(|hour| self.hour(hour) == Some(0))
    }

    fn no_dry_slot(&self, slot: u32, reading: usize) -> bool {
        let (a_slot, a_day) = ((slot / self.step) as usize, (86_400 / self.step) as usize);
        if a_slot == 0 || !(reading + 1).is_multiple_of(a_slot) || reading + 1 < a_day || self.tenths[reading].is_none()
        {
            return false;
        }
        let wet = |slot: &[Option<u32>]| slot.iter().flatten().any(|tenths| *tenths > 0);
        self.tenths[reading + 1 - a_day..=reading].chunks(a_slot).all(wet)
    }
}

impl Home {
    fn flow(&self, reading: usize) -> f64 {
        f64::from(self.tenths[reading].unwrap_or(0)) / 10.0 * 3_600.0 / f64::from(self.step)
    }

    /// Readings in a row with water, for so many seconds; over with the first that is dry. Of readings longer than a quarter
    /// of that nothing is said.
    fn lasting(&self, seconds: u32, rule: &str) -> Vec<Said> {
        if self.step > seconds / 4 {
            return Vec::new();
        }
        let (mut said, mut since, mut open) = (Vec::new(), None, false);
        for reading in 0..self.tenths.len() {
            match self.tenths[reading] {
                None if !open => since = None,
                None => {}
                Some(0) => (since, open) = (None, false),
                Some(_) => {
                    let start = *since.get_or_insert(self.end(reading) - self.step);
                    if !open && self.end(reading) >= start + seconds {
                        open = true;
                        said.push(of("prolonged_draw", rule, start + seconds));
                    }
                }
            }
        }
        said
    }

    /// The first reading with water of each day, of those that begin at four o'clock or later.
    fn mornings(&self) -> Vec<Said> {
        let (mut said, mut told) = (Vec::new(), None);
        for (place, _) in self
            .tenths
            .iter()
            .enumerate()
            .filter(|(_, tenths)| tenths.unwrap_or(0) > 0)
        {
            let (day, hour) = self.clock((place / self.a_step()) as i64);
            if hour >= 4 && told != Some(day) {
                told = Some(day);
                said.push(of("well_today", "well-today", self.end(place)));
            }
        }
        said
    }

    /// So great a flow for so many seconds; over with a full hour without any.
    fn burst(&self, litres_per_hour: f64, seconds: u32, rule: &str) -> Vec<Said> {
        let (mut said, mut since, mut open) = (Vec::new(), None, false);
        for reading in 0..self.tenths.len() {
            if self.tenths[reading].is_some() && self.flow(reading) >= litres_per_hour {
                let start = *since.get_or_insert(self.end(reading) - self.step);
                if !open && self.end(reading) >= start + seconds {
                    open = true;
                    said.push(of("burst", rule, self.end(reading)));
                }
            } else {
                since = None;
            }
            open &= !self.ends_dry_hour(reading);
        }
        said
    }
}

/// After 21 days: three minutes or 50 gallons at a high flow, or 20 minutes and 6 gallons at any.
fn phyn(home: &Home) -> Vec<Said> {
    let mut said = Vec::new();
    let mut runs: [Option<(u32, f64)>; 2] = [None, None];
    let mut met = [false, false];
    let mut known = 0;
    for reading in 0..home.tenths.len() {
        let Some(tenths) = home.tenths[reading] else {
            if met == [false, false] {
                runs = [None, None];
            }
            continue;
        };
        known += i64::from(
            home.hour_ending(reading)
                .is_some_and(|hour| home.used_hour(hour).is_some()),
        );
        let was_open = met[0] || met[1];
        if tenths == 0 {
            (runs, met) = ([None, None], [false, false]);
            continue;
        }
        let begins = home.end(reading) - home.step;
        for (place, least) in [(0, 900.0), (1, 0.0)] {
            if home.flow(reading) < least {
                (runs[place], met[place]) = (None, false);
                continue;
            }
            let run = runs[place].get_or_insert((begins, 0.0));
            run.1 += f64::from(tenths) / 10.0;
            let enough = if place == 0 {
                home.end(reading) >= run.0 + 180 || run.1 >= 189.3
            } else {
                home.end(reading) >= run.0 + 1_200 && run.1 >= 22.7
            };
            // Readings of more than five minutes do not show a use of twenty.
            met[place] |= enough && known >= 21 * 24 && (place == 0 || home.step <= 300);
        }
        let at = |place: usize, seconds: u32| runs[place].map_or(0, |run| (run.0 + seconds).max(begins));
        if !was_open && met[0] {
            said.push(of("prolonged_draw", "phyn-high-flow", at(0, 180)));
        } else if !was_open && met[1] {
            said.push(of("prolonged_draw", "phyn-low-flow", at(1, 1_200)));
        }
    }
    said
}

fn of(kind: &'static str, rule: &str, at: u32) -> Said {
    Said {
        kind,
        rule: rule.to_owned(),
        at,
    }
}

/// Flow in all of the last 96 quarter-hours, or in 50 to 95 of them; and calendar days without any.
fn neptune(home: &Home) -> Vec<Said> {
    let mut said = told(home, &[(1, "neptune-day-of-zero-use", &|at| home.under_a_day(1, at))]);
    if home.step > 900 {
        return said;
    }
    let quarters = home.tenths.chunks((900 / home.step) as usize);
    let quarters: Vec<Option<u32>> = quarters.map(|quarter| quarter.iter().copied().sum()).collect();
    let (mut continuous, mut intermittent) = (false, false);
    for quarter in (0..quarters.len()).filter(|quarter| quarters[*quarter].is_some()) {
        let was_open = continuous || intermittent;
        let day = (quarter + 1).checked_sub(96).map(|first| &quarters[first..=quarter]);
        if let Some(day) = day {
            // A few may be unknown, where that makes no difference; over only well below.
            let used = day.iter().flatten().filter(|tenths| **tenths > 0).count();
            let unknown = day.iter().filter(|tenths| tenths.is_none()).count();
            if unknown <= 8 {
                let flag = |was: bool, least: usize, most: usize| {
                    let is_met = used >= least && used + unknown <= most;
                    is_met || was && (used + unknown) * 10 >= least * 8
                };
                continuous = flag(continuous, 96, 96);
                intermittent = flag(intermittent, 50, 95);
            }
        }
        if !was_open && (continuous || intermittent) {
            let rule = if continuous {
                "neptune-continuous"
            } else {
                "neptune-intermittent"
            };
            said.push(leak(rule, (quarter as u32 + 1) * 900));
        }
    }
    said
}

fn leak(rule: &str, at: u32) -> Said {
    Said {
        kind: "leak",
        rule: rule.to_owned(),
        at,
    }
}
