//! Clients whose troubles are told by whoever asks them.

use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

/// The context of such a client: what librdkafka says by itself, many times over while a broker is away, is for
/// debugging; the latest reason why a connection failed is kept for whoever asks.
#[derive(Default)]
pub(super) struct Quiet {
    failure: Mutex<Option<String>>,
}

impl Quiet {
    /// Why the latest connection failed, such as a wrong password.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, "librdkafka: {message}");
        if facility == "FAIL" {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.to_owned());
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "librdkafka: {reason}");
    }
}

impl ConsumerContext for Quiet {}
