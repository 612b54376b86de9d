//! `send`: records of homes, signs and responses into their topics.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum, ValueHint};
use serde::de::DeserializeOwned;

use crate::app::wall_clock;
use crate::kafka::{Feeder, check_topics};
use crate::model::{HomeRecord, InputTopic, ResponseRecord, SignRecord, check_id};
use crate::settings::Validated;

#[derive(Debug, Args)]
pub struct SendArgs {
    /// The topic.
    #[arg(long)]
    topic: Kind,
    /// Files of JSON, a record a line; `-` is standard input.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
}

/// What others write besides readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Zone, time zone, programme, consent, absence.
    Homes,
    /// Other signs of life.
    Signs,
    /// What became of alerts.
    Responses,
}

impl Kind {
    const fn topic(self) -> InputTopic {
        match self {
            Self::Homes => InputTopic::Homes,
            Self::Signs => InputTopic::Signs,
            Self::Responses => InputTopic::Responses,
        }
    }

    /// The home that a line is of.
    fn household(self, line: &str) -> anyhow::Result<String> {
        fn read<T: DeserializeOwned>(line: &str, of: impl Fn(T) -> String) -> anyhow::Result<String> {
            Ok(of(serde_json::from_str(line)?))
        }
        let household = match self {
            Self::Homes => read(line, |home: HomeRecord| home.household_id),
            Self::Signs => read(line, |sign: SignRecord| sign.household_id),
            Self::Responses => read(line, |response: ResponseRecord| response.household_id),
        }?;
        check_id(&household).with_context(|| format!("household_id {household:?}"))?;
        Ok(household)
    }
}

/// Sends all lines of all files, or none where one is wrong.
pub fn send(args: &SendArgs, validated: &Validated) -> anyhow::Result<()> {
    let mut records = Vec::new();
    for file in &args.files {
        read(file, args.topic, &mut records)?;
    }
    let kafka = &validated.settings.kafka;
    check_topics(kafka)?;
    let (feeder, topic) = (Feeder::new(kafka)?, kafka.topics.input(args.topic.topic()));
    for (household, line) in &records {
        feeder.send(topic, household.as_bytes(), Some(line.as_bytes()), wall_clock())?;
    }
    feeder.finish()?;
    say!("{} records are in {topic}", records.len());
    Ok(())
}

fn read(file: &Path, kind: Kind, records: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let source: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let opened = std::fs::File::open(file).with_context(|| file.display().to_string())?;
        Box::new(BufReader::new(opened))
    };
    for (number, line) in (1..).zip(source.lines()) {
        let line = line.with_context(|| format!("{}, line {number}", file.display()))?;
        if line.trim().is_empty() {
            continue;
        }
        match kind.household(&line) {
            Ok(household) => records.push((household, line)),
            Err(error) => bail!("{}, line {number}: {error:#}; nothing is sent", file.display()),
        }
    }
    Ok(())
}
