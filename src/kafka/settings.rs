//! Settings of the connection, the group and the topics.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};

use crate::model::{InputTopic, Output};

/// How tapwatch meets Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaSettings {
    /// Brokers to begin with: `host:port`, several with commas.
    pub bootstrap_servers: String,
    /// The consumer group; all instances of a deployment share it.
    pub group_id: String,
    /// A name of this instance that outlives it, its own among all instances of the group. Empty: the machine's name and a
    /// number. `none`: no such name; a restarted instance then waits for its predecessor's session to run out.
    pub instance_id: String,
    /// Names of the topics.
    pub topics: TopicNames,
    /// Partitions of the topics that are read: `topics --create` makes so many, and `run` insists on them; 0 takes
    /// what is there.
    pub partitions: i32,
    /// Replicas of topics that `topics --create` makes.
    pub replication: i32,
    /// Readings taken in one turn at most. librdkafka hands them out partition by partition, some ten thousand at a time: with
    /// fewer there are too few partitions in hand to keep several threads busy.
    pub max_batch: usize,
    /// A transaction that takes longer is ended by the broker, in milliseconds. Until then, what a dead instance left open
    /// holds up whoever reads the alerts.
    pub transaction_timeout_ms: u32,
    /// Any property of librdkafka, by its own name: `"security.protocol" = "SASL_SSL"` and so on.
    pub properties: BTreeMap<String, String>,
}

/// Names of the topics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicNames {
    /// Readings in; key: household_id.
    pub readings: String,
    /// Time zone, zone, programme, consent and absence of homes (compacted); key: household_id.
    pub homes: String,
    /// Other signs of life in; key: household_id.
    pub signs: String,
    /// What became of alerts, in; key: household_id.
    pub responses: String,
    /// What instances tell each other of zones (compacted); key: zone.
    pub zones: String,
    /// Alerts out; key: household_id.
    pub alerts: String,
    /// Alerts of areas out; key: zone.
    pub area_alerts: String,
    /// Lists of visits out (compacted); key: programme.
    pub visits: String,
    /// Records that were kept out, with the reason.
    pub dead_letter: String,
    /// States of homes (compacted), in as many partitions as the readings; key: household_id. Each group has its own.
    pub state: String,
}

impl Default for TopicNames {
    fn default() -> Self {
        let name = |last: &str| format!("tapwatch.{last}");
        Self {
            readings: name("readings"),
            homes: name("homes"),
            signs: name("signs"),
            responses: name("responses"),
            zones: name("zones"),
            alerts: name("alerts"),
            area_alerts: name("area-alerts"),
            visits: name("visits"),
            dead_letter: name("dead-letter"),
            state: name("state"),
        }
    }
}

impl TopicNames {
    /// The name of a topic that is read.
    pub fn input(&self, topic: InputTopic) -> &str {
        match topic {
            InputTopic::Readings => &self.readings,
            InputTopic::Homes => &self.homes,
            InputTopic::Signs => &self.signs,
            InputTopic::Responses => &self.responses,
            InputTopic::Zones => &self.zones,
        }
    }

    /// The name of a topic that is written.
    pub fn output(&self, output: Output) -> &str {
        match output {
            Output::Alerts => &self.alerts,
            Output::DeadLetters => &self.dead_letter,
            Output::State => &self.state,
            Output::Visits => &self.visits,
            Output::Zones => &self.zones,
            Output::AreaAlerts => &self.area_alerts,
        }
    }
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            bootstrap_servers: "127.0.0.1:9092".into(),
            group_id: "tapwatch".into(),
            instance_id: String::new(),
            topics: TopicNames::default(),
            partitions: 4,
            replication: 1,
            max_batch: 50_000,
            transaction_timeout_ms: 10_000,
            properties: BTreeMap::new(),
        }
    }
}

/// Properties that the engine's promises rest on, and that settings may not change.
const OURS: [&str; 20] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "group.instance.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "delivery.report.only.error",
    "retries",
    "message.send.max.retries",
    "enable.partition.eof",
    "partitioner",
    "transactional.id",
    "transaction.timeout.ms",
    "isolation.level",
];

/// Whether a text names a broker, with a port or without; librdkafka takes ports modulo 65,536.
fn is_broker(text: &str) -> bool {
    const SCHEMES: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
    let (scheme, address) = text.trim().split_once("://").unwrap_or((SCHEMES[0], text.trim()));
    // A colon within brackets belongs to an address of IPv6.
    let port = address.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
    let (host, port) = port.unwrap_or((address, "9092"));
    let is_host = !host.is_empty() && !host.contains(['/', ' ', '"']);
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    SCHEMES.contains(&scheme.to_uppercase().as_str()) && is_host && is_port
}

/// Names that are no topic's, and topics that are Kafka's own.
const OF_KAFKA: [&str; 6] = [
    ".",
    "..",
    "__consumer_offsets",
    "__transaction_state",
    "__cluster_metadata",
    "__share_group_state",
];

impl KafkaSettings {
    /// What is wrong with the settings, by key; whether librdkafka takes the properties is part of it.
    pub fn mistakes(&self) -> Vec<(String, String)> {
        let mut mistakes = Vec::new();
        let mut mistake = |key: &str, message: String| mistakes.push((key.to_owned(), message));
        // librdkafka passes over empty ones.
        let brokers = self
            .bootstrap_servers
            .split(',')
            .filter(|broker| !broker.trim().is_empty());
        if brokers.clone().next().is_none() {
            mistake("bootstrap_servers", "no broker is named".into());
        }
        for broker in brokers.filter(|broker| !is_broker(broker)) {
            mistake(
                "bootstrap_servers",
                format!("{broker:?} is no broker; expects host:port, or several with commas between them"),
            );
        }
        if self.group_id.is_empty() {
            mistake("group_id", "the group has no name".into());
        }
        let topics = &self.topics;
        let names = [
            ("topics.readings", &topics.readings),
            ("topics.homes", &topics.homes),
            ("topics.signs", &topics.signs),
            ("topics.responses", &topics.responses),
            ("topics.zones", &topics.zones),
            ("topics.alerts", &topics.alerts),
            ("topics.area_alerts", &topics.area_alerts),
            ("topics.visits", &topics.visits),
            ("topics.dead_letter", &topics.dead_letter),
            ("topics.state", &topics.state),
        ];
        for (index, (key, name)) in names.iter().enumerate() {
            let is_right = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            let is_kafkas_own = OF_KAFKA.contains(&name.as_str());
            if name.is_empty() || name.len() > 249 || is_kafkas_own || !name.chars().all(is_right) {
                mistake(key, format!("{name:?} is no name of a Kafka topic"));
            }
            if let Some((other, _)) = names[..index].iter().find(|(_, other)| other == name) {
                mistake(key, format!("{name:?} is the name of {other} too"));
            }
        }
        if !(0..=10_000).contains(&self.partitions) {
            mistake("partitions", format!("{} is not between 0 and 10000", self.partitions));
        }
        if !(1..=100).contains(&self.replication) {
            mistake("replication", format!("{} is not between 1 and 100", self.replication));
        }
        if !(1..=1_000_000).contains(&self.max_batch) {
            mistake("max_batch", format!("{} is not between 1 and 1000000", self.max_batch));
        }
        if !(1_000..=900_000).contains(&self.transaction_timeout_ms) {
            let message = format!("{} is not between 1000 and 900000", self.transaction_timeout_ms);
            mistake("transaction_timeout_ms", message);
        }
        for key in self.properties.keys().filter(|key| OURS.contains(&key.as_str())) {
            let message = "is set by tapwatch itself; use the setting of its own, where there is one".to_owned();
            mistake(&format!("properties.{key}"), message);
        }
        if mistakes.is_empty()
            && let Err(error) = self.consumer(None).create_native_config()
        {
            mistakes.push(("properties".into(), error.to_string()));
        }
        mistakes
    }

    /// What all clients share.
    fn client(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", "tapwatch");
        // Reconnect soon after a broker comes back, and say little while it is away: tapwatch says it in one line.
        config
            .set("reconnect.backoff.max.ms", "2000")
            // A client that has learnt of a partition while nobody led it may ask again only with the next refresh, which is in
            // five minutes if nothing else is said: what lies beside the readings then waits so long after a broker has died.
            .set("topic.metadata.refresh.interval.ms", "10000")
            .set("log.connection.close", "false");
        for (key, value) in defaults {
            config.set(*key, *value);
        }
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config
    }

    /// Whether the group is led by the broker (KIP-848).
    pub(super) fn speaks_consumer_protocol(&self) -> bool {
        let protocol = self.properties.get("group.protocol");
        protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer"))
    }

    /// A member of the group, under a name that outlives it or none.
    pub(super) fn consumer(&self, instance: Option<&str>) -> ClientConfig {
        let defaults = [
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("session.timeout.ms", "10000"),
            // Rebalances wait for the other members' heartbeats.
            ("heartbeat.interval.ms", "500"),
            // The defaults of these four alone cost a factor of four in throughput, or much memory.
            ("fetch.queue.backoff.ms", "5"),
            ("fetch.wait.max.ms", "50"),
            ("queued.min.messages", "20000"),
            ("queued.max.messages.kbytes", "32768"),
            ("statistics.interval.ms", "2000"),
            ("enable.partition.eof", "true"),
        ];
        let mut config = self.client(&defaults);
        if self.speaks_consumer_protocol() {
            // With the new protocol these live on the broker, and a client that sets them is refused.
            for key in [
                "partition.assignment.strategy",
                "session.timeout.ms",
                "heartbeat.interval.ms",
            ] {
                config.remove(key);
            }
        }
        config
            .set("group.id", &self.group_id)
            .set("enable.auto.commit", "false");
        config
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            // What was published and then aborted never was; offsets that a transaction still holds are waited for.
            .set("isolation.level", "read_committed");
        if let Some(instance) = instance {
            config.set("group.instance.id", instance);
        }
        config
    }

    /// A consumer of chosen partitions, outside the group's assignments.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut config = self.consumer(None);
        for key in ["group.protocol", "statistics.interval.ms"] {
            config.remove(key);
        }
        config
    }

    /// A producer that gives up on nothing that waiting mends.
    pub(super) fn producer(&self) -> ClientConfig {
        let defaults = [
            ("enable.idempotence", "true"),
            // Never time out: while the broker is away, consumption stops and waits.
            ("message.timeout.ms", "0"),
            ("linger.ms", "5"),
            ("compression.type", "zstd"),
            // The partitioner of Kafka's own clients, so that homes lie where other producers put them.
            ("partitioner", "murmur2_random"),
            // Dead letters carry what came in, however large.
            ("message.max.bytes", "20000000"),
        ];
        self.client(&defaults)
    }

    /// A producer of transactions. Its name is its own in the cluster: a second one of that name shuts the first out.
    pub(super) fn transactional(&self, id: &str) -> ClientConfig {
        let timeout = self.transaction_timeout_ms.to_string();
        let request_timeout = self.transaction_timeout_ms.min(60_000).to_string();
        let defaults = [
            // A transaction's records are handed over together and waited for: there is nothing to linger for.
            ("linger.ms", "0"),
            ("socket.timeout.ms", request_timeout.as_str()),
            // A broker that finds a batch too large refuses all of its records; small ones shall not share that fate.
            ("batch.size", "131072"),
            ("compression.type", "zstd"),
            // Dead letters carry what came in, however large.
            ("message.max.bytes", "20000000"),
        ];
        let mut config = self.client(&defaults);
        config
            .set("transactional.id", id)
            .set("transaction.timeout.ms", &timeout)
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", &timeout)
            .set("partitioner", "murmur2_random");
        config
    }

    /// A client for questions about the cluster.
    pub(super) fn admin(&self) -> ClientConfig {
        self.client(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(settings: &KafkaSettings) -> Vec<String> {
        settings.mistakes().into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn the_defaults_are_right() {
        assert_eq!(KafkaSettings::default().mistakes(), []);
    }

    #[test]
    fn topics_differ_and_the_timeout_has_bounds() {
        let mut settings = KafkaSettings::default();
        settings.topics.state = settings.topics.homes.clone();
        settings.transaction_timeout_ms = 999;
        assert_eq!(keys(&settings), ["topics.state", "transaction_timeout_ms"]);
        settings = KafkaSettings::default();
        settings.transaction_timeout_ms = 900_001;
        assert_eq!(keys(&settings), ["transaction_timeout_ms"]);
    }

    #[test]
    fn what_exactness_rests_on_is_not_for_the_settings() {
        for key in OURS {
            let mut settings = KafkaSettings::default();
            settings.properties.insert(key.into(), "1".into());
            assert_eq!(keys(&settings), [format!("properties.{key}")]);
        }
        let settings = KafkaSettings::default();
        assert_eq!(settings.consumer(None).get("isolation.level"), Some("read_committed"));
        assert_eq!(settings.consumer(Some("a")).get("group.instance.id"), Some("a"));
        assert_eq!(settings.reader().get("group.instance.id"), None);
        assert_eq!(settings.transactional("x").get("transactional.id"), Some("x"));
        assert_eq!(settings.transactional("x").get("transaction.timeout.ms"), Some("10000"));
    }

    #[test]
    fn brokers_are_hosts_with_ports() {
        let mistakes = |brokers: &str| {
            let settings = KafkaSettings {
                bootstrap_servers: brokers.into(),
                ..KafkaSettings::default()
            };
            settings.mistakes()
        };
        for right in [
            "a",
            "a:9092",
            "10.0.0.7:1, b:65535",
            "[::1]:9092",
            "a:9092,,b,",
            "SASL_SSL://a:9092",
        ] {
            assert_eq!(mistakes(right), [], "{right}");
        }
        for wrong in [
            "",
            "a:0",
            "a:65536",
            "a:b",
            ":9092",
            ",",
            "[\"a:9092\"]",
            "http://a:9092",
            "a/b:9092",
        ] {
            assert!(!mistakes(wrong).is_empty(), "{wrong}");
        }
    }

    #[test]
    fn the_consumer_protocol_leaves_to_the_broker_what_is_its_own() {
        let mut settings = KafkaSettings::default();
        settings.properties.insert("group.protocol".into(), "consumer".into());
        assert_eq!(settings.mistakes(), []);
        let config = settings.consumer(Some("a"));
        for key in [
            "session.timeout.ms",
            "heartbeat.interval.ms",
            "partition.assignment.strategy",
        ] {
            assert_eq!(config.get(key), None);
        }
    }
}
