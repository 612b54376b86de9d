//! History through the same core as the stream, and what is to be thought of the result.

mod about;
pub mod analysis;
pub mod cases;
pub mod judge;
mod letters;
pub mod report;
mod resample;
mod run;
mod score;
mod timeline;

pub use crate::parallel::all_processors;
pub use about::{About, AboutProgramme};
pub use letters::DeadLetters;
pub use run::{Backtest, Outcome, RuleSetSummary, Summary};
pub use timeline::Timelines;
