//! Files of homes.

use std::path::Path;

use super::HistoryError;
use super::table::{Layout, Table, TableWriter};
use crate::model::HomeRecord;

const HOUSEHOLD: usize = 0;
const TIME_ZONE: usize = 1;
const ZONE: usize = 2;
const PROGRAMME: usize = 3;

static LAYOUT: Layout = Layout {
    columns: &["household_id", "time_zone", "zone", "programme"],
    needed: &[&["household_id"]],
};

/// Reads a file of homes; an empty field is an absent one.
pub fn read_homes(path: &Path) -> Result<Vec<HomeRecord>, HistoryError> {
    collect(Table::open(path, &LAYOUT)?)
}

/// Reads a file of homes that is part of the program; `name` stands for it in errors.
pub fn embedded_homes(name: &str, bytes: &'static [u8]) -> Result<Vec<HomeRecord>, HistoryError> {
    collect(Table::embedded(name, bytes, &LAYOUT)?)
}

fn collect(mut table: Table) -> Result<Vec<HomeRecord>, HistoryError> {
    let mut homes = Vec::new();
    while table.next_row()? {
        homes.push(HomeRecord {
            household_id: table.id(HOUSEHOLD)?.to_owned(),
            time_zone: table.optional(TIME_ZONE),
            zone: table.optional(ZONE),
            programme: table.optional(PROGRAMME),
            ..HomeRecord::default()
        });
    }
    Ok(homes)
}

/// Writes a file of homes; gzip where its name ends in `.gz`.
pub fn write_homes(path: &Path, homes: &[HomeRecord]) -> Result<(), HistoryError> {
    let mut table = TableWriter::create(path, LAYOUT.columns)?;
    for home in homes {
        let or_empty = |field: &Option<String>| field.clone().unwrap_or_default();
        table.row([
            home.household_id.clone(),
            or_empty(&home.time_zone),
            or_empty(&home.zone),
            or_empty(&home.programme),
        ])?;
    }
    table.finish()
}
