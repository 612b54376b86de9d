//! `replay` and `simulate`: readings into a topic, at a chosen speed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{ArgGroup, Args, ValueHint};

use super::progress;
use crate::history::{History, arrival, read_homes};
use crate::kafka::{Feeder, KafkaSettings, Pace, check_topics};
use crate::model::{Consent, EventTime, HomeRecord};
use crate::settings::Validated;
use crate::simulate::District;

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Files of readings: CSV (plain or gzip) or Parquet.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    readings: Vec<PathBuf>,
    /// File of homes, put into the homes topic first.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    homes: Option<PathBuf>,
    /// Put a consent to this purpose, such as `welfare`, on record for every home of the readings that has none.
    #[arg(long, value_name = "PURPOSE")]
    consent: Option<String>,
    #[command(flatten)]
    speed: Speed,
}

#[derive(Debug, Args)]
struct Speed {
    /// Seconds of the stream in every second; as fast as it goes without it.
    #[arg(long, value_name = "N")]
    speed: Option<f64>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("to").required(true).args(["out", "to_topic"])))]
pub struct SimulateArgs {
    /// Equal seeds give equal homes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many homes.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    homes: u32,
    /// How many days; incidents begin after the first 30.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// The first day.
    #[arg(long, default_value = "2026-01-01")]
    start: jiff::civil::Date,
    /// Length of the intervals in seconds, a minute to a day.
    #[arg(long, default_value_t = 3_600, value_parser = clap::value_parser!(u32).range(60..=86_400))]
    interval: u32,
    /// Time zone of the homes.
    #[arg(long, default_value = "Europe/Madrid")]
    time_zone: String,
    /// Labelled incidents in a home and month.
    #[arg(long, default_value_t = 0.2)]
    incidents: f64,
    /// Folder for readings.csv.gz, homes.csv and truth.csv.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Into the readings and homes topics instead of files.
    #[arg(long)]
    to_topic: bool,
    #[command(flatten)]
    speed: Speed,
}

impl Speed {
    fn check(&self) -> anyhow::Result<()> {
        match self.speed {
            Some(speed) if !(speed > 0.0 && speed.is_finite()) => bail!("--speed {speed}: give a number above 0"),
            _ => Ok(()),
        }
    }

    /// Waits until `moment` of a stream that began at `first` is due.
    fn wait(&self, pace: &Pace, first: EventTime, moment: EventTime) {
        if let Some(speed) = self.speed {
            pace.wait(Duration::try_from_secs_f64(f64::from(moment.since(first)) / speed).unwrap_or(Duration::MAX));
        }
    }
}

/// Gives every home of the readings that has no consent on record one to `purpose`, from the first reading on.
fn consent(homes: &mut Vec<HomeRecord>, history: &History, purpose: &str) {
    let known: BTreeSet<String> = homes.iter().map(|home| home.household_id.clone()).collect();
    let heard: BTreeSet<String> = history.meters.iter().map(|meter| meter.household.to_string()).collect();
    homes.extend(heard.difference(&known).map(|home| HomeRecord {
        household_id: home.clone(),
        ..HomeRecord::default()
    }));
    let since = history.rows.first().map_or(EventTime::ZERO, |row| row.start);
    for home in homes.iter_mut().filter(|home| home.consent.is_none()) {
        home.consent = Some(Consent::given(purpose, since));
    }
}

/// Files into topics.
pub fn replay(args: ReplayArgs, validated: &Validated) -> anyhow::Result<()> {
    args.speed.check()?;
    let mut history = History::read(&args.readings)?;
    let mut homes = args.homes.as_deref().map(read_homes).transpose()?.unwrap_or_default();
    history.sort_by_arrival();
    if let Some(purpose) = &args.consent {
        consent(&mut homes, &history, purpose);
    }
    let kafka = &validated.settings.kafka;
    check_topics(kafka)?;
    let feeder = Feeder::new(kafka)?;
    let first = history.rows.first().map(arrival).unwrap_or_default();
    feeder.send_homes(&kafka.topics.homes, &homes, first)?;
    let bar = progress(history.rows.len() as u64, "replaying");
    let (pace, mut payload) = (Pace::default(), Vec::new());
    for row in &history.rows {
        args.speed.wait(&pace, first, arrival(row));
        feeder.send_reading(&kafka.topics.readings, &history, row, &mut payload)?;
        bar.inc(1);
    }
    bar.set_message("waiting for the broker");
    feeder.finish()?;
    bar.finish_and_clear();
    say!(
        "{} homes and {} readings are in {} and {}",
        homes.len(),
        history.rows.len(),
        kafka.topics.homes,
        kafka.topics.readings
    );
    Ok(())
}

/// Homes that do not exist, into files or topics.
pub fn simulate(args: SimulateArgs, validated: &Validated) -> anyhow::Result<()> {
    args.speed.check()?;
    if !(0.0..=30.0).contains(&args.incidents) {
        bail!(
            "--incidents {}: give a number from 0 to 30 a home and month",
            args.incidents
        );
    }
    let time_zone = jiff::tz::TimeZone::get(&args.time_zone)
        .with_context(|| format!("--time-zone {}: not in the IANA database", args.time_zone))?;
    let district = District {
        seed: args.seed,
        homes: args.homes,
        days: args.days,
        start: args.start,
        interval_seconds: args.interval,
        time_zone,
        incidents_per_home_month: args.incidents,
    };
    if !district.is_within_event_time() {
        bail!(
            "--start {} with {} days: days lie between 1970 and 2105",
            district.start,
            district.days
        );
    }
    match args.out {
        Some(folder) => {
            std::fs::create_dir_all(&folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
            let incidents = district.write(&folder)?;
            say!(
                "{}: readings.csv.gz, homes.csv, truth.csv ({incidents} incidents)",
                folder.display()
            );
            Ok(())
        }
        None => to_topic(&district, &args.speed, &validated.settings.kafka),
    }
}

fn to_topic(district: &District, speed: &Speed, kafka: &KafkaSettings) -> anyhow::Result<()> {
    check_topics(kafka)?;
    let feeder = Feeder::new(kafka)?;
    let mut simulation = district.simulate();
    let mut first = None;
    let pace = Pace::default();
    let bar = progress(u64::from(district.days), "simulating days");
    let names = History {
        meters: simulation.meters().to_vec(),
        rows: Vec::new(),
    };
    let mut payload = Vec::new();
    let mut count = 0_u64;
    for day in 0..=district.days {
        let rows = if day < district.days {
            simulation.next_day()
        } else {
            simulation.under_way()
        };
        for row in &rows {
            let first = match first {
                Some(first) => first,
                None => {
                    feeder.send_homes(&kafka.topics.homes, &district.home_records(), arrival(row))?;
                    *first.insert(arrival(row))
                }
            };
            speed.wait(&pace, first, arrival(row));
            feeder.send_reading(&kafka.topics.readings, &names, row, &mut payload)?;
            count += 1;
        }
        bar.inc(1);
    }
    feeder.finish()?;
    bar.finish_and_clear();
    say!(
        "{} homes and {count} readings are in {} and {}",
        district.homes,
        kafka.topics.homes,
        kafka.topics.readings
    );
    Ok(())
}
