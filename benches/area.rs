//! How often a zone is called cut off that is not, and how soon one that is.
//!
//! `cargo bench --bench area -- [READINGS.csv.gz…]`. All homes of the files are taken as one zone, and shared out at random into
//! zones of 10, 20 and 30; without files, simulated districts alone are judged. Outages are put into
//! each zone, at every hour of the day in turn: from then on its homes report zeros.

use std::borrow::Cow;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::civil::date;
use jiff::tz::TimeZone;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapwatch::area::{AreaSettings, HomeHour, Mark, SameHours, Tally, WINDOWS, Watch, next_mark};
use tapwatch::history::{History, arrival};
use tapwatch::home::{CompactMeasure, HomeSettings, MeterReading, Usage};
use tapwatch::model::{AlertState, EventTime, HOUR, RawRecord};
use tapwatch::partition::{Partition, Rules};
use tapwatch::simulate::District;

const HOURS_OF_A_YEAR: f64 = 8_766.0;
/// Outages are watched for so many hours.
const LASTS: u32 = 30;
/// One is put in every so many hours: every hour of the day comes once in 85 days.
const EVERY_HOURS: u32 = 85;
/// How quiet an hour is can be told where so many homes are expected.
const ENOUGH_EXPECTED: f64 = 20.0;
/// No zone is judged before its homes have a past.
const WARM_UP_HOURS: u32 = 30 * 24;

struct Zone {
    size: usize,
    homes: Vec<u32>,
    watch: Watch,
    raised: u32,
    marks: u32,
}

struct Study {
    settings: AreaSettings,
    time_zone: TimeZone,
    zones: Vec<Zone>,
    /// By size of the zone and local hour of the outage: hours until it was seen, none if it was not.
    delays: Vec<(usize, u32, Option<u32>)>,
    /// Of all homes together, for each window: the share of those expected that used water, hour by hour.
    quiet: [Vec<f64>; WINDOWS.len()],
    trial: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files: Vec<PathBuf> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .map(PathBuf::from)
        .collect();
    if !files.is_empty() {
        let mut history = History::read(&files)?;
        history.sort_by_arrival();
        study(
            "files",
            &history,
            TimeZone::get("Europe/Madrid")?,
            &[10, 20, 30, usize::MAX],
            4,
        );
    }
    let district = District {
        seed: 7,
        homes: 500,
        days: 120,
        start: date(2026, 1, 5),
        interval_seconds: HOUR,
        time_zone: TimeZone::get("Asia/Shanghai")?,
        incidents_per_home_month: 0.1,
    };
    let (history, _) = district.history();
    study("district", &history, district.time_zone, &[10, 50, usize::MAX], 1);
    Ok(())
}

fn study(name: &str, history: &History, time_zone: TimeZone, sizes: &[usize], draws: usize) {
    let settings = AreaSettings::default();
    let mut households: Vec<&str> = history.meters.iter().map(|meter| meter.household.as_ref()).collect();
    households.sort_unstable();
    households.dedup();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut zones = Vec::new();
    for size in sizes {
        let size = (*size).min(households.len());
        for _ in 0..if size == households.len() { 1 } else { draws } {
            let mut homes: Vec<u32> = (0..households.len() as u32).collect();
            homes.shuffle(&mut random);
            zones.extend(homes.chunks_exact(size).map(|homes| Zone {
                size,
                homes: homes.to_vec(),
                watch: Watch::new(settings.clone()),
                raised: 0,
                marks: 0,
            }));
        }
    }
    let mut study = Study {
        settings,
        time_zone,
        zones,
        delays: Vec::new(),
        quiet: Default::default(),
        trial: random.random_range(0..24),
    };
    let mut partition = Partition::new(Arc::new(Rules::default()));
    let first = history.rows.iter().map(|row| row.start.hour()).min().unwrap_or(0);
    let (mut mark, mut payload) = (EventTime::ZERO, Vec::new());
    for (offset, row) in history.rows.iter().enumerate() {
        let now = arrival(row);
        if mark == EventTime::ZERO {
            mark = next_mark(now, &study.settings);
        }
        while now >= mark {
            if mark.hour() > first + WARM_UP_HOURS {
                study.mark(&partition, mark);
            }
            mark = next_mark(mark, &study.settings);
        }
        payload.clear();
        history.json(row, &mut payload);
        partition.apply([RawRecord {
            offset: offset as i64,
            timestamp: Some(now),
            key: Some(history.name(row).household.as_bytes()),
            value: Some(&payload),
        }]);
    }
    study.print(name);
    speed(&partition, &study.time_zone);
}

impl Study {
    fn mark(&mut self, partition: &Partition, at: EventTime) {
        let mark = Mark::new(at, &self.time_zone);
        let arena = partition.arena();
        let largest = self.zones.iter().map(|zone| zone.size).max();
        for zone in &mut self.zones {
            let homes = zone.homes.iter().filter(|home| (**home as usize) < arena.len());
            let usages: Vec<_> = homes.map(|home| arena.usage(*home)).collect();
            let report = tally(&mark, usages.iter().map(|usage| &**usage), "zone");
            let known = report.hours.last().map_or(0, |hour| hour.homes);
            zone.marks += u32::from(known as usize * 2 >= zone.size);
            if let Some(last) = report.hours.last().filter(|_| Some(zone.size) == largest) {
                for (window, shares) in self.quiet.iter_mut().enumerate() {
                    if last.expected(window) >= ENOUGH_EXPECTED {
                        shares.push(f64::from(last.found[window]) / last.expected(window));
                    }
                }
            }
            let verdicts = zone.watch.take(&report);
            let raised = verdicts
                .iter()
                .filter(|verdict| verdict.alert.state == AlertState::Raised);
            for verdict in raised {
                zone.raised += 1;
                println!("raised though supplied: {} homes, {}", zone.size, verdict.alert.text.en);
            }
            // Another hour of the day each time.
            if zone.marks > 0 && (at.hour() + self.trial).is_multiple_of(EVERY_HOURS) {
                let homes: Vec<Usage> = usages.into_iter().map(Cow::into_owned).collect();
                let delay = outage(&self.settings, &self.time_zone, zone.size, homes, at);
                let local = self
                    .time_zone
                    .to_datetime(EventTime::from_hour(at.hour()).to_jiff())
                    .hour();
                self.delays.push((zone.size, local.unsigned_abs().into(), delay));
            }
        }
    }

    fn print(&mut self, name: &str) {
        for (shares, hours) in self.quiet.iter_mut().zip(WINDOWS) {
            shares.sort_unstable_by(f64::total_cmp);
            let at = |share: f64| {
                shares
                    .get((shares.len() as f64 * share) as usize)
                    .copied()
                    .unwrap_or(f64::NAN)
            };
            println!(
                "{name}: windows of {hours} h: share of homes expected that used water: least {:.2}, 0.1 % {:.2}, 1 % {:.2}, \
                 10 % {:.2}, half {:.2}, of {} hours",
                at(0.0),
                at(0.001),
                at(0.01),
                at(0.1),
                at(0.5),
                shares.len()
            );
        }
        let mut sizes: Vec<usize> = self.zones.iter().map(|zone| zone.size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        for size in sizes {
            let zones = self.zones.iter().filter(|zone| zone.size == size);
            let (raised, marks) = zones.fold((0, 0), |sum, zone| (sum.0 + zone.raised, sum.1 + zone.marks));
            let years = f64::from(marks) / HOURS_OF_A_YEAR;
            println!("{name}: zones of {size}: {raised} false in {years:.1} zone-years");
            for band in 0..8 {
                let mut delays: Vec<Option<u32>> = self
                    .delays
                    .iter()
                    .filter(|(of, hour, _)| *of == size && hour / 3 == band)
                    .map(|(_, _, delay)| *delay)
                    .collect();
                delays.sort_by_key(|delay| delay.unwrap_or(u32::MAX));
                let at = |share: f64| match delays.get((delays.len() as f64 * share) as usize) {
                    Some(Some(delay)) => format!("{delay} h"),
                    _ => format!("over {LASTS} h"),
                };
                println!(
                    "  outages from {:02} to {:02} local time: seen after {} (half), {} (nine of ten), of {}",
                    band * 3,
                    band * 3 + 3,
                    at(0.5),
                    at(0.9),
                    delays.len()
                );
            }
        }
    }
}

fn tally<'a>(mark: &Mark, homes: impl Iterator<Item = &'a Usage>, zone: &str) -> tapwatch::area::ZoneReport {
    let mut tally = Tally::default();
    for usage in homes {
        tally.add(mark, usage.routine(), Some(mark.at()), HOUR);
    }
    tally.report(zone.into(), 0, mark.at())
}

/// Hours from the beginning of an outage at the full hour before `from` until it is seen; reported twenty minutes after the
/// hour.
fn outage(
    settings: &AreaSettings,
    time_zone: &TimeZone,
    size: usize,
    mut homes: Vec<Usage>,
    from: EventTime,
) -> Option<u32> {
    let mut watch = Watch::new(settings.clone());
    let home_settings = HomeSettings::default();
    let first = from.hour();
    let name = format!("zone of {size}");
    // The zone is known already: its watch does not wait to learn which partitions report.
    for hour in 4..7 {
        watch.remember(&tally(
            &Mark::new(from.minus(hour * HOUR), time_zone),
            [].into_iter(),
            &name,
        ));
    }
    for hour in first..first + LASTS {
        for usage in &mut homes {
            let reading = MeterReading {
                meter: 0,
                start: EventTime::from_hour(hour).max(usage.frontier()),
                seconds: EventTime::from_hour(hour + 1).since(EventTime::from_hour(hour).max(usage.frontier())),
                measure: Some(CompactMeasure::Volume(0.0)),
                flags: Default::default(),
            };
            if reading.seconds > 0 {
                usage.apply(&reading, &home_settings, |_| (), |_, _| ());
            }
        }
        let at = EventTime::from_hour(hour + 1).plus(from.since(EventTime::from_hour(first)));
        let verdicts = watch.take(&tally(&Mark::new(at, time_zone), homes.iter(), &name));
        if verdicts.iter().any(|verdict| verdict.alert.state == AlertState::Raised) {
            return Some(hour + 1 - first);
        }
    }
    None
}

#[expect(clippy::disallowed_methods, reason = "what takes time is measured by a clock")]
fn speed(partition: &Partition, time_zone: &TimeZone) {
    let arena = partition.arena();
    let homes = arena.len() as u32;
    let last = (0..homes).map(|home| arena.usage(home).next_hour()).max().unwrap_or(0);
    let at = EventTime::from_hour(last).plus(20 * 60);
    let rounds = 1 + 200_000 / homes;
    let usages: Vec<_> = (0..homes).map(|home| arena.usage(home)).collect();
    let time = |what: &str, mut run: Box<dyn FnMut(&Usage) + '_>| {
        let begun = Instant::now();
        for _ in 0..rounds {
            usages.iter().for_each(|usage| run(usage));
        }
        let each = begun.elapsed().as_nanos() / u128::from(rounds * homes);
        println!("{what}: {each} ns");
    };
    let same = SameHours::new(last - 1, time_zone);
    time(
        "one home, one hour",
        Box::new(|usage| {
            black_box(HomeHour::new(usage.routine(), &same));
        }),
    );
    let mut marks: Vec<(Mark, Tally)> = (0..4)
        .map(|hour| (Mark::new(at.plus(hour * HOUR), time_zone), Tally::default()))
        .collect();
    time(
        "one home, four marks",
        Box::new(move |usage| {
            for (mark, tally) in &mut marks {
                tally.add(mark, usage.routine(), Some(at), HOUR);
            }
        }),
    );
    let mark = Mark::new(at, time_zone);
    let report = tally(&mark, usages.iter().take(10).map(|usage| &**usage), "block-0007");
    let bytes = tapwatch::area::ZoneRecord::Report(report).value().len();
    println!("one report: {bytes} bytes");
}
