//! History through the same core as the stream, what is to be thought of the result, and what can be learnt from it.

pub mod judge;
mod partitioner;
mod run;
mod timeline;
mod train;

pub use partitioner::partition_of;
pub use run::{Outcome, RuleSetSummary, Summary, run};
pub use train::Teacher;
