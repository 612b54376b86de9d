//! How readings are delivered: not all of them, not at once, not in order, not once.

use std::collections::BTreeMap;
use std::str::FromStr;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::water::label;
use crate::history::{History, Incident, arrival};
use crate::model::{DAY, EventTime, HOUR, MINUTE};

/// A way in which deliveries differ from what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Days of readings are lost as in Tokyo's trial of 2007: 98 % of days delivered, 27 % of homes with a loss in a
    /// month, so losses come in runs of two days on average.
    Gaps,
    /// Every meter uploads once in so many hours, some minutes later than the others.
    Uploads {
        /// The hours.
        hours: u32,
    },
    /// Five of a hundred readings come up to two days late.
    Late,
    /// Two of a hundred readings come a second time, up to a day later.
    Duplicates,
    /// The readings of a day come together at its end, in any order.
    Shuffled,
}

/// A name that is none of a delivery's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: not one of gaps, uploads:24 (once in 1 to 168 hours), late, duplicates, shuffled")]
pub struct UnknownDelivery(String);

impl FromStr for Delivery {
    type Err = UnknownDelivery;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownDelivery(text.to_owned());
        match (text, text.strip_prefix("uploads:")) {
            ("gaps", _) => Ok(Self::Gaps),
            ("late", _) => Ok(Self::Late),
            ("duplicates", _) => Ok(Self::Duplicates),
            ("shuffled", _) => Ok(Self::Shuffled),
            (_, Some(hours)) => match hours.parse() {
                Ok(hours @ 1..=168) => Ok(Self::Uploads { hours }),
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }
}

impl Delivery {
    /// Delivers the readings of one home, the only ones in the history; what was lost.
    pub(super) fn deliver(self, history: &mut History, home: &str, random: &mut ChaCha8Rng) -> Vec<Incident> {
        let rows = &mut history.rows;
        match self {
            Self::Gaps => return lose(history, home, random),
            Self::Uploads { hours } => {
                let after = random.random_range(5 * MINUTE..30 * MINUTE);
                for row in rows.iter_mut() {
                    let step = hours * HOUR;
                    let due = row.end().seconds().div_ceil(step).saturating_mul(step);
                    row.received_at = Some(EventTime::from_seconds(due).plus(after).max(arrival(row)));
                }
            }
            Self::Late => {
                for row in rows.iter_mut() {
                    if random.random_bool(0.05) {
                        row.received_at = Some(arrival(row).plus(random.random_range(10 * MINUTE..2 * DAY)));
                    }
                }
            }
            Self::Duplicates => {
                let mut again: Vec<_> = rows.iter().filter(|_| random.random_bool(0.02)).copied().collect();
                for row in &mut again {
                    row.received_at = Some(arrival(row).plus(random.random_range(0..DAY)));
                }
                rows.append(&mut again);
            }
            Self::Shuffled => {
                for row in rows.iter_mut() {
                    let day = arrival(row).seconds().div_ceil(DAY).saturating_mul(DAY);
                    row.received_at = Some(EventTime::from_seconds(day));
                }
                rows.shuffle(random);
                // What is received together is taken in order: each a second behind the one before it.
                let mut places = BTreeMap::<(u32, EventTime), u32>::new();
                for row in rows.iter_mut() {
                    let day = arrival(row);
                    let place = places.entry((row.meter, day)).or_default();
                    row.received_at = Some(day.plus(*place));
                    *place += 1;
                }
            }
        }
        rows.sort_by_key(arrival);
        Vec::new()
    }
}

/// Takes days away.
fn lose(history: &mut History, home: &str, random: &mut ChaCha8Rng) -> Vec<Incident> {
    // A loss begins on so many days: 27 % of homes see one in 30 days. It lasts so long that 2 % of days are lost.
    const BEGINS: f64 = 0.0105;
    const GOES_ON: f64 = 0.48;
    let mut lost = Vec::<Incident>::new();
    let starts = || history.rows.iter().map(|row| row.start);
    let (Some(first), Some(last)) = (starts().min(), starts().max()) else {
        return lost;
    };
    let mut is_lost = false;
    for day in 0..=last.since(first) / DAY {
        let start = first.plus(day * DAY);
        let chance = if is_lost { GOES_ON } else { BEGINS };
        let was_lost = std::mem::replace(&mut is_lost, random.random_bool(chance));
        match lost.last_mut() {
            Some(gap) if is_lost && was_lost => gap.end = start.plus(DAY),
            _ if is_lost => lost.push(label(home, "gap", start, start.plus(DAY))),
            _ => {}
        }
    }
    history
        .rows
        .retain(|row| !lost.iter().any(|gap| gap.start <= row.start && row.start < gap.end));
    lost
}
