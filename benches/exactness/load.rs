//! Readings in a topic, and groups that catch up with them.

use std::thread;
use std::time::{Duration, Instant};

use jiff::civil::date;
use jiff::tz::TimeZone;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::Offset;
use tapwatch::history::{History, arrival};
use tapwatch::simulate::{District, Simulation};

use crate::support::broker::Broker;
use crate::support::service::Deployment;

/// It ends a measurement that hangs.
pub const HANGS: Duration = Duration::from_secs(600);

/// Readings of simulated homes in a topic, to be read by many groups.
pub struct Load {
    pub topic: String,
    partitions: i32,
    producer: ThreadedProducer<DefaultProducerContext>,
    simulation: Simulation,
    pub records: i64,
    /// Of keys and values.
    pub bytes: u64,
}

impl Load {
    /// As they would have come in, in the batches of a producer that does not hurry.
    pub fn of_district(broker: &Broker, name: &str, partitions: i32, codec: &str, homes: u32, days: u32) -> Self {
        let topic = format!("{name}.readings");
        broker.create_topic(&topic, partitions as usize, &[("retention.ms", "-1")]);
        let district = District {
            seed: 1,
            homes,
            days: u32::MAX,
            start: date(2026, 1, 1),
            interval_seconds: 3_600,
            time_zone: TimeZone::UTC,
            incidents_per_home_month: 0.2,
        };
        let mut load = Self {
            topic,
            partitions,
            producer: producer(broker, codec),
            simulation: district.simulate(),
            records: 0,
            bytes: 0,
        };
        (0..days).for_each(|_| load.feed_day(usize::MAX, f64::INFINITY));
        load
    }

    /// The first `most` readings of the next day, at `rate` a second.
    pub fn feed_day(&mut self, most: usize, rate: f64) {
        let history = History {
            rows: self.simulation.next_day(),
            meters: self.simulation.meters().to_vec(),
        };
        let (began, mut payload) = (Instant::now(), Vec::new());
        for (number, row) in history.rows.iter().take(most).enumerate() {
            if number.is_multiple_of(64) {
                keep_pace(began, number, rate);
            }
            payload.clear();
            history.json(row, &mut payload);
            let key = history.name(row).household.as_bytes();
            send(&self.producer, &self.topic, key, &payload, arrival(row).millis());
            self.records += 1;
            self.bytes += (key.len() + payload.len()) as u64;
        }
        self.producer.flush(HANGS).expect("the broker takes the readings");
    }

    /// Topics and a group of its own over these readings.
    pub fn deployment(&self, broker: &Broker, name: &str) -> Deployment {
        let deployment = Deployment::named(broker, name)
            .with(&format!("kafka.topics.readings={}", self.topic))
            .with(&format!("kafka.partitions={}", self.partitions));
        deployment.run(&["topics", "--create"]);
        deployment
    }
}

/// Waits until the record of this number is due.
pub fn keep_pace(began: Instant, number: usize, rate: f64) {
    let due = Duration::from_secs_f64(number as f64 / rate);
    if let Some(early) = due
        .checked_sub(began.elapsed())
        .filter(|early| *early > Duration::from_millis(1))
    {
        thread::sleep(early);
    }
}

pub fn producer(broker: &Broker, codec: &str) -> ThreadedProducer<DefaultProducerContext> {
    let mut config = broker.client();
    config
        .set("compression.type", codec)
        .set("linger.ms", "5")
        .set("batch.size", "131072")
        .set("queue.buffering.max.kbytes", "65536")
        .set("partitioner", "murmur2_random");
    config.create().expect("a producer")
}

pub fn send(producer: &ThreadedProducer<DefaultProducerContext>, topic: &str, key: &[u8], value: &[u8], millis: i64) {
    let mut record = BaseRecord::to(topic).key(key).payload(value).timestamp(millis);
    while let Err((error, back)) = producer.send(record) {
        let is_full = error == KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
        assert!(is_full, "a reading is refused: {error}");
        thread::sleep(Duration::from_millis(2));
        record = back;
    }
}

/// The committed offsets of a group.
pub struct Group {
    consumer: BaseConsumer,
    pub topic: String,
    partitions: i32,
}

impl Group {
    pub fn of(broker: &Broker, deployment: &Deployment, load: &Load) -> Self {
        Self::new(broker, deployment, load.topic.clone(), load.partitions)
    }

    pub fn new(broker: &Broker, deployment: &Deployment, topic: String, partitions: i32) -> Self {
        let mut config = broker.client();
        // The group bears the name that its topics begin with.
        let name = deployment.topic("");
        config.set("group.id", name.trim_end_matches('.'));
        Self {
            consumer: config.create().expect("a consumer"),
            topic,
            partitions,
        }
    }

    /// Waits until so many readings are committed.
    pub fn wait_until(&self, records: i64) {
        let deadline = Instant::now() + HANGS;
        let mut committed = -1;
        while committed < records {
            assert!(
                Instant::now() < deadline,
                "{committed} of {records} readings are committed"
            );
            thread::sleep(Duration::from_millis(20));
            let mut list = TopicPartitionList::new();
            list.add_partition_range(&self.topic, 0, self.partitions - 1);
            let Ok(list) = self.consumer.committed_offsets(list, Duration::from_secs(10)) else {
                continue;
            };
            let offset = |offset| match offset {
                Offset::Offset(offset) => offset,
                _ => 0,
            };
            committed = list.elements().iter().map(|element| offset(element.offset())).sum();
        }
    }
}
