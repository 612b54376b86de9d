//! How often leaks are reported of homes that have none, and how soon of homes with one put in. The figures of
//! `docs/detectors.md`.
//!
//! `cargo bench --bench leak -- READINGS.csv.gz TIME_ZONE [SECONDS]`: volumes; shorter readings are summed to SECONDS (3600).
//! A home-month is 730.5 h of readings from the home's day 30 on. An alert is false outside leaks put in and outside real
//! runs of 24 h or more without a dry hour.

// It reads a file.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapwatch::detect::leak::{Condition, Leak, LeakSettings, LeakState, Rule};
use tapwatch::detect::{Detector, HomeView};
use tapwatch::history::History;
use tapwatch::home::{HomeSettings, Learnt, MeterReading, Rhythm, Usage};
use tapwatch::model::{Circumstances, DAY, EventTime, HOUR, Measure, Quality};

/// Days after which a home counts.
const WARM_UP_DAYS: u32 = 30;
/// A leak that is put in lasts so many days.
const LEAK_DAYS: u32 = 5;
/// Leaks of each kind that are put into each home.
const LEAKS_A_HOME: u32 = 4;
/// Hours without a dry one that are a leak, whoever put it in.
const REAL_RUN_HOURS: u32 = 24;

/// Readings in order: start and litres; nothing of what was not measured.
type Home = Vec<(EventTime, f64)>;

#[derive(Clone, Copy)]
enum PutIn {
    /// Litres an hour, without a stop.
    Steady(f64),
    /// Litres a minute, for twenty minutes of every hour.
    Toilet(f64),
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let [file, zone, seconds @ ..] = &arguments[..] else {
        println!("leak: needs a file of readings and a time zone, and measures nothing without");
        return;
    };
    let seconds = seconds
        .first()
        .map_or(HOUR, |seconds| seconds.parse().expect("seconds"));
    let history = History::read(&[Path::new(file).to_path_buf()]).expect("readings");
    let bench = Bench {
        zone: TimeZone::get(zone).expect("a time zone"),
        seconds,
    };
    let homes = homes(&history, seconds);
    bench.appliances(&homes);
    for (name, settings) in rules() {
        let names = || settings.rules.iter().map(|rule| rule.name.to_string());
        println!("{name} ({}):", names().collect::<Vec<_>>().join(", "));
        bench.rates("all readings", &settings, &homes, &homes);
        let lossy: Vec<Home> = homes.iter().map(|home| an_hour_a_day_lost(home, seconds)).collect();
        bench.rates("an hour of each day lost", &settings, &lossy, &homes);
        let days: Vec<Home> = homes.iter().map(days_lost).collect();
        bench.rates("2 % of days lost", &settings, &days, &homes);
        if matches!(settings.rules[0].when, Condition::Growing { .. }) {
            continue;
        }
        for (kind, leak) in [
            ("1 L/h", PutIn::Steady(1.0)),
            ("2 L/h", PutIn::Steady(2.0)),
            ("5 L/h", PutIn::Steady(5.0)),
            ("10 L/h", PutIn::Steady(10.0)),
            ("30 L/h", PutIn::Steady(30.0)),
            ("toilet, 20 min of each hour at 3 L/min", PutIn::Toilet(3.0)),
        ] {
            bench.found(kind, leak, &settings, &homes, "");
        }
        if !name.starts_with("default") {
            continue;
        }
        bench.found(
            "30 L/h",
            PutIn::Steady(30.0),
            &settings,
            &lossy,
            ", an hour of each day lost",
        );
        bench.found("30 L/h", PutIn::Steady(30.0), &settings, &days, ", 2 % of days lost");
    }
}

fn rules() -> Vec<(String, LeakSettings)> {
    let one = |rule| LeakSettings {
        rules: vec![rule],
        ..LeakSettings::default()
    };
    let mut all = vec![("default".to_owned(), LeakSettings::default())];
    all.push((
        "meters in the field".into(),
        one(Rule::new("no-dry-hour-24h", Condition::continuous(24))),
    ));
    for skips in [0, 1, 6] {
        let mut settings = LeakSettings::default();
        for rule in &mut settings.rules {
            rule.skip_unknown_hours = skips;
        }
        all.push((format!("default, skipping {skips} unknown hours"), settings));
    }
    for evidence in [9.0, 12.0, 15.0, 20.0] {
        let when = Condition::Steady { hours: 10, evidence };
        let rule = Rule::new(&format!("steady-{evidence}"), when);
        all.push((format!("steady flow with an evidence of {evidence}"), one(rule)));
    }
    for (days, by) in [(8, 1.0), (8, 2.0), (14, 1.0), (14, 2.0), (14, 5.0)] {
        let when = Condition::Growing {
            days,
            by_litres_per_hour: by,
        };
        let rule = Rule::new(&format!("growing-{days}d-{by}"), when);
        all.push((format!("growing by {by} L/h in {days} days"), one(rule)));
    }
    all
}

fn homes(history: &History, seconds: u32) -> Vec<Home> {
    let mut homes: BTreeMap<u32, BTreeMap<u32, (u32, f64)>> = BTreeMap::new();
    for row in &history.rows {
        if let Some(Measure::Volume(litres)) = row.measure
            && row.seconds <= seconds
        {
            let slot = homes.entry(row.meter).or_default().entry(row.start.seconds() / seconds);
            let (known, sum) = slot.or_insert((0, 0.0));
            (*known, *sum) = (*known + row.seconds, *sum + litres);
        }
    }
    let whole = |slots: BTreeMap<u32, (u32, f64)>| {
        let of_slot = |(slot, (known, litres)): (u32, (u32, f64))| {
            (known >= seconds).then(|| (EventTime::from_seconds(slot * seconds), litres))
        };
        slots.into_iter().filter_map(of_slot).collect()
    };
    homes.into_values().map(whole).collect()
}

fn an_hour_a_day_lost(home: &Home, seconds: u32) -> Home {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut lost = BTreeMap::new();
    let mut is_kept = |start: EventTime| {
        let hour = *lost
            .entry(start.seconds() / DAY)
            .or_insert_with(|| random.random_range(0..24));
        start.seconds() % DAY / HOUR != hour || seconds > HOUR
    };
    home.iter().filter(|(start, _)| is_kept(*start)).copied().collect()
}

fn days_lost(home: &Home) -> Home {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut lost = BTreeMap::new();
    let mut is_kept = |start: EventTime| {
        let day = lost.entry(start.seconds() / DAY);
        !*day.or_insert_with(|| random.random_bool(0.02))
    };
    home.iter().filter(|(start, _)| is_kept(*start)).copied().collect()
}

/// Stretches of 24 hours and more without a dry hour, as the hours are known.
fn real_runs(home: &Home, seconds: u32) -> Vec<(EventTime, EventTime)> {
    let mut hours: BTreeMap<u32, (u32, f64)> = BTreeMap::new();
    for (start, litres) in home {
        let (known, sum) = hours.entry(start.hour()).or_default();
        (*known, *sum) = (*known + seconds, *sum + litres);
    }
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for (hour, (known, litres)) in hours {
        match runs.last_mut() {
            Some((_, end)) if *end == hour && known >= HOUR && litres > 0.0 => *end += 1,
            _ if known >= HOUR && litres > 0.0 => runs.push((hour, hour + 1)),
            _ => {}
        }
    }
    let long = runs.into_iter().filter(|(from, to)| to - from >= REAL_RUN_HOURS);
    long.map(|(from, to)| (EventTime::from_hour(from), EventTime::from_hour(to)))
        .collect()
}

struct Bench {
    zone: TimeZone,
    seconds: u32,
}

/// What was seen of a home.
#[derive(Default)]
struct Seen {
    said: Vec<Said>,
    /// The first appliance that was learnt.
    learnt: Option<Learnt>,
    /// Stretches in which it was followed for one, of all.
    followed: [u32; 2],
}

/// An alert: its rule, and when it was found.
struct Said {
    rule: String,
    at: EventTime,
}

impl Bench {
    fn watch(&self, settings: &LeakSettings, home: impl Iterator<Item = (EventTime, f64)>) -> Seen {
        let (mut usage, mut state, mut open, mut seen) =
            (Usage::default(), LeakState::default(), false, Seen::default());
        for (start, litres) in home {
            let reading = MeterReading::new(0, start, self.seconds, Some(Measure::Volume(litres)), Quality::Measured);
            usage.apply_local(
                &reading,
                &HomeSettings::default(),
                |moment| self.zone.to_offset(moment.to_jiff()).seconds(),
                |_| {},
                |usage, interval| {
                    let view = HomeView {
                        usage,
                        time_zone: &self.zone,
                        heard_at: None,
                        rhythm: Rhythm::default(),
                        meters: 1,
                        circumstances: Circumstances::default(),
                        now: usage.frontier(),
                    };
                    seen.followed[0] += u32::from(usage.may_have_appliance());
                    seen.followed[1] += 1;
                    seen.learnt = seen.learnt.or(usage.learnt_appliance());
                    Leak::on_interval(settings, &mut state, &view, interval);
                    let finding = Leak::finding(settings, &state, &view);
                    if let Some(finding) = finding.as_ref().filter(|_| !open) {
                        seen.said.push(Said {
                            rule: finding.rule.to_string(),
                            at: finding.detected_at,
                        });
                    }
                    open = finding.is_some();
                },
            );
        }
        seen
    }

    fn rates(&self, name: &str, settings: &LeakSettings, homes: &[Home], whole: &[Home]) {
        let (mut months, mut counts, mut real) = (0.0, BTreeMap::<String, u32>::new(), 0);
        for (home, whole) in homes.iter().zip(whole) {
            let Some(from) = begins(home) else { continue };
            let runs = real_runs(whole, self.seconds);
            let judged = home.iter().filter(|(start, _)| *start >= from).count();
            months += judged as f64 * f64::from(self.seconds) / (730.5 * f64::from(HOUR));
            for said in self.watch(settings, home.iter().copied()).said {
                if said.at < from {
                    continue;
                }
                // It is found at the end of a run's hour.
                if runs.iter().any(|(start, end)| *start < said.at && said.at <= *end) {
                    real += 1;
                } else {
                    *counts.entry(said.rule).or_default() += 1;
                }
            }
        }
        let all: u32 = counts.values().sum();
        println!(
            "    {name}: {months:.0} home-months, {:.3} false a home-month, {real} in real runs; {counts:?}",
            f64::from(all) / months
        );
    }

    fn found(&self, kind: &str, leak: PutIn, settings: &LeakSettings, homes: &[Home], note: &str) {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let (mut all, mut delays) = (0, Vec::new());
        for home in homes {
            let (Some(from), Some((last, _))) = (begins(home), home.last()) else {
                continue;
            };
            let runs = real_runs(home, self.seconds);
            let latest = last.seconds().saturating_sub(LEAK_DAYS * DAY);
            for _ in 0..LEAKS_A_HOME {
                if latest <= from.seconds() {
                    continue;
                }
                let start =
                    EventTime::from_seconds(random.random_range(from.seconds()..latest) / self.seconds * self.seconds);
                let end = start.plus(LEAK_DAYS * DAY);
                let known = home.iter().filter(|(at, _)| (start..end).contains(at)).count() as u32;
                // Enough of it is measured, and the home has no leak of its own then.
                if known * self.seconds < LEAK_DAYS * DAY * 8 / 10
                    || runs.iter().any(|(from, to)| *from < end && *to > start)
                {
                    continue;
                }
                all += 1;
                // Sixty days before it are all that a home remembers.
                let since = start.minus(75 * DAY);
                let readings = home.iter().filter(|(at, _)| (since..end).contains(at));
                let with_leak = readings.map(|(at, litres)| {
                    let more = if *at >= start {
                        self.put_in(leak, *at, start)
                    } else {
                        0.0
                    };
                    (*at, litres + more)
                });
                let said = self.watch(settings, with_leak).said;
                let first = said.iter().find(|said| said.at > start && said.at <= end);
                delays.extend(first.map(|said| f64::from(said.at.since(start)) / f64::from(HOUR)));
            }
        }
        delays.sort_by(f64::total_cmp);
        let mean = delays.iter().sum::<f64>() / delays.len().max(1) as f64;
        let longest = delays.get(delays.len() * 9 / 10).copied().unwrap_or(f64::NAN);
        println!(
            "    {kind}{note}: {:.2} of {all} found, after {mean:.1} h (nine in ten within {longest:.0} h)",
            delays.len() as f64 / f64::from(all.max(1)),
        );
    }

    /// Litres of a reading that come from a leak, as a meter of 1 L shows them.
    fn put_in(&self, leak: PutIn, at: EventTime, start: EventTime) -> f64 {
        let total = |moment: EventTime| match leak {
            PutIn::Steady(litres) => f64::from(moment.since(start)) / f64::from(HOUR) * litres,
            PutIn::Toilet(litres) => {
                let seconds = moment.since(start);
                let in_hour = (seconds % HOUR).min(20 * 60);
                f64::from(seconds / HOUR * 20 * 60 + in_hour) / 60.0 * litres
            }
        };
        (total(at.plus(self.seconds)) + 1e-9).floor() - (total(at) + 1e-9).floor()
    }

    fn appliances(&self, homes: &[Home]) {
        let (mut followed, mut learnt) = ([0, 0], Vec::new());
        let settings = LeakSettings::default();
        for home in homes {
            let seen = self.watch(&settings, home.iter().copied());
            (followed[0], followed[1]) = (followed[0] + seen.followed[0], followed[1] + seen.followed[1]);
            learnt.extend(seen.learnt);
        }
        println!(
            "appliances: {} of {} homes are said to have one, {:.1} % of the time a home is followed for one: {learnt:?}",
            learnt.len(),
            homes.len(),
            100.0 * f64::from(followed[0]) / f64::from(followed[1].max(1))
        );
    }
}

/// From when on a home counts.
fn begins(home: &Home) -> Option<EventTime> {
    home.first().map(|(start, _)| start.plus(WARM_UP_DAYS * DAY))
}
