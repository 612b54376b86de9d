//! The settings of a deployment: their raw form, and the typed value that the engine runs on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Expect, Origins, Pattern, Problem, Problems, SettingsFile, Sources, is_within, read};
use crate::area::AreaSettings;
use crate::detect::inactivity::hazard::Hazard;
use crate::engine::EngineSettings;
use crate::home::HomeSettings;
use crate::ingest::IngestSettings;
use crate::kafka::KafkaSettings;
use crate::partition::{ConsentRule, Programme, ProgrammeSettings, Rules};
use crate::presets::Preset;
use crate::telemetry::LogFormat;

/// All settings, as a file states them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Named in every alert as the `source` of its CloudEvent.
    pub source: String,
    /// Logs.
    pub log: LogSettings,
    /// The page for Prometheus, and health.
    pub metrics: MetricsSettings,
    /// Kafka.
    pub kafka: KafkaSettings,
    /// The instance.
    pub engine: EngineSettings,
    /// What is accepted as a reading.
    pub ingest: IngestSettings,
    /// What is kept of a home.
    pub home: HomeSettings,
    /// When a zone counts as cut off.
    pub area: AreaSettings,
    /// What holds for a home that is not on the homes topic.
    pub defaults: HomeDefaults,
    /// Consent.
    pub privacy: PrivacySettings,
    /// File of the table of hazards that learned rules use, as `tapwatch train` writes it; empty for the one that is shipped.
    pub hazard: String,
    /// Rules by name of programme.
    pub programmes: BTreeMap<String, ProgrammeSettings>,
}

/// Settings of the logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// `human` or `json`.
    pub format: LogFormat,
    /// What is logged, in the form of `RUST_LOG`. At `info` no home is named.
    pub filter: String,
}

/// Settings of the metrics page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSettings {
    /// Where the page listens.
    pub listen: String,
}

/// Who may be watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrivacySettings {
    /// `required`: no reading of a home is judged or kept before its consent is on the homes topic. `assumed`: consent
    /// is kept elsewhere, and only a withdrawal on the homes topic counts.
    pub consent: ConsentRule,
    /// The purposes that a consent may name; empty for any.
    pub purposes: Vec<String>,
}

/// What holds for a home of which the homes topic says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HomeDefaults {
    /// IANA name of the time zone.
    pub time_zone: String,
    /// Grid cell or street block; empty for none.
    pub zone: String,
    /// Name of the programme.
    pub programme: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            source: "/tapwatch".into(),
            log: LogSettings::default(),
            metrics: MetricsSettings::default(),
            kafka: KafkaSettings::default(),
            engine: EngineSettings::default(),
            ingest: IngestSettings::default(),
            home: HomeSettings::default(),
            area: AreaSettings::default(),
            defaults: HomeDefaults::default(),
            privacy: PrivacySettings::default(),
            hazard: String::new(),
            programmes: BTreeMap::from([("default".to_owned(), ProgrammeSettings::default())]),
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Human,
            filter: "info".into(),
        }
    }
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9464".into(),
        }
    }
}

impl Default for HomeDefaults {
    fn default() -> Self {
        Self {
            time_zone: "UTC".into(),
            zone: String::new(),
            programme: "default".into(),
        }
    }
}

/// Settings that have been found right: raw, and as the core takes them.
#[derive(Clone, Debug)]
pub struct Validated {
    /// As they were stated.
    pub settings: Settings,
    /// What the core runs on.
    pub rules: Arc<Rules>,
    /// Where the metrics page listens.
    pub listen: SocketAddr,
}

impl Settings {
    /// Reads settings from all sources and validates them.
    ///
    /// # Errors
    /// Everything that is wrong, each with the place to put it right.
    pub fn read(sources: &Sources) -> Result<Validated, Problems> {
        let loaded = read::<Self>(sources, &Self::patterns())?;
        let meant = loaded.settings.validate(&loaded.origins);
        let mut problems = loaded.problems;
        if problems.is_empty() {
            return meant;
        }
        // What was dropped may be what is missed here.
        let known: Vec<String> = problems.iter().map(|problem| problem.key.clone()).collect();
        let follows = |problem: &Problem| {
            let mut known = known.iter();
            known.any(|known| is_within(known, &problem.key) || is_within(&problem.key, known))
        };
        let meant = meant.err().map(|meant| meant.0).unwrap_or_default();
        problems.extend(meant.into_iter().filter(|problem| !follows(problem)));
        Err(Problems::of(problems))
    }

    /// The rules of a preset, read as any rule file is.
    ///
    /// # Errors
    /// Everything that is wrong with its file; a test sees to it that nothing is.
    pub fn of_preset(preset: &Preset) -> Result<ProgrammeSettings, Problems> {
        let file = SettingsFile {
            path: format!("preset {}", preset.name).into(),
            text: preset.text.to_owned(),
        };
        let sources = Sources {
            rules: Some(file),
            ..Sources::default()
        };
        let mut programmes = Self::read(&sources)?.settings.programmes;
        Ok(programmes.remove(preset.name).unwrap_or_default())
    }

    fn patterns() -> Vec<Pattern> {
        let programme = serde_json::to_value(ProgrammeSettings::default()).unwrap_or_else(|_| json!({}));
        let of_stage = json!({ "a_home_month": 1.0, "alerts_a_day": 1.0 });
        let budget = json!({ "homes": 1, "ask": of_stage, "contact": of_stage, "visit": of_stage });
        vec![
            Pattern::new("kafka.properties.*", Expect::Text),
            Pattern::new("programmes.*", Expect::Like(programme)),
            Pattern::new("programmes.*.presets", Expect::Like(json!(["name"]))),
            Pattern::new("programmes.*.inactivity.rules[]", Expect::Any),
            // Nothing of it is there by default, so the defaults do not show its keys.
            Pattern::new("programmes.*.inactivity.budget", Expect::Like(budget)),
            Pattern::new("programmes.*.policy.ladder[]", Expect::Any),
        ]
    }

    /// Checks what settings mean and how they go together.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn validate(self, origins: &Origins) -> Result<Validated, Problems> {
        let mut problems: Vec<Problem> = Vec::new();
        let mut problem = |key: String, message: String| problems.push(origins.problem(&key, message));
        for (key, message) in self.kafka.mistakes() {
            problem(format!("kafka.{key}"), message);
        }
        let mut hazard = Hazard::default();
        if !self.hazard.is_empty() {
            let bytes = std::fs::read(&self.hazard).map_err(|error| error.to_string());
            match bytes.and_then(|bytes| Hazard::read(&bytes).map_err(|error| error.to_string())) {
                Ok(read) => hazard = read,
                Err(error) => problem("hazard".into(), format!("{}: {error}", self.hazard)),
            }
        }
        for (name, programme) in &self.programmes {
            if name.trim().is_empty() {
                problem(format!("programmes.{name}"), "a programme needs a name".into());
            }
            let mut detectors = programme.detectors.clone();
            detectors.inactivity.hazard = hazard.clone();
            for mistake in detectors.mistakes() {
                problem(format!("programmes.{name}.{}", mistake.key), mistake.message);
            }
            for (key, message) in programme.policy.mistakes() {
                problem(format!("programmes.{name}.policy.{key}"), message);
            }
        }
        let time_zone = TimeZone::get(&self.defaults.time_zone);
        if time_zone.is_err() {
            let message = format!("{:?} is no time zone of the IANA database", self.defaults.time_zone);
            problem("defaults.time_zone".into(), message);
        }
        if !self.programmes.contains_key(&self.defaults.programme) {
            let known: Vec<&str> = self.programmes.keys().map(String::as_str).collect();
            let message = format!(
                "no programme {:?}; there are {}",
                self.defaults.programme,
                known.join(", ")
            );
            problem("defaults.programme".into(), message);
        }
        let listen = self.metrics.listen.parse::<SocketAddr>();
        if listen.is_err() {
            let message = format!("{:?} is no address such as 127.0.0.1:9464", self.metrics.listen);
            problem("metrics.listen".into(), message);
        }
        if self.source.is_empty() || self.source.chars().any(|c| c.is_whitespace() || c.is_control()) {
            problem(
                "source".into(),
                format!("{:?} is no URI reference such as /tapwatch/district-7", self.source),
            );
        }
        for (key, value, least, most) in self.ranges() {
            if !(least..=most).contains(&value) {
                problem(key.into(), format!("{value} is not between {least} and {most}"));
            }
        }
        for (name, message) in self.area.mistakes() {
            problem(format!("area.{name}"), message);
        }
        if self.home.max_jump_seconds <= self.home.allowed_lateness_seconds {
            let message = format!(
                "{} s is not more than home.allowed_lateness_seconds ({} s): an ordinary gap would look like a jump",
                self.home.max_jump_seconds, self.home.allowed_lateness_seconds
            );
            problem("home.max_jump_seconds".into(), message);
        }
        match (listen, time_zone, problems.is_empty()) {
            (Ok(listen), Ok(time_zone), true) => {
                let mut rules = self.rules(time_zone);
                for programme in &mut rules.programmes {
                    programme.detectors.inactivity.hazard = hazard.clone();
                }
                Ok(Validated {
                    settings: self,
                    rules: Arc::new(rules),
                    listen,
                })
            }
            _ => Err(Problems(problems)),
        }
    }

    /// Settings that are numbers between two others.
    fn ranges(&self) -> [(&'static str, f64, f64, f64); 17] {
        let seconds = f64::from;
        let count = |n: usize| n as f64;
        [
            (
                "ingest.max_payload_bytes",
                count(self.ingest.max_payload_bytes),
                64.0,
                16_777_216.0,
            ),
            (
                "ingest.max_interval_seconds",
                seconds(self.ingest.max_interval_seconds),
                60.0,
                315_360_000.0,
            ),
            (
                "ingest.max_flow_litres_per_hour",
                self.ingest.max_flow_litres_per_hour,
                1.0,
                1e9,
            ),
            (
                "ingest.max_future_seconds",
                seconds(self.ingest.max_future_seconds),
                0.0,
                604_800.0,
            ),
            (
                "home.allowed_lateness_seconds",
                seconds(self.home.allowed_lateness_seconds),
                0.0,
                2_592_000.0,
            ),
            (
                "home.max_jump_seconds",
                seconds(self.home.max_jump_seconds),
                3_600.0,
                315_360_000.0,
            ),
            (
                "home.max_flow_litres_per_hour",
                self.home.max_flow_litres_per_hour,
                1.0,
                1e9,
            ),
            (
                "engine.restores_at_once",
                count(self.engine.restores_at_once),
                1.0,
                64.0,
            ),
            ("engine.threads", count(self.engine.threads), 0.0, 1_024.0),
            ("engine.max_in_flight", count(self.engine.max_in_flight), 1.0, 1e7),
            (
                "engine.commit_interval_ms",
                self.engine.commit_interval_ms as f64,
                0.0,
                600_000.0,
            ),
            (
                "engine.offsets_interval_ms",
                self.engine.offsets_interval_ms as f64,
                10.0,
                600_000.0,
            ),
            ("engine.checkpoint_share", self.engine.checkpoint_share, 0.0, 1.0),
            (
                "engine.max_replay_records",
                self.engine.max_replay_records as f64,
                1.0,
                1e12,
            ),
            (
                "engine.max_replay_age_seconds",
                seconds(self.engine.max_replay_age_seconds),
                3_600.0,
                3.2e8,
            ),
            (
                "engine.idle_grace_seconds",
                seconds(self.engine.idle_grace_seconds),
                0.0,
                86_400.0,
            ),
            (
                "engine.idle_max_behind_seconds",
                seconds(self.engine.idle_max_behind_seconds),
                60.0,
                3.2e8,
            ),
        ]
    }

    fn rules(&self, time_zone: TimeZone) -> Rules {
        let is_default = |name: &&String| **name == self.defaults.programme;
        let others = self.programmes.keys().filter(|name| !is_default(name));
        let names = self.programmes.keys().filter(is_default).chain(others);
        let programme = |name: &String| Programme {
            name: name.as_str().into(),
            detectors: self.programmes[name].detectors.clone(),
            policy: self.programmes[name].policy.clone(),
        };
        Rules {
            ingest: self.ingest.clone(),
            home: self.home.clone(),
            area: self.area.clone(),
            programmes: names.map(programme).collect(),
            time_zone,
            zone: (!self.defaults.zone.is_empty()).then(|| self.defaults.zone.as_str().into()),
            consent: self.privacy.consent,
            consent_purposes: self.privacy.purposes.clone(),
            panic_at_litres: None,
        }
    }
}
