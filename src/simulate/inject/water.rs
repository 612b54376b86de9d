//! What incidents do to the water: readings of a home are changed as if it had happened.
//!
//! Where several meet, an emergency goes in before a leak, as a leak goes on while nobody uses water. Registers are
//! changed by what flowed in between, ever after; they must not roll over within that time.

use std::f64::consts::TAU;
use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::history::{History, Incident, Row};
use crate::model::{DAY, EventTime, HOUR, Litres, MINUTE, Measure};

/// How long nobody uses water in an emergency: the time after which the judge gives up waiting for an alert.
pub const EMERGENCY_SECONDS: u32 = 3 * DAY;

/// By what share of its mean a leak goes up and down with pressure, and the hour of the day (UTC) at which it is greatest.
const SWING: f64 = 0.2;
const GREATEST_HOUR: f64 = 3.0;
/// By what share of its mean an irregular leak has more or less from one hour to the next.
const IRREGULAR: f64 = 0.1;

/// Water that runs by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow {
    /// So many litres an hour, all the time.
    Steady(Litres),
    /// So many litres an hour in the first 20 minutes of every hour: a toilet that fills and leaks again.
    Toilet(Litres),
    /// So many litres an hour on average, a fifth more in the night and a fifth less by day.
    Swinging(Litres),
    /// So many litres an hour on average, a tenth more or less in each hour, without order.
    Irregular(Litres),
    /// So many litres at once, every so many seconds: a cistern that fills, leaks empty and fills again.
    Refills(Litres, u32),
    /// So many litres an hour in the quarter-hours of the day (UTC) that are set, day after day.
    Quarters(Litres, Box<[bool; 96]>),
}

/// What a meter recorded from `since` to `end`, in an interval that began at `start`.
struct Span {
    since: EventTime,
    start: EventTime,
    end: EventTime,
    litres: Litres,
}

/// Nobody in the home uses water in the 72 hours from `start`; then the readings go on as they were.
pub fn emergency(history: &mut History, household: &str, start: EventTime) -> Incident {
    let end = start.plus(EMERGENCY_SECONDS);
    no_use(history, household, start, end);
    label(household, "emergency", start, end)
}

/// Nobody in the home uses water in the intervals that begin within the given time.
pub fn no_use(history: &mut History, household: &str, from: EventTime, to: EventTime) {
    keep(history, household, |start| !(from <= start && start < to));
}

/// Nobody uses water in those intervals whose start `is_kept` denies.
pub fn keep(history: &mut History, household: &str, mut is_kept: impl FnMut(EventTime) -> bool) {
    for meter in meters_of(history, household) {
        change(history, meter, |span| match is_kept(span.start) {
            true => span.litres,
            false => 0.0,
        });
    }
}

/// Water runs at `litres_per_hour` behind the home's first meter, shown in steps of the meter's `resolution` (litres).
pub fn leak(
    history: &mut History,
    household: &str,
    start: EventTime,
    end: EventTime,
    litres_per_hour: Litres,
    resolution: Litres,
) -> Incident {
    pour(
        history,
        household,
        start,
        end,
        &Flow::Steady(litres_per_hour),
        resolution,
    );
    Incident {
        litres_per_hour: Some(litres_per_hour),
        ..label(household, "leak", start, end)
    }
}

/// Water runs behind the home's first meter, shown in steps of the meter's `resolution` (litres).
pub fn pour(history: &mut History, household: &str, start: EventTime, end: EventTime, flow: &Flow, resolution: Litres) {
    // What the meter has shown of it up to a moment. A tiny allowance keeps sums of tenths from falling short.
    let shown = |moment: EventTime| {
        let litres = flow.litres(start, moment.min(end).max(start));
        (litres / resolution + 1e-9).floor() * resolution
    };
    if let Some(meter) = meter_at(history, household, start) {
        change(history, meter, |span| span.litres + shown(span.end) - shown(span.since));
    }
}

/// The home's meters deliver nothing: readings that begin in the given time are taken away.
pub fn meter_stops(history: &mut History, household: &str, start: EventTime, end: EventTime) -> Incident {
    let meters = meters_of(history, household);
    history
        .rows
        .retain(|row| !(meters.contains(&row.meter) && start <= row.start && row.start < end));
    label(household, "silent_meter", start, end)
}

impl Flow {
    /// Its mean, in litres an hour.
    pub(super) fn mean(&self) -> Litres {
        match self {
            Self::Steady(rate) | Self::Swinging(rate) | Self::Irregular(rate) => *rate,
            Self::Toilet(rate) => rate / 3.0,
            Self::Refills(litres, seconds) => litres * f64::from(HOUR) / f64::from(*seconds),
            Self::Quarters(rate, set) => rate * set.iter().filter(|is_set| **is_set).count() as f64 / 96.0,
        }
    }

    /// What has flowed from `start` to `moment`.
    fn litres(&self, start: EventTime, moment: EventTime) -> Litres {
        let hours = |seconds: u32| f64::from(seconds) / f64::from(HOUR);
        match self {
            Self::Steady(rate) => hours(moment.since(start)) * rate,
            Self::Swinging(rate) => {
                let turn = TAU / 24.0;
                let above = |at: EventTime| libm::sin((hours(at.seconds() % DAY) - GREATEST_HOUR) * turn) / turn;
                (hours(moment.since(start)) + SWING * (above(moment) - above(start))) * rate
            }
            Self::Irregular(rate) => {
                let within = |hour: u32| {
                    let (begin, end) = (EventTime::from_hour(hour), EventTime::from_hour(hour + 1));
                    let of_mean = 1.0 + ChaCha8Rng::seed_from_u64(hour.into()).random_range(-IRREGULAR..IRREGULAR);
                    hours(end.min(moment).since(begin.max(start))) * of_mean
                };
                (start.hour()..moment.hour() + 1).map(within).sum::<f64>() * rate
            }
            Self::Toilet(rate) => {
                let open = |at: EventTime| at.hour() * 20 * MINUTE + (at.seconds() % HOUR).min(20 * MINUTE);
                hours(open(moment) - open(start)) * rate
            }
            Self::Refills(litres, seconds) => f64::from(moment.since(start) / seconds) * litres,
            Self::Quarters(rate, set) => {
                let quarter = 15 * MINUTE;
                let open = |at: EventTime| {
                    let (day, within) = (at.seconds() / DAY, at.seconds() % DAY);
                    let whole = (within / quarter) as usize;
                    let before = set.iter().take(whole).filter(|is_set| **is_set).count() as u32;
                    let all = set.iter().filter(|is_set| **is_set).count() as u32;
                    let part = if set[whole] { within % quarter } else { 0 };
                    (u64::from(day * all + before) * u64::from(quarter)) + u64::from(part)
                };
                (open(moment) - open(start)) as f64 / f64::from(HOUR) * rate
            }
        }
    }
}

/// The label of what happened.
pub fn label(household: &str, kind: &str, start: EventTime, end: EventTime) -> Incident {
    Incident {
        household: Arc::from(household),
        kind: kind.to_owned(),
        start,
        end,
        litres_per_hour: None,
        detail: None,
    }
}

/// The meters of a home, in the order of the files.
pub fn meters_of(history: &History, household: &str) -> Vec<u32> {
    (0..)
        .zip(&history.meters)
        .filter(|(_, name)| *name.household == *household)
        .map(|(meter, _)| meter)
        .collect()
}

/// The first of a home's meters that is still there at `moment`.
pub fn meter_at(history: &History, household: &str, moment: EventTime) -> Option<u32> {
    let is_there = |meter: &u32| {
        history
            .rows
            .iter()
            .any(|row| row.meter == *meter && row.start >= moment)
    };
    meters_of(history, household).into_iter().find(is_there)
}

/// Calls `change` for what flowed in each reading of a meter, in the order of their starts, and puts its answer in place.
fn change(history: &mut History, meter: u32, mut change: impl FnMut(&Span) -> Litres) {
    let mut rows: Vec<&mut Row> = history.rows.iter_mut().filter(|row| row.meter == meter).collect();
    rows.sort_by_key(|row| row.start);
    // The register before, and how much more it shows by now than it did.
    let (mut before, mut more) = (None, 0.0);
    for row in rows {
        let (start, end) = (row.start, row.end());
        match &mut row.measure {
            Some(Measure::Volume(litres)) => {
                *litres = change(&Span {
                    since: start,
                    start,
                    end,
                    litres: *litres,
                });
            }
            Some(Measure::Register(index)) => {
                let (since, last) = before.unwrap_or((end, *index));
                before = Some((end, *index));
                let span = Span {
                    since,
                    start,
                    end,
                    litres: *index - last,
                };
                more += change(&span) - span.litres;
                *index += more;
            }
            None => {}
        }
    }
}
