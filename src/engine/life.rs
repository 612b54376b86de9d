//! The life of one assignment of a partition.

/// Where an assignment of a partition is in its life.
///
/// ```text
///     assigned ──► restoring ──► replaying ──► live
///        ▲  ▲          │             │           │
///        │  └──failed──┴─────────────┘           │ its last transaction is in doubt
///        └───────────────── lost ◄───────────────┘
///     each of them ──► revoking ──► (gone)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It is ours, paused, and waits for its turn to be restored.
    Assigned,
    /// Stored states are being read.
    Restoring,
    /// Readings since are being replayed, silently.
    Replaying,
    /// Records are applied and what follows is committed.
    Live,
    /// It is no longer ours; a transaction that carries its work is still under way.
    Revoking,
    /// What was committed of it is not known, and its state is given up.
    Lost,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 6] = [
        Self::Assigned,
        Self::Restoring,
        Self::Replaying,
        Self::Live,
        Self::Revoking,
        Self::Lost,
    ];

    /// The name used as a metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Restoring => "restoring",
            Self::Replaying => "replaying",
            Self::Live => "live",
            Self::Revoking => "revoking",
            Self::Lost => "lost",
        }
    }

    /// Whether an assignment may go from here to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        use Stage::{Assigned, Live, Lost, Replaying, Restoring, Revoking};
        matches!(
            (self, next),
            (Assigned, Restoring)
                | (Restoring, Replaying | Live | Assigned)
                | (Replaying, Live | Assigned)
                | (Live, Lost)
                | (Lost, Assigned)
                | (Assigned | Restoring | Replaying | Live | Lost, Revoking)
        )
    }
}
