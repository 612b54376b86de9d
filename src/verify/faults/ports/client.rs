//! A transactional producer that may be answered late, wrongly or not at all.

use std::collections::{BTreeSet, VecDeque};

use super::{Follower, Proof, Shared};
use crate::engine::{CommitOffset, Mutation, OutRecord, TransactionClient, TransactionError};
use crate::model::Output;
use crate::verify::faults::cluster::{GroupRefusal, ProducerId, Refusal};

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How the client is answered.
    pub kind: Kind,
    /// Whether the broker did as asked before the answer was lost.
    pub done: bool,
}

/// How a client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not at all, in time.
    Again,
    /// The transaction cannot be committed.
    Abort,
    /// The producer is done for.
    Fatal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Open,
    Begin,
    Send,
    Flush,
    Offsets,
    Commit,
    Abort,
}

/// A producer under a transactional id.
pub struct Client {
    shared: Shared,
    name: String,
    time_out_ms: u64,
    producer: Option<ProducerId>,
    /// Handed over, and not yet with the broker.
    buffer: VecDeque<OutRecord>,
    /// Places of the transaction that were handed over.
    placed: BTreeSet<usize>,
    /// Something of the transaction may be with the broker.
    touched: bool,
    /// A record that the broker will refuse when it arrives; and it did, so that the transaction can only be aborted.
    too_large: Option<usize>,
    spoiled: bool,
    faults: VecDeque<Option<Fault>>,
    follower: Follower,
    mutation: Option<Mutation>,
}

impl Client {
    /// A producer that is not open.
    pub fn new(shared: Shared, name: String, time_out_ms: u64, follower: Follower) -> Self {
        Self {
            shared,
            name,
            time_out_ms,
            follower,
            mutation: None,
            producer: None,
            buffer: VecDeque::new(),
            placed: BTreeSet::new(),
            touched: false,
            too_large: None,
            spoiled: false,
            faults: VecDeque::new(),
        }
    }

    /// The same, with a mistake.
    pub fn mutated(self, mutation: Option<Mutation>) -> Self {
        Self { mutation, ..self }
    }

    /// The call after so many others goes wrong.
    pub fn fail(&mut self, after: usize, fault: Fault) {
        while self.faults.len() <= after {
            self.faults.push_back(None);
        }
        self.faults[after] = Some(fault);
    }

    /// No more faults.
    pub fn calm(&mut self) {
        self.faults.clear();
    }

    /// What was handed over and may still be on its way when the process dies.
    pub fn die(&mut self) {
        let most = self.buffer.len();
        let arrive = self.shared.between(0, most);
        let _ = self.deliver(arrive);
    }

    fn attempt(
        &mut self,
        call: Call,
        effect: impl FnOnce(&mut Self) -> Result<(), TransactionError>,
    ) -> Result<(), TransactionError> {
        if self.shared.cluster.borrow().is_down() && call != Call::Begin {
            return Err(TransactionError::Again("no broker answers".into()));
        }
        let Some(fault) = self.faults.pop_front().flatten() else {
            return effect(self);
        };
        let kind = match (fault.kind, call) {
            // A client that may have committed is never told to abort, and this has nothing to abort.
            (Kind::Abort, Call::Commit) if fault.done => Kind::Again,
            (Kind::Abort, Call::Begin) => Kind::Again,
            (kind, _) => kind,
        };
        if fault.done {
            effect(self)?;
        }
        match kind {
            Kind::Again => Err(TransactionError::Again("no answer in time".into())),
            Kind::Abort => Err(TransactionError::Abort("the transaction cannot be committed".into())),
            Kind::Fatal => Err(self.fatal("the producer has lost its way")),
        }
    }

    fn fatal(&mut self, reason: &str) -> TransactionError {
        self.producer = None;
        self.forget();
        TransactionError::Fatal(reason.into())
    }

    fn forget(&mut self) {
        self.buffer.clear();
        (self.too_large, self.spoiled) = (None, false);
    }

    fn opened(&mut self) -> Result<ProducerId, TransactionError> {
        match self.producer {
            Some(_) if self.spoiled => Err(TransactionError::Abort("a record was refused".into())),
            Some(producer) => Ok(producer),
            None => Err(self.fatal("the producer is not open")),
        }
    }

    fn refused(&mut self, refusal: Refusal) -> TransactionError {
        match refusal {
            Refusal::Concurrent => TransactionError::Again("the transaction before is still being marked".into()),
            Refusal::Fenced => self.fatal("fenced"),
            Refusal::InvalidState => self.fatal("invalid transactional state"),
        }
    }

    /// Brings handed-over records to the broker.
    fn deliver(&mut self, most: usize) -> Result<(), TransactionError> {
        for _ in 0..most {
            let Some(record) = self.buffer.front() else { break };
            let Some(producer) = self.producer else { break };
            let outcome = self.shared.cluster.borrow_mut().produce(producer, record);
            outcome.map_err(|refusal| self.refused(refusal))?;
            self.touched = true;
            self.buffer.pop_front();
        }
        Ok(())
    }

    fn end(&mut self, commits: bool) -> Result<(), TransactionError> {
        let producer = self.opened()?;
        if !self.touched {
            return Ok(());
        }
        let outcome = self.shared.cluster.borrow_mut().transactions.end(producer, commits);
        outcome.map_err(|refusal| self.refused(refusal))
    }
}

fn too_large(record: usize) -> TransactionError {
    TransactionError::TooLarge {
        record,
        reason: "message too large".into(),
    }
}

impl TransactionClient for Client {
    type Membership = Proof;

    fn open(&mut self) -> Result<(), TransactionError> {
        self.attempt(Call::Open, |client| {
            let opened = client
                .shared
                .cluster
                .borrow_mut()
                .transactions
                .open(&client.name, client.time_out_ms);
            match opened {
                Ok(producer) => {
                    client.producer = Some(producer);
                    client.forget();
                    client.touched = false;
                    Ok(())
                }
                Err(_) => Err(TransactionError::Again(
                    "the last transaction of this name is being ended".into(),
                )),
            }
        })
    }

    /// A transaction that was neither committed nor aborted is gone on with: no kinder than the sloppiest client.
    fn begin(&mut self) -> Result<(), TransactionError> {
        self.attempt(Call::Begin, |client| {
            client.opened()?;
            client.placed.clear();
            Ok(())
        })
    }

    fn send(&mut self, place: usize, record: &OutRecord) -> Result<(), TransactionError> {
        self.attempt(Call::Send, |client| {
            client.opened()?;
            let most = client.shared.cluster.borrow().max_record_bytes;
            if record.output == Output::DeadLetters && record.bytes() > most {
                if client.shared.percent(50) {
                    return Err(too_large(place));
                }
                client.too_large = Some(place);
                return Ok(());
            }
            if client.placed.insert(place) {
                client.buffer.push_back(record.clone());
            }
            let now = client.shared.between(0, 2);
            match client.deliver(now) {
                Err(TransactionError::Again(_)) => Ok(()),
                outcome => outcome,
            }
        })
    }

    fn flush(&mut self) -> Result<(), TransactionError> {
        self.attempt(Call::Flush, |client| {
            client.opened()?;
            if let Some(place) = client.too_large.take() {
                client.spoiled = true;
                return Err(too_large(place));
            }
            client.deliver(usize::MAX)
        })
    }

    fn send_offsets(&mut self, offsets: &[CommitOffset], proof: &Proof) -> Result<(), TransactionError> {
        self.attempt(Call::Offsets, |client| {
            let producer = client.opened()?;
            let later = match client.mutation {
                Some(Mutation::MembershipOfLater) => client.follower.proof(proof.membership.instance.clone()),
                _ => None,
            };
            let proof = later.as_ref().unwrap_or(proof);
            if !client.follower.holds(proof) && client.mutation != Some(Mutation::OffsetsAfterHandover) {
                return Err(TransactionError::Abort("partitions were given back meanwhile".into()));
            }
            let proven = client.shared.cluster.borrow().group.check(&proof.membership);
            proven.map_err(|refusal| {
                TransactionError::Abort(
                    match refusal {
                        GroupRefusal::UnknownMember => "unknown member",
                        GroupRefusal::IllegalGeneration => "illegal generation",
                        GroupRefusal::FencedInstance => "fenced instance",
                    }
                    .into(),
                )
            })?;
            for offset in offsets {
                let outcome = client.shared.cluster.borrow_mut().hold_offset(producer, offset.clone());
                outcome.map_err(|refusal| client.refused(refusal))?;
                client.touched = true;
            }
            Ok(())
        })
    }

    fn commit(&mut self) -> Result<(), TransactionError> {
        self.attempt(Call::Commit, |client| {
            client.end(true)?;
            Ok(())
        })?;
        self.touched = false;
        Ok(())
    }

    fn abort(&mut self) -> Result<(), TransactionError> {
        self.attempt(Call::Abort, |client| {
            client.forget();
            client.end(false)
        })?;
        self.touched = false;
        Ok(())
    }
}
