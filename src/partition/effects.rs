//! What a batch does, as values: the shell performs it.

use crate::area::{AreaAlert, AreaStatus, ZoneReport};
use crate::home::MeterEvent;
use crate::model::{Alert, DeadLetter, EventTime, Message, Response, VisitList};

/// Everything that follows from a batch of records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Records for the alerts topic, in order.
    pub alerts: Vec<Decided>,
    /// What is said of zones, each to the partition of the zones topic that is responsible for it, in order.
    pub zone_reports: Vec<ZoneReport>,
    /// Outages of zones that began or ended, each for every partition of the zones topic, in order.
    pub zone_statuses: Vec<AreaStatus>,
    /// Records for the area-alerts topic, in order.
    pub area_alerts: Vec<AreaAlert>,
    /// Records that were kept out, in order.
    pub dead_letters: Vec<DeadLetter>,
    /// Lists of homes to visit that were due.
    pub visit_lists: Vec<VisitList>,
    /// Homes that are watched no more, and of which nothing is left.
    pub withdrawals: Vec<Withdrawal>,
    /// Records for further topics, in order.
    pub messages: Vec<Message>,
    /// Figures for the metrics.
    pub counts: Counts,
    /// Records of the batch that were applied or kept out.
    pub records: u64,
    /// The offset after the batch.
    pub next_offset: i64,
}

impl Effects {
    /// Whether anything of it is to be published.
    pub fn speaks(&self) -> bool {
        let says = !(self.alerts.is_empty() && self.dead_letters.is_empty() && self.messages.is_empty());
        let lists = !(self.visit_lists.is_empty() && self.withdrawals.is_empty());
        says || lists || self.speaks_of_zones()
    }

    /// Whether anything of it is of zones.
    fn speaks_of_zones(&self) -> bool {
        !(self.zone_reports.is_empty() && self.zone_statuses.is_empty() && self.area_alerts.is_empty())
    }
}

/// A home is watched no more, and was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The home.
    pub household: Box<str>,
    /// The stream's time; before any reading, when it was said.
    pub at: EventTime,
    /// Why.
    pub why: Parting,
    /// The offset of the record of the homes topic that said so; else that of the reading before which it was found.
    pub offset: i64,
}

impl Withdrawal {
    /// An identity of its own: a home may be withdrawn more than once.
    pub fn id(&self) -> String {
        format!("withdrawal/{}/{}/{}", self.household, self.why.name(), self.offset)
    }
}

/// Why a home is watched no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// Its consent was withdrawn on the homes topic.
    ConsentWithdrawn,
    /// The settings of today ask for a consent that is not on record, or for one to another purpose.
    NoConsent,
    /// The settings of today know no programme or time zone as its record names.
    RecordRefused,
    /// Its stored state cannot be read, and its record and readings do not bring it back.
    StateLost,
}

impl Parting {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConsentWithdrawn => "consent_withdrawn",
            Self::NoConsent => "no_consent",
            Self::RecordRefused => "record_refused",
            Self::StateLost => "state_lost",
        }
    }
}

/// An alert with the Kafka timestamp of the record that brought it; `None` where time alone did.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The record for the alerts topic.
    pub alert: Alert,
    /// When the reading that brought it was put into the topic.
    pub record_timestamp: Option<EventTime>,
}

/// What became of readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingState {
    /// A measured zero.
    Zero,
    /// A measured use (or a backward flow).
    Use,
    /// A register's index.
    Register,
    /// Late, and put in its place.
    Late,
    /// Later than is allowed, and kept out.
    TooLate,
    /// There already.
    Duplicate,
    /// An estimate of the utility.
    Estimated,
    /// Reported as faulty.
    Faulty,
    /// Reported as missing.
    Missing,
}

impl ReadingState {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Zero,
        Self::Use,
        Self::Register,
        Self::Late,
        Self::TooLate,
        Self::Duplicate,
        Self::Estimated,
        Self::Faulty,
        Self::Missing,
    ];

    /// The name used as a metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Use => "use",
            Self::Register => "register",
            Self::Late => "late",
            Self::TooLate => "too_late",
            Self::Duplicate => "duplicate",
            Self::Estimated => "estimated",
            Self::Faulty => "faulty",
            Self::Missing => "missing",
        }
    }
}

const EVENTS: [MeterEvent; 11] = [
    MeterEvent::Rollover,
    MeterEvent::SwappedMeter,
    MeterEvent::Reset,
    MeterEvent::ReverseFlow,
    MeterEvent::BadRead,
    MeterEvent::LargeReverseFlow,
    MeterEvent::ImpossibleFlow,
    MeterEvent::Tamper,
    MeterEvent::LowBattery,
    MeterEvent::LeakFlag,
    MeterEvent::ClockDrift,
];

/// Figures of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    readings: [u64; ReadingState::ALL.len()],
    meter_events: [u64; EVENTS.len()],
    responses: [u64; Response::ALL.len()],
    /// Readings that came after a hole.
    pub gaps: u64,
    /// Records of homes without consent on record: neither judged nor kept.
    pub not_watched: u64,
    /// Other signs of life.
    pub signs: u64,
    /// Measured seconds of homes, by the place of their programme among those of the rules.
    pub watched_seconds: Vec<u64>,
    /// Findings of rules that have not learnt their home yet, by programme in the same way: counted, and not said.
    pub in_shadow: Vec<u64>,
}

impl Counts {
    pub(super) fn reading(&mut self, state: ReadingState) {
        self.readings[state as usize] += 1;
    }

    /// Adds measured seconds of a home.
    pub(super) fn watch(&mut self, programme: usize, seconds: u64) {
        add_at(&mut self.watched_seconds, programme, seconds);
    }

    /// Adds findings in shadow.
    pub(super) fn shadow(&mut self, programme: usize, findings: u64) {
        add_at(&mut self.in_shadow, programme, findings);
    }

    pub(super) fn response(&mut self, response: Response) {
        self.responses[response as usize] += 1;
    }

    /// Responses by what they say.
    pub fn responses(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Response::ALL
            .iter()
            .map(|response| (response.name(), self.responses[*response as usize]))
    }

    pub(super) fn meter_event(&mut self, event: MeterEvent) {
        self.meter_events[event as usize] += 1;
    }

    /// Readings by state, with the state's name.
    pub fn readings(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        ReadingState::ALL
            .iter()
            .map(|state| (state.name(), self.readings[*state as usize]))
    }

    /// Classed steps of meters, with the class's name.
    pub fn meter_events(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        EVENTS
            .iter()
            .map(|event| (event.name(), self.meter_events[*event as usize]))
    }

    /// Adds the figures of another batch.
    pub fn add(&mut self, other: &Self) {
        self.readings
            .iter_mut()
            .zip(&other.readings)
            .for_each(|(sum, more)| *sum += more);
        self.meter_events
            .iter_mut()
            .zip(&other.meter_events)
            .for_each(|(sum, more)| *sum += more);
        self.responses
            .iter_mut()
            .zip(&other.responses)
            .for_each(|(sum, more)| *sum += more);
        self.gaps += other.gaps;
        self.not_watched += other.not_watched;
        self.signs += other.signs;
        for (place, findings) in other.in_shadow.iter().enumerate() {
            self.shadow(place, *findings);
        }
        for (place, seconds) in other.watched_seconds.iter().enumerate() {
            self.watch(place, *seconds);
        }
    }
}

/// Adds to the sum at `place`, making room for it.
fn add_at(sums: &mut Vec<u64>, place: usize, more: u64) {
    if more > 0 && sums.len() <= place {
        sums.resize(place + 1, 0);
    }
    if let Some(sum) = sums.get_mut(place) {
        *sum += more;
    }
}
