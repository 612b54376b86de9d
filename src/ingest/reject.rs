//! Why a record is kept out.

use thiserror::Error;

use crate::model::{EventTime, IdError, Litres};

/// Why a record goes to the dead-letter topic instead of a home.
#[derive(Clone, Debug, PartialEq, Error)]
#[expect(
    missing_docs,
    reason = "the message of each variant says what it is, and the fields are its numbers"
)]
pub enum Rejection {
    #[error("the record has no payload (a tombstone); readings are never deleted this way")]
    NoPayload,
    #[error("the record has no key; the key must be the household_id, or its readings scatter over partitions")]
    NoKey,
    #[error("the payload has {bytes} bytes, more than the {limit} allowed")]
    TooLarge { bytes: usize, limit: usize },
    #[error("not UTF-8 from byte {at}")]
    NotUtf8 { at: usize },
    #[error("not JSON: {message}")]
    NotJson { message: String },
    #[error("a value of the wrong form: {message}")]
    BadValue { message: String },
    #[error("unknown field {field:?}")]
    UnknownField { field: String },
    #[error("{field} is missing")]
    MissingField { field: &'static str },
    #[error("both volume_litres and register_litres are given; a reading has one of them")]
    TwoMeasures,
    #[error("{field} is no valid identifier: {error}")]
    BadId { field: &'static str, error: IdError },
    #[error("the record's key is not the payload's household_id {household:?}")]
    WrongKey { household: String },
    #[error("an interval of {seconds} s; 1 to {limit} s are allowed")]
    BadInterval { seconds: u32, limit: u32 },
    #[error("{litres} L in {seconds} s is beyond any home's supply")]
    AbsurdVolume { litres: Litres, seconds: u32 },
    #[error("a register of {litres} L is beyond any dial")]
    AbsurdRegister { litres: Litres },
    #[error("the interval starts at {start}, before {earliest}")]
    TooOld { start: EventTime, earliest: EventTime },
    #[error("the interval ends at {end}, after its own arrival at {arrived}: the meter's clock runs ahead")]
    InTheFuture { end: EventTime, arrived: EventTime },
    #[error("the meter's clock jumps ahead to {start} from {frontier}, and no second reading confirms it yet")]
    ClockJump { start: EventTime, frontier: EventTime },
    #[error("the interval overlaps others that were already counted, and its litres cannot be told apart from theirs")]
    Overlapping,
    #[error("the home has more than {limit} meters")]
    TooManyMeters { limit: usize },
    #[error("a detector failed on it, which is a mistake in tapwatch: {message}")]
    DetectorPanicked { message: String },
}

impl Rejection {
    /// A short stable name, used as a metric label and in the dead letter's header.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoPayload => "no_payload",
            Self::NoKey => "no_key",
            Self::TooLarge { .. } => "too_large",
            Self::NotUtf8 { .. } => "not_utf8",
            Self::NotJson { .. } => "not_json",
            Self::BadValue { .. } => "bad_value",
            Self::UnknownField { .. } => "unknown_field",
            Self::MissingField { .. } => "missing_field",
            Self::TwoMeasures => "two_measures",
            Self::BadId { .. } => "bad_id",
            Self::WrongKey { .. } => "wrong_key",
            Self::BadInterval { .. } => "bad_interval",
            Self::AbsurdVolume { .. } => "absurd_volume",
            Self::AbsurdRegister { .. } => "absurd_register",
            Self::TooOld { .. } => "too_old",
            Self::InTheFuture { .. } => "in_the_future",
            Self::ClockJump { .. } => "clock_jump",
            Self::Overlapping => "overlapping",
            Self::TooManyMeters { .. } => "too_many_meters",
            Self::DetectorPanicked { .. } => "detector_panicked",
        }
    }
}
