//! What is known of one home's use of water, as its readings tell it in hindsight.

use std::collections::BTreeMap;

use crate::history::{Incident, Row};
use crate::model::{DAY, EventTime, HOUR, Litres, Measure, Quality};

/// Above the least volume of a leak, so much is still taken for the leak: the meter shows a steady flow in steps.
const LEAK_ALLOWANCE: Litres = 1.0;

/// A stretch of time, its end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub start: EventTime,
    pub end: EventTime,
}

impl Stretch {
    fn seconds(self) -> u32 {
        self.end.since(self.start)
    }

    /// Whether something that was seen at `moment`, the end of an interval, was seen in this stretch.
    pub fn was_seen_at(self, moment: EventTime) -> bool {
        self.start < moment && moment <= self.end
    }

    fn overlap(self, other: Self) -> u32 {
        self.end.min(other.end).since(self.start.max(other.start))
    }
}

/// A dry spell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spell {
    /// The end of the use before it, or the first reading.
    pub start: EventTime,
    /// The start of the use after it; `None` where the readings end first.
    pub end: Option<EventTime>,
}

/// The measured readings of a home, all its meters together: a home uses water when one of its meters shows it.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// Where there are measured readings.
    known: Vec<Stretch>,
    /// Where people used water.
    used: Vec<Stretch>,
    /// Runs of a day or more in which every hour has flow, whoever is the cause.
    flowing: Vec<Stretch>,
    /// What was measured, in the order of time.
    measured: Vec<(Stretch, Litres)>,
}

impl Timeline {
    /// From the home's rows in any order, and the leaks that were put into them.
    pub fn new(rows: &[&Row], leaks: &[&Incident]) -> Self {
        let mut measured = volumes(rows);
        measured.sort_by_key(|(stretch, _)| stretch.start);
        let floors: Vec<(Stretch, Litres)> = leaks.iter().map(|leak| floor(leak, &measured)).collect();
        let is_use = |(stretch, litres): &&(Stretch, Litres)| {
            let floor = floors
                .iter()
                .filter(|(leak, _)| leak.overlap(*stretch) > 0)
                .map(|(_, floor)| *floor);
            *litres > floor.fold(0.0, Litres::max)
        };
        Self {
            known: merged(measured.iter().map(|(stretch, _)| *stretch)),
            used: merged(measured.iter().filter(is_use).map(|(stretch, _)| *stretch)),
            flowing: flowing(&measured),
            measured,
        }
    }

    /// The least flow, in litres an hour, of the intervals of 15 minutes or more that are wholly within a stretch of time.
    pub fn least_an_hour(&self, start: EventTime, end: EventTime) -> Option<Litres> {
        let from = self.measured.partition_point(|(stretch, _)| stretch.start < start);
        let within = self.measured[from..]
            .iter()
            .take_while(|(stretch, _)| stretch.end <= end);
        let flows = within
            .filter(|(stretch, _)| stretch.seconds() >= HOUR / 4)
            .map(|(stretch, litres)| litres * f64::from(HOUR) / f64::from(stretch.seconds()));
        flows.min_by(f64::total_cmp)
    }

    /// The first reading.
    pub fn first(&self) -> Option<EventTime> {
        self.known.first().map(|known| known.start)
    }

    /// The dry spell in which something was seen at `moment`; `None` while people used water.
    pub fn spell(&self, moment: EventTime) -> Option<Spell> {
        let next = self.used.partition_point(|used| used.start < moment);
        let last = next.checked_sub(1).map(|last| self.used[last]);
        if last.is_some_and(|last| last.was_seen_at(moment)) {
            return None;
        }
        let start = last.map_or(self.first().unwrap_or(moment), |last| last.end);
        Some(Spell {
            start,
            end: self.used.get(next).map(|next| next.start),
        })
    }

    /// Seconds with measured readings in a stretch of time.
    pub fn measured(&self, start: EventTime, end: EventTime) -> u32 {
        let from = self.known.partition_point(|known| known.end <= start);
        self.known[from..]
            .iter()
            .take_while(|known| known.start < end)
            .map(|k| k.overlap(Stretch { start, end }))
            .sum()
    }

    /// Whether water had been flowing in every hour of a run of a day or more.
    pub fn flowed_at(&self, moment: EventTime) -> bool {
        self.flowing.iter().any(|run| run.was_seen_at(moment))
    }
}

/// What was measured, interval by interval; a register tells its use by the step from the reading before.
fn volumes(rows: &[&Row]) -> Vec<(Stretch, Litres)> {
    let mut rows: Vec<&&Row> = rows.iter().filter(|row| row.quality == Quality::Measured).collect();
    rows.sort_by_key(|row| row.start);
    let mut registers = BTreeMap::new();
    let volume = |row: &&Row| {
        let litres = match row.measure? {
            Measure::Volume(litres) => litres,
            Measure::Register(index) => index - registers.insert(row.meter, index).unwrap_or(index),
        };
        Some((
            Stretch {
                start: row.start,
                end: row.end(),
            },
            litres,
        ))
    };
    rows.into_iter().filter_map(volume).collect()
}

/// The flow up to which a reading within a leak says nothing of people.
fn floor(leak: &Incident, measured: &[(Stretch, Litres)]) -> (Stretch, Litres) {
    let span = Stretch {
        start: leak.start,
        end: leak.end,
    };
    let whole = measured
        .iter()
        .filter(|(stretch, _)| stretch.overlap(span) == stretch.seconds());
    let least = whole.map(|(_, litres)| *litres).fold(Litres::INFINITY, Litres::min);
    (span, least + LEAK_ALLOWANCE)
}

/// Stretches sorted by start, with those that touch joined.
fn merged(stretches: impl Iterator<Item = Stretch>) -> Vec<Stretch> {
    let mut merged: Vec<Stretch> = Vec::new();
    for stretch in stretches {
        match merged.last_mut() {
            Some(last) if stretch.start <= last.end => last.end = last.end.max(stretch.end),
            _ => merged.push(stretch),
        }
    }
    merged
}

fn flowing(measured: &[(Stretch, Litres)]) -> Vec<Stretch> {
    let wet = measured
        .iter()
        .filter(|(stretch, litres)| *litres > 0.0 && stretch.seconds() > 0);
    let whole_hours = wet.map(|(stretch, _)| Stretch {
        start: EventTime::from_hour(stretch.start.hour()),
        end: EventTime::from_hour(stretch.end.minus(1).hour()).plus(HOUR),
    });
    merged(whole_hours)
        .into_iter()
        .filter(|run| run.seconds() >= DAY)
        .collect()
}
