//! `train`: a table of hazards taught by files of readings.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueHint};

use super::backtest::{folder_of, refuse_overwriting, write_file};
use super::homes::known_homes;
use super::{bar, progress};
use crate::backtest::all_processors;
use crate::history::{SortSpace, SortedReadings};
use crate::model::partition_of;
use crate::partition::ConsentRule;
use crate::settings::Validated;
use crate::train::boost::Growth;
use crate::train::card::card;
use crate::train::{FOLDS, lesson, teach};

/// Groups of homes while readings are sorted; the result does not depend on them.
const LANES: u32 = 6;

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Files of readings: CSV (plain or gzip) or Parquet.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    readings: Vec<PathBuf>,
    /// File of homes: the time zones matter.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    homes: Option<PathBuf>,
    /// Which data these are, in words; it stands in the table and on its card.
    #[arg(long, value_name = "TEXT")]
    provenance: String,
    /// The licence of the data, which the table carries on.
    #[arg(long, value_name = "TEXT")]
    licence: String,
    /// How many trees.
    #[arg(long, default_value_t = 250, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2_000))]
    trees: u32,
    /// MiB of memory for sorting readings; more than fit into it are sorted on disk, beside --out.
    #[arg(long, default_value_t = 1_024, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    memory: u32,
    /// The table; its card goes beside it, with the ending .md.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: PathBuf,
}

/// The table from history.
pub fn train(args: TrainArgs, validated: &Validated) -> anyhow::Result<()> {
    let homes = known_homes(args.homes.as_deref(), &validated.rules)?;
    let space = SortSpace {
        memory_bytes: args.memory as usize * (1 << 20),
        folder: folder_of(&args.out)?.to_owned(),
    };
    if args.out.extension().is_some_and(|ending| ending == "md") {
        bail!(
            "--out {}: the card takes the ending .md; give the table another",
            args.out.display()
        );
    }
    let written = [args.out.clone(), args.out.with_extension("md")];
    refuse_overwriting(written, args.readings.iter().chain(&args.homes))?;
    let files = args.readings.iter();
    let bytes = files.filter_map(|file| Some(std::fs::metadata(file).ok()?.len())).sum();
    let reading = bar(bytes, "reading", "{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let lane = |household: &str| partition_of(household.as_bytes(), LANES);
    let readings = SortedReadings::read(&args.readings, &space, lane, |bytes| reading.inc(bytes))?;
    reading.finish_and_clear();
    // Whoever names a file may read it.
    let mut rules = (*validated.rules).clone();
    rules.consent = ConsentRule::Assumed;
    let threads = all_processors();
    let learning = progress(readings.homes().len() as u64, "homes");
    let lessons = lesson::lessons(&readings, &homes, &rules.into(), threads, || learning.inc(1))?;
    learning.finish_and_clear();
    let growing = progress(FOLDS as u64 + 1, "tables grown");
    let growth = Growth {
        trees: args.trees as usize,
        ..Growth::default()
    };
    let taught = teach(&lessons, (&args.provenance, &args.licence), growth, threads, || {
        growing.inc(1)
    });
    growing.finish_and_clear();
    let taught = taught?;
    let mut table = Vec::new();
    taught.model.write(&mut table).context("the table")?;
    let card = card(&taught);
    write_file(&args.out, |file| Ok(file.write_all(&table)?))?;
    write_file(&args.out.with_extension("md"), |file| {
        Ok(file.write_all(card.as_bytes())?)
    })?;
    say!("{card}");
    say!(
        "{}: taught by {} readings of {} homes, {} of which are lived in; {} bytes",
        args.out.display(),
        readings.len(),
        readings.homes().len(),
        lessons.len(),
        table.len()
    );
    say!(
        "it holds with the setting hazard: --set hazard={}, or a line in the settings file",
        args.out.display()
    );
    Ok(())
}
