//! A topic that is followed beside the readings.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::topic_partition_list::Offset;

use super::reader::Reader;
use super::settings::KafkaSettings;
use super::source::as_raw;
use super::warnings::Warnings;
use crate::engine::{Answer, GroupEvent, SourceError};
use crate::model::InputTopic;

/// Records handed over in one poll at most.
const MOST: usize = 1_000;
/// How long the question for the end of a partition may take.
const QUESTION: Duration = Duration::from_secs(3);
/// How long the first record may take after a partition began to be followed, and how long the next.
const FIRST_SILENCE: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(500);
const MOMENT: Duration = Duration::from_millis(20);

/// Whoever the records are for.
pub(super) type Visit<'a> = dyn FnMut(GroupEvent<'_>) -> Answer + 'a;

/// One such topic, read outside the group: its partitions go with those of the readings. Each has a client of its own,
/// so that one that is told to wait holds up no other.
pub(super) struct Beside {
    topic: InputTopic,
    name: String,
    reader: Reader,
    places: BTreeMap<i32, Place>,
    /// A record that was to be handed over later.
    waiting: Option<OwnedMessage>,
}

/// Where a partition is followed.
struct Place {
    next: i64,
    /// Up to this end everything was waited for in vain: its last offsets hold no records.
    passed: i64,
    /// Whether the broker has been heard of it since.
    is_heard: bool,
}

/// What came of one look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Something,
    Nothing,
    Later,
}

impl Beside {
    /// Follows nothing yet.
    ///
    /// # Errors
    /// A property that librdkafka refuses.
    pub fn new(settings: &KafkaSettings, topic: InputTopic) -> Result<Self, KafkaError> {
        Ok(Self {
            topic,
            name: settings.topics.input(topic).to_owned(),
            reader: settings.open_reader()?,
            places: BTreeMap::new(),
            waiting: None,
        })
    }

    /// Which topic it is.
    pub fn topic(&self) -> InputTopic {
        self.topic
    }

    /// Follows a partition from `offset`.
    pub fn follow(&mut self, partition: i32, offset: i64) {
        self.leave(&[partition]);
        let place = Place {
            next: offset,
            passed: offset,
            is_heard: false,
        };
        self.places.insert(partition, place);
        let mut list = TopicPartitionList::with_capacity(1);
        let added = list.add_partition_offset(&self.name, partition, Offset::Offset(offset));
        if let Err(error) = added.and_then(|()| self.reader.incremental_assign(&list)) {
            tracing::error!(partition, topic = self.name, %error, "a topic cannot be followed");
        }
    }

    /// Follows these partitions no more, and leaves the others alone: librdkafka aborts the process when a partition is to
    /// stop once more before it has stopped, as can happen when all are assigned anew with each that comes.
    pub fn leave(&mut self, partitions: &[i32]) {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            if self.places.remove(partition).is_some() {
                list.add_partition(&self.name, *partition);
            }
        }
        self.waiting
            .take_if(|message| partitions.contains(&message.partition()));
        if list.count() > 0
            && let Err(error) = self.reader.incremental_unassign(&list)
        {
            tracing::error!(topic = self.name, %error, "a topic is still followed where it need not be");
        }
    }

    /// Hands over what is there.
    ///
    /// # Errors
    /// When the log goes back: it is another log.
    pub fn hand_over(&mut self, warnings: &Warnings, visit: &mut Visit<'_>) -> Result<(), SourceError> {
        for _ in 0..MOST {
            if self.look(Duration::ZERO, warnings, visit)? != Look::Something {
                break;
            }
        }
        Ok(())
    }

    /// Hands over all that a partition has up to the end it has now, as far as that can be had in some seconds.
    ///
    /// # Errors
    /// When the log goes back: it is another log.
    pub fn read_to_end(
        &mut self,
        partition: i32,
        warnings: &Warnings,
        visit: &mut Visit<'_>,
    ) -> Result<(), SourceError> {
        let end = match self.reader.fetch_watermarks(&self.name, partition, QUESTION) {
            Ok((_, end)) => end,
            Err(error) => {
                tracing::warn!(partition, topic = self.name, %error, "readings are judged without what may wait");
                return Ok(());
            }
        };
        let mut last_heard = Instant::now();
        while let Some(place) = self
            .places
            .get_mut(&partition)
            .filter(|place| place.next.max(place.passed) < end)
        {
            let silence = if place.is_heard { SILENCE } else { FIRST_SILENCE };
            if last_heard.elapsed() > silence {
                // The last offsets hold no records, as after a transaction; or the broker is slow, and was given time. Once is
                // enough where it answers: what comes late all the same is handed over as it comes.
                if place.is_heard {
                    place.passed = end;
                }
                return Ok(());
            }
            match self.look(MOMENT, warnings, visit)? {
                Look::Something => last_heard = Instant::now(),
                Look::Later => return Ok(()),
                Look::Nothing => {}
            }
        }
        Ok(())
    }

    fn look(&mut self, patience: Duration, warnings: &Warnings, visit: &mut Visit<'_>) -> Result<Look, SourceError> {
        if let Some(message) = &self.waiting {
            let event = GroupEvent::Beside(self.topic, message.partition(), as_raw(message));
            if visit(event) == Answer::Later {
                return Ok(Look::Later);
            }
            self.waiting = None;
            return Ok(Look::Something);
        }
        match self.reader.poll(patience) {
            None => return Ok(Look::Nothing),
            Some(Ok(message)) => {
                if let Some(place) = self.places.get_mut(&message.partition()) {
                    if message.offset() < place.next {
                        return Err(SourceError(format!(
                            "{}/{} goes back from offset {} to {}: the topic was made anew under this instance; started again, \
                             tapwatch takes it in from its beginning",
                            self.name,
                            message.partition(),
                            place.next,
                            message.offset()
                        )));
                    }
                    (place.next, place.is_heard) = (message.offset() + 1, true);
                }
                let event = GroupEvent::Beside(self.topic, message.partition(), as_raw(&message));
                if visit(event) == Answer::Later {
                    self.waiting = Some(message.detach());
                    return Ok(Look::Later);
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                if let Some(place) = self.places.get_mut(&partition) {
                    place.is_heard = true;
                }
            }
            Some(Err(error)) => {
                let text = format!("topic {} is not read: {error}; tapwatch goes on trying", self.name);
                warnings.warn(self.topic.name(), &text);
            }
        }
        Ok(Look::Something)
    }
}
