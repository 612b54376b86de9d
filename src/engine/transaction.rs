//! One transaction, call by call: begin, send, wait for every acknowledgement, offsets, commit; abort, and begin anew.
//!
//! Constraints: the order of the calls is the promise, so it stands here and not in a shell. A step makes one call of
//! the [`TransactionClient`]; between two steps the process may stop or die, and whatever was done by then must be right.
//! Form: [`Transactor`] holds a client and the transaction under way, and answers each with a [`Verdict`].

use thiserror::Error;

use super::metadata::CommitMetadata;
use super::mutation::Mutation;
use super::outgoing::OutRecord;
use super::pending::SideInput;

/// The offset of one partition of the readings, as a transaction carries it to the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffset {
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub next_offset: i64,
    /// What a restart must know besides.
    pub metadata: CommitMetadata,
    /// What came from beside the readings since the last commit. Not written: what it changed is.
    pub inputs: Vec<SideInput>,
}

/// What becomes visible together, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction<M> {
    /// What is published and stored.
    pub records: Vec<OutRecord>,
    /// Up to where the readings are dealt with.
    pub offsets: Vec<CommitOffset>,
    /// Proof of membership from the time at which the readings were taken.
    pub membership: M,
}

/// Why a call on a transaction did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransactionError {
    /// Nothing is known yet; the same call goes on.
    #[error("{0}")]
    Again(String),
    /// This transaction cannot be committed; another can.
    #[error("{0}")]
    Abort(String),
    /// A record is larger than its topic takes; its place in the transaction.
    #[error("record {record} is too large for its topic: {reason}")]
    TooLarge {
        /// Its place in [`Transaction::records`].
        record: usize,
        /// What the broker says.
        reason: String,
    },
    /// This producer is done for; whether its last transaction was committed is not known to it.
    #[error("{0}")]
    Fatal(String),
    /// What waiting and trying again does not mend: no permission, a topic that is gone.
    #[error("{0}")]
    Stop(String),
}

/// A transactional producer.
pub trait TransactionClient {
    /// Proof of membership in the consumer group.
    type Membership;
    /// Ends whatever an earlier producer of the same name left open, and shuts that producer out. After
    /// [`TransactionError::Fatal`] it makes a new producer.
    ///
    /// # Errors
    /// As every call here.
    fn open(&mut self) -> Result<(), TransactionError>;
    /// Begins a transaction.
    ///
    /// # Errors
    /// As every call here.
    fn begin(&mut self) -> Result<(), TransactionError>;
    /// Hands a record over; it may be on its way for a while. `place` is its place in the transaction.
    ///
    /// # Errors
    /// As every call here.
    fn send(&mut self, place: usize, record: &OutRecord) -> Result<(), TransactionError>;
    /// Waits until every record is acknowledged.
    ///
    /// # Errors
    /// As every call here.
    fn flush(&mut self) -> Result<(), TransactionError>;
    /// Adds offsets to the transaction.
    ///
    /// # Errors
    /// As every call here; [`TransactionError::Abort`] when the group has moved on.
    fn send_offsets(&mut self, offsets: &[CommitOffset], membership: &Self::Membership)
    -> Result<(), TransactionError>;
    /// Commits.
    ///
    /// # Errors
    /// As every call here. After [`TransactionError::Again`] only this call may follow.
    fn commit(&mut self) -> Result<(), TransactionError>;
    /// Aborts.
    ///
    /// # Errors
    /// As every call here.
    fn abort(&mut self) -> Result<(), TransactionError>;
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is visible, whole.
    Committed,
    /// It will never be visible.
    Aborted(String),
    /// One of the two; the group's committed offsets will tell.
    Unknown(String),
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    Working,
    /// Nothing is known yet; try again after a moment.
    Waiting(String),
    /// Open, and without a transaction.
    Idle,
    /// The transaction is over.
    Done(Verdict),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Opening,
    Idle,
    Beginning,
    Sending(usize),
    Flushing,
    Offsets,
    Committing,
    /// Aborting, and then the same transaction anew, with a record cut short.
    Shortening(usize),
    Aborting(String),
}

/// A client and its transaction.
pub struct Transactor<C: TransactionClient> {
    client: C,
    stage: Stage,
    transaction: Option<Transaction<C::Membership>>,
    mutation: Option<Mutation>,
    /// For [`Mutation::CommitBeforePublish`]: what is published only after the offsets are committed.
    held_back: Vec<OutRecord>,
}

impl<C: TransactionClient> Transactor<C> {
    /// A transactor whose client is not open yet.
    pub fn new(client: C, mutation: Option<Mutation>) -> Self {
        Self {
            client,
            stage: Stage::Opening,
            transaction: None,
            mutation,
            held_back: Vec::new(),
        }
    }

    /// Whether a transaction may be given.
    pub fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// The client, for its shell.
    pub fn client_mut(&mut self) -> &mut C {
        &mut self.client
    }

    /// Takes a transaction; only while [`Transactor::is_idle`].
    pub fn start(&mut self, mut transaction: Transaction<C::Membership>) {
        debug_assert!(self.is_idle(), "one transaction at a time");
        if self.mutation == Some(Mutation::CommitBeforePublish) {
            self.held_back = std::mem::take(&mut transaction.records);
        }
        self.transaction = Some(transaction);
        self.stage = Stage::Beginning;
    }

    /// Makes the next call.
    ///
    /// # Errors
    /// What waiting does not mend.
    pub fn step(&mut self) -> Result<Progress, TransactionError> {
        let outcome = self.call();
        match outcome {
            Ok(()) => Ok(self.advance()),
            Err(TransactionError::Again(reason)) => Ok(Progress::Waiting(reason)),
            Err(stop @ TransactionError::Stop(_)) => Err(stop),
            Err(TransactionError::TooLarge { record, reason }) => {
                let Some(letter) = self.transaction.as_mut().and_then(|tx| tx.records.get_mut(record)) else {
                    return Err(TransactionError::Stop(format!("record {record}: {reason}")));
                };
                if letter.shorten() {
                    self.stage = Stage::Shortening(record);
                    return Ok(Progress::Working);
                }
                Err(TransactionError::Stop(format!(
                    "a record for the topic of {:?} cannot be written: {reason}",
                    letter.output
                )))
            }
            Err(TransactionError::Abort(reason)) => match self.stage {
                // An opening or an abort that must be aborted: the producer has lost its way.
                Stage::Opening | Stage::Idle | Stage::Aborting(_) | Stage::Shortening(_) => Ok(self.renew(reason)),
                _ if self.mutation == Some(Mutation::ForgottenAbort) => {
                    self.stage = Stage::Idle;
                    self.transaction = None;
                    Ok(Progress::Done(Verdict::Aborted(reason)))
                }
                _ => {
                    self.stage = Stage::Aborting(reason);
                    Ok(Progress::Working)
                }
            },
            Err(TransactionError::Fatal(reason)) => Ok(self.renew(reason)),
        }
    }

    fn call(&mut self) -> Result<(), TransactionError> {
        let Some(transaction) = &self.transaction else {
            return match self.stage {
                Stage::Opening => self.client.open(),
                _ => Ok(()),
            };
        };
        match &self.stage {
            Stage::Opening => self.client.open(),
            Stage::Idle => Ok(()),
            Stage::Beginning => self.client.begin(),
            Stage::Sending(place) => match transaction.records.get(*place) {
                Some(record) => self.client.send(*place, record),
                None => Ok(()),
            },
            Stage::Flushing => self.client.flush(),
            Stage::Offsets => self.client.send_offsets(&transaction.offsets, &transaction.membership),
            Stage::Committing => self.client.commit(),
            Stage::Shortening(_) | Stage::Aborting(_) => self.client.abort(),
        }
    }

    fn advance(&mut self) -> Progress {
        let records = self.transaction.as_ref().map_or(0, |tx| tx.records.len());
        self.stage = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Opening => match self.transaction.take() {
                // What it carried is in doubt since the producer before this one failed.
                Some(_) => return Progress::Done(Verdict::Unknown("the producer was replaced".into())),
                None => Stage::Idle,
            },
            Stage::Idle => return Progress::Idle,
            Stage::Beginning => Stage::Sending(0),
            Stage::Sending(place) if place + 1 < records => Stage::Sending(place + 1),
            Stage::Sending(_) => Stage::Flushing,
            Stage::Flushing if self.transaction.as_ref().is_some_and(|tx| tx.offsets.is_empty()) => Stage::Committing,
            Stage::Flushing => Stage::Offsets,
            Stage::Offsets => Stage::Committing,
            Stage::Committing if !self.held_back.is_empty() => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.offsets.clear();
                    transaction.records = std::mem::take(&mut self.held_back);
                }
                Stage::Beginning
            }
            Stage::Committing => {
                self.transaction = None;
                return Progress::Done(Verdict::Committed);
            }
            Stage::Shortening(_) => Stage::Beginning,
            Stage::Aborting(reason) => {
                self.transaction = None;
                return Progress::Done(Verdict::Aborted(reason));
            }
        };
        Progress::Working
    }

    /// Goes on with a new producer; what the last one carried is in doubt until that is open.
    fn renew(&mut self, reason: String) -> Progress {
        self.stage = Stage::Opening;
        Progress::Waiting(reason)
    }
}
