//! `inject`: labelled incidents into readings that exist.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueHint};
use jiff::tz::TimeZone;

use super::backtest::refuse_overwriting;
use super::homes::zone_of_others;
use crate::history::{History, read_homes, read_people, read_truth, write_homes, write_truth};
use crate::model::{DAY, HomeRecord};
use crate::settings::{HomeDefaults, Validated};
use crate::simulate::{Delivery, Injection, Scenario};

#[derive(Debug, Args)]
pub struct InjectArgs {
    /// Files of readings: CSV (plain or gzip) or Parquet.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    readings: Vec<PathBuf>,
    /// File of homes; declared absences are written into it, zones are read from it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    homes: Option<PathBuf>,
    /// File of incidents that are in the readings already; they are kept, and nothing is put where one of them is.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    truth: Option<PathBuf>,
    /// What happens: emergency, emergency-under-leak:5 (L/h), emergency-under-swinging-leak:20,
    /// emergency-under-irregular-leak:10, emergency-under-toilet:60,
    /// emergency-under-refills:8:25 (L each, minutes between), emergency-in-bath, decline, leak:2, intermittent-leak:20, toilet:60, burst, prolonged-draw, absence, declared-absence, area-outage, swapped-meter. Each home gets them in turn.
    #[arg(long, num_args = 1.., value_name = "KIND")]
    incident: Vec<Scenario>,
    /// How readings come, in this order: gaps (as in Tokyo's trial), uploads:24 (once in so many hours), late, duplicates,
    /// shuffled.
    #[arg(long, num_args = 1.., value_name = "HOW", required_unless_present = "incident")]
    delivery: Vec<Delivery>,
    /// Each home's time is cut into stretches of so many days; at most one incident begins in each, so two may lie closer.
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=365))]
    every_days: u32,
    /// Equal seeds give equal incidents.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for readings.csv.gz, truth.csv and homes.csv. Homes without a time zone get that of defaults.time_zone, where the
    /// settings name one.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: PathBuf,
}

/// Writes readings with incidents, and what happened in them.
pub fn inject(args: InjectArgs, validated: &Validated) -> anyhow::Result<()> {
    let written = ["readings.csv.gz", "truth.csv", "homes.csv"].map(|name| args.out.join(name));
    refuse_overwriting(written, args.readings.iter().chain(&args.homes).chain(&args.truth))?;
    let mut history = History::read(&args.readings)?;
    let mut homes = args.homes.as_deref().map(read_homes).transpose()?.unwrap_or_default();
    let people = args.homes.as_deref().map(read_people).transpose()?.unwrap_or_default();
    let mut truth = args.truth.as_deref().map(read_truth).transpose()?.unwrap_or_default();
    for home in &homes {
        if let Some(zone) = &home.time_zone {
            TimeZone::get(zone).with_context(|| format!("{}: time zone {zone:?}", home.household_id))?;
        }
    }
    let injection = Injection {
        seed: args.seed,
        scenarios: args.incident,
        every: args.every_days * DAY,
        deliveries: args.delivery,
    };
    let injected = injection.apply(&mut history, &homes, &truth)?;
    let mut counts = BTreeMap::<&str, usize>::new();
    for incident in &injected.truth {
        *counts.entry(&incident.kind).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
    truth.extend(injected.truth.iter().cloned());
    history.sort_by_arrival();
    std::fs::create_dir_all(&args.out).with_context(|| format!("{}: cannot be made", args.out.display()))?;
    history.write(&args.out.join("readings.csv.gz"))?;
    write_truth(&args.out.join("truth.csv"), &truth)?;
    let mut known: BTreeMap<String, usize> = homes
        .iter()
        .enumerate()
        .map(|(place, home)| (home.household_id.clone(), place))
        .collect();
    for meter in &history.meters {
        let place = *known.entry(meter.household.to_string()).or_insert_with(|| {
            homes.push(HomeRecord {
                household_id: meter.household.to_string(),
                ..HomeRecord::default()
            });
            homes.len() - 1
        });
        if let Some(absence) = injected.absences.get(&meter.household) {
            homes[place].absence = Some(*absence);
        }
    }
    if validated.settings.defaults.time_zone != HomeDefaults::default().time_zone {
        // Whoever reads the folder need not be told again.
        let zone = zone_of_others(&validated.rules);
        let without = homes.iter_mut().filter(|home| home.time_zone.is_none());
        without.for_each(|home| home.time_zone = Some(zone.to_owned()));
    }
    write_homes(&args.out.join("homes.csv"), &homes, &people)?;
    let what = if counts.is_empty() {
        "no incidents".into()
    } else {
        counts.join(", ")
    };
    say!("{}: readings.csv.gz, truth.csv, homes.csv ({what})", args.out.display());
    Ok(())
}
