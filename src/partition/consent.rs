//! Whose readings may be judged and kept, from when on, and what happens when that is over.
//!
//! A home is withdrawn by a record that says so, by a tombstone, or by settings that no longer cover it. Its open alerts
//! are resolved, its state is erased and goes from the state topic, and the list of visits that names it is made anew.
//! Where consent is assumed, the fact that it was withdrawn stays, and nothing else, until a record with a consent comes.

use super::Partition;
use super::beside::Refusal;
use super::effects::{Effects, Parting, Withdrawal};
use super::profile::Profile;
use super::rules::{ConsentRule, HomeError};
use super::words::{self, erased, rules_changed};
use crate::alert::Occasion;
use crate::model::{DeadLetter, EventTime, HomeRecord, InputTopic, RawRecord};

/// What a dead letter says whose record is not kept.
const NOT_KEPT: &str = "nothing of the record is kept: it is not certain to be of homes whose consent is on record";

impl Partition {
    /// Takes what the homes topic says of a home in the record at `offset`; a tombstone withdraws it.
    pub(super) fn put_home(
        &mut self,
        household: &str,
        record: Option<&HomeRecord>,
        (offset, timestamp): (i64, Option<EventTime>),
        effects: &mut Effects,
    ) -> Result<(), HomeError> {
        let consent = record.and_then(|record| record.consent.as_ref());
        let withdrawn_at = consent.and_then(|consent| consent.withdrawn_at);
        // Whatever else such a record says, nobody may be watched because of it.
        let (Some(record), None) = (record, withdrawn_at) else {
            let said_at = timestamp.or(withdrawn_at).unwrap_or_default();
            self.withdraw(household, said_at, offset, effects);
            return Ok(());
        };
        let profile = self.arena.names_mut().profile(record, &self.rules)?;
        let known = self.arena.find(household);
        let is_watched = known.is_some_and(|index| self.is_watched(index));
        let stays_out = match self.rules.consent {
            ConsentRule::Required => consent.is_none(),
            ConsentRule::Assumed => consent.is_none() && known.is_some() && !is_watched,
        };
        if stays_out {
            self.arena.names_mut().release(profile);
            return if is_watched {
                Err(HomeError::ConsentLeftOut)
            } else {
                Ok(())
            };
        }
        let index = self.arena.find_or_insert(household);
        let before = self.arena.slot(index).profile.watched_from();
        // What was kept of before a later consent is not covered by it.
        if record.erase || is_watched && profile.watched_from() > before {
            self.erase(index, effects);
        }
        let changes_rules = self.change_profile(index, profile, effects);
        let home = &mut self.arena.slot_mut(index).home;
        home.change(|state| state.usage.declare_appliances(&record.appliances));
        self.change_beside(index, |beside| beside.declared = record.absence);
        let because = changes_rules.then_some(rules_changed as fn() -> _);
        // A detector that fails here fails on the next reading too, and is reported with it.
        let _ = self.reconcile(index, Occasion::Beside, None, self.clock, because, effects);
        self.changed_beside(index);
        Ok(())
    }

    /// Puts a home under another profile; whether its rules are others now.
    fn change_profile(&mut self, index: u32, profile: Profile, effects: &mut Effects) -> bool {
        let (place, before) = (self.arena.slot(index).profile.programme(), self.numbers(index));
        self.arena.set_profile(index, profile);
        if place != profile.programme() && std::mem::take(&mut self.arena.slot_mut(index).listed) {
            self.list_anew(place, effects);
        }
        self.forget_stale(index, &before)
    }

    /// Erases what is kept of a home that goes on being watched.
    pub(super) fn erase(&mut self, index: u32, effects: &mut Effects) {
        let place = self.arena.slot(index).profile.programme();
        let was_listed = self.arena.slot(index).listed;
        self.end_all(index, erased, effects);
        self.forget(index);
        if was_listed {
            self.list_anew(place, effects);
        }
        self.changed_beside(index);
    }

    fn withdraw(&mut self, household: &str, said_at: EventTime, offset: i64, effects: &mut Effects) {
        match self.arena.find(household) {
            Some(index) if self.is_watched(index) => {
                let at = if self.clock > EventTime::ZERO {
                    self.clock
                } else {
                    said_at
                };
                let anew = self.part(index, Parting::ConsentWithdrawn, at, offset, effects);
                anew.into_iter().for_each(|place| self.list_anew(place, effects));
            }
            Some(index) => self.remove(index),
            // Should anything of it be stored all the same.
            None if self.rules.consent == ConsentRule::Required => self.unsaved.remove_unknown(household),
            None => {}
        }
        if self.rules.consent == ConsentRule::Assumed {
            // That it was withdrawn must be known when the next reading comes.
            let index = self.arena.find_or_insert(household);
            self.arena.set_profile(index, Profile::withdrawn());
            self.unsaved.urge(index);
        }
    }

    /// Ends everything of a home that may be watched no more, and says so. Answers the place of its programme, if the list
    /// of visits of that one is to be made anew.
    pub(super) fn part(
        &mut self,
        index: u32,
        why: Parting,
        at: EventTime,
        offset: i64,
        effects: &mut Effects,
    ) -> Option<usize> {
        self.end_all(index, words::parting(why), effects);
        let household = self.arena.id(index).into();
        effects.withdrawals.push(Withdrawal {
            household,
            at,
            why,
            offset,
        });
        let slot = self.arena.slot(index);
        let place = slot.listed.then(|| slot.profile.programme());
        self.remove(index);
        place
    }

    /// The slot of a home whose records of `moment` may be judged and kept. Where consent is assumed, one that was never
    /// heard of is taken up.
    pub(super) fn watched(&mut self, household: &str, moment: EventTime) -> Option<u32> {
        match (self.arena.find(household), self.rules.consent) {
            (Some(index), rule) => {
                // It is at hand from here on.
                let profile = self.arena.slot_mut(index).profile;
                (profile.may_be_watched(rule) && moment >= profile.watched_from()).then_some(index)
            }
            (None, ConsentRule::Required) => None,
            (None, ConsentRule::Assumed) => Some(self.arena.find_or_insert(household)),
        }
    }

    pub(super) fn is_watched(&self, index: u32) -> bool {
        self.arena.slot(index).profile.may_be_watched(self.rules.consent)
    }

    pub(super) fn remove(&mut self, index: u32) {
        self.unsaved.remove(index, self.arena.id(index));
        self.forget(index);
        self.arena.remove(index);
    }

    /// Whether what is known of a home may be kept.
    fn may_be_kept(&self, household: &str) -> bool {
        match self.arena.find(household) {
            Some(index) => self.is_watched(index),
            None => self.rules.consent == ConsentRule::Assumed,
        }
    }

    /// Whether a reading of this key may be of a home whose readings are looked at. One without a readable key may.
    pub(super) fn is_of_somebody_watched(&self, key: Option<&[u8]>) -> bool {
        let home = key.and_then(|key| std::str::from_utf8(key).ok());
        home.is_none_or(|home| self.may_be_kept(home))
    }

    /// Whether a record that cannot be used may be kept whole: if all homes that it names may be, and, where consent is
    /// required, it names one.
    fn may_be_kept_whole(&self, record: &RawRecord<'_>) -> bool {
        let key = match record.key.map(std::str::from_utf8) {
            None => None,
            Some(Ok(key)) => Some(key),
            Some(Err(_)) if self.rules.consent == ConsentRule::Required => return false,
            Some(Err(_)) => None,
        };
        let mut homes = key
            .into_iter()
            .chain(named(record.value.unwrap_or_default()))
            .peekable();
        let is_named = homes.peek().is_some() || self.rules.consent == ConsentRule::Assumed;
        is_named && homes.all(|home| self.may_be_kept(home))
    }

    /// A record that cannot be used, with the reason; of one that may not be kept, the reason alone.
    pub(super) fn dead_letter(
        &self,
        topic: InputTopic,
        record: &RawRecord<'_>,
        reason: &'static str,
        detail: String,
    ) -> DeadLetter {
        // What is said of zones is of no home.
        let is_whole = topic == InputTopic::Zones || self.may_be_kept_whole(record);
        DeadLetter {
            topic,
            reason,
            detail: if is_whole { detail } else { NOT_KEPT.to_owned() },
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.filter(|_| is_whole).map(<[u8]>::to_vec),
            value: record.value.filter(|_| is_whole).map(<[u8]>::to_vec),
        }
    }

    /// The same of a record from beside the readings. Who sends what cannot be of a home must be able to find out why, also where
    /// nothing of the record is kept.
    pub(super) fn refused(&self, topic: InputTopic, record: &RawRecord<'_>, refusal: &Refusal) -> DeadLetter {
        let letter = self.dead_letter(topic, record, refusal.name(), refusal.to_string());
        match refusal {
            Refusal::Home(error) if letter.detail == NOT_KEPT => DeadLetter {
                detail: error.without_its_words(),
                ..letter
            },
            _ => letter,
        }
    }
}

/// The homes that a payload names, be it whole or not: every text that is given for a household_id. One that is written
/// with escapes is taken as it is written, and is then no home's.
fn named(payload: &[u8]) -> impl Iterator<Item = &str> {
    const FIELD: &[u8] = b"\"household_id\"";
    let places = (0..payload.len()).filter(|at| payload[*at..].starts_with(FIELD));
    places.map(|at| {
        let rest = payload[at + FIELD.len()..].trim_ascii_start();
        let text = rest.strip_prefix(b":").unwrap_or_default().trim_ascii_start();
        let text = text.strip_prefix(b"\"").unwrap_or_default();
        let end = text.iter().position(|byte| *byte == b'"').unwrap_or(text.len());
        std::str::from_utf8(&text[..end]).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_are_found_in_a_payload_whatever_its_form() {
        let homes = |payload: &'static str| named(payload.as_bytes()).collect::<Vec<_>>();
        assert_eq!(
            homes(r#"{"household_id" : "h1","x":{"household_id":"h2"}}"#),
            ["h1", "h2"]
        );
        assert_eq!(homes(r#"{"household_id":"h1"#), ["h1"]);
        assert_eq!(homes(r#"{"household_id":7} {"household_id"#), [""]);
        assert_eq!(homes("no reading"), [] as [&str; 0]);
    }
}
