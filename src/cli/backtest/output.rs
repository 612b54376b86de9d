//! The files that a backtest writes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::alert::CloudEvent;
use crate::backtest::{Outcome, Summary};

/// Writes a file whole or not at all: under another name first, so that a full disk leaves no half of one.
pub(in crate::cli) fn write_file(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let attempt = || -> anyhow::Result<()> {
        // A device would be replaced by a file.
        if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            anyhow::bail!("it is there, and is no ordinary file");
        }
        let mut file = BufWriter::new(File::create(&unfinished)?);
        fill(&mut file)?;
        file.into_inner()?.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        Ok(())
    };
    attempt()
        .inspect_err(|_| drop(std::fs::remove_file(&unfinished)))
        .with_context(|| format!("{}: cannot be written", path.display()))
}

pub(super) fn write_events<T: Serialize>(path: &Path, events: &[CloudEvent<T>]) -> anyhow::Result<()> {
    write_file(path, |file| {
        for event in events {
            serde_json::to_writer(&mut *file, event)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })
}

pub(super) fn write(folder: &Path, outcome: &Outcome, summary: &Summary) -> anyhow::Result<()> {
    write_events(&folder.join("alerts.jsonl"), &outcome.alerts)?;
    write_events(&folder.join("area-alerts.jsonl"), &outcome.area_alerts)?;
    write_file(&folder.join("dead-letters.jsonl"), |file| {
        Ok(outcome.dead_letters.write(file)?)
    })?;
    write_file(&folder.join("summary.json"), |file| {
        serde_json::to_writer_pretty(&mut *file, summary)?;
        Ok(file.write_all(b"\n")?)
    })
}

/// Removes `alerts.NAME.jsonl` of sets of rules that an earlier run compared and this one did not: nobody shall take them
/// for results of this run.
pub(super) fn remove_stale(folder: &Path, sets: &[&str]) -> anyhow::Result<()> {
    let of_folder = || format!("{}: cannot be listed", folder.display());
    for entry in std::fs::read_dir(folder).with_context(of_folder)? {
        let path = entry.with_context(of_folder)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let set = name
            .strip_prefix("alerts.")
            .and_then(|rest| rest.strip_suffix(".jsonl"));
        if set.is_some_and(|set| can_be_in_a_file_name(set) && !sets.contains(&set)) && path.is_file() {
            std::fs::remove_file(&path).with_context(|| format!("{}: cannot be removed", path.display()))?;
        }
    }
    Ok(())
}

/// Whether a set of rules of this name may have its alerts in a file.
pub(super) fn can_be_in_a_file_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_alerts_of_other_sets_are_stale() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = [
            "alerts.jsonl",
            "alerts.default.jsonl",
            "alerts.k-water.jsonl",
            "alerts.2026.01.jsonl",
            "alerts..jsonl",
            "summary.json",
            "my-alerts.x.jsonl",
        ];
        for name in names {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        remove_stale(folder.path(), &["default"]).expect("removed");
        let left: Vec<&str> = names
            .into_iter()
            .filter(|name| folder.path().join(name).exists())
            .collect();
        assert_eq!(
            left,
            names
                .into_iter()
                .filter(|name| *name != "alerts.k-water.jsonl")
                .collect::<Vec<_>>()
        );
    }
}
