//! What operators see of a running engine: metrics, health and logs.
//!
//! The engine and the Kafka shell hold a [`Metrics`] and a [`Health`] and tell them what happens; [`serve`] shows both
//! over HTTP; [`init_logging`] is called once, by the binary.
//!
//! Architecture invariant: nothing here decides anything, and no home is named, neither in a label nor in a page.

// A shell: the health page compares the engine's last heartbeat with the monotonic clock, the tests open sockets, and
// the metrics library asks for the standard map by its type.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod health;
mod logging;
mod metrics;
mod server;

pub use health::{Health, NotLive};
pub use logging::{LogFormat, LoggingError, check_filter, init as init_logging};
pub use metrics::Metrics;
pub use server::{ServeError, serve};
