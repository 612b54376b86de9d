//! Files of readings, homes and incidents: CSV, plain or gzip, and Parquet.
//!
//! A file is read whole or refused whole: every error names the file, and the line or the row. What is well-formed but absurd
//! (an interval of no length, a volume of a million litres) is kept, because judging readings is the engine's work
//! and a file must show it exactly what a stream would have.

// This folder is a shell: reading and writing files is what it is for.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod beside;
mod columns;
mod error;
mod homes;
mod lines;
mod readings;
mod sorted;
mod sorter;
mod table;
#[cfg(test)]
mod tests;
mod truth;
mod writer;

pub use beside::{BesideRecord, read_responses, read_signs};
pub use error::{HistoryError, Place};
pub use homes::{People, embedded_homes, read_homes, read_people, write_homes};
pub use readings::{History, MeterName, ReadingsWriter, Row, arrival};
pub use sorted::SortedReadings;
pub use sorter::SortSpace;
pub use truth::{Incident, read_truth, write_truth};
pub use writer::{keep, unfinished};
