//! Rules in words, for those who choose among them.

use serde::Serialize;
use serde_json::Value;

use crate::detect::inactivity::{Budget, Condition, InactivitySettings, MEASURED_ON, Rule};
use crate::detect::leak;
use crate::model::{Severity, Stage};
use crate::partition::ProgrammeSettings;

/// One rule of a programme.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleInWords {
    /// The table of the settings in which it stands.
    pub detector: String,
    /// Its name, where rules of its detector have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// When it is met.
    pub words: String,
    /// How much it matters, where the rule says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// What it asks for, where the rule says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// For a rule that has to learn a home first: what it needs before it speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_shadow_until: Option<String>,
}

/// Every rule that holds in a programme.
pub fn words(programme: &ProgrammeSettings) -> Vec<RuleInWords> {
    let mut rules = Vec::new();
    for (place, rule) in programme.detectors.inactivity.rules.iter().enumerate() {
        rules.push(RuleInWords {
            detector: "inactivity".into(),
            rule: Some(rule.name.to_string()),
            words: inactivity(&programme.detectors.inactivity, place, rule),
            severity: Some(rule.severity),
            stage: Some(rule.stage),
            in_shadow_until: shadow(programme, rule),
        });
    }
    let leak = &programme.detectors.leak;
    for rule in leak.rules.iter().filter(|_| leak.enabled) {
        rules.push(RuleInWords {
            detector: "leak".into(),
            rule: Some(rule.name.to_string()),
            words: leaks(&rule.when),
            severity: rule.severity,
            stage: None,
            in_shadow_until: None,
        });
    }
    let Ok(Value::Object(tables)) = serde_json::to_value(&programme.detectors) else {
        return rules;
    };
    let in_words = |detector: &str| matches!(detector, "inactivity" | "leak");
    for (detector, table) in tables.iter().filter(|(detector, _)| !in_words(detector)) {
        others(detector, table, &mut rules);
    }
    rules
}

fn inactivity(settings: &InactivitySettings, place: usize, rule: &Rule) -> String {
    let words = match &rule.when {
        Condition::NoUse { hours } => format!("no sign of life for {hours} h"),
        Condition::PerPerson { default_hours } => {
            format!(
                "no sign of life for the hours set for the person (no_use_hours), {default_hours} h where none are set"
            )
        }
        Condition::FewLitres {
            below,
            hours,
            inclusive: false,
        } => format!("less than {below} L in the last {hours} h"),
        Condition::FewLitres { below, hours, .. } => format!("at most {below} L in the last {hours} h"),
        Condition::FewLitresADay { below } => format!("less than {below} L on a calendar day"),
        Condition::Bands {
            bands,
            all,
            days,
            each_day,
        } => {
            let names: Vec<String> = bands.iter().map(ToString::to_string).collect();
            let mut words = match (&names[..], all) {
                ([name], _) => format!("no sign of life in the band {name} of the day"),
                (_, true) => format!("no sign of life in any of the bands {} of the day", names.join(", ")),
                (_, false) => format!("no sign of life in one of the bands {} of the day", names.join(", ")),
            };
            if !days.is_empty() {
                let days: Vec<String> = days.iter().map(|day| format!("{day:?}")).collect();
                words += &format!(", on {}", days.join(", "));
            }
            if *each_day {
                words += ", told anew with each";
            }
            words
        }
        Condition::OwnSpells {
            percent,
            at_least_hours,
        } => format!(
            "dry for longer than {percent} % of the home's own dry spells of the last 60 days, and for at least {at_least_hours} h"
        ),
        Condition::Learned(learned) => format!(
            "dry for so long that waiting is no longer likely to clear it, by the home's own spells (λ = {:.0} h{})",
            settings.lambda(place),
            match learned.lambda {
                Some(_) => String::new(),
                None => by_budget(settings, rule.stage),
            }
        ),
    };
    if rule.until_learned {
        words + ", until the learned rule speaks"
    } else {
        words
    }
}

/// Where λ of a stage comes from.
fn by_budget(settings: &InactivitySettings, stage: Stage) -> String {
    let Some(budget) = settings.budget.a_home_month(stage) else {
        return ", the default".to_owned();
    };
    let mut words = format!(", from a budget of {budget:.3} false alerts a home-month");
    if let (Some(Budget::AlertsADay(alerts)), Some(homes)) = (settings.budget.stated(stage), settings.budget.homes) {
        words += &format!(", {alerts} a day of {homes} homes");
    }
    if let Some((rule, rate)) = settings.fixed_rate(stage).filter(|(_, rate)| *rate > 0.0) {
        words += &format!(", of which {rate:.2} go to {}", rule.name);
    }
    words += &format!("; as measured on {MEASURED_ON}");
    let unmeasured: Vec<&str> = settings.unmeasured(stage).map(|rule| &*rule.name).collect();
    if !unmeasured.is_empty() {
        words += &format!("; {} not counted", unmeasured.join(", "));
    }
    words
}

fn leaks(when: &leak::Condition) -> String {
    match when {
        leak::Condition::Continuous {
            hours,
            at_least_litres_per_hour: litres,
            slot_minutes,
        } => {
            let slot = match slot_minutes {
                60 => "hour",
                30 => "half-hour",
                _ => "quarter-hour",
            };
            let flow = if *litres > 0.0 {
                format!("at least {litres} L/h")
            } else {
                "flow".to_owned()
            };
            format!("{flow} in every {slot} for {hours} h")
        }
        leak::Condition::Intermittent { at_least, at_most, of } => {
            format!("flow in {at_least} to {at_most} of the last {of} quarter-hours")
        }
        leak::Condition::Daily { above_litres, hours } => format!("more than {above_litres} L in the last {hours} h"),
        leak::Condition::Growing {
            days,
            by_litres_per_hour,
        } => format!("the least hourly flow of a day has grown by {by_litres_per_hour} L/h in {days} days"),
        leak::Condition::Steady { hours, evidence } => format!(
            "flow in every hour for {hours} h that comes back to the same floor more often than this home's habits explain \
             (evidence of {evidence} nats)"
        ),
    }
}

/// What a learned rule waits for.
fn shadow(programme: &ProgrammeSettings, rule: &Rule) -> Option<String> {
    let hours = programme.detectors.inactivity.learn_hours;
    rule.is_learned().then(|| {
        format!("{hours} hours of known use of the home, in its last 60 days; until then the rule says nothing of it")
    })
}

/// The rules of a detector that has no words of its own here: its settings, as they stand.
fn others(detector: &str, table: &Value, rules: &mut Vec<RuleInWords>) {
    let Value::Object(settings) = table else { return };
    if settings.get("enabled") == Some(&Value::Bool(false)) {
        return;
    }
    let listed = settings.get("rules").and_then(Value::as_array);
    for rule in listed.into_iter().flatten() {
        rules.push(RuleInWords {
            detector: detector.to_owned(),
            rule: rule.get("name").and_then(Value::as_str).map(str::to_owned),
            words: spelled(rule.get("when").unwrap_or(rule)),
            severity: field(rule, "severity"),
            stage: field(rule, "stage"),
            in_shadow_until: None,
        });
    }
    if listed.is_none() {
        rules.push(RuleInWords {
            detector: detector.to_owned(),
            rule: None,
            words: spelled(table),
            severity: None,
            stage: None,
            in_shadow_until: None,
        });
    }
}

fn field<T: serde::de::DeserializeOwned>(rule: &Value, name: &str) -> Option<T> {
    rule.get(name)
        .and_then(|value| serde_json::from_value(value.clone()).ok())
}

/// Settings as words: `above litres 2000, hours 24`.
fn spelled(value: &Value) -> String {
    match value {
        Value::Object(table) => {
            let plain = |name: &str| name.replace('_', " ");
            let said = table.iter().filter(|(name, value)| {
                !value.is_null() && !matches!(name.as_str(), "enabled" | "name" | "severity" | "stage")
            });
            let parts: Vec<String> = said
                .map(|(name, value)| match value {
                    Value::Object(_) => format!("{} ({})", plain(name), spelled(value)),
                    _ => format!("{} {}", plain(name), spelled(value)),
                })
                .collect();
            parts.join(", ")
        }
        Value::Array(items) => items.iter().map(spelled).collect::<Vec<_>>().join(" and "),
        Value::String(text) => text.clone(),
        // Numbers of single precision show as many figures as they have.
        Value::Number(number) => number
            .as_f64()
            .map_or(number.to_string(), |number| (number as f32).to_string()),
        value => value.to_string(),
    }
}

/// Who is told, and when: the ladder of contacts.
pub fn told_in_words(programme: &ProgrammeSettings) -> String {
    let steps = programme.policy.ladder.iter().enumerate().map(|(index, step)| {
        let duty = step.duty.map(|duty| format!(" (on duty {duty})")).unwrap_or_default();
        match (index, step.after_minutes) {
            (0, 0) => format!("{}{duty}", step.contact),
            (_, 0) => format!("and {}{duty}", step.contact),
            (_, minutes) => format!("after {minutes} min {}{duty}", step.contact),
        }
    });
    steps.collect::<Vec<_>>().join(", ")
}
