//! From findings (levels) to alerts (episodes): one id, a life of its own, and the record that subscribers read.

mod case;
mod event;
mod id;
mod policy;

#[cfg(test)]
mod tests;

pub use case::{Care, Case, Cause, Contradiction, Occasion, Transition};
pub use event::{AREA_TYPE, CONTENT_TYPE, CloudEvent, EVENT_TYPE, VISITS_TYPE, WITHDRAWAL_TYPE, event_headers};
pub use id::alert_id;
pub use policy::{AnswerMinutes, LadderStep, PolicySettings, SignSettings, VisitListSettings};
