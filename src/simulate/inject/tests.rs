use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::water::Flow;
use super::*;
use crate::history::{Row, arrival};
use crate::model::Measure;
use crate::simulate::District;

/// Homes without incidents, among them some with registers and some with two meters.
fn quiet(interval_seconds: u32) -> (History, Vec<HomeRecord>) {
    let district = District {
        seed: 5,
        homes: 24,
        days: 120,
        start: date(2026, 1, 1),
        interval_seconds,
        time_zone: TimeZone::UTC,
        incidents_per_home_month: 0.0,
    };
    let mut history = district.history().0;
    // Each comes as soon as it is measured, unless a delivery says otherwise.
    history.rows.iter_mut().for_each(|row| row.received_at = None);
    history.sort_by_arrival();
    (history, district.home_records())
}

fn injection(scenarios: &[&str], deliveries: &[&str]) -> Injection {
    Injection {
        seed: 7,
        scenarios: scenarios.iter().map(|name| name.parse().unwrap()).collect(),
        every: 14 * DAY,
        deliveries: deliveries.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

/// Litres by home and start of interval; registers as differences.
fn litres(history: &History) -> BTreeMap<(Arc<str>, EventTime), f64> {
    let mut rows: Vec<&Row> = history.rows.iter().collect();
    rows.sort_by_key(|row| (row.meter, row.start));
    let (mut litres, mut last) = (BTreeMap::new(), None);
    for row in rows {
        let volume = match row.measure {
            Some(Measure::Volume(volume)) => volume,
            Some(Measure::Register(index)) => {
                let before = last.replace((row.meter, index));
                before
                    .filter(|before| before.0 == row.meter)
                    .map_or(0.0, |before| index - before.1)
            }
            None => continue,
        };
        let name = Arc::clone(&history.name(row).household);
        *litres.entry((name, row.start)).or_insert(0.0) += volume;
    }
    litres
}

/// What an incident has added within its time and besides, in litres, and what is left of use within it.
fn effect(before: &History, after: &History, incident: &Incident) -> (f64, f64) {
    let (before, after) = (litres(before), litres(after));
    let within = |at: EventTime| incident.start <= at && at < incident.end;
    let of_home = || {
        after
            .iter()
            .filter(|((home, at), _)| *home == incident.household && within(*at))
    };
    let added = of_home()
        .map(|(key, litres)| litres - before.get(key).copied().unwrap_or(0.0))
        .sum();
    (added, of_home().map(|(_, litres)| litres).sum())
}

#[test]
fn an_emergency_leaves_no_use_for_72_hours_and_nothing_else_is_changed() {
    let (before, homes) = quiet(HOUR);
    let mut after = before.clone();
    let injected = injection(&["emergency"], &[]).apply(&mut after, &homes, &[]).unwrap();
    assert!(injected.truth.len() > 60, "{}", injected.truth.len());
    let (was, is) = (litres(&before), litres(&after));
    assert_eq!(was.len(), is.len());
    let first = before.rows.iter().map(|row| row.start).min().unwrap();
    for incident in &injected.truth {
        assert_eq!(
            (incident.kind.as_str(), incident.end.since(incident.start)),
            ("emergency", 3 * DAY)
        );
        assert!(incident.start >= first.plus(30 * DAY));
        let last = is[&(Arc::clone(&incident.household), incident.start.minus(HOUR))];
        assert!(last > 0.0, "no use right before {incident:?}");
    }
    for ((home, at), litres) in &is {
        let touches = |incident: &&Incident| incident.household == *home && incident.start <= *at && *at < incident.end;
        match injected.truth.iter().find(touches) {
            Some(_) => assert!(litres.abs() < 1e-6, "{home} {at} {litres}"),
            None => {
                let real = was[&(Arc::clone(home), *at)];
                assert!((litres - real).abs() < 1e-6, "{home} {at}: {litres}, was {real}");
            }
        }
    }
}

#[test]
fn what_runs_runs_as_much_as_it_says() {
    for (name, litres_a_day, days) in [
        ("leak:1", 24.0, 7.0),
        ("leak:30", 720.0, 7.0),
        ("toilet:60", 480.0, 7.0),
        ("burst", 36_000.0, 0.125),
    ] {
        let (before, homes) = quiet(900);
        let mut after = before.clone();
        let injected = injection(&[name], &[]).apply(&mut after, &homes, &[]).unwrap();
        let incident = &injected.truth[0];
        let (added, _) = effect(&before, &after, incident);
        let expected = litres_a_day * days;
        // One step of the meter at either end, and readings that were lost on the way.
        assert!(
            (0.93..1.05).contains(&((added + 0.5) / expected)),
            "{name}: {added} of {expected} L"
        );
    }
}

#[test]
fn an_emergency_under_a_leak_shows_the_leak_alone() {
    let (before, homes) = quiet(HOUR);
    let mut after = before.clone();
    let injected = injection(&["emergency-under-leak:5"], &[])
        .apply(&mut after, &homes, &[])
        .unwrap();
    let emergency = injected
        .truth
        .iter()
        .find(|incident| incident.kind == "emergency")
        .unwrap();
    let leak = injected.truth.iter().find(|incident| incident.kind == "leak").unwrap();
    assert_eq!((leak.start.plus(3 * DAY), leak.end), (emergency.start, emergency.end));
    let (_, left) = effect(&before, &after, emergency);
    assert!((340.0..=361.0).contains(&left), "{left}");
}

#[test]
fn a_leak_that_swings_is_greatest_at_night_and_as_much_as_a_steady_one_in_a_day() {
    let pour = |flow: &Flow| {
        let (mut history, _) = quiet(HOUR);
        let (before, name) = (litres(&history), Arc::clone(&history.meters[0].household));
        let start = EventTime::from_hour(history.rows[0].start.hour() / 24 * 24 + 48);
        water::pour(&mut history, &name, start, start.plus(DAY), flow, 0.01);
        let after = litres(&history);
        let more = |hour: u32| {
            let key = (Arc::clone(&name), start.plus(hour * HOUR));
            after[&key] - before[&key]
        };
        (0..24).map(more).collect::<Vec<_>>()
    };
    let (swinging, steady) = (pour(&Flow::Swinging(20.0)), pour(&Flow::Steady(20.0)));
    let sum = |litres: &[f64]| litres.iter().sum::<f64>();
    assert!((sum(&swinging) - sum(&steady)).abs() < 0.1, "{swinging:?}");
    assert!(
        (swinging[3] - 24.0).abs() < 0.1 && (swinging[15] - 16.0).abs() < 0.1,
        "{swinging:?}"
    );
    let irregular = pour(&Flow::Irregular(20.0));
    let (least, most) = irregular.iter().fold((f64::MAX, 0.0_f64), |(least, most), litres| {
        (least.min(*litres), most.max(*litres))
    });
    assert!(
        17.9 < least && least < 18.5 && 21.5 < most && most < 22.1,
        "{irregular:?}"
    );
}

#[test]
fn every_scenario_has_its_label_and_a_name_that_is_read_back() {
    let (before, homes) = quiet(HOUR);
    for name in Scenario::EXAMPLES.split(", ").map(str::trim) {
        let scenario: Scenario = name.parse().unwrap();
        assert_eq!(scenario.to_string(), name);
        let mut after = before.clone();
        let injected = injection(&[name], &[]).apply(&mut after, &homes, &[]).unwrap();
        assert!(
            injected.truth.iter().any(|incident| incident.kind == scenario.kind()),
            "{name}"
        );
        if scenario != Scenario::SwappedMeter {
            assert_ne!(litres(&before), litres(&after), "{name}");
        }
        assert_eq!(
            scenario == Scenario::DeclaredAbsence,
            !injected.absences.is_empty(),
            "{name}"
        );
    }
    for wrong in [
        "leak",
        "leak:0",
        "leak:x",
        "leak:nan",
        "leak:2:3",
        "emergency:3",
        "Emergency",
        "",
    ] {
        wrong.parse::<Scenario>().unwrap_err();
    }
    let refills = |more: &str| format!("emergency-under-refills:8{more}").parse::<Scenario>();
    assert_eq!(refills(""), refills(":25"), "so many minutes where nothing is said");
    for wrong in [":0", ":x", ":1000", ":28:1"] {
        refills(wrong).unwrap_err();
    }
}

#[test]
fn a_swapped_meter_begins_anew_and_no_water_is_lost() {
    let (before, homes) = quiet(HOUR);
    let mut after = before.clone();
    let injected = injection(&["swapped-meter"], &[])
        .apply(&mut after, &homes, &[])
        .unwrap();
    assert!(
        after.meters.len() > before.meters.len(),
        "volumes come under another name"
    );
    let fell = |history: &History| {
        let mut rows: Vec<&Row> = history.rows.iter().collect();
        rows.sort_by_key(|row| (row.meter, row.start));
        let falls = rows.windows(2).filter(|pair| match (pair[0].measure, pair[1].measure) {
            (Some(Measure::Register(before)), Some(Measure::Register(after))) => {
                pair[0].meter == pair[1].meter && after < before
            }
            _ => false,
        });
        falls.count()
    };
    assert!(fell(&after) > fell(&before), "registers begin near zero");
    assert!(!injected.truth.is_empty());
}

#[test]
fn no_register_of_a_swapped_meter_is_negative_though_it_rolls_over_later() {
    let (mut history, homes) = quiet(HOUR);
    let rollover = 20_000.0;
    for row in &mut history.rows {
        if let Some(Measure::Register(index)) = &mut row.measure {
            *index %= rollover;
        }
    }
    injection(&["swapped-meter"], &[])
        .apply(&mut history, &homes, &[])
        .unwrap();
    let registers: Vec<f64> = history
        .rows
        .iter()
        .filter_map(|row| match row.measure {
            Some(Measure::Register(index)) => Some(index),
            _ => None,
        })
        .collect();
    assert!(
        registers.iter().any(|index| *index > rollover / 2.0),
        "they come near it"
    );
    assert!(registers.iter().all(|index| *index >= 0.0));
}

#[test]
fn each_swap_that_is_labelled_has_happened() {
    let (before, homes) = quiet(HOUR);
    let mut after = before.clone();
    let truth = injection(&["swapped-meter"], &[])
        .apply(&mut after, &homes, &[])
        .unwrap()
        .truth;
    let mut rows: Vec<&Row> = after.rows.iter().collect();
    rows.sort_by_key(|row| (row.meter, row.start));
    for swap in &truth {
        let begins_anew = rows.windows(2).any(|pair| {
            let is_here = *after.name(pair[1]).household == *swap.household && pair[1].start == swap.start;
            let fell = match (pair[0].measure, pair[1].measure) {
                (Some(Measure::Register(before)), Some(Measure::Register(after))) => after < before,
                _ => false,
            };
            is_here && (pair[0].meter != pair[1].meter || fell)
        });
        assert!(begins_anew, "{swap:?}");
    }
    let volumes = before
        .rows
        .iter()
        .filter(|row| matches!(row.measure, Some(Measure::Volume(_))));
    let home = &before.name(volumes.min_by_key(|row| row.meter).unwrap()).household;
    let swaps = truth.iter().filter(|swap| swap.household == *home).count();
    assert!(swaps > 2, "{swaps} of {home}");
}

#[test]
fn nothing_is_put_where_something_is_already_nor_beyond_the_readings() {
    let (before, homes) = quiet(HOUR);
    let mut given = injection(&["leak:5"], &[])
        .apply(&mut before.clone(), &homes, &[])
        .unwrap()
        .truth;
    given.truncate(5);
    let put = |names: &[&str], given: &[Incident]| {
        let injected = injection(names, &[]).apply(&mut before.clone(), &homes, given);
        injected.unwrap().truth
    };
    let truth = [
        put(&["emergency", "area-outage", "burst"], &given),
        put(&["decline", "emergency"], &[]),
    ];
    let last = before.rows.iter().map(Row::end).max().unwrap();
    for (index, incident) in truth
        .iter()
        .enumerate()
        .flat_map(|(index, truth)| truth.iter().map(move |incident| (index, incident)))
    {
        let meets = |given: &&Incident| {
            given.household == incident.household && given.start < incident.end && incident.start < given.end
        };
        assert_eq!(given.iter().filter(|_| index == 0).find(meets), None, "{incident:?}");
        assert!(incident.end <= last, "{incident:?}");
    }
}

#[test]
fn labels_say_how_much_flows_and_what_it_was() {
    let (before, homes) = quiet(HOUR);
    let of = |name: &str| {
        let mut after = before.clone();
        let injected = injection(&[name], &[]).apply(&mut after, &homes, &[]).unwrap();
        assert!(
            injected
                .truth
                .iter()
                .all(|incident| incident.detail.as_deref() == Some(name)),
            "{name}"
        );
        let leak = injected
            .truth
            .into_iter()
            .find(|incident| incident.litres_per_hour.is_some());
        (leak.as_ref().map(|leak| effect(&before, &after, leak).0), leak)
    };
    for name in [
        "leak:2.5",
        "toilet:60",
        "intermittent-leak:20",
        "emergency-under-leak:5",
        "burst",
        "prolonged-draw",
    ] {
        let (added, leak) = of(name);
        let leak = leak.unwrap();
        if name.starts_with("emergency") {
            continue; // What people did not use is missing from the sum.
        }
        let said = leak.litres_per_hour.unwrap() * f64::from(leak.end.since(leak.start)) / f64::from(HOUR);
        assert!(
            (0.93..1.05).contains(&((added.unwrap() + 0.5) / said)),
            "{name}: {added:?} of {said} L"
        );
    }
    assert_eq!(of("emergency").1, None);
}

#[test]
fn seeds_and_names_decide_and_not_the_company() {
    let (before, homes) = quiet(HOUR);
    let injection = injection(&["emergency", "leak:5", "absence"], &["gaps", "late", "duplicates"]);
    let (mut first, mut again) = (before.clone(), before.clone());
    let truth = injection.apply(&mut first, &homes, &[]).unwrap().truth;
    assert_eq!(truth, injection.apply(&mut again, &homes, &[]).unwrap().truth);
    assert_eq!(first, again);
    let alone = "h-000003";
    let mut few = before.clone();
    few.rows.retain(|row| *before.name(row).household == *alone);
    let of_home: Vec<_> = truth
        .into_iter()
        .filter(|incident| *incident.household == *alone)
        .collect();
    // Alone it may have no room for all that was asked for.
    let scenarios = of_home.iter().filter_map(|incident| match incident.kind.as_str() {
        "emergency" | "absence" => Some(incident.kind.parse().unwrap()),
        "leak" => Some(Scenario::Leak(50)),
        _ => None,
    });
    let placed: BTreeSet<Scenario> = scenarios.collect();
    if placed.len() == injection.scenarios.len() {
        assert_eq!(injection.apply(&mut few, &homes, &[]).unwrap().truth, of_home);
    }
    let other = Injection { seed: 8, ..injection };
    assert_ne!(other.apply(&mut before.clone(), &homes, &[]).unwrap().truth, of_home);
}

#[test]
fn deliveries_lose_delay_repeat_and_shuffle_as_they_say() {
    let (before, homes) = quiet(HOUR);
    let delivered = |how: &str| {
        let mut after = before.clone();
        let truth = injection(&[], &[how]).apply(&mut after, &homes, &[]).unwrap().truth;
        (after, truth)
    };
    let (gaps, lost) = delivered("gaps");
    let share = gaps.rows.len() as f64 / before.rows.len() as f64;
    assert!((0.96..0.995).contains(&share), "{share}");
    assert!(lost.iter().all(|gap| gap.kind == "gap"));
    let came = |history: &History| -> BTreeMap<(u32, EventTime), EventTime> {
        history
            .rows
            .iter()
            .map(|row| ((row.meter, row.start), arrival(row)))
            .collect()
    };
    let was = came(&before);
    let (daily, _) = delivered("uploads:24");
    assert!(came(&daily).iter().all(|(row, at)| at.since(was[row]) <= DAY + HOUR));
    assert!(came(&daily).values().all(|at| at.seconds() % DAY < HOUR));
    let (late, _) = delivered("late");
    let (late, all) = (
        came(&late).iter().filter(|(row, at)| **at > was[row]).count(),
        was.len(),
    );
    assert!(late * 100 > 4 * all && late * 100 < 6 * all, "{late} of {all}");
    let (twice, _) = delivered("duplicates");
    assert!(twice.rows.len() * 100 > 101 * before.rows.len());
    let (shuffled, _) = delivered("shuffled");
    assert_eq!(shuffled.rows.len(), before.rows.len());
    let backwards = shuffled
        .rows
        .windows(2)
        .filter(|pair| pair[0].meter == pair[1].meter && pair[1].start < pair[0].start);
    assert!(backwards.count() > before.rows.len() / 4);
}

#[test]
fn what_finds_no_room_is_said() {
    let (mut history, homes) = quiet(HOUR);
    let first = history.rows.iter().map(|row| row.start).min().unwrap();
    history.rows.retain(|row| row.start < first.plus(31 * DAY));
    let refused = injection(&["emergency"], &[]).apply(&mut history.clone(), &homes, &[]);
    assert_eq!(refused, Err(NoRoom::Home(Scenario::Emergency)));
    let (mut history, mut homes) = quiet(HOUR);
    for home in &mut homes {
        home.absence = Some(Absence {
            from: first,
            to: Some(first.plus(DAY)),
        });
    }
    let refused = injection(&["declared-absence"], &[]).apply(&mut history, &homes, &[]);
    assert_eq!(refused, Err(NoRoom::Declared(homes.len())));
    assert_eq!(
        injection(&["area-outage"], &[]).apply(&mut history, &[], &[]),
        Err(NoRoom::Zones)
    );
}
