use proptest::prelude::*;

use super::log::{logs, states};
use super::*;
use crate::home::SnapshotError;

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Homes put back from their bytes, in any order, go on as if nothing had happened.
    #[test]
    fn a_restored_partition_goes_on_equal(log in logs(), share in 0.0f64..1.0, backwards in any::<bool>()) {
        let cut = (log.len() as f64 * share) as usize;
        let mut original = Partition::new(rules());
        apply(&mut original, &log[..cut]);
        let mut kept = states(&original);
        if backwards {
            kept.reverse();
        }
        let mut restored = Partition::new(rules());
        for (home, bytes) in &kept {
            let slot = restored.restore(bytes).expect("its own bytes").slot;
            prop_assert_eq!(restored.arena().id(slot), home);
        }
        prop_assert_eq!(states(&restored), states(&original));
        // The log goes on where it was; silent homes are noticed at the end.
        let end = at(500);
        restored.next_offset = original.next_offset;
        let expected = (apply(&mut original, &log[cut..]), original.advance(end));
        let found = (apply(&mut restored, &log[cut..]), restored.advance(end));
        let sorted = |(first, second): (Effects, Effects)| {
            // Homes that speak at one deadline do so in the order of their ids; nothing else may differ.
            let mut alerts: Vec<_> = first.alerts.into_iter().chain(second.alerts).collect();
            alerts.sort_by_key(|decided| (decided.alert.household_id.clone(), decided.alert.decided_at));
            (alerts, first.dead_letters, first.counts)
        };
        prop_assert_eq!(sorted(found), sorted(expected));
        prop_assert_eq!(states(&restored), states(&original));
    }

    #[test]
    fn damaged_bytes_are_refused(at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
        let mut partition = Partition::new(rules());
        apply(&mut partition, &[hour("h1", 0, 1.0), hour("h1", 1, 0.0)]);
        let good = partition.snapshot(0);
        let mut damaged = good.clone();
        damaged[at.index(good.len())] ^= 1 << bit;
        prop_assert!(Partition::new(rules()).restore(&damaged).is_err());
        prop_assert!(Partition::new(rules()).restore(&good[..cut.index(good.len())]).is_err());
    }
}

#[test]
fn what_is_no_snapshot_of_this_version_is_refused_by_name() {
    let mut partition = Partition::new(rules());
    apply(&mut partition, &[hour("h1", 0, 1.0)]);
    let good = partition.snapshot(0);
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Partition::new(rules()).restore(&bytes).expect_err("it is damaged")
    };
    assert_eq!(refused(&|bytes| bytes.truncate(7)), SnapshotError::NotASnapshot);
    assert_eq!(refused(&|bytes| bytes[0] = b'x'), SnapshotError::NotASnapshot);
    assert_eq!(refused(&|bytes| bytes[3] = 0), SnapshotError::Version { found: 0 });
    assert!(matches!(
        refused(&|bytes| bytes[20] ^= 1),
        SnapshotError::Checksum { .. }
    ));
    assert!(matches!(
        refused(&|bytes| bytes.truncate(40)),
        SnapshotError::Checksum { .. }
    ));
    assert!(matches!(
        refused(&|bytes| bytes.push(0)),
        SnapshotError::Checksum { .. }
    ));
}

#[test]
fn restoring_puts_a_home_in_the_place_of_what_was_known_of_it() {
    let mut partition = Partition::new(rules());
    apply(&mut partition, &[hour("h1", 0, 1.0)]);
    let early = partition.snapshot(0);
    let log: Vec<_> = (1..10).map(|place| hour("h1", place, 0.0)).collect();
    let raised = apply(&mut partition, &log);
    assert_eq!(told(&raised), ["h1 inactivity Raised at 7 h"]);
    partition.restore(&early).expect("its own bytes");
    assert_eq!(partition.snapshot(0), early);
    assert_eq!(partition.open_alerts(AlertKind::Inactivity), 0);
}

#[test]
fn a_home_that_fell_silent_before_the_restart_is_noticed_after_it() {
    let mut partition = Partition::new(rules());
    apply(&mut partition, &[hour("old", 0, 1.0)]);
    let old = partition.snapshot(0);
    apply(&mut partition, &[hour("new", 60, 1.0)]);
    let new = partition.snapshot(1);
    for kept in [[&old, &new], [&new, &old]] {
        let mut restored = Partition::new(rules());
        for bytes in kept {
            restored.restore(bytes).expect("its own bytes");
        }
        assert_eq!(told(&restored.advance(at(62))), ["old silent_meter Raised at 27 h"]);
    }
}

#[test]
fn what_is_kept_of_a_home_can_be_looked_at() {
    let mut partition = Partition::new(rules());
    let dry: Vec<_> = (0..9).map(|place| hour("h1", place, 0.0)).collect();
    apply(&mut partition, &dry);
    let stamp = Stamp {
        deployment: 3,
        offset: 9,
    };
    let [checkpoint] = &partition.checkpoints(stamp, 0)[..] else {
        panic!("a home that was spoken of");
    };
    let home = StoredHome::read(checkpoint.bytes.as_deref().expect("it is kept")).expect("its own bytes");
    assert_eq!(
        (home.stamp, &*home.household, &home.open[..]),
        (stamp, "h1", &[AlertKind::Inactivity][..])
    );
    let heard = home.contents["home"]["heard"].as_str();
    assert_eq!(heard, Some("2024-03-01T09:00:00Z"), "{:#}", home.contents);
}
