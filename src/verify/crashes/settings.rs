//! Settings of the instances: the operator's own, on topics and a group of the run.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use super::aside::MIN_HOMES;
use super::{CrashesError, Order};
use crate::alert::LadderStep;
use crate::kafka::{KafkaSettings, TopicNames};
use crate::model::Band;
use crate::partition::ConsentRule;
use crate::settings::{Origins, Settings, Validated};
use crate::telemetry::LogFormat;

/// All topics and groups of all runs begin so; a permission for this prefix is enough.
const PREFIX: &str = "tapwatch-verify-";

/// A name that no other run has.
pub fn unique_prefix() -> String {
    format!("{PREFIX}{:08x}", rand::random::<u32>())
}

/// The settings with topics and group of the run `prefix`.
pub fn isolated(base: &Settings, order: &Order, prefix: &str) -> Result<Validated, CrashesError> {
    let wrong = |error: &dyn std::fmt::Display| CrashesError::Settings(error.to_string());
    let mut settings = base.clone();
    settings.kafka.group_id = prefix.to_owned();
    settings.kafka.instance_id.clear();
    settings.kafka.topics = prefixed(&base.kafka.topics, prefix).map_err(|error| wrong(&error))?;
    settings.kafka.partitions = order.partitions;
    settings.kafka.replication = order.replication;
    // The readings are history: the wall clock has nothing to say, and every alert follows from the log alone.
    settings.engine.idle_max_behind_seconds = 60;
    settings.privacy.consent = ConsentRule::Required;
    settings.area.min_homes = MIN_HOMES;
    // Timers run, and contacts are told.
    for programme in settings.programmes.values_mut() {
        let ladder = &mut programme.policy.ladder;
        if ladder.is_empty() {
            *ladder = vec![
                step("family", 30, None),
                step("warden", 60, Some(Band { from: 8, to: 20 })),
            ];
        }
    }
    settings.metrics.listen = "127.0.0.1:0".into();
    // Read by this tool, and by people only where it points them there.
    settings.log.format = LogFormat::Json;
    settings.log.filter = "info".into();
    settings.validate(&Origins::default()).map_err(|error| wrong(&error))
}

fn step(contact: &str, after_minutes: u32, duty: Option<Band>) -> LadderStep {
    let contact = contact.into();
    LadderStep {
        contact,
        after_minutes,
        duty,
        duty_days: Vec::new(),
    }
}

/// Every topic's name behind the prefix, whatever topics there are.
fn prefixed(names: &TopicNames, prefix: &str) -> Result<TopicNames, serde_json::Error> {
    let mut fields = serde_json::to_value(names)?;
    for name in fields
        .as_object_mut()
        .into_iter()
        .flat_map(|fields| fields.values_mut())
    {
        *name = format!("{prefix}.{}", name.as_str().unwrap_or_default()).into();
    }
    serde_json::from_value(fields)
}

/// The names of all topics.
pub fn all_topics(names: &TopicNames) -> Vec<String> {
    let fields = serde_json::to_value(names).unwrap_or_default();
    let values = fields.as_object().into_iter().flat_map(|fields| fields.values());
    values.filter_map(|name| Some(name.as_str()?.to_owned())).collect()
}

/// How long the group waits for a member that says nothing.
pub fn session(kafka: &KafkaSettings) -> Duration {
    let given = kafka.properties.get("session.timeout.ms");
    let is_new_protocol = kafka
        .properties
        .get("group.protocol")
        .is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer"));
    // With the new protocol it is a setting of the broker, whose default this is.
    let default = if is_new_protocol { 45_000 } else { 10_000 };
    Duration::from_millis(given.and_then(|millis| millis.parse().ok()).unwrap_or(default))
}

/// Writes the settings where the instances read them. They may hold passwords: nobody else may read the file.
pub fn write(settings: &Settings, path: &Path) -> Result<(), CrashesError> {
    let text = toml::to_string(settings).map_err(|error| CrashesError::Settings(error.to_string()))?;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(CrashesError::system(path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{SettingsFile, Sources};

    #[test]
    fn no_topic_of_the_operator_is_touched() {
        let base = Settings::default();
        let own = isolated(&base, &Order::of_tests(), "run-1").expect("sound").settings;
        let topics = all_topics(&own.kafka.topics);
        assert_eq!(topics.len(), all_topics(&base.kafka.topics).len());
        assert!(
            topics.iter().all(|topic| topic.starts_with("run-1.tapwatch.")),
            "{topics:?}"
        );
        assert_eq!((own.kafka.group_id.as_str(), own.kafka.partitions), ("run-1", 6));
        assert_ne!(unique_prefix(), unique_prefix());
    }

    #[test]
    fn the_file_says_what_the_settings_say() {
        let mut base = Settings::default();
        let properties = &mut base.kafka.properties;
        properties.insert("sasl.password".into(), "s = \"e\"\ncret".into());
        properties.insert("session.timeout.ms".into(), "6000".into());
        let own = isolated(&base, &Order::of_tests(), "run-2").expect("sound").settings;
        assert_eq!(session(&own.kafka), Duration::from_secs(6));
        let sources = Sources {
            file: Some(SettingsFile {
                path: "x".into(),
                text: toml::to_string(&own).expect("TOML"),
            }),
            ..Sources::default()
        };
        assert_eq!(Settings::read(&sources).expect("sound").settings, own);
    }
}
