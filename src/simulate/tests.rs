use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::inject::water::{emergency, leak, meter_stops};
use super::*;
use crate::history::{History, Incident, MeterName, Row, arrival, read_homes, read_truth};
use crate::model::{DAY, EventTime, Flags, HOUR, Measure, Quality};

fn district(seed: u64) -> District {
    District {
        seed,
        homes: 60,
        days: 90,
        start: date(2024, 2, 1),
        interval_seconds: HOUR,
        time_zone: TimeZone::get("Europe/Madrid").unwrap(),
        incidents_per_home_month: 1.0,
    }
}

fn hash(history: &History) -> u32 {
    let mut text = Vec::new();
    for row in &history.rows {
        history.json(row, &mut text);
    }
    crc32fast::hash(&text)
}

/// Volumes by meter and start of interval, with registers turned into differences where the interval before is there.
fn volumes(history: &History) -> BTreeMap<u32, BTreeMap<EventTime, f64>> {
    let mut registers = BTreeMap::<u32, BTreeMap<EventTime, f64>>::new();
    let mut volumes = BTreeMap::<u32, BTreeMap<EventTime, f64>>::new();
    for row in &history.rows {
        match row.measure.unwrap() {
            Measure::Volume(litres) => volumes.entry(row.meter).or_default().insert(row.start, litres),
            Measure::Register(litres) => registers.entry(row.meter).or_default().insert(row.start, litres),
        };
    }
    for (meter, readings) in registers {
        let readings: Vec<_> = readings.into_iter().collect();
        let steps = readings.windows(2).filter(|pair| pair[1].0.since(pair[0].0) == HOUR);
        volumes.insert(meter, steps.map(|pair| (pair[1].0, pair[1].1 - pair[0].1)).collect());
    }
    volumes
}

fn of_kind<'a>(truth: &'a [Incident], kind: &str) -> Vec<&'a Incident> {
    truth.iter().filter(|incident| incident.kind == kind).collect()
}

/// Litres of a home by interval in a stretch of time, all its meters together.
fn litres_in(
    history: &History,
    volumes: &BTreeMap<u32, BTreeMap<EventTime, f64>>,
    household: &str,
    start: EventTime,
    end: EventTime,
) -> BTreeMap<EventTime, f64> {
    let mut sum = BTreeMap::new();
    for (meter, volumes) in volumes {
        if *history.meters[*meter as usize].household == *household {
            for (time, litres) in volumes.range(start..end) {
                *sum.entry(*time).or_insert(0.0) += litres;
            }
        }
    }
    sum
}

#[test]
fn the_seed_decides_everything() {
    let (first, truth) = district(1).history();
    let (again, truth_again) = district(1).history();
    assert_eq!((hash(&first), &truth), (hash(&again), &truth_again));
    assert_ne!(hash(&first), hash(&district(2).history().0));
    // A home is the same whatever the number of homes.
    let (fewer, _) = District {
        homes: 10,
        ..district(1)
    }
    .history();
    let of_home_7 = |history: &History| -> Vec<Row> {
        let rows = history
            .rows
            .iter()
            .filter(|row| *history.name(row).household == *"h-000007")
            .copied();
        rows.map(|row| Row { meter: 0, ..row }).collect()
    };
    assert!(!of_home_7(&fewer).is_empty());
    assert_eq!(of_home_7(&fewer), of_home_7(&first));
}

#[test]
fn homes_use_as_much_water_as_people_do() {
    let settings = District {
        incidents_per_home_month: 0.0,
        homes: 200,
        days: 60,
        ..district(3)
    };
    let (history, truth) = settings.history();
    assert_eq!(truth, []);
    let volumes = volumes(&history);
    let mut by_home = BTreeMap::<&str, BTreeMap<u32, f64>>::new();
    for (meter, volumes) in &volumes {
        let days = by_home.entry(&history.meters[*meter as usize].household).or_default();
        for (time, litres) in volumes {
            *days.entry(time.seconds() / DAY).or_insert(0.0) += litres;
        }
    }
    assert_eq!(by_home.len(), 200);
    let mut means: Vec<f64> = (by_home.values())
        .map(|days| {
            let lived: Vec<f64> = days.values().copied().filter(|litres| *litres > 0.0).collect();
            lived.iter().sum::<f64>() / lived.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    // One home in seven is of two people.
    assert!((60.0..250.0).contains(&means[10]), "{}", means[10]);
    assert!((90.0..160.0).contains(&means[100]), "{}", means[100]);
    assert!((60.0..250.0).contains(&means[170]), "{}", means[170]);
    let delivered = volumes.values().map(BTreeMap::len).sum::<usize>() as f64 / (volumes.len() * 60 * 24) as f64;
    assert!((0.96..0.995).contains(&delivered), "{delivered}");
    // Registers, volumes, homes with two meters, and all three ways of delivery are there.
    assert!(history.meters.len() > 203);
    assert!(
        history
            .rows
            .iter()
            .any(|row| matches!(row.measure, Some(Measure::Register(_))))
    );
    let delays: Vec<Option<u32>> = history
        .rows
        .iter()
        .map(|row| row.received_at.map(|received| received.since(row.end())))
        .collect();
    assert!(delays.contains(&None));
    assert!(delays.iter().flatten().any(|delay| *delay > 20 * HOUR));
    assert!(delays.iter().flatten().all(|delay| *delay < DAY));
}

#[test]
fn no_two_rows_of_a_meter_overlap_and_all_come_in_order() {
    for interval_seconds in [HOUR, 900] {
        let (history, _) = District {
            interval_seconds,
            homes: 20,
            days: 70,
            ..district(4)
        }
        .history();
        assert!(history.rows.is_sorted_by_key(arrival));
        let mut rows: Vec<&Row> = history.rows.iter().collect();
        rows.sort_by_key(|row| (row.meter, row.start));
        // The clocks change within these days: the intervals must go on without a seam.
        for pair in rows.windows(2).filter(|pair| pair[0].meter == pair[1].meter) {
            assert!(pair[0].end() <= pair[1].start);
        }
        assert!(
            rows.iter()
                .all(|row| row.seconds == interval_seconds && row.start <= arrival(row))
        );
    }
}

#[test]
fn incidents_in_the_rows_are_those_of_the_truth() {
    let settings = District {
        homes: 200,
        ..district(5)
    };
    let (history, truth) = settings.history();
    let volumes = volumes(&history);
    let begin = history.rows[0].start.plus(WARM_UP_DAYS * DAY).minus(DAY);
    let last = history.rows.iter().map(Row::end).max().unwrap();
    assert!(
        truth
            .iter()
            .filter(|incident| incident.kind != "register_rollover")
            .all(|i| i.start >= begin)
    );
    assert!(truth.iter().all(|incident| incident.end <= last));
    let during = |incident: &Incident| {
        let span = (incident.start, incident.end);
        litres_in(&history, &volumes, &incident.household, span.0, span.1)
    };
    let leaks = of_kind(&truth, "leak");
    let leaks_of = |incident: &Incident| -> Vec<&&Incident> {
        leaks
            .iter()
            .filter(|leak| leak.household == incident.household && leak.end > incident.start)
            .collect()
    };

    let emergencies = of_kind(&truth, "emergency");
    let mut under_leaks = 0;
    for emergency in &emergencies {
        assert_eq!(emergency.end.since(emergency.start), EMERGENCY_SECONDS);
        let hours = during(emergency);
        assert_eq!(hours.len(), 72, "{emergency:?} is not delivered whole");
        let before = emergency.start.minus(HOUR);
        let used = litres_in(&history, &volumes, &emergency.household, before, emergency.start);
        assert!(used[&before] > 0.0, "{emergency:?} does not follow a use");
        if leaks_of(emergency).iter().any(|leak| leak.start < emergency.end) {
            under_leaks += 1;
        } else {
            assert!(hours.values().all(|litres| *litres == 0.0), "{emergency:?} is not dry");
        }
    }
    assert!(
        emergencies.len() > 30 && under_leaks >= 3,
        "{} and {under_leaks}",
        emergencies.len()
    );

    assert!(leaks.len() > 15);
    for leak in &leaks {
        let hours = during(leak);
        let (least, hours) = (hours.values().copied().fold(f64::MAX, f64::min), hours.len());
        assert!(least >= 1.0 || hours == 0, "{leak:?}: an hour without flow");
        assert!(
            [1.0, 2.0, 5.0, 10.0, 30.0].iter().any(|rate| least >= *rate),
            "{leak:?}: {least}"
        );
    }
    let silences = of_kind(&truth, "silent_meter");
    assert!(silences.len() > 8);
    for silence in silences {
        assert_eq!(during(silence).len(), 0, "{silence:?} is not silent");
        assert_eq!(silence.end.since(silence.start), 3 * DAY);
    }
    // A register goes back where the truth says so, and nowhere else.
    let mut falls = 0;
    for (meter, volumes) in &volumes {
        let household = &history.meters[*meter as usize].household;
        for (time, litres) in volumes.iter().filter(|(_, litres)| **litres < 0.0) {
            falls += 1;
            let says = |incident: &&Incident| {
                ["meter_swap", "register_rollover"].contains(&&*incident.kind)
                    && (&incident.household, incident.start) == (household, *time)
            };
            assert!(
                truth.iter().any(|incident| says(&incident)),
                "{household} falls by {litres} at {time}"
            );
        }
    }
    let (swaps, rollovers) = (
        of_kind(&truth, "meter_swap").len(),
        of_kind(&truth, "register_rollover").len(),
    );
    assert!(swaps > 0 && rollovers > 0 && falls > 0, "{swaps} {rollovers} {falls}");
    // Rows of which the one before was lost show no fall.
    assert!(
        falls <= swaps + rollovers && falls + 5 >= swaps + rollovers,
        "{swaps} {rollovers} {falls}"
    );
}

#[test]
fn a_stream_goes_on_past_any_number_of_days() {
    let settings = District {
        days: u32::MAX,
        homes: 2,
        ..district(6)
    };
    let mut simulation = settings.simulate();
    let mut last = EventTime::ZERO;
    for day in 0..400 {
        let rows = simulation.next_day();
        assert!(rows.first().is_none_or(|row| arrival(row) > last), "day {day}");
        last = rows.last().map_or(last, arrival);
    }
    assert!(last > "2025-03-05T00:00:00Z".parse().unwrap());
    assert!(!simulation.take_incidents().is_empty());
    assert!(simulation.take_incidents().is_empty());
}

#[test]
fn a_district_is_written_as_files() {
    let folder = tempfile::tempdir().unwrap();
    let settings = District {
        homes: 5,
        days: 50,
        ..district(7)
    };
    settings.write(folder.path()).unwrap();
    let (history, truth) = settings.history();
    let read = History::read(&[folder.path().join("readings.csv.gz")]).unwrap();
    assert_eq!(read.rows.len(), history.rows.len());
    assert_eq!(hash(&read), hash(&history));
    assert_eq!(read_truth(&folder.path().join("truth.csv")).unwrap(), truth);
    assert_eq!(
        read_homes(&folder.path().join("homes.csv")).unwrap(),
        settings.home_records()
    );
}

/// Two meters of a home, one of each kind, hourly for ten hours with 3 litres each; and another home.
fn small() -> History {
    let name = |household: &str, meter: &str| MeterName {
        household: household.into(),
        meter: meter.into(),
    };
    let meters = vec![name("h", "a"), name("other", "other"), name("h", "b")];
    let row = |meter, hour: u32, measure| Row {
        meter,
        start: EventTime::from_hour(hour),
        seconds: HOUR,
        measure: Some(measure),
        quality: Quality::Measured,
        received_at: None,
        flags: Flags::NONE,
    };
    let mut rows = Vec::new();
    // Latest first: the functions must not rely on the order.
    for hour in (0..100).rev() {
        rows.push(row(0, hour, Measure::Volume(3.0)));
        rows.push(row(1, hour, Measure::Volume(3.0)));
        rows.push(row(2, hour, Measure::Register(1_000.0 + 3.0 * f64::from(hour + 1))));
    }
    History { meters, rows }
}

fn measure(history: &History, meter: u32, hour: u32) -> Option<Measure> {
    let is_it = |row: &&Row| row.meter == meter && row.start == EventTime::from_hour(hour);
    history.rows.iter().find(is_it).and_then(|row| row.measure)
}

#[test]
fn an_emergency_silences_all_meters_of_its_home() {
    let (mut history, hour) = (small(), EventTime::from_hour);
    let label = emergency(&mut history, "h", hour(10));
    assert_eq!(
        (label.kind.as_str(), label.start, label.end),
        ("emergency", hour(10), hour(82))
    );
    for (at, volume, register) in [
        (9, 3.0, 1_030.0),
        (10, 0.0, 1_030.0),
        (81, 0.0, 1_030.0),
        (82, 3.0, 1_033.0),
    ] {
        assert_eq!(measure(&history, 0, at), Some(Measure::Volume(volume)), "{at}");
        assert_eq!(measure(&history, 2, at), Some(Measure::Register(register)), "{at}");
        assert_eq!(measure(&history, 1, at), Some(Measure::Volume(3.0)), "{at}");
    }
}

#[test]
fn a_leak_shows_in_steps_of_the_meter() {
    let (mut history, hour) = (small(), EventTime::from_hour);
    leak(&mut history, "h", hour(10), hour(20), 0.5, 1.0);
    let added: Vec<_> = (8..22).map(|at| measure(&history, 0, at)).collect();
    let expected: Vec<_> = [0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0]
        .map(|litres| Some(3.0 + f64::from(litres)))
        .into();
    assert_eq!(
        added,
        expected
            .into_iter()
            .map(|litres| litres.map(Measure::Volume))
            .collect::<Vec<_>>()
    );
    assert_eq!(measure(&history, 1, 11), Some(Measure::Volume(3.0)));
    assert_eq!(measure(&history, 2, 30), measure(&small(), 2, 30));
    // A register keeps what has leaked.
    let mut registers = small();
    registers.meters[0].household = "elsewhere".into();
    leak(&mut registers, "h", hour(10), hour(20), 5.0, 1.0);
    assert_eq!(measure(&registers, 2, 9), Some(Measure::Register(1_030.0)));
    assert_eq!(measure(&registers, 2, 11), Some(Measure::Register(1_046.0)));
    assert_eq!(measure(&registers, 2, 90), Some(Measure::Register(1_273.0 + 50.0)));
}

#[test]
fn a_stopped_meter_delivers_nothing() {
    let (mut history, hour) = (small(), EventTime::from_hour);
    let label = meter_stops(&mut history, "h", hour(10), hour(20));
    assert_eq!(label.kind, "silent_meter");
    assert_eq!(history.rows.len(), 300 - 2 * 10);
    assert_eq!(measure(&history, 0, 10), None);
    assert_eq!(measure(&history, 2, 19), None);
    assert!(measure(&history, 0, 9).is_some() && measure(&history, 2, 20).is_some());
}

#[test]
fn days_that_event_time_cannot_hold_are_known() {
    let within = |year, days| {
        let district = District {
            seed: 1,
            homes: 1,
            days,
            start: date(year, 1, 1),
            interval_seconds: HOUR,
            time_zone: TimeZone::UTC,
            incidents_per_home_month: 0.0,
        };
        district.is_within_event_time()
    };
    assert!(within(1970, 90) && within(2026, 90) && within(2105, 300));
    assert!(!within(1969, 90) && !within(2106, 300) && !within(2026, 36_500));
}
