//! Records at the two edges of the engine.

use serde::{Deserialize, Serialize};

use super::{Absence, Appliance, EventTime, HouseholdKind, SignKind};

/// A topic that is read. All have the same partitions, and a home is in the same one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputTopic {
    /// Readings of meters: the log that everything follows from.
    Readings,
    /// Homes: programme, zone, consent, absence.
    Homes,
    /// Other signs of life.
    Signs,
    /// What became of alerts.
    Responses,
    /// What partitions tell each other of zones.
    Zones,
}

impl InputTopic {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Readings, Self::Homes, Self::Signs, Self::Responses, Self::Zones];

    /// Those that are followed beside the readings.
    pub const BESIDE: [Self; 4] = [Self::Homes, Self::Signs, Self::Responses, Self::Zones];

    /// Its name, as in the settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Readings => "readings",
            Self::Homes => "homes",
            Self::Signs => "signs",
            Self::Responses => "responses",
            Self::Zones => "zones",
        }
    }
}

/// A record of a topic as it was received: borrowed, not yet understood.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// The offset in its partition.
    pub offset: i64,
    /// Kafka's timestamp; `None` where the record has none.
    pub timestamp: Option<EventTime>,
    /// The key: the household id.
    pub key: Option<&'a [u8]>,
    /// The payload; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
}

/// A record that was kept out, whole, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The topic that it came from.
    pub topic: InputTopic,
    /// A short stable name of the reason (a metric label).
    pub reason: &'static str,
    /// What exactly was wrong.
    pub detail: String,
    /// The offset of the record in its partition.
    pub offset: i64,
    /// Kafka's timestamp of the record.
    pub timestamp: Option<EventTime>,
    /// The key as received.
    pub key: Option<Vec<u8>>,
    /// The payload as received.
    pub value: Option<Vec<u8>>,
}

/// What the homes topic says of a home; absent fields take the settings' defaults. It is part of stored states, whose form
/// has no names: so no field is ever left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeRecord {
    /// The home.
    pub household_id: String,
    /// IANA name of its time zone.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Grid cell or street block of homes supplied together.
    #[serde(default)]
    pub zone: Option<String>,
    /// The named set of rules under which it is enrolled.
    #[serde(default)]
    pub programme: Option<String>,
    /// Who lives there.
    #[serde(default)]
    pub kind: Option<HouseholdKind>,
    /// How often its meter is to deliver, in seconds.
    #[serde(default)]
    pub upload_seconds: Option<u32>,
    /// Hours without use that this person's own rule allows, for rules that ask for it.
    #[serde(default)]
    pub no_use_hours: Option<f32>,
    /// The permanent flow rate Q3 of the meter (ISO 4064), in cubic metres an hour.
    #[serde(default)]
    pub q3_m3h: Option<f32>,
    /// The consent on record.
    #[serde(default)]
    pub consent: Option<Consent>,
    /// An absence that was declared.
    #[serde(default)]
    pub absence: Option<Absence>,
    /// Its appliances that draw water by themselves, at most four.
    #[serde(default)]
    pub appliances: Vec<Appliance>,
    /// Whether all that is kept of it is to be erased, before the rest of this record holds.
    #[serde(default)]
    pub erase: bool,
}

/// The consent of the people in a home to be watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// What they agreed to, such as `welfare`.
    pub purpose: String,
    /// When it was given.
    pub given_at: EventTime,
    /// When it was withdrawn.
    #[serde(default)]
    pub withdrawn_at: Option<EventTime>,
}

impl Consent {
    /// One that was given and not withdrawn.
    pub fn given(purpose: &str, given_at: EventTime) -> Self {
        Self {
            purpose: purpose.to_owned(),
            given_at,
            withdrawn_at: None,
        }
    }
}

/// What is heard of a person besides water.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Somebody switched something on.
    Electricity,
    /// A door was opened.
    Door,
    /// The telephone was used.
    Phone,
    /// The button of a telecare device was pressed.
    Button,
    /// A carer was there.
    Visit,
    /// The person answered a call or a message.
    Answer,
    /// The people have gone away.
    Out,
    /// They are back.
    Back,
}

impl Signal {
    /// The sign of life that it is; none for going out, after which nobody is expected to be there.
    pub const fn sign(self) -> Option<SignKind> {
        match self {
            Self::Electricity => Some(SignKind::Electricity),
            Self::Door => Some(SignKind::Door),
            Self::Phone => Some(SignKind::Phone),
            Self::Button => Some(SignKind::Button),
            Self::Visit => Some(SignKind::Visit),
            Self::Answer => Some(SignKind::Answer),
            Self::Back => Some(SignKind::Back),
            Self::Out => None,
        }
    }
}

/// One record of the signs topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignRecord {
    /// The home.
    pub household_id: String,
    /// What was heard.
    pub sign: Signal,
    /// When.
    pub at: EventTime,
    /// Of going out: when they mean to be back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<EventTime>,
}

/// What somebody did about an alert, or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Somebody has taken it on.
    Acknowledged,
    /// The person answered, or was found well.
    Safe,
    /// The person is away.
    Away,
    /// The person is in hospital.
    Hospital,
    /// The person had fallen, or was found in need.
    Fall,
    /// There is a leak.
    Leak,
    /// The meter is at fault.
    MeterFault,
    /// Nobody was found.
    NobodyFound,
}

impl Response {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Acknowledged,
        Self::Safe,
        Self::Away,
        Self::Hospital,
        Self::Fall,
        Self::Leak,
        Self::MeterFault,
        Self::NobodyFound,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Safe => "safe",
            Self::Away => "away",
            Self::Hospital => "hospital",
            Self::Fall => "fall",
            Self::Leak => "leak",
            Self::MeterFault => "meter_fault",
            Self::NobodyFound => "nobody_found",
        }
    }
}

/// One record of the responses topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseRecord {
    /// The home.
    pub household_id: String,
    /// The alert.
    pub alert_id: String,
    /// What was done or found.
    pub response: Response,
    /// When.
    pub at: EventTime,
    /// Of being away or in hospital: until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<EventTime>,
    /// Who says so, by a pseudonym; it is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}
