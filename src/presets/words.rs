//! Rules in words, for those who choose among them.

use serde::Serialize;

use crate::detect::inactivity::{Budget, Condition, InactivitySettings, Rule};
use crate::detect::{burst, leak, prolonged_draw};
use crate::home::Counts;
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
    others(programme, &mut rules);
    rules
}

fn inactivity(settings: &InactivitySettings, place: usize, rule: &Rule) -> String {
    let words = match &rule.when {
        Condition::NoUse { hours } => format!("no use for {hours} h"),
        Condition::PerPerson { default_hours } => {
            format!("no use for the hours set for the person (no_use_hours), {default_hours} h where none are set")
        }
        Condition::FewLitres {
            below,
            hours,
            inclusive: false,
        } => format!("less than {below} L in the last {hours} h"),
        Condition::FewLitres { below, hours, .. } => format!("at most {below} L in the last {hours} h"),
        Condition::OnlyDailyUse { hours } => format!(
            "in the last {hours} h no use but in an hour of the day in which there is use on 12 of 14 days, as of a machine"
        ),
        Condition::FewLitresADay { below } => format!("less than {below} L on a calendar day"),
        Condition::Bands {
            bands,
            all,
            days,
            each_day,
        } => {
            let names: Vec<String> = bands.iter().map(ToString::to_string).collect();
            let mut words = match (&names[..], all) {
                ([name], _) => format!("no use in the band {name} of the day"),
                (_, true) => format!("no use in any of the bands {} of the day", names.join(", ")),
                (_, false) => format!("no use in one of the bands {} of the day", names.join(", ")),
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
    let counted = match rule.counts {
        Counts::AboveLeak => "",
        Counts::AllWater => "; a leak's water counts as use",
    };
    let until = if rule.until_learned {
        ", until the learned rule speaks"
    } else {
        ""
    };
    format!("{words}{counted}{until}")
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
    words += "; by the curve of the table of hazards";
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
        leak::Condition::Intermittent { at_least, at_most, of } if at_least == at_most => {
            format!("flow in {at_least} of the last {of} quarter-hours")
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
    let hours = programme.detectors.inactivity.learn_hours(rule);
    rule.is_learned().then(|| {
        format!("{hours} hours of known use of the home, in its last 60 days; until then the rule says nothing of it")
    })
}

/// The rules of all other detectors that are switched on.
fn others(programme: &ProgrammeSettings, rules: &mut Vec<RuleInWords>) {
    let detectors = &programme.detectors;
    let burst = &detectors.burst;
    for rule in burst.rules.iter().filter(|_| burst.enabled) {
        rules.push(RuleInWords {
            rule: Some(rule.name.to_string()),
            severity: Some(rule.severity),
            ..RuleInWords::of("burst", bursts(&rule.when, burst.q3_litres_per_hour))
        });
    }
    let draws = &detectors.prolonged_draw;
    for rule in draws.rules.iter().filter(|_| draws.enabled) {
        rules.push(RuleInWords {
            rule: Some(rule.name.to_string()),
            severity: Some(rule.severity),
            stage: Some(rule.stage),
            in_shadow_until: rule
                .when
                .learns()
                .then(|| format!("{} days of known use of the home", draws.learn_days)),
            ..RuleInWords::of("prolonged_draw", prolonged(&rule.when))
        });
    }
    let mut add = |is_on: bool, detector: &str, words: String| {
        if is_on {
            rules.push(RuleInWords::of(detector, words));
        }
    };
    let well = &detectors.well_today;
    let signs = if well.other_signs {
        "water or another sign of life"
    } else {
        "water"
    };
    add(
        well.enabled,
        "well_today",
        format!(
            "the first {signs} of the day from {:02}:00 on, once a day, as good news",
            well.from_hour
        ),
    );
    let silent = &detectors.silent_meter;
    add(
        silent.enabled,
        "silent_meter",
        format!(
            "no reading for longer than the meter's own rhythm allows, for at least {} h; {} h while it is not known",
            silent.at_least_hours, silent.after_hours
        ),
    );
    let trouble = &detectors.meter_trouble;
    let named: Vec<&str> = trouble.report.iter().map(|trouble| trouble.words().0).collect();
    let all = "backward flow, readings that cannot be, a wrong clock, or a flag of the meter (tamper, battery, leak)";
    let words = if named.is_empty() {
        all.to_owned()
    } else {
        named.join("; ").to_lowercase()
    };
    add(trouble.enabled, "meter_trouble", words);
    let away = &detectors.use_while_away;
    add(
        away.enabled,
        "use_while_away",
        format!(
            "{} L or more within {} h while the people are away",
            away.at_least_litres, away.within_hours
        ),
    );
    let back = &detectors.no_return;
    add(
        back.enabled,
        "no_return",
        format!("no water for {} h after the end of an absence", back.after_hours),
    );
    add(
        detectors.night_drift.enabled,
        "night_drift",
        "the nights change slowly over weeks; told weekly".into(),
    );
    add(
        detectors.routine_drift.enabled,
        "routine_drift",
        "the days change slowly over weeks; told weekly".into(),
    );
}

impl RuleInWords {
    fn of(detector: &str, words: String) -> Self {
        Self {
            detector: detector.to_owned(),
            rule: None,
            words,
            severity: None,
            stage: None,
            in_shadow_until: None,
        }
    }
}

fn bursts(when: &burst::Condition, q3: f32) -> String {
    match when {
        burst::Condition::ShareOfQ3 { percent, minutes } => format!(
            "more than {percent} % of Q3 ({} L/h of {q3} L/h) for {minutes} min without a pause",
            q3 * percent / 100.0
        ),
        burst::Condition::OwnPeak {
            times,
            at_least_litres_per_hour: least,
            minutes,
        } => format!("{times} times the home's own greatest flow, and at least {least} L/h, for {minutes} min"),
    }
}

fn prolonged(when: &prolonged_draw::Condition) -> String {
    use prolonged_draw::Condition;
    let from = |least: f32| {
        if least > 0.0 {
            format!(", of {least} L/h or more")
        } else {
            String::new()
        }
    };
    match when {
        Condition::Lasting {
            minutes,
            at_least_litres_per_hour: least,
        } => format!("one use of water that lasts {minutes} min{}", from(*least)),
        Condition::HighFlow {
            minutes,
            litres,
            above_litres_per_hour: least,
        } => format!("one use at {least} L/h or more that lasts {minutes} min or takes {litres} L"),
        Condition::LowFlow { minutes, litres } => {
            format!("one use that lasts {minutes} min and takes {litres} L")
        }
        Condition::Own {
            factor,
            at_least_minutes,
            at_least_litres_per_hour: least,
        } => format!(
            "one use {factor} times as long as the home's longest, and at least {at_least_minutes} min{}",
            from(*least)
        ),
    }
}

/// Who is told, and when: the ladder of contacts.
pub fn told_in_words(programme: &ProgrammeSettings) -> String {
    let steps = programme.policy.ladder.iter().enumerate().map(|(index, step)| {
        let days = step.duty_days.iter().map(|day| format!(" {}", day.name()));
        let duty = match step.duty {
            Some(duty) => format!(" (on duty {duty}{})", days.collect::<String>()),
            None if step.duty_days.is_empty() => String::new(),
            None => format!(" (on duty{})", days.collect::<String>()),
        };
        match (index, step.after_minutes) {
            (0, 0) => format!("{}{duty}", step.contact),
            (_, 0) => format!("and {}{duty}", step.contact),
            (_, minutes) => format!("after {minutes} min {}{duty}", step.contact),
        }
    });
    let ladder = steps.collect::<Vec<_>>().join(", ");
    let kinds: Vec<&str> = programme.policy.ladder_kinds.iter().map(|kind| kind.name()).collect();
    if ladder.is_empty() {
        ladder
    } else {
        format!("{ladder}; of {}", kinds.join(", "))
    }
}
