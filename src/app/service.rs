//! The service: metrics page, Kafka, and the engine's turns, until somebody says stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};

use super::observer::Telemetry;
use crate::engine::{CommitMetadata, Deployment, Engine, EngineError, EngineSettings, Now, RebuildError, Settled};
use crate::kafka::{
    GroupMember, InstanceName, KafkaCommits, KafkaRestorer, KafkaSettings, KafkaSource, TopicsError, check_removal,
    deployment, join, missing_topics, wait_for_topics,
};
use crate::model::EventTime;
use crate::parallel::all_processors;
use crate::settings::Validated;
use crate::telemetry::{Health, Metrics, serve};

/// An engine loop that has not turned for this long is not alive.
const STALLED: Duration = Duration::from_secs(60);
/// How long an orderly end may take.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long leaving the group may take after it.
const PARTING: Duration = Duration::from_secs(7);
/// How often the service looks whether topics are there.
const TOPICS_WATCHED_EVERY: Duration = Duration::from_secs(30);
/// After so many of these looks it looks at what they are told to remove.
const REMOVAL_WATCHED_EVERY: usize = 10;
/// A topic that is missing is looked for again after this long: a cluster that is about to elect may not know it.
const TOPIC_MAY_COME_BACK: Duration = Duration::from_secs(5);

/// The wall clock, in whole seconds.
pub fn wall_clock() -> EventTime {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_epoch.as_secs())
        .ok()
        .and_then(EventTime::from_unix)
        .unwrap_or(EventTime::MAX)
}

fn clocks(began: Instant) -> Now {
    Now {
        wall: wall_clock(),
        millis: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

/// Topics that are missing, and are so still after a moment; none where nobody can say.
async fn still_missing(kafka: &KafkaSettings) -> Vec<String> {
    let look = || {
        let kafka = kafka.clone();
        async move {
            let looked = tokio::task::spawn_blocking(move || missing_topics(&kafka)).await;
            looked.ok().and_then(Result::ok).unwrap_or_default()
        }
    };
    if look().await.is_empty() {
        return Vec::new();
    }
    tokio::time::sleep(TOPIC_MAY_COME_BACK).await;
    look().await
}

/// The engine as it runs on Kafka.
pub type KafkaEngine = Engine<KafkaSource, KafkaRestorer, KafkaCommits, Telemetry>;

/// A deployment that runs.
#[derive(Clone)]
pub struct Service {
    validated: Validated,
    metrics: Metrics,
    health: Health,
    stop: Arc<AtomicBool>,
    /// Why it must end.
    broken: Arc<Mutex<Option<TopicsError>>>,
}

impl Service {
    /// A service under these settings. It does nothing yet.
    pub fn new(validated: Validated) -> Self {
        let health = Health::new(Instant::now(), STALLED);
        health.set_not_ready("starting");
        Self {
            validated,
            metrics: Metrics::new(),
            health,
            stop: Arc::default(),
            broken: Arc::default(),
        }
    }

    /// Asks it to end in good order.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Opens the metrics page; answers where it is. A port of 0 takes a free one.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn open_page(&self) -> anyhow::Result<std::net::SocketAddr> {
        let listen = self.validated.listen;
        let listener = tokio::net::TcpListener::bind(listen)
            .await
            .with_context(|| format!("the metrics page cannot listen on {listen} (setting metrics.listen)"))?;
        let address = listener.local_addr()?;
        let (metrics, health) = (self.metrics.clone(), self.health.clone());
        tokio::spawn(async move {
            if let Err(error) = serve(listener, metrics, health, std::future::pending()).await {
                tracing::error!(%error, "the metrics page has ended");
            }
        });
        Ok(address)
    }

    /// Looks now and then whether the topics are there, and ends the service where one is not: what is to be written into it, or
    /// heard from it, would be missed when it comes, at the first alert of a night.
    ///
    /// Looks also at what the topics are told to remove, and speaks of what is needed: whoever makes a topic by hand, or lets a
    /// client make it, gets one that forgets homes and states after a week. No reason to end: until then nothing is lost.
    pub fn watch_topics(&self) {
        let (kafka, metrics) = (self.validated.settings.kafka.clone(), self.metrics.clone());
        let broken = Arc::clone(&self.broken);
        tokio::spawn(async move {
            let mut is_refused = false;
            for look in 0.. {
                let gone = still_missing(&kafka).await;
                if !gone.is_empty() {
                    *broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(TopicsError::Wrong(gone));
                    return;
                }
                let removal = match look % REMOVAL_WATCHED_EVERY {
                    0 => check_removal(&kafka).await,
                    _ => Ok(()),
                };
                match removal {
                    Ok(()) => {}
                    Err(TopicsError::Wrong(lines)) => {
                        metrics.kafka_error("cleanup_policy");
                        lines.iter().for_each(|line| tracing::error!("{line}"));
                    }
                    Err(TopicsError::Refused(reason)) if !is_refused => {
                        is_refused = true;
                        tracing::warn!("whether all topics keep what is needed cannot be looked at: {reason}");
                    }
                    // Said already, or a broker that does not answer, of which others speak.
                    Err(error) => tracing::debug!(%error, "whether topics keep what is needed is not looked at"),
                }
                tokio::time::sleep(TOPICS_WATCHED_EVERY).await;
            }
        });
    }

    /// Runs until [`Service::stop`], or until `turned`, called after each turn, answers true. Blocks its thread.
    ///
    /// # Errors
    /// What waiting does not mend: topics missing or of the wrong shape, no permission, a member that is fenced.
    pub fn run(&self, mut turned: impl FnMut(&KafkaEngine) -> bool) -> anyhow::Result<()> {
        let settings = &self.validated.settings;
        if !self.wait_for_kafka()? {
            return Ok(());
        }
        let kafka = &settings.kafka;
        let deployment = deployment(kafka, &settings.source)?;
        Self::check_partitions(kafka, &deployment)?;
        let name = InstanceName::claim(kafka);
        let member = join(kafka, &name, &self.metrics)?;
        let source = KafkaSource::new(kafka, Arc::clone(&member))?;
        let rules = Arc::clone(&self.validated.rules);
        let restorer = KafkaRestorer::new(kafka, rules, deployment.clone(), &self.metrics);
        let commits = KafkaCommits::new(kafka, &name, &self.metrics)?;
        let telemetry = Telemetry::new(self.metrics.clone(), &self.validated.rules);
        let mut engine = Engine::new(
            deployment,
            EngineSettings {
                threads: match settings.engine.threads {
                    0 => all_processors(),
                    threads => threads,
                },
                ..settings.engine.clone()
            },
            source,
            restorer,
            commits,
            telemetry,
        );
        tracing::info!(
            group = kafka.group_id,
            topic = kafka.topics.readings,
            name = name.transactional(),
            "joining the group"
        );
        let outcome = self.turns(&mut engine, &mut turned);
        self.health.set_not_ready("stopping");
        match Self::settle(&mut engine) {
            // After an error it may not be ours to say.
            Ok(Settled::Whole) if outcome.is_ok() => tracing::info!("everything read is published and committed"),
            Ok(Settled::Whole) => {}
            Ok(Settled::InPart) => {
                tracing::warn!("ending before all was committed: the next start reads the rest again")
            }
            Err(error) => {
                tracing::warn!(%error, "ending before all was committed: the next start reads the rest again")
            }
        }
        Self::leave(engine, member);
        ended(outcome, self.is_stopped())
    }

    /// Leaves the group, soon or not at all: librdkafka can wait for ever when it is closed while it is joining. What was
    /// to be committed is, and the group finds out.
    fn leave(engine: KafkaEngine, member: GroupMember) {
        let (tell, left) = channel();
        let leaving = std::thread::Builder::new().name("leave".into()).spawn(move || {
            drop(engine);
            drop(member);
            // Whoever waited may have gone.
            let _ = tell.send(());
        });
        if leaving.is_err() || left.recv_timeout(PARTING).is_err() {
            tracing::warn!("the group was not left in time; it notices when the session ends");
        }
    }

    /// Homes that have moved away from their history are not judged at all. Whatever else may be wrong with what is
    /// committed, the restores will say.
    fn check_partitions(kafka: &KafkaSettings, deployment: &Deployment) -> anyhow::Result<()> {
        let committed = kafka.committed_now(deployment.partitions).unwrap_or_else(|error| {
            tracing::warn!(%error, "what is committed is looked at later");
            Vec::new()
        });
        for (_, metadata) in committed.into_iter().flatten() {
            let Ok(metadata) = metadata.parse::<CommitMetadata>() else {
                continue;
            };
            if metadata.partitions != deployment.partitions && metadata.cluster == deployment.cluster {
                bail!(RebuildError::OtherPartitions {
                    topic: Arc::clone(deployment.readings()),
                    found: metadata.partitions,
                    here: deployment.partitions,
                });
            }
        }
        Ok(())
    }

    fn turns(&self, engine: &mut KafkaEngine, turned: &mut impl FnMut(&KafkaEngine) -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        while !self.is_stopped() {
            if let Some(error) = self.broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
                bail!(error);
            }
            self.health.heartbeat(Instant::now());
            engine.turn(clocks(began))?;
            match engine.readiness() {
                (_, 0) => self.health.set_not_ready("waiting for partitions of the group"),
                (true, _) => self.health.set_ready(),
                (false, owned) => {
                    let live = engine.live().count();
                    let why = engine.observer().failing();
                    let why = why.map_or_else(String::new, |(partition, reason)| {
                        format!("; partition {partition} cannot be restored: {reason}")
                    });
                    self.health
                        .set_not_ready(format!("restoring: {live} of {owned} partitions are live{why}"));
                }
            }
            if turned(engine) {
                break;
            }
        }
        Ok(())
    }

    /// Commits what is done, as far as that can be had in some seconds.
    fn settle(engine: &mut KafkaEngine) -> Result<Settled, EngineError> {
        let began = Instant::now();
        while began.elapsed() < FAREWELL {
            if let Some(settled) = engine.settle(clocks(began))? {
                return Ok(settled);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(Settled::InPart)
    }

    /// Waits for a broker and looks at the topics; false when it was told to stop meanwhile.
    fn wait_for_kafka(&self) -> anyhow::Result<bool> {
        let kafka = &self.validated.settings.kafka;
        self.health
            .set_not_ready(format!("connecting to Kafka at {}", kafka.bootstrap_servers));
        let waited = wait_for_topics(kafka, |error| {
            self.health.heartbeat(Instant::now());
            tracing::warn!("{error}; trying again");
            !self.is_stopped()
        });
        match waited {
            Ok(_) => Ok(true),
            Err(TopicsError::Unreachable { .. }) if self.is_stopped() => Ok(false),
            Err(error) => bail!(error),
        }
    }
}

/// What came of a run. Whoever asked it to end got what they asked for, whatever stood in the way of the last turn: a broker that
/// dies at that moment may let the group take this member for another of its name. What was not committed is read again.
fn ended(outcome: anyhow::Result<()>, was_asked: bool) -> anyhow::Result<()> {
    match outcome {
        Err(error) if was_asked => {
            tracing::warn!("{error:#}; it was about to end anyhow, as asked");
            Ok(())
        }
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_trouble_in_the_last_turn_is_no_failure_of_a_run_that_was_asked_to_end() {
        let fenced = || Err(anyhow!("another process has this name"));
        assert!(ended(fenced(), true).is_ok());
        assert!(ended(fenced(), false).is_err());
        assert!(ended(Ok(()), false).is_ok());
    }
}
