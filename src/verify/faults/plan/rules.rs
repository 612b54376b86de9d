//! The circumstances of a simulation: settings of the engine, programmes and their policies, the rule of consent.

use std::sync::Arc;

use super::super::cluster::Protocol;
use super::super::dice::Dice;
use super::Setup;
use crate::alert::{LadderStep, PolicySettings, SignSettings, VisitListSettings};
use crate::area::AreaSettings;
use crate::detect::DetectorSettings;
use crate::detect::inactivity::{Condition, InactivitySettings, Rule};
use crate::detect::leak::{self, LeakSettings};
use crate::detect::silent_meter::SilentMeterSettings;
use crate::engine::{Deployment, EngineSettings};
use crate::model::{AlertKind, Band, HOUR, InputTopic, Severity, SignKind, Stage};
use crate::partition::{ConsentRule, Programme, Rules};

/// At a reading of so many litres, detectors panic.
pub(super) const POISON_LITRES: f32 = 66.5;
/// The purposes that a consent may name, where not every one is accepted.
pub(super) const PURPOSE: &str = "welfare";

/// A programme whose rules are met after so many hours without use, each at its stage.
fn programme(name: &str, rules: &[(f64, Stage)], silent_after: u32, dice: &mut Dice) -> Programme {
    let rules = rules.iter().enumerate().map(|(place, (hours, stage))| {
        let severity = if place == 0 { Severity::High } else { Severity::Critical };
        let when = Condition::NoUse { hours: *hours };
        Rule {
            stage: *stage,
            ..Rule::new(&format!("no-use-{hours}h"), severity, when)
        }
    });
    Programme {
        name: name.into(),
        policy: policy(dice),
        detectors: DetectorSettings {
            inactivity: InactivitySettings {
                rules: rules.collect(),
                ..InactivitySettings::default()
            },
            leak: LeakSettings {
                rules: vec![leak::Rule {
                    skip_unknown_hours: 0,
                    ..leak::Rule::new("no-dry-hour-5h", leak::Condition::continuous(5))
                }],
                ..LeakSettings::default()
            },
            silent_meter: SilentMeterSettings {
                after_hours: silent_after,
                ..SilentMeterSettings::default()
            },
            ..DetectorSettings::default()
        },
    }
}

/// A ladder of contacts whose timers and hours of duty fall into the hours of a simulation, or none; signs that suspend or
/// change nothing; a list of homes to visit that is made at any hour, or cut short.
fn policy(dice: &mut Dice) -> PolicySettings {
    let contacts = *dice.one_of(&[0, 1, 2, 3]);
    let steps = ["family", "neighbour", "warden"].into_iter().take(contacts);
    let ladder = steps.map(|contact| LadderStep {
        contact: contact.into(),
        after_minutes: *dice.one_of(&[0, 0, 20, 60, 150]),
        duty: dice.percent(50).then(|| Band {
            from: dice.below(24) as i8,
            to: dice.below(24) as i8,
        }),
        duty_days: Vec::new(),
    });
    PolicySettings {
        ladder: ladder.collect(),
        ladder_kinds: vec![AlertKind::Inactivity, AlertKind::SilentMeter],
        signs: SignSettings {
            end: dice.one_of(&[SignKind::ALL.as_slice(), &[SignKind::Answer]]).to_vec(),
            suspend: vec![*dice.one_of(&SignKind::ALL)],
            suspend_hours: dice.between(1, 6) as u32,
        },
        visit_list: VisitListSettings {
            enabled: dice.percent(80),
            at_hour: dice.below(24) as u8,
            at_most: *dice.one_of(&[1, 1_000]),
            dry_hours: *dice.one_of(&[0, 3]),
        },
        ..PolicySettings::default()
    }
}

/// A few homes that are not heard for some hours are an outage here: no simulation has the days that dry ones take, nor the
/// homes.
fn area() -> AreaSettings {
    AreaSettings {
        min_homes: 1,
        false_alerts_per_zone_year: 50.0,
        upload_seconds: HOUR,
        usual_silent_share: 0.002,
        longest_hours: 9,
        ..AreaSettings::default()
    }
}

fn rules(dice: &mut Dice) -> Arc<Rules> {
    let watched: &[_] = if dice.percent(50) {
        &[(3.0, Stage::Ask), (5.0, Stage::Contact), (8.0, Stage::Visit)]
    } else {
        &[(4.0, Stage::Visit), (8.0, Stage::Visit)]
    };
    let learned = Programme {
        name: "learned".into(),
        policy: policy(dice),
        detectors: DetectorSettings::default(),
    };
    Arc::new(Rules {
        programmes: vec![
            programme("watched", watched, 6, dice),
            programme("patient", &[(9.0, Stage::Visit)], 30, dice),
            learned,
        ],
        panic_at_litres: Some(POISON_LITRES),
        area: area(),
        zone: dice.percent(40).then(|| "district".into()),
        consent: *dice.one_of(&[ConsentRule::Required, ConsentRule::Assumed]),
        consent_purposes: dice.percent(50).then(|| PURPOSE.to_owned()).into_iter().collect(),
        ..Rules::default()
    })
}

pub(super) fn setup(partitions: i32, dice: &mut Dice) -> Setup {
    let engine = EngineSettings {
        threads: 1,
        restores_at_once: dice.between(1, 3) as usize,
        max_in_flight: *dice.one_of(&[4, 20, 10_000]),
        commit_interval_ms: *dice.one_of(&[0, 20, 100, 500]),
        offsets_interval_ms: *dice.one_of(&[0, 50, 1_000, 5_000]),
        checkpoint_share: *dice.one_of(&[0.0, 0.04, 0.5, 2.0]),
        max_replay_records: *dice.one_of(&[5, 40, 100_000]),
        max_replay_age_seconds: *dice.one_of(&[6 * HOUR, 7 * 24 * HOUR]),
        idle_grace_seconds: *dice.one_of(&[0, 300]),
        idle_max_behind_seconds: *dice.one_of(&[12 * HOUR, 7 * 24 * HOUR]),
        mutation: None,
    };
    Setup {
        deployment: Deployment {
            cluster: "simulated".into(),
            group: "tapwatch".into(),
            topics: InputTopic::ALL.map(|topic| topic.name().into()),
            partitions,
            source: "/tapwatch/simulated".into(),
        },
        rules: rules(dice),
        engine,
        protocol: *dice.one_of(&[Protocol::Eager, Protocol::Cooperative, Protocol::Consumer]),
        slots: dice.between(1, 4) as usize,
        is_static: dice.percent(50),
        session_ms: *dice.one_of(&[2_000, 6_000, 45_000]),
        time_out_ms: *dice.one_of(&[1_500, 10_000, 60_000]),
        max_batch: *dice.one_of(&[1, 5, 30]),
        slice: *dice.one_of(&[3, 40]),
        // Some logs are long: homes are kept with the low half of an offset alone.
        first_offset: if dice.percent(20) {
            (1 << 32) - dice.between(1, 40) as i64
        } else {
            0
        },
        coda: Vec::new(),
    }
}
