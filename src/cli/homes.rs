//! The homes of a history, and what of them cannot be used.

use std::path::Path;

use crate::history::read_homes;
use crate::model::HomeRecord;
use crate::partition::{ConsentRule, Partition, Rules};

/// So many homes are named.
const NAMED: usize = 5;

/// The time zone of homes of which none is stated.
pub(super) fn zone_of_others(rules: &Rules) -> &str {
    rules.time_zone.iana_name().unwrap_or("UTC")
}

/// Reads a file of homes, and says which of them are taken for homes of which nothing is known; without a file, what holds for all.
pub(super) fn known_homes(path: Option<&Path>, rules: &Rules) -> anyhow::Result<Vec<HomeRecord>> {
    let zone = zone_of_others(rules);
    let Some(path) = path else {
        say!("  no --homes: the hours of all homes are those of {zone} (defaults.time_zone)");
        return Ok(Vec::new());
    };
    let homes = read_homes(path)?;
    let without_zone = homes.iter().filter(|home| home.time_zone.is_none()).count();
    if without_zone > 0 {
        say!(
            "  --homes states no time zone of {without_zone} homes: their hours are those of {zone} (defaults.time_zone)"
        );
    }
    let mut partition = Partition::new(
        Rules {
            // Whoever names a file may read it.
            consent: ConsentRule::Assumed,
            ..rules.clone()
        }
        .into(),
    );
    let wrong = |home: &HomeRecord| {
        let error = partition.set_home(&home.household_id, Some(home)).err()?;
        Some(format!("{}: {error}", home.household_id))
    };
    let wrong: Vec<String> = homes.iter().filter_map(wrong).collect();
    if !wrong.is_empty() {
        let (path, count) = (path.display(), wrong.len());
        say!("  {path}: what it says of {count} homes cannot be used; they are read by the defaults, in {zone}:");
        for home in wrong.iter().take(NAMED) {
            say!("    {home}");
        }
        if count > NAMED {
            say!("    … and {} more", count - NAMED);
        }
    }
    Ok(homes)
}
