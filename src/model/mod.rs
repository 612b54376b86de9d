//! Plain values shared by every layer: identifiers, times, readings, findings, alerts.
//!
//! Architecture invariant: nothing here knows how a value was read, stored or sent.

mod alert;
mod appliance;
mod band;
mod circumstances;
mod ids;
mod message;
mod partitioner;
mod reading;
mod record;
mod time;
mod visits;

pub use alert::{Alert, AlertKind, AlertState, BothLanguages, Explanation, Finding, NextCall, Severity, Stage, Stages};
pub use appliance::{Appliance, ClockTime, MAX_APPLIANCES, NotAClockTime};
pub use band::{Band, Weekday};
pub use circumstances::{Absence, Circumstances, HouseholdKind, Outage, Sign, SignKind};
pub use ids::{HouseholdId, IdError, MAX_ID_BYTES, check_id};
pub use message::{Message, Output};
pub use partitioner::partition_of;
pub use reading::{Flag, Flags, Litres, Measure, Quality, Reading};
pub use record::{
    Consent, DeadLetter, HomeRecord, InputTopic, RawRecord, Response, ResponseRecord, SignRecord, Signal,
};
pub use time::{DAY, EventTime, HOUR, MINUTE, MONTH_HOURS, format_span};
pub use visits::{OpenEntry, Visit, VisitList};
