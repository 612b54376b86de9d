//! `state`: what a deployment has stored, for those who run it and for the people it is about.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueHint};
use serde::Serialize;

use super::erase::{Order, order};
use crate::engine::{CommitMetadata, Deployment};
use crate::kafka::{KafkaSettings, check_topics, deployment};
use crate::model::{EventTime, check_id};
use crate::partition::{StoredHome, StoredZone, ZONE_KEY};
use crate::settings::Validated;
use crate::telemetry::init_logging;

#[derive(Debug, Args)]
pub struct StateArgs {
    #[command(subcommand)]
    command: Option<StateCommand>,
    /// As JSON, a partition a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// The same as `state`, with exit code 1 if a restart would not find what it needs.
    Check,
    /// Print all that is kept of one home, as JSON.
    Export {
        /// The home's household_id.
        #[arg(long, value_name = "ID")]
        home: String,
        /// Into this file.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: Option<PathBuf>,
    },
    /// Erase what is kept of one home's usage; its open alerts are resolved, and it goes on being watched.
    ///
    /// The service does it: this sends the home's record again with the order, waits until it is done, and reads whether
    /// it is. Readings, alerts and dead letters of the home stay in their topics until retention removes them.
    Erase(OrderArgs),
    /// Withdraw the consent of one home: its open alerts are resolved, all that is kept of it is erased, and it is watched
    /// no more.
    ///
    /// The service does it: this puts the withdrawal into the homes topic, waits until it is done, and reads whether it is.
    Withdraw(OrderArgs),
}

#[derive(Debug, Args)]
struct OrderArgs {
    /// The home's household_id.
    #[arg(long, value_name = "ID")]
    home: String,
    /// How long to wait for the service, in seconds.
    #[arg(long, default_value_t = 30)]
    wait: u64,
}

/// What there is of one partition.
#[derive(Debug, Default, Serialize)]
struct Report {
    partition: i32,
    /// The next reading, as the group has committed it.
    committed: Option<i64>,
    /// Readings retained beyond it.
    lag: i64,
    /// Readings that a restart would replay.
    replay: i64,
    /// The stream's time at the commit.
    clock: Option<EventTime>,
    /// Homes at the commit.
    homes: u64,
    /// Homes that are stored.
    stored: usize,
    /// Zones of which it is stored what was said.
    zones: usize,
    /// Bytes of the states of homes.
    bytes: usize,
    /// Records in the topic, including those that compaction has not removed yet.
    records: u64,
    /// Alerts open in the stored states.
    open_alerts: usize,
    /// Readings between the oldest stored state and the commit.
    oldest_state: i64,
    /// What is wrong.
    problems: Vec<String>,
}

/// Shows, checks, exports or erases.
pub fn state(args: StateArgs, validated: &Validated) -> anyhow::Result<()> {
    init_logging(validated.settings.log.format, &validated.settings.log.filter).context("setting log.filter")?;
    let kafka = &validated.settings.kafka;
    check_topics(kafka)?;
    let deployment = deployment(kafka, &validated.settings.source)?;
    let rule = validated.settings.privacy.consent;
    let carry_out = |what, args: &OrderArgs| {
        order(
            kafka,
            &deployment,
            &args.home,
            (what, rule),
            Duration::from_secs(args.wait),
        )
    };
    match args.command {
        None => show(kafka, &deployment, args.json).map(drop),
        Some(StateCommand::Check) => match show(kafka, &deployment, args.json)? {
            0 => Ok(()),
            problems => bail!("{problems} problems; see docs/operations.md"),
        },
        Some(StateCommand::Export { home, out }) => {
            let stored = find(kafka, &deployment, &home)?;
            let (_, stored) = stored.with_context(|| nothing(kafka, &home))?;
            let text = serde_json::to_string_pretty(&stored.contents)?;
            match out {
                Some(path) => std::fs::write(&path, text + "\n").with_context(|| path.display().to_string()),
                None => super::print_line(&text),
            }
        }
        Some(StateCommand::Erase(args)) => carry_out(Order::Erase, &args),
        Some(StateCommand::Withdraw(args)) => carry_out(Order::Withdraw, &args),
    }
}

/// That a home is not found.
pub(super) fn nothing(kafka: &KafkaSettings, home: &str) -> String {
    format!(
        "nothing is stored of {home:?} in {}; what came since its partition's last commit is not either",
        kafka.topics.state
    )
}

/// Prints all partitions; answers how many problems there are.
fn show(kafka: &KafkaSettings, deployment: &Deployment, as_json: bool) -> anyhow::Result<usize> {
    let mut problems = 0;
    if !as_json {
        say!(
            "group {} on cluster {}, {} with {} partitions, deployment {:08x}",
            deployment.group,
            deployment.cluster,
            deployment.readings(),
            deployment.partitions,
            deployment.number()
        );
        say!(
            "{:>9} {:>12} {:>9} {:>9} {:>9} {:>9} {:>11} {:>9} {:>6} {:>12}  clock",
            "partition",
            "committed",
            "lag",
            "replay",
            "homes",
            "stored",
            "bytes",
            "records",
            "open",
            "oldest state"
        );
    }
    for partition in 0..deployment.partitions {
        let report = report(kafka, deployment, partition)?;
        problems += report.problems.len();
        if as_json {
            super::print_line(&serde_json::to_string(&report)?)?;
            continue;
        }
        say!(
            "{:>9} {:>12} {:>9} {:>9} {:>9} {:>9} {:>11} {:>9} {:>6} {:>12}  {}",
            partition,
            report
                .committed
                .map_or_else(|| "never".into(), |offset| offset.to_string()),
            report.lag,
            report.replay,
            report.homes,
            report.stored,
            report.bytes,
            report.records,
            report.open_alerts,
            report.oldest_state,
            report.clock.map_or_else(|| "-".into(), |clock| clock.to_string()),
        );
        for problem in &report.problems {
            say!("          ! {problem}");
        }
    }
    Ok(problems)
}

fn report(kafka: &KafkaSettings, deployment: &Deployment, partition: i32) -> anyhow::Result<Report> {
    // In this order: a commit after the first question only makes the states newer.
    let committed = kafka.committed(partition)?;
    let (first, end) = kafka.retained(&kafka.topics.readings, partition)?;
    let mut report = Report {
        partition,
        committed: committed.as_ref().map(|(offset, _)| *offset),
        ..Report::default()
    };
    let until = report.committed.unwrap_or(first);
    let mut expected = 0;
    report.lag = end - until;
    if until > end {
        report.problems.push(format!(
            "the committed offset lies beyond the end of the readings ({end})"
        ));
    }
    if let Some((_, text)) = &committed {
        match text.parse::<CommitMetadata>() {
            Err(error) => report.problems.push(format!("{error}: a restart rebuilds everything")),
            Ok(metadata) => {
                report.replay = until - metadata.replay.offset;
                report.clock = Some(metadata.clock);
                (report.homes, expected) = (metadata.homes, metadata.stored);
                if metadata.cluster != deployment.cluster {
                    report
                        .problems
                        .push(format!("the offset is of cluster {}", metadata.cluster));
                }
                if metadata.partitions != deployment.partitions {
                    report
                        .problems
                        .push(format!("the offset is of {} partitions", metadata.partitions));
                }
                if metadata.replay.offset < first {
                    let lost = first - metadata.replay.offset;
                    report.problems.push(format!(
                        "retention has removed {lost} readings that stored states do not hold"
                    ));
                }
            }
        }
    }
    let mut homes: HashMap<Vec<u8>, (usize, usize, i64)> = HashMap::new();
    let mut there: HashSet<Vec<u8>> = HashSet::new();
    let mut zones: HashSet<Vec<u8>> = HashSet::new();
    let mut wrong: BTreeMap<String, u64> = BTreeMap::new();
    kafka.scan(&kafka.topics.state, partition, |_, key, value| {
        report.records += 1;
        let Some(value) = value else {
            homes.remove(key.unwrap_or_default());
            there.remove(key.unwrap_or_default());
            return;
        };
        let whose = |found: u32| format!("a state of deployment {found:08x}");
        if let Some(key) = key.filter(|key| key.starts_with(ZONE_KEY.as_bytes())) {
            match StoredZone::read(value) {
                Err(error) => *wrong.entry(error.to_string()).or_default() += 1,
                Ok(zone) if zone.deployment != deployment.number() => {
                    *wrong.entry(whose(zone.deployment)).or_default() += 1;
                }
                Ok(_) => drop(zones.insert(key.to_vec())),
            }
            return;
        }
        there.insert(key.unwrap_or_default().to_vec());
        match StoredHome::read(value) {
            Err(error) => *wrong.entry(error.to_string()).or_default() += 1,
            Ok(home) if home.stamp.deployment != deployment.number() => {
                *wrong.entry(whose(home.stamp.deployment)).or_default() += 1;
            }
            Ok(home) => {
                let figures = (value.len(), home.open.len(), home.stamp.offset);
                homes.insert(key.unwrap_or_default().to_vec(), figures);
            }
        }
    })?;
    if report.clock.is_none() && !homes.is_empty() {
        let text = "states are stored, and no commit of this version says up to where they hold: a restart is refused";
        report.problems.push(text.to_owned());
    }
    (report.stored, report.zones) = (homes.len(), zones.len());
    let found = there.len() as u64;
    if found < expected {
        report.problems.push(format!(
            "{found} of the {expected} homes that were stored at the last commit are in the state topic: a restart rebuilds \
             everything from the first retained reading"
        ));
    }
    report.bytes = homes.values().map(|(bytes, ..)| bytes).sum();
    report.open_alerts = homes.values().map(|(_, open, _)| open).sum();
    report.oldest_state = homes
        .values()
        .map(|(.., offset)| until - offset)
        .max()
        .unwrap_or(0)
        .max(0);
    report
        .problems
        .extend(wrong.into_iter().map(|(what, times)| format!("{what} ({times} times)")));
    Ok(report)
}

/// The latest stored state of a home, with its offset in the state topic.
pub(super) fn find(
    kafka: &KafkaSettings,
    deployment: &Deployment,
    home: &str,
) -> anyhow::Result<Option<(i64, StoredHome)>> {
    check_id(home).map_err(|error| anyhow::anyhow!("{home:?} is no household_id: {error}"))?;
    let mut found: Option<(i64, Vec<u8>)> = None;
    kafka.scan(
        &kafka.topics.state,
        deployment.place(home.as_bytes()),
        |offset, key, value| {
            if key == Some(home.as_bytes()) {
                found = value.map(|value| (offset, value.to_vec()));
            }
        },
    )?;
    Ok(match found {
        Some((offset, bytes)) => Some((offset, StoredHome::read(&bytes)?)),
        None => None,
    })
}
