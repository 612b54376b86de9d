//! Stored states and the readings since give the partition that was.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::log::{logs, states};
use super::*;
use crate::alert::LadderStep;
use crate::model::Stage;

const DEPLOYMENT: u32 = 7;

/// A partition with what it stored on its way, as a commit after each batch leaves it.
struct Committed {
    rules: Arc<Rules>,
    state: Partition,
    stored: BTreeMap<Box<str>, Vec<u8>>,
    point: ReplayPoint,
}

fn home(programme: &str) -> HomeRecord {
    HomeRecord {
        household_id: "h1".into(),
        time_zone: None,
        zone: Some("z".into()),
        programme: Some(programme.into()),
        ..HomeRecord::default()
    }
}

impl Committed {
    fn new() -> Self {
        Self::under(rules())
    }

    fn under(rules: Arc<Rules>) -> Self {
        Self {
            state: Partition::new(Arc::clone(&rules)),
            rules,
            stored: BTreeMap::new(),
            point: ReplayPoint::default(),
        }
    }

    fn commit(&mut self, budget: i64) {
        let stamp = Stamp {
            deployment: DEPLOYMENT,
            offset: self.state.next_offset(),
        };
        for checkpoint in self.state.checkpoints(stamp, budget) {
            match checkpoint.bytes {
                Some(bytes) => self.stored.insert(checkpoint.household, bytes),
                None => self.stored.remove(&checkpoint.household),
            };
        }
        self.point = self.state.replay_point();
        assert_eq!(self.state.stored_homes(), self.stored_homes());
    }

    fn stored_homes(&self) -> u64 {
        let homes = self.stored.keys().filter(|key| !key.starts_with(ZONE_KEY));
        homes.count() as u64
    }

    fn recover(&self, log: &[Record], damaged: Option<&str>) -> (Partition, usize) {
        let mut recovery = Recovery::new(Arc::clone(&self.rules));
        for (household, bytes) in &self.stored {
            let mut bytes = bytes.clone();
            if damaged == Some(household) {
                *bytes.last_mut().expect("bytes") ^= 1;
            }
            recovery.stored(household, Some(&bytes), DEPLOYMENT);
        }
        assert_eq!(recovery.stored_homes(), self.stored_homes());
        recovery.begin(Some(self.point), 0);
        let until = self.state.next_offset();
        let from = recovery.from();
        let replayed = (until - from) as usize;
        recovery.replay(raw(&log[..until as usize], from));
        let Recovered { state, effects, .. } = recovery.finish(until, self.state.clock()).expect("a partition");
        assert_eq!(effects.alerts, []);
        (state, replayed)
    }
}

fn raw(log: &[Record], from: i64) -> impl Iterator<Item = RawRecord<'_>> {
    log.iter()
        .enumerate()
        .skip(from as usize)
        .map(|(offset, record)| RawRecord {
            offset: offset as i64,
            timestamp: record.timestamp,
            key: Some(&record.key),
            value: Some(&record.value),
        })
}

/// Everything that is said from here on, in order.
fn future(state: &mut Partition, log: &[Record]) -> (Effects, Effects) {
    let rest = apply(state, &log[state.next_offset() as usize..]);
    (rest, state.advance(at(500)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Wherever the log is cut into commits, and however few states each may store: what a restart puts together is the
    /// partition that was, and it goes on saying the same, in the same order.
    #[test]
    fn a_recovered_partition_is_the_one_that_was(
        log in logs(),
        cuts in prop::collection::vec(0.0f64..1.0, 1..6),
        idle in prop::collection::vec(0u32..12, 6),
        budget in 0i64..3_000,
        programme in prop::option::of(0usize..6),
        damaged in any::<bool>(),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|share| (log.len() as f64 * share) as usize).collect();
        cuts.sort_unstable();
        let mut committed = Committed::new();
        let mut from = 0;
        for (number, cut) in cuts.iter().enumerate() {
            apply(&mut committed.state, &log[from..*cut]);
            // Silence moves the clock on, and what comes after it was on its way for longer. No reading says so: a home that
            // only they can rebuild would not know.
            if committed.state.clock() > EventTime::ZERO && !damaged {
                committed.state.advance(committed.state.clock().plus(idle[number] * HOUR));
            }
            if programme == Some(number) {
                committed.state.set_home("h1", Some(&home("patient"))).expect("known names");
            }
            committed.commit(budget);
            from = *cut;
        }
        // A home whose record is in no reading cannot be rebuilt from readings alone.
        let damaged = (damaged && programme.is_none()).then_some("h0");
        let (mut recovered, _) = committed.recover(&log, damaged);
        prop_assert_eq!(states(&recovered), states(&committed.state));
        prop_assert_eq!(recovered.clock(), committed.state.clock());
        let (after, before) = (future(&mut recovered, &log), future(&mut committed.state, &log));
        for (after, before) in [(after.0, before.0), (after.1, before.1)] {
            prop_assert_eq!(told(&after), told(&before));
            prop_assert_eq!(&after.visit_lists, &before.visit_lists);
            prop_assert_eq!(&after.zone_reports, &before.zone_reports);
            prop_assert_eq!(after, before);
        }
        prop_assert_eq!(states(&recovered), states(&committed.state));
    }

    /// Homes fall silent; then they are all heard of again, behind the clock. Whose turn it is to speak next must not depend on
    /// what a restart looks at once more, an answer that was waited for among it.
    #[test]
    fn a_restart_keeps_the_order_among_homes(
        begun in prop::collection::vec((0u32..6, 0u32..5), 2..4),
        silence in 8u32..40,
        late in prop::collection::vec((0usize..3, 1u32..5), 1..4),
        stages in prop::collection::vec(prop::sample::select(Stage::ALL.to_vec()), 2),
        step_after in prop::sample::select(vec![0, 20, 60, 150]),
    ) {
        let mut rules = (*rules()).clone();
        let programme = &mut rules.programmes[0];
        programme.policy.ladder_kinds = vec![AlertKind::Inactivity, AlertKind::SilentMeter];
        programme.policy.ladder = vec![LadderStep {
            contact: "warden".into(),
            after_minutes: step_after,
            duty: None,
            duty_days: Vec::new(),
        }];
        programme.detectors.silent_meter.after_hours = 6;
        for (place, stage) in stages.into_iter().enumerate() {
            let rule = &mut programme.detectors.inactivity.rules[place];
            (rule.when, rule.stage) = (Condition::NoUse { hours: 2.0 + place as f64 }, stage);
        }
        let mut log = Vec::new();
        let mut next: Vec<u32> = begun.iter().map(|(from, _)| *from).collect();
        for (number, (_, hours)) in begun.iter().enumerate() {
            for _ in 0..=*hours {
                log.push((next[number], hour(&format!("h{number}"), next[number], 0.0)));
                next[number] += 1;
            }
        }
        log.sort_by_key(|(hour, _)| *hour);
        let mut log: Vec<Record> = log.into_iter().map(|(_, record)| record).collect();
        let mut committed = Committed::under(Arc::new(rules));
        apply(&mut committed.state, &log);
        committed.state.advance(at(silence));
        committed.commit(0);
        for (home, hours) in late {
            let number = home % next.len();
            for _ in 0..hours {
                log.push(hour(&format!("h{number}"), next[number], 0.0));
                next[number] += 1;
            }
        }
        let (mut recovered, _) = committed.recover(&log, None);
        let (after, before) = (future(&mut recovered, &log), future(&mut committed.state, &log));
        prop_assert_eq!(told(&after.0), told(&before.0));
        prop_assert_eq!(told(&after.1), told(&before.1));
    }

    /// The rule of the oldest: with enough budget nothing is left to replay, and with none everything is.
    #[test]
    fn what_is_stored_need_not_be_replayed(log in logs()) {
        let mut committed = Committed::new();
        apply(&mut committed.state, &log);
        committed.commit(i64::MAX);
        prop_assert_eq!(committed.recover(&log, None).1, 0);
        prop_assert_eq!(committed.state.unsaved_homes(), 0);
    }
}

#[test]
fn the_states_of_another_deployment_are_not_taken() {
    let mut committed = Committed::new();
    apply(&mut committed.state, &[hour("h1", 0, 1.0)]);
    committed.commit(i64::MAX);
    let mut recovery = Recovery::new(rules());
    let outcome = recovery.stored("h1", Some(&committed.stored["h1"]), DEPLOYMENT + 1);
    assert_eq!(outcome, StoredOutcome::Foreign { deployment: DEPLOYMENT });
}

#[test]
fn a_later_state_takes_the_place_of_an_earlier_one_and_a_tombstone_of_both() {
    let mut committed = Committed::new();
    apply(&mut committed.state, &[hour("h1", 0, 1.0)]);
    committed.commit(i64::MAX);
    let early = committed.stored["h1"].clone();
    let dry: Vec<_> = (1..9).map(|place| hour("h1", place, 0.0)).collect();
    assert_eq!(
        told(&apply(&mut committed.state, &dry)),
        ["h1 inactivity Raised at 7 h"]
    );
    committed.commit(i64::MAX);
    let mut recovery = Recovery::new(rules());
    recovery.stored("h1", Some(&early), DEPLOYMENT);
    recovery.stored("h1", Some(&committed.stored["h1"]), DEPLOYMENT);
    assert_eq!(recovery.stored_homes(), 1);
    recovery.stored("h1", None, DEPLOYMENT);
    assert_eq!(recovery.stored_homes(), 0);
    recovery.begin(Some(committed.point), 0);
    let Recovered { state, .. } = recovery.finish(9, at(9)).expect("a partition");
    assert_eq!(state.open_alerts(AlertKind::Inactivity), 0);
}

#[test]
fn alerts_that_only_the_rules_of_yesterday_had_a_reason_for_are_resolved_at_the_restart() {
    let mut committed = Committed::new();
    let log: Vec<_> = (0..16)
        .map(|place| hour(["h1", "h2"][place as usize % 2], place / 2, 0.0))
        .collect();
    let raised = apply(&mut committed.state, &log);
    assert_eq!(told(&raised).len(), 2, "{raised:?}");
    committed.commit(i64::MAX);
    let mut patient = (*rules()).clone();
    patient.programmes[0].detectors.inactivity.rules.remove(0);
    let mut recovery = Recovery::new(Arc::new(patient));
    for (household, bytes) in &committed.stored {
        recovery.stored(household, Some(bytes), DEPLOYMENT);
    }
    recovery.begin(Some(committed.point), 0);
    let recovered = recovery.finish(16, committed.state.clock()).expect("a partition");
    let (mut state, effects) = (recovered.state, recovered.effects);
    assert_eq!(
        told(&effects),
        ["h1 inactivity Resolved at 8 h", "h2 inactivity Resolved at 8 h"]
    );
    assert_eq!(
        (effects.alerts[0].alert.reason.as_str(), state.urgent_homes()),
        ("programme_changed", 2)
    );
    let dry: Vec<_> = (8..13).map(|place| hour("h1", place, 0.0)).collect();
    let effects = apply(&mut state, &dry);
    assert_eq!(told(&effects), ["h1 inactivity Raised at 12 h"]);
}

#[test]
fn erasing_a_home_closes_its_alerts_and_forgets_it() {
    let mut partition = Partition::new(rules());
    let dry: Vec<_> = (0..9).map(|place| hour("h1", place, 0.0)).collect();
    apply(&mut partition, &dry);
    let fresh = Partition::new(rules()).set_home("h1", None).map(|_| ());
    assert_eq!(fresh, Ok(()));
    let record = HomeRecord {
        erase: true,
        ..home("watched")
    };
    let effects = partition.set_home("h1", Some(&record)).expect("known names");
    assert_eq!(told(&effects), ["h1 inactivity Resolved at 9 h"]);
    assert_eq!(effects.alerts[0].alert.reason, "erased");
    let mut empty = Partition::new(rules());
    empty.set_home("h1", Some(&home("watched"))).expect("known names");
    assert_eq!(partition.snapshot(0), empty.snapshot(0));
    assert_eq!(told(&partition.advance(at(900))), [] as [&str; 0]);
}

#[test]
fn a_detector_that_panics_is_contained_and_its_record_kept_out() {
    let poisoned = |panic_at_litres| {
        Arc::new(Rules {
            panic_at_litres,
            ..(*rules()).clone()
        })
    };
    let mut log: Vec<_> = (0..12).map(|place| hour("h1", place, 0.0)).collect();
    log[3] = hour("h1", 3, 666.5);
    log.push(hour("h2", 12, 1.0));
    let mut partition = Partition::new(poisoned(Some(666.5)));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let effects = apply(&mut partition, &log);
    std::panic::set_hook(hook);
    let letters: Vec<_> = effects
        .dead_letters
        .iter()
        .map(|letter| (letter.reason, letter.offset))
        .collect();
    assert_eq!(letters, [("detector_panicked", 3)]);
    assert!(
        effects.dead_letters[0].detail.contains("as the test asked"),
        "{effects:?}"
    );
    // The use is in the home's usage all the same: the dry spell begins after it.
    assert_eq!(told(&effects), ["h1 inactivity Raised at 10 h"]);
    assert_eq!(partition.arena().len(), 2);
}
