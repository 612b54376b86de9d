//! What a backtest tells beyond its score: curves, bounds, and figures of parts of the homes.

pub mod bound;
pub mod groups;
pub mod learning;
pub mod sweep;
