//! What an instance commits, and what becomes of it: the half of [`Engine`] that speaks with [`Commits`].

use hashbrown::HashSet;

use super::beside::BesideOffsets;
use super::instance::{Engine, EngineError};
use super::invariants::check;
use super::life::Stage;
use super::metadata::CommitMetadata;
use super::mutation::Mutation;
use super::outgoing::OutRecord;
use super::pending::{Pending, SideInput};
use super::ports::{Commits, Now, Observation, Observer, Restorer, Source};
use super::rebuild::Rebuilt;
use super::transaction::{CommitOffset, Transaction, Verdict};
use crate::alert::WITHDRAWAL_TYPE;
use crate::model::{EventTime, Output};
use crate::partition::{Partition, ReplayPoint, Stamp, ZONE_KEY};

/// States of homes take no more of one transaction than this, for each partition.
const MAX_STATE_BYTES: f64 = 1_048_576.0;
/// Beyond the share, states are stored in steps of so many bytes.
const STATE_STEP_BYTES: i64 = 65_536;
/// A replay that is shorter than this part of what is allowed takes no time worth writing for.
const SHORT_REPLAY: u64 = 10;

/// A transaction that took longer than this tells of a broker that was away.
const LONG_MS: u64 = 10_000;
/// What came in meanwhile is read by then.
const RECOVERY_MS: u64 = 60_000;

/// An assignment of a partition.
pub(super) struct Owned {
    pub epoch: u64,
    stage: Stage,
    /// How often its restore has failed.
    pub failures: u32,
    /// There while it is live.
    pub work: Option<Work>,
}

/// What a live partition has.
pub(super) struct Work {
    pub state: Box<Partition>,
    pub pending: Pending,
    /// The next offsets of the topics beside the readings.
    pub beside: BesideOffsets,
    /// The end of the partition has been seen, and nothing came since.
    pub at_end: bool,
    /// Hashes of homes that are not watched and for whose sake the homes topic has been read to its end: what it says of them
    /// later comes as it is followed.
    pub asked: HashSet<u64>,
    /// The homes topic is read to its end for the sake of the batch that comes next.
    pub is_asking: bool,
    /// Bytes of states that may be written; below zero after states that had to be.
    pub credit: f64,
    /// Offset, clock and start of replay of the last transaction that was begun.
    committed_offset: i64,
    pub committed_clock: EventTime,
    replay_offset: i64,
}

/// A transaction under way.
pub(super) struct Flight {
    parts: Vec<(i32, u64, Pending)>,
    state_bytes: usize,
}

impl Owned {
    pub fn assigned(epoch: u64) -> Self {
        Self {
            epoch,
            stage: Stage::Assigned,
            failures: 0,
            work: None,
        }
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    pub fn work(&self) -> Option<&Work> {
        self.work.as_ref()
    }

    pub fn step(&mut self, next: Stage, observer: &mut impl Observer) {
        let from = self.stage;
        check(observer, 1, from.may_become(next), || {
            format!("{} became {}", from.name(), next.name())
        });
        self.stage = next;
    }
}

impl Work {
    pub fn new(rebuilt: Rebuilt) -> Self {
        let state = rebuilt.state;
        Self {
            pending: Pending::default(),
            beside: rebuilt.beside,
            at_end: false,
            asked: HashSet::new(),
            is_asking: false,
            credit: 0.0,
            committed_offset: state.next_offset(),
            committed_clock: state.clock(),
            replay_offset: 0,
            state,
        }
    }
}

impl Flight {
    pub fn weight(&self) -> usize {
        self.parts.iter().map(|(_, _, part)| part.weight()).sum()
    }

    pub fn carries(&self, partition: i32, epoch: u64) -> bool {
        self.parts.iter().any(|part| (part.0, part.1) == (partition, epoch))
    }
}

impl<S: Source, R: Restorer, C: Commits<S::Membership>, O: Observer> Engine<S, R, C, O> {
    /// Takes in what became of the transaction under way, if that is known by now; whether work of it is to be done again.
    pub(super) fn verdict(&mut self, now: Now) -> Result<bool, EngineError> {
        let Some(verdict) = self.commits.poll()? else {
            return Ok(false);
        };
        let flight = self.flight.take();
        check(&mut self.observer, 3, flight.is_some(), || {
            format!("{verdict:?} without a transaction")
        });
        let Some(flight) = flight else {
            return Ok(false);
        };
        self.ended = now.millis;
        if now.millis.saturating_sub(self.began) > LONG_MS {
            self.time_stands_until = now.millis.saturating_add(RECOVERY_MS);
        }
        let raised: Vec<_> = flight
            .parts
            .iter()
            .flat_map(|(_, _, part)| part.raised())
            .copied()
            .collect();
        self.observer.observe(&Observation::Over {
            verdict: &verdict,
            state_bytes: flight.state_bytes,
            raised: &raised,
        });
        let mutation = self.settings.mutation;
        let end = match &verdict {
            Verdict::Unknown(_) if mutation == Some(Mutation::DoubtMeansAborted) => End::Aborted,
            Verdict::Unknown(_) if mutation == Some(Mutation::DoubtMeansCommitted) => End::Committed,
            Verdict::Aborted(_) if mutation == Some(Mutation::ForgetAborted) => End::Committed,
            Verdict::Committed if mutation == Some(Mutation::RepeatCommitted) => End::Aborted,
            Verdict::Committed => End::Committed,
            Verdict::Aborted(_) => End::Aborted,
            Verdict::Unknown(_) => End::Doubtful,
        };
        let mut is_to_do_again = false;
        for (partition, epoch, part) in flight.parts {
            let Some(owned) = self.owned.get_mut(&partition).filter(|owned| owned.epoch == epoch) else {
                continue;
            };
            match (&mut owned.work, end) {
                (None, _) => {
                    self.owned.remove(&partition);
                }
                (Some(work), End::Aborted) => {
                    let carried = part.weight();
                    work.pending.put_back(part);
                    is_to_do_again = true;
                    let waits = work.pending.weight();
                    check(&mut self.observer, 9, waits >= carried, || {
                        format!("of {carried} records {waits} wait")
                    });
                }
                (Some(_), End::Doubtful) => {
                    self.give_up(partition);
                    is_to_do_again = true;
                }
                (Some(work), End::Committed) => {
                    let replay = work.replay_offset;
                    self.observer.observe(&Observation::ReplayDistance {
                        partition,
                        records: u64::try_from(work.committed_offset - replay).unwrap_or(0),
                        homes: work.state.unsaved_homes(),
                    });
                }
            }
        }
        Ok(is_to_do_again)
    }

    /// Drops the state of a partition that is ahead of what is committed, nobody knows how far, and restores it.
    fn give_up(&mut self, partition: i32) {
        self.source.pause(partition);
        self.step(partition, Stage::Lost);
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.work = None;
            owned.epoch = self.next_epoch;
            self.next_epoch += 1;
        }
        self.step(partition, Stage::Assigned);
    }

    /// Begins a transaction, if there is something to commit and it is time.
    pub(super) fn commit(&mut self, now: Now) {
        let pending = || self.owned.values().filter_map(Owned::work).map(|work| &work.pending);
        let is_due = |since: u64, interval: u64| now.millis.saturating_sub(since) >= interval;
        let speaks = pending().any(Pending::speaks) && is_due(self.ended, self.settings.commit_interval_ms);
        let progressed = pending().any(|pending| pending.progressed);
        if speaks || progressed && is_due(self.began, self.settings.offsets_interval_ms) {
            self.begin(now);
        }
    }

    /// Begins a transaction with all that waits, unless one is under way.
    pub(super) fn begin(&mut self, now: Now) {
        if self.flight.is_some() || !self.commits.is_idle() {
            return;
        }
        let Some(membership) = self.source.membership() else {
            return;
        };
        let (mut parts, mut offsets, mut state_bytes) = (Vec::new(), Vec::new(), 0);
        for partition in self.owned.keys().copied().collect::<Vec<_>>() {
            if let Some((epoch, part, offset)) = self.part(partition) {
                state_bytes += part.state_bytes() + offset.metadata.to_string().len();
                parts.push((partition, epoch, part));
                offsets.push(offset);
            }
        }
        if self.settings.mutation == Some(Mutation::MetadataOfWrongPartition) && offsets.len() > 1 {
            let metadata: Vec<_> = offsets.iter().map(|offset| offset.metadata.clone()).collect();
            for (place, offset) in offsets.iter_mut().enumerate() {
                offset.metadata = metadata[(place + 1) % metadata.len()].clone();
            }
        }
        let records = parts.iter().flat_map(|(partition, _, part)| part.records(*partition));
        self.commits.start(Transaction {
            records: records.collect(),
            offsets,
            membership,
        });
        self.began = now.millis;
        self.flight = Some(Flight { parts, state_bytes });
    }

    /// What one partition puts into the next transaction.
    fn part(&mut self, partition: i32) -> Option<(u64, Pending, CommitOffset)> {
        let owned = self.owned.get_mut(&partition)?;
        let (epoch, stage) = (owned.epoch, owned.stage);
        let work = owned.work.as_mut().filter(|work| work.pending.progressed)?;
        let (settings, observer) = (&self.settings, &mut self.observer);
        let most = settings.max_replay_records;
        // Where readings come in without a pause, the end itself is hardly ever seen.
        let lag = self.source.lag(partition, work.state.next_offset());
        let is_near_end = work.at_end || lag.is_some_and(|lag| lag < most / SHORT_REPLAY);
        check(observer, 4, stage == Stage::Live, || {
            format!("partition {partition} is {}", stage.name())
        });
        let next_offset = work.state.next_offset();
        let stamp = Stamp {
            deployment: self.deployment.number(),
            offset: match settings.mutation {
                Some(Mutation::CheckpointWithoutOffset) => 0,
                _ => next_offset,
            },
        };
        work.credit = work.credit.min(MAX_STATE_BYTES);
        let distance = |from: i64| u64::try_from(next_offset - from).unwrap_or(0);
        let log_clock = work.state.log_clock();
        let is_old = |point: ReplayPoint| log_clock.since(point.log_clock) > settings.max_replay_age_seconds;
        let needed = work.state.replay_point();
        let is_short = distance(needed.offset) < most / SHORT_REPLAY && !is_old(needed);
        let mut spent = store(work, stamp, if is_short { 0 } else { work.credit as i64 });
        let mut replay = work.state.replay_point();
        let is_too_far = |point: ReplayPoint| distance(point.offset) > most || is_old(point);
        while is_near_end && is_too_far(replay) && (spent as f64) < MAX_STATE_BYTES {
            let more = store(work, stamp, STATE_STEP_BYTES);
            replay = work.state.replay_point();
            spent += more;
            if more == 0 {
                break;
            }
        }
        work.credit -= spent as f64;
        forget_by_mistake(&mut work.pending, settings.mutation);

        let clock = work.state.clock();
        check(
            observer,
            5,
            next_offset >= work.committed_offset && clock >= work.committed_clock,
            || {
                format!(
                    "from {} to {next_offset}, from {} to {clock}",
                    work.committed_offset, work.committed_clock
                )
            },
        );
        check(
            observer,
            6,
            (work.replay_offset..=next_offset).contains(&replay.offset),
            || {
                format!(
                    "replay from {} after {}, commit at {next_offset}",
                    replay.offset, work.replay_offset
                )
            },
        );
        check(observer, 7, work.state.urgent_homes() == 0, || {
            format!("{} homes or zones are not stored", work.state.urgent_homes())
        });
        (work.committed_offset, work.committed_clock, work.replay_offset) = (next_offset, clock, replay.offset);
        let pending = std::mem::take(&mut work.pending);
        let offset = CommitOffset {
            partition,
            next_offset: match settings.mutation {
                Some(Mutation::OffsetOffByOne) => next_offset - 1,
                Some(Mutation::OffsetTooFar) => next_offset + 1,
                _ => next_offset,
            },
            metadata: CommitMetadata {
                clock,
                beside: work.beside.clone(),
                replay,
                homes: work.state.arena().len() as u64,
                stored: work.state.stored_homes(),
                partitions: self.deployment.partitions,
                cluster: self.deployment.cluster.clone(),
            },
            inputs: pending.inputs().to_vec(),
        };
        Some((epoch, pending, offset))
    }
}

/// What the engine makes of a verdict.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Committed,
    Aborted,
    Doubtful,
}

/// Adds states to what is pending; answers their bytes.
fn store(work: &mut Work, stamp: Stamp, budget: i64) -> usize {
    let checkpoints = work.state.checkpoints(stamp, budget);
    let bytes = checkpoints.iter().filter_map(|checkpoint| checkpoint.bytes.as_ref());
    let bytes = bytes.map(Vec::len).sum();
    work.pending.store(checkpoints);
    bytes
}

fn is_withdrawal(record: &OutRecord) -> bool {
    record.headers.iter().any(|(_, value)| value == WITHDRAWAL_TYPE)
}

fn forget_by_mistake(pending: &mut Pending, mutation: Option<Mutation>) {
    let homes: Vec<Vec<u8>> = match mutation {
        Some(Mutation::AlertWithoutCheckpoint) => {
            let keys = pending.spoken().iter().filter_map(|record| record.key.clone());
            keys.collect()
        }
        Some(Mutation::ProfileWithoutCheckpoint) => {
            let homes = pending.inputs().iter().filter_map(|input| match input {
                SideInput::Record { household, .. } => Some(household.as_bytes().to_vec()),
                SideInput::Clock { .. } => None,
            });
            homes.collect()
        }
        Some(Mutation::ForgetTombstone) => return pending.unstore_if(|_, bytes| bytes.is_none()),
        Some(Mutation::ForgetVisits) => return pending.unsay_if(|record| record.output == Output::Visits),
        Some(Mutation::ForgetWithdrawal) => return pending.unsay_if(is_withdrawal),
        Some(Mutation::ForgetZoneState) => return pending.unstore_if(|key, _| key.starts_with(ZONE_KEY)),
        _ => return,
    };
    homes
        .iter()
        .for_each(|home| pending.unstore_if(|key, _| key.as_bytes() == home.as_slice()));
}
