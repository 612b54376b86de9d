//! What rules are worth by the days since a home's first reading.
//!
//! Homes are met anew: an emergency as if the first reading had come so many days before it, with nothing known of what was
//! earlier; false alerts as if the home's first reading had come at one of some moments, counted from that age up to
//! the next. The emergencies are the same at every age.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::backtest::cases::HomeCases;
use crate::backtest::judge::{Answers, JudgedAlert, MISS_HOURS, cases_after};
use crate::backtest::resample::{Figure, Fleets};
use crate::backtest::timeline::Timelines;
use crate::history::{History, Incident, MeterName, Row};
use crate::model::{DAY, EventTime, HOUR, HomeRecord};

/// Ages in days, and where the last of them ends.
pub const AGES: [u32; 7] = [1, 3, 7, 14, 30, 60, 90];
/// Emergencies looked at, at most.
const MOST_EMERGENCIES: usize = 200;
/// Homes begun anew at most, and how often each.
const MOST_HOMES: usize = 500;
const RESTARTS: u32 = 2;

/// A piece of one home's history, as if there were no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The home it is of.
    pub household: Arc<str>,
    /// The name it goes by.
    pub name: Arc<str>,
    /// The first moment, and the end.
    pub from: EventTime,
    /// The end (exclusive).
    pub to: EventTime,
    /// The emergency it is about; none where false alerts are counted.
    pub emergency: Option<EventTime>,
}

/// The homes, with their first and last readings, of which an age is judged.
#[derive(Clone, Debug)]
pub struct Span {
    /// The home.
    pub household: Arc<str>,
    /// Its first reading.
    pub first: EventTime,
    /// The end of its last reading.
    pub last: EventTime,
}

/// The windows that tell what rules are worth from the age at `place` in [`AGES`] up to the next.
pub fn windows(spans: &[Span], truth: &[Incident], place: usize) -> Vec<Window> {
    let (Some(age), Some(next)) = (AGES.get(place), AGES.get(place + 1)) else {
        return Vec::new();
    };
    let of_home: BTreeMap<&str, &Span> = spans.iter().map(|span| (&*span.household, span)).collect();
    let oldest = AGES[AGES.len() - 2] * DAY;
    let is_old = |incident: &&Incident| {
        let span = of_home.get(&*incident.household);
        incident.kind == "emergency" && span.is_some_and(|span| span.first.plus(oldest) <= incident.start)
    };
    let mut windows = Vec::new();
    let mut add = |household: &Arc<str>, from: EventTime, to: EventTime, emergency| {
        let name = format!("w{}", windows.len()).into();
        windows.push(Window {
            household: Arc::clone(household),
            name,
            from,
            to,
            emergency,
        });
    };
    let emergencies: Vec<&Incident> = truth.iter().filter(is_old).collect();
    for e in evenly(&emergencies, MOST_EMERGENCIES) {
        let to = e.start.plus(MISS_HOURS * HOUR);
        add(&e.household, e.start.minus(age * DAY), to, Some(e.start));
    }
    for span in evenly(spans, MOST_HOMES) {
        let needed = AGES[AGES.len() - 1] * DAY;
        let Some(room) = span.last.since(span.first).checked_sub(needed) else {
            continue;
        };
        for turn in 0..RESTARTS {
            let from = span.first.plus(room / RESTARTS * turn);
            add(&span.household, from, from.plus(next * DAY), None);
        }
    }
    windows
}

/// At most so many of them, evenly spread.
fn evenly<T>(all: &[T], most: usize) -> impl Iterator<Item = &T> {
    let step = all.len().div_ceil(most.max(1)).max(1);
    all.iter().step_by(step)
}

/// The windows as a history of homes of their own, with the records of homes and the truth that go with it. `rows` gives a home's
/// rows in a period, each with the name of its meter.
///
/// # Errors
/// That of `rows`.
pub fn history_of<E>(
    windows: &[Window],
    homes: &[HomeRecord],
    truth: &[Incident],
    mut rows: impl FnMut(&str, EventTime, EventTime) -> Result<Vec<(Arc<str>, Row)>, E>,
) -> Result<(History, Vec<HomeRecord>, Vec<Incident>), E> {
    let records: BTreeMap<&str, &HomeRecord> = homes.iter().map(|home| (&*home.household_id, home)).collect();
    let mut incidents = BTreeMap::<&str, Vec<&Incident>>::new();
    for incident in truth {
        incidents.entry(&incident.household).or_default().push(incident);
    }
    let (mut history, mut homes, mut of_windows) = (History::default(), Vec::new(), Vec::new());
    for window in windows {
        let mut meters = BTreeMap::<Arc<str>, u32>::new();
        for (meter, row) in rows(&window.household, window.from, window.to)? {
            let next = history.meters.len() as u32;
            let number = *meters.entry(Arc::clone(&meter)).or_insert(next);
            if number == next {
                let is_the_homes = meter == window.household;
                let meter = if is_the_homes { Arc::clone(&window.name) } else { meter };
                history.meters.push(MeterName {
                    household: Arc::clone(&window.name),
                    meter,
                });
            }
            history.rows.push(Row { meter: number, ..row });
        }
        if let Some(record) = records.get(&*window.household) {
            homes.push(HomeRecord {
                household_id: window.name.to_string(),
                // Pieces of different times are no neighbours.
                zone: None,
                ..HomeRecord::clone(record)
            });
        }
        let within = incidents
            .get(&*window.household)
            .into_iter()
            .flatten()
            .filter(|incident| {
                let is_other = incident.kind == "emergency" && window.emergency.is_some_and(|at| at != incident.start);
                incident.start < window.to && window.from < incident.end && !is_other
            });
        of_windows.extend(within.map(|incident| Incident {
            household: Arc::clone(&window.name),
            ..Incident::clone(incident)
        }));
    }
    history.sort_by_arrival();
    Ok((history, homes, of_windows))
}

/// What rules are worth at an age.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfAge {
    /// Whole days since the first reading.
    pub days: u32,
    /// Up to which age false alerts are counted.
    pub until_days: u32,
    /// Emergencies at that very age.
    pub emergencies: usize,
    /// Their mean delay in hours, misses counted as 72.
    pub delay_hours: Figure,
    /// Home-months in which false alerts are counted.
    pub home_months: f64,
    /// False alerts a home-month.
    pub false_per_home_month: Figure,
}

/// Judges the alerts of the windows of the age at `place`, from that age on.
pub fn of_age(
    place: usize,
    windows: &[Window],
    timelines: &Timelines,
    truth: &[Incident],
    alerts: &[JudgedAlert],
) -> OfAge {
    let cases = cases_after(AGES[place] * DAY, timelines, truth, alerts, Answers::default());
    add_up(place, windows, &cases)
}

fn add_up(place: usize, windows: &[Window], cases: &[HomeCases]) -> OfAge {
    let cases: BTreeMap<&str, &HomeCases> = cases.iter().map(|case| (&*case.household, case)).collect();
    let mut homes = BTreeMap::<&str, (Vec<f64>, (f64, f64))>::new();
    for window in windows {
        let Some(case) = cases.get(&*window.name) else { continue };
        let (delays, rate) = homes.entry(&window.household).or_default();
        match window.emergency {
            Some(start) => delays.extend(case.emergencies.iter().filter(|e| e.start == start).map(|e| e.delay)),
            None => *rate = (rate.0 + case.first.false_alerts as f64, rate.1 + case.months),
        }
    }
    let fleets = Fleets::new(homes.len(), 1);
    let delays: Vec<&[f64]> = homes.values().map(|(delays, _)| &**delays).collect();
    let rates: Vec<(f64, f64)> = homes.values().map(|(_, rate)| *rate).collect();
    OfAge {
        days: AGES[place],
        until_days: AGES[place + 1],
        emergencies: delays.iter().map(|delays| delays.len()).sum(),
        delay_hours: fleets.mean(&delays),
        home_months: rates.iter().map(|(_, months)| months).sum(),
        false_per_home_month: fleets.rate(&rates),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::cases::{EmergencyCase, Reached};
    use crate::model::{Flags, Measure, Quality};

    fn day(day: u32) -> EventTime {
        EventTime::from_seconds(day * DAY)
    }

    fn span(name: &str, first: u32, last: u32) -> Span {
        Span {
            household: name.into(),
            first: day(first),
            last: day(last),
        }
    }

    fn emergency(name: &str, at: u32) -> Incident {
        Incident {
            household: name.into(),
            kind: "emergency".into(),
            start: day(at),
            end: day(at + 3),
            litres_per_hour: None,
            detail: None,
        }
    }

    #[test]
    fn emergencies_are_the_same_at_every_age_and_homes_begin_anew() {
        let spans = [span("a", 10, 210), span("b", 10, 80)];
        let truth = [emergency("a", 69), emergency("a", 70), emergency("b", 72)];
        for place in 0..AGES.len() - 1 {
            let windows = windows(&spans, &truth, place);
            let met: Vec<_> = windows
                .iter()
                .filter_map(|window| Some((window.emergency?, window.from)))
                .collect();
            let from = |at: u32| (day(at), day(at - AGES[place]));
            assert_eq!(met, [from(70), from(72)], "the one on day 69 has too little behind it");
            let anew: Vec<_> = windows.iter().filter(|window| window.emergency.is_none()).collect();
            assert_eq!(
                anew.iter().map(|window| window.from).collect::<Vec<_>>(),
                [day(10), day(65)]
            );
            assert!(
                anew.iter()
                    .all(|window| window.to.since(window.from) == AGES[place + 1] * DAY)
            );
        }
    }

    #[test]
    fn a_window_is_a_home_of_its_own() {
        let windows = windows(&[span("a", 0, 100)], &[emergency("a", 70), emergency("a", 71)], 0);
        let homes = [HomeRecord {
            household_id: "a".into(),
            zone: Some("z".into()),
            programme: Some("night".into()),
            ..HomeRecord::default()
        }];
        let row = |start| Row {
            meter: 7,
            start,
            seconds: HOUR,
            measure: Some(Measure::Volume(1.0)),
            quality: Quality::Measured,
            received_at: None,
            flags: Flags::NONE,
        };
        let rows = |household: &str, from: EventTime, _| {
            assert_eq!(household, "a");
            Ok::<_, ()>(vec![
                ("a".into(), row(from)),
                ("garden".into(), row(from)),
                ("a".into(), row(from.plus(HOUR))),
            ])
        };
        let truth = [emergency("a", 70), emergency("a", 71)];
        let (history, homes, truth) = history_of(&windows, &homes, &truth, rows).expect("no error");
        assert_eq!((windows.len(), homes.len(), history.rows.len()), (4, 4, 12));
        let meters: Vec<_> = history.meters[..2]
            .iter()
            .map(|meter| (&*meter.household, &*meter.meter))
            .collect();
        assert_eq!(meters, [("w0", "w0"), ("w0", "garden")]);
        assert_eq!((&*homes[0].household_id, homes[0].zone.as_deref()), ("w0", None));
        assert_eq!(homes[0].programme.as_deref(), Some("night"));
        let told: Vec<_> = truth
            .iter()
            .map(|incident| (&*incident.household, incident.start))
            .collect();
        assert_eq!(
            told,
            [("w0", day(70)), ("w1", day(71))],
            "of each its own emergency alone"
        );
    }

    #[test]
    fn windows_of_one_home_count_as_one_home() {
        let windows = windows(&[span("a", 0, 200)], &[emergency("a", 70), emergency("a", 90)], 2);
        let case = |name: &str, start: Option<u32>, delay: f64, false_alerts| HomeCases {
            household: name.into(),
            months: if start.is_some() { 0.0 } else { 0.5 },
            emergencies: start
                .into_iter()
                .map(|at| EmergencyCase {
                    start: day(at),
                    delay,
                    alert_id: None,
                })
                .collect(),
            first: Reached {
                false_alerts,
                ..Reached::default()
            },
            ..HomeCases::default()
        };
        let cases = [
            case("w0", Some(70), 8.0, 0),
            case("w1", Some(90), 12.0, 0),
            case("w2", None, 0.0, 3),
            case("w3", None, 0.0, 0),
        ];
        let of = add_up(2, &windows, &cases);
        assert_eq!(
            (of.days, of.until_days, of.emergencies, of.home_months),
            (7, 14, 2, 1.0)
        );
        assert_eq!(
            (of.delay_hours.value, of.delay_hours.low),
            (Some(10.0), None),
            "one home says nothing of others"
        );
        assert_eq!(of.false_per_home_month.value, Some(3.0));
    }
}
