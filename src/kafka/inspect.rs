//! Looking at what a deployment has committed and stored, from outside.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset;
use thiserror::Error;

use super::settings::KafkaSettings;

const QUESTION: Duration = Duration::from_secs(10);

/// Topics or offsets could not be looked at.
#[derive(Debug, Error)]
pub enum InspectError {
    /// What librdkafka says.
    #[error("asking Kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// Nothing comes.
    #[error("{topic}/{partition}: nothing came for {} s", QUESTION.as_secs())]
    Silence {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
}

impl KafkaSettings {
    /// The group's offset of a partition of the readings, with its metadata; `None` where it never committed. Waits for
    /// transactions that hold it.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub fn committed(&self, partition: i32) -> Result<Option<(i64, String)>, InspectError> {
        let reader = self.open_reader()?;
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&self.topics.readings, partition);
        let list = reader.committed_offsets(list, QUESTION)?;
        let element = list.find_partition(&self.topics.readings, partition);
        Ok(element.and_then(|element| match element.offset() {
            Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
            _ => None,
        }))
    }

    /// The first retained offset of a partition, and its last stable one.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub fn retained(&self, topic: &str, partition: i32) -> Result<(i64, i64), InspectError> {
        Ok(self.open_reader()?.fetch_watermarks(topic, partition, QUESTION)?)
    }

    /// Hands over every committed record of a partition: offset, key and payload.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub fn scan(
        &self,
        topic: &str,
        partition: i32,
        mut take: impl FnMut(i64, Option<&[u8]>, Option<&[u8]>),
    ) -> Result<(), InspectError> {
        let reader = self.open_reader()?;
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
        reader.assign(&list)?;
        let mut heard = Instant::now();
        loop {
            match reader.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    take(message.offset(), message.key(), message.payload());
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) => return Err(error.into()),
                None if heard.elapsed() > QUESTION => {
                    return Err(InspectError::Silence {
                        topic: topic.to_owned(),
                        partition,
                    });
                }
                None => {}
            }
        }
    }
}
