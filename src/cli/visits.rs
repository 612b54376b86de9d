//! `visits`: the latest lists of homes to visit, the most pressing first, for whoever makes the rounds.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueHint};

use crate::kafka::{KafkaSettings, check_topics, deployment};
use crate::model::{Visit, VisitList};
use crate::settings::Validated;
use crate::telemetry::init_logging;

#[derive(Debug, Args)]
pub struct VisitsArgs {
    /// Of this programme alone.
    #[arg(long, value_name = "NAME")]
    programme: Option<String>,
    /// As JSON, a list a line, instead of CSV.
    #[arg(long)]
    json: bool,
    /// Into this file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
}

/// Columns of the CSV.
const HEADER: [&str; 11] = [
    "programme",
    "day",
    "place",
    "household_id",
    "zone",
    "severity",
    "open",
    "acknowledged",
    "since",
    "dry_since",
    "measured_until",
];

/// Prints the lists.
pub fn visits(args: VisitsArgs, validated: &Validated) -> anyhow::Result<()> {
    init_logging(validated.settings.log.format, &validated.settings.log.filter).context("setting log.filter")?;
    let kafka = &validated.settings.kafka;
    check_topics(kafka)?;
    let partitions = deployment(kafka, &validated.settings.source)?.partitions;
    let mut lists = read(kafka, partitions)?;
    lists.retain(|list| args.programme.as_ref().is_none_or(|wanted| **wanted == *list.programme));
    let lists = merged(lists);
    let mut text = Vec::new();
    if args.json {
        for list in &lists {
            serde_json::to_writer(&mut text, list)?;
            text.push(b'\n');
        }
    } else {
        write_csv(&lists, &mut text)?;
    }
    match args.out {
        Some(path) => std::fs::write(&path, text).with_context(|| path.display().to_string()),
        None => Ok(std::io::stdout().write_all(&text)?),
    }
}

/// The last list of each programme and partition.
fn read(kafka: &KafkaSettings, partitions: i32) -> anyhow::Result<Vec<VisitList>> {
    let mut lists = Vec::new();
    for partition in 0..partitions {
        let mut latest = std::collections::BTreeMap::new();
        kafka.scan(&kafka.topics.visits, partition, |_, key, value| {
            let list = value.and_then(|value| serde_json::from_slice::<VisitList>(value).ok());
            if let (Some(key), Some(list)) = (key, list) {
                latest.insert(key.to_vec(), list);
            }
        })?;
        lists.extend(latest.into_values());
    }
    Ok(lists)
}

/// One list for each programme, of its latest day, in order of what presses most. A partition that is behind has no list
/// of that day yet, and what it has is left out: its homes would stand there as they were.
fn merged(lists: Vec<VisitList>) -> Vec<VisitList> {
    let mut merged: Vec<VisitList> = Vec::new();
    for list in lists {
        match merged.iter_mut().find(|known| known.programme == list.programme) {
            Some(known) if known.day == list.day => {
                known.homes.extend(list.homes);
                known.left_off += list.left_off;
            }
            Some(known) if known.day < list.day => *known = list,
            Some(_) => {}
            None => merged.push(list),
        }
    }
    for list in &mut merged {
        list.homes.sort_by_cached_key(Visit::pressing);
    }
    merged.sort_by(|a, b| a.programme.cmp(&b.programme));
    merged
}

fn write_csv(lists: &[VisitList], text: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut table = csv::Writer::from_writer(text);
    table.write_record(HEADER)?;
    for list in lists {
        for (place, visit) in list.homes.iter().enumerate() {
            table.write_record(row(list, place + 1, visit))?;
        }
    }
    table.flush()?;
    Ok(())
}

fn row(list: &VisitList, place: usize, visit: &Visit) -> [String; 11] {
    let kinds: Vec<&str> = visit.open.iter().map(|open| open.kind.name()).collect();
    let severity = visit.severity.and_then(|severity| serde_json::to_value(severity).ok());
    let since = visit.open.iter().map(|open| open.since).min();
    let text = |time: Option<crate::model::EventTime>| time.map(|time| time.to_string()).unwrap_or_default();
    [
        list.programme.to_string(),
        list.day.clone(),
        place.to_string(),
        visit.household_id.to_string(),
        visit.zone.as_deref().unwrap_or_default().to_owned(),
        severity
            .as_ref()
            .and_then(|severity| severity.as_str())
            .unwrap_or_default()
            .to_owned(),
        kinds.join("|"),
        visit.open.iter().all(|open| open.acknowledged).to_string(),
        text(since),
        text(visit.dry_since),
        visit.measured_until.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AlertKind, EventTime, HouseholdId, OpenEntry, Severity};

    fn list(day: &str, homes: &[(&str, Option<Severity>)]) -> VisitList {
        let at = |seconds: u32| EventTime::from_seconds(1_709_251_200 + seconds);
        let visit = |(home, severity): &(&str, Option<Severity>)| Visit {
            household_id: HouseholdId::new(home),
            zone: Some("z, 1".into()),
            severity: *severity,
            open: severity
                .map(|_| OpenEntry {
                    kind: AlertKind::Inactivity,
                    alert_id: "id".into(),
                    since: at(0),
                    acknowledged: false,
                })
                .into_iter()
                .collect(),
            dry_since: Some(at(60)),
            measured_until: at(3_600),
        };
        VisitList {
            programme: "watch".into(),
            day: day.into(),
            made_at: at(0),
            homes: homes.iter().map(visit).collect(),
            left_off: 0,
        }
    }

    #[test]
    fn the_lists_of_the_partitions_become_one_of_the_latest_day() {
        let lists = vec![
            list("2024-03-01", &[("old", Some(Severity::Critical))]),
            list("2024-03-02", &[("dry", None), ("grave", Some(Severity::High))]),
            list("2024-03-02", &[("gravest", Some(Severity::Critical))]),
            list("2024-03-01", &[("behind", None)]),
        ];
        let merged = merged(lists);
        let homes: Vec<_> = merged[0]
            .homes
            .iter()
            .map(|visit| visit.household_id.as_str())
            .collect();
        assert_eq!((merged.len(), homes), (1, vec!["gravest", "grave", "dry"]));
        let mut text = Vec::new();
        write_csv(&merged, &mut text).expect("a table");
        let text = String::from_utf8(text).expect("text");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], HEADER.join(","));
        assert_eq!(
            lines[1],
            "watch,2024-03-02,1,gravest,\"z, 1\",critical,inactivity,false,2024-03-01T00:00:00Z,2024-03-01T00:01:00Z,2024-03-01T01:00:00Z"
        );
    }
}
