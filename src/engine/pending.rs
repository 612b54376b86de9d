//! What a partition has done and not yet committed.

use std::collections::BTreeMap;

use super::deployment::Deployment;
use super::outgoing::OutRecord;
use crate::area::ZoneRecord;
use crate::model::{AlertKind, AlertState, EventTime, InputTopic};
use crate::partition::{Checkpoint, Effects};

/// Something besides readings that a partition took in, and between which readings. No log holds that order, so each
/// commit fixes it: what it changed is among the states that are stored with the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SideInput {
    /// A record of a topic beside the readings.
    Record {
        /// The topic.
        topic: InputTopic,
        /// The next reading when it was taken.
        before: i64,
        /// Its offset.
        offset: i64,
        /// Its key, where that may be a home.
        household: Box<str>,
    },
    /// Time passed without a reading. Even where nobody spoke, what follows is judged by it.
    Clock {
        /// The next reading when it did.
        before: i64,
        /// Up to when.
        to: EventTime,
    },
}

/// Work of one partition that belongs in its next transaction.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    /// Alerts, dead letters, what is said of zones and messages, each in order.
    records: Vec<OutRecord>,
    /// States of homes and zones by their keys; the latest of each.
    states: BTreeMap<Box<str>, Option<Vec<u8>>>,
    raised: Vec<(AlertKind, Option<EventTime>)>,
    inputs: Vec<SideInput>,
    /// Whether something was said when time passed last: that moment stays apart from those after it.
    time_spoke: bool,
    /// Whether there is anything to commit, be it only an offset.
    pub progressed: bool,
}

impl Pending {
    /// Adds what a batch, or the passing of time, did.
    pub fn add(&mut self, effects: Effects, deployment: &Deployment, partition: i32) {
        for decided in effects.alerts {
            if decided.alert.state == AlertState::Raised {
                self.raised.push((decided.alert.kind, decided.record_timestamp));
            }
            self.records
                .push(OutRecord::alert(decided.alert, &deployment.source, partition));
        }
        let letters = effects.dead_letters.into_iter();
        let messages = effects.messages.into_iter();
        let reports = effects.zone_reports.into_iter().map(ZoneRecord::Report);
        let statuses = effects.zone_statuses.into_iter().map(ZoneRecord::Status);
        self.records.extend(
            reports
                .chain(statuses)
                .flat_map(|said| OutRecord::zone(&said, deployment, partition)),
        );
        let source = &deployment.source;
        let withdrawals = effects.withdrawals.iter();
        self.records
            .extend(withdrawals.map(|withdrawal| OutRecord::withdrawal(withdrawal, source, partition)));
        let lists = effects.visit_lists.iter();
        self.records
            .extend(lists.map(|list| OutRecord::visit_list(list, source, partition)));
        let areas = effects.area_alerts.into_iter();
        self.records
            .extend(areas.map(|alert| OutRecord::area_alert(alert, source, partition)));
        self.records
            .extend(letters.map(|letter| OutRecord::dead_letter(letter, deployment, partition)));
        self.records
            .extend(messages.map(|message| OutRecord::message(message, partition)));
        self.progressed = true;
    }

    /// Notes something that came from beside the readings.
    pub fn note(&mut self, input: SideInput) {
        self.inputs.push(input);
        self.progressed = true;
    }

    /// Notes that time has passed up to `to` before the reading at `before`, and whether anything was said of it. In which
    /// steps it did makes no difference to homes, but zones are reported on at the last full mark of each step; and it is
    /// worth no commit of its own.
    pub fn note_time(&mut self, before: i64, to: EventTime, spoke: bool) {
        match self.inputs.last_mut() {
            Some(SideInput::Clock {
                before: known,
                to: last,
            }) if *known == before && !self.time_spoke => *last = to,
            _ => self.inputs.push(SideInput::Clock { before, to }),
        }
        self.time_spoke = spoke;
    }

    /// Adds states to be stored.
    pub fn store(&mut self, checkpoints: Vec<Checkpoint>) {
        for Checkpoint { household, bytes } in checkpoints {
            self.states.insert(household, bytes);
        }
    }

    /// Takes states out again.
    pub fn unstore_if(&mut self, is_it: impl Fn(&str, Option<&[u8]>) -> bool) {
        self.states.retain(|key, bytes| !is_it(key, bytes.as_deref()));
    }

    /// Takes back records.
    pub fn unsay_if(&mut self, is_it: impl Fn(&OutRecord) -> bool) {
        self.records.retain(|record| !is_it(record));
    }

    /// Puts what an aborted transaction carried before what came since.
    pub fn put_back(&mut self, mut earlier: Self) {
        earlier.records.append(&mut self.records);
        earlier.states.append(&mut self.states);
        earlier.raised.append(&mut self.raised);
        earlier.inputs.append(&mut self.inputs);
        (earlier.progressed, earlier.time_spoke) = (true, true);
        *self = earlier;
    }

    /// Alerts, dead letters or messages wait for somebody.
    pub fn speaks(&self) -> bool {
        !self.records.is_empty()
    }

    /// Records that wait.
    pub fn weight(&self) -> usize {
        self.records.len() + self.states.len()
    }

    /// Alerts, dead letters and messages, each in order.
    pub fn spoken(&self) -> &[OutRecord] {
        &self.records
    }

    /// What came from beside the readings.
    pub fn inputs(&self) -> &[SideInput] {
        &self.inputs
    }

    /// Alerts raised, with the Kafka timestamps of the readings that brought them.
    pub fn raised(&self) -> &[(AlertKind, Option<EventTime>)] {
        &self.raised
    }

    /// All records, as they are written.
    pub fn records(&self, partition: i32) -> impl Iterator<Item = OutRecord> + '_ {
        let states = self.states.iter().map(move |(household, bytes)| {
            let checkpoint = Checkpoint {
                household: household.clone(),
                bytes: bytes.clone(),
            };
            OutRecord::state(checkpoint, partition)
        });
        self.records.iter().cloned().chain(states)
    }

    /// Bytes of the states, with their keys.
    pub fn state_bytes(&self) -> usize {
        self.states
            .iter()
            .map(|(household, bytes)| household.len() + bytes.as_ref().map_or(0, Vec::len))
            .sum()
    }
}
