//! Tests of a partition as a function from records to effects.

mod arrival;
mod care;
mod consent;
mod homes;
mod life;
mod log;
mod memory;
mod meters;
mod recovery;
mod silence;
mod snapshots;
mod stages;
mod zones;

use super::*;
use crate::detect::inactivity::{Condition, InactivitySettings, Rule};
use crate::detect::{DetectorSettings, KINDS};
use crate::model::{AlertState, HOUR, HomeRecord, Severity};

/// 2024-03-01T00:00:00Z.
pub const T0: EventTime = EventTime::from_seconds(1_709_251_200);

/// A record that owns its bytes.
#[derive(Clone, Debug)]
pub struct Record {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub timestamp: Option<EventTime>,
}

pub fn at(hour: u32) -> EventTime {
    T0.plus(hour * HOUR)
}

/// One hour of a home's only meter, put into the topic when the hour ends.
pub fn hour(home: &str, hour: u32, litres: f64) -> Record {
    meter_hour(home, home, hour, litres)
}

/// One hour of a named meter.
pub fn meter_hour(home: &str, meter: &str, hour: u32, litres: f64) -> Record {
    with(home, hour, &format!(r#""meter_id":"{meter}","volume_litres":{litres}"#))
}

/// One hour with other fields.
pub fn with(home: &str, hour: u32, fields: &str) -> Record {
    let start = at(hour);
    let value = format!(r#"{{"household_id":"{home}","timestamp":"{start}","interval_seconds":3600,{fields}}}"#);
    Record {
        key: home.as_bytes().to_vec(),
        value: value.into_bytes(),
        timestamp: Some(at(hour + 1)),
    }
}

/// Two plain rules beside the detectors' defaults: what is learned would hide what is tested here.
pub fn rules() -> Arc<Rules> {
    let rule = |name: &str, severity, hours| Rule::new(name, severity, Condition::NoUse { hours });
    let detectors = DetectorSettings {
        inactivity: InactivitySettings {
            rules: vec![
                rule("no-use-6h", Severity::High, 6.0),
                rule("no-use-12h", Severity::Critical, 12.0),
            ],
            ..InactivitySettings::default()
        },
        ..DetectorSettings::default()
    };
    let watched = Programme {
        name: "watched".into(),
        policy: crate::alert::PolicySettings::default(),
        detectors: detectors.clone(),
    };
    let mut patient = detectors;
    patient.inactivity.rules.remove(0);
    patient.silent_meter.after_hours = 100;
    Arc::new(Rules {
        programmes: vec![
            watched,
            Programme {
                name: "patient".into(),
                policy: crate::alert::PolicySettings::default(),
                detectors: patient,
            },
        ],
        ..Rules::default()
    })
}

/// Applies records, the first of which has the offset that comes next.
pub fn apply(partition: &mut Partition, records: &[Record]) -> Effects {
    let first = partition.next_offset();
    partition.apply((first..).zip(records).map(|(offset, record)| RawRecord {
        offset,
        timestamp: record.timestamp,
        key: Some(&record.key),
        value: Some(&record.value),
    }))
}

/// Alerts in short: home, kind, state, and the hour of decision after [`T0`].
pub fn told(effects: &Effects) -> Vec<String> {
    let line = |decided: &Decided| {
        let alert = &decided.alert;
        let hours = f64::from(alert.decided_at.since(T0)) / f64::from(HOUR);
        format!(
            "{} {} {:?} at {hours} h",
            alert.household_id,
            alert.kind.name(),
            alert.state
        )
    };
    effects.alerts.iter().map(line).collect()
}
