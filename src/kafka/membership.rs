//! Proof of membership in the group, for a transaction that carries offsets.
//!
//! A member that was put out of the group without having noticed it yet must not get its offsets committed. The broker
//! sees to it by generation and member id. When librdkafka learns of it in the background, it forgets both, and a broker
//! takes offsets that name neither as those of somebody outside the group and does not fence them. So a proof without
//! them is no proof. rdkafka does not show what is in one: the two questions are put to librdkafka itself, and this is the
//! one place of the program that needs `unsafe` for it.
//!
//! Nor is the broker's word enough. Under its own protocol (KIP-848) a member that is asked to give back more while it gives
//! something back keeps its epoch until all of that is done, and partitions it has let go are handed on meanwhile: offsets
//! of theirs would still be taken from it. So a proof ends here with the first partition given back after it.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::bindings;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};

/// How often a member has given partitions back.
#[derive(Clone, Debug, Default)]
pub(super) struct Handovers(Arc<Mutex<u64>>);

impl Handovers {
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Partitions are about to be given back: from here on no offsets are sent on a proof from before. Those that are being sent
    /// are waited for, for some seconds; whoever has the partition next waits for what becomes of them, and a call that gave up has spoilt its
    /// transaction, or was left behind with its producer.
    pub fn begin(&self) {
        *self.lock() += 1;
    }
}

/// Proof of membership in the group.
#[derive(Clone)]
pub struct Membership {
    metadata: Arc<ConsumerGroupMetadata>,
    handovers: Handovers,
    /// So many had been when it was given.
    seen: u64,
}

impl Membership {
    /// Of this member, if it is one now. Asked on the thread that polls, on which partitions are given back.
    pub(super) fn of<C: ConsumerContext>(member: &BaseConsumer<C>, handovers: &Handovers) -> Option<Self> {
        // The background may lose the membership between two questions. Generations and member ids never come back: what
        // is the same before and after was so in between.
        let before = Identity::of(member.client()).filter(Identity::is_member)?;
        let metadata = member.group_metadata()?;
        let after = Identity::of(member.client())?;
        (before == after).then(|| Self {
            metadata: Arc::new(metadata),
            handovers: handovers.clone(),
            seen: *handovers.lock(),
        })
    }

    /// Does something with it while no partition can be given back; `None` if one was since.
    pub(super) fn while_it_holds<T>(&self, work: impl FnOnce(&Arc<ConsumerGroupMetadata>) -> T) -> Option<T> {
        let now = self.handovers.lock();
        (*now == self.seen).then(|| work(&self.metadata))
    }
}

#[cfg(test)]
impl Membership {
    /// What librdkafka gives to whoever has joined no group.
    pub(super) fn of_nobody(handovers: &Handovers, seen: u64) -> Self {
        let consumer: BaseConsumer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", "127.0.0.1:1")
            .set("group.id", "nobody")
            .create()
            .expect("a consumer");
        Self {
            metadata: Arc::new(consumer.group_metadata().expect("something to give")),
            handovers: handovers.clone(),
            seen,
        }
    }
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Membership")
    }
}

/// Who a consumer is in its group.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    generation: i32,
    member: String,
}

impl Identity {
    /// As librdkafka has it now; `None` outside of any group.
    fn of<C: ConsumerContext>(client: &Client<C>) -> Option<Self> {
        // SAFETY: the client's handle is valid while the client is borrowed; the call copies what it answers.
        let metadata = unsafe { bindings::rd_kafka_consumer_group_metadata(client.native_ptr()) };
        if metadata.is_null() {
            return None;
        }
        let owned = Owned(metadata);
        // SAFETY: `owned` holds a valid handle until the end of this function.
        let (generation, member) = unsafe {
            (
                bindings::rd_kafka_consumer_group_metadata_generation_id(owned.0),
                bindings::rd_kafka_consumer_group_metadata_member_id(owned.0),
            )
        };
        if member.is_null() {
            return None;
        }
        // SAFETY: librdkafka's texts end with a zero, and this one lives as long as `owned`.
        let member = unsafe { CStr::from_ptr(member) }.to_string_lossy().into_owned();
        Some(Self { generation, member })
    }

    /// Generations count from 1; -1 stands for none, and 0 for a member that is still joining.
    fn is_member(&self) -> bool {
        self.generation > 0 && !self.member.is_empty()
    }
}

/// A handle that is given back in every path.
struct Owned(*mut bindings::rd_kafka_consumer_group_metadata_t);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: made by `rd_kafka_consumer_group_metadata`, not null, and destroyed here alone.
        unsafe { bindings::rd_kafka_consumer_group_metadata_destroy(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::consumer::BaseConsumer;

    use super::*;

    #[test]
    fn a_consumer_that_has_not_joined_has_no_proof() {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", "127.0.0.1:1")
            .set("group.id", "nobody")
            .create()
            .expect("a consumer");
        // librdkafka itself has something to give, and that is the danger.
        assert!(consumer.group_metadata().is_some());
        assert!(Membership::of(&consumer, &Handovers::default()).is_none());
        let identity = Identity::of(consumer.client()).expect("an identity");
        assert!(identity.generation <= 0 && identity.member.is_empty(), "{identity:?}");
    }

    #[test]
    fn a_proof_ends_when_partitions_are_given_back() {
        let handovers = Handovers::default();
        let proof = |seen| Membership::of_nobody(&handovers, seen);
        let early = proof(0);
        assert_eq!(early.while_it_holds(|_| 7), Some(7));
        handovers.begin();
        assert_eq!(early.while_it_holds(|_| 7), None);
        assert_eq!(proof(1).while_it_holds(|_| 7), Some(7));
    }

    #[test]
    fn a_consumer_outside_of_groups_has_no_identity() {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", "127.0.0.1:1")
            .create()
            .expect("a consumer");
        assert_eq!(Identity::of(consumer.client()), None);
    }

    #[test]
    fn a_member_has_a_generation_and_an_id() {
        let identity = |generation, member: &str| Identity {
            generation,
            member: member.into(),
        };
        assert!(identity(1, "a").is_member());
        assert!(!identity(1, "").is_member());
        assert!(!identity(-1, "a").is_member());
        assert!(!identity(0, "a").is_member());
    }
}
