//! What tapwatch promises, put to the test by itself: `tapwatch verify`.

pub mod crashes;
pub mod faults;
