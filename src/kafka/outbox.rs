//! What producer, consumer callbacks and the engine's thread share: what is in flight, and what went wrong for good.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::topic_partition_list::Offset;

use crate::engine::{Committable, Ledger};

/// Steps in flight.
#[derive(Clone, Debug, Default)]
pub struct Outbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    confirmed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub ledger: Ledger,
    /// Set once, when something can never be delivered.
    pub failure: Option<String>,
}

impl Outbox {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements that hold the lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever waits for confirmations.
    pub(super) fn notify(&self) {
        self.0.confirmed.notify_all();
    }

    /// Waits until everything entered for `partitions` is confirmed; false when that takes longer than `limit`.
    pub(super) fn settle(&self, partitions: &[i32], limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if partitions.iter().all(|partition| state.ledger.is_settled(*partition)) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.failure.is_some() {
                return false;
            }
            let waited = self
                .0
                .confirmed
                .wait_timeout(state, left.min(Duration::from_millis(100)));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The offsets as rdkafka commits them.
pub(super) fn as_list(topic: &str, offsets: &[Committable]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for ready in offsets {
        let mut element = list.add_partition(topic, ready.partition);
        element.set_metadata(ready.metadata.to_string());
        // An offset that came from the log can be committed to it.
        if element.set_offset(Offset::Offset(ready.next_offset)).is_err() {
            tracing::error!(
                partition = ready.partition,
                offset = ready.next_offset,
                "an offset that cannot be committed"
            );
        }
    }
    list
}
