//! What must hold in the engine, numbered. A breach stops a debug build and is counted in a release build.

use super::ports::{Observation, Observer};

/// The invariants. `docs/exactly-once.md` argues from them.
pub const INVARIANTS: [(u8, &str); 9] = [
    (1, "an assignment of a partition goes only where its stage may go"),
    (2, "records are applied in the order of their offsets, and none twice"),
    (3, "one transaction is under way at most"),
    (
        4,
        "a transaction carries only partitions that are live, each in its present assignment",
    ),
    (
        5,
        "offsets committed in an assignment never go back, and neither does the clock",
    ),
    (
        6,
        "replay begins at or before the committed offset, and never before where it began",
    ),
    (
        7,
        "a home that was spoken of, or that a record beside the readings changed, is stored in the same transaction",
    ),
    (
        8,
        "a partition goes live where its rebuild ended: at the committed offset",
    ),
    (
        9,
        "what a transaction carried is dropped only when it is committed, in doubt, or no longer ours",
    ),
];

/// Tells of a breach, unless `holds`.
pub(super) fn check(observer: &mut impl Observer, invariant: u8, holds: bool, found: impl Fn() -> String) {
    if !holds {
        let found = found();
        observer.observe(&Observation::Breach {
            invariant,
            found: &found,
        });
        debug_assert!(holds, "invariant {invariant} is broken: {found}");
    }
}
