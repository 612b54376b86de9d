//! Homes in a flat arena, with an index from their ids beside it.

use std::hash::BuildHasher;
use std::mem::size_of;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::contain::contain;
use super::rules::{Programme, Rules, UnknownName};
use crate::detect::{DetectorStates, HomeView};
use crate::home::{MAX_METERS, MeterEvent, MeterIndex, MeterReading, Ordered, TimelineState, Usage};
use crate::model::{Circumstances, DAY, EventTime, HOUR, HomeRecord};

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

/// What a home's detectors need to know besides its state.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub programme: &'a Programme,
    pub time_zone: &'a TimeZone,
    pub heard_at: Option<EventTime>,
    pub upload_gap: Option<u32>,
    pub meters: usize,
    pub circumstances: Circumstances,
}

impl HomeState {
    /// Shows the detectors each stretch that follows from a reading.
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
    ) -> Result<(), String> {
        let detectors = &mut self.detectors;
        let mut outcome = Ok(());
        let mut events: SmallVec<[MeterEvent; 4]> = SmallVec::new();
        let noted = |happened| {
            event(happened);
            events.push(happened);
        };
        self.usage.apply(reading, &rules.home, noted, |usage, interval| {
            let view = around.view(usage, now);
            let before = detectors.clone();
            let shown = contain(|| {
                detectors.on_interval(&around.programme.detectors, &view, interval);
                assert!(!rules.panics_at(reading), "as the test asked");
            });
            if let Err(message) = shown {
                *detectors = before;
                outcome = Err(message);
            }
        });
        for happened in events {
            let before = detectors.clone();
            let told = contain(|| detectors.on_meter_event(&around.programme.detectors, happened, reading.end()));
            if let Err(message) = told {
                *detectors = before;
                outcome = Err(message);
            }
        }
        outcome
    }

    /// What the detectors may look at.
    pub fn view<'a>(&'a self, around: &Surroundings<'a>, now: EventTime) -> HomeView<'a> {
        around.view(&self.usage, now)
    }
}

impl<'a> Surroundings<'a> {
    fn view(&self, usage: &'a Usage, now: EventTime) -> HomeView<'a> {
        HomeView {
            usage,
            time_zone: self.time_zone,
            heard_at: self.heard_at,
            upload_gap: self.upload_gap,
            meters: self.meters,
            circumstances: self.circumstances,
            now,
        }
    }
}

/// Which names of the arena's tables are a home's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    time_zone: u16,
    programme: u16,
    /// 0 for none, else the place in the table plus one.
    zone: u16,
}

impl Profile {
    /// The place of its programme among those of the rules.
    pub fn programme(self) -> usize {
        usize::from(self.programme)
    }
}

/// One home.
#[derive(Clone, Debug, Default)]
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
    /// The earliest of its deadlines that are noted; zero for none.
    pub noted: EventTime,
    /// Bit i: an alert of the i-th kind is open.
    pub open: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedMeter {
    pub name: Box<str>,
    pub heard: EventTime,
    pub rhythm: Rhythm,
}

/// The longest silence of late between two deliveries of a meter, in seconds: a maximum that fades, so that it finds
/// down to a meter's own rhythm within a week of deliveries and has forgotten a long silence a few days after it.
///
/// Deliveries are no part of the timeline that late readings roll back; so this stands beside `heard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rhythm(u32);

impl Default for Rhythm {
    /// Nothing is known yet: two weeks.
    fn default() -> Self {
        Self(14 * DAY)
    }
}

impl Rhythm {
    /// It fades by the share that this many seconds of delivery are of it.
    const FADES_WITHIN: u32 = 36 * HOUR;
    /// A record that the log has had for longer than this after it counts as arrived belongs to a batch brought later: its
    /// steps of time are those of the readings, not of deliveries.
    const CAUGHT_UP: u32 = HOUR;

    /// A delivery came `gap` seconds after the one before it, and lay `behind` seconds before its record's own time. The
    /// records of one delivery have no time between them and change nothing. Whether what is expected from here on is
    /// nearer than what was expected before.
    fn hear(&mut self, gap: u32, behind: u32) -> bool {
        let before = self.0;
        if behind <= Self::CAUGHT_UP {
            let faded = u64::from(before) * u64::from(gap.min(Self::FADES_WITHIN)) / u64::from(Self::FADES_WITHIN);
            self.0 -= faded as u32;
        }
        self.0 = self.0.max(gap);
        self.0.saturating_add(gap) < before
    }
}

impl Slot {
    /// Puts the home under other names; whether its rules are others now.
    pub fn set_profile(&mut self, profile: Profile) -> bool {
        let changes = profile.programme != self.profile.programme;
        if changes {
            self.forget_what_was_met();
        }
        self.profile = profile;
        changes
    }

    /// What was met under other rules says nothing. The usage stays.
    pub fn forget_what_was_met(&mut self) {
        self.home.change(|state| state.detectors = DetectorStates::default());
    }

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
            let nearer = begun && rhythm.hear(clock.since(*heard), behind);
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
    fn meters_in_use(&self) -> usize {
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
    fn heard_at(&self) -> Option<(EventTime, Rhythm)> {
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
                    .min_by_key(|(heard, rhythm)| heard.plus(rhythm.0))
                    .unwrap_or(own)
            }
        };
        (heard > EventTime::ZERO).then_some((heard, rhythm))
    }
}

/// The homes of a partition.
#[derive(Default)]
pub struct Arena {
    slots: Vec<Slot>,
    /// The ids, one after the other.
    ids: String,
    /// Where each id ends in `ids`.
    id_ends: Vec<u32>,
    index: HashTable<u32>,
    names: Names,
}

/// What profiles refer to by number.
#[derive(Default)]
pub struct Names {
    time_zones: Vec<(Arc<str>, TimeZone)>,
    zones: Vec<Arc<str>>,
}

impl Names {
    /// What the detectors of a home need to know besides its state.
    pub fn around<'a>(&'a self, slot: &Slot, rules: &'a Rules) -> Surroundings<'a> {
        let profile = slot.profile;
        let heard = slot.heard_at();
        let time_zone = usize::from(profile.time_zone)
            .checked_sub(1)
            .and_then(|place| self.time_zones.get(place));
        Surroundings {
            programme: &rules.programmes[usize::from(profile.programme).min(rules.programmes.len() - 1)],
            time_zone: time_zone.map_or(&rules.time_zone, |(_, zone)| zone),
            heard_at: heard.map(|(at, _)| at),
            upload_gap: heard.map(|(_, rhythm)| rhythm.0),
            meters: slot.meters_in_use(),
            circumstances: Circumstances::default(),
        }
    }

    /// The grid cell of a home.
    pub fn zone(&self, slot: &Slot, rules: &Rules) -> Option<Arc<str>> {
        match usize::from(slot.profile.zone).checked_sub(1) {
            Some(place) => self.zones.get(place).cloned(),
            None => rules.zone.clone(),
        }
    }

    /// Finds the names of a homes record, adding those that are new.
    fn profile(&mut self, record: &HomeRecord, rules: &Rules) -> Result<Profile, UnknownName> {
        let mut profile = Profile::default();
        if let Some(name) = &record.programme {
            let place = rules.programmes.iter().position(|programme| *programme.name == **name);
            let known = || {
                rules
                    .programmes
                    .iter()
                    .map(|programme| &*programme.name)
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let place = place.ok_or_else(|| UnknownName::Programme {
                name: name.clone(),
                known: known(),
            })?;
            profile.programme = u16::try_from(place).map_err(|_| UnknownName::TooMany)?;
        }
        if let Some(name) = &record.time_zone {
            let known = self.time_zones.iter().position(|(known, _)| **known == **name);
            let place = match known {
                Some(place) => place,
                None => {
                    let zone = TimeZone::get(name).map_err(|_| UnknownName::TimeZone(name.clone()))?;
                    self.time_zones.push((name.as_str().into(), zone));
                    self.time_zones.len() - 1
                }
            };
            profile.time_zone = u16::try_from(place + 1).map_err(|_| UnknownName::TooMany)?;
        }
        if let Some(name) = &record.zone {
            let known = self.zones.iter().position(|known| **known == **name);
            let place = known.unwrap_or_else(|| {
                self.zones.push(name.as_str().into());
                self.zones.len() - 1
            });
            profile.zone = u16::try_from(place + 1).map_err(|_| UnknownName::TooMany)?;
        }
        Ok(profile)
    }

    /// The names of a profile, as a homes record gives them.
    pub fn record(&self, household: &str, profile: Profile, rules: &Rules) -> HomeRecord {
        let named = |place: u16| usize::from(place).checked_sub(1);
        HomeRecord {
            household_id: household.to_owned(),
            time_zone: named(profile.time_zone)
                .and_then(|at| self.time_zones.get(at))
                .map(|(name, _)| name.to_string()),
            zone: named(profile.zone)
                .and_then(|at| self.zones.get(at))
                .map(ToString::to_string),
            programme: rules
                .programmes
                .get(usize::from(profile.programme))
                .map(|programme| programme.name.to_string()),
            ..HomeRecord::default()
        }
    }
}

impl Arena {
    /// A hash of a household id, the same in every process.
    pub fn hash(id: &str) -> u64 {
        FixedState::with_seed(0).hash_one(id)
    }

    /// How many homes there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
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
    pub fn usage(&self, index: u32) -> &Usage {
        &self.slot(index).home.state().usage
    }

    /// Memory taken by all homes, in bytes: slots, what they point to, ids and index, without unused capacity.
    pub fn bytes(&self) -> usize {
        let pending: usize = self
            .slots
            .iter()
            .map(|slot| slot.home.pending() * size_of::<MeterReading>())
            .sum();
        let behind = self.slots.iter().filter(|slot| slot.home.pending() > 0).count() * size_of::<HomeState>();
        let names: usize = self
            .slots
            .iter()
            .flat_map(|slot| &slot.meters)
            .map(|meters| 40 * meters.len() + 24)
            .sum();
        let heap: usize = self.slots.iter().map(|slot| slot.home.state().usage.heap_bytes()).sum();
        // The index takes a byte of control and four of slot for each of its buckets, at most 7/8 of them full.
        let index = self.slots.len() * 5 * 8 / 7;
        self.slots.len() * (size_of::<Slot>() + size_of::<u32>())
            + self.ids.len()
            + index
            + pending
            + behind
            + names
            + heap
    }

    pub(super) fn slot(&self, index: u32) -> &Slot {
        &self.slots[index as usize]
    }

    pub(super) fn slot_mut(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }

    /// The slot of a home, and whether it is new.
    pub(super) fn find_or_insert(&mut self, id: &str) -> (u32, bool) {
        if let Some(slot) = self.find(id) {
            return (slot, false);
        }
        let slot = self.slots.len() as u32;
        self.slots.push(Slot::default());
        self.ids.push_str(id);
        self.id_ends.push(self.ids.len() as u32);
        let (ids, ends) = (&self.ids, &self.id_ends);
        self.index.insert_unique(Self::hash(id), slot, |slot| {
            let place = *slot as usize;
            let start = if place == 0 { 0 } else { ends[place - 1] as usize };
            Self::hash(&ids[start..ends[place] as usize])
        });
        (slot, true)
    }

    /// Finds the names of a homes record in the arena's tables; without a record, the defaults.
    pub(super) fn profile(&mut self, record: Option<&HomeRecord>, rules: &Rules) -> Result<Profile, UnknownName> {
        record.map_or(Ok(Profile::default()), |record| self.names.profile(record, rules))
    }

    /// A slot with the tables of names beside it.
    pub(super) fn slot_and_names(&mut self, index: u32) -> (&mut Slot, &Names) {
        (&mut self.slots[index as usize], &self.names)
    }

    /// The tables of names.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }
}
