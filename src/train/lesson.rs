//! What one home's history teaches: its hours, as the core saw them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::detect::inactivity::hazard::ABSENCE_HOURS;
use crate::detect::inactivity::hazard::past::{PAST_HOURS, Past};
use crate::history::{HistoryError, Row, SortedReadings, arrival};
use crate::home::{ROUTINE_HOURS, Routine};
use crate::model::{HomeRecord, MONTH_HOURS, RawRecord};
use crate::parallel::in_parallel;
use crate::partition::{Partition, Rules};

/// Days after which hours are taken from the core, before it forgets them.
const TAKEN_EVERY_HOURS: u32 = 20 * 24;
/// A home that uses water in fewer hours a month is hardly lived in.
const LEAST_ACTIVE_HOURS: f64 = 36.0;
/// A home teaches from so many known hours on.
const LEAST_KNOWN_HOURS: usize = 14 * 24;

/// The hours of a home.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Its id.
    pub household: Arc<str>,
    /// Its time zone.
    pub zone: TimeZone,
    /// The first UTC hour.
    pub first: u32,
    /// Whether each hour from then on was used; `None` where that is not known.
    pub hours: Vec<Option<bool>>,
}

/// A dry spell that began after an hour with use, with 0 hours where use went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spell {
    /// The place of its first hour.
    pub start: usize,
    /// Dry hours, as far as they are known.
    pub dry: usize,
    /// Whether use ended it; otherwise what follows is not known.
    pub is_ended: bool,
}

impl Spell {
    /// Whether it teaches: a spell of a day or more is an absence or worse.
    pub fn teaches(&self) -> bool {
        self.dry < ABSENCE_HOURS
    }

    /// Whether it is a day or longer; `None` where that is not known.
    pub fn is_absence(&self) -> Option<bool> {
        let is_absence = self.dry >= ABSENCE_HOURS;
        (is_absence || self.is_ended).then_some(is_absence)
    }
}

impl Lesson {
    /// The hours of a home whose readings come by their start, through a partition of its own.
    fn learn(
        readings: &SortedReadings,
        rows: impl Iterator<Item = Result<Row, HistoryError>>,
        home: Option<&HomeRecord>,
        household: &Arc<str>,
        rules: &Arc<Rules>,
    ) -> Result<Self, HistoryError> {
        let mut partition = Partition::new(Arc::clone(rules));
        if let Some(home) = home {
            // A home whose record names what does not exist teaches in the default time zone.
            let _ = partition.set_home(&home.household_id, Some(home));
        }
        let mut lesson = Self {
            household: Arc::clone(household),
            zone: TimeZone::UTC,
            first: 0,
            hours: Vec::new(),
        };
        let mut payload = Vec::new();
        let mut taken = None;
        for (offset, row) in (0..).zip(rows) {
            let row = row?;
            let hour = row.start.hour();
            if hour >= *taken.get_or_insert(hour) + TAKEN_EVERY_HOURS {
                lesson.take(&partition);
                taken = Some(hour);
            }
            payload.clear();
            readings.name(&row).json(&row, &mut payload);
            partition.apply([RawRecord {
                offset,
                timestamp: Some(arrival(&row)),
                key: Some(household.as_bytes()),
                value: Some(&payload),
            }]);
        }
        lesson.take(&partition);
        Ok(lesson)
    }

    /// Takes the hours that the core still keeps; it knows the latest ones better than it did.
    fn take(&mut self, partition: &Partition) {
        if partition.arena().is_empty() {
            return;
        }
        self.zone = partition.time_zone(0).clone();
        self.add(partition.arena().usage(0).routine());
    }

    fn add(&mut self, routine: &Routine) {
        if self.hours.is_empty() {
            self.first = routine.first_hour();
        }
        let from = routine
            .first_hour()
            .max(self.first)
            .max(routine.next_hour().saturating_sub(ROUTINE_HOURS));
        self.hours.resize((from - self.first) as usize, None);
        self.hours
            .extend((from..routine.next_hour()).map(|hour| routine.used(hour)));
    }

    /// Hours known from place `from` on.
    pub fn known_hours(&self, from: usize) -> usize {
        self.hours.iter().skip(from).flatten().count()
    }

    /// Whether it is lived in and known long enough to teach.
    pub fn teaches(&self) -> bool {
        let known = self.known_hours(0);
        let used = self.hours.iter().flatten().filter(|used| **used).count();
        known >= LEAST_KNOWN_HOURS && used as f64 / known as f64 * MONTH_HOURS >= LEAST_ACTIVE_HOURS
    }

    /// Its spells, the earliest first.
    pub fn spells(&self) -> impl Iterator<Item = Spell> + '_ {
        let after_use = |place: &usize| self.hours[place - 1] == Some(true);
        (1..self.hours.len()).filter(after_use).map(|start| {
            let rest = &self.hours[start..];
            let dry = rest.iter().take_while(|used| **used == Some(false)).count();
            Spell {
                start,
                dry,
                is_ended: rest.get(dry).copied().flatten().is_some(),
            }
        })
    }

    /// The hours before place `start`, no more than `limit` of them.
    pub fn past(&self, start: usize, limit: usize) -> Past {
        let hours = (0..PAST_HOURS).map(|hour| {
            let before = PAST_HOURS - hour;
            start
                .checked_sub(before)
                .filter(|_| before <= limit)
                .and_then(|place| self.hours[place])
        });
        Past::of_hours(hours)
    }

    /// The UTC hour at a place.
    pub fn utc_hour(&self, place: usize) -> u32 {
        self.first + place as u32
    }
}

/// The lessons of all homes that are lived in, in the order of their names, whatever that of the readings; some homes at a time.
///
/// # Errors
/// [`HistoryError::Io`] where readings are on disk and cannot be read.
pub fn lessons(
    readings: &SortedReadings,
    homes: &[HomeRecord],
    rules: &Arc<Rules>,
    threads: usize,
    progress: impl Fn() + Sync,
) -> Result<Vec<Lesson>, HistoryError> {
    let records: BTreeMap<&str, &HomeRecord> = homes.iter().map(|home| (home.household_id.as_str(), home)).collect();
    let count = readings.homes().len() as u32;
    let all = in_parallel(threads, count, |place| {
        let household = &readings.homes()[place as usize];
        let rows = readings.homes_between(place, place + 1, threads)?;
        let lesson = Lesson::learn(readings, rows, records.get(&**household).copied(), household, rules);
        progress();
        lesson
    })?;
    let mut teaching: Vec<Lesson> = all.into_iter().filter(Lesson::teaches).collect();
    teaching.sort_by(|a, b| a.household.cmp(&b.household));
    Ok(teaching)
}
