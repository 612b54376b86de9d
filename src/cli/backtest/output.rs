//! The files that a backtest writes.

use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;
use tempfile::NamedTempFile;

use super::sets::RuleSet;
use crate::alert::CloudEvent;
use crate::backtest::{Outcome, Summary};
use crate::history::{keep, unfinished};

/// Writes a file whole or not at all.
pub(in crate::cli) fn write_file(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<NamedTempFile>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let attempt = || -> anyhow::Result<()> {
        let mut file = BufWriter::new(unfinished(path)?);
        fill(&mut file)?;
        Ok(keep(file, path)?)
    };
    attempt().with_context(|| format!("{}: cannot be written", path.display()))
}

/// The folder of a file that is written after long work: it is looked for before that.
pub(in crate::cli) fn folder_of(out: &Path) -> anyhow::Result<&Path> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(".".as_ref());
    std::fs::read_dir(folder).with_context(|| format!("--out {}: {}", out.display(), folder.display()))?;
    Ok(folder)
}

/// Refuses to write over a file that is read.
pub(in crate::cli) fn refuse_overwriting<'a>(
    written: impl IntoIterator<Item = PathBuf>,
    read: impl IntoIterator<Item = &'a PathBuf> + Clone,
) -> anyhow::Result<()> {
    for written in written {
        let Ok(there) = written.canonicalize() else { continue };
        let is_it = |read: &&PathBuf| read.canonicalize().is_ok_and(|read| read == there);
        if let Some(read) = read.clone().into_iter().find(is_it) {
            bail!("--out: {} would be overwritten, which is read", read.display());
        }
    }
    Ok(())
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

/// The names of all files that a run of these sets of rules writes.
pub(super) fn names_of_files(sets: &[RuleSet]) -> Vec<String> {
    let whole = [
        "alerts.jsonl",
        "area-alerts.jsonl",
        "dead-letters.jsonl",
        "summary.json",
        "report.html",
    ];
    let of_sets = sets.iter().map(|set| format!("alerts.{}.jsonl", set.name));
    whole.into_iter().map(str::to_owned).chain(of_sets).collect()
}

/// Removes what an earlier run wrote here and this one may not come to write, so that nobody takes it for a result of this
/// run: its summary and report, and `alerts.NAME.jsonl` of the sets of rules that its summary says it compared.
pub(super) fn remove_earlier(folder: &Path) -> anyhow::Result<()> {
    let summary = folder.join("summary.json");
    let earlier = std::fs::read(&summary).unwrap_or_default();
    let earlier: serde_json::Value = serde_json::from_slice(&earlier).unwrap_or_default();
    let sets = earlier["rule_sets"]
        .as_object()
        .into_iter()
        .flat_map(|sets| sets.keys());
    let alerts = sets
        .filter(|set| can_be_in_a_file_name(set))
        .map(|set| folder.join(format!("alerts.{set}.jsonl")));
    for path in alerts.chain([summary, folder.join("report.html")]) {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{}: cannot be removed", path.display()));
            }
            _ => {}
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
    fn only_what_an_earlier_run_says_it_wrote_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        let others = [
            "alerts.jsonl",
            "alerts.before.jsonl",
            "alerts.2026.jsonl",
            "my-alerts.x.jsonl",
        ];
        let earlier = [
            "alerts.default.jsonl",
            "alerts.k-water.jsonl",
            "report.html",
            "summary.json",
        ];
        others.into_iter().chain(earlier).for_each(|name| write(name, ""));
        write(
            "summary.json",
            r#"{ "rule_sets": { "default": {}, "k-water": {}, "../x": {} } }"#,
        );
        remove_earlier(folder.path()).expect("removed");
        let is_there = |name: &&str| folder.path().join(name).exists();
        assert!(others.iter().all(is_there) && !earlier.iter().any(is_there));
        remove_earlier(folder.path()).expect("nothing is left to remove");
    }

    #[test]
    fn what_is_read_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let input = folder.path().join("alerts.jsonl");
        std::fs::write(&input, "").expect("written");
        let read = [folder.path().join("./alerts.jsonl")];
        let said = refuse_overwriting([input], &read).expect_err("it is read");
        assert!(
            said.to_string().contains("would be overwritten, which is read"),
            "{said}"
        );
        refuse_overwriting([folder.path().join("summary.json")], &read).expect("another file");
    }

    #[test]
    fn what_cannot_be_filled_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("city.unfinished");
        write_file(&path, |file| Ok(file.write_all(b"whole")?)).expect("written");
        write_file(&path, |file| {
            file.write_all(b"half")?;
            bail!("the disk is full")
        })
        .expect_err("not filled");
        assert_eq!(std::fs::read(&path).expect("it is there"), b"whole");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}
