//! The homes of a zone in one partition, added up at one moment.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::hour::{HomeHour, SameHours};
use super::report::{HourFigures, Silence, ZoneReport};
use super::settings::AreaSettings;
use crate::home::Routine;
use crate::model::{DAY, EventTime, HOUR};

/// Every report has so many hours, for readings that come within them.
const LATEST: u32 = 3;
/// And every so many hours a report has hours further back, so many apart, for readings that come once a day.
const STEP: u32 = 4;
const FURTHEST: u32 = 32;
/// A home not heard from for so long, or for twice its rhythm, is not waited for.
const GIVEN_UP: u32 = 7 * DAY;
/// What a delivery may be late besides its rhythm, in seconds, or a sixteenth of that where it is more. Less than what a single meter is
/// granted before it is reported alone: the verdict on the zone must come first.
const GRACE: u32 = HOUR;

/// The first moment after `clock` at which partitions report.
pub fn next_mark(clock: EventTime, settings: &AreaSettings) -> EventTime {
    let after = settings.report_after();
    let mark = EventTime::from_hour(clock.hour()).plus(after);
    if mark > clock { mark } else { mark.plus(HOUR) }
}

/// A moment at which partitions report, for the homes of one time zone.
#[derive(Clone, Debug)]
pub struct Mark {
    at: EventTime,
    hours: Vec<SameHours>,
}

impl Mark {
    /// The mark `at` in a time zone. The last few full hours are looked at, and now and then some further back.
    pub fn new(at: EventTime, zone: &TimeZone) -> Self {
        let next = at.hour();
        let latest = next.saturating_sub(LATEST)..next;
        let further = (next.is_multiple_of(STEP)).then(|| {
            let first = next.saturating_sub(FURTHEST);
            (first + STEP - 1..latest.start).step_by(STEP as usize)
        });
        let hours = further
            .into_iter()
            .flatten()
            .chain(latest)
            .map(|hour| SameHours::new(hour, zone))
            .collect();
        Self { at, hours }
    }

    /// The moment.
    pub fn at(&self) -> EventTime {
        self.at
    }
}

/// The sums of one zone.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    hours: Vec<HourFigures>,
    silence: Silence,
}

impl Tally {
    /// Adds a home: its routine, when it was last heard, and the longest usual silence of its meter in seconds.
    pub fn add(&mut self, mark: &Mark, routine: &Routine, heard: Option<EventTime>, rhythm: u32) {
        for (place, same) in mark.hours.iter().enumerate() {
            if self.hours.len() <= place {
                self.hours.push(HourFigures::new(same.hour()));
            }
            if let Some(home) = HomeHour::new(routine, same) {
                self.hours[place].count(&home);
            }
        }
        let given_up = GIVEN_UP.max(rhythm.saturating_mul(2));
        if let Some(heard) = heard.filter(|heard| mark.at.since(*heard) <= given_up) {
            let is_overdue = mark.at.since(heard) > rhythm.saturating_add(GRACE.max(rhythm / 16));
            self.silence.add(&Silence {
                active: 1,
                overdue: u32::from(is_overdue),
                last_heard: if is_overdue { heard } else { EventTime::ZERO },
            });
        }
    }

    /// What is said of the zone.
    pub fn report(self, zone: Arc<str>, partition: u32, at: EventTime) -> ZoneReport {
        ZoneReport {
            zone,
            partition,
            at,
            hours: self.hours.into_iter().filter(|hour| hour.homes > 0).collect(),
            silence: self.silence,
        }
    }
}
