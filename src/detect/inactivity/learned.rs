//! The first learned rule: when have this home's own dry spells, begun about this hour, ended?
//!
//! Method: discrete-time hazards. For every hour with use the dry hours that followed it are counted, weighted by how
//! near its hour of day is to the one at hand; a pooled table of the same hazards stands in for a number of spells of
//! its own (a Beta prior on each hazard). Gaps censor. Spells of a day or more do not teach: they are absences, or
//! worse. The threshold is that of optimal stopping, decided at the start of the spell: the T that minimises
//! `T + λ·P(T ≤ dry < 24 h)`.

use std::sync::LazyLock;

use jiff::tz::TimeZone;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::home::{ROUTINE_HOURS, Routine, SpellEnd};
use crate::model::EventTime;

/// From here on a dry spell is an absence, in hours.
pub const ABSENCE_HOURS: usize = 24;
/// No spell is judged before this many hours: deadlines are computed for those that last, not for every use.
pub const FIRST_HOURS: usize = 2;
/// How many spells of the home's own the pooled table weighs as much as.
const PRIOR_SPELLS: f64 = 8.0;
/// Weight of a spell that began so many hours of the day away.
const KERNEL: [f64; 3] = [1.0, 0.6, 0.2];

/// Pooled hazards of many homes: for each hour of the day at which a spell begins (the hour after the use), and each
/// dry hour that has passed, the share of spells that end in the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// Where it comes from: data, licence, command.
    pub provenance: String,
    /// 24 rows (hour of day) of 24 hazards (dry hours passed, from 0).
    #[serde(with = "rows")]
    pub hazards: Array2<f64>,
}

mod rows {
    use ndarray::Array2;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub fn serialize<S: Serializer>(table: &Array2<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        let rows: Vec<Vec<f64>> = table.rows().into_iter().map(|row| row.to_vec()).collect();
        rows.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Array2<f64>, D::Error> {
        let rows: Vec<Vec<f64>> = Vec::deserialize(deserializer)?;
        let right = rows.len() == 24 && rows.iter().all(|row| row.len() == super::ABSENCE_HOURS);
        if !right || rows.iter().flatten().any(|hazard| !(0.0..=1.0).contains(hazard)) {
            return Err(de::Error::custom("a prior has 24 rows of 24 hazards between 0 and 1"));
        }
        Array2::from_shape_vec((24, super::ABSENCE_HOURS), rows.concat()).map_err(de::Error::custom)
    }
}

/// The shipped table.
static SHIPPED: LazyLock<Option<Prior>> = LazyLock::new(|| serde_json::from_str(include_str!("prior.json")).ok());

impl Prior {
    /// The table that is shipped; `None` only if the file in the source tree is damaged, which a test forbids.
    pub fn shipped() -> Option<&'static Self> {
        SHIPPED.as_ref()
    }
}

/// Weighted counts of spells, by dry hours.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// Spells that were dry for so many hours at least.
    pub at_risk: [f64; ABSENCE_HOURS],
    /// Of these, how many ended in the next hour.
    pub ended: [f64; ABSENCE_HOURS],
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            at_risk: [0.0; ABSENCE_HOURS],
            ended: [0.0; ABSENCE_HOURS],
        }
    }
}

impl Counts {
    /// Adds a spell of `hours` dry hours (0 when use went on), with its weight. A spell of a day or more is left out.
    pub fn add(&mut self, hours: usize, end: SpellEnd, weight: f64) {
        if hours >= ABSENCE_HOURS {
            return;
        }
        // A spell whose end was not seen was at risk up to there, and is known to have lasted no longer.
        let last = if end == SpellEnd::Use { hours + 1 } else { hours };
        for at_risk in &mut self.at_risk[..last] {
            *at_risk += weight;
        }
        if end == SpellEnd::Use {
            self.ended[hours] += weight;
        }
    }
}

/// Calls `visit` for every hour with use in the routine: the hour after it, the dry hours that followed, their end.
pub fn visit_starts(routine: &Routine, mut visit: impl FnMut(u32, usize, SpellEnd)) {
    let mut spells = routine.spells().peekable();
    for hour in routine.first_hour()..routine.next_hour() {
        if routine.used(hour) != Some(true) {
            continue;
        }
        while spells.peek().is_some_and(|spell| spell.start <= hour) {
            spells.next();
        }
        match spells.peek() {
            Some(spell) if spell.start == hour + 1 => visit(hour + 1, spell.hours as usize, spell.end),
            _ if routine.used(hour + 1) == Some(true) => visit(hour + 1, 0, SpellEnd::Use),
            _ => {}
        }
    }
}

/// Hours of the day at UTC hours, asking the time zone once a day rather than once an hour.
pub struct LocalHours<'a> {
    zone: &'a TimeZone,
    offset: i32,
    until: u32,
}

impl<'a> LocalHours<'a> {
    /// For hours asked in rising order.
    pub fn new(zone: &'a TimeZone) -> Self {
        Self {
            zone,
            offset: 0,
            until: 0,
        }
    }

    /// The hour of the local day (0 to 23) at the start of UTC hour `hour`.
    pub fn at(&mut self, hour: u32) -> usize {
        (self.since_1970(hour) % 24) as usize
    }

    /// Local hours from 1970 on, by the clocks on the wall, at the start of UTC hour `hour`.
    pub fn since_1970(&mut self, hour: u32) -> u32 {
        if hour >= self.until {
            let time = EventTime::from_hour(hour).to_jiff();
            self.offset = self.zone.to_offset(time).seconds();
            // Asked again after thirty days, or at the next change of the clocks if that comes first.
            let change = self
                .zone
                .following(time)
                .next()
                .map(|change| change.timestamp().as_second());
            let change = change.and_then(EventTime::from_unix).map_or(u32::MAX, EventTime::hour);
            self.until = (hour + 24 * 30).min(change.max(hour + 1));
        }
        let local = i64::from(hour) * 3_600 + i64::from(self.offset);
        local.div_euclid(3_600).max(0) as u32
    }
}

/// Counts of this home's spells begun about hour of day `start_hour`.
pub fn own_counts(routine: &Routine, start_hour: usize, zone: &TimeZone) -> Counts {
    let mut counts = Counts::default();
    let mut local = LocalHours::new(zone);
    visit_starts(routine, |start, hours, end| {
        let away = local.at(start).abs_diff(start_hour);
        if let Some(weight) = KERNEL.get(away.min(24 - away)) {
            counts.add(hours, end, *weight);
        }
    });
    counts
}

/// The probability that a spell lasts at least so many hours, for 0 to 24.
pub fn survival(counts: &Counts, prior: &Prior, start_hour: usize) -> [f64; ABSENCE_HOURS + 1] {
    let mut survival = [1.0; ABSENCE_HOURS + 1];
    for hours in 0..ABSENCE_HOURS {
        let pooled = prior.hazards.get((start_hour % 24, hours)).copied().unwrap_or(0.0);
        let hazard = (PRIOR_SPELLS * pooled + counts.ended[hours]) / (PRIOR_SPELLS + counts.at_risk[hours]);
        survival[hours + 1] = survival[hours] * (1.0 - hazard);
    }
    survival
}

/// The T, in whole hours from 2 to 24, that minimises `T + λ·P(T ≤ dry < 24 h)`.
pub fn stopping_hours(survival: &[f64; ABSENCE_HOURS + 1], lambda: f64) -> usize {
    let cost = |hours: usize| hours as f64 + lambda * (survival[hours] - survival[ABSENCE_HOURS]);
    (FIRST_HOURS..=ABSENCE_HOURS)
        .min_by(|a, b| cost(*a).total_cmp(&cost(*b)))
        .unwrap_or(ABSENCE_HOURS)
}

/// The thresholds for a spell that began in UTC hour `start`, in hours, one for each λ.
pub fn thresholds(routine: &Routine, start: u32, zone: &TimeZone, lambdas: impl Iterator<Item = f64>) -> Vec<usize> {
    let Some(prior) = Prior::shipped() else {
        return lambdas.map(|_| ABSENCE_HOURS).collect();
    };
    let start_hour = LocalHours::new(zone).at(start);
    let survival = survival(&own_counts(routine, start_hour, zone), prior, start_hour);
    lambdas.map(|lambda| stopping_hours(&survival, lambda)).collect()
}

/// What a person can check: this home's spells begun within an hour of this one, and how many had ended by now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparable {
    /// Dry spells begun at this hour of day or one beside it, shorter than a day.
    pub spells: u32,
    /// Of these, how many had ended after as many hours as this one has lasted.
    pub ended: u32,
    /// The longest dry spell of this home in the last sixty days that ended by itself within a day, in hours.
    pub longest_hours: u32,
    /// Days of known hours behind it.
    pub known_days: f64,
    /// Dry spells shorter than a day, begun at any hour.
    pub all: u32,
    /// Dry spells of a day or more, whether their end was seen or not.
    pub day_long: u32,
}

/// Counts the spells to compare with one that began in UTC hour `start` and has lasted `hours`.
pub fn comparable(routine: &Routine, start: u32, hours: u32, zone: &TimeZone) -> Comparable {
    let start_hour = LocalHours::new(zone).at(start);
    let mut local = LocalHours::new(zone);
    let mut answer = Comparable {
        known_days: f64::from(routine.known_hours().min(ROUTINE_HOURS)) / 24.0,
        ..Comparable::default()
    };
    for spell in routine.spells() {
        if spell.start == start {
            continue;
        }
        answer.day_long += u32::from(spell.hours as usize >= ABSENCE_HOURS);
        let is_whole = spell.end == SpellEnd::Use && (spell.hours as usize) < ABSENCE_HOURS;
        if !is_whole {
            continue;
        }
        answer.all += 1;
        answer.longest_hours = answer.longest_hours.max(spell.hours);
        let away = local.at(spell.start).abs_diff(start_hour);
        if away.min(24 - away) <= 1 {
            answer.spells += 1;
            answer.ended += u32::from(spell.hours < hours);
        }
    }
    answer
}
