//! What happens in one simulation, written down before it begins, so that it can be repeated with parts left out.

mod records;
mod rules;

use std::sync::Arc;

use self::records::{beside, readings, settled};
use self::rules::setup;
use super::cluster::{Content, Protocol};
use super::dice::Dice;
use super::ports::{Fault, Kind};
use crate::engine::{Deployment, EngineSettings};
use crate::model::{EventTime, HOUR, InputTopic};
use crate::partition::{ConsentRule, Rules};

/// When the readings begin: 2024-03-29T00:00:00Z, two days before clocks change in Europe.
pub const BEGIN: EventTime = EventTime::from_seconds(1_711_670_400);
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
        let rule = self.setup.rules.consent;
        // Some deliver readings before anything is known of them.
        let known = if rule == ConsentRule::Required { 85 } else { 60 };
        for home in &homes {
            if dice.percent(known) {
                let action = Action::Record {
                    topic: InputTopic::Homes,
                    partition: home.partition,
                    content: settled(&home.name, rule, dice),
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
                        let (partition, content) = (home.partition, beside(topic, &home.name, hour, rule, dice));
                        let action = Action::Record {
                            topic,
                            partition,
                            content,
                        };
                        self.push(dice, action);
                    }
                }
                if dice.percent(4) {
                    self.hand_over(dice);
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

    /// One instance has something under way while it is asked to give partitions back, and for more before it has; others
    /// take what is free. Then it goes on.
    fn hand_over(&mut self, dice: &mut Dice) {
        let slot = dice.below(self.setup.slots as u64) as usize;
        self.push(dice, Action::Work { slot, rounds: 2 });
        for _ in 0..2 {
            self.push(dice, Action::Shuffle);
            self.push(dice, Action::Turn { slot });
        }
        for slot in (0..self.setup.slots).filter(|other| *other != slot) {
            self.push(dice, Action::Work { slot, rounds: 4 });
        }
        self.push(dice, Action::Calls { slot, count: 8 });
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
