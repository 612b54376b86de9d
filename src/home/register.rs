//! From a cumulative register to litres: every step that cannot be plain use is classed.

use serde::{Deserialize, Serialize};

use crate::model::{EventTime, Flag, HOUR, Litres};

/// A step of a meter that is not plain use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MeterEvent {
    /// The dial passed its last digit and went on from nought.
    Rollover,
    /// Another meter: the index went on from a value that this one cannot have reached.
    SwappedMeter,
    /// The index began again at nought.
    Reset,
    /// Water (or the index) ran backwards a little, or the meter says that it did.
    ReverseFlow,
    /// One value that the next one contradicted.
    BadRead,
    /// Water (or the index) ran backwards by more than a little.
    LargeReverseFlow,
    /// More water than the meter can pass, or than any home is supplied with.
    ImpossibleFlow,
    /// The meter says that it was tampered with.
    Tamper,
    /// The meter says that its battery runs out.
    LowBattery,
    /// The meter's own rule for leaks is met.
    LeakFlag,
    /// The meter's clock is wrong: it says so, or an interval ended after it had arrived.
    ClockDrift,
}

impl MeterEvent {
    /// The name used as a metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rollover => "rollover",
            Self::SwappedMeter => "swapped_meter",
            Self::Reset => "reset",
            Self::ReverseFlow => "reverse_flow",
            Self::BadRead => "bad_read",
            Self::LargeReverseFlow => "large_reverse_flow",
            Self::ImpossibleFlow => "impossible_flow",
            Self::Tamper => "tamper",
            Self::LowBattery => "low_battery",
            Self::LeakFlag => "leak_flag",
            Self::ClockDrift => "clock_drift",
        }
    }

    /// Litres that ran backwards, classed by how many.
    pub(super) fn backwards(litres: Litres) -> Self {
        if litres > LARGE_REVERSE_LITRES {
            Self::LargeReverseFlow
        } else {
            Self::ReverseFlow
        }
    }
}

impl From<Flag> for MeterEvent {
    fn from(flag: Flag) -> Self {
        match flag {
            Flag::Tamper => Self::Tamper,
            Flag::LowBattery => Self::LowBattery,
            Flag::ReverseFlow => Self::ReverseFlow,
            Flag::Leak => Self::LeakFlag,
            Flag::Clock => Self::ClockDrift,
        }
    }
}

/// A backward step of more litres than this is more than the play of a valve.
const LARGE_REVERSE_LITRES: Litres = 10.0;

/// A meter that runs backwards by no more than this many litres was dry: pressure moves what stands in the pipe to and fro.
pub(super) const DRY_REVERSE_LITRES: Litres = 1.0;

/// The largest backward step that is believed at once to be water that ran back through the meter, in litres; a larger one may be a
/// bad read, and is believed at the next index that follows from it.
const REVERSE_FLOW_LITRES: Litres = 50.0;
/// A backward step of more litres than this, to an index that goes on from there, is another dial.
const LARGEST_REVERSE_LITRES: Litres = 1_000.0;
/// A dial that begins again below this many litres was reset; above it, it is another meter.
const RESET_BELOW_LITRES: Litres = 10.0;
/// Dials have at least five digits of 10 L, so a smaller index cannot have rolled over.
const SMALLEST_DIAL: Litres = 1e5;

/// Where a register stands, and a value that awaits the next one's judgement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Register {
    /// The last index believed, in litres, and when it was read.
    litres: Litres,
    at: EventTime,
    /// An index that cannot follow from the last one, if that is what came last.
    suspect: Litres,
    /// When it was read; zero while none is suspect.
    suspect_at: EventTime,
}

/// What a step says of the time since the last believed index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Litres since `from`, with a class where it was no plain step.
    Litres {
        /// Litres since then.
        litres: Litres,
        /// How the step is classed.
        event: Option<MeterEvent>,
    },
    /// Nothing can be said of this step.
    Nothing(Option<MeterEvent>),
}

impl Register {
    /// A register seen for the first time.
    pub fn new(litres: Litres, at: EventTime) -> Self {
        Self {
            litres,
            at,
            suspect: 0.0,
            suspect_at: EventTime::ZERO,
        }
    }

    /// Whether the last value did not fit and awaits the next one.
    pub fn is_suspect(&self) -> bool {
        self.suspect_at > EventTime::ZERO
    }

    /// Takes the index `litres` read at `at`; `max_flow` in litres an hour bounds what is plain use.
    pub fn step(&mut self, litres: Litres, at: EventTime, max_flow: Litres) -> Step {
        if self.is_suspect() && at <= self.suspect_at {
            // The same record again is no second witness.
            return Step::Nothing(None);
        }
        let hours = f64::from(at.since(self.at).max(HOUR)) / f64::from(HOUR);
        let most = max_flow * hours;
        let plausible = |from: Litres| (0.0..=most).contains(&(litres - from));
        if plausible(self.litres) {
            // What came between, if anything, did not fit; this fits what came before it.
            let event = (self.is_suspect()).then_some(MeterEvent::BadRead);
            let step = Step::Litres {
                litres: litres - self.litres,
                event,
            };
            *self = Self::new(litres, at);
            return step;
        }
        if self.is_suspect() && plausible(self.suspect) {
            let back = self.litres - self.suspect;
            let event = if self.suspect < RESET_BELOW_LITRES {
                MeterEvent::Reset
            } else if (0.0..=LARGEST_REVERSE_LITRES).contains(&back) {
                MeterEvent::backwards(back)
            } else {
                MeterEvent::SwappedMeter
            };
            *self = Self::new(litres, at);
            return Step::Nothing(Some(event));
        }
        if let Some(rolled) = rolled_over(self.litres, litres).filter(|rolled| *rolled <= most) {
            *self = Self::new(litres, at);
            return Step::Litres {
                litres: rolled,
                event: Some(MeterEvent::Rollover),
            };
        }
        let back = self.litres - litres;
        if !self.is_suspect() && back > 0.0 && back <= DRY_REVERSE_LITRES {
            // What comes back to where it stood is no use either; what goes on running back is told when it is more.
            self.at = at;
            return Step::Litres {
                litres: 0.0,
                event: None,
            };
        }
        if !self.is_suspect() && back > 0.0 && back <= REVERSE_FLOW_LITRES && litres >= RESET_BELOW_LITRES {
            *self = Self::new(litres, at);
            return Step::Nothing(Some(MeterEvent::backwards(back)));
        }
        let event = (self.is_suspect()).then_some(MeterEvent::BadRead);
        (self.suspect, self.suspect_at) = (litres, at);
        Step::Nothing(event)
    }
}

/// Litres from `before` over the dial's end to `after`, if `before` stands in the last tenth of a dial and `after` in
/// its first: the dial is the smallest power of ten, or of two with 32 bits, above `before`.
fn rolled_over(before: Litres, after: Litres) -> Option<Litres> {
    let decimal = 10f64.powi(before.max(1.0).log10().floor() as i32 + 1);
    [decimal, 4_294_967_296.0]
        .into_iter()
        .filter(|dial| *dial >= SMALLEST_DIAL && before < *dial && before >= 0.9 * dial && after < 0.1 * dial)
        .map(|dial| dial - before + after)
        .min_by(f64::total_cmp)
}
