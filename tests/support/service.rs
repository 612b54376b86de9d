//! tapwatch as it is deployed: topics and a group of its own on a broker, and what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionListElem};
use serde_json::Value;
use tapwatch::kafka::KafkaSettings;

use super::broker::Broker;
use super::process::{HANGS, Instance, Running, refusal, success, tapwatch, wait_until};
use super::said::Said;

/// Partitions of a deployment, unless its test says otherwise.
pub const PARTITIONS: u32 = 4;

/// A record as it lies in its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: BTreeMap<String, String>,
}

/// What topics there are, as their names end.
pub const PURPOSES: [&str; 10] = [
    "readings",
    "homes",
    "signs",
    "responses",
    "zones",
    "alerts",
    "area-alerts",
    "visits",
    "dead-letter",
    "state",
];

/// Topics and a group on a broker, and the settings that name them.
pub struct Deployment {
    name: String,
    /// What the names of the topics begin with that others write.
    inputs: String,
    client: ClientConfig,
    settings: Vec<String>,
}

impl Deployment {
    /// Names only: nothing is made yet.
    pub fn named(broker: &Broker, name: &str) -> Self {
        Self::with_inputs(broker, name, name)
    }

    /// The same, with what others write for another deployment.
    pub fn beside(broker: &Broker, name: &str, inputs: &str) -> Self {
        let deployment = Self::with_inputs(broker, name, inputs);
        deployment.run(&["topics", "--create"]);
        deployment
    }

    fn with_inputs(broker: &Broker, name: &str, inputs: &str) -> Self {
        let mut settings = vec![
            format!("kafka.bootstrap_servers={}", broker.bootstrap()),
            format!("kafka.group_id={name}"),
            format!("kafka.partitions={PARTITIONS}"),
            "privacy.consent=assumed".to_owned(),
        ];
        let mut deployment = Self {
            name: name.to_owned(),
            inputs: inputs.to_owned(),
            client: broker.client(),
            settings: Vec::new(),
        };
        for purpose in PURPOSES {
            let (key, topic) = (purpose.replace('-', "_"), deployment.topic(purpose));
            settings.push(format!("kafka.topics.{key}={topic}"));
        }
        deployment.settings = settings;
        deployment
    }

    /// With its topics, made by `tapwatch topics --create`.
    pub fn new(broker: &Broker, name: &str) -> Self {
        let deployment = Self::named(broker, name);
        let said = deployment.run(&["topics", "--create"]);
        assert!(
            said.contains(&format!("{name}.readings: {PARTITIONS} partitions")),
            "{said}"
        );
        deployment
    }

    /// With another setting; the later of one key wins.
    pub fn with(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// The name of its topic of this purpose.
    pub fn topic(&self, purpose: &str) -> String {
        let whose = match purpose {
            "readings" | "homes" | "signs" | "responses" => &self.inputs,
            _ => &self.name,
        };
        format!("{whose}.{purpose}")
    }

    /// Settings of a client of its broker.
    pub fn client(&self) -> ClientConfig {
        self.client.clone()
    }

    /// Those of its settings that a client needs which runs in the test itself.
    pub fn kafka(&self) -> KafkaSettings {
        let mut settings = KafkaSettings {
            bootstrap_servers: self.client.get("bootstrap.servers").unwrap_or_default().to_owned(),
            group_id: self.name.clone(),
            ..KafkaSettings::default()
        };
        let topics = &mut settings.topics;
        for (name, purpose) in [
            (&mut topics.readings, "readings"),
            (&mut topics.homes, "homes"),
            (&mut topics.signs, "signs"),
            (&mut topics.responses, "responses"),
            (&mut topics.zones, "zones"),
            (&mut topics.state, "state"),
        ] {
            *name = self.topic(purpose);
        }
        settings
    }

    /// The arguments of a command under its settings.
    pub fn arguments<'a>(&'a self, command: &[&'a str]) -> Vec<&'a str> {
        let settings = self.settings.iter().flat_map(|setting| ["--set", setting.as_str()]);
        command.iter().copied().chain(settings).collect()
    }

    /// Runs a command that must succeed; its output.
    pub fn run(&self, command: &[&str]) -> String {
        success(&tapwatch(self.arguments(command)))
    }

    /// Runs a command that must end with exit code 1; what it says about it.
    pub fn refused(&self, command: &[&str]) -> String {
        refusal(&tapwatch(self.arguments(command)))
    }

    /// Starts `tapwatch run`, with these settings besides.
    pub fn start_with(&self, settings: &[&str]) -> Instance {
        let mut arguments = self.arguments(&["run"]);
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        Instance::start(&arguments)
    }

    /// Starts `tapwatch run`.
    pub fn start(&self) -> Instance {
        self.start_with(&[])
    }

    /// Starts a replay of this file that takes about `seconds`, of a stream `days` long.
    pub fn start_replay(&self, readings: &Path, days: u32, seconds: u32) -> Running {
        let speed = (days * 86_400 / seconds).to_string();
        let readings = readings.to_string_lossy();
        let command = ["replay", "--readings", &readings, "--speed", &speed];
        Running::start(&self.arguments(&command))
    }

    fn consumer(&self) -> BaseConsumer {
        let mut config = self.client.clone();
        config
            .set("group.id", &self.name)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed");
        config.create().expect("a consumer")
    }

    /// The group's offset in each partition of the readings, with its metadata; 0 where it has none.
    pub fn committed(&self) -> Vec<(i64, String)> {
        let (topic, consumer) = (self.topic("readings"), self.consumer());
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&topic, 0, PARTITIONS as i32 - 1);
        // The coordinator of a group that is asked for the first time may have to be found.
        let mut committed = None;
        wait_until("the broker answers", || {
            committed = consumer.committed_offsets(list.clone(), HANGS).ok();
            committed.is_some()
        });
        let committed = committed.expect("an answer");
        let offset = |element: &TopicPartitionListElem<'_>| match element.offset() {
            Offset::Offset(offset) => offset,
            _ => 0,
        };
        committed
            .elements()
            .iter()
            .map(|element| (offset(element), element.metadata().to_owned()))
            .collect()
    }

    /// Sets the group's offset in each partition of the readings, as its administrator may while nobody runs.
    pub fn set_committed(&self, offsets: &[(i64, String)]) {
        let topic = self.topic("readings");
        let mut list = TopicPartitionList::new();
        for (partition, (offset, metadata)) in (0..).zip(offsets) {
            let mut element = list.add_partition(&topic, partition);
            element.set_offset(Offset::Offset(*offset)).expect("an offset");
            element.set_metadata(metadata.as_str());
        }
        // The group takes offsets from outside as soon as its last member is gone.
        wait_until("the group takes offsets", || {
            self.consumer().commit(&list, CommitMode::Sync).is_ok()
        });
    }

    /// How many readings are committed, and how many there are.
    pub fn progress(&self) -> (i64, i64) {
        let (topic, consumer) = (self.topic("readings"), self.consumer());
        let committed = self.committed().into_iter().map(|(offset, _)| offset);
        let ends = (0..PARTITIONS as i32).map(|partition| {
            let mut end = 0;
            // A partition that was made just now may still be without a leader.
            wait_until("the broker answers", || {
                let watermarks = consumer.fetch_watermarks(&topic, partition, HANGS);
                watermarks.is_ok_and(|(_, found)| {
                    end = found;
                    true
                })
            });
            end
        });
        (committed.sum(), ends.sum())
    }

    /// Waits until every reading is committed; then everything that follows from them is on its topics.
    pub fn wait_until_done(&self, readings: usize) {
        let readings = i64::try_from(readings).expect("a number of readings");
        let mut progress = (0, 0);
        // A transaction that a broker took with it is waited for until it times out, which takes a minute.
        let deadline = Instant::now() + 3 * HANGS;
        // A producer whose broker is killed may send again what was already there.
        while progress.0 != progress.1 || progress.1 < readings {
            assert!(
                Instant::now() < deadline,
                "of {readings} readings {} are committed, {} are in",
                progress.0,
                progress.1
            );
            thread::sleep(Duration::from_millis(50));
            progress = self.progress();
        }
    }

    /// Everything in one of its topics.
    pub fn records(&self, purpose: &str) -> Vec<Stored> {
        let (topic, consumer) = (self.topic(purpose), self.consumer());
        let metadata = consumer
            .fetch_metadata(Some(&topic), HANGS)
            .expect("the broker answers");
        let mut list = TopicPartitionList::new();
        let partitions = metadata.topics()[0].partitions().len();
        wait_until_decided(&self.client, &topic, partitions as i32);
        for partition in 0..partitions as i32 {
            list.add_partition_offset(&topic, partition, Offset::Beginning)
                .expect("an offset");
        }
        consumer.assign(&list).expect("an assignment");
        let (mut records, mut ended) = (Vec::new(), BTreeSet::new());
        let deadline = Instant::now() + HANGS;
        while ended.len() < partitions {
            assert!(Instant::now() < deadline, "{topic} cannot be read to its end");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => records.push(Stored {
                    partition: message.partition(),
                    offset: message.offset(),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    headers: headers(&message),
                }),
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
                Some(Err(error)) => panic!("{topic}: {error}"),
                None => {}
            }
        }
        records
    }

    /// The alerts, each once, in the order of their partitions.
    pub fn alerts(&self) -> Said {
        let mut said = Said::default();
        for record in self.records("alerts") {
            said.add(&record.headers["ce_id"], &data(&record));
        }
        said.dead_letters = self.dead_letters();
        said
    }

    /// Reason, partition, offset and payload of the dead letters.
    pub fn dead_letters(&self) -> BTreeSet<[String; 4]> {
        let fields = |letter: Stored| {
            let header = |name: &str| letter.headers[name].clone();
            let value = String::from_utf8_lossy(letter.value.as_deref().unwrap_or_default()).into_owned();
            let [reason, partition, offset] =
                ["reason", "partition", "offset"].map(|name| header(&format!("tapwatch_{name}")));
            [reason, partition, offset, value]
        };
        self.records("dead-letter").into_iter().map(fields).collect()
    }
}

/// Waits until all that has been written to a topic is decided. A broker says that a transaction is committed before the
/// partitions know of it: whoever reads at once may not see what it has just been told of.
pub fn wait_until_decided(client: &ClientConfig, topic: &str, partitions: i32) {
    let consumer_that_sees = |isolation: &str| -> BaseConsumer {
        let mut config = client.clone();
        config.set("group.id", "onlooker").set("isolation.level", isolation);
        config.create().expect("a consumer")
    };
    // A partition that has just lost its leader has none to ask.
    let end = |consumer: &BaseConsumer, partition| {
        let answer = consumer.fetch_watermarks(topic, partition, Duration::from_secs(5));
        answer.ok().map(|(_, end)| end)
    };
    let (committed, all) = (
        consumer_that_sees("read_committed"),
        consumer_that_sees("read_uncommitted"),
    );
    for partition in 0..partitions {
        let mut written = None;
        wait_until("transactions are over", || {
            written = written.or_else(|| end(&all, partition));
            written.is_some() && end(&committed, partition) >= written
        });
    }
}

fn headers<M: Message>(message: &M) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for header in message.headers().into_iter().flat_map(Headers::iter) {
        let value = String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
        let before = map.insert(header.key.to_owned(), value);
        assert_eq!(before, None, "the header {} is there twice", header.key);
    }
    map
}

fn data(record: &Stored) -> Value {
    serde_json::from_slice(record.value.as_deref().expect("an alert has data")).expect("an alert is JSON")
}
