//! Incidents put into readings that exist.
//!
//! Each function returns the label of what it did. Where several meet, an emergency goes in before a leak, as a leak
//! goes on while nobody uses water, and a meter that stops goes in last.

use std::sync::Arc;

use crate::history::{History, Incident};
use crate::model::{DAY, EventTime, HOUR, Litres, Measure};

/// How long nobody uses water in an emergency: the time after which the judge gives up waiting for an alert.
pub const EMERGENCY_SECONDS: u32 = 3 * DAY;

/// Nobody in the home uses water in the 72 hours from `start`; then the readings go on as they were.
///
/// Registers stand still, and lag by what was not used ever after. They must not roll over within that time.
pub fn emergency(history: &mut History, household: &str, start: EventTime) -> Incident {
    let end = start.plus(EMERGENCY_SECONDS);
    for meter in meters_of(history, household) {
        let (mut last, mut unused) = (None, 0.0);
        for place in rows_by_start(history, meter) {
            let row = &mut history.rows[place];
            let is_within = start <= row.start && row.start < end;
            match row.measure {
                Some(Measure::Volume(_)) if is_within => row.measure = Some(Measure::Volume(0.0)),
                Some(Measure::Register(index)) => {
                    if is_within {
                        unused += index - last.unwrap_or(index);
                    }
                    last = Some(index);
                    row.measure = Some(Measure::Register(index - unused));
                }
                _ => {}
            }
        }
    }
    label(household, "emergency", start, end)
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
    // What the meter has shown of the leak up to a moment. A tiny allowance keeps sums of tenths from falling short.
    let shown = |moment: EventTime| {
        let hours = f64::from(moment.min(end).since(start)) / f64::from(HOUR);
        (hours * litres_per_hour / resolution + 1e-9).floor() * resolution
    };
    if let Some(meter) = meters_of(history, household).first() {
        for row in history.rows.iter_mut().filter(|row| row.meter == *meter) {
            let end = row.end();
            match &mut row.measure {
                Some(Measure::Volume(litres)) => *litres += shown(end) - shown(row.start),
                Some(Measure::Register(index)) => *index += shown(end),
                None => {}
            }
        }
    }
    label(household, "leak", start, end)
}

/// The home's meters deliver nothing: readings that begin in the given time are taken away.
pub fn meter_stops(history: &mut History, household: &str, start: EventTime, end: EventTime) -> Incident {
    let meters = meters_of(history, household);
    history
        .rows
        .retain(|row| !(meters.contains(&row.meter) && start <= row.start && row.start < end));
    label(household, "silent_meter", start, end)
}

fn label(household: &str, kind: &str, start: EventTime, end: EventTime) -> Incident {
    Incident {
        household: Arc::from(household),
        kind: kind.to_owned(),
        start,
        end,
    }
}

fn meters_of(history: &History, household: &str) -> Vec<u32> {
    (0..)
        .zip(&history.meters)
        .filter(|(_, name)| *name.household == *household)
        .map(|(meter, _)| meter)
        .collect()
}

/// Where the rows of a meter stand, by the start of their interval.
fn rows_by_start(history: &History, meter: u32) -> Vec<usize> {
    let rows = &history.rows;
    let mut places: Vec<usize> = (0..rows.len()).filter(|place| rows[*place].meter == meter).collect();
    places.sort_by_key(|place| rows[*place].start);
    places
}
