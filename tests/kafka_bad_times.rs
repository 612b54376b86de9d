//! The service while brokers, disks, topics and its own processes fail it. What it says in the end is what `tapwatch
//! backtest` says of the same readings, or it ends and says why.

// A test of processes: it waits for them by the wall clock.
#![allow(clippy::disallowed_methods)]

mod support;

use std::thread;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::Offset;

use support::broker::{Broker, block_on};
use support::district::District;
use support::process::{HANGS, Instance, success, tapwatch, wait_until};
use support::service::{Deployment, PARTITIONS};

const SESSION: &str = "kafka.properties.session.timeout.ms=6000";

fn admin(deployment: &Deployment) -> AdminClient<DefaultClientContext> {
    deployment.client().create().expect("settings of an admin client")
}

fn options() -> AdminOptions {
    let limit = Some(Duration::from_secs(30));
    AdminOptions::new().request_timeout(limit).operation_timeout(limit)
}

fn delete_topic(deployment: &Deployment, topic: &str) {
    let results = block_on(admin(deployment).delete_topics(&[topic], &options())).expect("the broker answers");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

/// Deletes a topic and makes it again, which the broker does not do at once.
fn make_anew(deployment: &Deployment, purpose: &str) {
    delete_topic(deployment, &deployment.topic(purpose));
    wait_until("it can be made again", || {
        tapwatch(deployment.arguments(&["topics", "--create"])).status.success()
    });
}

/// Removes the readings before these offsets, as retention does.
fn remove_before(deployment: &Deployment, offsets: &[i64]) {
    let topic = deployment.topic("readings");
    let mut list = TopicPartitionList::new();
    for (partition, offset) in (0..).zip(offsets) {
        list.add_partition_offset(&topic, partition, Offset::Offset(*offset))
            .expect("an offset");
    }
    let answer = block_on(admin(deployment).delete_records(&list, &options())).expect("the broker answers");
    for element in answer.elements() {
        element.error().expect("records can be deleted");
    }
}

fn offsets(deployment: &Deployment) -> Vec<i64> {
    deployment.committed().into_iter().map(|(offset, _)| offset).collect()
}

/// Longer than the client takes to learn where partitions end.
const ENDS_ARE_KNOWN: Duration = Duration::from_secs(5);

/// Feeds a part to an instance that runs only for it.
fn live_through(deployment: &Deployment, from: usize, until: usize) {
    let mut instance = deployment.start();
    District::shared().feed(deployment, from..until);
    deployment.wait_until_done(until);
    instance.stop();
}

/// Lets an instance come to the end of all readings; what was said must be what the backtest says.
fn ends_well(deployment: &Deployment, instance: &mut Instance) {
    let district = District::shared();
    deployment.wait_until_done(district.count());
    instance.stop();
    let written = deployment.progress().1;
    deployment
        .alerts()
        .assert_is_but_for(written, district.count(), &district.said);
}

#[test]
fn a_broker_away_for_longer_than_a_transaction_lives_twice() {
    let district = District::shared();
    let broker = Broker::start(&[]);
    let deployment = Deployment::new(&broker, "outlived")
        .with("kafka.transaction_timeout_ms=3000")
        .with(SESSION);
    let mut instance = deployment.start();
    instance.wait_until_ready();
    for (from, until) in [(0, district.at(0.5)), (district.at(0.5), district.count())] {
        let mut replay = deployment.start_replay(&district.part(from..until), District::DAYS / 2, 10);
        let part = (from + (until - from) / 5) as i64;
        wait_until("a part is done", || deployment.progress().0 > part);
        broker.kill();
        thread::sleep(Duration::from_secs(8));
        assert!(instance.process.is_running());
        assert_eq!(instance.get("/health/live").map(|(status, _)| status), Some(200));
        broker.restart();
        replay.wait_for_success();
    }
    ends_well(&deployment, &mut instance);
}

#[test]
fn a_full_disk_of_the_broker() {
    let district = District::shared();
    let broker = Broker::start(&[]);
    let deployment = Deployment::new(&broker, "full-disk").with(SESSION);
    broker.create_topic("another", 1, &[("retention.ms", "-1")]);
    // Kafka reserves 10 MiB for an index at once.
    broker.restart_with_files_up_to(12 * 1024);
    let mut instance = deployment.start();
    instance.wait_until_ready();
    let mut replay = deployment.start_replay(&district.readings, District::DAYS, 12);
    let part = district.at(0.3) as i64;
    wait_until("a part is done", || deployment.progress().0 > part);
    // Another program fills the disk.
    let producer: ThreadedProducer<DefaultProducerContext> = deployment.client().create().expect("a producer");
    let payload = vec![7; 500_000];
    for _ in 0..40 {
        let _ = producer.send(BaseRecord::<(), _>::to("another").payload(&payload));
    }
    broker.wait_for_its_end();
    drop(producer);
    let log = std::fs::read_to_string(broker.folder().join("broker.log")).expect("a log");
    assert!(log.contains("File too large"), "the broker has not met a full disk");
    assert!(instance.process.is_running() && replay.is_running());
    broker.restart();
    replay.wait_for_success();
    ends_well(&deployment, &mut instance);
}

/// As a broker leaves them that was killed in mid-transaction and has lost its end: a record in the state topic, and offsets,
/// of transactions that no coordinator will end soon. They are ended as `docs/operations.md` says.
#[test]
fn transactions_that_nobody_ends_are_named_and_waited_for() {
    let district = District::shared();
    let broker = Broker::shared();
    let deployment = Deployment::new(broker, "unended").with("kafka.transaction_timeout_ms=1000");
    let half = district.at(0.5);
    live_through(&deployment, 0, half);

    let open = |name: &str| {
        let mut client = deployment.client();
        client.set("transactional.id", name);
        client.set("transaction.timeout.ms", "900000");
        let producer: ThreadedProducer<DefaultProducerContext> = client.create().expect("a producer");
        producer.init_transactions(HANGS).expect("the broker answers");
        producer.begin_transaction().expect("it is open");
        producer
    };
    let (state, readings) = (deployment.topic("state"), deployment.topic("readings"));
    let mut client = deployment.client();
    let consumer: BaseConsumer = client.set("group.id", "unended").create().expect("a consumer");
    let (_, start) = consumer.fetch_watermarks(&state, 0, HANGS).expect("the broker answers");
    let of_state = open("unended-state");
    let record = BaseRecord::to(&state).partition(0).key("home").payload("no state");
    of_state.send(record).map_err(|(error, _)| error).expect("room");
    of_state.flush(HANGS).expect("it is written");
    let of_offsets = open("unended-offsets");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&readings, 1, Offset::Offset(0))
        .expect("an offset");
    let group = consumer.group_metadata().expect("it has a group");
    of_offsets
        .send_offsets_to_transaction(&list, &group, HANGS)
        .expect("nobody else is in the group");

    let mut instance = deployment.start();
    instance
        .process
        .wait_for("waiting for the end of a transaction: it holds the offsets of the group partition=1");
    of_offsets.abort_transaction(HANGS).expect("the broker answers");
    let held = format!("it holds offsets {start} to {} of partition 0 of {state}", start + 1);
    instance
        .process
        .wait_for(&format!("partition 0 waits for a transaction that nobody ends: {held}"));
    assert_eq!(instance.get("/health/ready").map(|(status, _)| status), Some(503));
    let transactions = ["org.apache.kafka.tools.TransactionsCommand", "--bootstrap-server"];
    let abort = ["abort", "--topic", &state, "--partition", "0", "--start-offset"];
    let (bootstrap, start) = (broker.bootstrap(), start.to_string());
    success(&broker.tool(&[&transactions[..], &[&bootstrap], &abort, &[&start]].concat()));

    instance.wait_until_ready();
    district.feed(&deployment, half..district.count());
    ends_well(&deployment, &mut instance);
}

/// Deletes a topic under a running instance, which must end and name it; makes it anew.
fn delete_under(deployment: &Deployment, purpose: &str, from: usize, until: usize) {
    let district = District::shared();
    let mut instance = deployment.start();
    instance.wait_until_ready();
    delete_topic(deployment, &deployment.topic(purpose));
    if purpose != "readings" {
        district.feed(deployment, from..until);
    }
    let status = instance.process.wait();
    assert_eq!(status.code(), Some(1));
    let said = instance.process.said();
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    assert!(last.contains(&deployment.topic(purpose)), "{said}");
    let refused = deployment.refused(&["run", "--set", "metrics.listen=127.0.0.1:0"]);
    let missing = format!(
        "topic {} does not exist: `tapwatch topics --create` makes it",
        deployment.topic(purpose)
    );
    assert!(refused.contains(&missing), "{refused}");
    deployment.run(&["topics", "--create"]);
}

#[test]
fn the_alerts_topic_is_deleted_while_it_runs() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "no-alerts").with("kafka.instance_id=one");
    let (half, more) = (district.at(0.5), district.at(0.8));
    live_through(&deployment, 0, half);
    let committed = deployment.alerts();
    delete_under(&deployment, "alerts", half, more);
    live_through(&deployment, more, district.count());
    // What had been published went with the topic; what had not, follows.
    let after = district.said.after(&committed);
    assert_eq!(deployment.alerts().by_home, after.by_home);
    assert_eq!(deployment.alerts().alerts, after.alerts);
    assert_eq!(deployment.dead_letters(), district.said.dead_letters);
}

#[test]
fn the_state_topic_is_deleted_while_it_runs() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "no-state").with("kafka.instance_id=one");
    let (half, more) = (district.at(0.5), district.at(0.8));
    live_through(&deployment, 0, half);
    delete_under(&deployment, "state", half, more);
    let problems = deployment.refused(&["state", "check"]);
    assert!(problems.contains("problems"), "{problems}");
    let mut instance = deployment.start();
    instance
        .process
        .wait_for("everything is rebuilt from the first retained reading");
    district.feed(&deployment, more..district.count());
    deployment.wait_until_done(district.count());
    instance.stop();
    deployment.alerts().assert_is(&district.said);
    // What was rebuilt is stored again as far as it was spoken of: the next start does with it.
    let mut instance = deployment.start();
    instance.wait_until_ready();
    instance.stop();
    let said = instance.process.said();
    assert!(!said.contains("everything is rebuilt"), "{said}");
    deployment.alerts().assert_is(&district.said);
}

#[test]
fn a_topic_is_deleted_while_nothing_comes() {
    let deployment = Deployment::new(Broker::shared(), "idle").with("kafka.instance_id=one");
    live_through(&deployment, 0, District::shared().at(0.1));
    let mut instance = deployment.start();
    instance.wait_until_ready();
    delete_topic(&deployment, &deployment.topic("homes"));
    assert_eq!(instance.process.wait().code(), Some(1));
    let said = instance.process.said();
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    assert!(
        last.contains(&format!("topic {} does not exist", deployment.topic("homes"))),
        "{said}"
    );
}

#[test]
fn the_readings_topic_is_deleted_while_it_runs() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "no-readings").with("kafka.instance_id=one");
    let half = district.at(0.5);
    live_through(&deployment, 0, half);
    let before = deployment.alerts();
    delete_under(&deployment, "readings", half, half);
    // States of a log that is no more are not mistaken for those of the new one.
    let mut instance = deployment.start();
    instance.process.wait_for("make it anew by `tapwatch topics --create`");
    instance.wait_for_reason("make it anew by `tapwatch topics --create`");
    let problems = deployment.refused(&["state", "check"]);
    assert!(problems.contains("problems"), "{problems}");
    delete_topic(&deployment, &deployment.topic("state"));
    instance.process.kill();
    deployment.run(&["topics", "--create"]);
    deployment.alerts().assert_is(&before);
    delete_topic(&deployment, &deployment.topic("alerts"));
    delete_topic(&deployment, &deployment.topic("dead-letter"));
    deployment.run(&["topics", "--create"]);
    live_through(&deployment, 0, district.count());
    deployment.alerts().assert_is(&district.said);
}

#[test]
fn retention_passes_where_replay_begins_and_then_the_committed_offset() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "retention").with("engine.checkpoint_share=0");
    let (first, second, part, more) = (district.at(0.48), district.at(0.5), district.at(0.6), district.at(0.8));
    // The second commit comes when it is known where the topic ends: all homes are stored with it, as they are old.
    let mut instance = deployment.start();
    district.feed(&deployment, 0..first);
    deployment.wait_until_done(first);
    thread::sleep(ENDS_ARE_KNOWN);
    district.feed(&deployment, first..second);
    deployment.wait_until_done(second);
    instance.stop();
    let stored = offsets(&deployment);
    // What came within a week since is not.
    live_through(&deployment, second, part);
    let committed = offsets(&deployment);
    let between = stored
        .iter()
        .zip(&committed)
        .map(|(stored, committed)| (stored + committed) / 2);
    let removed: Vec<i64> = between.collect();
    remove_before(&deployment, &removed);
    let said = deployment.refused(&["state", "check"]);
    assert!(said.contains("problems"), "{said}");

    let mut instance = deployment.start();
    instance.wait_until_ready();
    let lost =
        |instance: &Instance, to: &str| instance.sum(&format!("tapwatch_input_lost_records_total{{lost_to=\"{to}\"}}"));
    assert!(lost(&instance, "state") > 0.0);
    assert_eq!(lost(&instance, "alerts"), 0.0);
    let words = "retention removed readings that stored states do not hold";
    assert!(instance.process.said().contains(words), "{}", instance.process.said());
    instance.stop();

    let alerts = deployment.alerts();
    district.feed(&deployment, part..more);
    let removed: Vec<i64> = committed.iter().map(|offset| offset + 100).collect();
    remove_before(&deployment, &removed);
    let mut instance = deployment.start();
    instance.wait_until_ready();
    assert_eq!(lost(&instance, "alerts"), 100.0 * f64::from(PARTITIONS));
    let words = "retention removed readings before they were judged";
    assert!(instance.process.said().contains(words), "{}", instance.process.said());
    district.feed(&deployment, more..district.count());
    deployment.wait_until_done(district.count());
    instance.stop();
    assert!(deployment.alerts().alerts.len() > alerts.alerts.len(), "it goes on");
}

#[test]
fn retention_passes_an_instance_that_hangs() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "passed-by").with("kafka.instance_id=one");
    let (part, more) = (district.at(0.6), district.at(0.7));
    let mut instance = deployment.start();
    district.feed(&deployment, 0..part);
    deployment.wait_until_done(part);
    instance.process.freeze();
    district.feed(&deployment, part..more);
    let removed: Vec<i64> = offsets(&deployment).iter().map(|offset| offset + 100).collect();
    remove_before(&deployment, &removed);
    instance.process.thaw();
    deployment.wait_until_done(more);
    let words = "retention removed readings before they were judged";
    wait_until("the loss is said", || instance.process.said().contains(words));
    let lost = || instance.sum("tapwatch_input_lost_records_total{lost_to=\"alerts\"}");
    wait_until("all of it is counted", || lost() >= 100.0 * f64::from(PARTITIONS));
    assert_eq!(lost(), 100.0 * f64::from(PARTITIONS));
    instance.stop();
}

#[test]
fn readings_made_anew_under_an_instance_end_it() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "anew").with("kafka.instance_id=one");
    let part = district.at(0.5);
    let mut instance = deployment.start();
    district.feed(&deployment, 0..part);
    deployment.wait_until_done(part);
    make_anew(&deployment, "readings");
    district.feed(&deployment, part..district.at(0.6));
    // It is ended by what it reads, or by what it hears of the topic, whatever comes first.
    assert!(!instance.process.wait().success());
    let said = instance.process.said();
    let is_told = said.contains("goes back from offset") || said.contains("does not exist (any more)");
    assert!(is_told, "{said}");
}

#[test]
fn signs_made_anew_are_taken_in_from_their_beginning() {
    let deployment = Deployment::new(Broker::shared(), "signs-anew").with("kafka.instance_id=one");
    let signs = deployment.topic("signs");
    let put = |count: usize| {
        let mut client = deployment.client();
        client.set("partitioner", "murmur2_random");
        let producer: ThreadedProducer<DefaultProducerContext> = client.create().expect("a producer");
        for _ in 0..count {
            // A dead letter tells that it was taken in.
            let record = BaseRecord::to(&signs).key("home").payload("no sign");
            producer.send(record).map_err(|(error, _)| error).expect("room");
        }
        producer.flush(HANGS).expect("the broker takes it");
    };
    let taken = |count: usize| {
        wait_until("they are taken in", || deployment.records("dead-letter").len() == count);
    };
    put(3);
    let mut instance = deployment.start();
    taken(3);
    instance.stop();
    make_anew(&deployment, "signs");
    put(1);
    let mut instance = deployment.start();
    taken(4);
    let words = "the topic ends before what was taken in of it";
    assert!(instance.process.said().contains(words), "{}", instance.process.said());
    put(1);
    taken(5);

    make_anew(&deployment, "signs");
    put(1);
    assert!(!instance.process.wait().success());
    let words = "goes back from offset 2 to 0: the topic was made anew under this instance";
    assert!(instance.process.said().contains(words), "{}", instance.process.said());
    let mut instance = deployment.start();
    taken(6);
    instance.stop();
}

#[test]
fn told_to_end_at_any_moment_of_its_start_it_ends() {
    let deployment = Deployment::new(Broker::shared(), "told-to-end").with("kafka.instance_id=one");
    District::shared().feed(&deployment, 0..1_000);
    for moment in 0..12 {
        let mut instance = deployment.start();
        instance.process.wait_for("metrics on");
        thread::sleep(Duration::from_millis(60 * moment));
        instance.stop();
    }
}

#[test]
fn an_instance_that_hangs_past_its_session_and_goes_on() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "hangs")
        .with(SESSION)
        .with("kafka.transaction_timeout_ms=3000");
    let mut instances = [
        deployment.start_with(&["kafka.instance_id=one"]),
        deployment.start_with(&["kafka.instance_id=other"]),
    ];
    instances.iter_mut().for_each(Instance::wait_until_ready);
    wait_until("both own partitions", || {
        instances
            .iter()
            .all(|instance| instance.sum("tapwatch_partitions{state=\"live\"}") > 0.0)
    });
    let mut replay = deployment.start_replay(&district.readings, District::DAYS, 20);
    let part = district.at(0.2) as i64;
    wait_until("a part is done", || deployment.progress().0 > part);
    instances[1].process.freeze();
    wait_until("the other one has all partitions", || {
        instances[0].sum("tapwatch_partitions{state=\"live\"}") == f64::from(PARTITIONS)
    });
    instances[1].process.thaw();
    replay.wait_for_success();
    deployment.wait_until_done(district.count());
    instances.iter_mut().for_each(Instance::stop);
    deployment.alerts().assert_is(&district.said);
}

#[test]
fn of_two_under_one_name_the_elder_ends() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "one-name").with("kafka.instance_id=one");
    let mut elder = deployment.start();
    elder.wait_until_ready();
    let mut replay = deployment.start_replay(&district.readings, District::DAYS, 10);
    let part = district.at(0.3) as i64;
    wait_until("a part is done", || deployment.progress().0 > part);
    let mut younger = deployment.start();
    assert_eq!(elder.process.wait().code(), Some(1));
    let said = elder.process.said();
    assert!(said.contains("kafka.instance_id"), "{said}");
    replay.wait_for_success();
    deployment.wait_until_done(district.count());
    younger.stop();
    deployment.alerts().assert_is(&district.said);
}

fn enlarge(deployment: &Deployment, purposes: &[&str], count: usize) {
    let topics: Vec<String> = purposes.iter().map(|purpose| deployment.topic(purpose)).collect();
    let partitions: Vec<NewPartitions<'_>> = topics.iter().map(|topic| NewPartitions::new(topic, count)).collect();
    let results = block_on(admin(deployment).create_partitions(&partitions, &options())).expect("the broker answers");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    // The controller has it; the broker learns of it a moment later.
    let client = admin(deployment);
    for topic in &topics {
        wait_until("the broker knows of the new partitions", || {
            let metadata = client
                .inner()
                .fetch_metadata(Some(topic), Duration::from_secs(30))
                .expect("the broker answers");
            metadata.topics().iter().all(|topic| topic.partitions().len() == count)
        });
    }
}

#[test]
fn the_readings_topic_is_enlarged() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "enlarged");
    live_through(&deployment, 0, district.at(0.6));
    let before = deployment.alerts();
    enlarge(&deployment, &["readings"], 6);
    let said = deployment.refused(&["run", "--set", "metrics.listen=127.0.0.1:0"]);
    for words in [
        "topic enlarged.readings has 6 partitions, and kafka.partitions says 4",
        "topic enlarged.readings has 6 partitions and topic enlarged.homes has 4",
        "topic enlarged.readings has 6 partitions and topic enlarged.state has 4",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let beside = ["homes", "signs", "responses", "zones", "visits", "state"];
    enlarge(&deployment, &beside, 6);
    let six = Deployment::named(Broker::shared(), "enlarged").with("kafka.partitions=6");
    let said = six.refused(&["run", "--set", "metrics.listen=127.0.0.1:0"]);
    assert!(
        said.contains("the group's offsets are of a topic of 4 partitions, and enlarged.readings has 6"),
        "{said}"
    );
    assert!(
        said.contains("\"Changing the number of partitions\" in docs/operations.md"),
        "{said}"
    );
    deployment.alerts().assert_is(&before);
}

#[test]
fn the_readings_topic_is_enlarged_while_it_runs() {
    let district = District::shared();
    let deployment = Deployment::new(Broker::shared(), "enlarged-live")
        .with("kafka.properties.topic.metadata.refresh.interval.ms=1000");
    let mut instance = deployment.start();
    district.feed(&deployment, 0..district.at(0.6));
    deployment.wait_until_done(district.at(0.6));
    enlarge(&deployment, &["readings"], 6);
    instance.wait_for_reason("the group's offsets are of a topic of 4 partitions");
    assert!(instance.process.is_running());
    instance.process.kill();
}

/// What the documentation tells to do about it: a group, a state topic and readings of the new number.
#[test]
fn another_number_of_partitions_takes_new_topics_and_a_new_group() {
    let district = District::shared();
    // Which meters are found silent at the very end depends on how far each partition's clock came, so on the homes beside them.
    let quiet = "programmes.default.silent_meter.enabled=false";
    let old = Deployment::new(Broker::shared(), "few").with(quiet);
    live_through(&old, 0, district.count());
    let said = old.alerts();
    let new = Deployment::named(Broker::shared(), "many")
        .with("kafka.partitions=7")
        .with(quiet);
    new.run(&["topics", "--create"]);
    district.feed(&new, 0..district.count());
    let mut instance = new.start();
    wait_until("all of it is judged", || {
        instance.sum("tapwatch_readings_total") + instance.sum("tapwatch_dead_letters_total") >= district.count() as f64
            && instance.sum("tapwatch_consumer_lag_records") == 0.0
    });
    instance.stop();
    assert_eq!(new.alerts().by_home, said.by_home);
}
