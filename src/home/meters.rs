//! From the readings of one or several meters to the intervals of the home.
//!
//! A home is dry only where all its meters are known to be dry; it is used where one of them is used. So an interval
//! of the home is complete when every meter that is expected to report has reported it. A meter that has fallen
//! behind by more than the allowed lateness, or whose place another meter has taken, is no longer waited for.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::interval::{CompactMeasure, Flow, Interval, MeterReading};
use super::register::{DRY_REVERSE_LITRES, MeterEvent, Register, Step};
use crate::model::{EventTime, Litres};

/// The most meters one home may have.
pub const MAX_METERS: usize = 16;

/// A meter's place in its home: 0 for the first one seen.
pub type MeterIndex = u8;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Meter {
    /// Everything before it is measured or given up.
    frontier: EventTime,
    /// Boxed: most meters report volumes.
    register: Option<Box<Register>>,
}

/// The meters of a home.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meters {
    first: Meter,
    /// Boxed: most homes have one meter.
    several: Option<Box<Several>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Several {
    /// The other meters, from index 1 on.
    others: Vec<Meter>,
    /// One for each meter, the first included.
    lanes: Vec<Lane>,
    /// The home's intervals are complete up to here.
    emitted: EventTime,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Lane {
    presence: Presence,
    /// Whether a part of the first that waits was taken already.
    is_cut: bool,
    /// What this meter reported and others have not yet.
    waiting: VecDeque<Interval>,
}

/// Whether a meter is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Presence {
    Expected,
    /// Fell behind by more than the allowed lateness.
    Lagging,
    /// A later meter has taken its place.
    Replaced,
}

impl Meters {
    fn meter(&self, index: MeterIndex) -> Option<&Meter> {
        match (index, &self.several) {
            (0, _) => Some(&self.first),
            (index, Some(several)) => several.others.get(usize::from(index) - 1),
            (_, None) => None,
        }
    }

    /// Up to where meter `index` has reported; `None` before its first reading.
    pub fn frontier(&self, index: MeterIndex) -> Option<EventTime> {
        self.meter(index)
            .map(|meter| meter.frontier)
            .filter(|frontier| *frontier > EventTime::ZERO)
    }

    /// Up to where the meter furthest ahead has reported.
    pub fn latest(&self) -> EventTime {
        let others = self.several.iter().flat_map(|several| &several.others);
        others
            .map(|meter| meter.frontier)
            .fold(self.first.frontier, EventTime::max)
    }

    /// Whether another meter has taken the place of meter `index`.
    pub fn replaced(&self, index: MeterIndex) -> bool {
        let lane = self
            .several
            .as_ref()
            .and_then(|several| several.lanes.get(usize::from(index)));
        lane.is_some_and(|lane| lane.presence == Presence::Replaced)
    }

    /// Bytes kept on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let register = |meter: &Meter| meter.register.as_ref().map_or(0, |_| size_of::<Register>());
        let several = self.several.as_ref().map_or(0, |several| {
            let waiting: usize = several.lanes.iter().map(|lane| lane.waiting.len()).sum();
            size_of::<Several>()
                + several
                    .others
                    .iter()
                    .map(|meter| size_of::<Meter>() + register(meter))
                    .sum::<usize>()
                + several.lanes.len() * size_of::<Lane>()
                + waiting * size_of::<Interval>()
        });
        register(&self.first) + several
    }

    /// Takes a measured reading that starts at or after its meter's frontier, and hands on what is now known of the home, with
    /// the least volume that a meter has shown in it.
    pub(super) fn apply(
        &mut self,
        reading: &MeterReading,
        max_flow: Litres,
        allowed_lateness: u32,
        mut event: impl FnMut(MeterEvent),
        mut emit: impl FnMut(Interval, f32),
    ) {
        reading.flags.iter().for_each(|flag| event(flag.into()));
        if reading.meter == 0 && self.several.is_none() {
            let whole = &mut |interval: Interval| {
                let least = match interval.flow {
                    Flow::Measured(litres) => litres,
                    _ => 0.0,
                };
                emit(interval, least);
            };
            return self.first.apply(reading, max_flow, &mut event, whole);
        }
        let emitted = if self.first.frontier > EventTime::ZERO {
            self.first.frontier
        } else {
            reading.start
        };
        let several = self.several.get_or_insert_with(|| {
            let first = Lane {
                presence: Presence::Expected,
                is_cut: false,
                waiting: VecDeque::new(),
            };
            Box::new(Several {
                others: Vec::new(),
                lanes: vec![first],
                emitted,
            })
        });
        let index = usize::from(reading.meter);
        while several.lanes.len() <= index {
            several.others.push(Meter::default());
            several.lanes.push(Lane {
                presence: Presence::Expected,
                is_cut: false,
                waiting: VecDeque::new(),
            });
        }
        several.note_presence(&self.first, index, reading);
        let meter = if index == 0 {
            &mut self.first
        } else {
            &mut several.others[index - 1]
        };
        let (lane, emitted) = (&mut several.lanes[index], several.emitted);
        meter.apply(reading, max_flow, &mut event, &mut |mut interval: Interval| {
            if let Flow::Measured(litres) = interval.flow
                && litres > 0.0
                && !interval.is_placeable()
            {
                // Shared out over the other meters' shorter intervals it would look like a use in each of them.
                interval.flow = Flow::UsedSomewhere(litres);
            }
            interval.start = interval.start.max(emitted);
            if interval.end > interval.start {
                lane.waiting.push_back(interval);
            }
        });
        several.give_up_laggards(&self.first, allowed_lateness);
        while let Some((interval, least)) = several.next_interval() {
            emit(interval, least);
        }
    }
}

impl Several {
    fn frontier(&self, first: &Meter, index: usize) -> EventTime {
        if index == 0 {
            first.frontier
        } else {
            self.others[index - 1].frontier
        }
    }

    /// A meter that reports is expected, but for one that was replaced and says late what it measured before; on its first report it
    /// takes the place of those that ended before it.
    fn note_presence(&mut self, first: &Meter, index: usize, reading: &MeterReading) {
        let start = reading.start;
        let is_new = self.frontier(first, index) == EventTime::ZERO;
        if self.lanes[index].presence == Presence::Replaced && reading.end() <= self.emitted {
            return;
        }
        self.lanes[index].presence = Presence::Expected;
        if is_new {
            for other in (0..self.lanes.len()).filter(|other| *other != index) {
                if self.frontier(first, other) <= start && self.lanes[other].waiting.is_empty() {
                    self.lanes[other].presence = Presence::Replaced;
                }
            }
        }
    }

    fn give_up_laggards(&mut self, first: &Meter, allowed_lateness: u32) {
        let latest = (0..self.lanes.len())
            .map(|index| self.frontier(first, index))
            .max()
            .unwrap_or_default();
        for index in 0..self.lanes.len() {
            if self.lanes[index].waiting.is_empty()
                && self.lanes[index].presence == Presence::Expected
                && latest.since(self.frontier(first, index)) > allowed_lateness
            {
                self.lanes[index].presence = Presence::Lagging;
            }
        }
    }

    /// The next stretch that all expected meters have reported, and the least volume of the readings that begin with it; 0
    /// where none does: a part of a reading is no step of a meter.
    fn next_interval(&mut self) -> Option<(Interval, f32)> {
        let start = self.emitted;
        let mut end = EventTime::MAX;
        let mut anyone = false;
        for lane in &self.lanes {
            match lane.waiting.front() {
                // Not there yet in this stretch: it joined later.
                Some(head) if head.start > start => end = end.min(head.start),
                Some(head) => end = end.min(head.end),
                None if lane.presence == Presence::Expected => return None,
                None => continue,
            }
            anyone = true;
        }
        if !anyone {
            return None;
        }
        let (mut litres, mut all_known, mut exact, mut present) = (0.0, true, true, false);
        let mut least = f32::INFINITY;
        for lane in &mut self.lanes {
            let Some(head) = lane.waiting.front_mut().filter(|head| head.start <= start) else {
                continue;
            };
            present = true;
            if let Flow::Measured(left) = head.flow
                && left > 0.0
                && !lane.is_cut
            {
                least = least.min(left);
            }
            let share = f64::from(end.since(start)) / f64::from(head.seconds().max(1));
            match &mut head.flow {
                Flow::Unknown => all_known = false,
                Flow::Measured(left) | Flow::UsedSomewhere(left) if *left <= 0.0 => {}
                flow @ (Flow::Measured(_) | Flow::UsedSomewhere(_)) => {
                    exact &= matches!(flow, Flow::Measured(_));
                    if let Flow::Measured(left) | Flow::UsedSomewhere(left) = flow {
                        let part = (f64::from(*left) * share) as f32;
                        litres += part;
                        *left -= part;
                    }
                }
            }
            head.start = end;
            lane.is_cut = head.end > end;
            if !lane.is_cut {
                lane.waiting.pop_front();
            }
        }
        self.emitted = end;
        let flow = match (present && all_known, exact && all_known) {
            (true, true) => Flow::Measured(litres),
            _ if litres > 0.0 => Flow::UsedSomewhere(litres),
            _ => Flow::Unknown,
        };
        let least = if least.is_finite() { least } else { 0.0 };
        Some((Interval { start, end, flow }, least))
    }
}

impl Meter {
    fn apply(
        &mut self,
        reading: &MeterReading,
        max_flow: Litres,
        event: &mut impl FnMut(MeterEvent),
        emit: &mut impl FnMut(Interval),
    ) {
        let Some(measure) = reading.measure else { return };
        let end = reading.end();
        let begun = self.frontier > EventTime::ZERO;
        let frontier = if begun { self.frontier } else { reading.start };
        let is_gap = reading.start > frontier.plus(reading.jitter());
        match measure {
            CompactMeasure::Volume(litres) => {
                self.frontier = end;
                if is_gap {
                    emit(Interval {
                        start: frontier,
                        end: reading.start,
                        flow: Flow::Unknown,
                    });
                }
                let start = if is_gap { reading.start } else { frontier };
                let back = -f64::from(litres);
                if back > 0.0 {
                    event(MeterEvent::backwards(back));
                }
                let flow = if back > DRY_REVERSE_LITRES {
                    Flow::Unknown
                } else {
                    Flow::Measured(litres.max(0.0))
                };
                emit(Interval { start, end, flow });
            }
            CompactMeasure::Register(index) => {
                let Some(register) = &mut self.register else {
                    // The first index says nothing of what flowed before it.
                    self.register = Some(Box::new(Register::new(index, end)));
                    self.frontier = end;
                    return emit(Interval {
                        start: frontier,
                        end,
                        flow: Flow::Unknown,
                    });
                };
                match register.step(index, end, max_flow) {
                    Step::Litres {
                        litres, event: class, ..
                    } => {
                        class.into_iter().for_each(event);
                        self.frontier = end;
                        let flow = match litres as f32 {
                            // Not moved across a gap: the gap was dry.
                            litres if litres <= 0.0 => Flow::Measured(0.0),
                            litres if is_gap => Flow::UsedSomewhere(litres),
                            litres => Flow::Measured(litres),
                        };
                        emit(Interval {
                            start: frontier,
                            end,
                            flow,
                        });
                    }
                    Step::Nothing(class) => {
                        class.into_iter().for_each(event);
                        // While a value is suspect the time up to it is left open: the next one may explain it.
                        if !register.is_suspect() {
                            self.frontier = end;
                            emit(Interval {
                                start: frontier,
                                end,
                                flow: Flow::Unknown,
                            });
                        }
                    }
                }
            }
        }
    }
}
