//! The files that a backtest writes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use serde_json::json;

use crate::alert::CloudEvent;
use crate::backtest::{Outcome, Summary};

/// Writes a file whole or not at all: under another name first, so that a full disk leaves no half of one.
pub(in crate::cli) fn write_file(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let attempt = || -> anyhow::Result<()> {
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
        for (partition, letter) in &outcome.dead_letters {
            let text = |bytes: &Option<Vec<u8>>| {
                bytes
                    .as_deref()
                    .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            };
            let line = json!({
                "reason": letter.reason,
                "detail": letter.detail,
                "partition": partition,
                "offset": letter.offset,
                "key": text(&letter.key),
                "value": text(&letter.value),
            });
            serde_json::to_writer(&mut *file, &line)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })?;
    write_file(&folder.join("summary.json"), |file| {
        serde_json::to_writer_pretty(&mut *file, summary)?;
        Ok(file.write_all(b"\n")?)
    })
}
