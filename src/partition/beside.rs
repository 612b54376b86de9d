//! What comes from beside the readings: homes, other signs of life, responses to alerts, and what is said of zones.
//!
//! None of it follows from readings, so every home that it changes is among the next checkpoints; with that, a restart
//! need not know between which readings it came.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use super::Partition;
use super::effects::Effects;
use super::profile::Beside;
use super::rules::HomeError;
use super::words;
use crate::alert::{Contradiction, Occasion, alert_id};
use crate::detect::KINDS;
use crate::model::{
    Absence, AlertKind, Consent, EventTime, HOUR, HomeRecord, IdError, InputTopic, RawRecord, Response, ResponseRecord,
    Sign, SignKind, SignRecord, check_id,
};

/// Why a record from beside the readings is refused. Nothing is changed by it.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Refusal {
    /// It has no key.
    #[error("the record has no key")]
    NoKey,
    /// Its key is no id of a home.
    #[error("the key is no household_id: {0}")]
    BadKey(#[from] IdError),
    /// Its key is not UTF-8.
    #[error("the key is not UTF-8")]
    KeyNotUtf8,
    /// It has no payload where one is needed.
    #[error("the record has no payload")]
    NoPayload,
    /// Its payload is not what the schema says.
    #[error("{message}")]
    BadValue {
        /// What the reader says.
        message: String,
    },
    /// Key and payload name different homes.
    #[error("the key is not the household_id of the payload, {household:?}")]
    WrongKey {
        /// The home of the payload.
        household: String,
    },
    /// A home record that says what cannot be.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// It tells of a time to come.
    #[error("{at} lies ahead of the record's own time {known}")]
    InTheFuture {
        /// The time it names.
        at: EventTime,
        /// The time at which it was sent.
        known: EventTime,
    },
    /// It ends before it begins.
    #[error("until = {until} is not after at = {at}")]
    EndsBeforeItBegins {
        /// The beginning.
        at: EventTime,
        /// The end.
        until: EventTime,
    },
    /// No alert of this home has this id, or it is long over.
    #[error("no alert {alert_id:?} of this home is known")]
    UnknownAlert {
        /// The id given.
        alert_id: String,
    },
    /// It tells of a time before the alert.
    #[error("at = {at} lies before the alert, which began at {since}")]
    BeforeTheAlert {
        /// The time it names.
        at: EventTime,
        /// The start of the alert.
        since: EventTime,
    },
    /// It does not go with what is known of the alert.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
}

impl Refusal {
    /// A short stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::BadKey(_) => "bad_id",
            Self::KeyNotUtf8 => "not_utf8",
            Self::NoPayload => "no_payload",
            Self::BadValue { .. } => "bad_value",
            Self::WrongKey { .. } => "wrong_key",
            Self::Home(_) => "bad_home",
            Self::InTheFuture { .. } => "in_the_future",
            Self::EndsBeforeItBegins { .. } => "ends_before_it_begins",
            Self::UnknownAlert { .. } => "unknown_alert",
            Self::BeforeTheAlert { .. } => "before_the_alert",
            Self::Contradiction(_) => "contradiction",
        }
    }
}

impl Partition {
    /// Takes a record of a topic that is followed beside the readings. What is refused is among the dead letters.
    pub fn take_beside(&mut self, topic: InputTopic, record: &RawRecord<'_>) -> Effects {
        let mut effects = self.no_effects();
        let taken = match topic {
            InputTopic::Homes => self.take_home(record, &mut effects),
            InputTopic::Signs => self.take_sign(record, &mut effects),
            InputTopic::Responses => self.take_response(record, &mut effects),
            InputTopic::Zones => self
                .zone_record(record)
                .map(|said| self.put_zone_record(&said, &mut effects)),
            InputTopic::Readings => Ok(()),
        };
        if let Err(refusal) = taken {
            effects.dead_letters.push(self.refused(topic, record, &refusal));
        }
        effects
    }

    fn take_home(&mut self, record: &RawRecord<'_>, effects: &mut Effects) -> Result<(), Refusal> {
        let taken = home_record(record).and_then(|(household, home)| {
            let said = (record.offset, record.timestamp);
            Ok(self.put_home(household, home.as_ref(), said, effects)?)
        });
        if taken.is_err()
            && let Some(household) = erasure(record)
            && let Some(index) = self.arena.find(household).filter(|index| self.is_watched(*index))
        {
            self.erase(index, effects);
        }
        taken
    }

    /// Takes what the homes topic says of a home; `None` as record withdraws it.
    ///
    /// # Errors
    /// [`HomeError`] if it says what cannot be; the home keeps what it had.
    pub fn set_home(&mut self, household: &str, record: Option<&HomeRecord>) -> Result<Effects, HomeError> {
        let mut effects = self.no_effects();
        self.put_home(household, record, (0, None), &mut effects)?;
        Ok(effects)
    }

    fn take_sign(&mut self, record: &RawRecord<'_>, effects: &mut Effects) -> Result<(), Refusal> {
        let sign: SignRecord = parse(record, |sign: &SignRecord| &sign.household_id)?;
        self.check_times(record, sign.at, sign.until)?;
        let Some(index) = self.watched(&sign.household_id, sign.at) else {
            effects.counts.not_watched += 1;
            return Ok(());
        };
        effects.counts.signs += 1;
        match sign.sign.sign() {
            None => self.go_away(index, sign.at, sign.until),
            Some(kind) => self.hear_sign(index, kind, sign.at),
        }
        let _ = self.reconcile(index, Occasion::Beside, record.timestamp, self.clock, None, effects);
        self.changed_beside(index);
        Ok(())
    }

    fn take_response(&mut self, record: &RawRecord<'_>, effects: &mut Effects) -> Result<(), Refusal> {
        let said: ResponseRecord = parse(record, |said: &ResponseRecord| &said.household_id)?;
        self.check_times(record, said.at, said.until)?;
        let slot = self.arena.find(&said.household_id);
        let known = slot.filter(|slot| self.is_watched(*slot)).and_then(|index| {
            let is_meant = |kind: &&AlertKind| {
                let case = self.case(index, **kind);
                case.is_some_and(|case| alert_id(&said.household_id, **kind, case.identity_since) == said.alert_id)
            };
            Some((index, *KINDS.iter().find(is_meant)?))
        });
        let (index, kind) = known.ok_or_else(|| Refusal::UnknownAlert {
            alert_id: said.alert_id.clone(),
        })?;
        let Some(case) = self.case(index, kind).map(Cow::into_owned) else {
            return Ok(());
        };
        if said.at < case.since {
            return Err(Refusal::BeforeTheAlert {
                at: said.at,
                since: case.since,
            });
        }
        let decided_at = self.clock.max(case.detected_at).max(self.last_decided(index));
        let care = self.care(index, kind, Occasion::Beside, decided_at);
        let transition = care.respond(&case, said.response)?;
        effects.counts.response(said.response);
        let mut words = words::response(said.response, said.at, decided_at, care.time_zone);
        if !case.open {
            let ended_at = serde_json::json!(case.decided_at);
            words.evidence.insert("ended_by_itself_at".into(), ended_at);
        }
        self.say(index, kind, transition, words, record.timestamp, effects);
        match said.response {
            Response::Away | Response::Hospital => self.go_away(index, said.at, said.until),
            // The person was heard, whatever signs the programme goes by.
            Response::Safe => self.come_back(index, SignKind::Answer, said.at),
            // Somebody was there; from now on it counts anew.
            Response::Fall | Response::NobodyFound => self.excuse_until(index, SignKind::Visit, said.at, said.at),
            Response::Acknowledged | Response::Leak | Response::MeterFault => {}
        }
        let _ = self.reconcile(index, Occasion::Beside, record.timestamp, self.clock, None, effects);
        self.changed_beside(index);
        Ok(())
    }

    fn go_away(&mut self, index: u32, from: EventTime, to: Option<EventTime>) {
        self.change_beside(index, |beside| beside.go_away(Absence { from, to }));
    }

    /// The person is at home: whatever absence began before that is over.
    fn come_back(&mut self, index: u32, kind: SignKind, at: EventTime) {
        self.change_beside(index, |beside| beside.back_at = beside.back_at.max(at));
        self.excuse_until(index, kind, at, at);
    }

    /// Takes in a sign of life as the programme wants it.
    fn hear_sign(&mut self, index: u32, kind: SignKind, at: EventTime) {
        let around = self.arena.names().around(&self.arena.slot(index), &self.rules);
        let signs = &around.programme.policy.signs;
        let (suspends, ends) = (signs.suspend.contains(&kind), signs.end.contains(&kind));
        let until = if suspends {
            at.plus(signs.suspend_hours * HOUR)
        } else {
            at
        };
        if kind == SignKind::Back || kind.is_the_persons() && (suspends || ends) {
            self.come_back(index, kind, at);
        }
        if suspends || ends {
            self.excuse_until(index, kind, at, until);
        }
    }

    fn excuse_until(&mut self, index: u32, kind: SignKind, at: EventTime, until: EventTime) {
        self.change_beside(index, |beside| beside.hear(Sign { kind, at, until }));
    }

    pub(super) fn change_beside(&mut self, index: u32, change: impl FnOnce(&mut Beside)) {
        let place = &mut self.arena.slot_mut(index).beside;
        let mut beside = place.as_deref().copied().unwrap_or_default();
        change(&mut beside);
        *place = (beside != Beside::default()).then(|| Box::new(beside));
    }

    /// The home is stored with the next commit, and its deadlines may be others.
    pub(super) fn changed_beside(&mut self, index: u32) {
        self.unsaved.urge(index);
        // From where the home stood, as a restart would: what time has brought since was said.
        let heard = self.arena.slot(index).heard;
        self.schedule(index, heard);
    }

    fn check_times(&self, record: &RawRecord<'_>, at: EventTime, until: Option<EventTime>) -> Result<(), Refusal> {
        let known = record.timestamp.unwrap_or(self.clock);
        if known > EventTime::ZERO && at > known.plus(self.rules.ingest.max_future_seconds) {
            return Err(Refusal::InTheFuture { at, known });
        }
        match until.filter(|until| *until <= at) {
            Some(until) => Err(Refusal::EndsBeforeItBegins { at, until }),
            None => Ok(()),
        }
    }
}

/// The key of a record, as the id of a home.
fn key<'a>(record: &RawRecord<'a>) -> Result<&'a str, Refusal> {
    let key = record.key.ok_or(Refusal::NoKey)?;
    let household = std::str::from_utf8(key).map_err(|_| Refusal::KeyNotUtf8)?;
    check_id(household)?;
    Ok(household)
}

fn parse<T: DeserializeOwned>(record: &RawRecord<'_>, household: impl Fn(&T) -> &String) -> Result<T, Refusal> {
    let key = key(record)?;
    let value: T =
        serde_json::from_slice(record.value.ok_or(Refusal::NoPayload)?).map_err(|error| Refusal::BadValue {
            message: error.to_string(),
        })?;
    if household(&value) != key {
        return Err(Refusal::WrongKey {
            household: household(&value).clone(),
        });
    }
    Ok(value)
}

/// Reads a record of the homes topic: the home, and what is said of it (`None` for a tombstone).
///
/// # Errors
/// What is wrong with its form.
pub fn home_record<'a>(record: &RawRecord<'a>) -> Result<(&'a str, Option<HomeRecord>), Refusal> {
    let household = key(record)?;
    if record.value.is_none() {
        return Ok((household, None));
    }
    let home = parse(record, |home: &HomeRecord| &home.household_id);
    // Whatever else such a record says: who has changed their mind is not to be watched on for a field that is wrong.
    let home = home.or_else(|refusal| withdrawal(household, record.value).ok_or(refusal))?;
    Ok((household, Some(home)))
}

/// The home whose erasure a record asks for, whatever else is wrong with it.
fn erasure<'a>(record: &RawRecord<'a>) -> Option<&'a str> {
    let household = key(record).ok()?;
    let said: Value = serde_json::from_slice(record.value?).ok()?;
    (is_of_home(&said, household) && said.get("erase") == Some(&Value::Bool(true))).then_some(household)
}

/// Whether a payload is of the home of its key: the id of another is a mistake about whom, anything else that stands there is none.
fn is_of_home(said: &Value, household: &str) -> bool {
    let id = said.get("household_id").and_then(Value::as_str);
    id.is_none_or(|id| id == household)
}

/// The record of a home that was withdrawn, from a payload that is not what the schema says but that it was.
fn withdrawal(household: &str, payload: Option<&[u8]>) -> Option<HomeRecord> {
    let said: Value = serde_json::from_slice(payload?).ok()?;
    let withdrawn_at = said.get("consent")?.get("withdrawn_at")?;
    let is_withdrawn = match withdrawn_at {
        Value::Bool(is_withdrawn) => *is_withdrawn,
        // A date in whatever form; an empty field is one that is not filled in.
        Value::String(text) => text.bytes().any(|byte| byte.is_ascii_digit()),
        Value::Number(at) => at.as_f64().is_some_and(|at| at > 0.0),
        _ => false,
    };
    let at = serde_json::from_value(withdrawn_at.clone()).unwrap_or(EventTime::ZERO);
    (is_of_home(&said, household) && is_withdrawn).then(|| HomeRecord {
        household_id: household.to_owned(),
        consent: Some(Consent {
            purpose: String::new(),
            given_at: EventTime::ZERO,
            withdrawn_at: Some(at),
        }),
        ..HomeRecord::default()
    })
}
