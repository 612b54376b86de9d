//! Rebuilds partitions from the simulated cluster, slice by slice.

use std::sync::Arc;

use super::Shared;
use super::source::raw_record;
use crate::engine::{Deployment, Mutation, Rebuild, RebuildError, RestoreEvent, Restorer};
use crate::model::{InputTopic, Output};
use crate::partition::Rules;
use crate::verify::faults::cluster::{Committed, Topic};

/// How far a rebuild is.
enum Stage {
    Planning,
    States { rebuild: Box<Rebuild>, next: i64, end: i64 },
    Zones { rebuild: Box<Rebuild>, next: i64 },
    Readings { rebuild: Box<Rebuild>, next: i64 },
    Over(Option<RestoreEvent>),
}

struct Job {
    partition: i32,
    epoch: u64,
    cancelled: bool,
    /// Turns that it has taken.
    steps: usize,
    /// Turns that its last word still takes.
    delay: usize,
    /// What the group had committed when it was planned.
    planned: Option<Committed>,
    stage: Stage,
}

/// In so many of its first steps a rebuild may lose its broker.
const MOST_PERILOUS_STEPS: usize = 100;

/// The rebuilds under way.
pub struct SimulatedRestorer {
    shared: Shared,
    rules: Arc<Rules>,
    deployment: Deployment,
    mutation: Option<Mutation>,
    slice: usize,
    /// How many rebuilds are allowed at the same time.
    at_once: usize,
    jobs: Vec<Job>,
    /// What no rebuild may meet here.
    pub broken: std::rc::Rc<std::cell::RefCell<Vec<String>>>,
}

impl SimulatedRestorer {
    /// A restorer that reads up to `slice` records at a time, for so many partitions `at_once`.
    pub fn new(
        shared: Shared,
        rules: Arc<Rules>,
        deployment: Deployment,
        mutation: Option<Mutation>,
        (slice, at_once): (usize, usize),
    ) -> Self {
        Self {
            shared,
            rules,
            deployment,
            mutation,
            slice,
            at_once,
            jobs: Vec::new(),
            broken: std::rc::Rc::default(),
        }
    }

    fn advance(&self, job: &mut Job) -> Option<RestoreEvent> {
        let (partition, epoch) = (job.partition, job.epoch);
        let failed = |reason: String| RestoreEvent::Failed {
            epoch,
            partition,
            reason,
        };
        let most = self.shared.between(1, self.slice);
        let stage = std::mem::replace(&mut job.stage, Stage::Over(None));
        let mut told = None;
        job.stage = match stage {
            Stage::Planning => {
                job.planned = self.committed(partition);
                match self.plan(partition) {
                    Ok(None) => Stage::Planning,
                    Ok(Some(stage)) => stage,
                    Err(error) => Stage::Over(Some(failed(self.note(job, &error)))),
                }
            }
            Stage::States { mut rebuild, next, end } => {
                let (batch, next) = self
                    .shared
                    .cluster
                    .borrow_mut()
                    .log(Topic::Output(Output::State), partition)
                    .read(next, most);
                let mut outcome = Ok(());
                for entry in batch.iter().filter(|entry| entry.offset < end) {
                    let warn = |error: &_| self.broken.borrow_mut().push(format!("a stored state: {error}"));
                    outcome = outcome.and_then(|()| rebuild.stored(&raw_record(entry.offset, &entry.content), warn));
                }
                match outcome {
                    Err(error) => Stage::Over(Some(failed(self.note(job, &error)))),
                    Ok(()) if next < end => Stage::States { rebuild, next, end },
                    Ok(()) => {
                        if rebuild.homes_until() != Some(0) {
                            let what = "a rebuild wants the homes topic, and every home's state is there";
                            self.broken.borrow_mut().push(what.to_owned());
                        }
                        Stage::Zones { rebuild, next: 0 }
                    }
                }
            }
            Stage::Zones { mut rebuild, next } if next < rebuild.zones_until() => {
                let mut cluster = self.shared.cluster.borrow_mut();
                let zones = cluster.log(Topic::Input(InputTopic::Zones), partition);
                let (batch, next) = zones.read(next, most);
                for entry in &batch {
                    rebuild.zone(&raw_record(entry.offset, &entry.content));
                }
                Stage::Zones { rebuild, next }
            }
            Stage::Zones { mut rebuild, .. } => {
                let next = rebuild.range().start;
                Stage::Readings { rebuild, next }
            }
            Stage::Readings { mut rebuild, next } => {
                let until = rebuild.range().end;
                let (batch, after, first) = {
                    let mut cluster = self.shared.cluster.borrow_mut();
                    let log = cluster.log(Topic::Input(InputTopic::Readings), partition);
                    let (batch, after) = log.read(next, most);
                    (batch, after, log.first())
                };
                if next < until && next < first {
                    Stage::Over(Some(failed("the readings to replay were removed meanwhile".into())))
                } else if next < until {
                    rebuild.replay(batch.iter().map(|entry| raw_record(entry.offset, &entry.content)));
                    told = Some(RestoreEvent::Replaying {
                        epoch,
                        partition,
                        done: u64::try_from(after).unwrap_or(0),
                        total: u64::try_from(until).unwrap_or(0),
                    });
                    Stage::Readings { rebuild, next: after }
                } else {
                    match rebuild.finish() {
                        Ok(rebuilt) => Stage::Over(Some(RestoreEvent::Done {
                            epoch,
                            partition,
                            rebuilt,
                        })),
                        Err(error) => Stage::Over(Some(failed(self.note(job, &error)))),
                    }
                }
            }
            over @ Stage::Over(_) => over,
        };
        told
    }

    fn plan(&self, partition: i32) -> Result<Option<Stage>, RebuildError> {
        let mut cluster = self.shared.cluster.borrow_mut();
        // A fetch of offsets waits for transactions that may still change them.
        let committed = match cluster.fetch_committed(partition) {
            Ok(committed) => committed,
            Err(_) if self.mutation == Some(Mutation::OffsetsWhileUnstable) => cluster.committed(partition).cloned(),
            Err(_) => return Ok(None),
        };
        let readings = cluster.log(Topic::Input(InputTopic::Readings), partition);
        let retained = readings.first()..readings.last_stable();
        let states = cluster.log(Topic::Output(Output::State), partition);
        let end = if self.mutation == Some(Mutation::StateUpToLastStable) {
            states.last_stable()
        } else {
            states.end()
        };
        drop(cluster);
        let at = committed
            .as_ref()
            .map(|committed| (committed.offset, committed.metadata.as_str()));
        let warn = |error: &_| self.broken.borrow_mut().push(format!("metadata: {error}"));
        let rebuild = Rebuild::plan(Arc::clone(&self.rules), &self.deployment, partition, at, retained, warn)?;
        Ok(Some(Stage::States {
            rebuild: Box::new(rebuild.mutated(self.mutation)),
            next: 0,
            end,
        }))
    }

    fn committed(&self, partition: i32) -> Option<Committed> {
        self.shared.cluster.borrow().committed(partition).cloned()
    }

    /// A rebuild must not fail, unless somebody else has gone on with the partition and compaction took away what this
    /// one was to read.
    fn note(&self, job: &Job, error: &RebuildError) -> String {
        if job.planned == self.committed(job.partition) {
            self.broken.borrow_mut().push(format!("a rebuild: {error}"));
        }
        error.to_string()
    }
}

impl Restorer for SimulatedRestorer {
    fn start(&mut self, partition: i32, epoch: u64) {
        // The word of an assignment that is over comes at the worst time: once another is under way.
        for job in self
            .jobs
            .iter_mut()
            .filter(|job| job.cancelled && job.partition == partition)
        {
            job.delay = self.shared.between(1, 3);
        }
        self.jobs.push(Job {
            partition,
            epoch,
            cancelled: false,
            steps: 0,
            delay: self.shared.between(0, 2),
            planned: None,
            stage: Stage::Planning,
        });
        let mut wanted: Vec<i32> = self
            .jobs
            .iter()
            .filter(|job| !job.cancelled)
            .map(|job| job.partition)
            .collect();
        let jobs = wanted.len();
        wanted.sort_unstable();
        wanted.dedup();
        if jobs > self.at_once || jobs > wanted.len() {
            let what = format!(
                "{jobs} restores at once, of partitions {wanted:?}; {} are allowed",
                self.at_once
            );
            self.broken.borrow_mut().push(what);
        }
    }

    fn cancel(&mut self, epoch: u64) {
        let goes_on = self.shared.percent(70);
        self.jobs.retain(|job| job.epoch != epoch || goes_on);
        for job in self.jobs.iter_mut().filter(|job| job.epoch == epoch) {
            job.cancelled = true;
            job.delay = 1_000;
        }
    }

    fn poll(&mut self) -> Vec<RestoreEvent> {
        if self.shared.cluster.borrow().is_down() {
            return Vec::new();
        }
        let mut events = Vec::new();
        let mut jobs = std::mem::take(&mut self.jobs);
        for job in &mut jobs {
            if !matches!(job.stage, Stage::Over(_)) {
                events.extend(self.advance(job));
                job.steps += 1;
                // However long it takes, it comes to an end some day.
                if job.steps < MOST_PERILOUS_STEPS && self.shared.percent(1) && !job.cancelled {
                    job.stage = Stage::Over(Some(RestoreEvent::Failed {
                        epoch: job.epoch,
                        partition: job.partition,
                        reason: "the broker went away".into(),
                    }));
                }
            } else if job.delay > 0 {
                job.delay -= 1;
            } else if let Stage::Over(event) = &mut job.stage {
                events.extend(event.take());
            }
        }
        jobs.retain(|job| !matches!(job.stage, Stage::Over(None)));
        self.jobs = jobs;
        events
    }
}
