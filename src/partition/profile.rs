//! What is known of a home from beside its readings, as its slot keeps it.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::arena::Slot;
use super::rules::{ConsentRule, HomeError, Programme, Rules};
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

/// What the homes topic says of a home, with numbers for names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    programme: u16,
    /// 0 for none, else the place in the table plus one; so are the next two.
    time_zone: u16,
    zone: u16,
    purpose: u16,
    consent_given_at: EventTime,
    /// 0 where nobody said; so the next one.
    upload_minutes: u16,
    /// Q3 in tenths of a cubic metre an hour.
    q3_tenths: u16,
    /// 0 where the programme's rules hold.
    no_use_half_hours: u8,
    kind: HouseholdKind,
    withdrawn: bool,
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
    /// The place of its programme among those of the rules.
    pub fn programme(self) -> usize {
        usize::from(self.programme)
    }

    /// The number of its time zone; 0 for that of the settings.
    pub fn time_zone(self) -> u16 {
        self.time_zone
    }

    /// Whether its readings may be judged and kept.
    pub fn may_be_watched(self, rule: ConsentRule) -> bool {
        match rule {
            ConsentRule::Required => self.purpose > 0 && !self.withdrawn,
            ConsentRule::Assumed => !self.withdrawn,
        }
    }
}

/// What profiles refer to by number.
#[derive(Default)]
pub struct Names {
    time_zones: Vec<(Arc<str>, TimeZone)>,
    zones: Vec<Zone>,
    purposes: Vec<Arc<str>>,
    /// Of rules that alerts were raised by.
    rules: Vec<Arc<str>>,
}

struct Zone {
    name: Arc<str>,
    /// The last one of each cause.
    outages: [Option<Outage>; Cause::ALL.len()],
}

impl Zone {
    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            outages: [None; Cause::ALL.len()],
        }
    }
}

/// The place of a name in a table plus one; a new name is added.
fn number<T>(
    table: &mut Vec<T>,
    is_it: impl Fn(&T) -> bool,
    new: impl FnOnce() -> Result<T, HomeError>,
) -> Result<u16, HomeError> {
    let place = match table.iter().position(is_it) {
        Some(place) => place,
        None => {
            let new = new()?;
            table.push(new);
            table.len() - 1
        }
    };
    u16::try_from(place + 1).map_err(|_| HomeError::TooMany)
}

fn entry<T>(table: &[T], number: u16) -> Option<&T> {
    usize::from(number).checked_sub(1).and_then(|place| table.get(place))
}

impl Names {
    /// The zone of homes that name none is the first, if the rules have one.
    pub fn begin(&mut self, rules: &Rules) {
        self.zones = rules.zone.iter().map(|name| Zone::new(Arc::clone(name))).collect();
    }

    /// What the detectors of a home need to know besides its state.
    pub fn around<'a>(&'a self, slot: &Slot, rules: &'a Rules) -> Surroundings<'a> {
        let profile = slot.profile;
        let beside = slot.beside.as_deref().copied().unwrap_or_default();
        let heard = slot.heard_at();
        let outage = |cause| {
            let outage = self.zone_of(slot, rules)?.outages[cause as usize]?;
            // Nothing is excused for ever, should nobody be left who knows that it began.
            let to = outage.to.unwrap_or(outage.from.plus(rules.area.forgotten_after()));
            Some(Outage { to: Some(to), ..outage })
        };
        Surroundings {
            programme: &rules.programmes[usize::from(profile.programme).min(rules.programmes.len() - 1)],
            time_zone: entry(&self.time_zones, profile.time_zone).map_or(&rules.time_zone, |(_, zone)| zone),
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
        number(&mut self.rules, |known| **known == **name, || Ok(Arc::clone(name))).ok()
    }

    /// The name of the rule with this number.
    pub fn rule(&self, number: u16) -> Arc<str> {
        entry(&self.rules, number).cloned().unwrap_or_default()
    }

    /// The grid cell of a home.
    pub fn zone(&self, slot: &Slot, rules: &Rules) -> Option<Arc<str>> {
        self.zone_of(slot, rules).map(|zone| Arc::clone(&zone.name))
    }

    fn zone_of(&self, slot: &Slot, rules: &Rules) -> Option<&Zone> {
        match slot.profile.zone {
            0 if rules.zone.is_some() => self.zones.first(),
            number => entry(&self.zones, number),
        }
    }

    /// Finds the names of a homes record, adding those that are new.
    pub fn profile(&mut self, record: &HomeRecord, rules: &Rules) -> Result<Profile, HomeError> {
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
            profile.programme = u16::try_from(place).map_err(|_| HomeError::TooMany)?;
        }
        if let Some(name) = &record.time_zone {
            profile.time_zone = number(
                &mut self.time_zones,
                |(known, _)| **known == **name,
                || {
                    let zone = TimeZone::get(name).map_err(|_| HomeError::TimeZone(name.clone()))?;
                    Ok((name.as_str().into(), zone))
                },
            )?;
        }
        if let Some(name) = &record.zone {
            let new = || Ok(Zone::new(name.as_str().into()));
            profile.zone = number(&mut self.zones, |known| *known.name == **name, new)?;
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
        if record.appliances.len() > MAX_APPLIANCES {
            return Err(HomeError::Appliance("more than four are declared"));
        }
        if let Some(mistake) = record.appliances.iter().find_map(Appliance::mistake) {
            return Err(HomeError::Appliance(mistake));
        }
        if let Some(consent) = &record.consent {
            if !rules.consent_purposes.is_empty() && !rules.consent_purposes.contains(&consent.purpose) {
                return Err(HomeError::Purpose {
                    name: consent.purpose.clone(),
                    known: rules.consent_purposes.join(", "),
                });
            }
            let new = || Ok(consent.purpose.as_str().into());
            profile.purpose = number(&mut self.purposes, |known: &Arc<str>| **known == *consent.purpose, new)?;
            profile.consent_given_at = consent.given_at;
            profile.withdrawn = consent.withdrawn_at.is_some();
        }
        Ok(profile)
    }

    /// What a homes record would say of a slot.
    pub fn record(&self, household: &str, slot: &Slot, rules: &Rules) -> HomeRecord {
        let profile = slot.profile;
        let around = self.around(slot, rules);
        let purpose = entry(&self.purposes, profile.purpose);
        HomeRecord {
            household_id: household.to_owned(),
            time_zone: entry(&self.time_zones, profile.time_zone).map(|(name, _)| name.to_string()),
            zone: entry(&self.zones, profile.zone).map(|zone| zone.name.to_string()),
            programme: Some(around.programme.name.to_string()),
            kind: (profile.kind != HouseholdKind::Unknown).then_some(profile.kind),
            upload_seconds: around.circumstances.upload_seconds,
            no_use_hours: around.circumstances.no_use_hours,
            q3_m3h: (profile.q3_tenths > 0).then(|| f32::from(profile.q3_tenths) / 10.0),
            consent: purpose.map(|purpose| Consent {
                purpose: purpose.to_string(),
                given_at: profile.consent_given_at,
                withdrawn_at: profile.withdrawn.then_some(EventTime::ZERO),
            }),
            absence: slot.beside.as_deref().and_then(|beside| beside.declared),
            appliances: slot.home.state().usage.declared_appliances().collect(),
            erase: false,
        }
    }

    /// Notes the outage of a zone; whether that is something new.
    pub fn set_outage(&mut self, name: &Arc<str>, cause: Cause, outage: Outage) -> bool {
        let new = || Ok(Zone::new(Arc::clone(name)));
        let Ok(zone) = number(&mut self.zones, |known| known.name == *name, new) else {
            return false;
        };
        let known = &mut self.zones[usize::from(zone) - 1].outages[cause as usize];
        known.replace(outage) != Some(outage)
    }

    /// The last outage of a zone.
    pub fn outage(&self, name: &str, cause: Cause) -> Option<Outage> {
        let zone = self.zones.iter().find(|zone| *zone.name == *name)?;
        zone.outages[cause as usize]
    }
}
