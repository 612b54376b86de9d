//! What the integration tests share: `mod support;` at the top of a test file.

// Every test file compiles this module for itself and uses a part of it.
#![allow(dead_code)]
// Tests are a shell: they start processes, wait for them by the wall clock, and touch files and ports.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod broker;
pub mod cluster;
pub mod district;
pub mod process;
pub mod said;
pub mod service;
