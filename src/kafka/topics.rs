//! The topics: what must be there, and making it.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

use super::reader::Reader;
use super::settings::KafkaSettings;
use crate::engine::Deployment;
use crate::model::InputTopic;

const QUESTION: Duration = Duration::from_secs(5);

/// What is wrong with the topics.
#[derive(Debug, Error)]
pub enum TopicsError {
    /// No broker answers.
    #[error("Kafka at {servers} does not answer: {reason}")]
    Unreachable {
        /// Where it was looked for.
        servers: String,
        /// What librdkafka says.
        reason: String,
    },
    /// The broker answers, and refuses.
    #[error("Kafka refuses: {0}")]
    Refused(String),
    /// Topics are missing or have another shape than the settings say. One line each.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
    /// A property that librdkafka refuses.
    #[error("librdkafka: {0}")]
    Client(#[from] KafkaError),
}

/// What there is of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicReport {
    /// Its name.
    pub name: String,
    /// Its partitions; 0 when it is missing.
    pub partitions: i32,
}

impl KafkaSettings {
    /// The names of all topics that the service reads or writes.
    pub fn topic_names(&self) -> [&str; 10] {
        self.wanted().map(|(name, _)| name)
    }

    /// Name and settings of each topic: those whose partitions go together first, the readings before all.
    fn wanted(&self) -> [(&str, Vec<(&'static str, &'static str)>); 10] {
        [
            // State is rebuilt from the readings: they stay until the operator says for how long. Replayed history, too:
            // Kafka counts retention from the timestamps of the records, and would delete it at once.
            (&self.topics.readings, vec![("retention.ms", "-1")]),
            (&self.topics.homes, vec![("cleanup.policy", "compact")]),
            (&self.topics.signs, vec![]),
            (&self.topics.responses, vec![]),
            // A restart reads what was said within the last hours, and a day of it stays for that; the rest goes soon.
            (
                &self.topics.zones,
                vec![
                    ("cleanup.policy", "compact"),
                    ("min.compaction.lag.ms", "86400000"),
                    ("min.cleanable.dirty.ratio", "0.3"),
                    ("segment.bytes", "67108864"),
                    ("segment.ms", "21600000"),
                ],
            ),
            // A restart reads all of it: older states of a home go soon, in segments that are closed early. How many
            // replicas must have a state before it counts (min.insync.replicas) is the cluster's to say, for this topic as
            // for the others: fewer than two of three, and a broker lost can take committed states with it.
            (
                &self.topics.state,
                vec![
                    ("cleanup.policy", "compact"),
                    ("max.message.bytes", "2097152"),
                    ("min.cleanable.dirty.ratio", "0.3"),
                    ("segment.bytes", "67108864"),
                    ("segment.ms", "21600000"),
                    ("delete.retention.ms", "86400000"),
                ],
            ),
            // Each partition of the readings has its own lists in the partition of the same number.
            (&self.topics.visits, vec![("cleanup.policy", "compact")]),
            (&self.topics.alerts, vec![]),
            (&self.topics.area_alerts, vec![]),
            // Dead letters carry what came in and why: more than what came in may have had.
            (&self.topics.dead_letter, vec![("max.message.bytes", "2097152")]),
        ]
    }
}

/// Looks at the topics.
///
/// # Errors
/// [`TopicsError::Unreachable`] when no broker answers in some seconds; [`TopicsError::Refused`] without permission;
/// [`TopicsError::Wrong`] when topics are missing, or have another number of partitions than they must, all at once.
pub fn check_topics(settings: &KafkaSettings) -> Result<Vec<TopicReport>, TopicsError> {
    let reports = count_all(settings)?;
    let mut wrong = missing_of(&reports);
    // Those that are read, the state and the visits.
    let together = &reports[..InputTopic::ALL.len() + 2];
    let readings = &reports[0];
    for other in &together[1..] {
        if readings.partitions > 0 && other.partitions > 0 && readings.partitions != other.partitions {
            wrong.push(format!(
                "topic {} has {} partitions and topic {} has {}: what they hold of a home would lie apart; make them equal",
                readings.name, readings.partitions, other.name, other.partitions
            ));
        }
    }
    for report in together {
        if settings.partitions > 0 && report.partitions > 0 && report.partitions != settings.partitions {
            wrong.push(format!(
                "topic {} has {} partitions, and kafka.partitions says {}: set kafka.partitions = {} (or 0 to take what \
                 is there) if that is right; adding partitions to a topic in use moves homes away from their history",
                report.name, report.partitions, settings.partitions, report.partitions
            ));
        }
    }
    if wrong.is_empty() {
        Ok(reports)
    } else {
        Err(TopicsError::Wrong(wrong))
    }
}

/// The topics that do not exist, each with what is to be done about it.
///
/// # Errors
/// [`TopicsError::Unreachable`] when no broker answers in some seconds; [`TopicsError::Refused`] without permission.
pub fn missing_topics(settings: &KafkaSettings) -> Result<Vec<String>, TopicsError> {
    Ok(missing_of(&count_all(settings)?))
}

fn missing_of(reports: &[TopicReport]) -> Vec<String> {
    let gone = reports.iter().filter(|report| report.partitions == 0);
    gone.map(|report| missing(&report.name)).collect()
}

/// The partitions of each topic that is needed; none where it does not exist.
fn count_all(settings: &KafkaSettings) -> Result<Vec<TopicReport>, TopicsError> {
    let client = settings.open_reader()?;
    let wanted = settings.wanted().into_iter().map(|(name, _)| {
        Ok(TopicReport {
            name: name.to_owned(),
            partitions: count_partitions(&client, settings, name)?,
        })
    });
    wanted.collect()
}

/// Looks at what the topics are told to remove: one that is compacted keeps one record of a key, and one that is not forgets
/// after its retention.
///
/// # Errors
/// [`TopicsError::Wrong`] where a topic removes what is needed; else [`TopicsError::Refused`] where the broker does not say of one (it asks
/// for `DESCRIBE_CONFIGS` on the topics).
pub async fn check_removal(settings: &KafkaSettings) -> Result<(), TopicsError> {
    const POLICY: &str = "cleanup.policy";
    let admin: AdminClient<DefaultClientContext> = settings.admin().create()?;
    let wanted = settings.wanted();
    let resources: Vec<_> = wanted.iter().map(|(name, _)| ResourceSpecifier::Topic(name)).collect();
    let options = AdminOptions::new().request_timeout(Some(QUESTION));
    let refused = |name: &str, reason: &dyn std::fmt::Display| {
        TopicsError::Refused(format!("the settings of topic {name} are not told: {reason}"))
    };
    let answers = admin.describe_configs(&resources, &options).await?;
    let (mut wrong, mut untold) = (Vec::new(), None);
    for ((name, configs), answer) in wanted.iter().zip(answers) {
        let told = answer.map_err(|code| refused(name, &code)).and_then(|resource| {
            let policy = resource.get(POLICY).and_then(|entry| entry.value.clone());
            policy.ok_or_else(|| refused(name, &"no cleanup.policy"))
        });
        let found = match told {
            Ok(found) => found,
            Err(refusal) => {
                untold.get_or_insert(refusal);
                continue;
            }
        };
        let asked = configs.iter().find(|(key, _)| *key == POLICY);
        let asked = asked.map_or("delete", |(_, value)| *value);
        if found != asked {
            let harm = match asked {
                "compact" => "retention would remove what is needed for as long as a home is watched",
                _ => "of each home only its latest record would stay",
            };
            wrong.push(format!(
                "topic {name} has {POLICY}={found}, and needs {asked}: {harm}; set it with `kafka-configs.sh --alter \
                 --entity-type topics --entity-name {name} --add-config {POLICY}={asked}`"
            ));
        }
    }
    match untold {
        _ if !wrong.is_empty() => Err(TopicsError::Wrong(wrong)),
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// The id that the cluster gave itself.
///
/// # Errors
/// [`TopicsError::Unreachable`] when no broker answers in some seconds.
pub fn cluster_id(settings: &KafkaSettings) -> Result<String, TopicsError> {
    cluster_id_by(&settings.open_reader()?, settings)
}

fn cluster_id_by(client: &Reader, settings: &KafkaSettings) -> Result<String, TopicsError> {
    let id = client.client().fetch_cluster_id(QUESTION).filter(|id| !id.is_empty());
    id.ok_or_else(|| TopicsError::Unreachable {
        servers: settings.bootstrap_servers.clone(),
        reason: client
            .context()
            .failure()
            .unwrap_or_else(|| "the cluster does not say its id".into()),
    })
}

/// Whose offsets and states these are, as the cluster knows it; `source` is that of the alerts.
///
/// # Errors
/// As [`check_topics`], for the readings topic alone.
pub fn deployment(settings: &KafkaSettings, source: &str) -> Result<Deployment, TopicsError> {
    let client = settings.open_reader()?;
    let readings = &settings.topics.readings;
    let partitions = count_partitions(&client, settings, readings)?;
    if partitions == 0 {
        return Err(TopicsError::Wrong(vec![missing(readings)]));
    }
    Ok(Deployment {
        cluster: cluster_id_by(&client, settings)?.into(),
        group: settings.group_id.as_str().into(),
        topics: InputTopic::ALL.map(|topic| settings.topics.input(topic).into()),
        partitions,
        source: source.into(),
    })
}

fn missing(topic: &str) -> String {
    format!("topic {topic} does not exist: `tapwatch topics --create` makes it")
}

fn count_partitions(client: &Reader, settings: &KafkaSettings, name: &str) -> Result<i32, TopicsError> {
    let unreachable = |error: KafkaError| match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::SaslAuthenticationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed) => {
            TopicsError::Refused(error.to_string())
        }
        _ => TopicsError::Unreachable {
            servers: settings.bootstrap_servers.clone(),
            // The error of the question is a general one; that of the connection says what is the matter.
            reason: client.context().failure().unwrap_or_else(|| error.to_string()),
        },
    };
    let answer = client.fetch_metadata(Some(name), QUESTION);
    if answer.is_err() {
        // What librdkafka had to say about it waits in the client's queue, one event a poll.
        for _ in 0..100 {
            client.poll(Duration::ZERO);
        }
    }
    let metadata = answer.map_err(unreachable)?;
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
        return Ok(0);
    };
    match topic.error().map(RDKafkaErrorCode::from) {
        None => Ok(i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX)),
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => Err(TopicsError::Refused(format!(
            "no permission on topic {name} (or it does not exist)"
        ))),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(0),
        Some(other) => Err(TopicsError::Unreachable {
            servers: settings.bootstrap_servers.clone(),
            reason: format!("topic {name}: {other}"),
        }),
    }
}

/// Looks at the topics until a broker answers; `told` hears of every try that failed, and stops it by answering false.
///
/// # Errors
/// As [`check_topics`], but an unreachable broker only when `told` gives up.
pub fn wait_for_topics(
    settings: &KafkaSettings,
    mut told: impl FnMut(&TopicsError) -> bool,
) -> Result<Vec<TopicReport>, TopicsError> {
    loop {
        match check_topics(settings) {
            Err(error @ TopicsError::Unreachable { .. }) => {
                if !told(&error) {
                    return Err(error);
                }
                std::thread::sleep(Duration::from_secs(1));
            }
            other => return other,
        }
    }
}

/// Makes the topics that are missing, and then looks at all of them.
///
/// # Errors
/// As [`check_topics`], and [`TopicsError::Refused`] where the broker does not make one.
pub async fn create_topics(settings: &KafkaSettings) -> Result<Vec<TopicReport>, TopicsError> {
    let admin: AdminClient<DefaultClientContext> = settings.admin().create()?;
    let partitions = if settings.partitions == 0 {
        1
    } else {
        settings.partitions
    };
    let wanted = settings.wanted();
    let topics = wanted.iter().map(|(name, configs)| {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(settings.replication));
        for (key, value) in configs {
            topic = topic.set(key, value);
        }
        topic
    });
    let topics: Vec<NewTopic<'_>> = topics.collect();
    let options = AdminOptions::new()
        .request_timeout(Some(QUESTION))
        .operation_timeout(Some(QUESTION));
    let outcomes = admin
        .create_topics(&topics, &options)
        .await
        .map_err(|error| TopicsError::Unreachable {
            servers: settings.bootstrap_servers.clone(),
            reason: error.to_string(),
        })?;
    for outcome in outcomes {
        match outcome {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(TopicsError::Refused(format!("topic {name} is not made: {code}"))),
        }
    }
    // A topic just made is not known to every broker at once.
    let mut last = check_topics(settings);
    for _ in 0..20 {
        match &last {
            Err(TopicsError::Wrong(lines)) if lines.iter().any(|line| line.contains("does not exist")) => {
                std::thread::sleep(Duration::from_millis(250));
                last = check_topics(settings);
            }
            _ => break,
        }
    }
    last
}
