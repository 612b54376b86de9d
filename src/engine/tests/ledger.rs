//! The ledger against a naive model of it, and stories of commits that fail.

use proptest::prelude::*;

use crate::engine::{CommitMetadata, Committable, Ledger, Step, Ticket};
use crate::model::EventTime;

fn step(partition: i32, epoch: u64, next_offset: i64) -> Step {
    let clock = EventTime::from_seconds(next_offset as u32);
    Step {
        partition,
        epoch,
        alerts: Vec::new(),
        dead_letters: Vec::new(),
        next_offset,
        metadata: CommitMetadata { clock },
    }
}

fn offsets(ready: &[Committable]) -> Vec<(i32, i64)> {
    ready.iter().map(|ready| (ready.partition, ready.next_offset)).collect()
}

#[test]
fn a_step_without_records_waits_for_those_before_it() {
    let mut ledger = Ledger::default();
    let first = ledger.enter(&step(0, 1, 10), 2);
    ledger.enter(&step(0, 1, 20), 0);
    ledger.enter(&step(1, 1, 5), 0);
    assert_eq!(offsets(&ledger.take_committable()), [(1, 5)]);
    ledger.confirm(first);
    assert!(ledger.take_committable().is_empty());
    ledger.confirm(first);
    assert_eq!(offsets(&ledger.take_committable()), [(0, 20)]);
    assert!(ledger.is_settled(0));
}

#[test]
fn what_could_not_be_committed_is_ready_again_unless_a_later_one_is() {
    let mut ledger = Ledger::default();
    ledger.enter(&step(0, 1, 10), 0);
    let ten = ledger.take_committable()[0];
    ledger.put_back(ten);
    assert_eq!(ledger.take_committable(), [ten]);
    ledger.enter(&step(0, 1, 20), 0);
    ledger.put_back(ten);
    assert_eq!(offsets(&ledger.take_committable()), [(0, 20)]);
}

/// Commits are asynchronous: the failure of one may be heard of after a later one has been sent.
#[test]
fn what_could_not_be_committed_stays_behind_a_later_one_on_its_way() {
    let mut ledger = Ledger::default();
    ledger.enter(&step(0, 1, 10), 0);
    let ten = ledger.take_committable()[0];
    ledger.enter(&step(0, 1, 20), 0);
    let twenty = ledger.take_committable()[0];
    ledger.put_back(ten);
    assert!(ledger.take_committable().is_empty(), "10 would be committed after 20");
    ledger.put_back(twenty);
    assert_eq!(ledger.take_committable(), [twenty]);
}

/// Between two assignments to this instance another one may have committed more.
#[test]
fn what_could_not_be_committed_ends_with_its_assignment() {
    let mut ledger = Ledger::default();
    ledger.enter(&step(0, 1, 10), 0);
    let ten = ledger.take_committable()[0];
    ledger.forget(0);
    ledger.enter(&step(0, 2, 50), 1);
    ledger.put_back(ten);
    assert!(ledger.take_committable().is_empty());
}

#[derive(Clone, Debug)]
enum Action {
    Enter {
        partition: i32,
        records: usize,
    },
    /// Confirms a record of the n-th ticket given out, counted round.
    Confirm(usize),
    Take,
    PutBack(usize),
    Forget(i32),
    NewEpoch(i32),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..3, 0usize..4).prop_map(|(partition, records)| Action::Enter { partition, records }),
        12 => any::<usize>().prop_map(Action::Confirm),
        4 => Just(Action::Take),
        2 => any::<usize>().prop_map(Action::PutBack),
        1 => (0..3).prop_map(Action::Forget),
        1 => (0..3).prop_map(Action::NewEpoch),
    ]
}

/// A step as the model keeps it: nothing is ever removed, everything is looked up anew.
struct Entered {
    partition: i32,
    epoch: u64,
    next_offset: i64,
    left: usize,
    ticket: Ticket,
}

#[derive(Default)]
struct Model {
    entered: Vec<Entered>,
    /// The epoch at hand by partition, and the greatest offset of it that was taken.
    now: [(u64, Option<i64>); 3],
}

impl Model {
    fn current(&self, partition: i32) -> impl Iterator<Item = &Entered> {
        let epoch = self.now[partition as usize].0;
        let of_it = move |step: &&Entered| step.partition == partition && step.epoch == epoch;
        self.entered.iter().filter(of_it)
    }

    fn committable(&self, partition: i32) -> Option<i64> {
        self.current(partition)
            .take_while(|step| step.left == 0)
            .last()
            .map(|step| step.next_offset)
    }
}

proptest! {
    #[test]
    fn it_answers_as_a_list_of_all_steps_would(actions in prop::collection::vec(action(), 0..200)) {
        let mut ledger = Ledger::default();
        let mut model = Model { now: [(1, None); 3], ..Model::default() };
        let (mut next_epoch, mut next_offset, mut taken) = (2, 0, Vec::<(u64, Committable)>::new());
        // What failed to be committed and is the latest taken of its assignment: it has to be offered again.
        let mut again = [false; 3];
        for action in actions {
            match action {
                Action::Enter { partition, records } => {
                    next_offset += 10;
                    let epoch = model.now[partition as usize].0;
                    let ticket = ledger.enter(&step(partition, epoch, next_offset), records);
                    model.entered.push(Entered { partition, epoch, next_offset, left: records, ticket });
                }
                Action::Confirm(which) if !model.entered.is_empty() => {
                    let which = which % model.entered.len();
                    let step = &mut model.entered[which];
                    ledger.confirm(step.ticket);
                    step.left = step.left.saturating_sub(1);
                }
                Action::Take => {
                    let mut expected = Vec::new();
                    for partition in 0..3 {
                        let (_, last) = model.now[partition as usize];
                        let ready = model.committable(partition);
                        if ready > last || (again[partition as usize] && ready.is_some()) {
                            expected.extend(ready.map(|offset| (partition, offset)));
                            model.now[partition as usize].1 = ready;
                            again[partition as usize] = false;
                        }
                    }
                    let ready = ledger.take_committable();
                    prop_assert_eq!(offsets(&ready), expected);
                    let epochs = ready.iter().map(|ready| (model.now[ready.partition as usize].0, *ready));
                    taken.extend(epochs);
                }
                Action::PutBack(which) if !taken.is_empty() => {
                    let (epoch, offset) = taken.swap_remove(which % taken.len());
                    let (now, last) = model.now[offset.partition as usize];
                    again[offset.partition as usize] |= epoch == now && last == Some(offset.next_offset);
                    ledger.put_back(offset);
                }
                Action::Forget(partition) => {
                    ledger.forget(partition);
                    model.now[partition as usize] = (next_epoch, None);
                    again[partition as usize] = false;
                    next_epoch += 1;
                }
                Action::NewEpoch(partition) => {
                    // Without a word of the old one: the first step of the new one tells it.
                    model.now[partition as usize] = (next_epoch, None);
                    again[partition as usize] = false;
                    next_offset += 10;
                    let ticket = ledger.enter(&step(partition, next_epoch, next_offset), 1);
                    model.entered.push(Entered { partition, epoch: next_epoch, next_offset, left: 1, ticket });
                    next_epoch += 1;
                }
                Action::Confirm(_) | Action::PutBack(_) => {}
            }
            let left = |partition| model.current(partition).map(|step| step.left).sum::<usize>();
            prop_assert_eq!(ledger.unconfirmed(), (0..3).map(left).sum::<usize>());
            for partition in 0..3 {
                prop_assert_eq!(ledger.is_settled(partition), left(partition) == 0);
            }
        }
    }
}
