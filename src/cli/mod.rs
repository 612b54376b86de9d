//! The command line: what can be asked for, and the help that teaches it.

// A shell: files, the environment and the terminal are its trade.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

/// Prints a line. Who stops reading (`| head`) has read enough; a full disk is an error.
macro_rules! say {
    ($($words:tt)*) => { $crate::cli::print_line(&format!($($words)*))? };
}

mod backtest;
mod erase;
mod feed;
mod homes;
mod inject;
mod rules;
mod send;
mod service;
mod state;
mod train;
mod tune;
mod verify;
mod visits;
mod wish;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueHint};

use crate::settings::{ENVIRONMENT_PREFIX, Settings, SettingsFile, Sources, Validated};
use crate::telemetry::check_filter;

/// Watches smart-meter water use as it streams through Kafka, and raises an alert when somebody who lives alone has
/// stopped using water, when water runs that nobody uses, and when a meter falls silent.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 110,
    arg_required_else_help = true,
    after_help = "\
Begin with:
  tapwatch demo                                   real homes through the whole pipeline, nothing to install
  tapwatch backtest --readings FILE --out DIR     what would have been said of these readings
  tapwatch topics --create && tapwatch run        the service

Settings come from --config FILE (TOML), from the environment (TAPWATCH__KAFKA__GROUP_ID=night) and
from --set kafka.group_id=night; the later wins. `tapwatch config show` prints all of them."
)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Common {
    /// Settings file (TOML).
    #[arg(long, short, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Rule file (TOML): programmes alone, over those of the settings file. `backtest` compares it with them.
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    rules: Option<PathBuf>,
    /// One setting, such as kafka.bootstrap_servers=10.0.0.7:9092; may be given again.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service: readings in from Kafka, alerts out.
    ///
    /// Ends in good order on SIGTERM or SIGINT: what was read is published and committed first. A second signal ends
    /// it at once; nothing is lost, the next start reads again from the committed offset.
    #[command(after_help = "\
Examples:
  tapwatch run --set kafka.bootstrap_servers=10.0.0.7:9092
  tapwatch run --config /etc/tapwatch/tapwatch.toml
  tapwatch run --rules our-rules.toml              programmes from a file of their own
  tapwatch run --set programmes.default.presets=k-water
  curl -s 127.0.0.1:9464/health/ready")]
    Run,
    /// See it work: a broker inside the process, real homes with labelled incidents, the very pipeline of `run`.
    #[command(after_help = "\
Examples:
  tapwatch demo                      six real homes, a hundred days in about a minute
  tapwatch demo --homes 2000         a simulated district
  tapwatch demo --stay               go on until Ctrl-C, to look at the metrics page or the topics")]
    Demo(service::DemoArgs),
    /// Make homes that do not exist: readings with routines, absences and labelled incidents, from a seed.
    #[command(after_help = "\
Examples:
  tapwatch simulate --homes 500 --days 90 --out district
  tapwatch simulate --homes 500 --days 90 --to-topic --speed 3600      an hour of the stream in every second")]
    Simulate(feed::SimulateArgs),
    /// Put labelled incidents into real readings: emergencies, leaks, absences, gaps, late deliveries.
    #[command(after_help = "\
Examples:
  tapwatch inject --readings real.csv.gz --incident emergency --out with-emergencies
  tapwatch inject --readings real.csv.gz --incident leak:1 leak:5 leak:30 toilet:60 burst --seed 2 \\
      --out with-leaks
  tapwatch inject --readings real.csv.gz --incident emergency --delivery gaps uploads:24 \\
      --out once-a-day
  tapwatch backtest --readings once-a-day/readings.csv.gz --homes once-a-day/homes.csv \\
      --truth once-a-day/truth.csv --out judged")]
    Inject(inject::InjectArgs),
    /// Put readings from files into the readings topic, at a chosen speed.
    #[command(after_help = "\
Examples:
  tapwatch replay --readings readings.csv.gz --homes homes.csv
  tapwatch replay --readings readings.csv.gz --consent welfare         put consent on record for its homes
  tapwatch replay --readings readings.csv --speed 3600                 an hour of the stream in every second")]
    Replay(feed::ReplayArgs),
    /// Put records of homes, other signs of life, or what became of alerts into their topics.
    #[command(after_help = "\
The form of a record is in docs/schemas: home, sign, response.

Examples:
  tapwatch send --topic signs signs.jsonl
  tapwatch send --topic homes homes.jsonl          each record is whole: what it leaves out is not so any more")]
    Send(send::SendArgs),
    /// Run the rules over files of readings, without a broker: alerts.jsonl, dead-letters.jsonl and summary.json.
    #[command(after_help = "\
Readings are CSV (plain or gzip) or Parquet: household_id and/or meter_id, timestamp (start of the interval, RFC 3339),
interval_seconds, volume_litres or register_litres, and if there are any quality (measured, estimated, faulty,
missing), received_at and flags. Homes: household_id,time_zone,zone,programme. Truth: household_id,kind,start,end.

Examples:
  tapwatch backtest --readings readings.csv.gz --homes homes.csv --truth truth.csv --out out
  tapwatch backtest --readings a.csv b.csv --lambda 800 --out out      fewer false alerts, a little later
  tapwatch backtest --readings readings.csv --preset zhuhai-shishan k-water \\
      --rules our-rules.toml --out out
  jq -r '.data.text.en' out/alerts.jsonl")]
    Backtest(backtest::BacktestArgs),
    /// The rules of programmes in use today, each a preset; or what a rule file of your own means.
    #[command(after_help = "\
Examples:
  tapwatch rules                                   every preset in words: its rules, who is told, where it is described
  tapwatch rules zhuhai-shishan > our-rules.toml   a preset as a rule file, to begin with
  tapwatch rules --file our-rules.toml             what is wrong with it, or what it means")]
    Rules(rules::RulesArgs),
    /// Find the λ that keeps to a budget of false alerts on your own history, and how sure that is.
    #[command(after_help = "\
Runs the rules of the settings at some λ, halving the gap around the budget, and prints λ with its interval (fleets drawn from
the homes), the rate cross-validated by home, and the line for the settings. Readings without emergencies will do.

Example:
  tapwatch tune --readings year.csv.gz --homes homes.csv --budget 0.5")]
    Tune(tune::TuneArgs),
    /// Teach the pooled table of the learned rule from files of readings.
    #[command(after_help = "\
Example:
  tapwatch train --readings readings.csv.gz --homes homes.csv --provenance 'City X, 2025' \\
      --licence 'own data' --out city.hazard
  tapwatch backtest --readings later.csv.gz --set hazard=city.hazard --out out")]
    Train(train::TrainArgs),
    /// Look at the topics, or make those that are missing.
    #[command(after_help = "\
Examples:
  tapwatch topics                                  what is there, and whether it is right
  tapwatch topics --create --set kafka.partitions=12 --set kafka.replication=3")]
    Topics {
        /// Make the topics that are missing.
        #[arg(long)]
        create: bool,
    },
    /// Prove that nothing is lost and nothing said twice, before going live.
    #[command(
        subcommand,
        after_help = "\
Example:
  tapwatch verify crashes --brokers 10.0.0.7:9092 --kills 30"
    )]
    Verify(verify::VerifyCommand),
    /// What is stored for a restart: homes, bytes, how far a restart would replay, and what is wrong.
    #[command(after_help = "\
Examples:
  tapwatch state
  tapwatch state check                             exit code 1 if a restart would not find what it needs
  tapwatch state export --home 7f3a --out 7f3a.json
  tapwatch state erase --home 7f3a")]
    State(state::StateArgs),
    /// The latest list of homes to visit, as CSV: silent homes and open alerts, the most pressing first.
    #[command(after_help = "\
Examples:
  tapwatch visits
  tapwatch visits --programme night --out today.csv")]
    Visits(visits::VisitsArgs),
    /// Look at the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say everything that is wrong with the settings, each with the line to put it right.
    Check,
    /// Print all settings as they are in force.
    Show,
}

/// Does what was asked for.
///
/// # Errors
/// With a message for the person who asked.
pub fn main(cli: Cli) -> anyhow::Result<()> {
    let validated = match &cli.command {
        // A rule file is compared with the settings there, not put over them.
        Command::Backtest(_) => cli.common.settings(None)?,
        _ => cli.common.settings(cli.common.rules.as_deref())?,
    };
    match cli.command {
        Command::Run => service::run(validated),
        Command::Demo(args) => service::demo(args, validated),
        Command::Simulate(args) => feed::simulate(args, &validated),
        Command::Inject(args) => inject::inject(args, &validated),
        Command::Replay(args) => feed::replay(args, &validated),
        Command::Send(args) => send::send(&args, &validated),
        Command::Backtest(args) => {
            let own = cli.common.rules.as_deref();
            let own = own.map(|path| Ok::<_, anyhow::Error>((cli.common.settings(Some(path))?, read_file(path)?)));
            backtest::backtest(args, validated, own.transpose()?)
        }
        Command::Rules(args) => rules::rules(&args, &validated),
        Command::Tune(args) => {
            let settings_files: Vec<&PathBuf> = cli.common.config.iter().chain(&cli.common.rules).collect();
            tune::tune(&args, validated, &settings_files)
        }
        Command::Train(args) => train::train(args, &validated),
        Command::Topics { create } => service::topics(create, &validated),
        Command::Verify(command) => verify::verify(command, validated),
        Command::State(args) => state::state(args, &validated),
        Command::Visits(args) => visits::visits(args, &validated),
        Command::Config(ConfigCommand::Check) => {
            say!("the settings are right");
            Ok(())
        }
        Command::Config(ConfigCommand::Show) => {
            say!("{}", toml::to_string(&validated.settings)?.trim_end());
            Ok(())
        }
    }
}

impl Common {
    fn settings(&self, rules: Option<&Path>) -> anyhow::Result<Validated> {
        let mut environment = Vec::new();
        for (key, value) in std::env::vars_os() {
            let Ok(key) = key.into_string() else { continue };
            match value.into_string() {
                Ok(value) => environment.push((key, value)),
                Err(_) if key.starts_with(ENVIRONMENT_PREFIX) => bail!("the value of {key} is not UTF-8"),
                Err(_) => {}
            }
        }
        let sources = Sources {
            file: self.config.as_deref().map(read_file).transpose()?,
            rules: rules.map(read_file).transpose()?,
            environment,
            flags: self.set.clone(),
        };
        let validated = Settings::read(&sources)?;
        check_filter(&validated.settings.log.filter).context("setting log.filter")?;
        Ok(validated)
    }
}

fn read_file(path: &Path) -> anyhow::Result<SettingsFile> {
    SettingsFile::read(path).map_err(|problem| anyhow::anyhow!("{problem}"))
}

fn print_line(line: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}

/// A bar on a terminal, and silence in a pipe.
fn progress(length: u64, what: &'static str) -> indicatif::ProgressBar {
    bar(length, what, "{msg} {wide_bar} {human_pos}/{human_len} {eta}")
}

fn bar(length: u64, what: &'static str, form: &str) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new(length).with_message(what);
    match indicatif::ProgressStyle::with_template(form) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
