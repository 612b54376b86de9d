//! What differs between two sets of records: those that should be there and those that are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

/// So many of each kind are told in full.
const TOLD: usize = 5;
/// And so much of each text.
const TOLD_CHARS: usize = 1_500;

/// A record as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Records of one stream have an order among those of them that lie in one partition: a home's alerts, for one.
    pub stream: String,
    /// Its name: no two of a topic may have the same.
    pub id: String,
    /// The partition it is in, or should be in.
    pub partition: i32,
    /// Its payload.
    pub value: Option<Vec<u8>>,
    /// Its headers in their order.
    pub headers: Vec<(String, String)>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref().map(String::from_utf8_lossy);
        let value = value.as_deref().unwrap_or("(no payload)");
        let cut: String = value.chars().take(TOLD_CHARS).collect();
        let more = if cut.len() < value.len() { " …" } else { "" };
        write!(f, "{} of {}, partition {}:", self.id, self.stream, self.partition)?;
        for (key, value) in &self.headers {
            write!(f, " {key}={value}")?;
        }
        write!(f, " {cut}{more}")
    }
}

/// How many records, and the first few of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub count: usize,
    pub first: Vec<String>,
}

impl Tally {
    fn add(&mut self, told: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(told());
        }
    }
}

/// Everything that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Records that should be there.
    pub missing: Tally,
    /// Records beyond the first of their name.
    pub doubled: Tally,
    /// Records that should not be there.
    pub invented: Tally,
    /// Records that come before one of their stream (or partition) that they should follow.
    pub reordered: Tally,
    /// Records with other bytes, headers or place than they should have.
    pub different: Tally,
}

impl Differences {
    /// Each kind with its name.
    pub fn kinds(&self) -> [(&'static str, &Tally); 5] {
        [
            ("missing", &self.missing),
            ("doubled", &self.doubled),
            ("invented", &self.invented),
            ("reordered", &self.reordered),
            ("different", &self.different),
        ]
    }

    /// Whether there are none.
    pub fn are_none(&self) -> bool {
        self.kinds().iter().all(|(_, tally)| tally.count == 0)
    }
}

/// Compares records, both in the order of their topic. Where `partitions_agree`, every record has its partition, and the
/// order holds within partitions, too.
pub fn compare(expected: &[Entry], found: &[Entry], partitions_agree: bool) -> Differences {
    let mut differences = Differences::default();
    let mut should_be: BTreeMap<(&str, &str), (usize, &Entry)> = BTreeMap::new();
    for (place, entry) in expected.iter().enumerate() {
        should_be.insert((&entry.stream, &entry.id), (place, entry));
    }
    let mut seen = BTreeSet::new();
    // The greatest place so far in each partition, of a stream and of all.
    let mut reached: BTreeMap<(&str, i32), (usize, &Entry)> = BTreeMap::new();
    for entry in found {
        let name = (entry.stream.as_str(), entry.id.as_str());
        let Some((place, original)) = should_be.get(&name).copied() else {
            differences.invented.add(|| entry.to_string());
            continue;
        };
        let is_moved = partitions_agree && entry.partition != original.partition;
        if is_moved || entry.value != original.value || entry.headers != original.headers {
            differences
                .different
                .add(|| format!("{entry}\n    instead of {original}"));
        }
        if !seen.insert(name) {
            differences.doubled.add(|| entry.to_string());
            continue;
        }
        let mut overtaken = None;
        let orders = [(entry.stream.as_str(), entry.partition), ("", entry.partition)];
        for order in &orders[..if partitions_agree { 2 } else { 1 }] {
            let before = reached.entry(*order).or_insert((place, entry));
            if before.0 > place {
                overtaken = Some(before.1);
            } else {
                *before = (place, entry);
            }
        }
        if let Some(other) = overtaken {
            differences
                .reordered
                .add(|| format!("{} comes first, and then {entry}", other.id));
        }
    }
    for entry in expected {
        if !seen.contains(&(entry.stream.as_str(), entry.id.as_str())) {
            differences.missing.add(|| entry.to_string());
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(stream: &str, id: &str, partition: i32) -> Entry {
        Entry {
            stream: stream.into(),
            id: id.into(),
            partition,
            value: Some(format!("value of {id}").into_bytes()),
            headers: vec![("ce_id".into(), id.into())],
        }
    }

    fn expected() -> Vec<Entry> {
        vec![
            entry("a", "a1", 0),
            entry("b", "b1", 0),
            entry("a", "a2", 0),
            entry("c", "c1", 1),
            entry("c", "c2", 1),
        ]
    }

    /// How many of each kind, in the order of [`Differences::kinds`].
    fn counts(found: &[Entry], partitions_agree: bool) -> [usize; 5] {
        compare(&expected(), found, partitions_agree)
            .kinds()
            .map(|(_, tally)| tally.count)
    }

    #[test]
    fn equal_records_do_not_differ() {
        assert!(compare(&expected(), &expected(), true).are_none());
        assert!(compare(&[], &[], true).are_none());
        // Partitions are read in any order.
        let mut turned = expected();
        turned.rotate_left(3);
        assert!(compare(&expected(), &turned, true).are_none());
    }

    #[test]
    fn a_lost_record_is_found() {
        for lost in 0..expected().len() {
            let mut found = expected();
            let gone = found.remove(lost);
            assert_eq!(counts(&found, true), [1, 0, 0, 0, 0]);
            let told = compare(&expected(), &found, true).missing.first;
            assert_eq!(told, [gone.to_string()]);
        }
        assert_eq!(counts(&[], true), [5, 0, 0, 0, 0]);
    }

    #[test]
    fn a_doubled_record_is_found_wherever_the_second_is() {
        for first in 0..expected().len() {
            for second in first + 1..=expected().len() {
                let mut found = expected();
                found.insert(second, found[first].clone());
                assert_eq!(counts(&found, true), [0, 1, 0, 0, 0]);
            }
        }
    }

    #[test]
    fn an_invented_record_is_found() {
        let mut found = expected();
        found.insert(2, entry("a", "a3", 0));
        assert_eq!(counts(&found, true), [0, 0, 1, 0, 0]);
        // In the stream of another it is invented there and missing here.
        found = expected();
        found[0].stream = "b".into();
        assert_eq!(counts(&found, true), [1, 0, 1, 0, 0]);
    }

    #[test]
    fn swapped_records_are_found_in_their_stream_and_in_their_partition() {
        let mut found = expected();
        found.swap(0, 2);
        assert_eq!(counts(&found, false), [0, 0, 0, 1, 0]);
        found = expected();
        found.swap(0, 1);
        assert_eq!(counts(&found, false), [0, 0, 0, 0, 0], "homes have no order among them");
        assert_eq!(counts(&found, true), [0, 0, 0, 1, 0], "but their partition has");
        found = expected();
        found.swap(0, 2);
        found[0].partition = 1;
        assert_eq!(counts(&found, false), [0, 0, 0, 0, 0], "nor have two partitions");
    }

    #[test]
    fn a_changed_record_is_found() {
        let changes: [fn(&mut Entry); 4] = [
            |entry| entry.value = Some(b"other".to_vec()),
            |entry| entry.value = None,
            |entry| entry.headers[0].1.push('x'),
            |entry| entry.headers.push(("one".into(), "more".into())),
        ];
        for change in changes {
            let mut found = expected();
            change(&mut found[1]);
            assert_eq!(counts(&found, false), [0, 0, 0, 0, 1]);
        }
        let mut found = expected();
        found[4].partition = 0;
        assert_eq!(counts(&found, false), [0, 0, 0, 0, 0]);
        assert_eq!(counts(&found, true)[4], 1, "in another partition than it should be");
        // A repetition that is not the same as the first is both.
        found = expected();
        let mut other = found[0].clone();
        other.value = None;
        found.push(other);
        assert_eq!(counts(&found, true), [0, 1, 0, 0, 1]);
    }
}
