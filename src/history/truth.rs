//! Files of incidents: what truly happened, to judge alerts by.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::HistoryError;
use super::table::{Layout, Table};
use super::writer::TableWriter;
use crate::model::{EventTime, Litres};

const HOUSEHOLD: usize = 0;
const METER: usize = 1;
const KIND: usize = 2;
const START: usize = 3;
const END: usize = 4;
const LITRES_PER_HOUR: usize = 5;
const DETAIL: usize = 6;

static LAYOUT: Layout = Layout {
    columns: &[
        "household_id",
        "meter_id",
        "kind",
        "start",
        "end",
        "litres_per_hour",
        "detail",
    ],
    needed: &[&["household_id", "meter_id"], &["kind"], &["start"], &["end"]],
};

/// Something that happened in a home.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// The home.
    pub household: Arc<str>,
    /// What it was: `emergency`, `leak`, `silent_meter` and whatever else a file names.
    pub kind: String,
    /// When it began.
    pub start: EventTime,
    /// When it was over (exclusive).
    pub end: EventTime,
    /// Of water that ran by itself: its mean flow, in litres an hour.
    pub litres_per_hour: Option<Litres>,
    /// What it was more exactly, such as `toilet:60` of a leak: how incidents of one kind are told apart.
    pub detail: Option<String>,
}

/// Reads a file of incidents. `meter_id` is taken for the home where `household_id` is missing or empty.
pub fn read_truth(path: &Path) -> Result<Vec<Incident>, HistoryError> {
    let mut table = Table::open(path, &LAYOUT)?;
    let mut incidents = Vec::new();
    let mut known = HashSet::new();
    while table.next_row()? {
        let household: Arc<str> = Arc::from(table.either_id(HOUSEHOLD, METER)?);
        if table.field(KIND).is_empty() {
            return Err(table.bad(KIND, "it is empty"));
        }
        let (kind, start, end) = (table.field(KIND).to_owned(), table.parse(START)?, table.parse(END)?);
        if end <= start {
            return Err(table.bad(END, "not after the start"));
        }
        if !known.insert((Arc::clone(&household), kind.clone(), start)) {
            return Err(table.bad(
                START,
                "an incident of this home and kind with the same start stands above",
            ));
        }
        let litres_per_hour = table.optional(LITRES_PER_HOUR).map(|_| table.parse(LITRES_PER_HOUR));
        let litres_per_hour: Option<Litres> = litres_per_hour.transpose()?;
        if litres_per_hour.is_some_and(|litres| !(litres.is_finite() && litres > 0.0)) {
            return Err(table.bad(LITRES_PER_HOUR, "not a flow"));
        }
        incidents.push(Incident {
            household,
            kind,
            start,
            end,
            litres_per_hour,
            detail: table.optional(DETAIL),
        });
    }
    Ok(incidents)
}

/// Writes a file of incidents; gzip where its name ends in `.gz`.
pub fn write_truth(path: &Path, incidents: &[Incident]) -> Result<(), HistoryError> {
    let columns = ["household_id", "kind", "start", "end", "litres_per_hour", "detail"];
    let mut table = TableWriter::create(path, &columns)?;
    for incident in incidents {
        let (start, end) = (incident.start.to_string(), incident.end.to_string());
        let litres = incident.litres_per_hour.map(|litres| litres.to_string());
        let (litres, detail) = (litres.unwrap_or_default(), incident.detail.as_deref().unwrap_or(""));
        table.row([&*incident.household, &incident.kind, &start, &end, &litres, detail])?;
    }
    table.finish()
}
