//! Everything comes to rest, and what there is then is held against what should be.

use super::super::cluster::{Content, Topic};
use super::super::oracle::{Homes, Truth, check_inputs, compare, compare_homes, homes};
use super::super::plan::Action;
use super::super::ports::Client;
use super::{Figures, World};
use crate::engine::CommitMetadata;
use crate::model::{EventTime, InputTopic, MINUTE, Output};

/// Rounds in which everything must have come to rest.
const MOST_ROUNDS: usize = 1_500;

/// Steps shorter than any session, for longer than a minute.
const CALM_ROUNDS: u64 = 45;
const CALM_MILLIS: u64 = 1_500;

impl World<'_> {
    pub(super) fn check_invariants(&mut self) -> Result<(), String> {
        match (self.seen.borrow().breaches.first(), self.broken.first()) {
            (Some(breach), _) => Err(format!("a breach of {breach}")),
            (None, Some(broken)) => Err(broken.clone()),
            (None, None) => Ok(()),
        }
    }

    fn partitions(&self) -> std::ops::Range<i32> {
        0..self.setup.deployment.partitions
    }

    /// Faults end, and everything runs until nothing more happens; then for a minute more, in which time that stood still
    /// because of a fault goes on.
    fn come_to_rest(&mut self) -> Result<(), String> {
        let mut calm_rounds = 0;
        for round in 0..MOST_ROUNDS {
            // Unequal steps, so that no rhythm helps or hinders.
            self.round(100 + (round as u64 % 7) * 50)?;
            if self.slots.iter().all(Option::is_none) {
                self.start(0, false);
            }
            if !self.is_at_rest() {
                continue;
            }
            if calm_rounds > 0 {
                return Ok(());
            }
            while calm_rounds < CALM_ROUNDS {
                self.round(CALM_MILLIS)?;
                calm_rounds += 1;
            }
        }
        Err(format!("it does not come to rest: {}", self.unrest()))
    }

    fn round(&mut self, millis: u64) -> Result<(), String> {
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
        self.check_invariants()
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

    /// Whether all readings and all records beside them, of one partition, are in what is committed.
    fn is_dealt_with(&self, partition: i32) -> bool {
        let mut cluster = self.shared.cluster.borrow_mut();
        let written = cluster.written(InputTopic::Readings, partition);
        let readings = written.last().map_or(0, |(offset, _)| offset + 1);
        let Some(committed) = cluster.committed(partition).cloned() else {
            return readings == 0;
        };
        let Ok(metadata) = committed.metadata.parse::<CommitMetadata>() else {
            return false;
        };
        committed.offset >= readings
            && InputTopic::BESIDE.iter().all(|topic| {
                let written = cluster.log(Topic::Input(*topic), partition).committed();
                written
                    .last()
                    .is_none_or(|entry| entry.offset < metadata.beside.next(*topic))
            })
    }

    fn unrest(&self) -> String {
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
            let cluster = self.shared.cluster.borrow();
            let committed = cluster.committed(partition).map(|committed| committed.offset);
            drop(cluster);
            let is_done = self.is_dealt_with(partition);
            words.push(format!(
                "partition {partition} committed {committed:?} (all dealt with: {is_done})"
            ));
        }
        let is_quiet = self.shared.cluster.borrow().transactions.is_quiet();
        words.push(format!("transactions quiet: {is_quiet}"));
        words.join(", ")
    }

    pub(super) fn judge(&mut self) -> Result<Figures, String> {
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
            self.append(InputTopic::Readings, partition, &content);
        }
        self.come_to_rest()?;
        let truths = self.truths();
        self.compare(&truths)?;
        self.partitions()
            .try_for_each(|partition| self.check_distance(partition))?;
        self.compare_live(&truths, "live")?;
        self.start_over(&truths)?;
        let truths = self
            .live_on()
            .map_err(|what| format!("going on after everything was rebuilt: {what}"))?;
        let mut figures = self.seen.borrow().figures;
        let count = |output| truths.iter().map(|truth| truth.count(output)).sum();
        (figures.alerts, figures.area_alerts) = (count(Output::Alerts), count(Output::AreaAlerts));
        figures.dead_letters = count(Output::DeadLetters);
        Ok(figures)
    }

    fn truths(&self) -> Vec<Truth> {
        let cluster = self.shared.cluster.borrow();
        self.partitions()
            .map(|partition| Truth::of(self.setup, &cluster, partition))
            .collect()
    }

    fn compare(&self, truths: &[Truth]) -> Result<(), String> {
        compare(truths, &mut self.shared.cluster.borrow_mut())?;
        let latest = EventTime::from_unix(self.latest).unwrap_or_default();
        let latest = latest.minus(self.setup.engine.idle_grace_seconds);
        for partition in self.partitions() {
            check_inputs(&mut self.shared.cluster.borrow_mut(), partition, latest)?;
            self.check_time(partition)?;
        }
        Ok(())
    }

    /// What was rebuilt must not only look the same, but go on the same: some hours more, and all is compared again.
    fn live_on(&mut self) -> Result<Vec<Truth>, String> {
        let setup = self.setup;
        for action in &setup.coda {
            self.act(action);
            if matches!(action, Action::Wall { .. }) {
                self.act(&Action::Work { slot: 0, rounds: 2 });
                self.act(&Action::Tick { millis: 400 });
            }
        }
        self.come_to_rest()?;
        let truths = self.truths();
        self.compare(&truths)?;
        self.compare_live(&truths, "live")?;
        Ok(truths)
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
        let mut live = running.flat_map(|instance| instance.engine.live());
        let state = live.find(|(live, _)| *live == partition);
        let behind = state.map_or(0, |(_, state)| now.since(state.clock()));
        if (1..=self.setup.engine.idle_max_behind_seconds).contains(&behind) {
            return Err(format!("time stands still in partition {partition}, {behind} s behind"));
        }
        let cluster = self.shared.cluster.borrow();
        let committed = cluster.committed(partition);
        let metadata = committed.and_then(|committed| committed.metadata.parse::<CommitMetadata>().ok());
        if let (Some((_, state)), Some(metadata)) = (state, metadata)
            && state.clock().since(metadata.clock) >= MINUTE
        {
            let clocks = (metadata.clock, state.clock());
            return Err(format!(
                "the clock of partition {partition} is not committed: {clocks:?}"
            ));
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
        compare(truths, &mut self.shared.cluster.borrow_mut())
            .map_err(|what| format!("after everything was rebuilt: {what}"))
    }
}
