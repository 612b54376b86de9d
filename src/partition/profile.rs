//! What is known of a home from beside its readings, as its slot keeps it.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::arena::Slot;
use super::rules::{ConsentRule, HomeError, Programme, Rules};
use super::table::Table;
use crate::area::Cause;
use crate::detect::HomeView;
use crate::home::{Rhythm, Usage};
use crate::model::{
    Absence, Appliance, Circumstances, Consent, EventTime, HomeRecord, HouseholdKind, MAX_APPLIANCES, MINUTE, Outage,
    Sign,
};

/// What a home's detectors need to know besides its state.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub programme: &'a Programme,
    pub time_zone: &'a TimeZone,
    pub heard_at: Option<EventTime>,
    pub rhythm: Rhythm,
    pub meters: usize,
    pub circumstances: Circumstances,
}

impl<'a> Surroundings<'a> {
    pub fn view(&self, usage: &'a Usage, now: EventTime) -> HomeView<'a> {
        HomeView {
            usage,
            time_zone: self.time_zone,
            heard_at: self.heard_at,
            rhythm: self.rhythm,
            meters: self.meters,
            circumstances: self.circumstances,
            now,
        }
    }
}

/// What the homes topic says of a home, with numbers for names; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The place among those of the rules plus one.
    programme: u16,
    time_zone: u16,
    zone: u16,
    /// 0 where nobody said; so the next one.
    upload_minutes: u16,
    /// Q3 in tenths of a cubic metre an hour.
    q3_tenths: u16,
    /// What lies before is nobody's business.
    consent_given_at: EventTime,
    purpose: u8,
    /// 0 where the programme's rules hold.
    no_use_half_hours: u8,
    kind: HouseholdKind,
    consent: OnRecord,
}

/// What is on record of a home's consent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum OnRecord {
    #[default]
    Nothing,
    Given,
    Withdrawn,
}

/// What few homes have: absences, and other signs of life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// What the homes topic declares.
    pub declared: Option<Absence>,
    /// What signs or outcomes say: out, away, in hospital. The last two, the one that begins later behind the other,
    /// because signs run ahead of readings.
    out: [Option<Absence>; 2],
    /// The last other sign of life.
    pub sign: Option<Sign>,
    /// One of an earlier hour than that; zero for none.
    earlier_sign: EventTime,
    /// When the person was last known to be at home: an absence that began before is over. Zero for never.
    pub back_at: EventTime,
}

impl Beside {
    /// Somebody goes away. An absence known before goes on until then at most.
    pub fn go_away(&mut self, absence: Absence) {
        let mut known: SmallVec<[Absence; 3]> = self.out.into_iter().flatten().collect();
        known.retain(|other| other.from != absence.from);
        known.push(absence);
        known.sort_by_key(|absence| absence.from);
        for place in 1..known.len() {
            let next = known[place].from;
            known[place - 1] = known[place - 1].ended_by(next);
        }
        let last = known.len().saturating_sub(2);
        self.out = [known.get(last).copied(), known.get(last + 1).copied()];
    }

    /// Takes in a sign of life. They come in any order; the one that speaks for longest stays.
    pub fn hear(&mut self, sign: Sign) {
        let Some(known) = self.sign.replace(sign) else {
            return;
        };
        if known.at.hour() != sign.at.hour() {
            self.earlier_sign = self.earlier_sign.max(known.at.min(sign.at));
        }
        if (known.until, known.at) >= (sign.until, sign.at) {
            self.sign = Some(known);
        }
    }

    /// The absence that matters at `moment`: one that covers it, else the one that ended last.
    fn absence(&self, moment: EventTime) -> Option<Absence> {
        let rank = |absence: &Absence| {
            let end = absence.to.unwrap_or(EventTime::MAX);
            (absence.covers(moment), absence.from <= moment, end)
        };
        let [first, second] = self.out;
        let all = [self.declared, first, second].into_iter().flatten();
        all.map(|absence| absence.ended_by(self.back_at)).max_by_key(rank)
    }
}

impl Profile {
    /// That of a home whose consent was withdrawn: nothing but that.
    pub fn withdrawn() -> Self {
        Self {
            consent: OnRecord::Withdrawn,
            ..Self::default()
        }
    }

    /// The place of its programme among those of the rules.
    pub fn programme(self) -> usize {
        usize::from(self.programme.saturating_sub(1))
    }

    /// The number of its time zone; 0 for that of the settings.
    pub fn time_zone(self) -> u16 {
        self.time_zone
    }

    /// Whether its readings may be judged and kept.
    pub fn may_be_watched(self, rule: ConsentRule) -> bool {
        match rule {
            ConsentRule::Required => self.consent == OnRecord::Given,
            ConsentRule::Assumed => !self.is_withdrawn(),
        }
    }

    /// From when on they may.
    pub fn watched_from(self) -> EventTime {
        self.consent_given_at
    }

    /// Whether its consent is known to be withdrawn.
    pub fn is_withdrawn(self) -> bool {
        self.consent == OnRecord::Withdrawn
    }
}

/// What profiles refer to by number.
pub struct Names {
    time_zones: Table<TimeZone>,
    /// With the last outage of each cause.
    zones: Table<[Option<Outage>; Cause::ALL.len()]>,
    purposes: Table<()>,
    /// Of rules that alerts were raised by; those of the settings, and they stay.
    rules: Table<()>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            time_zones: Table::of(u16::MAX),
            zones: Table::of(u16::MAX),
            // A byte in every home.
            purposes: Table::of(u8::MAX.into()),
            rules: Table::of(u16::MAX),
        }
    }
}

const NO_OUTAGES: [Option<Outage>; Cause::ALL.len()] = [None; Cause::ALL.len()];

impl Names {
    /// The zone of homes that name none is the first, if the rules have one.
    pub fn begin(&mut self, rules: &Rules) {
        if let Some(name) = &rules.zone {
            // The first use of a name that the settings let pass; it is never over.
            let _ = self.zones.take(name, || Ok(NO_OUTAGES));
        }
    }

    /// What the detectors of a home need to know besides its state.
    pub fn around<'a>(&'a self, slot: &Slot, rules: &'a Rules) -> Surroundings<'a> {
        let profile = slot.profile;
        let beside = slot.beside.as_deref().copied().unwrap_or_default();
        let heard = slot.heard_at();
        let outage = |cause| {
            let (_, outages) = self.zone_of(slot, rules)?;
            let outage = outages[cause as usize]?;
            // Nothing is excused for ever, should nobody be left who knows that it began.
            let to = outage.to.unwrap_or(outage.from.plus(rules.area.forgotten_after()));
            Some(Outage { to: Some(to), ..outage })
        };
        Surroundings {
            programme: &rules.programmes[profile.programme().min(rules.programmes.len() - 1)],
            time_zone: self
                .time_zones
                .get(profile.time_zone)
                .map_or(&rules.time_zone, |(_, zone)| zone),
            heard_at: heard.map(|(at, _)| at),
            rhythm: heard.map(|(_, rhythm)| rhythm).unwrap_or_default(),
            meters: slot.meters_in_use(),
            circumstances: Circumstances {
                kind: profile.kind,
                upload_seconds: (profile.upload_minutes > 0).then(|| u32::from(profile.upload_minutes) * MINUTE),
                no_use_hours: (profile.no_use_half_hours > 0).then(|| f32::from(profile.no_use_half_hours) / 2.0),
                q3_litres_per_hour: (profile.q3_tenths > 0).then(|| f32::from(profile.q3_tenths) * 100.0),
                absence: beside.absence(slot.home.state().usage.frontier()),
                sign: beside.sign,
                earlier_sign: (beside.earlier_sign > EventTime::ZERO).then_some(beside.earlier_sign),
                outage: outage(Cause::Dry),
                silence: outage(Cause::Silent),
            },
        }
    }

    /// The number of a rule's name; `None` when there are too many.
    pub fn rule_number(&mut self, name: &Arc<str>) -> Option<u16> {
        let known = self.rules.number(name);
        known.or_else(|| self.rules.take(name, || Ok(())).ok())
    }

    /// The name of the rule with this number.
    pub fn rule(&self, number: u16) -> Arc<str> {
        self.rules
            .get(number)
            .map(|(name, ())| Arc::clone(name))
            .unwrap_or_default()
    }

    /// Whether any home may have a zone.
    pub fn have_zones(&self) -> bool {
        !self.zones.is_empty()
    }

    /// The grid cell of a home.
    pub fn zone(&self, slot: &Slot, rules: &Rules) -> Option<Arc<str>> {
        self.zone_of(slot, rules).map(|(name, _)| Arc::clone(name))
    }

    fn zone_of(&self, slot: &Slot, rules: &Rules) -> Option<(&Arc<str>, &[Option<Outage>; Cause::ALL.len()])> {
        let number = slot.profile.zone;
        self.zones
            .get(if number == 0 && rules.zone.is_some() { 1 } else { number })
    }

    /// What a homes record says. Its names are in use from here on: the profile goes into a slot, or is
    /// [released](Names::release).
    ///
    /// # Errors
    /// [`HomeError`] if it says what cannot be.
    pub fn profile(&mut self, record: &HomeRecord, rules: &Rules) -> Result<Profile, HomeError> {
        let mut profile = said(record, rules)?;
        let taken = self.take_names(record, &mut profile);
        if taken.is_err() {
            self.release(profile);
        }
        taken.map(|()| profile)
    }

    fn take_names(&mut self, record: &HomeRecord, profile: &mut Profile) -> Result<(), HomeError> {
        if let Some(name) = &record.time_zone {
            let new = || TimeZone::get(name).map_err(|_| HomeError::TimeZone(name.clone()));
            profile.time_zone = self.time_zones.take(name, new)?;
        }
        if let Some(name) = &record.zone {
            profile.zone = self.zones.take(name, || Ok(NO_OUTAGES))?;
        }
        if let Some(consent) = &record.consent {
            let number = self.purposes.take(&consent.purpose, || Ok(()))?;
            profile.purpose = u8::try_from(number).unwrap_or(0);
        }
        Ok(())
    }

    /// The profile of a home that is watched no more, with as much as its last records need to be found by.
    pub fn parting(&mut self, record: &HomeRecord, rules: &Rules) -> Profile {
        let place = HomeRecord {
            zone: record.zone.clone(),
            ..HomeRecord::default()
        };
        let whole = HomeRecord {
            time_zone: record.time_zone.clone(),
            programme: record.programme.clone(),
            ..place.clone()
        };
        let profile = self.profile(&whole, rules).or_else(|_| self.profile(&place, rules));
        Profile {
            consent: OnRecord::Withdrawn,
            ..profile.unwrap_or_default()
        }
    }

    /// Nobody refers to the names of this profile any more.
    pub fn release(&mut self, profile: Profile) {
        self.time_zones.release(profile.time_zone);
        self.zones.release(profile.zone);
        self.purposes.release(profile.purpose.into());
    }

    /// What a homes record would say of a slot.
    pub fn record(&self, household: &str, slot: &Slot, rules: &Rules) -> HomeRecord {
        let profile = slot.profile;
        let around = self.around(slot, rules);
        if profile.is_withdrawn() {
            return HomeRecord {
                household_id: household.to_owned(),
                consent: Some(Consent {
                    withdrawn_at: Some(EventTime::ZERO),
                    ..Consent::given("", EventTime::ZERO)
                }),
                ..HomeRecord::default()
            };
        }
        let purpose = self.purposes.get(profile.purpose.into());
        HomeRecord {
            household_id: household.to_owned(),
            time_zone: self.time_zones.get(profile.time_zone).map(|(name, _)| name.to_string()),
            zone: self.zones.get(profile.zone).map(|(name, _)| name.to_string()),
            programme: (profile.programme > 0).then(|| around.programme.name.to_string()),
            kind: (profile.kind != HouseholdKind::Unknown).then_some(profile.kind),
            upload_seconds: around.circumstances.upload_seconds,
            no_use_hours: around.circumstances.no_use_hours,
            q3_m3h: (profile.q3_tenths > 0).then(|| f32::from(profile.q3_tenths) / 10.0),
            consent: purpose.map(|(purpose, ())| Consent::given(purpose, profile.consent_given_at)),
            absence: slot.beside.as_deref().and_then(|beside| beside.declared),
            appliances: slot.home.state().usage.declared_appliances().collect(),
            erase: false,
        }
    }

    /// Notes the outage of a zone; whether that is something new.
    pub fn set_outage(&mut self, name: &Arc<str>, cause: Cause, outage: Outage) -> bool {
        let Ok(number) = self.zones.take(name, || Ok(NO_OUTAGES)) else {
            return false;
        };
        let Some(outages) = self.zones.value_mut(number) else {
            return false;
        };
        // The name stays for the first outage's sake, and for no later one's.
        let is_first = *outages == NO_OUTAGES;
        let is_new = outages[cause as usize].replace(outage) != Some(outage);
        if !is_first {
            self.zones.release(number);
        }
        is_new
    }

    /// The last outage of a zone.
    pub fn outage(&self, name: &str, cause: Cause) -> Option<Outage> {
        self.zones.find(name)?[cause as usize]
    }

    /// All names in use.
    #[cfg(test)]
    pub fn all(&self) -> Vec<&str> {
        let zones = self.zones.names().chain(self.purposes.names());
        zones.chain(self.time_zones.names()).collect()
    }
}

/// What a homes record says without names of its own.
fn said(record: &HomeRecord, rules: &Rules) -> Result<Profile, HomeError> {
    let mut profile = Profile {
        kind: record.kind.unwrap_or_default(),
        ..Profile::default()
    };
    if let Some(name) = &record.programme {
        let place = rules.programmes.iter().position(|programme| *programme.name == **name);
        let known = || {
            let names = rules.programmes.iter().map(|programme| &*programme.name);
            names.collect::<Vec<_>>().join(", ")
        };
        let place = place.ok_or_else(|| HomeError::Programme {
            name: name.clone(),
            known: known(),
        })?;
        profile.programme = u16::try_from(place + 1).map_err(|_| HomeError::TooMany { limit: u16::MAX })?;
    }
    if let Some(seconds) = record.upload_seconds {
        let minutes = u16::try_from(seconds / MINUTE).ok().filter(|minutes| *minutes > 0);
        profile.upload_minutes = minutes.ok_or(HomeError::UploadSeconds(seconds))?;
    }
    if let Some(hours) = record.no_use_hours {
        let half_hours = (hours * 2.0).round();
        let is_right = (1.0..=240.0).contains(&half_hours) && (half_hours - hours * 2.0).abs() < 1e-3;
        if !is_right {
            return Err(HomeError::NoUseHours(hours));
        }
        profile.no_use_half_hours = half_hours as u8;
    }
    if record.appliances.len() > MAX_APPLIANCES {
        return Err(HomeError::Appliance("more than four are declared"));
    }
    if let Some(mistake) = record.appliances.iter().find_map(Appliance::mistake) {
        return Err(HomeError::Appliance(mistake));
    }
    if let Some(q3) = record.q3_m3h {
        if !(0.1..=6_000.0).contains(&q3) {
            return Err(HomeError::Q3(q3));
        }
        profile.q3_tenths = (q3 * 10.0).round() as u16;
    }
    if let Some(absence) = &record.absence
        && absence.to.is_some_and(|to| to <= absence.from)
    {
        return Err(HomeError::Absence);
    }
    if let Some(consent) = &record.consent {
        if !rules.consent_purposes.is_empty() && !rules.consent_purposes.contains(&consent.purpose) {
            return Err(HomeError::Purpose {
                name: consent.purpose.clone(),
                known: rules.consent_purposes.join(", "),
            });
        }
        profile.consent = OnRecord::Given;
        profile.consent_given_at = consent.given_at;
    }
    Ok(profile)
}
