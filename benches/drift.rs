//! How often the detectors of slow change report, on real homes: as they are, with their weeks shuffled (so that nothing
//! changes slowly), and with a change put in. The figures of `docs/detectors.md`.
//!
//! `cargo bench --bench drift -- READINGS.csv.gz TIME_ZONE [P]`: hourly volumes; P is `p_below` of both detectors.

// It reads a file and a clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapwatch::detect::drift::{DriftState, WEEKS};
use tapwatch::detect::local_hours::LocalHours;
use tapwatch::detect::night_drift::{NightDrift, NightDriftSettings};
use tapwatch::detect::routine_drift::{RoutineDrift, RoutineDriftSettings};
use tapwatch::detect::{Detector, HomeView};
use tapwatch::history::History;
use tapwatch::home::{HomeSettings, MeterReading, Rhythm, Usage};
use tapwatch::model::{Circumstances, EventTime, HOUR, Measure, Quality};

const WEEK: usize = 7 * 24;
/// A Monday (1 January 2024), at which every home begins.
const MONDAY: EventTime = EventTime::from_seconds(1_704_067_200);

/// Litres of each hour by the clock on the wall, from a Monday on, in weeks.
type Weeks = Vec<[Option<f64>; WEEK]>;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let [file, zone, p_below @ ..] = &arguments[..] else {
        println!("drift: needs a file of hourly readings and a time zone, and measures nothing without");
        return;
    };
    let history = History::read(&[Path::new(file).to_path_buf()]).expect("readings");
    let homes = homes(&history, &TimeZone::get(zone).expect("a time zone"));
    let mut random = ChaCha8Rng::seed_from_u64(1);

    let p_below = p_below.first().map_or(0.001, |p| p.parse().expect("a probability"));

    rates("as they are", p_below, homes.iter());
    let shuffled: Vec<Weeks> = (0..10)
        .flat_map(|_| homes.iter().map(|home| shuffled(home, &mut random)).collect::<Vec<_>>())
        .collect();
    rates("weeks shuffled", p_below, shuffled.iter());
    for (name, ramp) in [
        ("night use doubled over 4 weeks", 4),
        ("first use 1.5 h later over 6 weeks", 6),
    ] {
        for (source, homes) in [("as they are", &homes), ("weeks shuffled", &shuffled)] {
            power(name, ramp, source, p_below, homes, &mut random);
        }
    }
}

/// Homes by the clock on the wall; the hour that comes twice is taken once.
fn homes(history: &History, zone: &TimeZone) -> Vec<Weeks> {
    let mut hours: BTreeMap<u32, BTreeMap<u32, f64>> = BTreeMap::new();
    for row in &history.rows {
        if let (Some(Measure::Volume(litres)), HOUR) = (row.measure, row.seconds) {
            let local = LocalHours::new(zone).since_1970(row.start.hour());
            hours.entry(row.meter).or_default().insert(local, litres);
        }
    }
    let monday = |hour: u32| (hour / 24 + 3) / 7;
    let weeks = |hours: BTreeMap<u32, f64>| {
        let first = hours.keys().next().map_or(0, |hour| monday(*hour));
        let mut weeks = Weeks::new();
        for (hour, litres) in hours {
            let week = (monday(hour) - first) as usize;
            weeks.resize(weeks.len().max(week + 1), [None; WEEK]);
            weeks[week][((hour + 3 * 24) % WEEK as u32) as usize] = Some(litres);
        }
        weeks
    };
    hours.into_values().map(weeks).collect()
}

fn shuffled(home: &Weeks, random: &mut impl Rng) -> Weeks {
    let mut weeks = home.clone();
    weeks.shuffle(random);
    weeks
}

/// What was reported of a home.
#[derive(Default)]
struct Reports {
    /// Weeks with a report, and its rule: at night, then of the routine.
    night: Vec<(usize, String)>,
    routine: Vec<(usize, String)>,
    /// Weeks that could be judged by the days that are known.
    weeks: usize,
    /// Time taken by the intervals that ended a week.
    judging: Duration,
}

fn watch(home: &Weeks, p_below: f64) -> Reports {
    let night = NightDriftSettings {
        enabled: true,
        p_below,
        ..NightDriftSettings::default()
    };
    let routine = RoutineDriftSettings {
        enabled: true,
        p_below,
        ..RoutineDriftSettings::default()
    };
    let (mut at_night, mut by_day) = (DriftState::default(), DriftState::default());
    let (mut usage, mut reports) = (Usage::default(), Reports::default());
    for (at, litres) in home.iter().flatten().enumerate() {
        let Some(litres) = litres else { continue };
        let start = MONDAY.plus(at as u32 * HOUR);
        let reading = MeterReading::new(0, start, HOUR, Some(Measure::Volume(*litres)), Quality::Measured);
        usage.apply(
            &reading,
            &HomeSettings::default(),
            |_| {},
            |usage, interval| {
                let view = HomeView {
                    usage,
                    time_zone: &TimeZone::UTC,
                    heard_at: None,
                    rhythm: Rhythm::default(),
                    meters: 1,
                    circumstances: Circumstances::default(),
                    now: usage.frontier(),
                };
                let before = (at_night, by_day);
                let started = Instant::now();
                NightDrift::on_interval(&night, &mut at_night, &view, interval);
                RoutineDrift::on_interval(&routine, &mut by_day, &view, interval);
                if (at_night, by_day) == before {
                    return;
                }
                reports.judging += started.elapsed();
                let known = usage.routine().known_hours() as usize;
                reports.weeks += usize::from(known >= WEEK * usize::from(WEEKS) * 3 / 4);
                let week = at / WEEK;
                let said = [
                    NightDrift::finding(&night, &at_night, &view),
                    RoutineDrift::finding(&routine, &by_day, &view),
                ];
                for (finding, reports) in said.into_iter().zip([&mut reports.night, &mut reports.routine]) {
                    reports.extend(finding.map(|finding| (week, finding.rule.to_string())));
                }
            },
        );
    }
    reports
}

fn rates<'a>(name: &str, p_below: f64, homes: impl Iterator<Item = &'a Weeks>) {
    let (mut weeks, mut judging, mut counts) = (0, Duration::ZERO, BTreeMap::<String, usize>::new());
    for home in homes {
        let reports = watch(home, p_below);
        weeks += reports.weeks;
        judging += reports.judging;
        for (_, rule) in reports.night.into_iter().chain(reports.routine) {
            *counts.entry(rule).or_default() += 1;
        }
    }
    let years = weeks as f64 * 7.0 / 365.25;
    println!(
        "{name}: {years:.1} home-years judged, {:.0} microseconds a week for both detectors",
        judging.as_secs_f64() * 1e6 / weeks as f64
    );
    for (rule, count) in counts {
        println!("    {rule}: {count} reports, {:.2} a home-year", count as f64 / years);
    }
}

/// Puts a change into each home at several weeks, and counts those reported until four weeks after it was whole.
fn power(name: &str, ramp: usize, source: &str, p_below: f64, homes: &[Weeks], random: &mut impl Rng) {
    let is_night = name.starts_with("night");
    let mut by_level = BTreeMap::<u8, Tally>::new();
    for home in homes.iter().take(400) {
        for start in (usize::from(WEEKS)..home.len().saturating_sub(ramp + 4)).step_by(7) {
            let first = start - usize::from(WEEKS);
            let before: Vec<f64> = home[first..start].iter().flat_map(night_shares).collect();
            if before.len() < 40 {
                continue; // Too little is known of the weeks before.
            }
            let level = before.iter().sum::<f64>() / before.len() as f64;
            let band = match level {
                _ if !is_night => 0,
                level if level < 0.1 => 0,
                level if level < 0.2 => 10,
                level if level < 0.3 => 20,
                level if level < 0.5 => 30,
                _ => continue, // It cannot double.
            };
            let mut changed: Weeks = home[first..start + ramp + 4].to_vec();
            for (week, hours) in changed.iter_mut().enumerate().skip(usize::from(WEEKS)) {
                let share = ((week - usize::from(WEEKS) + 1) as f64 / ramp as f64).min(1.0);
                for day in hours.chunks_mut(24) {
                    if is_night {
                        more_at_night(day, level * share / (1.0 - level), random);
                    } else {
                        later(day, 1.5 * share, random);
                    }
                }
            }
            let first_report = |home: &Weeks| {
                let reports = watch(home, p_below);
                let found = if is_night { reports.night } else { reports.routine };
                found
                    .iter()
                    .map(|(week, _)| *week + 1)
                    .find(|week| *week > usize::from(WEEKS) + 1)
            };
            let without: Weeks = home[first..start + ramp + 4].to_vec();
            let tally = by_level.entry(band).or_default();
            tally.all += 1;
            tally.without += usize::from(first_report(&without).is_some());
            if let Some(week) = first_report(&changed) {
                tally.found += 1;
                tally.weeks += week - usize::from(WEEKS);
            }
        }
    }
    println!("{name}, {source}:");
    for (band, tally) in by_level {
        let of = if is_night {
            format!("from {band} % of the night's hours on: ")
        } else {
            String::new()
        };
        let percent = |count: usize| 100.0 * count as f64 / tally.all as f64;
        let after = tally.weeks as f64 / tally.found.max(1) as f64;
        let (all, found, without) = (tally.all, percent(tally.found), percent(tally.without));
        println!(
            "    {of}{found:.0} % of {all} reported, {after:.1} weeks after it began; {without:.0} % of the same without it"
        );
    }
}

/// Changes of one size.
#[derive(Default)]
struct Tally {
    all: usize,
    found: usize,
    /// From the beginning of the change to the report.
    weeks: usize,
    /// Reported in the same weeks where nothing was put in.
    without: usize,
}

fn night_shares(week: &[Option<f64>; WEEK]) -> impl Iterator<Item = f64> {
    week.chunks(24).filter_map(|day| {
        let known: Option<Vec<f64>> = day[..5].iter().copied().collect();
        let used = known?.iter().filter(|litres| **litres > 0.0).count();
        day.iter()
            .flatten()
            .any(|litres| *litres > 0.0)
            .then_some(used as f64 / 5.0)
    })
}

/// Each dry hour of the night is used with this probability.
fn more_at_night(day: &mut [Option<f64>], probability: f64, random: &mut impl Rng) {
    if !day.iter().flatten().any(|litres| *litres > 0.0) {
        return;
    }
    for litres in day[..5].iter_mut().flatten() {
        if *litres <= 0.0 && random.random_bool(probability.clamp(0.0, 1.0)) {
            *litres = 5.0;
        }
    }
}

/// The day from four o'clock on begins later by so many hours, rounded up or down at random, and loses its end.
fn later(day: &mut [Option<f64>], hours: f64, random: &mut impl Rng) {
    let whole = hours.floor() as usize + usize::from(random.random_bool(hours.fract()));
    day[4..].rotate_right(whole);
    for litres in day[4..4 + whole].iter_mut().flatten() {
        *litres = 0.0;
    }
}
