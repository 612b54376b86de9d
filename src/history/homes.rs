//! Files of homes.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::HistoryError;
use super::table::{Layout, Table};
use super::writer::TableWriter;
use crate::model::{Absence, Consent, EventTime, HomeRecord};

const HOUSEHOLD: usize = 0;
const TIME_ZONE: usize = 1;
const ZONE: usize = 2;
const PROGRAMME: usize = 3;
const KIND: usize = 4;
const UPLOAD_SECONDS: usize = 5;
const NO_USE_HOURS: usize = 6;
const CONSENT_PURPOSE: usize = 7;
const CONSENT_GIVEN_AT: usize = 8;
const ABSENCE_FROM: usize = 9;
const ABSENCE_TO: usize = 10;
const Q3_M3H: usize = 11;
/// Columns that say of the people what no rule asks: a backtest tells homes apart by them.
const PEOPLE: std::ops::Range<usize> = 12..15;

static LAYOUT: Layout = Layout {
    columns: &[
        "household_id",
        "time_zone",
        "zone",
        "programme",
        "kind",
        "upload_seconds",
        "no_use_hours",
        "consent_purpose",
        "consent_given_at",
        "absence_from",
        "absence_to",
        "q3_m3h",
        "household_size",
        "age_band",
        "dwelling",
    ],
    needed: &[&["household_id"]],
};

/// What is known of the people in each home: columns of [`read_people`] with what they say, by home.
pub type People = BTreeMap<String, Vec<(String, String)>>;

/// Reads a file of homes; an empty field is an absent one.
pub fn read_homes(path: &Path) -> Result<Vec<HomeRecord>, HistoryError> {
    collect(Table::open(path, &LAYOUT)?)
}

/// What a file of homes says of the people in each: the columns `household_size`, `age_band` and `dwelling`, by home, each with its
/// name. They are free text.
pub fn read_people(path: &Path) -> Result<People, HistoryError> {
    let mut table = Table::open(path, &LAYOUT)?;
    let mut people = BTreeMap::new();
    while table.next_row()? {
        let said = PEOPLE.filter_map(|column| Some((LAYOUT.columns[column].to_owned(), table.optional(column)?)));
        people.insert(table.id(HOUSEHOLD)?.to_owned(), said.collect());
    }
    Ok(people)
}

/// Reads a file of homes that is part of the program; `name` stands for it in errors.
pub fn embedded_homes(name: &str, bytes: &'static [u8]) -> Result<Vec<HomeRecord>, HistoryError> {
    collect(Table::embedded(name, bytes, &LAYOUT)?)
}

fn collect(mut table: Table) -> Result<Vec<HomeRecord>, HistoryError> {
    let mut homes = Vec::new();
    let mut known = HashSet::new();
    while table.next_row()? {
        let home = home(&table)?;
        if !known.insert(home.household_id.clone()) {
            return Err(table.bad(HOUSEHOLD, "this home stands above"));
        }
        homes.push(home);
    }
    Ok(homes)
}

fn home(table: &Table) -> Result<HomeRecord, HistoryError> {
    let kind = table
        .optional(KIND)
        .map(|kind| serde_json::from_value(kind.into()).map_err(|error| table.bad(KIND, error.to_string())));
    let consent = table.optional(CONSENT_PURPOSE).map(|purpose| {
        let given_at = table.optional_time(CONSENT_GIVEN_AT)?;
        let missing = || table.bad(CONSENT_GIVEN_AT, "a consent needs the time at which it was given");
        Ok(Consent {
            purpose,
            given_at: given_at.ok_or_else(missing)?,
            withdrawn_at: None,
        })
    });
    let to = table.optional_time(ABSENCE_TO)?;
    let absence = table.optional_time(ABSENCE_FROM)?.map(|from| Absence { from, to });
    let number = |column| table.optional(column).map(|_| table.parse(column)).transpose();
    Ok(HomeRecord {
        household_id: table.id(HOUSEHOLD)?.to_owned(),
        time_zone: table.optional(TIME_ZONE),
        zone: table.optional(ZONE),
        programme: table.optional(PROGRAMME),
        kind: kind.transpose()?,
        upload_seconds: number(UPLOAD_SECONDS)?,
        no_use_hours: table
            .optional(NO_USE_HOURS)
            .map(|_| table.parse(NO_USE_HOURS))
            .transpose()?,
        q3_m3h: table.optional(Q3_M3H).map(|_| table.parse(Q3_M3H)).transpose()?,
        consent: consent.transpose()?,
        absence,
        ..HomeRecord::default()
    })
}

/// Writes a file of homes, with what is known of their people; gzip where its name ends in `.gz`.
pub fn write_homes(path: &Path, homes: &[HomeRecord], people: &People) -> Result<(), HistoryError> {
    fn text(field: Option<impl ToString>) -> String {
        field.map(|field| field.to_string()).unwrap_or_default()
    }
    let mut table = TableWriter::create(path, LAYOUT.columns)?;
    for home in homes {
        let kind = home.kind.and_then(|kind| serde_json::to_value(kind).ok());
        let kind = kind.as_ref().and_then(serde_json::Value::as_str);
        let (consent, absence) = (home.consent.as_ref(), home.absence);
        let said = people.get(&home.household_id);
        let of_people = LAYOUT.columns[PEOPLE].iter().map(|name| {
            let found = said.into_iter().flatten().find(|(column, _)| column == name);
            text(found.map(|(_, said)| said))
        });
        let of_home = [
            home.household_id.clone(),
            text(home.time_zone.as_ref()),
            text(home.zone.as_ref()),
            text(home.programme.as_ref()),
            text(kind),
            text(home.upload_seconds),
            text(home.no_use_hours),
            text(consent.map(|consent| &consent.purpose)),
            text(consent.map(|consent| consent.given_at)),
            text(absence.map(|absence| absence.from)),
            text(absence.and_then(|absence: Absence| -> Option<EventTime> { absence.to })),
            text(home.q3_m3h),
        ];
        table.row(of_home.into_iter().chain(of_people))?;
    }
    table.finish()
}
