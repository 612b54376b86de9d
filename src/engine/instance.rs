//! One instance: the partitions it owns, and what it does with them turn by turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ports::{
    Answer, CommitError, CommitMetadata, Commits, GroupEvent, LogRecord, Observation, Observer, RestoreEvent, Restorer,
    Source, SourceError, Step,
};
use crate::model::{DAY, EventTime, HomeRecord, MINUTE, RawRecord};
use crate::partition::{Arena, Effects, Partition, Rules};

/// Settings of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSettings {
    /// Partitions restored at the same time.
    pub restores_at_once: usize,
    /// Records submitted and not yet confirmed beyond which consumption stops.
    pub max_in_flight: usize,
    /// When nothing arrives, the stream's time follows the wall clock this many seconds behind it.
    pub idle_grace_seconds: u32,
    /// It follows only when it is no further behind than this: else the log is history, and time stands still.
    pub idle_max_behind_seconds: u32,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            restores_at_once: 2,
            max_in_flight: 10_000,
            idle_grace_seconds: 5 * MINUTE,
            idle_max_behind_seconds: 7 * DAY,
        }
    }
}

/// Why an instance stops.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    /// The input cannot go on.
    #[error("reading stopped: {0}")]
    Source(#[from] SourceError),
    /// The output cannot go on.
    #[error("publishing stopped: {0}")]
    Commit(#[from] CommitError),
}

/// Where a partition is in its life. Legal ways: waiting → restoring → live; from each of them to revoked (gone).
enum Life {
    /// Assigned, and its restore not begun.
    Waiting,
    /// Its state is being rebuilt beside the stream.
    Restoring,
    /// Records are applied as they come.
    Live {
        state: Box<Partition>,
        /// The end of the partition has been seen, and nothing came since.
        at_end: bool,
        /// The clock of the last step submitted.
        submitted_clock: EventTime,
    },
}

struct Owned {
    epoch: u64,
    life: Life,
    /// How often its restore has failed.
    failures: u32,
}

/// One instance of tapwatch in its group.
pub struct Engine<S, R, C, O> {
    source: S,
    restorer: R,
    commits: C,
    observer: O,
    settings: EngineSettings,
    owned: BTreeMap<i32, Owned>,
    next_epoch: u64,
    held_back: bool,
    /// The partition in which a home was first seen, by the hash of its id: one home must not live in two.
    home_partitions: HashMap<u64, i32>,
    rules: Arc<Rules>,
}

impl<S: Source, R: Restorer, C: Commits, O: Observer> Engine<S, R, C, O> {
    /// An instance that owns nothing yet.
    pub fn new(rules: Arc<Rules>, settings: EngineSettings, source: S, restorer: R, commits: C, observer: O) -> Self {
        Self {
            source,
            restorer,
            commits,
            observer,
            settings,
            owned: BTreeMap::new(),
            next_epoch: 1,
            held_back: false,
            home_partitions: HashMap::new(),
            rules,
        }
    }

    /// The commits, for the shell that made them.
    pub fn commits_mut(&mut self) -> &mut C {
        &mut self.commits
    }

    /// Whether every partition owned is live, and how many are owned.
    pub fn readiness(&self) -> (bool, usize) {
        let ready = self.owned.values().all(|owned| matches!(owned.life, Life::Live { .. }));
        (ready, self.owned.len())
    }

    /// Whether every partition owned is live and has been read to its end, and everything submitted is confirmed.
    pub fn is_caught_up(&self) -> bool {
        !self.owned.is_empty()
            && self.commits.in_flight() == 0
            && self
                .owned
                .values()
                .all(|owned| matches!(owned.life, Life::Live { at_end: true, .. }))
    }

    /// The partitions that are live.
    pub fn live(&self) -> impl Iterator<Item = (i32, &Partition)> {
        self.owned.iter().filter_map(|(partition, owned)| match &owned.life {
            Life::Live { state, .. } => Some((*partition, &**state)),
            _ => None,
        })
    }

    /// One turn: what the source has, what restores have done, what time has brought.
    ///
    /// # Errors
    /// What waiting does not mend. Nothing is lost: what was not committed is read again by the next instance.
    pub fn turn(&mut self, wall: EventTime) -> Result<(), EngineError> {
        let mut failed = None;
        let mut changed = false;
        // The source is taken apart from the rest, so that it can hand out what it borrows from its own buffers.
        let Self {
            source,
            owned,
            next_epoch,
            commits,
            observer,
            home_partitions,
            restorer,
            ..
        } = self;
        source.poll(&mut |event| {
            match event {
                GroupEvent::Assigned(partitions) => {
                    changed = true;
                    observer.observe(&Observation::Rebalanced {
                        assigned: true,
                        partitions,
                    });
                    for partition in partitions {
                        owned.insert(
                            *partition,
                            Owned {
                                epoch: *next_epoch,
                                life: Life::Waiting,
                                failures: 0,
                            },
                        );
                        *next_epoch += 1;
                    }
                }
                GroupEvent::Revoked(partitions) => {
                    changed = true;
                    observer.observe(&Observation::Rebalanced {
                        assigned: false,
                        partitions,
                    });
                    for partition in partitions {
                        if let Some(gone) = owned.remove(partition) {
                            restorer.cancel(gone.epoch);
                        }
                        home_partitions.retain(|_, home| home != partition);
                    }
                }
                GroupEvent::Records(partition, records, homes_are_read) => {
                    let Some(Owned {
                        epoch,
                        life:
                            Life::Live {
                                state,
                                at_end,
                                submitted_clock,
                            },
                        ..
                    }) = owned.get_mut(&partition)
                    else {
                        return Answer::Taken; // Revoked while the batch was on its way, or fetched before the pause took hold.
                    };
                    if !homes_are_read && records.iter().any(|record| is_new(state, record)) {
                        return Answer::HomesFirst;
                    }
                    *at_end = false;
                    observer.observe(&Observation::BatchBegins);
                    let effects = state.apply(records.iter().copied());
                    note_new_homes(home_partitions, partition, &effects.new_homes, observer);
                    observer.observe(&Observation::Applied {
                        partition,
                        effects: &effects,
                        state,
                    });
                    *submitted_clock = state.clock();
                    if let Err(error) = commits.submit(step(partition, *epoch, state, effects)) {
                        failed.get_or_insert(error);
                    }
                }
                GroupEvent::End(partition) => {
                    if let Some(Owned {
                        life: Life::Live { at_end, .. },
                        ..
                    }) = owned.get_mut(&partition)
                    {
                        *at_end = true;
                    }
                }
                GroupEvent::Home(partition, record) => {
                    if let Some(owned) = owned.get_mut(&partition) {
                        take_home(owned, partition, record, home_partitions, observer);
                    }
                }
            }
            Answer::Taken
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        self.restores()?;
        self.idle_time(wall)?;
        self.commits.poll()?;
        self.back_pressure();
        for (partition, owned) in &self.owned {
            if let Life::Live { state, .. } = &owned.life {
                self.observer.observe(&Observation::Standing {
                    partition: *partition,
                    state,
                    lag: self.source.lag(*partition, state.next_offset()),
                });
            }
        }
        if changed {
            self.observe_lives();
        }
        Ok(())
    }

    /// Begins restores as places are free, and takes in those that are done.
    fn restores(&mut self) -> Result<(), EngineError> {
        let events = self.restorer.poll();
        let mut changed = false;
        for event in events {
            match event {
                RestoreEvent::Progress {
                    epoch,
                    partition,
                    done,
                    total,
                } => {
                    if self.is_current(partition, epoch) {
                        self.observer
                            .observe(&Observation::Restoring { partition, done, total });
                    }
                }
                RestoreEvent::Failed {
                    epoch,
                    partition,
                    reason,
                } => {
                    if self.is_current(partition, epoch) {
                        self.observer.observe(&Observation::RestoreFailed {
                            partition,
                            reason: &reason,
                        });
                        if let Some(owned) = self.owned.get_mut(&partition) {
                            owned.life = Life::Waiting;
                            owned.failures = owned.failures.saturating_add(1);
                        }
                    }
                }
                RestoreEvent::Done {
                    epoch,
                    partition,
                    state,
                    homes_offset,
                    lost,
                } => {
                    if self.is_current(partition, epoch) {
                        changed = true;
                        self.go_live(partition, state, homes_offset, lost);
                    }
                }
            }
        }
        let restoring = self
            .owned
            .values()
            .filter(|owned| matches!(owned.life, Life::Restoring))
            .count();
        let free = self.settings.restores_at_once.max(1).saturating_sub(restoring);
        let is_waiting = |owned: &Owned| matches!(owned.life, Life::Waiting);
        let mut waiting: Vec<_> = self.owned.iter_mut().filter(|(_, owned)| is_waiting(owned)).collect();
        // One that cannot be restored must not keep the others from it.
        waiting.sort_by_key(|(_, owned)| owned.failures);
        for (partition, owned) in waiting.into_iter().take(free) {
            owned.life = Life::Restoring;
            self.restorer.start(*partition, owned.epoch);
            changed = true;
        }
        if changed {
            self.observe_lives();
        }
        Ok(())
    }

    fn is_current(&self, partition: i32, epoch: u64) -> bool {
        self.owned.get(&partition).is_some_and(|owned| owned.epoch == epoch)
    }

    fn go_live(&mut self, partition: i32, state: Box<Partition>, homes_offset: i64, lost: u64) {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return;
        };
        let ids = (0..state.arena().len() as u32).map(|slot| Arena::hash(state.arena().id(slot)));
        let homes: Vec<u64> = ids.collect();
        note_new_homes(&mut self.home_partitions, partition, &homes, &mut self.observer);
        self.observer.observe(&Observation::Live {
            partition,
            state: &state,
            lost,
        });
        self.source.follow_homes(partition, homes_offset);
        if !self.held_back {
            self.source.resume(partition, Some(state.next_offset()));
        }
        let submitted_clock = state.clock();
        owned.life = Life::Live {
            state,
            at_end: false,
            submitted_clock,
        };
    }

    /// Lets time pass for partitions that have been read to their end.
    fn idle_time(&mut self, wall: EventTime) -> Result<(), EngineError> {
        let now = wall.minus(self.settings.idle_grace_seconds);
        for (partition, owned) in &mut self.owned {
            let Life::Live {
                state,
                at_end: true,
                submitted_clock,
            } = &mut owned.life
            else {
                continue;
            };
            let behind = now.since(state.clock());
            if behind == 0 || behind > self.settings.idle_max_behind_seconds {
                continue;
            }
            let effects = state.advance(now);
            // Time alone is worth a commit when it made somebody speak, and now and then for the restart's sake.
            if effects.alerts.is_empty() && state.clock().since(*submitted_clock) < MINUTE {
                continue;
            }
            *submitted_clock = state.clock();
            self.observer.observe(&Observation::BatchBegins);
            self.observer.observe(&Observation::Applied {
                partition: *partition,
                effects: &effects,
                state,
            });
            self.commits.submit(step(*partition, owned.epoch, state, effects))?;
        }
        Ok(())
    }

    /// Stops consumption while too much is unconfirmed, and goes on at half of that.
    fn back_pressure(&mut self) {
        let in_flight = self.commits.in_flight();
        let hold = in_flight
            > if self.held_back {
                self.settings.max_in_flight / 2
            } else {
                self.settings.max_in_flight
            };
        if hold == self.held_back {
            return;
        }
        self.held_back = hold;
        self.observer.observe(&Observation::BackPressure(hold));
        for (partition, owned) in &mut self.owned {
            if let Life::Live { state, at_end, .. } = &mut owned.life {
                if hold {
                    // What comes behind the pause is not seen: until it is, the end is not known to be reached.
                    *at_end = false;
                    self.source.pause(*partition);
                } else {
                    self.source.resume(*partition, Some(state.next_offset()));
                }
            }
        }
    }

    fn observe_lives(&mut self) {
        let count = |which: fn(&Life) -> bool| self.owned.values().filter(|owned| which(&owned.life)).count();
        let lives = Observation::Lives {
            waiting: count(|life| matches!(life, Life::Waiting)),
            restoring: count(|life| matches!(life, Life::Restoring)),
            live: count(|life| matches!(life, Life::Live { .. })),
        };
        self.observer.observe(&lives);
    }

    /// The rules of this instance.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }
}

/// Whether the record is the first of its home here.
fn is_new(state: &Partition, record: &RawRecord<'_>) -> bool {
    let home = record.key.and_then(|key| std::str::from_utf8(key).ok());
    home.is_some_and(|home| state.arena().find(home).is_none())
}

fn step(partition: i32, epoch: u64, state: &Partition, effects: Effects) -> Step {
    Step {
        partition,
        epoch,
        alerts: effects.alerts,
        dead_letters: effects.dead_letters,
        next_offset: state.next_offset(),
        metadata: CommitMetadata { clock: state.clock() },
    }
}

fn note_new_homes(
    home_partitions: &mut HashMap<u64, i32>,
    partition: i32,
    new_homes: &[u64],
    observer: &mut impl Observer,
) {
    let elsewhere = new_homes
        .iter()
        .filter(|home| *home_partitions.entry(**home).or_insert(partition) != partition);
    let homes = elsewhere.count();
    if homes > 0 {
        observer.observe(&Observation::Misplaced { partition, homes });
    }
}

fn take_home(
    owned: &mut Owned,
    partition: i32,
    record: LogRecord<'_>,
    home_partitions: &mut HashMap<u64, i32>,
    observer: &mut impl Observer,
) {
    let Life::Live { state, .. } = &mut owned.life else {
        return;
    };
    let taken = home_record(record).and_then(|(household, record)| {
        let is_new = state.arena().find(&household).is_none();
        state
            .set_home(&household, record.as_ref())
            .map_err(|error| format!("a record of the homes topic: {error}"))?;
        if is_new {
            note_new_homes(home_partitions, partition, &[Arena::hash(&household)], observer);
        }
        Ok(())
    });
    if let Err(reason) = taken {
        observer.observe(&Observation::BadHome {
            partition,
            reason: &reason,
        });
    }
}

/// Reads a record of the homes topic: the home, and what is said of it (`None` for a tombstone).
pub fn home_record(record: LogRecord<'_>) -> Result<(String, Option<HomeRecord>), String> {
    let key = record.key.ok_or("a record of the homes topic without a key")?;
    let household = std::str::from_utf8(key).map_err(|_| "a key of the homes topic that is not UTF-8")?;
    crate::model::check_id(household).map_err(|error| format!("a key of the homes topic: {error}"))?;
    let Some(value) = record.value else {
        return Ok((household.to_owned(), None));
    };
    let home: HomeRecord =
        serde_json::from_slice(value).map_err(|error| format!("a record of the homes topic: {error}"))?;
    if home.household_id != household {
        return Err("a record of the homes topic whose key is not its household_id".into());
    }
    Ok((household.to_owned(), Some(home)))
}
