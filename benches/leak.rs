//! How often leaks, bursts and prolonged draws are reported of homes that have none, and how soon of homes with one put in.
//! The figures of `docs/detectors.md`.
//!
//! `cargo bench --bench leak -- READINGS.csv.gz TIME_ZONE [SECONDS] [list]`: volumes; shorter readings are summed to SECONDS
//! (3600). With `list` it prints what the default rules of leaks, bursts and prolonged draws say outside real runs, each with the 30 intervals before it and
//! how long it held.
//!
//! What is put in begins right after an interval with use, and stands in steps of the least volume that the home's meter showed.
//! A home-month is 730.5 h of readings from the home's day 30 on. An alert is false outside leaks put in and outside real
//! runs of 24 h or more without a dry hour.

// It reads a file.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapwatch::detect::burst::{Burst, BurstSettings};
use tapwatch::detect::leak::{Condition, Leak, LeakSettings, Rule};
use tapwatch::detect::prolonged_draw::{ProlongedDraw, ProlongedDrawSettings};
use tapwatch::detect::{Detector, HomeView};
use tapwatch::history::History;
use tapwatch::home::{HomeSettings, Learnt, MeterReading, QUARTER, Rhythm, Usage};
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
    /// Litres an hour that come with each day.
    Growing(f64),
    /// Litres an hour, in all quarter-hours but every so many.
    Intermittent(f64, u32),
    /// Litres an hour, for so many hours.
    Draw(f64, u32),
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let [file, zone, more @ ..] = &arguments[..] else {
        println!("leak: needs a file of readings and a time zone, and measures nothing without");
        return;
    };
    let is_list = more.iter().any(|word| word == "list");
    let seconds = more.iter().find(|word| *word != "list");
    let seconds = seconds.map_or(HOUR, |seconds| seconds.parse().expect("seconds"));
    let history = History::read(&[Path::new(file).to_path_buf()]).expect("readings");
    let bench = Bench {
        zone: TimeZone::get(zone).expect("a time zone"),
        seconds,
    };
    let homes = homes(&history, seconds);
    if is_list {
        bench.list::<Leak>(&LeakSettings::default(), &homes);
        bench.list::<Burst>(&BurstSettings::default(), &homes);
        return bench.list::<ProlongedDraw>(&ProlongedDrawSettings::default(), &homes);
    }
    bench.appliances(&homes);
    bench.long_runs(&homes);
    bench.signs_of_leaks();
    let lossy: Vec<Home> = homes.iter().map(|home| an_hour_a_day_lost(home, seconds)).collect();
    let days: Vec<Home> = homes.iter().map(days_lost).collect();
    let half = |odd: usize| -> Vec<Home> { homes.iter().skip(odd).step_by(2).cloned().collect() };
    let mut of_leaks = None;
    for (name, settings) in rules() {
        println!("{name}:");
        let rate = bench.rates::<Leak>("all readings", &settings, &homes, &homes);
        // The default comes first.
        of_leaks.get_or_insert(rate);
        if matches!(settings.rules[0].when, Condition::Growing { .. }) {
            bench.rates::<Leak>("an hour of each day lost", &settings, &lossy, &homes);
            continue;
        }
        bench.leaks(&settings, &homes);
        if name != "default" {
            continue;
        }
        bench.others(&settings, &homes);
        bench.rates::<Leak>("an hour of each day lost", &settings, &lossy, &homes);
        bench.leaks(&settings, &lossy);
        bench.rates::<Leak>("2 % of days lost", &settings, &days, &homes);
        bench.leaks(&settings, &days);
        for odd in [0, 1] {
            let homes = half(odd);
            bench.rates::<Leak>(["every other home", "the others"][odd], &settings, &homes, &homes);
            bench.leaks(&settings, &homes);
        }
    }
    println!("bursts and prolonged draws:");
    let (bursts, draws) = (BurstSettings::default(), ProlongedDrawSettings::default());
    let of_both = bench.draws(&bursts, &draws, &homes);
    println!(
        "    with leaks: {:.3} false a home-month",
        of_leaks.unwrap_or_default() + of_both
    );
    for (times, litres) in [(1.5, 400.0), (1.5, 500.0), (2.0, 600.0)] {
        println!("bursts above {times} times the own peak and {litres} L/h:");
        let mut bursts = bursts.clone();
        bursts.rules[0].when = tapwatch::detect::burst::Condition::OwnPeak {
            times,
            at_least_litres_per_hour: litres,
            minutes: 60,
        };
        bench.draws(&bursts, &draws, &homes);
    }
    for (minutes, litres) in [(45, 60.0), (45, 120.0), (60, 60.0)] {
        println!("draws of {minutes} minutes with {litres} L/h:");
        let mut draws = draws.clone();
        draws.rules[0].when = tapwatch::detect::prolonged_draw::Condition::Own {
            factor: 1.5,
            at_least_minutes: minutes,
            at_least_litres_per_hour: litres,
        };
        bench.draws(&bursts, &draws, &homes);
    }
}

/// How many were found, and after how long.
fn tell(kind: &str, found: &[Option<f64>]) {
    let mut delays: Vec<f64> = found.iter().flatten().copied().collect();
    delays.sort_by(f64::total_cmp);
    let mean = delays.iter().sum::<f64>() / delays.len().max(1) as f64;
    let at = |tenths: usize| delays.get(delays.len() * tenths / 10).copied().unwrap_or(f64::NAN);
    println!(
        "    {kind}: {:.3} of {} found, median {:.1} h, mean {mean:.1} h, nine in ten within {:.1} h",
        delays.len() as f64 / found.len().max(1) as f64,
        found.len(),
        at(5),
        at(9)
    );
}

fn rules() -> Vec<(String, LeakSettings)> {
    let one = |rule| LeakSettings {
        rules: vec![rule],
        ..LeakSettings::default()
    };
    let mut all = vec![("default".to_owned(), LeakSettings::default())];
    all.push((
        "no dry hour in 24 alone".into(),
        one(Rule::new("no-dry-hour-24h", Condition::continuous(24))),
    ));
    for skips in [0, 2, 6] {
        let mut settings = LeakSettings::default();
        for rule in &mut settings.rules {
            rule.skip_unknown_hours = skips;
        }
        all.push((format!("default, skipping {skips} unknown hours"), settings));
    }
    for evidence in [3.0, 9.0, 12.0, 15.0, 20.0] {
        let mut settings = LeakSettings::default();
        settings.rules[0].when = Condition::Steady { hours: 10, evidence };
        all.push((format!("default with an evidence of {evidence} nats"), settings));
    }
    for (days, by) in [(8, 1.0), (14, 1.0)] {
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

/// An alert: its rule, when it was found, and when it was over.
struct Said {
    rule: String,
    at: EventTime,
    over: Option<EventTime>,
}

impl Bench {
    fn watch<D: Detector>(&self, settings: &D::Settings, home: impl Iterator<Item = (EventTime, f64)>) -> Seen {
        let (mut usage, mut state, mut open, mut seen) =
            (Usage::default(), D::State::default(), false, Seen::default());
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
                    D::on_interval(settings, &mut state, &view, interval);
                    let finding = D::finding(settings, &state, &view);
                    if let Some(finding) = finding.as_ref().filter(|_| !open) {
                        seen.said.push(Said {
                            rule: finding.rule.to_string(),
                            at: finding.detected_at,
                            over: None,
                        });
                    }
                    if let (None, true, Some(said)) = (&finding, open, seen.said.last_mut()) {
                        said.over = Some(usage.frontier());
                    }
                    open = finding.is_some();
                },
            );
        }
        seen
    }

    /// Prints, and answers, how many are false a home-month.
    fn rates<D: Detector>(&self, name: &str, settings: &D::Settings, homes: &[Home], whole: &[Home]) -> f64 {
        let (mut months, mut counts, mut real) = (0.0, BTreeMap::<String, u32>::new(), 0);
        for (home, whole) in homes.iter().zip(whole) {
            let Some(from) = begins(home) else { continue };
            let runs = real_runs(whole, self.seconds);
            let judged = home.iter().filter(|(start, _)| *start >= from).count();
            months += judged as f64 * f64::from(self.seconds) / (730.5 * f64::from(HOUR));
            for said in self.watch::<D>(settings, home.iter().copied()).said {
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
        f64::from(all) / months
    }

    fn leaks(&self, settings: &LeakSettings, homes: &[Home]) {
        let mut all = Vec::new();
        for litres in [1.0, 2.0, 5.0, 10.0, 30.0] {
            let found = self.found::<Leak>(PutIn::Steady(litres), settings, homes);
            tell(&format!("{litres} L/h"), &found);
            all.extend(found);
        }
        tell("1 to 30 L/h", &all);
        let toilet = self.found::<Leak>(PutIn::Toilet(3.0), settings, homes);
        tell("toilet, 20 min of each hour at 3 L/min", &toilet);
    }

    /// Leaks that grow, and that come and go.
    fn others(&self, settings: &LeakSettings, homes: &[Home]) {
        for litres in [0.5, 1.0, 3.0] {
            let found = self.found::<Leak>(PutIn::Growing(litres), settings, homes);
            tell(&format!("growing from nothing by {litres} L/h a day"), &found);
        }
        for (litres, every) in [(5.0, 10), (20.0, 3)] {
            let found = self.found::<Leak>(PutIn::Intermittent(litres, every), settings, homes);
            tell(&format!("{litres} L/h, dry in each quarter-hour of {every}"), &found);
        }
    }

    /// Prints, and answers, how many bursts and prolonged draws are false a home-month, and what they find.
    fn draws(&self, bursts: &BurstSettings, draws: &ProlongedDrawSettings, homes: &[Home]) -> f64 {
        let of_bursts = self.rates::<Burst>("bursts", bursts, homes, homes);
        let of_draws = self.rates::<ProlongedDraw>("prolonged draws", draws, homes, homes);
        for (kind, draw) in [
            ("1,500 L/h for 3 h", PutIn::Draw(1_500.0, 3)),
            ("600 L/h for 3 h", PutIn::Draw(600.0, 3)),
        ] {
            let found_as_bursts = self.found::<Burst>(draw, bursts, homes);
            let found_as_draws = self.found::<ProlongedDraw>(draw, draws, homes);
            let either = |(burst, draw): (Option<f64>, Option<f64>)| burst.into_iter().chain(draw).reduce(f64::min);
            tell(
                kind,
                &found_as_bursts
                    .into_iter()
                    .zip(found_as_draws)
                    .map(either)
                    .collect::<Vec<_>>(),
            );
        }
        of_bursts + of_draws
    }

    /// After how many hours each of those put in was found.
    fn found<D: Detector>(&self, put_in: PutIn, settings: &D::Settings, homes: &[Home]) -> Vec<Option<f64>> {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut all = Vec::new();
        for home in homes {
            let (Some(from), Some((last, _))) = (begins(home), home.last()) else {
                continue;
            };
            let runs = real_runs(home, self.seconds);
            let latest = last.minus(LEAK_DAYS * DAY);
            let ends_of_use: Vec<EventTime> = home
                .iter()
                .filter(|(start, litres)| (from..latest).contains(start) && *litres > 0.0)
                .map(|(start, _)| start.plus(self.seconds))
                .collect();
            let step = home.iter().map(|(_, litres)| *litres).filter(|litres| *litres > 0.0);
            let step = step.fold(1.0, f64::min);
            for _ in 0..LEAKS_A_HOME {
                if ends_of_use.is_empty() {
                    continue;
                }
                let start = ends_of_use[random.random_range(0..ends_of_use.len())];
                let end = start.plus(LEAK_DAYS * DAY);
                let known = home.iter().filter(|(at, _)| (start..end).contains(at)).count() as u32;
                // Enough of it is measured, and the home has no leak of its own then.
                if known * self.seconds < LEAK_DAYS * DAY * 8 / 10
                    || runs.iter().any(|(from, to)| *from < end && *to > start)
                {
                    continue;
                }
                // Sixty days before it are all that a home remembers.
                let since = start.minus(75 * DAY);
                let readings = home.iter().filter(|(at, _)| (since..end).contains(at));
                let with_leak = readings.map(|(at, litres)| {
                    let more = if *at >= start {
                        self.put_in(put_in, *at, start, step)
                    } else {
                        0.0
                    };
                    (*at, litres + more)
                });
                let said = self.watch::<D>(settings, with_leak).said;
                let over = match put_in {
                    PutIn::Draw(_, hours) => start.plus((hours + 1) * HOUR),
                    _ => end,
                };
                let first = said.iter().find(|said| said.at > start && said.at <= over);
                all.push(first.map(|said| f64::from(said.at.since(start)) / f64::from(HOUR)));
            }
        }
        all
    }

    /// What is said outside real runs, with what led to it.
    fn list<D: Detector>(&self, settings: &D::Settings, homes: &[Home]) {
        for (place, home) in homes.iter().enumerate() {
            let Some(from) = begins(home) else { continue };
            let runs = real_runs(home, self.seconds);
            for said in self.watch::<D>(settings, home.iter().copied()).said {
                if said.at < from || runs.iter().any(|(start, end)| *start < said.at && said.at <= *end) {
                    continue;
                }
                let end = EventTime::from_seconds(said.at.seconds().next_multiple_of(self.seconds));
                let litres_at = |at: EventTime| home.binary_search_by_key(&at, |(start, _)| *start).ok();
                let before = (0..30).rev().map(|back| end.minus((back + 1) * self.seconds));
                let litres = before.map(|at| litres_at(at).map_or("?".to_owned(), |place| home[place].1.to_string()));
                let held = said
                    .over
                    .map_or(f64::NAN, |over| f64::from(over.since(said.at)) / f64::from(HOUR));
                println!(
                    "home {place}, {}, {}, held {held:.0} h: {}",
                    said.at,
                    said.rule,
                    litres.collect::<Vec<_>>().join(" ")
                );
            }
        }
    }

    /// Litres of a reading that come from what was put in, as a meter with this step shows them.
    fn put_in(&self, put_in: PutIn, at: EventTime, start: EventTime, step: f64) -> f64 {
        let total = |moment: EventTime| {
            let seconds = moment.since(start);
            let litres = match put_in {
                PutIn::Steady(litres) => f64::from(seconds) / f64::from(HOUR) * litres,
                PutIn::Draw(litres, hours) => f64::from(seconds.min(hours * HOUR)) / f64::from(HOUR) * litres,
                PutIn::Growing(litres) => {
                    litres * f64::from(seconds).powi(2) / (2.0 * f64::from(DAY) * f64::from(HOUR))
                }
                PutIn::Intermittent(litres, every) => {
                    let (quarters, within) = (seconds / QUARTER, seconds % QUARTER);
                    let wet = quarters - quarters / every;
                    let part = if quarters % every == every - 1 { 0 } else { within };
                    f64::from(wet * QUARTER + part) / f64::from(HOUR) * litres
                }
                PutIn::Toilet(litres) => {
                    let in_hour = (seconds % HOUR).min(20 * 60);
                    f64::from(seconds / HOUR * 20 * 60 + in_hour) / 60.0 * litres
                }
            };
            (litres / step + 1e-9).floor() * step
        };
        total(at.plus(self.seconds)) - total(at)
    }

    /// What the default rules say of real runs of 72 hours and more without a dry hour.
    fn long_runs(&self, homes: &[Home]) {
        let (mut all, mut within, mut open) = (0, 0, 0);
        for home in homes {
            let said = self.watch::<Leak>(&LeakSettings::default(), home.iter().copied()).said;
            let long = real_runs(home, self.seconds);
            for (start, end) in long.into_iter().filter(|(start, end)| end.since(*start) >= 72 * HOUR) {
                all += 1;
                within += u32::from(said.iter().any(|said| start < said.at && said.at <= end));
                let holds = |said: &Said| said.at <= start && said.over.is_none_or(|over| over > start);
                open += u32::from(said.iter().any(holds));
            }
        }
        println!("real runs of 72 h and more: {all}, {within} reported within, an alert open when {open} begin");
    }

    /// How many signs of life there are in homes where nobody uses water and a leak varies over the day.
    fn signs_of_leaks(&self) {
        println!("signs of life a month where only a leak flows that varies over the day:");
        for litres in [2.0, 5.0, 20.0] {
            let signs = [0.0, 0.01, 0.02, 0.05].map(|share| {
                let mut signs = 0;
                for home in 0..20 {
                    let mean = litres + f64::from(home) / 20.0;
                    let (mut usage, mut total, mut sign) = (Usage::default(), 0.0_f64, None);
                    for hour in 0..35 * 24_u32 {
                        let turn = f64::from(hour) / 24.0 * std::f64::consts::TAU;
                        // Two days of single litres show the meter's step.
                        let flow = if hour < 48 {
                            f64::from(u8::from(hour % 6 == 0))
                        } else {
                            mean * (1.0 + share * turn.sin())
                        };
                        let shown = (total + flow).floor() - total.floor();
                        total += flow;
                        let measure = Some(Measure::Volume(shown));
                        let start = EventTime::from_hour(400_000 + hour);
                        let reading = MeterReading::new(0, start, HOUR, measure, Quality::Measured);
                        usage.apply(&reading, &HomeSettings::default(), |_| {}, |_, _| {});
                        // The leak is known by then.
                        signs += u32::from(hour >= 5 * 24 && usage.last_sign() != sign);
                        sign = usage.last_sign();
                    }
                }
                format!("{:.1}", f64::from(signs) / 20.0)
            });
            println!("    {litres} L/h by 0, 1, 2, 5 %: {}", signs.join(", "));
        }
    }

    fn appliances(&self, homes: &[Home]) {
        let (mut followed, mut learnt) = ([0, 0], Vec::new());
        let settings = LeakSettings::default();
        for home in homes {
            let seen = self.watch::<Leak>(&settings, home.iter().copied());
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
