//! What the run asks of Kafka: how far the group is, what lies on a topic, and that it be gone afterwards.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers, Message, Timestamp};
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientContext, TopicPartitionList};

use super::aside::OpenAlert;
use super::feed::{Ends, Rest};
use super::settings::all_topics;
use crate::engine::CommitMetadata;
use crate::kafka::KafkaSettings;
use crate::model::InputTopic;

const QUESTION: Duration = Duration::from_secs(10);
/// A topic of which nothing comes for so long cannot be read.
const SILENCE: Duration = Duration::from_secs(60);

/// A record as it lies in its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub partition: i32,
    pub offset: i64,
    /// Kafka's timestamp in milliseconds.
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
}

/// The cluster, under the settings of the run.
pub struct Cluster {
    settings: KafkaSettings,
    committed: Client,
    uncommitted: Client,
    /// It follows one topic at a time; a new one for each time would need half a second to find the brokers.
    contents: Mutex<Client>,
}

/// Why it is not known that nothing more happens.
#[derive(Debug, thiserror::Error)]
pub enum Unrest {
    /// What is still to come.
    #[error("{0}")]
    ToCome(String),
    /// The cluster did not say.
    #[error("whether all has come to rest: {0}")]
    Unknown(#[from] KafkaError),
}

type Client = BaseConsumer<Quiet>;

/// Brokers that are away are a part of the matter: what librdkafka says of them is for debugging.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, "librdkafka: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "librdkafka: {reason}");
    }
}

impl ConsumerContext for Quiet {}

impl Cluster {
    /// Connects.
    pub fn open(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        Ok(Self {
            settings: settings.clone(),
            committed: reader(settings, "read_committed")?,
            uncommitted: reader(settings, "read_uncommitted")?,
            contents: Mutex::new(reader(settings, "read_committed")?),
        })
    }

    /// How far the group has committed the topics that are sent.
    pub fn progress(&self) -> Result<Progress, KafkaError> {
        // Asked first: what a commit after it wrote is then found not to be followed.
        let followed = self.followed()?;
        Ok(Progress {
            ends: self.ends()?,
            followed,
        })
    }

    /// What there is, if nothing more happens until something is sent: all that is read is committed, what was said
    /// of zones, too, and no transaction is open.
    pub fn rest(&self) -> Result<Rest, Unrest> {
        let progress = self.progress()?;
        if let Some(behind) = progress.behind() {
            return Err(Unrest::ToCome(behind));
        }
        let topics = &self.settings.topics;
        for topic in [&topics.zones, &topics.alerts] {
            if !self.is_settled(topic)? {
                return Err(Unrest::ToCome(format!("a transaction on {topic} is open")));
            }
        }
        // Behind the last record there are markers, which nobody follows.
        let zones = self.read(&topics.zones)?;
        let is_ahead = |record: &&Stored| progress.next((InputTopic::Zones, record.partition)) <= record.offset;
        if let Some(Stored { partition, offset, .. }) = zones.iter().find(is_ahead) {
            let behind = format!("{}/{partition} is not committed beyond {offset}", topics.zones);
            return Err(Unrest::ToCome(behind));
        }
        let open = open_alerts(&self.read(&topics.alerts)?);
        let ends = progress.ends;
        Ok(Rest { ends, open })
    }

    /// The next offset of each topic that is read, as the group has committed it.
    fn followed(&self) -> Result<Ends, KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&self.settings.topics.readings, 0, self.settings.partitions - 1);
        let mut next = Ends::new();
        for element in self.committed.committed_offsets(list, QUESTION)?.elements() {
            element.error()?;
            let partition = element.partition();
            if let Offset::Offset(offset) = element.offset() {
                next.insert((InputTopic::Readings, partition), offset);
            }
            if let Ok(metadata) = element.metadata().parse::<CommitMetadata>() {
                let beside = InputTopic::BESIDE.map(|topic| ((topic, partition), metadata.beside.next(topic)));
                next.extend(beside);
            }
        }
        Ok(next)
    }

    /// Where the topics that are read end.
    fn ends(&self) -> Result<Ends, KafkaError> {
        let mut ends = Ends::new();
        for topic in InputTopic::ALL {
            let name = self.settings.topics.input(topic);
            for partition in 0..self.settings.partitions {
                let end = self.committed.fetch_watermarks(name, partition, QUESTION)?.1;
                ends.insert((topic, partition), end);
            }
        }
        Ok(ends)
    }

    /// Partitions of a topic.
    pub fn partitions(&self, topic: &str) -> Result<i32, KafkaError> {
        let metadata = self.committed.fetch_metadata(Some(topic), QUESTION)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        Ok(found.map_or(0, |found| found.partitions().len() as i32))
    }

    /// Whether no transaction on the topic is open: then a reader of what is committed sees all there is.
    pub fn is_settled(&self, topic: &str) -> Result<bool, KafkaError> {
        for partition in 0..self.partitions(topic)? {
            let stable = self.committed.fetch_watermarks(topic, partition, QUESTION)?.1;
            let end = self.uncommitted.fetch_watermarks(topic, partition, QUESTION)?.1;
            if stable < end {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Everything on a topic that is committed, partition by partition in the order of the offsets.
    pub fn read(&self, topic: &str) -> Result<Vec<Stored>, KafkaError> {
        let client = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = TopicPartitionList::new();
        let partitions = self.partitions(topic)?;
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        client.assign(&list)?;
        let (mut records, mut ended) = (Vec::new(), BTreeSet::new());
        let mut last_heard = Instant::now();
        while ended.len() < partitions as usize {
            match client.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => {
                    ended.remove(&message.partition());
                    records.push(stored(&message));
                    last_heard = Instant::now();
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ended.insert(partition);
                }
                Some(Err(error)) if last_heard.elapsed() > SILENCE => return Err(error),
                Some(Err(error)) => tracing::debug!(%error, topic, "reading goes on"),
                None if last_heard.elapsed() > SILENCE => {
                    return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
                }
                None => {}
            }
        }
        client.unassign()?;
        records.sort_by_key(|record| (record.partition, record.offset));
        Ok(records)
    }

    /// Deletes topics and group; answers what is left and why.
    pub async fn delete(&self) -> Result<Vec<String>, KafkaError> {
        let mut config = client(&self.settings);
        config.remove("group.protocol");
        let admin: AdminClient<DefaultClientContext> = config.create()?;
        let options = AdminOptions::new()
            .request_timeout(Some(QUESTION))
            .operation_timeout(Some(QUESTION));
        let topics = all_topics(&self.settings.topics);
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let group = [self.settings.group_id.as_str()];
        let outcomes = [
            admin.delete_groups(&group, &options).await,
            admin.delete_topics(&topics, &options).await,
        ];
        let mut left = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(results) => {
                    let refused = results.into_iter().filter_map(Result::err);
                    left.extend(refused.map(|(name, code)| format!("{name}: {code}")));
                }
                Err(error) => left.push(error.to_string()),
            }
        }
        Ok(left)
    }
}

/// How far the group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Where the topics that are read end.
    ends: Ends,
    /// The next offsets that are committed.
    followed: Ends,
}

impl Progress {
    fn next(&self, place: (InputTopic, i32)) -> i64 {
        self.followed.get(&place).copied().unwrap_or(0)
    }

    /// Records on the topics that are sent.
    pub fn all(&self) -> i64 {
        self.ends
            .iter()
            .filter(|((topic, _), _)| is_sent(*topic))
            .map(|(_, end)| end)
            .sum()
    }

    /// Which of these topics are not committed to their ends, and how far they are, if there are any.
    pub fn behind(&self) -> Option<String> {
        let behind = self
            .ends
            .iter()
            .filter(|(place, end)| is_sent(place.0) && self.next(**place) < **end);
        let words = behind.map(|(place, end)| {
            let (topic, partition) = (place.0.name(), place.1);
            format!("partition {partition} of {topic} up to {} of {end}", self.next(*place))
        });
        let words: Vec<_> = words.collect();
        (!words.is_empty()).then(|| format!("committed: {}", words.join(", ")))
    }
}

/// Whether a topic has records from outside alone, and so no markers.
fn is_sent(topic: InputTopic) -> bool {
    topic != InputTopic::Zones
}

/// The alerts of which the last record does not say that they are over, in the order of homes.
fn open_alerts(records: &[Stored]) -> Vec<OpenAlert> {
    let mut open = BTreeSet::new();
    for record in records {
        let value: serde_json::Value =
            serde_json::from_slice(record.value.as_deref().unwrap_or_default()).unwrap_or_default();
        let (Some(household), Some(alert_id)) = (value["household_id"].as_str(), value["alert_id"].as_str()) else {
            continue; // A withdrawal, behind the ends of its home's alerts.
        };
        let alert = OpenAlert {
            household: household.to_owned(),
            alert_id: alert_id.to_owned(),
        };
        if value["state"] == "resolved" {
            open.remove(&alert);
        } else {
            open.insert(alert);
        }
    }
    open.into_iter().collect()
}

/// A client to the cluster of the settings, by the operator's own properties.
fn client(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.bootstrap_servers);
    config.set("reconnect.backoff.max.ms", "2000");
    // Asked for a partition whose leader has just died, librdkafka goes on saying that there is none until it asks anew who leads.
    config.set("topic.metadata.refresh.interval.ms", "2000");
    config.set("log.connection.close", "false");
    for (key, value) in &settings.properties {
        config.set(key, value);
    }
    config
}

fn reader(settings: &KafkaSettings, isolation: &str) -> Result<Client, KafkaError> {
    let mut config = client(settings);
    // It is no member of the group, it only asks for its offsets.
    config.remove("group.protocol");
    config
        .set("group.id", &settings.group_id)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        // A broker would else keep the answer that says where a topic ends, and a rest is a dozen of those.
        .set("fetch.wait.max.ms", "10")
        .set("isolation.level", isolation);
    config.create_with_context(Quiet)
}

fn stored(message: &impl Message) -> Stored {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    Stored {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: match message.timestamp() {
            Timestamp::NotAvailable => None,
            Timestamp::CreateTime(millis) | Timestamp::LogAppendTime(millis) => Some(millis),
        },
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers
            .map(|header| (header.key.to_owned(), text(header.value)))
            .collect(),
    }
}
