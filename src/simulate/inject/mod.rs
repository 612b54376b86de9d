//! Labelled incidents in readings that exist, from a seed.
//!
//! Each home is dealt with apart, from a seed of its own that follows from its name: it gets the same incidents whatever
//! other homes are in the files. Incidents begin 30 days or more after a home's first reading, right after an interval
//! with use, where nearly all readings of the time they need are there. What is asked for is dealt out evenly. Afterwards
//! the readings are delivered as utilities deliver them: with gaps, late, twice, in another order, once a day.

pub(crate) mod water;

mod delivery;
mod home;
mod scenario;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use delivery::Delivery;
pub use scenario::Scenario;
pub use water::EMERGENCY_SECONDS;

use crate::history::{History, Incident, Row};
use crate::model::{Absence, DAY, EventTime, HOUR, HomeRecord};
use home::{DRAWS, Home};
use water::label;

/// No incident begins before a home has been read for so long, in seconds.
const WARM_UP: u32 = 30 * DAY;

/// What to put into readings.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// Equal seeds give equal incidents.
    pub seed: u64,
    /// What happens; each home gets one of them in turn, the first by lot.
    pub scenarios: Vec<Scenario>,
    /// A home's time is cut into stretches of so many seconds; at most one incident begins in each.
    pub every: u32,
    /// How readings are delivered, in this order.
    pub deliveries: Vec<Delivery>,
}

/// What was put in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Injected {
    /// What happened, by home and start.
    pub truth: Vec<Incident>,
    /// Absences that were declared, by home.
    pub absences: BTreeMap<Arc<str>, Absence>,
}

/// Something that was asked for and found no place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// No home takes it.
    #[error(
        "no home has room for {0}: it needs a home with 30 days of readings before it, use, and readings of the time it takes"
    )]
    Home(Scenario),
    /// No home that has not declared one already.
    #[error(
        "declared-absence found no place: the record of a home holds one absence, and {0} homes have declared one already"
    )]
    Declared(usize),
    /// No zones.
    #[error("area-outage needs a file of homes that says which homes lie in which zone, at least two in one")]
    Zones,
}

impl Injection {
    /// Changes the readings, and says what happened. Nothing is put where one of the incidents that are `given` is.
    ///
    /// # Errors
    /// [`NoRoom`] when one of the scenarios could be put nowhere.
    pub fn apply(&self, history: &mut History, homes: &[HomeRecord], given: &[Incident]) -> Result<Injected, NoRoom> {
        let mut injected = Injected::default();
        let mut done = BTreeSet::new();
        let mut by_home = split(history);
        let outages = self.outages(&by_home, homes, given)?;
        let declared: BTreeSet<&str> = homes
            .iter()
            .filter(|home| home.absence.is_some())
            .map(|home| home.household_id.as_str())
            .collect();
        for (name, rows) in &mut by_home {
            std::mem::swap(&mut history.rows, rows);
            let mut home = Home::new(history, name, self.random(name));
            home.given = given
                .iter()
                .filter(|incident| incident.household == *name)
                .cloned()
                .collect();
            home.has_declared = declared.contains(&**name);
            if let Some(outage) = outages.get(name) {
                water::no_use(home.history, name, outage.start, outage.end);
                home.truth.push(outage.clone());
                done.insert(Scenario::AreaOutage);
            }
            self.live_through(&mut home, &mut done);
            injected.truth.append(&mut home.truth);
            if let Some(absence) = home.absence {
                injected.absences.insert(Arc::clone(name), absence);
            }
            let mut random = home.random;
            for delivery in &self.deliveries {
                injected.truth.extend(delivery.deliver(history, name, &mut random));
            }
            std::mem::swap(&mut history.rows, rows);
        }
        let missing = self.scenarios.iter().find(|scenario| !done.contains(scenario));
        match missing {
            Some(Scenario::DeclaredAbsence) if !declared.is_empty() => return Err(NoRoom::Declared(declared.len())),
            Some(missing) => return Err(NoRoom::Home(*missing)),
            None => {}
        }
        history.rows = by_home.into_values().flatten().collect();
        injected
            .truth
            .sort_by(|a, b| (&a.household, a.start, &a.kind).cmp(&(&b.household, b.start, &b.kind)));
        Ok(injected)
    }

    /// One incident after the other, as far as there is room.
    fn live_through(&self, home: &mut Home<'_>, done: &mut BTreeSet<Scenario>) {
        let kinds: Vec<Scenario> = (self.scenarios.iter().copied())
            .filter(|scenario| *scenario != Scenario::AreaOutage)
            .collect();
        let Some((first, last)) = home.span() else { return };
        if kinds.is_empty() {
            return;
        }
        let mut turn = home.random.random_range(0..kinds.len());
        let mut at = first.plus(WARM_UP);
        while at < last {
            let scenario = kinds[turn % kinds.len()];
            let Some(end) = home.inject(scenario, at, at.plus(self.every)) else {
                // Perhaps another one finds room here; this one has its next chance in a later round.
                turn += 1;
                at = at.plus(self.every);
                continue;
            };
            done.insert(scenario);
            turn += 1;
            at = at.plus(self.every).max(end);
        }
    }

    /// One outage of 3 to 12 hours a zone, by day, for all of its homes.
    fn outages(
        &self,
        by_home: &BTreeMap<Arc<str>, Vec<Row>>,
        homes: &[HomeRecord],
        given: &[Incident],
    ) -> Result<BTreeMap<Arc<str>, Incident>, NoRoom> {
        let mut outages = BTreeMap::new();
        if !self.scenarios.contains(&Scenario::AreaOutage) {
            return Ok(outages);
        }
        let mut zones = BTreeMap::<&str, Vec<&Arc<str>>>::new();
        for home in homes {
            let name = by_home.get_key_value(home.household_id.as_str()).map(|(name, _)| name);
            if let (Some(zone), Some(name)) = (&home.zone, name) {
                zones.entry(zone).or_default().push(name);
            }
        }
        zones.retain(|_, names| names.len() > 1);
        if zones.is_empty() {
            return Err(NoRoom::Zones);
        }
        for (zone, names) in zones {
            let mut random = self.random(zone);
            let rows = || names.iter().filter_map(|name| by_home.get(*name)).flatten();
            let first = rows().map(|row| row.start).min().unwrap_or_default().plus(WARM_UP);
            let last = rows().map(Row::end).max().unwrap_or_default();
            let days = last.since(first) / DAY;
            if days < 2 {
                continue;
            }
            let mut draw = || {
                let day = random.random_range(0..days - 1);
                let start = EventTime::from_hour(first.plus(day * DAY).hour() / 24 * 24 + random.random_range(6..18));
                (start, start.plus(random.random_range(3..=12) * HOUR))
            };
            let is_free = |(start, end): &(EventTime, EventTime)| {
                let meets = |incident: &&Incident| incident.start < *end && *start < incident.end;
                let of_zone = given.iter().filter(|incident| names.contains(&&incident.household));
                of_zone.filter(meets).count() == 0
            };
            let Some((start, end)) = std::iter::repeat_with(&mut draw).take(DRAWS).find(is_free) else {
                continue;
            };
            for name in names {
                let mut outage = label(name, Scenario::AreaOutage.kind(), start, end);
                outage.detail = Some(Scenario::AreaOutage.to_string());
                outages.insert(Arc::clone(name), outage);
            }
        }
        Ok(outages)
    }

    /// Chance of its own for a home or a zone.
    fn random(&self, name: &str) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed ^ u64::from(crc32fast::hash(name.as_bytes())) << 32)
    }
}

/// The readings of each home; the history keeps its meters.
fn split(history: &mut History) -> BTreeMap<Arc<str>, Vec<Row>> {
    let mut by_home = BTreeMap::<Arc<str>, Vec<_>>::new();
    for row in std::mem::take(&mut history.rows) {
        let household = &history.meters[row.meter as usize].household;
        match by_home.get_mut(household) {
            Some(rows) => rows.push(row),
            None => drop(by_home.insert(Arc::clone(household), vec![row])),
        }
    }
    by_home
}
