//! A consumer of chosen partitions, outside the group.

use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::settings::KafkaSettings;

/// A consumer whose troubles are told by whoever asks it something.
pub(super) type Reader = BaseConsumer<Quiet>;

/// What librdkafka says by itself, many times over while a broker is away, is for debugging; the latest reason why a
/// connection failed is kept for whoever asks.
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
        say_quietly(facility, message);
        if facility == "FAIL" {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.to_owned());
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "librdkafka: {reason}");
    }
}

impl ConsumerContext for Quiet {}

/// What librdkafka writes by itself is for debugging: what matters of it comes as an error, too.
pub(super) fn say_quietly(facility: &str, message: &str) {
    tracing::debug!(facility, "librdkafka: {message}");
}

/// librdkafka tells the end of a partition as an error, besides handing it to whoever polls.
pub(super) fn is_end(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF)
}

impl KafkaSettings {
    /// A consumer of chosen partitions.
    ///
    /// # Errors
    /// A property that librdkafka refuses.
    pub(super) fn open_reader(&self) -> Result<Reader, KafkaError> {
        self.reader().create_with_context(Quiet::default())
    }

    /// The same; an offset that is not there is an error to it, and not a reason to begin elsewhere.
    ///
    /// # Errors
    /// A property that librdkafka refuses.
    pub(super) fn open_reader_that_leaves_nothing_out(&self) -> Result<Reader, KafkaError> {
        let mut config = self.reader();
        config
            .set("auto.offset.reset", "error")
            .create_with_context(Quiet::default())
    }

    /// The same; it sees what transactions have not decided yet.
    ///
    /// # Errors
    /// A property that librdkafka refuses.
    pub(super) fn open_impatient_reader(&self) -> Result<Reader, KafkaError> {
        let mut config = self.reader();
        config
            .set("isolation.level", "read_uncommitted")
            .create_with_context(Quiet::default())
    }
}
