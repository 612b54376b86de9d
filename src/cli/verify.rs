//! `verify`: proofs against tapwatch itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueHint};

use super::service::on_signal;
use crate::engine::Mutation;
use crate::settings::Validated;
use crate::telemetry::init_logging;
use crate::verify::crashes::{Order, run};
use crate::verify::faults;

#[derive(Debug, Subcommand)]
pub enum VerifyCommand {
    /// Kill, freeze and move instances on a real cluster, and compare every record with what should be there.
    ///
    /// Topics and group are its own (`tapwatch-verify-…`) and deleted afterwards, unless something was wrong. Exit code
    /// 1 if a record is missing, doubled, invented, out of order or different.
    #[command(after_help = "\
Examples:
  tapwatch verify crashes --brokers 10.0.0.7:9092 --kills 30
  tapwatch verify crashes --config tapwatch.toml --replication 3 --kills 200 --out before-going-live
  tapwatch verify crashes --kills 30 --set 'kafka.properties.session.timeout.ms=6000'
  jq '.blows' tapwatch-verify/report.json")]
    Crashes(CrashesArgs),
    /// Run the engine on a simulated cluster, from seeds, with everything going wrong that may, in virtual time.
    ///
    /// What subscribers see must equal what the core says of the log in one go, and so must the state of every home,
    /// before and after a restart. Exit code 1 if a seed fails; it is printed with a line that repeats it and with its
    /// story, made as short as possible.
    #[command(after_help = "\
Examples:
  tapwatch verify faults --seeds 10000
  tapwatch verify faults --first-seed 4711 --seeds 1
  tapwatch verify faults --mutations --seeds 500           put mistakes into the engine: each must be found")]
    Faults(FaultsArgs),
}

#[derive(Debug, Args)]
pub struct FaultsArgs {
    /// How many seeds.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    seeds: u64,
    /// The first of them.
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1_000_000_000_000))]
    first_seed: u64,
    /// Put this mistake into the engine.
    #[arg(long, value_name = "NAME", value_parser = mutation)]
    mutation: Option<Mutation>,
    /// Put each mistake into the engine in turn, and say how many seeds it takes to find it.
    #[arg(long, conflicts_with = "mutation")]
    mutations: bool,
}

fn mutation(name: &str) -> Result<Mutation, String> {
    Mutation::ALL
        .into_iter()
        .find(|mutation| faults::name(*mutation) == name)
        .ok_or_else(|| format!("there are {}", Mutation::ALL.map(faults::name).join(", ")))
}

/// Runs seeds.
pub fn faults(args: &FaultsArgs) -> anyhow::Result<()> {
    let options = faults::Options {
        seeds: args.seeds,
        first_seed: args.first_seed,
        mutation: args.mutation,
        mutations: args.mutations,
    };
    let outcome = faults::run(&options, &mut |line| drop(super::print_line(line)));
    if outcome.is_good {
        Ok(())
    } else {
        bail!("what is promised does not hold, or a mistake was not found")
    }
}

#[derive(Debug, Args)]
pub struct CrashesArgs {
    /// Brokers to begin with; the setting kafka.bootstrap_servers without it.
    #[arg(long, value_name = "HOST:PORT,…")]
    brokers: Option<String>,
    /// How many times an instance is killed; other blows come besides. 0 for none at all.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    kills: u32,
    /// How many instances run.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    instances: u32,
    /// Partitions of the topics.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    partitions: i32,
    /// Replicas of the topics.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100))]
    replication: i32,
    /// Simulated homes.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    homes: u32,
    /// Days of their readings; incidents begin after the first 30.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=700))]
    days: u32,
    /// Equal seeds give equal homes and blows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Mean time between two blows, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    every: f64,
    /// Folder for report.json and the logs of the instances.
    #[arg(long, value_name = "DIR", default_value = "tapwatch-verify", value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// Leave topics and group where they are.
    #[arg(long)]
    keep: bool,
}

/// The proof that was asked for.
pub fn verify(command: VerifyCommand, validated: Validated) -> anyhow::Result<()> {
    match command {
        VerifyCommand::Crashes(args) => crashes(args, validated),
        VerifyCommand::Faults(args) => faults(&args),
    }
}

fn crashes(args: CrashesArgs, validated: Validated) -> anyhow::Result<()> {
    if !(0.1..=3_600.0).contains(&args.every) {
        bail!("--every {}: give seconds from 0.1 to 3600", args.every);
    }
    let mut settings = validated.settings;
    if settings.log.filter == "info" {
        // The run speaks for itself, instances have logs of their own, and brokers that go away may be a part of it.
        settings.log.filter = "error,librdkafka=off".into();
    }
    init_logging(settings.log.format, &settings.log.filter).context("setting log.filter")?;
    if let Some(brokers) = args.brokers {
        settings.kafka.bootstrap_servers = brokers;
    }
    let order = Order {
        kills: args.kills,
        instances: args.instances,
        partitions: args.partitions,
        replication: args.replication,
        homes: args.homes,
        days: args.days,
        seed: args.seed,
        every: Duration::from_secs_f64(args.every),
        out: args.out,
        keep: args.keep,
    };
    let out = order.out.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let report = runtime.block_on(async {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        on_signal(move || asked.store(true, Ordering::SeqCst))?;
        tokio::task::spawn_blocking(move || run(&order, &settings, |line| drop(super::print_line(line)), &stop))
            .await
            .context("the run's thread")?
            .context("verify crashes")
    })?;
    say!("\n{}", report.text().trim_end());
    say!("{}: report.json and the instances' logs", out.display());
    if !report.passed {
        bail!("verify crashes: failed");
    }
    Ok(())
}
