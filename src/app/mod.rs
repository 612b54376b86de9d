//! Wiring: settings become a running service. With `cli/` the only place that knows everything.

// The outermost shell: clocks, threads and signals are its trade.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod demo;
mod observer;
mod service;

pub use observer::Telemetry;
pub use service::{Service, wall_clock};
