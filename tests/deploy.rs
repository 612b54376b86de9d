//! The files under `deploy/`, and the metrics that documents speak of, are right.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use tapwatch::settings::{Settings, SettingsFile, Sources};

const METRICS: &str = include_str!("../src/telemetry/metrics.rs");
const OPERATIONS: &str = include_str!("../docs/operations.md");
const RULES: &str = include_str!("../deploy/alerts.rules.yml");

#[test]
fn the_example_settings_are_accepted() {
    let text = include_str!("../deploy/tapwatch.toml");
    let file = SettingsFile {
        path: "deploy/tapwatch.toml".into(),
        text: text.into(),
    };
    let password = (
        "TAPWATCH__KAFKA__PROPERTIES__SASL_PASSWORD".to_owned(),
        "secret".to_owned(),
    );
    let sources = Sources {
        file: Some(file),
        environment: vec![password],
        ..Sources::default()
    };
    let validated = Settings::read(&sources).unwrap_or_else(|problems| panic!("{problems}"));
    let properties = &validated.settings.kafka.properties;
    assert_eq!(properties.get("sasl.password").map(String::as_str), Some("secret"));
    assert_eq!(
        properties.get("security.protocol").map(String::as_str),
        Some("SASL_SSL")
    );
}

#[test]
fn prometheus_takes_the_rules() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for arguments in [
        ["check", "rules", "alerts.rules.yml"],
        ["check", "config", "prometheus.yml"],
    ] {
        let output = Command::new("promtool").args(arguments).current_dir(&folder).output();
        let output = output.expect("promtool runs; Debian has it in the package prometheus");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "promtool {arguments:?}: {said}");
    }
}

/// The names of metrics in a text. What a histogram's series add to its name is no part of it.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("tapwatch_")).collect()
}

#[test]
fn documents_and_rules_name_the_metrics_there_are() {
    let quoted = METRICS.split('"').filter(|text| text.starts_with("tapwatch_"));
    let metrics: BTreeSet<&str> = quoted.collect();
    assert!(!metrics.is_empty(), "no metric is found in the source");
    // Headers of dead letters look alike.
    let headers = ["tapwatch_reason", "tapwatch_topic"];
    for (text, name) in [(OPERATIONS, "docs/operations.md"), (RULES, "deploy/alerts.rules.yml")] {
        let unknown: Vec<_> = metrics_in(text)
            .into_iter()
            .filter(|word| !metrics.contains(word) && !headers.contains(word))
            .collect();
        assert!(
            unknown.is_empty(),
            "{name} names metrics that do not exist: {unknown:?}"
        );
    }
    let missing: Vec<_> = metrics.difference(&metrics_in(OPERATIONS)).copied().collect();
    assert!(missing.is_empty(), "docs/operations.md does not name {missing:?}");
}
