//! Looking at what a deployment has committed and stored, from outside.

use std::ops::Range;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset;
use thiserror::Error;

use super::reader::Reader;
use super::restore::passes;
use super::settings::KafkaSettings;

const QUESTION: Duration = Duration::from_secs(10);
/// Between two tries.
const MOMENT: Duration = Duration::from_millis(100);

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

/// By partition; none where there is no offset.
fn committed_by(
    reader: &Reader,
    topic: &str,
    partitions: Range<i32>,
) -> Result<Vec<Option<(i64, String)>>, InspectError> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(topic, partition);
    }
    let began = Instant::now();
    let list = loop {
        match reader.committed_offsets(list.clone(), QUESTION) {
            Err(error) if passes(&error) && began.elapsed() < QUESTION => std::thread::sleep(MOMENT),
            answer => break answer?,
        }
    };
    let committed = list.elements_for_topic(topic);
    Ok(committed
        .iter()
        .map(|element| match element.offset() {
            Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
            _ => None,
        })
        .collect())
}

impl KafkaSettings {
    /// The group's offset of a partition of the readings, with its metadata; `None` where it never committed. Waits for
    /// transactions that hold it.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub fn committed(&self, partition: i32) -> Result<Option<(i64, String)>, InspectError> {
        let mut all = committed_by(&self.open_reader()?, &self.topics.readings, partition..partition + 1)?;
        Ok(all.pop().flatten())
    }

    /// The same of all partitions, as it is now, whatever transactions hold.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub fn committed_now(&self, partitions: i32) -> Result<Vec<Option<(i64, String)>>, InspectError> {
        committed_by(&self.open_impatient_reader()?, &self.topics.readings, 0..partitions)
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
