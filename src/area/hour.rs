//! What one home adds to its zone for one hour.

use jiff::tz::TimeZone;

use crate::home::Routine;
use crate::model::{EventTime, HOUR};

/// Days of the home's own past that say what was to be expected.
pub const DAYS: u32 = 28;
/// With fewer days a home is not counted.
const LEAST_DAYS: u32 = 7;
/// A zone is looked at over so many hours, all ending with the hour in question. Short ones find an outage at a busy hour
/// soon, long ones in a small zone or at night at all.
pub const WINDOWS: [u32; 8] = [1, 2, 3, 4, 6, 8, 12, 24];
const LONGEST: usize = 24;

/// For each count of dry hours, the number of windows that are wholly dry.
const DRY_WINDOWS: [u8; LONGEST + 1] = {
    let mut table = [0; LONGEST + 1];
    let mut hours = 0;
    while hours <= LONGEST {
        let mut windows = 0;
        while windows < WINDOWS.len() && WINDOWS[windows] as usize <= hours {
            windows += 1;
        }
        table[hours] = windows as u8;
        hours += 1;
    }
    table
};

fn dry_windows(hours: u32) -> usize {
    usize::from(DRY_WINDOWS[(hours as usize).min(LONGEST)])
}

/// An hour, and the hours at the same local time on the days before.
#[derive(Clone, Debug)]
pub struct SameHours {
    hour: u32,
    earlier: [u32; DAYS as usize],
}

impl SameHours {
    /// Those of `hour` in a time zone. Offsets that are no whole hours are rounded, as hours are UTC hours.
    pub fn new(hour: u32, zone: &TimeZone) -> Self {
        let offset = |hour: u32| {
            let moment = EventTime::from_hour(hour).to_jiff();
            zone.to_offset(moment).seconds().div_euclid(HOUR as i32)
        };
        let now = offset(hour);
        let same = |days: u32| {
            let earlier = hour.saturating_sub(days * 24);
            earlier.saturating_add_signed(now - offset(earlier))
        };
        Self {
            hour,
            earlier: std::array::from_fn(|day| same(day as u32 + 1)),
        }
    }

    /// The hour.
    pub fn hour(&self) -> u32 {
        self.hour
    }
}

/// What a home adds for one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HomeHour {
    /// How many of [`WINDOWS`] are known to be wholly dry.
    pub dry_windows: usize,
    /// For each window, how likely use within it was by this home's past, in thousandths.
    pub expected_thousandths: [u32; WINDOWS.len()],
}

impl HomeHour {
    /// Of a home with this routine; `None` where the hour is not known, or too little of the time before it.
    ///
    /// The chance of use within a window is the share of the last 28 days on which there was some, with one dry day added, so
    /// that no home is ever quite sure to use water: a home that is often empty says little, and a home that is empty now
    /// counts once, however long it is empty. What is not known counts against an outage: as dry in the past, and as use in
    /// the present.
    pub fn new(routine: &Routine, hours: &SameHours) -> Option<Self> {
        let past = hours.hour.saturating_sub(routine.first_hour()) / 24;
        let days = past.saturating_sub(1).min(DAYS);
        if days < LEAST_DAYS {
            return None;
        }
        routine.used(hours.hour)?;
        let mut dry = [0; WINDOWS.len() + 1];
        for earlier in &hours.earlier[..days as usize] {
            dry[dry_windows(routine.use_before(earlier + 1).leading_zeros())] += 1;
        }
        let mut expected_thousandths = [0; WINDOWS.len()];
        let mut dry_days = 0;
        for window in (0..WINDOWS.len()).rev() {
            dry_days += dry[window + 1];
            expected_thousandths[window] = 1_000 * (days - dry_days) / (days + 1);
        }
        Some(Self {
            dry_windows: dry_windows(routine.dry_hours_before(hours.hour + 1)),
            expected_thousandths,
        })
    }
}
