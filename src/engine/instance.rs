//! One instance: the partitions it owns, and what it does with them turn by turn.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::apply::{Applied, How, apply, misplaced};
use super::commit::{Flight, Owned, Work};
use super::deployment::Deployment;
use super::invariants::check;
use super::life::Stage;
use super::mutation::Mutation;
use super::pending::SideInput;
use super::ports::{
    Answer, Batch, CommitError, Commits, GroupEvent, Now, Observation, Observer, RestoreEvent, Restorer, Source,
    SourceError,
};
use super::rebuild::Rebuilt;
use crate::model::{DAY, InputTopic, MINUTE, RawRecord};
use crate::partition::{Effects, Partition};

/// Settings of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSettings {
    /// Threads that apply readings, each those of one partition at a time; 0 for as many as there are processors.
    pub threads: usize,
    /// Partitions restored at the same time.
    pub restores_at_once: usize,
    /// Records to be committed beyond which consumption stops.
    pub max_in_flight: usize,
    /// Alerts and dead letters wait this long for others to share their transaction, in milliseconds.
    pub commit_interval_ms: u64,
    /// Offsets alone, without anything to publish, are committed this often, in milliseconds.
    pub offsets_interval_ms: u64,
    /// States of homes may take this share of the bytes read.
    pub checkpoint_share: f64,
    /// Once a partition has been read nearly to its end, a restart need not replay more records of it than this: states are
    /// stored beyond their share if that takes it. While it is less than a tenth of this, none are stored for its sake.
    pub max_replay_records: u64,
    /// Nor of readings that came in longer ago than this, in seconds of the stream's time: readings must be retained for
    /// longer, or what only they know of a home is lost with a restart.
    pub max_replay_age_seconds: u32,
    /// When nothing arrives, the stream's time follows the wall clock this many seconds behind it.
    pub idle_grace_seconds: u32,
    /// It follows only when it is no further behind than this: else the log is history, and time stands still.
    pub idle_max_behind_seconds: u32,
    /// For `verify faults` alone: a mistake to be found.
    #[serde(skip)]
    pub mutation: Option<Mutation>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            threads: 0,
            restores_at_once: 2,
            max_in_flight: 10_000,
            commit_interval_ms: 100,
            offsets_interval_ms: 1_000,
            checkpoint_share: 0.01,
            max_replay_records: 2_000_000,
            max_replay_age_seconds: 7 * DAY,
            idle_grace_seconds: 5 * MINUTE,
            idle_max_behind_seconds: 7 * DAY,
            mutation: None,
        }
    }
}

/// Why an instance stops.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    /// The input cannot go on.
    #[error("reading stopped")]
    Source(#[from] SourceError),
    /// The output cannot go on.
    #[error("publishing stopped")]
    Commit(#[from] CommitError),
}

/// What of the work done is committed at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// All of it.
    Whole,
    /// Not all of it, as far as is known.
    InPart,
}

/// One instance of tapwatch in its group.
pub struct Engine<S, R, C, O> {
    pub(super) source: S,
    pub(super) restorer: R,
    pub(super) commits: C,
    pub(super) observer: O,
    pub(super) settings: EngineSettings,
    pub(super) deployment: Deployment,
    pub(super) owned: BTreeMap<i32, Owned>,
    pub(super) flight: Option<Flight>,
    /// When the last transaction began and ended, by [`Now::millis`].
    pub(super) began: u64,
    pub(super) ended: u64,
    /// Until then, by [`Now::millis`], time without readings does not count.
    pub(super) time_stands_until: u64,
    pub(super) next_epoch: u64,
    held_back: bool,
}

impl<S: Source, R: Restorer, C: Commits<S::Membership>, O: Observer> Engine<S, R, C, O> {
    /// An instance that owns nothing yet.
    pub fn new(
        deployment: Deployment,
        settings: EngineSettings,
        source: S,
        restorer: R,
        commits: C,
        observer: O,
    ) -> Self {
        Self {
            source,
            restorer,
            commits,
            observer,
            settings,
            deployment,
            owned: BTreeMap::new(),
            flight: None,
            began: 0,
            ended: 0,
            time_stands_until: 0,
            next_epoch: 1,
            held_back: false,
        }
    }

    /// Whether every partition owned is live, and how many are owned.
    pub fn readiness(&self) -> (bool, usize) {
        let ours = || self.owned.values().filter(|owned| owned.stage() != Stage::Revoking);
        (ours().all(|owned| owned.stage() == Stage::Live), ours().count())
    }

    /// Whether every partition owned is live and has been read to its end, and everything is committed.
    pub fn is_caught_up(&self) -> bool {
        !self.owned.is_empty()
            && self.flight.is_none()
            && self.owned.values().all(|owned| {
                owned
                    .work
                    .as_ref()
                    .is_some_and(|work| work.at_end && !work.pending.progressed)
            })
    }

    /// The partitions that are live.
    pub fn live(&self) -> impl Iterator<Item = (i32, &Partition)> {
        self.owned
            .iter()
            .filter_map(|(partition, owned)| Some((*partition, &*owned.work()?.state)))
    }

    /// Who hears of everything that happens.
    pub fn observer(&self) -> &O {
        &self.observer
    }

    /// One turn: what the source has, what restores have done, what time has brought, and what can be committed.
    ///
    /// # Errors
    /// What waiting does not mend. Nothing is lost: what was not committed is read again by the next instance.
    pub fn turn(&mut self, now: Now) -> Result<(), EngineError> {
        let changed = self.events()?;
        self.verdict(now)?;
        let changed = self.restores() || changed;
        self.idle_time(now);
        self.commit(now);
        self.back_pressure();
        for (partition, owned) in &self.owned {
            if let Some(work) = &owned.work {
                self.observer.observe(&Observation::Standing {
                    partition: *partition,
                    state: &work.state,
                    lag: self.source.lag(*partition, work.state.next_offset()),
                });
            }
        }
        if changed {
            let count = |stage| self.owned.values().filter(|owned| owned.stage() == stage).count();
            self.observer.observe(&Observation::Lives(Stage::ALL.map(count)));
        }
        Ok(())
    }

    /// Commits what is done, and takes in nothing more; `None` until that is over. It gives up at the first transaction that
    /// is aborted or in doubt: what it carried is read again by the next instance.
    ///
    /// # Errors
    /// As [`Engine::turn`].
    pub fn settle(&mut self, now: Now) -> Result<Option<Settled>, EngineError> {
        if self.verdict(now)? {
            return Ok(Some(Settled::InPart));
        }
        let is_done = |owned: &Owned| owned.work.as_ref().is_none_or(|work| !work.pending.progressed);
        if self.flight.is_none() && self.owned.values().all(is_done) {
            return Ok(Some(Settled::Whole));
        }
        self.begin(now);
        Ok(None)
    }

    /// What the group and its topics have; whether stages changed.
    fn events(&mut self) -> Result<bool, EngineError> {
        let mut changed = false;
        // The source is taken apart from the rest, so that it can hand out what it borrows from its own buffers.
        let Self {
            source,
            owned,
            next_epoch,
            observer,
            restorer,
            deployment,
            flight,
            settings,
            held_back,
            ..
        } = self;
        source.poll(&mut |event| {
            match event {
                GroupEvent::Assigned(partitions) => {
                    changed = true;
                    observer.observe(&Observation::Rebalanced {
                        how: "assigned",
                        partitions,
                    });
                    for partition in partitions {
                        owned.insert(*partition, Owned::assigned(*next_epoch));
                        *next_epoch += 1;
                    }
                }
                GroupEvent::Revoked(partitions) | GroupEvent::Lost(partitions) => {
                    changed = true;
                    let how = if matches!(event, GroupEvent::Lost(_)) {
                        "lost"
                    } else {
                        "revoked"
                    };
                    observer.observe(&Observation::Rebalanced { how, partitions });
                    for partition in partitions {
                        if settings.mutation == Some(Mutation::ZombiePublishes) {
                            continue;
                        }
                        let Some(mut gone) = owned.remove(partition) else {
                            continue;
                        };
                        restorer.cancel(gone.epoch);
                        // Nothing more of it is published. What is under way is right, whatever becomes of it.
                        gone.work = None;
                        gone.step(Stage::Revoking, observer);
                        if flight
                            .as_ref()
                            .is_some_and(|flight| flight.carries(*partition, gone.epoch))
                        {
                            owned.insert(*partition, gone);
                        }
                    }
                }
                // One that is not live was revoked while the batch was on its way, or fetched before the pause took hold.
                GroupEvent::Ahead(Batch { partition, records }) => {
                    let work = owned.get_mut(&partition).and_then(|owned| owned.work.as_mut());
                    if work.is_some_and(|work| work.asks_for_homes(records)) {
                        return Answer::HomesFirst;
                    }
                }
                GroupEvent::Readings(batches) => {
                    let rises = |batch: &Batch<'_>| batch.records.is_sorted_by(|a, b| a.offset < b.offset);
                    let in_order = batches.is_sorted_by(|a, b| a.partition < b.partition);
                    check(observer, 2, in_order && batches.iter().all(rises), || {
                        "batches out of order".to_owned()
                    });
                    observer.observe(&Observation::BatchBegins);
                    let how = How {
                        deployment,
                        threads: settings.threads,
                        checkpoint_share: settings.checkpoint_share,
                    };
                    for Applied {
                        partition,
                        effects,
                        misplaced,
                    } in apply(owned, batches, how)
                    {
                        let Some(work) = owned.get_mut(&partition).and_then(|owned| owned.work.as_mut()) else {
                            continue;
                        };
                        observe_misplaced(observer, InputTopic::Readings, partition, misplaced);
                        observe_applied(observer, partition, &effects, &work.state);
                        work.pending.add(effects, deployment, partition);
                    }
                }
                GroupEvent::End(partition) => {
                    if let Some(work) = owned.get_mut(&partition).and_then(|owned| owned.work.as_mut()) {
                        work.at_end = true;
                    }
                }
                GroupEvent::Beside(topic, partition, record) => {
                    let Some(work) = owned.get_mut(&partition).and_then(|owned| owned.work.as_mut()) else {
                        return Answer::Taken; // Of an assignment that is over, or about to begin at an offset of its own.
                    };
                    if record.offset < work.beside.next(topic) {
                        return Answer::Taken;
                    }
                    // Homes do not wait: readings that were fetched before the pause may be the first of theirs.
                    if *held_back && topic != InputTopic::Homes {
                        return match settings.mutation {
                            Some(Mutation::ForgetLater) => Answer::Taken,
                            _ => Answer::Later,
                        };
                    }
                    take_beside(work, topic, partition, &record, deployment, observer);
                }
            }
            Answer::Taken
        })?;
        Ok(changed)
    }

    /// Begins restores as places are free, and takes in those that are done; whether stages changed.
    fn restores(&mut self) -> bool {
        let mut changed = false;
        for event in self.restorer.poll() {
            match event {
                RestoreEvent::Replaying {
                    epoch,
                    partition,
                    done,
                    total,
                } => {
                    let Some(owned) = self.current(partition, epoch) else {
                        continue;
                    };
                    let stage = owned.stage();
                    if stage == Stage::Restoring {
                        changed = true;
                        self.step(partition, Stage::Replaying);
                    }
                    self.observer
                        .observe(&Observation::Restoring { partition, done, total });
                }
                RestoreEvent::Failed {
                    epoch,
                    partition,
                    reason,
                } => {
                    if let Some(owned) = self.current(partition, epoch) {
                        changed = true;
                        owned.failures = owned.failures.saturating_add(1);
                        self.step(partition, Stage::Assigned);
                        self.observer.observe(&Observation::RestoreFailed {
                            partition,
                            reason: &reason,
                        });
                    }
                }
                RestoreEvent::Done {
                    epoch,
                    partition,
                    rebuilt,
                } => {
                    if self.current(partition, epoch).is_some() {
                        changed = true;
                        self.go_live(partition, rebuilt);
                    }
                }
            }
        }
        let is_at = |owned: &Owned, stages: &[Stage]| stages.contains(&owned.stage());
        let restoring = self
            .owned
            .values()
            .filter(|owned| is_at(owned, &[Stage::Restoring, Stage::Replaying]))
            .count();
        let free = self.settings.restores_at_once.max(1).saturating_sub(restoring);
        let mut waiting: Vec<_> = self
            .owned
            .iter()
            .filter(|(_, owned)| is_at(owned, &[Stage::Assigned]))
            .map(|(partition, owned)| (owned.failures, *partition, owned.epoch))
            .collect();
        // One that cannot be restored must not keep the others from it.
        waiting.sort_unstable();
        for (_, partition, epoch) in waiting.into_iter().take(free) {
            self.step(partition, Stage::Restoring);
            self.restorer.start(partition, epoch);
            changed = true;
        }
        changed
    }

    /// The assignment of a partition, if it is still the one of this epoch and waits for a restore.
    fn current(&mut self, partition: i32, epoch: u64) -> Option<&mut Owned> {
        let is_stale_taken = self.settings.mutation == Some(Mutation::StaleRestore);
        self.owned.get_mut(&partition).filter(|owned| {
            (owned.epoch == epoch || is_stale_taken) && matches!(owned.stage(), Stage::Restoring | Stage::Replaying)
        })
    }

    pub(super) fn step(&mut self, partition: i32, stage: Stage) {
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.step(stage, &mut self.observer);
        }
    }

    fn go_live(&mut self, partition: i32, mut rebuilt: Rebuilt) {
        self.observer.observe(&Observation::Live {
            partition,
            rebuilt: &rebuilt,
        });
        self.step(partition, Stage::Live);
        let stands = rebuilt.state.next_offset();
        check(&mut self.observer, 8, stands == rebuilt.offset, || {
            format!("rebuilt up to {stands}, not to {}", rebuilt.offset)
        });
        let Some(owned) = self.owned.get_mut(&partition) else {
            return;
        };
        let effects = *std::mem::take(&mut rebuilt.effects);
        let work = owned.work.insert(Work::new(rebuilt));
        if effects.speaks() {
            self.observer.observe(&Observation::BatchBegins);
            observe_applied(&mut self.observer, partition, &effects, &work.state);
            work.pending.add(effects, &self.deployment, partition);
        }
        self.source.follow(partition, &work.beside);
        if !self.held_back {
            self.source.resume(partition, Some(work.state.next_offset()));
        }
    }

    /// Lets time pass for partitions that have been read to their end.
    ///
    /// While a transaction is under way, and for a while after one that took long, it does not pass: the broker may have
    /// been away, and what came in meanwhile must be seen before anybody is called silent.
    fn idle_time(&mut self, now: Now) {
        if self.flight.is_some() || now.millis < self.time_stands_until {
            return;
        }
        let now = now.wall.minus(self.settings.idle_grace_seconds);
        for (partition, owned) in &mut self.owned {
            let Some(work) = owned.work.as_mut().filter(|work| work.at_end) else {
                continue;
            };
            let behind = now.since(work.state.clock());
            if behind == 0 || behind > self.settings.idle_max_behind_seconds {
                continue;
            }
            let effects = work.state.advance(now);
            work.pending.note_time(work.state.next_offset(), now, effects.speaks());
            if !effects.speaks() {
                // Time alone is worth a commit now and then, for the restart's sake.
                work.pending.progressed |= now.since(work.committed_clock) >= MINUTE;
                continue;
            }
            self.observer.observe(&Observation::BatchBegins);
            observe_applied(&mut self.observer, *partition, &effects, &work.state);
            work.pending.add(effects, &self.deployment, *partition);
        }
    }

    /// Stops consumption while too much waits to be committed, and goes on at half of that.
    fn back_pressure(&mut self) {
        let waiting: usize = self
            .owned
            .values()
            .filter_map(Owned::work)
            .map(|work| work.pending.weight())
            .sum();
        let in_flight = waiting + self.flight.as_ref().map_or(0, Flight::weight);
        let most = self.settings.max_in_flight;
        let hold = in_flight > if self.held_back { most / 2 } else { most };
        if hold == self.held_back {
            return;
        }
        self.held_back = hold;
        self.observer.observe(&Observation::BackPressure(hold));
        for (partition, owned) in &mut self.owned {
            if let Some(work) = &mut owned.work {
                if hold {
                    // What comes behind the pause is not seen: until it is, the end is not known to be reached.
                    work.at_end = false;
                    self.source.pause(*partition);
                } else {
                    self.source.resume(*partition, Some(work.state.next_offset()));
                }
            }
        }
    }
}

fn observe_applied(observer: &mut impl Observer, partition: i32, effects: &Effects, state: &Partition) {
    observer.observe(&Observation::Applied {
        partition,
        effects,
        state,
    });
}

fn observe_misplaced(observer: &mut impl Observer, topic: InputTopic, partition: i32, records: usize) {
    if records > 0 {
        observer.observe(&Observation::Misplaced {
            topic,
            partition,
            records,
        });
    }
}

/// Takes in a record of a topic beside the readings. It changes the state that is stored with the next commit, and that
/// says how far its topic has been read.
fn take_beside(
    work: &mut Work,
    topic: InputTopic,
    partition: i32,
    record: &RawRecord<'_>,
    deployment: &Deployment,
    observer: &mut impl Observer,
) {
    observer.observe(&Observation::BatchBegins);
    if topic != InputTopic::Zones {
        let records = std::slice::from_ref(record);
        let astray = misplaced(&Batch { partition, records }, deployment);
        observe_misplaced(observer, topic, partition, astray);
    }
    work.beside.set(topic, record.offset + 1);
    let before = work.state.next_offset();
    let effects = work.state.take_beside(topic, record);
    observe_applied(observer, partition, &effects, &work.state);
    work.pending.add(effects, deployment, partition);
    work.pending.note(SideInput::Record {
        topic,
        before,
        offset: record.offset,
        household: String::from_utf8_lossy(record.key.unwrap_or_default()).into(),
    });
}
