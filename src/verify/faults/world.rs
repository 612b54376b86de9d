//! The scheduler: does what a plan says to instances and cluster; `judge` lets everything come to rest, and judges.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

mod judge;

use super::cluster::{Cluster, Content, Group, Log, Topic};
use super::dice::Dice;
use super::plan::{ALERT_SEEN, Action, BEGIN, MAX_RECORD_BYTES, Plan, Planned, Setup};
use super::ports::{Client, Follower, Shared, SimulatedRestorer, SimulatedSource, StepwiseCommits};
use crate::engine::{Engine, EngineSettings, Mutation, Now, Observation, Observer, Transactor, Verdict};
use crate::model::{EventTime, HOUR, InputTopic, Output};

/// How much a simulation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Alerts published.
    pub alerts: u64,
    /// Alerts of zones published.
    pub area_alerts: u64,
    /// Dead letters published.
    pub dead_letters: u64,
    /// Transactions committed, aborted, in doubt.
    pub verdicts: [u64; 3],
    /// Partitions that went live.
    pub rebuilds: u64,
    /// Processes that died.
    pub crashes: u64,
}

impl Figures {
    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        self.alerts += other.alerts;
        self.area_alerts += other.area_alerts;
        self.dead_letters += other.dead_letters;
        self.verdicts
            .iter_mut()
            .zip(other.verdicts)
            .for_each(|(sum, more)| *sum += more);
        self.rebuilds += other.rebuilds;
        self.crashes += other.crashes;
    }
}

/// What was seen from the outside.
#[derive(Default)]
struct Seen {
    figures: Figures,
    breaches: Vec<String>,
}

#[derive(Clone)]
struct Witness {
    seen: Rc<RefCell<Seen>>,
    follower: Follower,
}

impl Observer for Witness {
    fn observe(&mut self, observation: &Observation<'_>) {
        let mut seen = self.seen.borrow_mut();
        match observation {
            Observation::Breach { invariant, found } => seen.breaches.push(format!("invariant {invariant}: {found}")),
            Observation::Over { verdict, .. } => {
                let place = match verdict {
                    Verdict::Committed => 0,
                    Verdict::Aborted(_) => 1,
                    Verdict::Unknown(_) => 2,
                };
                seen.figures.verdicts[place] += 1;
            }
            Observation::BackPressure(is_held) => self.follower.hold(*is_held),
            Observation::Live { .. } => seen.figures.rebuilds += 1,
            _ => {}
        }
    }
}

/// A process.
struct Instance {
    engine: Engine<SimulatedSource, SimulatedRestorer, StepwiseCommits, Witness>,
    commits: StepwiseCommits,
    follower: Follower,
    broken: Rc<RefCell<Vec<String>>>,
    is_stopped: bool,
    is_leaving: bool,
}

/// A simulation under way.
struct World<'a> {
    setup: &'a Setup,
    settings: EngineSettings,
    shared: Shared,
    wall: i64,
    /// The latest that the wall clock ever showed.
    latest: i64,
    slots: Vec<Option<Instance>>,
    /// Stopped processes that were replaced.
    ghosts: Vec<Instance>,
    started: usize,
    seen: Rc<RefCell<Seen>>,
    broken: Vec<String>,
}

/// Runs a plan to its end, and judges what came of it.
///
/// # Errors
/// What is wrong, in words.
pub fn run(plan: &Plan, mutation: Option<Mutation>) -> Result<Figures, String> {
    run_actions(&plan.setup, plan.actions.iter(), mutation)
}

/// The same with some of the actions.
///
/// # Errors
/// What is wrong, in words.
pub fn run_actions<'p>(
    setup: &Setup,
    actions: impl Iterator<Item = &'p Planned>,
    mutation: Option<Mutation>,
) -> Result<Figures, String> {
    let group = Group::new(setup.protocol, setup.deployment.partitions, setup.session_ms);
    let wall = i64::from(BEGIN.plus(HOUR + 60).seconds());
    let mut world = World {
        setup,
        settings: EngineSettings {
            mutation,
            ..setup.engine.clone()
        },
        shared: Shared {
            cluster: Rc::new(RefCell::new(Cluster::new(group, MAX_RECORD_BYTES))),
            dice: Rc::new(RefCell::new(Dice::new(0))),
        },
        wall,
        latest: wall,
        slots: (0..setup.slots).map(|_| None).collect(),
        ghosts: Vec::new(),
        started: 0,
        seen: Rc::default(),
        broken: Vec::new(),
    };
    for partition in 0..setup.deployment.partitions {
        let mut cluster = world.shared.cluster.borrow_mut();
        let readings = cluster.log(Topic::Input(InputTopic::Readings), partition);
        readings.skip(setup.first_offset);
        readings.retain_from(setup.first_offset);
    }
    for Planned { salt, action } in actions {
        *world.shared.dice.borrow_mut() = Dice::new(*salt);
        world.act(action);
        world.check_invariants()?;
    }
    *world.shared.dice.borrow_mut() = Dice::new(7);
    world.judge()
}

impl World<'_> {
    fn now(&self) -> Now {
        Now {
            wall: EventTime::from_unix(self.wall).unwrap_or_default(),
            millis: self.shared.cluster.borrow().now,
        }
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Record {
                topic,
                partition,
                content,
            } => self.append(*topic, *partition, content),
            Action::Gap { partition, offsets } => {
                self.shared
                    .cluster
                    .borrow_mut()
                    .log(Topic::Input(InputTopic::Readings), *partition)
                    .skip(*offsets);
            }
            Action::Wall { seconds } => {
                self.wall += seconds;
                self.latest = self.latest.max(self.wall);
            }
            Action::Tick { millis } => self.shared.cluster.borrow_mut().tick(*millis),
            Action::Markers { count } => {
                for _ in 0..*count {
                    self.write_marker();
                }
            }
            Action::Work { slot, rounds } => {
                for _ in 0..*rounds {
                    self.turn(*slot);
                    let calls = self.shared.between(0, 4);
                    self.calls(*slot, calls);
                    if self.shared.percent(40) {
                        self.write_marker();
                    }
                    if self.shared.percent(30) {
                        let millis = self.shared.between(1, 60) as u64;
                        self.shared.cluster.borrow_mut().tick(millis);
                    }
                }
            }
            Action::Turn { slot } => self.turn(*slot),
            Action::Calls { slot, count } => self.calls(*slot, *count),
            Action::Ghosts { rounds } => {
                let mut ghosts = std::mem::take(&mut self.ghosts);
                for _ in 0..*rounds {
                    ghosts.retain_mut(|ghost| {
                        // Threads wake up in any order.
                        if self.shared.percent(50) {
                            ghost.commits.step();
                        }
                        self.turn_of(ghost)
                    });
                }
                self.ghosts = ghosts;
            }
            Action::Fault { slot, after, fault } => {
                if let Some(instance) = &self.slots[*slot] {
                    instance.commits.with_client(|client| client.fail(*after, *fault));
                }
            }
            Action::Crash { slot } => {
                if let Some(instance) = self.slots[*slot].take() {
                    self.die(&instance);
                }
            }
            Action::Start { slot, anew } => self.start(*slot, *anew),
            Action::Stop { slot } => {
                if let Some(instance) = &mut self.slots[*slot] {
                    instance.is_stopped = true;
                }
            }
            Action::Continue { slot } => {
                if let Some(instance) = &mut self.slots[*slot] {
                    instance.is_stopped = false;
                }
            }
            Action::Leave { slot } => {
                if let Some(instance) = &mut self.slots[*slot] {
                    instance.is_leaving = true;
                }
            }
            Action::Shuffle => {
                let mut cluster = self.shared.cluster.borrow_mut();
                let now = cluster.now;
                cluster.group.shuffle(now);
            }
            Action::Compact { partition } => {
                let mut cluster = self.shared.cluster.borrow_mut();
                cluster.log(Topic::Output(Output::State), *partition).compact();
                cluster.log(Topic::Input(InputTopic::Homes), *partition).compact();
            }
            Action::Retain { partition } => {
                let mut cluster = self.shared.cluster.borrow_mut();
                if let Some(replay) = cluster.committed(*partition).map(|committed| committed.replay) {
                    cluster
                        .log(Topic::Input(InputTopic::Readings), *partition)
                        .retain_from(replay);
                }
            }
            Action::Down { millis } => {
                let mut cluster = self.shared.cluster.borrow_mut();
                cluster.down_until = cluster.now + millis;
            }
        }
    }

    fn append(&mut self, topic: InputTopic, partition: i32, content: &Content) {
        let mut cluster = self.shared.cluster.borrow_mut();
        let content = answering(content, cluster.log(Topic::Output(Output::Alerts), partition));
        cluster.append(topic, partition, content);
    }

    fn write_marker(&mut self) -> bool {
        let pick = self.shared.dice.borrow_mut().next();
        let mut cluster = self.shared.cluster.borrow_mut();
        !cluster.is_down() && cluster.write_marker(pick)
    }

    fn start(&mut self, slot: usize, anew: bool) {
        match &self.slots[slot] {
            Some(instance) if !instance.is_stopped => return,
            Some(_) => self.ghosts.extend(self.slots[slot].take()),
            None => {}
        }
        self.started += 1;
        let (name, instance) = if anew {
            (format!("tapwatch-{slot}-{}", self.started), None)
        } else {
            let name = format!("tapwatch-{slot}");
            (name.clone(), self.setup.is_static.then_some(name))
        };
        let (shared, setup) = (self.shared.clone(), self.setup);
        let follower = Follower::default();
        let client =
            Client::new(shared.clone(), name, setup.time_out_ms, follower.clone()).mutated(self.settings.mutation);
        let commits = StepwiseCommits::new(Transactor::new(client, self.settings.mutation));
        let source = SimulatedSource::new(shared.clone(), instance, setup.max_batch, follower.clone());
        let restorer = SimulatedRestorer::new(
            shared,
            Arc::clone(&setup.rules),
            setup.deployment.clone(),
            self.settings.mutation,
            (setup.slice, setup.engine.restores_at_once),
        );
        let broken = Rc::clone(&restorer.broken);
        let engine = Engine::new(
            setup.deployment.clone(),
            self.settings.clone(),
            source,
            restorer,
            commits.clone(),
            Witness {
                seen: Rc::clone(&self.seen),
                follower: follower.clone(),
            },
        );
        self.slots[slot] = Some(Instance {
            engine,
            commits,
            follower,
            broken,
            is_stopped: false,
            is_leaving: false,
        });
    }

    fn calls(&mut self, slot: usize, most: usize) {
        if let Some(instance) = self.slots[slot].as_ref().filter(|instance| !instance.is_stopped) {
            for _ in 0..most {
                instance.commits.step();
            }
        }
    }

    fn turn(&mut self, slot: usize) {
        let Some(mut instance) = self.slots[slot].take() else {
            return;
        };
        if instance.is_stopped || self.turn_of(&mut instance) {
            self.slots[slot] = Some(instance);
        }
    }

    /// One turn of an instance; false when that was its last.
    fn turn_of(&mut self, instance: &mut Instance) -> bool {
        let now = self.now();
        if instance.is_leaving {
            if let Some(member) = instance.follower.member() {
                self.shared.cluster.borrow_mut().group.beat(member, now.millis);
            }
            match instance.engine.settle(now) {
                Ok(None) => return true,
                Ok(Some(_)) => {
                    if let Some(member) = instance.follower.member() {
                        self.shared.cluster.borrow_mut().group.leave(member, now.millis);
                    }
                }
                Err(_) => {}
            }
        } else {
            let stood: Vec<_> = standing(instance).collect();
            if instance.engine.turn(now).is_ok() {
                self.broken.append(&mut instance.broken.borrow_mut());
                self.broken.append(&mut instance.follower.broken());
                self.check_idle(instance, &stood);
                return true;
            }
        }
        self.die(instance);
        false
    }

    /// The wall clock may speak only where a partition was read to its end and is not history. What it says is no full
    /// hour, and every arrival is.
    fn check_idle(&mut self, instance: &Instance, stood: &[(i32, i64, EventTime)]) {
        let spoken = self.now().wall.minus(self.setup.engine.idle_grace_seconds);
        for (partition, offset, clock) in standing(instance).filter(|standing| standing.2 == spoken) {
            // One that has just gone live may stand where somebody else has brought it.
            let before = stood.iter().find(|stood| stood.0 == partition);
            let Some(before) = before.filter(|before| before.2 < clock) else {
                continue;
            };
            if !instance.follower.has_ended(partition) {
                self.broken.push(format!(
                    "time passed in partition {partition} before it was read to its end"
                ));
            }
            let most = self.setup.engine.idle_max_behind_seconds;
            if before.1 == offset && clock.since(before.2) > most {
                self.broken
                    .push(format!("time passed in partition {partition}, whose log is history"));
            }
        }
    }

    fn die(&mut self, instance: &Instance) {
        self.seen.borrow_mut().figures.crashes += 1;
        self.broken.append(&mut instance.broken.borrow_mut());
        if !self.shared.cluster.borrow().is_down() {
            instance.commits.with_client(Client::die);
        }
    }
}

/// A response is to the latest alert of its home that anybody has seen, which no plan can know.
fn answering(content: &Content, alerts: &Log) -> Content {
    let text = content
        .value
        .as_deref()
        .and_then(|value| std::str::from_utf8(value).ok());
    let Some(text) = text.filter(|text| text.contains(ALERT_SEEN)) else {
        return content.clone();
    };
    let seen = alerts.committed();
    let latest = seen.iter().rev().find(|alert| alert.content.key == content.key);
    let ids = latest.into_iter().flat_map(|alert| &alert.content.headers);
    // `ce_id` is the alert's id and the number of the record.
    let id = ids
        .filter(|(name, _)| *name == "ce_id")
        .find_map(|(_, id)| Some(id.split_once('/')?.0));
    Content {
        value: Some(text.replace(ALERT_SEEN, id.unwrap_or("none yet")).into_bytes().into()),
        ..content.clone()
    }
}

/// The live partitions of an instance: where each stands, and its clock.
fn standing(instance: &Instance) -> impl Iterator<Item = (i32, i64, EventTime)> {
    let live = instance.engine.live();
    live.map(|(partition, state)| (partition, state.next_offset(), state.clock()))
}
