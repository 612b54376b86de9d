//! `train`: a table taught by files of readings.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::backtest::write_file;
use crate::backtest::Teacher;
use crate::history::{History, read_homes};
use crate::settings::Validated;

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Files of readings: CSV (plain or gzip) or Parquet.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    readings: Vec<PathBuf>,
    /// File of homes: the time zones matter.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    homes: Option<PathBuf>,
    /// Data, period and licence, to stand in the table.
    #[arg(long)]
    provenance: String,
    /// The table (JSON).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: PathBuf,
}

/// The pooled table from history.
pub fn train(args: TrainArgs, validated: &Validated) -> anyhow::Result<()> {
    let mut history = History::read(&args.readings)?;
    let homes = args.homes.as_deref().map(read_homes).transpose()?.unwrap_or_default();
    history.sort_by_arrival();
    let mut teacher = Teacher::default();
    teacher.add_history(&history, &homes, &validated.rules);
    let prior = teacher.prior(args.provenance);
    write_file(&args.out, |file| {
        serde_json::to_writer(&mut *file, &prior)?;
        Ok(file.write_all(b"\n")?)
    })?;
    say!(
        "{}: taught by {} readings of {} meters",
        args.out.display(),
        history.rows.len(),
        history.meters.len()
    );
    Ok(())
}
