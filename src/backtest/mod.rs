//! History through the same core as the stream, and what is to be thought of the result.

pub mod cases;
pub mod judge;
pub(crate) mod parallel;
mod resample;
mod run;
mod score;
mod timeline;

pub use crate::model::partition_of;
pub use parallel::all_processors;
pub use run::{Backtest, Outcome, RuleSetSummary, Summary};
pub use timeline::Timelines;
