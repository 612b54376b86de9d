//! Whatever happens in whatever order: what is published is what the core says, at least once and in order.

use proptest::prelude::*;

use super::support::{Instance, Story, garbage, home, reading};

const PARTITIONS: i32 = 3;
/// A reading covers so many hours, so that a dry home is reported after a few of them.
const HOURS: u32 = 6;

#[derive(Clone, Debug)]
enum Action {
    Reading {
        partition: i32,
        home: u32,
        wet: bool,
    },
    Garbage(i32),
    Marker(i32),
    /// A turn of the i-th instance, counted round.
    Turn(usize),
    Join,
    /// Finishes what it has in flight and goes.
    Leave(usize),
    /// Goes without a word.
    Crash(usize),
    /// Is thrown out of the group and does not know it yet.
    Evict(usize),
    /// Retention removes all but so many of the last offsets.
    Retain {
        partition: i32,
        keep: i64,
    },
}

fn action(with_retention: bool) -> impl Strategy<Value = Action> {
    let partition = 0..PARTITIONS;
    prop_oneof![
        30 => (partition.clone(), 0u32..2, prop::bool::weighted(0.3))
            .prop_map(|(partition, home, wet)| Action::Reading { partition, home, wet }),
        2 => partition.clone().prop_map(Action::Garbage),
        3 => partition.clone().prop_map(Action::Marker),
        20 => (0usize..8).prop_map(Action::Turn),
        2 => Just(Action::Join),
        1 => (0usize..8).prop_map(Action::Leave),
        1 => (0usize..8).prop_map(Action::Crash),
        1 => (0usize..8).prop_map(Action::Evict),
        u32::from(with_retention) => (partition, 0i64..20)
            .prop_map(|(partition, keep)| Action::Retain { partition, keep }),
    ]
}

struct Run {
    story: Story,
    /// Instances that the group has forgotten.
    zombies: Vec<Instance>,
    hours: [[u32; 2]; PARTITIONS as usize],
    retained: Vec<i64>,
}

impl Run {
    fn new(max_in_flight: usize) -> Self {
        let mut story = Story::new(PARTITIONS as usize);
        story.settings.max_in_flight = max_in_flight;
        Self {
            story,
            zombies: Vec::new(),
            hours: Default::default(),
            retained: vec![0; PARTITIONS as usize],
        }
    }

    fn act(&mut self, action: &Action) {
        let count = self.story.instances.len();
        let any = count > 0;
        match *action {
            Action::Reading {
                partition,
                home: number,
                wet,
            } => {
                let hour = &mut self.hours[partition as usize][number as usize];
                let record = reading(&home(partition, number), *hour, HOURS, if wet { 20.0 } else { 0.0 });
                *hour += HOURS;
                self.story.append(partition, record);
            }
            Action::Garbage(partition) => self.story.append(partition, garbage()),
            Action::Marker(partition) => self.story.append_marker(partition),
            Action::Turn(which) if any => self.story.turn(which % count),
            Action::Join if count < 4 => {
                self.story.join();
            }
            Action::Leave(which) if any => {
                (0..5).for_each(|_| self.story.turn(which % count));
                self.story.crash(which % count);
            }
            Action::Crash(which) if any => self.story.crash(which % count),
            Action::Evict(which) if any => {
                let instance = self.story.instances.remove(which % count);
                self.story.log.leave(instance.id);
                self.zombies.push(instance);
            }
            Action::Retain { partition, keep } => {
                let from = (self.story.end_of_records(partition) - keep).max(0);
                self.story.log.retain_from(partition, from);
                let retained = &mut self.retained[partition as usize];
                *retained = from.max(*retained);
            }
            Action::Turn(_) | Action::Join | Action::Leave(_) | Action::Crash(_) | Action::Evict(_) => {}
        }
        let wall = self.story.wall;
        for zombie in &mut self.zombies {
            zombie.engine.turn(wall).expect("a turn in memory does not fail");
        }
    }

    fn finish(&mut self) {
        self.zombies.clear();
        self.story.join();
        self.story.run();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_alert_at_least_once_and_no_other(
        actions in prop::collection::vec(action(false), 0..400),
        max_in_flight in prop_oneof![Just(0usize), Just(3), Just(10_000)],
    ) {
        let mut run = Run::new(max_in_flight);
        actions.iter().for_each(|action| run.act(action));
        run.finish();
        run.story.assert_at_least_once();
    }

    /// With retention a restart knows less than the core that saw everything; what is no reading does not depend on it.
    #[test]
    fn retention_takes_only_what_it_takes(actions in prop::collection::vec(action(true), 0..300)) {
        let mut run = Run::new(10_000);
        actions.iter().for_each(|action| run.act(action));
        run.finish();
        run.story.assert_dead_letters(&run.retained);
    }
}
