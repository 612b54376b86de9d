//! tapwatch watches smart-meter water use as it streams in, and raises an alert when a person who lives alone has
//! stopped using water, when water runs that nobody uses, and when a meter falls silent.
//!
//! The way of a reading is `ingest → home → detect → alert`; `docs/ARCHITECTURE.md` draws the map.

pub mod alert;
pub mod app;
pub mod area;
pub mod backtest;
pub mod cli;
pub mod detect;
pub mod engine;
pub mod history;
pub mod home;
pub mod ingest;
pub mod kafka;
pub mod model;
pub mod parallel;
pub mod partition;
pub mod presets;
pub mod settings;
pub mod simulate;
pub mod telemetry;
pub mod train;
pub mod verify;
