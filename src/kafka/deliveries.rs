//! What is heard of the records of one transaction that are on their way.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;

use super::reader::say_quietly;
use super::warnings::{Warnings, name_of};

/// Hears of deliveries, on the producer's own thread.
pub(super) struct Deliveries {
    warnings: Arc<Warnings>,
    on_their_way: Mutex<OnTheirWay>,
    pub arrived: Condvar,
}

/// The records of one transaction.
#[derive(Default)]
pub(super) struct OnTheirWay {
    pub left: usize,
    /// Their sizes, by place.
    bytes: Vec<usize>,
    pub too_large: Vec<usize>,
    pub failure: Option<(Code, String)>,
}

impl OnTheirWay {
    pub fn add(&mut self, place: usize, bytes: usize) {
        self.left += 1;
        if self.bytes.len() <= place {
            self.bytes.resize(place + 1, 0);
        }
        self.bytes[place] = bytes;
    }

    /// The broker refuses a whole batch for its size: it is the largest that is too large.
    pub fn largest_refused(&self) -> Option<usize> {
        let refused = self.too_large.iter().copied();
        refused.max_by_key(|place| self.bytes.get(*place).copied().unwrap_or(0))
    }
}

impl Deliveries {
    pub fn new(warnings: Arc<Warnings>) -> Self {
        Self {
            warnings,
            on_their_way: Mutex::default(),
            arrived: Condvar::new(),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, OnTheirWay> {
        // The state is whole between any two statements that hold the lock.
        self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        say_quietly(facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let text = format!("the producer: {reason}; tapwatch goes on trying");
        self.warnings.warn(&name_of(error.rdkafka_error_code()), &text);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, place: usize) {
        let mut on_their_way = self.lock();
        on_their_way.left = on_their_way.left.saturating_sub(1);
        match result {
            Ok(_) => {}
            Err((KafkaError::MessageProduction(Code::MessageSizeTooLarge), _)) => on_their_way.too_large.push(place),
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
                let reason = format!("a record for {} is not delivered: {error}", message.topic());
                on_their_way.failure.get_or_insert((code, reason));
            }
        }
        if on_their_way.left == 0 || result.is_err() {
            self.arrived.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_batch_that_is_too_large_the_largest_record_is_to_blame() {
        let mut on_their_way = OnTheirWay::default();
        [10, 300, 20]
            .iter()
            .enumerate()
            .for_each(|(place, bytes)| on_their_way.add(place, *bytes));
        assert_eq!(on_their_way.largest_refused(), None);
        on_their_way.too_large.extend([0, 1, 2]);
        assert_eq!(on_their_way.largest_refused(), Some(1));
    }
}
