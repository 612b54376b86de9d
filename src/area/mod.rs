//! Outages of a zone: its homes go dry, or silent, together.
//!
//! Constraints: no clock, no I/O; the homes of a zone lie in several partitions, and a verdict must not depend on how
//! many. What a partition says of a zone follows from the states of its homes and from the moment at which it says it, so
//! nothing is kept for it and a restart loses nothing.
//! Form: once an hour each partition adds up its homes of a zone ([`Tally`]) and sends the sums ([`ZoneReport`]) to the
//! partition of the zones topic that is responsible for the zone; there a [`Watch`] adds up the reports and says when an
//! outage begins and ends, to every partition ([`AreaStatus`]) and to subscribers ([`AreaAlert`]).
//! Method: for each of the last hours, how many homes used water within the last 1 to 24 hours, against how many would
//! have by their own past ([`HomeHour`]); how unlikely so few are is worked out in [`too_few`], and so many silent ones in
//! [`too_many`] (`docs/adr/0016-area-outage.md` has the reasons and the figures measured).

mod alert;
mod chance;
mod hour;
mod report;
mod settings;
mod tally;
mod watch;

#[cfg(test)]
mod tests;

pub use alert::AreaAlert;
pub use chance::{too_few, too_many};
pub use hour::{DAYS, HomeHour, SameHours, WINDOWS};
pub use report::{AreaStatus, Cause, HourFigures, Silence, ZoneRecord, ZoneReport};
pub use settings::AreaSettings;
pub use tally::{Mark, Tally, next_mark};
pub use watch::{Said, Verdict, Watch};
