//! Simulated homes with the routines and incidents of many, and what the backtest says of them.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::LazyLock;

use tapwatch::history::{History, arrival};
use tapwatch::kafka::Feeder;

use super::process::{success, tapwatch};
use super::said::{Said, backtest};
use super::service::Deployment;

/// The homes that tests share; `truth.csv` is of no use here.
pub struct District {
    pub readings: PathBuf,
    /// In the order in which they become known.
    history: History,
    /// What the backtest says of all of it.
    pub said: Said,
    folder: tempfile::TempDir,
}

impl District {
    pub const DAYS: u32 = 40;

    /// 40 homes, 40 days, made once in a test process.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<District> = LazyLock::new(District::simulate);
        &SHARED
    }

    fn simulate() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().to_string_lossy();
        let days = Self::DAYS.to_string();
        let what = [
            "--homes",
            "40",
            "--days",
            &days,
            "--incidents",
            "2",
            "--start",
            "2025-01-01",
        ];
        success(&tapwatch(["simulate", "--out", &out].iter().chain(&what)));
        let readings = folder.path().join("readings.csv.gz");
        let said = backtest(&["--readings", &readings.to_string_lossy()]);
        for state in ["raised", "resolved"] {
            assert!(
                said.sorts().contains(&format!("inactivity {state}")),
                "{:?}",
                said.sorts()
            );
        }
        let mut history = History::read(std::slice::from_ref(&readings)).expect("a sound file");
        history.sort_by_arrival();
        Self {
            readings,
            history,
            said,
            folder,
        }
    }

    /// How many readings there are.
    pub fn count(&self) -> usize {
        self.history.rows.len()
    }

    /// The place of the first reading after this share of them.
    pub fn at(&self, share: f64) -> usize {
        (self.count() as f64 * share) as usize
    }

    /// Puts a part of the readings into the topic of a deployment, as `replay` does.
    pub fn feed(&self, deployment: &Deployment, part: Range<usize>) {
        let settings = deployment.kafka();
        let feeder = Feeder::new(&settings).expect("a producer");
        let mut payload = Vec::new();
        for row in &self.history.rows[part] {
            payload.clear();
            self.history.json(row, &mut payload);
            let key = self.history.name(row).household.as_bytes();
            let sent = feeder.send(&settings.topics.readings, key, Some(&payload), arrival(row));
            sent.expect("a record is taken");
        }
        feeder.finish().expect("the broker takes them");
    }

    /// A file of a part of the readings.
    pub fn part(&self, part: Range<usize>) -> PathBuf {
        let path = self.folder.path().join(format!("{}-{}.csv.gz", part.start, part.end));
        let history = History {
            meters: self.history.meters.clone(),
            rows: self.history.rows[part].to_vec(),
        };
        history.write(&path).expect("the folder takes files");
        path
    }

    /// What the backtest says of the first readings.
    pub fn said_of_first(&self, count: usize) -> Said {
        backtest(&["--readings", &self.part(0..count).to_string_lossy()])
    }
}
