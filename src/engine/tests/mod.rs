//! The engine on ports that do what a test says. Whole stories on a cluster are in `verify/faults`.

mod engine;
mod metadata;
mod rebuild;
mod transaction;
mod zones;
