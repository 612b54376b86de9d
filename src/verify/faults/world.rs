//! The scheduler: does what a plan says to instances and cluster, lets everything come to rest, and judges.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::cluster::{Cluster, Content, Group, Topic};
use super::dice::Dice;
use super::oracle::{Homes, Truth, check_inputs, compare_homes, homes};
use super::plan::{Action, BEGIN, MAX_RECORD_BYTES, Plan, Planned, Setup};
use super::ports::{Baselines, Client, Follower, Shared, SimulatedRestorer, SimulatedSource, StepwiseCommits};
use crate::engine::{Engine, EngineSettings, Mutation, Now, Observation, Observer, Transactor, Verdict};
use crate::model::{EventTime, HOUR};

/// Rounds in which everything must have come to rest.
const MOST_ROUNDS: usize = 1_500;

/// How much a simulation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Alerts published.
    pub alerts: u64,
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
struct Witness(Rc<RefCell<Seen>>);

impl Observer for Witness {
    fn observe(&mut self, observation: &Observation<'_>) {
        let mut seen = self.0.borrow_mut();
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
            Action::Reading { partition, content } => self.append(Topic::Readings, *partition, content),
            Action::Home { partition, content } => self.append(Topic::Homes, *partition, content),
            Action::Gap { partition, offsets } => {
                self.shared
                    .cluster
                    .borrow_mut()
                    .log(Topic::Readings, *partition)
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
                cluster.log(Topic::State, *partition).compact();
                cluster.log(Topic::Homes, *partition).compact();
            }
            Action::Retain { partition } => {
                let mut cluster = self.shared.cluster.borrow_mut();
                if let Some(replay) = cluster.committed(*partition).map(|committed| committed.replay) {
                    cluster.log(Topic::Readings, *partition).retain_from(replay);
                }
            }
            Action::Down { millis } => {
                let mut cluster = self.shared.cluster.borrow_mut();
                cluster.down_until = cluster.now + millis;
            }
        }
    }

    fn append(&mut self, topic: Topic, partition: i32, content: &Content) {
        self.shared
            .cluster
            .borrow_mut()
            .append(topic, partition, content.clone());
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
        let baselines = Baselines::default();
        let (shared, setup) = (self.shared.clone(), self.setup);
        let follower = Follower::default();
        let client = Client::new(shared.clone(), name, setup.time_out_ms, Rc::clone(&baselines))
            .mutated(self.settings.mutation, &follower);
        let commits = StepwiseCommits::new(Transactor::new(client, self.settings.mutation));
        let source = SimulatedSource::new(shared.clone(), instance, setup.max_batch, follower.clone());
        let restorer = SimulatedRestorer::new(
            shared,
            Arc::clone(&setup.rules),
            setup.deployment.clone(),
            self.settings.mutation,
            baselines,
            setup.slice,
        );
        let broken = Rc::clone(&restorer.broken);
        let engine = Engine::new(
            setup.deployment.clone(),
            self.settings.clone(),
            source,
            restorer,
            commits.clone(),
            Witness(Rc::clone(&self.seen)),
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
                Ok(false) => return true,
                Ok(true) => {
                    if let Some(member) = instance.follower.member() {
                        self.shared.cluster.borrow_mut().group.leave(member, now.millis);
                    }
                }
                Err(_) => {}
            }
        } else if instance.engine.turn(now).is_ok() {
            self.broken.append(&mut instance.broken.borrow_mut());
            return true;
        }
        self.die(instance);
        false
    }

    fn die(&mut self, instance: &Instance) {
        self.seen.borrow_mut().figures.crashes += 1;
        self.broken.append(&mut instance.broken.borrow_mut());
        if !self.shared.cluster.borrow().is_down() {
            instance.commits.with_client(Client::die);
        }
    }

    fn check_invariants(&mut self) -> Result<(), String> {
        match (self.seen.borrow().breaches.first(), self.broken.first()) {
            (Some(breach), _) => Err(format!("a breach of {breach}")),
            (None, Some(broken)) => Err(broken.clone()),
            (None, None) => Ok(()),
        }
    }

    fn partitions(&self) -> std::ops::Range<i32> {
        0..self.setup.deployment.partitions
    }

    /// Faults end, and everything runs until nothing more happens.
    fn come_to_rest(&mut self) -> Result<(), String> {
        for round in 0..MOST_ROUNDS {
            // Unequal steps, so that no rhythm helps or hinders.
            let millis = 100 + (round as u64 % 7) * 50;
            self.shared.cluster.borrow_mut().tick(millis);
            while self.write_marker() {}
            for slot in 0..self.slots.len() {
                self.turn(slot);
                for _ in 0..40 {
                    let goes_on = self.slots[slot]
                        .as_ref()
                        .is_some_and(|instance| instance.commits.step());
                    if !goes_on {
                        break;
                    }
                }
            }
            if self.slots.iter().all(Option::is_none) {
                self.start(0, false);
            }
            self.check_invariants()?;
            if self.is_at_rest() {
                return Ok(());
            }
        }
        Err(format!("it does not come to rest: {}", self.unrest()))
    }

    fn is_at_rest(&self) -> bool {
        let running = || self.slots.iter().flatten();
        let owned: usize = running().map(|instance| instance.engine.readiness().1).sum();
        let all_done = running().all(|instance| instance.engine.readiness().1 == 0 || instance.engine.is_caught_up());
        self.shared.cluster.borrow().transactions.is_quiet()
            && owned == self.partitions().len()
            && all_done
            && running().all(|instance| !instance.is_leaving)
            && self.partitions().all(|partition| self.is_dealt_with(partition))
    }

    /// Whether all readings and records of homes of a partition are in what is committed.
    fn is_dealt_with(&self, partition: i32) -> bool {
        let cluster = self.shared.cluster.borrow();
        let last = |topic| {
            cluster
                .written(topic, partition)
                .last()
                .map_or(0, |(offset, _)| offset + 1)
        };
        let (readings, homes) = (last(Topic::Readings), last(Topic::Homes));
        let Some(committed) = cluster.committed(partition) else {
            return readings == 0;
        };
        let metadata = committed.metadata.parse::<crate::engine::CommitMetadata>();
        committed.offset >= readings && metadata.is_ok_and(|metadata| metadata.homes_offset >= homes)
    }

    fn unrest(&self) -> String {
        let cluster = self.shared.cluster.borrow();
        let mut words = Vec::new();
        for (slot, instance) in self.slots.iter().enumerate() {
            if let Some(instance) = instance {
                let (is_ready, owned) = instance.engine.readiness();
                let caught_up = instance.engine.is_caught_up();
                words.push(format!(
                    "instance {slot} owns {owned} (all live: {is_ready}, caught up: {caught_up})"
                ));
            }
        }
        for partition in self.partitions() {
            let committed = cluster.committed(partition).map(|committed| committed.offset);
            let is_done = self.is_dealt_with(partition);
            words.push(format!(
                "partition {partition} committed {committed:?} (all dealt with: {is_done})"
            ));
        }
        words.push(format!("transactions quiet: {}", cluster.transactions.is_quiet()));
        words.join(", ")
    }

    fn judge(&mut self) -> Result<Figures, String> {
        self.shared.cluster.borrow_mut().down_until = 0;
        for ghost in std::mem::take(&mut self.ghosts) {
            self.die(&ghost);
        }
        for instance in self.slots.iter_mut().flatten() {
            instance.is_stopped = false;
            instance.commits.with_client(Client::calm);
        }
        self.come_to_rest()?;
        // One more reading each: at the end of a partition that goes on, replay is as short as it was asked to be.
        for partition in self.partitions() {
            let content = Content {
                key: Some(format!("home-{partition}-0").into_bytes().into()),
                timestamp: None,
                ..Content::default()
            };
            self.append(Topic::Readings, partition, &content);
        }
        self.come_to_rest()?;
        let truths: Vec<Truth> = {
            let cluster = self.shared.cluster.borrow();
            self.partitions()
                .map(|partition| Truth::of(self.setup, &cluster, partition))
                .collect()
        };
        for (partition, truth) in (0..).zip(&truths) {
            truth.compare(&mut self.shared.cluster.borrow_mut(), partition)?;
            let latest = EventTime::from_unix(self.latest).unwrap_or_default();
            check_inputs(&self.shared.cluster.borrow(), partition, latest)?;
            self.check_distance(partition)?;
            self.check_time(partition)?;
        }
        self.compare_live(&truths, "live")?;
        self.start_over(&truths)?;
        let mut figures = self.seen.borrow().figures;
        figures.alerts = truths.iter().map(|truth| truth.alerts.len() as u64).sum();
        figures.dead_letters = truths.iter().map(|truth| truth.dead_letters.len() as u64).sum();
        Ok(figures)
    }

    fn check_distance(&self, partition: i32) -> Result<(), String> {
        let cluster = self.shared.cluster.borrow();
        let Some(committed) = cluster.committed(partition) else {
            return Ok(());
        };
        let distance = u64::try_from(committed.offset - committed.replay).unwrap_or(0);
        let most = self.setup.engine.max_replay_records;
        if distance > most {
            return Err(format!(
                "partition {partition} would replay {distance} records, and {most} are allowed"
            ));
        }
        Ok(())
    }

    /// Time must have followed the wall clock, unless the log is history.
    fn check_time(&self, partition: i32) -> Result<(), String> {
        let now = self.now().wall.minus(self.setup.engine.idle_grace_seconds);
        let running = self.slots.iter().flatten();
        let state = running
            .flat_map(|instance| instance.engine.live())
            .find(|(live, _)| *live == partition);
        let behind = state.map_or(0, |(_, state)| now.since(state.clock()));
        if (1..=self.setup.engine.idle_max_behind_seconds).contains(&behind) {
            return Err(format!("time stands still in partition {partition}, {behind} s behind"));
        }
        Ok(())
    }

    fn compare_live(&self, truths: &[Truth], which: &str) -> Result<(), String> {
        let running = self.slots.iter().flatten();
        for (partition, state) in running.flat_map(|instance| instance.engine.live()) {
            let found: Homes = homes(state);
            let truth = usize::try_from(partition).ok().and_then(|place| truths.get(place));
            if let Some(truth) = truth {
                compare_homes(&truth.homes, &found, partition).map_err(|what| format!("{which}: {what}"))?;
            }
        }
        Ok(())
    }

    /// Everything dies, and one instance alone rebuilds it: the same states, and nothing is published again.
    fn start_over(&mut self, truths: &[Truth]) -> Result<(), String> {
        for slot in 0..self.slots.len() {
            if let Some(instance) = self.slots[slot].take() {
                self.die(&instance);
            }
        }
        self.start(0, true);
        self.come_to_rest()?;
        self.compare_live(truths, "rebuilt")?;
        for (partition, truth) in (0..).zip(truths) {
            let outcome = truth.compare(&mut self.shared.cluster.borrow_mut(), partition);
            outcome.map_err(|what| format!("after everything was rebuilt: {what}"))?;
        }
        Ok(())
    }
}
