//! What a backtest reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueHint};

use crate::backtest::Backtest;
use crate::cli::bar;
use crate::cli::homes::{known_homes, zone_of_others};
use crate::history::{Incident, SortSpace, read_truth};
use crate::partition::Rules;
use crate::settings::Validated;

#[derive(Debug, Args)]
pub(in crate::cli) struct Input {
    /// Files of readings: CSV (plain or gzip) or Parquet.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) readings: Vec<PathBuf>,
    /// File of homes: time zone, zone, programme.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) homes: Option<PathBuf>,
    /// File of incidents that truly happened: delays and false alerts are judged against it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    truth: Option<PathBuf>,
    /// Partitions to share the homes out to, as the topics have; the setting kafka.partitions without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    partitions: Option<u32>,
    /// MiB of memory for sorting readings; more than fit into it are sorted on disk.
    #[arg(long, default_value_t = 1_024, value_name = "MIB", value_parser = memory)]
    memory: usize,
    /// Folder for what is sorted on disk, about 52 bytes a reading; --out without it (`tune`: where the system keeps such).
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    temporary: Option<PathBuf>,
}

impl Input {
    /// So many partitions, or those of the settings.
    pub(in crate::cli) fn partitions(&self, validated: &Validated) -> u32 {
        let of_settings = || validated.settings.kafka.partitions.max(1).unsigned_abs();
        self.partitions.unwrap_or_else(of_settings)
    }

    /// All files that are read.
    pub(in crate::cli) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.readings.iter().chain(&self.homes).chain(&self.truth)
    }

    /// Where readings are sorted; in `folder` where they do not fit into memory and no other is named.
    pub(in crate::cli) fn space(&self, folder: &Path) -> SortSpace {
        SortSpace {
            memory_bytes: self.memory * (1 << 20),
            folder: self.temporary.clone().unwrap_or_else(|| folder.to_owned()),
        }
    }

    /// Reads all files.
    pub(in crate::cli) fn read(
        &self,
        validated: &Validated,
        space: &SortSpace,
    ) -> anyhow::Result<(Backtest, Vec<Incident>)> {
        let homes = known_homes(self.homes.as_deref(), &validated.rules)?;
        let truth = self.truth.as_deref().map(read_truth).transpose()?.unwrap_or_default();
        let bar = reading_bar(&self.readings);
        let (rules, source) = (&validated.rules, &validated.settings.source);
        let partitions = self.partitions(validated);
        let backtest = Backtest::read(&self.readings, homes, partitions, rules, source, space, |bytes| {
            bar.inc(bytes)
        })?;
        bar.finish_and_clear();
        self.check(&backtest, &truth, rules)?;
        Ok((backtest, truth))
    }

    /// Says what is missing in files before the work begins.
    fn check(&self, backtest: &Backtest, truth: &[Incident], rules: &Rules) -> anyhow::Result<()> {
        let readings = backtest.readings();
        for file in readings.empty_files() {
            say!("  {}: no reading in it", file.display());
        }
        if readings.is_empty() {
            bail!("no reading in {} files", self.readings.len());
        }
        let known: BTreeSet<&str> = backtest.homes().iter().map(|home| home.household_id.as_str()).collect();
        let homes = readings.homes();
        let unsaid = homes.iter().filter(|home| !known.contains(&***home));
        if let (Some(first), true) = (unsaid.clone().next(), self.homes.is_some()) {
            let (count, all, zone) = (unsaid.count(), homes.len(), zone_of_others(rules));
            say!(
                "  --homes says nothing of {count} of the {all} homes of the readings, {first:?} the first of them: their hours are those of {zone} (defaults.time_zone)"
            );
        }
        let is_unknown = |home: &&str| !readings.has_home(home) && !known.contains(home);
        let all = truth.iter().map(|incident| &*incident.household);
        let unknown: BTreeSet<&str> = all.filter(is_unknown).collect();
        if let Some(first) = unknown.first() {
            bail!(
                "--truth: {} homes have no readings and are not among the homes, the first of them {first:?}",
                unknown.len()
            );
        }
        Ok(())
    }

    /// The files by what they hold, by name.
    pub(super) fn names(&self) -> BTreeMap<&'static str, Vec<String>> {
        let mut names = BTreeMap::from([("readings", names(&self.readings))]);
        let others = [("homes", &self.homes), ("truth", &self.truth)];
        for (what, file) in others {
            names.extend(file.iter().map(|file| (what, self::names([file]))));
        }
        names
    }
}

/// The names of files without their folders.
pub(super) fn names<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Vec<String> {
    let name = |path: &PathBuf| {
        path.file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned()
    };
    files.into_iter().map(name).collect()
}

fn memory(text: &str) -> Result<usize, String> {
    let mebibytes = text
        .parse::<usize>()
        .ok()
        .filter(|mebibytes| (1..=1 << 20).contains(mebibytes));
    mebibytes.ok_or_else(|| "give MiB, from 1 to 1048576".to_owned())
}

/// A bar for files being read.
pub(super) fn reading_bar(files: &[PathBuf]) -> indicatif::ProgressBar {
    let bytes = files
        .iter()
        .filter_map(|file| Some(std::fs::metadata(file).ok()?.len()))
        .sum();
    bar(bytes, "reading", "{msg} {wide_bar} {bytes}/{total_bytes} {eta}")
}
