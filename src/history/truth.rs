//! Files of incidents: what truly happened, to judge alerts by.

use std::path::Path;
use std::sync::Arc;

use super::HistoryError;
use super::table::{Layout, Table, TableWriter};
use crate::model::EventTime;

const HOUSEHOLD: usize = 0;
const METER: usize = 1;
const KIND: usize = 2;
const START: usize = 3;
const END: usize = 4;

static LAYOUT: Layout = Layout {
    columns: &["household_id", "meter_id", "kind", "start", "end"],
    needed: &[&["household_id", "meter_id"], &["kind"], &["start"], &["end"]],
};

/// Something that happened in a home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// The home.
    pub household: Arc<str>,
    /// What it was: `emergency`, `leak`, `silent_meter` and whatever else a file names.
    pub kind: String,
    /// When it began.
    pub start: EventTime,
    /// When it was over (exclusive).
    pub end: EventTime,
}

/// Reads a file of incidents. `meter_id` is taken for the home where `household_id` is missing or empty.
pub fn read_truth(path: &Path) -> Result<Vec<Incident>, HistoryError> {
    let mut table = Table::open(path, &LAYOUT)?;
    let mut incidents = Vec::new();
    while table.next_row()? {
        let household = Arc::from(table.either_id(HOUSEHOLD, METER)?);
        if table.field(KIND).is_empty() {
            return Err(table.bad(KIND, "it is empty"));
        }
        let (kind, start, end) = (table.field(KIND).to_owned(), table.parse(START)?, table.parse(END)?);
        if end <= start {
            return Err(table.bad(END, "not after the start"));
        }
        incidents.push(Incident {
            household,
            kind,
            start,
            end,
        });
    }
    Ok(incidents)
}

/// Writes a file of incidents; gzip where its name ends in `.gz`.
pub fn write_truth(path: &Path, incidents: &[Incident]) -> Result<(), HistoryError> {
    let mut table = TableWriter::create(path, &["household_id", "kind", "start", "end"])?;
    for incident in incidents {
        let (start, end) = (incident.start.to_string(), incident.end.to_string());
        table.row([&*incident.household, &incident.kind, &start, &end])?;
    }
    table.finish()
}
