//! Homes in a flat arena, packed, with an index from their ids beside it.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::mem::size_of;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::cases::{MESSAGES, Over};
use super::contain::contain;
use super::profile::{Beside, Names, Profile, Surroundings};
use super::rest::{Rest, on_heap};
use super::rules::Rules;
use crate::detect::{DetectorStates, HomeView};
use crate::home::{MAX_METERS, MeterEvent, MeterIndex, MeterReading, Ordered, Rhythm, TimelineState, Usage};
use crate::model::{DAY, EventTime};

/// What is left of the id of a home that was removed; no id holds a control character.
const GONE: char = '\0';

/// The most meters one home may name.
pub const MAX_METERS_NAMED: usize = MAX_METERS;

/// What is kept of a home and rolled back when late readings come: its usage, and what detectors keep beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HomeState {
    /// What follows from the readings.
    pub usage: Usage,
    /// What the detectors keep.
    pub detectors: DetectorStates,
}

impl TimelineState for HomeState {
    fn frontier(&self, index: MeterIndex) -> Option<EventTime> {
        self.usage.meter_frontier(index)
    }

    fn latest(&self) -> EventTime {
        self.usage.latest()
    }

    fn knows(&self, start: EventTime, end: EventTime) -> bool {
        self.usage.knows(start, end)
    }
}

impl HomeState {
    /// Shows the detectors each stretch that follows from a reading. Answers how many findings it brought that are only
    /// in shadow.
    ///
    /// # Errors
    /// The message of a detector that panicked at it. The detectors then keep what they had; the usage is as it should be.
    pub fn apply(
        &mut self,
        reading: &MeterReading,
        rules: &Rules,
        around: &Surroundings<'_>,
        now: EventTime,
        mut event: impl FnMut(MeterEvent),
    ) -> Result<u32, String> {
        let detectors = &mut self.detectors;
        let mut outcome = Ok(0);
        let mut events: SmallVec<[MeterEvent; 4]> = SmallVec::new();
        let noted = |happened| {
            event(happened);
            events.push(happened);
        };
        // How far the home's clocks are ahead of UTC matters to its appliances alone.
        let ahead = |moment: EventTime| around.time_zone.to_offset(moment.to_jiff()).seconds();
        self.usage
            .apply_local(reading, &rules.home, ahead, noted, |usage, interval| {
                let view = around.view(usage, now);
                let before = detectors.clone();
                let shown = contain(|| {
                    detectors.on_interval(&around.programme.detectors, &view, interval);
                    assert!(!rules.panics_at(reading), "as the test asked");
                });
                match shown {
                    Ok(()) => outcome = outcome.clone().map(|sum| sum + detectors.new_in_shadow(&before)),
                    Err(message) => {
                        *detectors = before;
                        outcome = Err(message);
                    }
                }
            });
        for happened in events {
            if let Err(message) = self.hear(happened, around, reading.end()) {
                outcome = Err(message);
            }
        }
        outcome
    }

    /// Tells the detectors what a meter did, or said of itself.
    ///
    /// # Errors
    /// The message of a detector that panicked at it. The detectors then keep what they had.
    pub fn hear(&mut self, event: MeterEvent, around: &Surroundings<'_>, at: EventTime) -> Result<(), String> {
        let before = self.detectors.clone();
        let detectors = &mut self.detectors;
        let told = contain(|| detectors.on_meter_event(&around.programme.detectors, event, at));
        if told.is_err() {
            self.detectors = before;
        }
        told
    }

    /// What the detectors may look at.
    pub fn view<'a>(&'a self, around: &Surroundings<'a>, now: EventTime) -> HomeView<'a> {
        around.view(&self.usage, now)
    }
}

/// One home, open. It is packed while another one is at hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    pub home: Ordered<HomeState>,
    /// Names and last arrivals of the meters; absent while the home has one meter that bears its own id.
    #[expect(
        clippy::box_collection,
        reason = "8 bytes in every slot instead of 24; few homes name their meters"
    )]
    pub(super) meters: Option<Box<Vec<NamedMeter>>>,
    /// The stream's time at which a measured reading last came (of the first meter, while `meters` is absent).
    pub(super) heard: EventTime,
    /// How long it is silent between two deliveries (of the first meter, while `meters` is absent).
    pub(super) rhythm: Rhythm,
    /// The latest arrival of this home's records.
    pub arrived: EventTime,
    /// Where a jump of the clock led to that awaits confirmation; zero for none.
    pub jump: EventTime,
    pub(super) profile: Profile,
    /// Absences, and other signs of life.
    pub(super) beside: Option<Box<Beside>>,
    /// The earliest of its deadlines that are noted; zero for none.
    pub noted: EventTime,
    /// Bit i: an alert of the i-th kind is open.
    pub open: u16,
    /// The last list of visits of its programme names it.
    pub(super) listed: bool,
    /// What the last message of each of [`MESSAGES`] was about; zero before the first.
    pub(super) said: [EventTime; MESSAGES.len()],
    /// Alerts that are over, the last of each kind, by kind.
    pub(super) over: SmallVec<[Over; 2]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedMeter {
    pub name: Box<str>,
    pub heard: EventTime,
    pub rhythm: Rhythm,
}

impl Slot {
    /// The place of meter `name` among this home's meters; a new name gets the next place. `None` beyond the limit.
    pub fn meter_index(&mut self, household: &str, name: &str) -> Option<MeterIndex> {
        if self.meters.is_none() {
            if name == household {
                return Some(0);
            }
            let first = NamedMeter {
                name: household.into(),
                heard: self.heard,
                rhythm: self.rhythm,
            };
            // Before any reading the home has no meter of its own name.
            let is_fresh = self.home.state().frontier(0).is_none();
            self.meters = Some(Box::new(if is_fresh { Vec::new() } else { vec![first] }));
        }
        let meters = self.meters.as_mut()?;
        let place = meters.iter().position(|meter| *meter.name == *name).or_else(|| {
            (meters.len() < MAX_METERS_NAMED).then(|| {
                meters.push(NamedMeter {
                    name: name.into(),
                    heard: EventTime::ZERO,
                    rhythm: Rhythm::default(),
                });
                meters.len() - 1
            })
        })?;
        MeterIndex::try_from(place).ok()
    }

    /// Notes that a measured reading of a meter has come with a record put into the log at `logged`. Whether it may have
    /// brought the home's next deadline nearer.
    pub fn hear(&mut self, meter: MeterIndex, clock: EventTime, logged: Option<EventTime>) -> bool {
        let behind = logged.map_or(0, |logged| logged.since(clock));
        let note = |heard: &mut EventTime, rhythm: &mut Rhythm| {
            let begun = *heard > EventTime::ZERO;
            let nearer = begun && rhythm.hear(*heard, clock, behind);
            *heard = clock;
            nearer
        };
        match &mut self.meters {
            None => note(&mut self.heard, &mut self.rhythm),
            Some(meters) => {
                self.heard = clock;
                let meter = meters.get_mut(usize::from(meter));
                meter.is_some_and(|meter| note(&mut meter.heard, &mut meter.rhythm))
            }
        }
    }

    /// How many meters are in use: heard of, and not replaced.
    pub(super) fn meters_in_use(&self) -> usize {
        let usage = &self.home.state().usage;
        let is_in_use = |(index, meter): &(usize, &NamedMeter)| {
            meter.heard > EventTime::ZERO && !usage.replaced(MeterIndex::try_from(*index).unwrap_or(0))
        };
        self.meters
            .as_ref()
            .map_or(1, |meters| meters.iter().enumerate().filter(is_in_use).count())
    }

    /// When the meter that is the most overdue by its own rhythm was heard, of those that are still in use, and that
    /// rhythm.
    pub(super) fn heard_at(&self) -> Option<(EventTime, Rhythm)> {
        let usage = &self.home.state().usage;
        let own = (self.heard, self.rhythm);
        let (heard, rhythm) = match &self.meters {
            None => own,
            Some(meters) => {
                let in_use = meters.iter().enumerate().filter(|(index, meter)| {
                    meter.heard > EventTime::ZERO && !usage.replaced(MeterIndex::try_from(*index).unwrap_or(0))
                });
                in_use
                    .map(|(_, meter)| (meter.heard, meter.rhythm))
                    .min_by_key(|(heard, rhythm)| heard.plus(rhythm.usual(DAY)))
                    .unwrap_or(own)
            }
        };
        (heard > EventTime::ZERO).then_some((heard, rhythm))
    }
}

/// The homes of a partition.
#[derive(Default)]
pub struct Arena {
    homes: Vec<Rest>,
    /// The home at hand, which may have changed: what `homes` has of it is out of date.
    open: Option<(u32, Box<Slot>)>,
    /// Where it is packed; kept for its capacity.
    scratch: Vec<u8>,
    /// The ids, one after the other.
    ids: String,
    /// Where each id ends in `ids`.
    id_ends: Vec<u32>,
    /// Slots of homes that were removed.
    free: Vec<u32>,
    index: HashTable<u32>,
    names: Names,
}

impl Arena {
    /// A hash of a household id, the same in every process.
    pub fn hash(id: &str) -> u64 {
        FixedState::with_seed(0).hash_one(id)
    }

    /// How many homes there are.
    pub fn len(&self) -> usize {
        self.homes.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slots that hold a home, in order.
    pub fn occupied(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.homes.len() as u32).filter(|slot| !self.id(*slot).starts_with(GONE))
    }

    /// The id of the home in slot `index`.
    pub fn id(&self, index: u32) -> &str {
        let place = index as usize;
        let start = if place == 0 {
            0
        } else {
            self.id_ends[place - 1] as usize
        };
        &self.ids[start..self.id_ends[place] as usize]
    }

    /// The slot of a home.
    pub fn find(&self, id: &str) -> Option<u32> {
        self.index.find(Self::hash(id), |slot| self.id(*slot) == id).copied()
    }

    /// The usage of the home in slot `index`.
    pub fn usage(&self, index: u32) -> Cow<'_, Usage> {
        match self.slot(index) {
            Cow::Borrowed(slot) => Cow::Borrowed(&slot.home.state().usage),
            Cow::Owned(slot) => Cow::Owned(slot.home.into_state().usage),
        }
    }

    /// Memory taken by all homes, in bytes, with what an allocator adds, but without unused capacity: packed homes, those
    /// that are kept open, ids and index.
    pub fn bytes(&self) -> usize {
        let homes: usize = self
            .homes
            .iter()
            .map(|home| size_of::<Rest>() + home.heap_bytes())
            .sum();
        let ids = self.ids.len() + size_of::<u32>() * self.id_ends.len();
        homes + ids + self.index.allocation_size() + on_heap(size_of::<Slot>())
    }

    /// A home to be looked at: as it stands if it is at hand, else unpacked.
    pub(super) fn slot(&self, index: u32) -> Cow<'_, Slot> {
        match &self.open {
            Some((open, slot)) if *open == index => Cow::Borrowed(slot),
            _ => self.homes[index as usize].look(),
        }
    }

    /// A home to be changed. It is at hand until another one is.
    pub(super) fn slot_mut(&mut self, index: u32) -> &mut Slot {
        self.slot_and_names(index).0
    }

    /// The slot of a home, which may be new.
    pub(super) fn find_or_insert(&mut self, id: &str) -> u32 {
        if let Some(slot) = self.find(id) {
            return slot;
        }
        let slot = self.place(id);
        let (ids, ends) = (&self.ids, &self.id_ends);
        self.index.insert_unique(Self::hash(id), slot, |slot| {
            let place = *slot as usize;
            let start = if place == 0 { 0 } else { ends[place - 1] as usize };
            Self::hash(&ids[start..ends[place] as usize])
        });
        slot
    }

    /// A slot for a new home: that of one that was removed, if its id was as long.
    fn place(&mut self, id: &str) -> u32 {
        let is_fitting = |slot: &u32| self.id(*slot).len() == id.len();
        if let Some(at) = self.free.iter().position(is_fitting) {
            let slot = self.free.swap_remove(at);
            let end = self.id_ends[slot as usize] as usize;
            self.ids.replace_range(end - id.len()..end, id);
            return slot;
        }
        make_room(&mut self.homes);
        self.homes.push(Rest::default());
        if self.ids.capacity() - self.ids.len() < id.len() {
            self.ids.reserve_exact(self.ids.len() / 8 + id.len());
        }
        self.ids.push_str(id);
        make_room(&mut self.id_ends);
        self.id_ends.push(self.ids.len() as u32);
        self.homes.len() as u32 - 1
    }

    /// Removes a home: nothing of it is left, not even its id.
    pub(super) fn remove(&mut self, slot: u32) {
        self.set_profile(slot, Profile::default());
        let hash = Self::hash(self.id(slot));
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
        let (length, end) = (self.id(slot).len(), self.id_ends[slot as usize] as usize);
        let blank = String::from(GONE).repeat(length);
        self.ids.replace_range(end - length..end, &blank);
        self.open.take_if(|(open, _)| *open == slot);
        self.homes[slot as usize] = Rest::default();
        self.scratch.clear();
        self.free.push(slot);
    }

    /// Puts a home under another profile, whose names are [in use](Names::profile) already.
    pub(super) fn set_profile(&mut self, index: u32, profile: Profile) {
        let before = std::mem::replace(&mut self.slot_mut(index).profile, profile);
        self.names.release(before);
    }

    /// Forgets what is known of a home but its name and its profile.
    pub(super) fn clear(&mut self, index: u32) {
        let slot = self.slot_mut(index);
        *slot = Slot {
            profile: slot.profile,
            ..Slot::default()
        };
    }

    /// A slot with the tables of names beside it.
    pub(super) fn slot_and_names(&mut self, index: u32) -> (&mut Slot, &Names) {
        let open = match self.open.take() {
            Some((open, slot)) if open == index => slot,
            Some((other, slot)) => {
                let spare = self.homes[other as usize].put(slot, &mut self.scratch);
                self.homes[index as usize].take(spare)
            }
            None => self.homes[index as usize].take(None),
        };
        (&mut self.open.insert((index, open)).1, &self.names)
    }

    /// The tables of names.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// The tables of names, to be changed.
    pub(super) fn names_mut(&mut self) -> &mut Names {
        &mut self.names
    }
}

/// Makes room for one more, an eighth at a time: lists as long as there are homes are not to stand half empty.
pub(super) fn make_room<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 8 + 16);
    }
}
