//! What is refused before anything is read: topics that are not as they must be, no permission, properties that make no
//! sense.

mod support;

use support::broker::{Broker, GUEST};
use support::process::{refusal, success, tapwatch};
use support::service::{Deployment, PARTITIONS, PURPOSES};

#[test]
fn topics_that_are_not_as_they_must_be_are_named() {
    let broker = Broker::shared();
    let missing = Deployment::named(broker, "missing");
    for command in [&["run", "--set", "metrics.listen=127.0.0.1:0"][..], &["topics"]] {
        let said = missing.refused(command);
        for topic in PURPOSES {
            assert!(
                said.contains(&format!("topic missing.{topic} does not exist")),
                "{said}"
            );
        }
        assert!(said.contains("tapwatch topics --create"), "{said}");
    }

    let narrow = Deployment::new(broker, "narrow");
    let wide = Deployment::named(broker, "narrow").with("kafka.partitions=6");
    for command in [
        &["run", "--set", "metrics.listen=127.0.0.1:0"][..],
        &["topics"],
        &["topics", "--create"],
    ] {
        let said = wide.refused(command);
        for topic in ["readings", "homes", "signs", "responses", "zones", "state"] {
            let line = format!("topic narrow.{topic} has 4 partitions, and kafka.partitions says 6");
            assert!(said.contains(&line), "{said}");
        }
    }
    assert!(narrow.run(&["topics"]).contains("narrow.homes: 4 partitions"));
    assert!(
        wide.with("kafka.partitions=0")
            .run(&["topics"])
            .contains("narrow.homes: 4 partitions")
    );

    broker.create_topic("unequal.readings", 4, &[]);
    broker.create_topic("unequal.homes", 3, &[("cleanup.policy", "compact")]);
    broker.create_topic("unequal.signs", 8, &[]);
    broker.create_topic("unequal.alerts", 1, &[]);
    broker.create_topic("unequal.dead-letter", 1, &[]);
    let said = Deployment::named(broker, "unequal")
        .with("kafka.partitions=0")
        .refused(&["topics"]);
    for line in [
        "unequal.readings has 4 partitions and topic unequal.homes has 3",
        "unequal.readings has 4 partitions and topic unequal.signs has 8",
        "topic unequal.responses does not exist",
    ] {
        assert!(said.contains(line), "{said}");
    }
}

#[test]
fn topics_that_remove_what_is_needed_are_named() {
    let broker = Broker::shared();
    let compact = [("cleanup.policy", "compact")];
    for purpose in PURPOSES {
        // The readings, whose every record is needed, are compacted, and states are not.
        let is_compacted = ["readings", "homes", "zones", "visits"].contains(&purpose);
        let settings = if is_compacted { &compact[..] } else { &[] };
        broker.create_topic(&format!("removed.{purpose}"), PARTITIONS as usize, settings);
    }
    let removed = Deployment::named(broker, "removed");
    let lines = [
        "topic removed.readings has cleanup.policy=compact, and needs delete",
        "topic removed.state has cleanup.policy=delete, and needs compact",
    ];
    let said = removed.refused(&["topics"]);
    for line in lines {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!(said.matches("has cleanup.policy").count(), 2, "{said}");

    // The service speaks of it as well, and goes on: nothing is lost yet.
    let mut instance = removed.start();
    for line in lines {
        instance.process.wait_for(line);
    }
    instance.wait_until_ready();
    assert!(instance.sum("tapwatch_kafka_errors_total{code=\"cleanup_policy\"}") >= 1.0);
    instance.stop();
}

#[test]
fn without_permission_it_says_so_and_ends() {
    let broker = Broker::start_with_sasl();
    for topic in ["readings", "homes", "alerts", "dead-letter"] {
        broker.create_topic(&format!("private.{topic}"), PARTITIONS as usize, &[]);
    }
    let login = |deployment: Deployment, password: &str| {
        deployment
            .with("kafka.properties.security.protocol=SASL_PLAINTEXT")
            .with("kafka.properties.sasl.mechanism=PLAIN")
            .with(&format!("kafka.properties.sasl.username={}", GUEST.user))
            .with(&format!("kafka.properties.sasl.password={password}"))
            .with("metrics.listen=127.0.0.1:0")
    };
    let guest = login(Deployment::named(&broker, "private"), GUEST.password);
    for command in [&["run"][..], &["topics"]] {
        let said = guest.refused(command);
        assert!(said.contains("no permission on topic private.readings"), "{said}");
        assert!(!said.contains(GUEST.password), "{said}");
    }
    let said = guest.refused(&["topics", "--create"]);
    assert!(said.contains("Kafka refuses"), "{said}");

    // A wrong password may be put right while it waits: it says what is the matter, and goes on trying.
    let impostor = login(Deployment::named(&broker, "private"), "wrong");
    let mut instance = impostor.start();
    instance.process.wait_for("uthentication");
    instance.stop();
}

#[test]
fn properties_of_tls_and_logins_reach_librdkafka() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] {
        let mechanism = format!("kafka.properties.sasl.mechanism={mechanism}");
        let login = ["kafka.properties.security.protocol=SASL_SSL", &mechanism];
        let settings = login.iter().flat_map(|setting| ["--set", setting]);
        success(&tapwatch(["config", "check"].into_iter().chain(settings)));
    }
    let output = tapwatch([
        "config",
        "check",
        "--set",
        "kafka.properties.security.protocol=SASL_SLS",
    ]);
    let said = refusal(&output);
    assert!(
        said.contains("security.protocol") && said.contains("SASL_SLS"),
        "{said}"
    );
}
