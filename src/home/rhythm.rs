//! How often a meter delivers, learnt from the silences between its deliveries.

use serde::{Deserialize, Serialize};

use crate::model::{DAY, EventTime, HOUR, MINUTE};

/// The longest usual silence between two deliveries of a meter: a maximum that fades, so that it finds down to the meter's
/// rhythm within a few days and forgets a long silence within some more.
///
/// Deliveries are no part of the timeline that late readings roll back; so this stands beside the time at which the meter was
/// last heard. Limits: minutes; at most 45 days. A silence of which nothing shows in arrivals (readings of a day that came
/// together and bear no `received_at`) is seen up to two days long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rhythm {
    /// The longest silence of late, in minutes.
    longest: u16,
    /// Hours over which deliveries were seen, up to [`LEARNT_HOURS`]. Counted by the full hours that pass between them, so
    /// that nothing is lost however small the steps are.
    hours: u16,
}

/// After so many hours of deliveries a rhythm is learnt.
const LEARNT_HOURS: u16 = 7 * 24;
/// A rhythm fades within so many hours of deliveries, or within so many times its own length where that is longer.
const FADES_WITHIN_HOURS: u32 = 36;
const FADES_WITHIN_SILENCES: u32 = 16;
/// One silence teaches no more than so many times what was learnt, or a day: an outage is no rhythm.
const TEACHES_TIMES: u32 = 4;
/// A record that the log has had for longer than this after it counts as arrived was brought later: its steps of time are
/// those of the readings, not of deliveries.
const CAUGHT_UP: u32 = HOUR;
/// And one that is older than this says nothing of deliveries at all: it is history.
const HISTORY: u32 = 2 * DAY;

impl Rhythm {
    /// The longest usual silence in seconds; `None` before the first.
    pub fn seconds(self) -> Option<u32> {
        (self.hours > 0 || self.longest > 0).then_some(u32::from(self.longest) * MINUTE)
    }

    /// Whether it has been seen for long enough to be held against the meter.
    pub fn is_learnt(self) -> bool {
        self.hours >= LEARNT_HOURS
    }

    /// A silence, in seconds, with which nothing is wrong: what is usual, and `unlearnt` at least until it is learnt.
    pub fn usual(self, unlearnt: u32) -> u32 {
        let shown = self.seconds().unwrap_or(0);
        if self.is_learnt() { shown } else { shown.max(unlearnt) }
    }

    /// A delivery came at `now` after the one before it at `heard`, and lay `behind` seconds before its record's own time. Records of
    /// one delivery have no time between them and change nothing. Whether less silence may be usual now than before.
    pub fn hear(&mut self, heard: EventTime, now: EventTime, behind: u32) -> bool {
        let before = *self;
        let passed = now.hour().saturating_sub(heard.hour());
        if behind <= CAUGHT_UP {
            let within = FADES_WITHIN_HOURS.max(passed.saturating_mul(FADES_WITHIN_SILENCES));
            let faded = u32::from(self.longest) * passed.min(within) / within;
            self.longest -= faded as u16;
            let hours = u32::from(self.hours).saturating_add(passed);
            self.hours = hours.min(u32::from(LEARNT_HOURS)) as u16;
        }
        if behind <= HISTORY {
            let silence = now
                .since(heard)
                .saturating_add(if behind > CAUGHT_UP { behind } else { 0 });
            let most = if before.is_learnt() {
                (u32::from(before.longest) * MINUTE)
                    .saturating_mul(TEACHES_TIMES)
                    .max(DAY)
            } else {
                u32::MAX
            };
            let minutes = u16::try_from(silence.min(most) / MINUTE).unwrap_or(u16::MAX);
            self.longest = self.longest.max(minutes);
        }
        self.longest < before.longest || self.is_learnt() && !before.is_learnt()
    }
}
