//! What is said of readings: by a backtest of files, or on the topics of a deployment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::process::{success, tapwatch};
use super::service::PARTITIONS;

/// What a backtest says of files: the data of the alerts by the id of their event, and the ids of each home in order.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    pub alerts: BTreeMap<String, Value>,
    pub by_home: BTreeMap<String, Vec<String>>,
    /// Reason, partition, offset and payload of what was kept out.
    pub dead_letters: BTreeSet<[String; 4]>,
}

impl Said {
    pub fn add(&mut self, id: &str, data: &Value) {
        let home = data["household_id"].as_str().expect("an alert names its home");
        self.by_home.entry(home.to_owned()).or_default().push(id.to_owned());
        let before = self.alerts.insert(id.to_owned(), data.clone());
        assert_eq!(before, None, "the event {id} is there twice");
    }

    /// The alerts of these kinds alone.
    pub fn of_kinds(&self, kinds: &[&str]) -> BTreeMap<&String, &Value> {
        let is_wanted = |data: &Value| data["kind"].as_str().is_some_and(|kind| kinds.contains(&kind));
        self.alerts.iter().filter(|(_, data)| is_wanted(data)).collect()
    }

    /// Must be the same, all of it. A difference is shown by itself.
    pub fn assert_is(&self, expected: &Self) {
        let mut wrong = Vec::new();
        for (id, found) in &self.alerts {
            match expected.alerts.get(id) {
                None => wrong.push(format!("too many: {found}")),
                Some(wanted) if wanted != found => wrong.push(format!("{found} instead of {wanted}")),
                Some(_) => {}
            }
        }
        let missing = expected.alerts.iter().filter(|(id, _)| !self.alerts.contains_key(*id));
        wrong.extend(missing.map(|(_, wanted)| format!("missing: {wanted}")));
        let letters = self.dead_letters.symmetric_difference(&expected.dead_letters);
        wrong.extend(letters.map(|letter| {
            let whose = if self.dead_letters.contains(letter) {
                "too many"
            } else {
                "missing"
            };
            format!("dead letter {whose}: {letter:?}")
        }));
        assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
        assert_eq!(self.by_home, expected.by_home);
        assert_eq!(self, expected);
    }

    /// Must be the same, but for the offsets of dead letters where `written` says that the log holds more readings than
    /// were sent: a producer whose broker is killed may write some twice, and what comes after them has later offsets.
    pub fn assert_is_but_for(&self, written: i64, sent: usize, expected: &Self) {
        if i64::try_from(sent).is_ok_and(|sent| written == sent) {
            return self.assert_is(expected);
        }
        self.without_offsets().assert_is(&expected.without_offsets());
    }

    fn without_offsets(&self) -> Self {
        let without = |[reason, partition, _, value]: &[String; 4]| {
            [reason.clone(), partition.clone(), String::new(), value.clone()]
        };
        Self {
            alerts: self.alerts.clone(),
            by_home: self.by_home.clone(),
            dead_letters: self.dead_letters.iter().map(without).collect(),
        }
    }

    /// What follows after a beginning, whose alerts and dead letters must all be here and be the first of their homes.
    pub fn after(&self, beginning: &Self) -> Self {
        let mut rest = Self::default();
        for (home, ids) in &self.by_home {
            let begun = beginning.by_home.get(home).map_or(0, Vec::len);
            assert_eq!(
                ids.get(..begun),
                Some(beginning.by_home.get(home).map_or(&[][..], |ids| ids)),
                "{home}"
            );
            for id in &ids[begun..] {
                rest.add(id, &self.alerts[id]);
            }
        }
        assert!(beginning.dead_letters.is_subset(&self.dead_letters));
        rest.dead_letters = self.dead_letters.difference(&beginning.dead_letters).cloned().collect();
        rest
    }

    /// Kinds and states that occur, such as `leak raised`.
    pub fn sorts(&self) -> BTreeSet<String> {
        let word = |data: &Value, field: &str| data[field].as_str().unwrap_or_default().to_owned();
        let sort = |data: &Value| format!("{} {}", word(data, "kind"), word(data, "state"));
        self.alerts.values().map(sort).collect()
    }
}

/// Runs `tapwatch backtest` in a folder of its own.
pub fn backtest(arguments: &[&str]) -> Said {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_string_lossy();
    let partitions = PARTITIONS.to_string();
    let fixed = ["backtest", "--sweep", "0", "--partitions", &partitions, "--out", &out];
    success(&tapwatch(fixed.iter().chain(arguments)));
    let mut said = Said::default();
    for line in fs::read_to_string(folder.path().join("alerts.jsonl"))
        .expect("the backtest writes alerts.jsonl")
        .lines()
    {
        let event: Value = serde_json::from_str(line).expect("a line of alerts.jsonl is JSON");
        said.add(event["id"].as_str().expect("an id"), &event["data"]);
    }
    for line in fs::read_to_string(folder.path().join("dead-letters.jsonl"))
        .expect("the backtest writes dead-letters.jsonl")
        .lines()
    {
        let letter: Value = serde_json::from_str(line).expect("a line of dead-letters.jsonl is JSON");
        let fields = ["reason", "partition", "offset", "value"];
        said.dead_letters.insert(fields.map(|field| match &letter[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }));
    }
    said
}
