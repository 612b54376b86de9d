//! What happens in one simulation, written down before it begins, so that it can be repeated with parts left out.

use std::sync::Arc;

use super::cluster::{Content, Protocol};
use super::dice::Dice;
use super::ports::{Fault, Kind};
use crate::area::AreaSettings;
use crate::detect::DetectorSettings;
use crate::detect::inactivity::{Condition, InactivitySettings, Rule};
use crate::detect::leak::{self, LeakSettings};
use crate::detect::silent_meter::SilentMeterSettings;
use crate::engine::{Deployment, EngineSettings};
use crate::model::{EventTime, HOUR, InputTopic, Response, Severity};
use crate::partition::{Programme, Rules};

/// When the readings begin: 2024-03-29T00:00:00Z, two days before clocks change in Europe.
pub const BEGIN: EventTime = EventTime::from_seconds(1_711_670_400);
/// At a reading of so many litres, detectors panic.
const POISON_LITRES: f32 = 66.5;
/// The largest dead letter that its topic takes.
pub const MAX_RECORD_BYTES: usize = 68_000;

/// In a response: the latest alert of its home that anybody has seen by then.
pub const ALERT_SEEN: &str = "(the alert seen)";
/// How often something comes from beside the readings, in a hundred hours of a home.
const BESIDE: [(InputTopic, u64); 4] = [
    (InputTopic::Homes, 9),
    (InputTopic::Signs, 9),
    (InputTopic::Responses, 7),
    (InputTopic::Zones, 2),
];
/// Names of zones.
const ZONES: [&str; 3] = ["street-7", "street-8", "hill"];

/// Hours that follow when everything was rebuilt.
const CODA_HOURS: u32 = 10;

/// The circumstances of one simulation.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whose it is.
    pub deployment: Deployment,
    /// The rules.
    pub rules: Arc<Rules>,
    /// Settings of every instance.
    pub engine: EngineSettings,
    /// The group's protocol.
    pub protocol: Protocol,
    /// Places for instances.
    pub slots: usize,
    /// Whether members are static.
    pub is_static: bool,
    /// How long a silent member is waited for.
    pub session_ms: u64,
    /// How long a transaction may take.
    pub time_out_ms: u64,
    /// The largest batch of readings.
    pub max_batch: usize,
    /// The largest slice of a rebuild.
    pub slice: usize,
    /// The offset of the first reading.
    pub first_offset: i64,
    /// What arrives after everything was rebuilt: readings, records of homes, hours.
    pub coda: Vec<Action>,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Action {
    /// A record is appended to a topic.
    Record {
        topic: InputTopic,
        partition: i32,
        content: Content,
    },
    /// Offsets of the readings that hold no record.
    Gap { partition: i32, offsets: i64 },
    /// The wall clock moves, on or back.
    Wall { seconds: i64 },
    /// Time passes.
    Tick { millis: u64 },
    /// Markers of decided transactions are written.
    Markers { count: usize },
    /// An instance takes turns, and its producer makes calls in between.
    Work { slot: usize, rounds: usize },
    /// An instance takes one turn.
    Turn { slot: usize },
    /// An instance's producer makes calls.
    Calls { slot: usize, count: usize },
    /// Processes that were replaced while they were stopped wake up and work.
    Ghosts { rounds: usize },
    /// One of the next calls of an instance's producer goes wrong.
    Fault { slot: usize, after: usize, fault: Fault },
    /// An instance dies.
    Crash { slot: usize },
    /// An instance starts; in the place of a stopped one, which becomes a ghost. `anew`: under a name of its own.
    Start { slot: usize, anew: bool },
    /// An instance is stopped (SIGSTOP).
    Stop { slot: usize },
    /// It goes on.
    Continue { slot: usize },
    /// An instance leaves in good order.
    Leave { slot: usize },
    /// The coordinator moves partitions about.
    Shuffle,
    /// The compacted topics of a partition are compacted.
    Compact { partition: i32 },
    /// Readings that no restart needs are removed.
    Retain { partition: i32 },
    /// Nobody reaches a broker.
    Down { millis: u64 },
}

/// An action, with the number that its own chances follow from.
#[derive(Clone, Debug)]
pub struct Planned {
    /// That number.
    pub salt: u64,
    /// The action.
    pub action: Action,
}

/// Circumstances and actions.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The circumstances.
    pub setup: Setup,
    /// The actions, in order.
    pub actions: Vec<Planned>,
}

fn programme(name: &str, hours: &[f64], silent_after: u32) -> Programme {
    let rules = hours.iter().enumerate().map(|(place, hours)| Rule {
        name: format!("no-use-{hours}h").into(),
        severity: if place == 0 { Severity::High } else { Severity::Critical },
        stage: crate::model::Stage::Visit,
        until_learned: false,
        when: Condition::NoUse { hours: *hours },
    });
    Programme {
        name: name.into(),
        policy: crate::alert::PolicySettings::default(),
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
            burst: crate::detect::burst::BurstSettings::default(),
            silent_meter: SilentMeterSettings {
                after_hours: silent_after,
                ..SilentMeterSettings::default()
            },
            ..DetectorSettings::default()
        },
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

fn rules(zone: Option<&str>) -> Arc<Rules> {
    let learned = Programme {
        name: "learned".into(),
        policy: crate::alert::PolicySettings::default(),
        detectors: DetectorSettings::default(),
    };
    Arc::new(Rules {
        programmes: vec![
            programme("watched", &[4.0, 8.0], 6),
            programme("patient", &[9.0], 30),
            learned,
        ],
        panic_at_litres: Some(POISON_LITRES),
        area: area(),
        zone: zone.map(Into::into),
        ..Rules::default()
    })
}

/// What a home is up to.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Usual,
    Dry,
    Leaking,
    Unheard,
}

struct SimulatedHome {
    name: String,
    partition: i32,
    mood: Mood,
    until: u32,
    /// Readings that the meter keeps back for a while.
    held: Vec<(u32, Content)>,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(1));
        let dice = &mut dice;
        let partitions = dice.between(2, 4) as i32;
        let setup = setup(partitions, dice);
        let mut plan = Self {
            setup,
            actions: Vec::new(),
        };
        // Some seeds are calm, some stormy; gaps and retention are of some seeds only.
        let mut weather = Weather {
            storm: *dice.one_of(&[2, 6, 12, 20]),
            gaps: *dice.one_of(&[0, 0, 60, 1_500]),
            retains: dice.percent(40),
            jumps: dice.percent(25),
            clocks: *dice.one_of(&[0, 0, 8, 25]),
            pace: dice.between(1, 3),
        };
        for slot in 0..plan.setup.slots {
            if slot == 0 || dice.percent(70) {
                plan.push(dice, Action::Start { slot, anew: false });
            }
        }
        plan.hours(&mut weather, dice);
        plan
    }

    fn push(&mut self, dice: &mut Dice, action: Action) {
        self.actions.push(Planned {
            salt: dice.next(),
            action,
        });
    }

    fn hours(&mut self, weather: &mut Weather, dice: &mut Dice) {
        let mut homes = Vec::new();
        for partition in 0..self.setup.deployment.partitions {
            for number in 0..dice.between(2, 4) {
                homes.push(SimulatedHome {
                    name: format!("home-{partition}-{number}"),
                    partition,
                    mood: Mood::Usual,
                    until: 0,
                    held: Vec::new(),
                });
            }
        }
        for home in &homes {
            if dice.percent(60) {
                let action = Action::Record {
                    topic: InputTopic::Homes,
                    partition: home.partition,
                    content: settled(&home.name, dice),
                };
                self.push(dice, action);
            }
        }
        let hours = dice.between(18, 40) as u32;
        let mut blackout = (0, 0);
        let mut ahead = 0;
        let mut coda_at = 0;
        for hour in 0..hours + CODA_HOURS {
            if hour == hours {
                coda_at = self.actions.len();
            }
            if dice.percent(6) {
                blackout = (
                    dice.below(u64::from(self.setup.deployment.partitions.unsigned_abs())) as i32,
                    hour + 9,
                );
            }
            for place in 0..homes.len() {
                for _ in 0..dice.below(weather.pace + 1) {
                    let action = self.operation(weather, dice);
                    self.push(dice, action);
                }
                for (topic, chance) in BESIDE {
                    if dice.percent(chance) {
                        let home = &homes[dice.below(homes.len() as u64) as usize];
                        let (partition, content) = (home.partition, beside(topic, &home.name, hour, dice));
                        let action = Action::Record {
                            topic,
                            partition,
                            content,
                        };
                        self.push(dice, action);
                    }
                }
                let home = &mut homes[place];
                if hour >= home.until {
                    home.mood = *dice.one_of(&[
                        Mood::Usual,
                        Mood::Usual,
                        Mood::Usual,
                        Mood::Dry,
                        Mood::Leaking,
                        Mood::Unheard,
                    ]);
                    home.until = hour + dice.between(3, 12) as u32;
                }
                let is_dark = blackout.0 == home.partition && hour < blackout.1;
                if !is_dark {
                    let partition = home.partition;
                    let mut jumped = false;
                    for content in readings(home, hour, weather.jumps, dice) {
                        jumped |= content.timestamp > Some(BEGIN.plus((hour + 240) * HOUR));
                        let topic = InputTopic::Readings;
                        let action = Action::Record {
                            topic,
                            partition,
                            content,
                        };
                        self.push(dice, action);
                    }
                    if jumped && dice.percent(40) {
                        self.restart(dice);
                    }
                }
            }
            let mut seconds = i64::from(HOUR);
            if ahead > 0 && dice.percent(40) {
                seconds -= std::mem::take(&mut ahead);
            } else if ahead == 0 && dice.percent(weather.clocks) {
                ahead = dice.between(3, 30) as i64 * i64::from(HOUR);
                seconds += ahead;
            }
            self.push(dice, Action::Wall { seconds });
        }
        let coda = self
            .actions
            .split_off(coda_at)
            .into_iter()
            .map(|planned| planned.action);
        let is_input = |action: &Action| matches!(action, Action::Record { .. } | Action::Wall { .. });
        self.setup.coda = coda.filter(is_input).collect();
    }

    /// Everything is caught up, more or less, dies, and starts.
    fn restart(&mut self, dice: &mut Dice) {
        for _ in 0..3 {
            for slot in 0..self.setup.slots {
                self.push(dice, Action::Work { slot, rounds: 8 });
                self.push(dice, Action::Calls { slot, count: 8 });
            }
            self.push(dice, Action::Tick { millis: 900 });
            self.push(dice, Action::Markers { count: 8 });
        }
        for slot in 0..self.setup.slots {
            self.push(dice, Action::Crash { slot });
            self.push(dice, Action::Start { slot, anew: false });
        }
    }

    fn operation(&self, weather: &mut Weather, dice: &mut Dice) -> Action {
        let slot = dice.below(self.setup.slots as u64) as usize;
        let partition = dice.below(u64::from(self.setup.deployment.partitions.unsigned_abs())) as i32;
        if dice.below(100) < weather.storm {
            return match dice.below(22) {
                0..=6 => Action::Fault {
                    slot,
                    after: dice.below(12) as usize,
                    fault: Fault {
                        kind: *dice.one_of(&[Kind::Again, Kind::Abort, Kind::Fatal]),
                        done: dice.percent(50),
                    },
                },
                7..=9 => Action::Crash { slot },
                10..=11 => Action::Stop { slot },
                12 => Action::Leave { slot },
                13..=16 => Action::Shuffle,
                17 => Action::Down {
                    millis: dice.between(500, 20_000),
                },
                18 => Action::Wall {
                    seconds: dice.between(0, 40) as i64 * i64::from(HOUR) - 16 * i64::from(HOUR),
                },
                19 => Action::Tick {
                    millis: dice.between(3_000, 15_000),
                },
                20 => Action::Ghosts {
                    rounds: dice.between(1, 12) as usize,
                },
                _ => Action::Start { slot, anew: true },
            };
        }
        match dice.below(100) {
            0..=37 => Action::Work {
                slot,
                rounds: dice.between(1, 8) as usize,
            },
            38..=47 => Action::Turn { slot },
            48..=62 => Action::Calls {
                slot,
                count: dice.between(1, 8) as usize,
            },
            63..=76 => Action::Tick {
                millis: dice.between(10, 900),
            },
            77..=84 => Action::Markers {
                count: dice.between(1, 6) as usize,
            },
            85..=90 => Action::Start { slot, anew: false },
            91..=93 => Action::Continue { slot },
            94..=95 => Action::Compact { partition },
            96 if weather.retains => Action::Retain { partition },
            97 if weather.gaps > 0 => Action::Gap {
                partition,
                offsets: dice.between(1, weather.gaps) as i64,
            },
            _ => Action::Work { slot, rounds: 3 },
        }
    }
}

struct Weather {
    storm: u64,
    gaps: u64,
    retains: bool,
    /// Meters' clocks jump, and other readings agree.
    jumps: bool,
    /// How often, in a hundred hours, the wall clock goes wrong for a while.
    clocks: u64,
    pace: u64,
}

fn setup(partitions: i32, dice: &mut Dice) -> Setup {
    let engine = EngineSettings {
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
        rules: rules(dice.percent(40).then_some("district")),
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

/// What a home's meter puts into the topic in an hour.
fn readings(home: &mut SimulatedHome, hour: u32, jumps: bool, dice: &mut Dice) -> Vec<Content> {
    let mut all = Vec::new();
    if home.mood != Mood::Unheard {
        let litres = match home.mood {
            Mood::Dry => 0.0,
            Mood::Leaking => 2.0 + dice.below(20) as f32,
            Mood::Usual | Mood::Unheard if dice.percent(70) => 1.0 + dice.below(60) as f32 / 2.0,
            Mood::Usual | Mood::Unheard => 0.0,
        };
        let litres = if dice.percent(2) { POISON_LITRES } else { litres };
        let more = match dice.below(40) {
            0 => r#","quality":"estimated""#.to_owned(),
            1 => r#","quality":"faulty""#.to_owned(),
            2 | 3 => format!(r#","meter_id":"{}-garden""#, home.name),
            _ => String::new(),
        };
        let content = reading(&home.name, hour, hour, &format!(r#""volume_litres":{litres}{more}"#));
        match dice.below(30) {
            0 | 1 => home.held.push((hour + dice.between(1, 6) as u32, content)),
            2 => all.extend([content.clone(), content]),
            3 => {
                let other = reading(&home.name, hour, hour, r#""volume_litres":7.5"#);
                all.extend([content, other]);
            }
            4 if jumps || dice.percent(30) => {
                // A meter whose clock has jumped, and a second reading that may agree.
                let far = hour + 20 * 24;
                all.push(reading(&home.name, far, far, r#""volume_litres":1"#));
                if jumps && dice.percent(70) {
                    let next = reading(&home.name, far + 1, far + 1, r#""volume_litres":1"#);
                    home.held.push((hour + dice.between(1, 8) as u32, next));
                }
                all.push(content);
            }
            5 => all.extend([content, garbage(&home.name, hour, dice)]),
            _ => all.push(content),
        }
    }
    let (due, held) = std::mem::take(&mut home.held)
        .into_iter()
        .partition(|(at, _)| *at <= hour);
    home.held = held;
    all.extend(Vec::into_iter(due).map(|(_, content)| Content {
        timestamp: content.timestamp.max(Some(BEGIN.plus((hour + 1) * HOUR))),
        ..content
    }));
    all
}

fn reading(home: &str, hour: u32, arrival: u32, fields: &str) -> Content {
    let start = BEGIN.plus(hour * HOUR);
    let value = format!(r#"{{"household_id":"{home}","timestamp":"{start}","interval_seconds":3600,{fields}}}"#);
    content(home, Some(value), Some(BEGIN.plus((arrival + 1) * HOUR)))
}

fn content(key: &str, value: Option<String>, timestamp: Option<EventTime>) -> Content {
    Content {
        key: Some(key.as_bytes().into()),
        value: value.map(|value| value.into_bytes().into()),
        headers: Vec::new(),
        timestamp,
    }
}

fn garbage(home: &str, hour: u32, dice: &mut Dice) -> Content {
    let at = Some(BEGIN.plus((hour + 1) * HOUR));
    match dice.below(8) {
        0 => content(home, None, at),
        1 => content(home, Some("{".into()), at),
        2 => content(home, Some(r#"{"household_id":"nobody"}"#.into()), None),
        3 => Content {
            key: None,
            ..reading(home, hour, hour, r#""volume_litres":1"#)
        },
        4 => content(
            "another",
            Some(r#"{"household_id":"nobody","interval_seconds":-1}"#.into()),
            at,
        ),
        5 => reading(home, hour, hour, r#""volume_litres":1e9"#),
        6 => content(home, Some("x".repeat(70_000)), at),
        _ => reading(home, hour + 1_000, hour, r#""volume_litres":1"#),
    }
}

/// A home with a zone.
fn settled(home: &str, dice: &mut Dice) -> Content {
    let zone = dice.one_of(&ZONES);
    let value = format!(r#"{{"household_id":"{home}","programme":"watched","zone":"{zone}"}}"#);
    content(home, Some(value), None)
}

/// What nobody here has said of a zone: of a partition that there is not, of a zone that is another's, or of no form.
fn said_of_a_zone(at: EventTime, dice: &mut Dice) -> Content {
    let zone = dice.one_of(&ZONES);
    let (key, value) = match dice.below(4) {
        0 => (
            format!("{zone}/silent"),
            format!(r#"{{"status":{{"zone":"{zone}","cause":"dry","from":"{at}"}}}}"#),
        ),
        1 => (
            format!("{zone}/dry"),
            format!(r#"{{"status":{{"zone":"{zone}","cause":"dry","from":"{at}","to":"{at}"}}}}"#),
        ),
        _ => {
            let silence = format!(r#"{{"active":1,"overdue":0,"last_heard":"{at}"}}"#);
            (
                format!("{zone}/9"),
                format!(r#"{{"report":{{"zone":"{zone}","partition":9,"at":"{at}","hours":[],"silence":{silence}}}}}"#),
            )
        }
    };
    content(&key, Some(value), Some(at))
}

/// A record of a topic beside the readings: right, wrong or absurd.
fn beside(topic: InputTopic, home: &str, hour: u32, dice: &mut Dice) -> Content {
    let record = |fields: String| Some(format!(r#"{{"household_id":"{home}"{fields}}}"#));
    let at = BEGIN.plus(hour * HOUR + dice.below(7_200) as u32);
    let until = at.plus(dice.between(1, 20) as u32 * HOUR);
    let absurd = match dice.below(8) {
        0 => Some(Content {
            key: None,
            ..content(home, record(String::new()), Some(at))
        }),
        1 => Some(content("another", record(String::new()), Some(at))),
        2 => Some(content(home, Some("nothing that could be read".into()), Some(at))),
        3 if topic != InputTopic::Homes => Some(content(home, None, Some(at))),
        _ => None,
    };
    if let Some(absurd) = absurd.filter(|_| dice.percent(40)) {
        return absurd;
    }
    let value = match topic {
        InputTopic::Zones => return said_of_a_zone(at, dice),
        InputTopic::Signs => {
            let signs = [
                "electricity",
                "door",
                "phone",
                "button",
                "visit",
                "answer",
                "back",
                "smoke",
            ];
            match dice.below(8) {
                0 | 1 => record(format!(r#","sign":"out","at":"{at}","until":"{until}""#)),
                2 => record(format!(r#","sign":"door","at":"{}""#, at.plus(4_000 * HOUR))),
                _ => record(format!(r#","sign":"{}","at":"{at}""#, dice.one_of(&signs))),
            }
        }
        InputTopic::Responses => {
            let alert = *dice.one_of(&[ALERT_SEEN, ALERT_SEEN, ALERT_SEEN, "0000000000000000", "", "of no form"]);
            let response = dice.one_of(&Response::ALL).name();
            let more = match dice.below(4) {
                0 => format!(r#","until":"{until}""#),
                1 => r#","by":"r-7""#.into(),
                2 => r#","mood":"good""#.into(),
                _ => String::new(),
            };
            record(format!(
                r#","alert_id":"{alert}","response":"{response}","at":"{at}"{more}"#
            ))
        }
        _ => match dice.below(17) {
            0 => record(r#","programme":"watched""#.into()),
            1 | 2 => return settled(home, dice),
            3..=5 => record(r#","programme":"patient""#.into()),
            6 => record(r#","programme":"learned","time_zone":"Asia/Shanghai""#.into()),
            7 => record(format!(
                r#","zone":"{}","time_zone":"Europe/Berlin""#,
                dice.one_of(&ZONES)
            )),
            8 => record(r#","programme":"nonsense""#.into()),
            9 | 10 => record(r#","erase":true"#.into()),
            11 => record(format!(r#","absence":{{"from":"{at}","to":"{until}"}}"#)),
            12 => record(format!(r#","absence":{{"from":"{at}"}},"kind":"one_person""#)),
            13 => record(format!(
                r#","programme":"watched","consent":{{"purpose":"welfare","given_at":"{at}"}}"#
            )),
            14 => record(format!(
                r#","consent":{{"purpose":"welfare","given_at":"{BEGIN}","withdrawn_at":"{at}"}}"#
            )),
            _ => None,
        },
    };
    content(home, value, dice.percent(50).then_some(at))
}
