//! The cluster does what a real one was seen to do.

use std::collections::BTreeSet;

use super::group::Word;
use super::*;
use crate::engine::{BesideOffsets, CommitMetadata};
use crate::model::EventTime;
use crate::partition::ReplayPoint;

fn cluster(protocol: Protocol) -> Cluster {
    Cluster::new(Group::new(protocol, 2, 1_000), 1_000)
}

fn record(output: Output, value: &str) -> OutRecord {
    OutRecord {
        output,
        partition: 0,
        to: None,
        key: Some(b"h1".to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: Vec::new(),
    }
}

fn offset(next_offset: i64) -> CommitOffset {
    let metadata = CommitMetadata {
        clock: EventTime::ZERO,
        beside: BesideOffsets::default(),
        replay: ReplayPoint::default(),
        homes: 0,
        stored: 0,
        partitions: 2,
        cluster: "c".into(),
    };
    CommitOffset {
        partition: 0,
        next_offset,
        metadata,
        inputs: Vec::new(),
    }
}

fn values(entries: &[Entry]) -> Vec<String> {
    let text = |entry: &Entry| {
        entry
            .content
            .value
            .as_deref()
            .map(|value| String::from_utf8_lossy(value).into_owned())
    };
    entries.iter().filter_map(text).collect()
}

#[test]
fn readers_stop_at_the_first_open_transaction_and_never_see_aborted_records_or_markers() {
    let mut cluster = cluster(Protocol::Eager);
    let a = cluster.transactions.open("a", 1_000).expect("free");
    let b = cluster.transactions.open("b", 1_000).expect("free");
    cluster.produce(a, &record(Output::Alerts, "a1")).expect("open");
    cluster.produce(b, &record(Output::Alerts, "b1")).expect("open");
    cluster.transactions.end(b, true).expect("open");
    assert!(cluster.write_marker(0));
    let log = cluster.log(Topic::Output(Output::Alerts), 0);
    assert_eq!(
        (log.last_stable(), log.end()),
        (0, 3),
        "the marker of `b` has an offset"
    );
    assert_eq!(values(log.uncommitted()), ["a1", "b1"]);
    assert_eq!(log.read(0, 10), (Vec::new(), 0));
    cluster.transactions.end(a, false).expect("open");
    assert!(cluster.write_marker(0));
    let log = cluster.log(Topic::Output(Output::Alerts), 0);
    assert_eq!((log.last_stable(), log.end()), (4, 4));
    assert_eq!(values(&log.committed()), ["b1"]);
}

#[test]
fn a_commit_is_decided_before_it_is_marked_and_marked_place_by_place() {
    let mut cluster = cluster(Protocol::Eager);
    let a = cluster.transactions.open("a", 1_000).expect("free");
    cluster.produce(a, &record(Output::State, "s")).expect("open");
    cluster.hold_offset(a, offset(7)).expect("open");
    assert_eq!(
        cluster.fetch_committed(0),
        Err(Refusal::Concurrent),
        "unstable while open"
    );
    assert_eq!(cluster.fetch_committed(1), Ok(None));
    cluster.transactions.end(a, true).expect("open");
    assert_eq!(
        cluster.transactions.end(a, true),
        Ok(()),
        "said again, as after a lost answer"
    );
    assert_eq!(cluster.transactions.end(a, false), Err(Refusal::InvalidState));
    assert_eq!(
        cluster.fetch_committed(0),
        Err(Refusal::Concurrent),
        "unstable while unmarked"
    );
    assert_eq!(
        cluster.produce(a, &record(Output::State, "t")),
        Err(Refusal::Concurrent)
    );
    assert!(cluster.write_marker(1), "the offsets first");
    assert_eq!(
        cluster.fetch_committed(0).expect("stable").map(|found| found.offset),
        Some(7)
    );
    assert_eq!(
        cluster.log(Topic::Output(Output::State), 0).last_stable(),
        0,
        "the state topic lags behind the commit"
    );
    assert!(cluster.write_marker(0));
    assert_eq!(cluster.log(Topic::Output(Output::State), 0).last_stable(), 2);
    assert!(cluster.transactions.is_quiet());
    assert_eq!(cluster.transactions.end(a, true), Ok(()), "an answer lost for long");
}

#[test]
fn a_successor_of_the_name_ends_what_was_open_and_shuts_its_predecessor_out() {
    let mut cluster = cluster(Protocol::Eager);
    let old = cluster.transactions.open("a", 1_000).expect("free");
    cluster.produce(old, &record(Output::Alerts, "x")).expect("open");
    assert_eq!(cluster.transactions.open("a", 1_000), Err(Refusal::Concurrent));
    assert_eq!(cluster.transactions.end(old, true), Err(Refusal::Fenced));
    cluster.write_marker(0);
    let new = cluster.transactions.open("a", 1_000).expect("free again");
    assert_eq!(cluster.produce(old, &record(Output::Alerts, "y")), Err(Refusal::Fenced));
    cluster.produce(new, &record(Output::Alerts, "z")).expect("open");
    cluster.transactions.end(new, true).expect("open");
    cluster.write_marker(0);
    assert_eq!(
        values(&cluster.log(Topic::Output(Output::Alerts), 0).committed()),
        ["z"]
    );
    // One that was decided is not undone by a successor.
    cluster.produce(new, &record(Output::Alerts, "kept")).expect("open");
    cluster.transactions.end(new, true).expect("open");
    assert_eq!(cluster.transactions.open("a", 1_000), Err(Refusal::Concurrent));
    cluster.write_marker(0);
    assert_eq!(
        values(&cluster.log(Topic::Output(Output::Alerts), 0).committed()),
        ["z", "kept"]
    );
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_shut_out() {
    let mut cluster = cluster(Protocol::Eager);
    let a = cluster.transactions.open("a", 500).expect("free");
    cluster.produce(a, &record(Output::Alerts, "x")).expect("open");
    cluster.tick(500);
    assert!(cluster.transactions.unmarked().is_empty());
    cluster.tick(1);
    assert_eq!(cluster.transactions.end(a, true), Err(Refusal::Fenced));
    cluster.write_marker(0);
    assert_eq!(cluster.log(Topic::Output(Output::Alerts), 0).committed(), []);
}

#[test]
fn compaction_keeps_the_latest_of_each_key_and_leaves_gaps() {
    let mut log = Log::default();
    let content = |key: &str, value: Option<&str>| Content {
        key: Some(key.as_bytes().into()),
        value: value.map(|value| value.as_bytes().into()),
        ..Content::default()
    };
    log.append(content("a", Some("1")));
    log.append(content("b", Some("2")));
    log.append(content("a", None));
    log.append_in(9, content("b", Some("open")));
    log.append(content("a", Some("behind the last stable offset")));
    log.compact();
    let offsets: Vec<i64> = log.uncommitted().iter().map(|entry| entry.offset).collect();
    assert_eq!(offsets, [1, 2, 3, 4], "the tombstone of `a` stays");
    log.mark(9, false);
    log.compact();
    let offsets: Vec<i64> = log.uncommitted().iter().map(|entry| entry.offset).collect();
    assert_eq!(offsets, [1, 4]);
    assert_eq!(log.read(0, 1).1, 2);
    assert_eq!(log.read(2, 10).1, 6, "the end, markers and all");
    log.retain_from(3);
    assert_eq!((log.first(), log.committed().len()), (3, 1));
}

/// A member as its client keeps it.
struct Client {
    id: u64,
    owned: BTreeSet<i32>,
    generation: Option<i32>,
}

impl Client {
    fn join(group: &mut Group) -> Self {
        Self {
            id: group.join(None, 0).expect("no static name"),
            owned: BTreeSet::new(),
            generation: None,
        }
    }

    fn report(&mut self, group: &mut Group) -> Word {
        let word = group.report(self.id, None, &self.owned, 0).expect("a member");
        for gone in &word.revoke {
            self.owned.remove(gone);
        }
        self.owned.extend(&word.assign);
        self.generation = word.generation;
        word
    }

    fn proof(&self) -> Membership {
        Membership {
            member: self.id,
            generation: self.generation.expect("told"),
            instance: None,
        }
    }
}

#[test]
fn with_kip_848_a_partition_is_given_on_only_after_its_owner_let_go() {
    let mut group = Group::new(Protocol::Consumer, 2, 1_000);
    let mut a = Client::join(&mut group);
    assert_eq!(a.report(&mut group).assign, [0, 1]);
    let early = a.proof();
    let mut b = Client::join(&mut group);
    assert_eq!(b.report(&mut group).assign, [] as [i32; 0], "`a` has not let go");
    assert_eq!(a.report(&mut group).revoke, [1]);
    assert_eq!(b.report(&mut group).assign, [] as [i32; 0], "`a` has not said so");
    assert_eq!(group.check(&early), Ok(()), "its epoch stays until it has");
    a.report(&mut group);
    assert_eq!(group.check(&early), Err(GroupRefusal::IllegalGeneration));
    assert_eq!(b.report(&mut group).assign, [1]);
    // A member that is silent loses what it has when its session ends.
    group.beat(b.id, 900);
    group.tick(1_500);
    assert_eq!(group.check(&a.proof()), Err(GroupRefusal::UnknownMember));
    assert_eq!(b.report(&mut group).assign, [0]);
}

#[test]
fn with_kip_848_a_proof_outlives_a_partition_while_its_owner_is_asked_for_more() {
    let mut group = Group::new(Protocol::Consumer, 4, 1_000);
    let mut a = Client::join(&mut group);
    let mut b = Client::join(&mut group);
    assert_eq!(a.report(&mut group).assign, [0, 2]);
    b.report(&mut group);
    let early = a.proof();
    group.shuffle(0);
    assert_eq!(a.report(&mut group).revoke, [2]);
    group.shuffle(0);
    assert_eq!(a.report(&mut group).revoke, [0]);
    b.report(&mut group);
    assert!(b.report(&mut group).assign.contains(&2), "`a` has let it go");
    assert_eq!(
        group.check(&early),
        Ok(()),
        "and may commit offsets of it: who owns it is not asked"
    );
}

#[test]
fn a_cooperative_rebalance_moves_a_partition_in_two_steps_and_an_eager_one_takes_all() {
    let mut group = Group::new(Protocol::Cooperative, 2, 1_000);
    let mut a = Client::join(&mut group);
    assert_eq!(a.report(&mut group).assign, [0, 1]);
    let early = a.proof();
    let mut b = Client::join(&mut group);
    assert_eq!(b.report(&mut group), Word::default());
    assert_eq!(
        group.check(&early),
        Ok(()),
        "the old generation holds until all have joined"
    );
    assert_eq!(a.report(&mut group).revoke, [1]);
    assert_eq!(group.check(&early), Err(GroupRefusal::IllegalGeneration));
    assert_eq!(b.report(&mut group).assign, [] as [i32; 0]);
    a.report(&mut group);
    assert_eq!(b.report(&mut group).assign, [1]);

    let mut group = Group::new(Protocol::Eager, 2, 1_000);
    let mut a = Client::join(&mut group);
    a.report(&mut group);
    let mut b = Client::join(&mut group);
    b.report(&mut group);
    assert_eq!(a.report(&mut group).revoke, [0, 1]);
    assert_eq!(a.report(&mut group).assign, [0]);
    assert_eq!(b.report(&mut group).assign, [1]);
}

#[test]
fn a_static_member_is_replaced_in_its_place_and_the_old_one_is_fenced() {
    let mut group = Group::new(Protocol::Eager, 2, 1_000);
    let old = group.join(Some("x"), 0).expect("free");
    let none = BTreeSet::new();
    let word = group.report(old, Some("x"), &none, 0).expect("a member");
    assert_eq!(word.assign, [0, 1]);
    let new = group.join(Some("x"), 0).expect("it takes over");
    let again = group.report(new, Some("x"), &none, 0).expect("a member");
    assert_eq!(
        (again.assign, again.generation),
        (vec![0, 1], word.generation),
        "no rebalance"
    );
    assert_eq!(
        group.report(old, Some("x"), &none, 0),
        Err(GroupRefusal::FencedInstance)
    );
    let mut group = Group::new(Protocol::Consumer, 2, 1_000);
    group.join(Some("x"), 0).expect("free");
    assert_eq!(
        group.join(Some("x"), 0),
        None,
        "with KIP-848 the name is free when the session ends"
    );
    group.tick(1_001);
    assert!(group.join(Some("x"), 1_001).is_some());
}
