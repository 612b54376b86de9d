//! Homes that do not exist, and incidents that did not happen: for demonstrations, load and the judging of detectors.
//!
//! Everything here is a pure function of its arguments and a seed. Simulated people have lasting habits, but they are
//! more regular than real ones: thresholds tuned on them look better than they are.

mod district;
mod home;
mod inject;
mod routine;
mod sample;
#[cfg(test)]
mod tests;

pub use district::{District, Simulation, WARM_UP_DAYS};
pub use inject::{Delivery, EMERGENCY_SECONDS, Injected, Injection, NoRoom, Scenario};
pub use sample::{Sample, sample};
