//! History through the same core as the stream, what is to be thought of the result, and what can be learnt from it.

pub mod analysis;
pub mod cases;
pub mod judge;
mod letters;
mod parallel;
pub mod report;
mod resample;
mod run;
mod score;
mod timeline;
mod train;

pub use crate::model::partition_of;
pub use letters::DeadLetters;
pub use parallel::all_processors;
pub use run::{Backtest, Outcome, RuleSetSummary, Summary};
pub use timeline::Timelines;
pub use train::Teacher;
