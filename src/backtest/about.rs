//! What the figures of a backtest are of, so that a file of them says by itself how it can be made again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::detect::DetectorSettings;
use crate::model::EventTime;
use crate::partition::Rules;

/// The files, the period and the rules of a summary.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// The files that were read, by name: readings, homes, truth, signs, responses, as they were named.
    pub files: BTreeMap<&'static str, Vec<String>>,
    /// The start of the first reading and the end of the last.
    pub period: Option<[EventTime; 2]>,
    /// Partitions that the homes were shared out to.
    pub partitions: u32,
    /// The set of rules that `alerts.jsonl` and the figures beside this are of.
    pub rule_set: String,
    /// The time zone of homes that name none.
    pub time_zone: String,
    /// The programmes of that set.
    pub programmes: BTreeMap<Arc<str>, AboutProgramme>,
}

/// A programme, as far as it decides what is raised.
#[derive(Clone, Debug, Serialize)]
pub struct AboutProgramme {
    /// λ of each learned rule by its name, in hours of delay for a false alert: given, or by the budget.
    pub lambda_hours: BTreeMap<String, f64>,
    /// The rules of each detector, with every default.
    pub detectors: DetectorSettings,
}

impl AboutProgramme {
    /// All programmes of `rules`.
    pub fn all(rules: &Rules) -> BTreeMap<Arc<str>, Self> {
        let programmes = rules.programmes.iter().map(|programme| {
            let inactivity = &programme.detectors.inactivity;
            let lambdas = inactivity.learned().filter_map(|(place, _)| {
                let rule = inactivity.rules.get(place)?;
                Some((rule.name.to_string(), inactivity.lambda(place)))
            });
            let about = Self {
                lambda_hours: lambdas.collect(),
                detectors: programme.detectors.clone(),
            };
            (Arc::clone(&programme.name), about)
        });
        programmes.collect()
    }
}
