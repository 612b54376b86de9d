//! A consumer of chosen partitions, outside the group.

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::settings::KafkaSettings;

/// A consumer that says its troubles in the log.
pub(super) type Reader = BaseConsumer<Quiet>;

/// Writes trouble into the log; that a partition has an end is none.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        if !is_end(&error) {
            tracing::warn!(%error, reason, "a reader has trouble");
        }
    }
}

impl ConsumerContext for Quiet {}

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
        self.reader().create_with_context(Quiet)
    }
}
