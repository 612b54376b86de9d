//! `run`, `demo` and `topics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::Service;
use crate::app::demo::{Stage, play};
use crate::kafka::{TopicsError, check_removal, check_topics, create_topics};
use crate::settings::{Settings, Validated};
use crate::simulate::{District, sample};
use crate::telemetry::init_logging;

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Simulate a district of so many homes instead of the bundled real ones.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    homes: Option<u32>,
    /// How long the stream is to take, in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Go on after the last reading until Ctrl-C.
    #[arg(long)]
    stay: bool,
}

fn start_logging(settings: &Settings) -> anyhow::Result<()> {
    init_logging(settings.log.format, &settings.log.filter).context("setting log.filter")
}

/// Calls `stop` at the first SIGTERM, SIGINT or SIGHUP, and ends the process at the second.
pub(super) fn on_signal(stop: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        let mut is_asked = false;
        loop {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {}, _ = hang_up.recv() => {} }
            if is_asked {
                std::process::exit(130);
            }
            is_asked = true;
            // Before anything is said: whoever reads the log may hang, and this must not.
            stop();
            tokio::task::spawn_blocking(|| tracing::info!("stopping: publishing and committing what was read"));
        }
    });
    Ok(())
}

/// The service, until a signal.
pub fn run(validated: Validated) -> anyhow::Result<()> {
    start_logging(&validated.settings)?;
    let service = Service::new(validated);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let page = service.open_page().await?;
        tracing::info!("metrics on http://{page}/metrics, health on /health/live and /health/ready");
        let stopping = service.clone();
        on_signal(move || stopping.stop())?;
        service.watch_topics();
        let engine = service.clone();
        tokio::task::spawn_blocking(move || engine.run(|_| false))
            .await
            .context("the engine's thread")?
    });
    // The page has nothing left to say.
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

/// The demo.
pub fn demo(args: DemoArgs, validated: Validated) -> anyhow::Result<()> {
    let mut settings = validated.settings;
    if settings.log.filter == "info" {
        settings.log.filter = "warn".into();
    }
    start_logging(&settings)?;
    settings.metrics.listen = "127.0.0.1:0".into();
    let (history, truth, homes) = match args.homes {
        Some(homes) => {
            let district = District {
                seed: 1,
                homes,
                days: if homes > 5_000 { 45 } else { 60 },
                start: jiff::civil::date(2026, 1, 1),
                interval_seconds: 3_600,
                time_zone: jiff::tz::TimeZone::get("Europe/Madrid")?,
                incidents_per_home_month: if homes > 200 { 20.0 / f64::from(homes) } else { 0.5 },
            };
            let records = district.home_records();
            let (mut history, truth) = district.history();
            history.sort_by_arrival();
            (history, truth, records)
        }
        None => {
            let sample = sample()?;
            (sample.history, sample.truth, sample.homes)
        }
    };
    let stage = Stage {
        history,
        truth,
        homes,
        length: Duration::from_secs(args.seconds),
        stay: args.stay,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let stop = Arc::new(AtomicBool::new(false));
    let outcome = runtime.block_on(async {
        let asked = Arc::clone(&stop);
        on_signal(move || asked.store(true, Ordering::SeqCst))?;
        play(stage, settings, stop, |line| drop(super::print_line(line))).await
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

/// Looks at the topics, or makes them.
pub fn topics(create: bool, validated: &Validated) -> anyhow::Result<()> {
    start_logging(&validated.settings)?;
    let kafka = &validated.settings.kafka;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reports = if create {
        runtime.block_on(create_topics(kafka))?
    } else {
        check_topics(kafka)?
    };
    for report in reports {
        say!("{}: {} partitions", report.name, report.partitions);
    }
    match runtime.block_on(check_removal(kafka)) {
        Err(TopicsError::Refused(reason)) => {
            say!("note: whether topics keep what is needed is not looked at: {reason}")
        }
        looked_at => looked_at?,
    }
    Ok(())
}
