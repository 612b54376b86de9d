//! Several brokers as one cluster, for tests that take one of them away.

use std::time::{Duration, Instant};
use std::{iter, thread};

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;

use super::broker::{Broker, STARTED, free_port};

const LIMIT: Duration = Duration::from_secs(60);

/// Brokers and controllers in one, a quorum by a list that never changes. Everything has as many replicas as there are
/// brokers, and is written when all but one have it.
pub struct Cluster {
    brokers: Vec<Broker>,
}

impl Cluster {
    /// Starts so many brokers; returns when all of them serve.
    pub fn start(count: usize) -> Self {
        let ports: Vec<[u16; 2]> = iter::repeat_with(|| [free_port(), free_port()]).take(count).collect();
        let voters: Vec<String> = (1..)
            .zip(&ports)
            .map(|(id, [_, controller])| format!("{id}@127.0.0.1:{controller}"))
            .collect();
        let (voters, replicas, in_sync) = (voters.join(","), count.to_string(), (count - 1).max(1).to_string());
        let brokers: Vec<Broker> = (1..)
            .zip(&ports)
            .map(|(id, ports): (usize, _)| {
                let id = id.to_string();
                let properties = [
                    ("node.id", &*id),
                    ("controller.quorum.bootstrap.servers", ""),
                    ("controller.quorum.voters", &voters),
                    ("default.replication.factor", &replicas),
                    ("min.insync.replicas", &in_sync),
                    ("offsets.topic.replication.factor", &replicas),
                    ("transaction.state.log.replication.factor", &replicas),
                    ("transaction.state.log.min.isr", &in_sync),
                    ("share.coordinator.state.topic.replication.factor", &replicas),
                    ("share.coordinator.state.topic.min.isr", &in_sync),
                ];
                Broker::prepare(None, *ports, "384m", &properties)
            })
            .collect();
        // None of them serves before most of them run.
        let begun: Vec<_> = brokers.iter().map(Broker::launch).collect();
        for (broker, begun) in brokers.iter().zip(begun) {
            broker.wait_until_started(begun, STARTED);
        }
        Self { brokers }
    }

    /// Where clients connect: all brokers.
    pub fn bootstrap(&self) -> String {
        let all: Vec<String> = self.brokers.iter().map(Broker::bootstrap).collect();
        all.join(",")
    }

    /// Settings of a client.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        config
    }

    /// The broker with this id; they count from 1.
    pub fn broker(&self, id: usize) -> &Broker {
        &self.brokers[id - 1]
    }

    /// Kills a broker (SIGKILL).
    pub fn kill(&self, id: usize) {
        self.broker(id).kill();
    }

    /// Starts it again; returns when it serves.
    pub fn restart(&self, id: usize) {
        let broker = self.broker(id);
        broker.wait_until_started(broker.launch(), STARTED);
    }

    /// Freezes a broker (SIGSTOP).
    pub fn stop(&self, id: usize) {
        self.broker(id).freeze();
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self, id: usize) {
        self.broker(id).thaw();
    }

    /// The id of the broker that leads a partition, when it has a leader.
    pub fn leader_of(&self, topic: &str, partition: i32) -> usize {
        self.admin_until(&format!("{topic}/{partition} has a leader"), |admin| {
            let metadata = admin.inner().fetch_metadata(Some(topic), Duration::from_secs(5)).ok()?;
            let topic = metadata.topics().first()?;
            let partition = topic.partitions().iter().find(|found| found.id() == partition)?;
            usize::try_from(partition.leader()).ok().filter(|leader| *leader > 0)
        })
    }

    /// The name of a topic that ends so, as soon as there is one.
    pub fn topic_ending_in(&self, end: &str) -> String {
        self.admin_until(&format!("there is a topic …{end}"), |admin| {
            let metadata = admin.inner().fetch_metadata(None, Duration::from_secs(5)).ok()?;
            let mut names = metadata.topics().iter().map(|topic| topic.name().to_owned());
            names.find(|name| name.ends_with(end))
        })
    }

    fn admin_until<T>(&self, what: &str, mut ask: impl FnMut(&AdminClient<DefaultClientContext>) -> Option<T>) -> T {
        let admin = self.client().create().expect("settings of an admin client");
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(answer) = ask(&admin) {
                return answer;
            }
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}
