//! How long the partitions of an instance that was struck were not live, read from what all instances say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::schedule::Blow;

/// What an instance says of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// They are its own from now on.
    Assigned(Vec<i32>),
    /// They are no longer.
    Revoked(Vec<i32>),
    /// Its state is there, and its readings are judged.
    Live(i32),
}

/// Reads a line of an instance's log (JSON).
pub fn told(line: &str) -> Option<Told> {
    #[derive(Deserialize)]
    struct Line<'a> {
        message: &'a str,
        partition: Option<i32>,
        partitions: Option<&'a str>,
    }
    let line: Line<'_> = serde_json::from_str(line).ok()?;
    let listed = || line.partitions.and_then(|list| serde_json::from_str(list).ok());
    match line.message {
        "partitions assigned" => listed().map(Told::Assigned),
        "partitions revoked" => listed().map(Told::Revoked),
        "partition is live" => line.partition.map(Told::Live),
        _ => None,
    }
}

/// Blows, and how long each left partitions without an instance that judges them. Times count from the start of the run.
#[derive(Debug, Default)]
pub struct Recoveries {
    owners: BTreeMap<i32, u32>,
    pending: Vec<Pending>,
    tallies: BTreeMap<Blow, Tally>,
}

#[derive(Debug)]
struct Pending {
    blow: Blow,
    at: Duration,
    waits_for: BTreeSet<i32>,
}

#[derive(Clone, Debug, Default)]
struct Tally {
    count: usize,
    durations: Vec<Duration>,
}

/// What is known of blows of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recovery {
    /// The kind.
    pub blow: Blow,
    /// How many there were.
    pub count: usize,
    /// Of how many all partitions were seen to become live again. The others hit an instance that owned nothing, or one
    /// whose partitions stayed live.
    pub measured: usize,
    /// Seconds until they were, in the middle.
    pub median_seconds: Option<f64>,
    /// And at most.
    pub max_seconds: Option<f64>,
}

impl Recoveries {
    /// An instance said something.
    pub fn heard(&mut self, instance: u32, at: Duration, told: &Told) {
        match told {
            Told::Assigned(partitions) => {
                self.owners
                    .extend(partitions.iter().map(|partition| (*partition, instance)));
            }
            Told::Revoked(partitions) => {
                self.owners
                    .retain(|partition, owner| *owner != instance || !partitions.contains(partition));
            }
            Told::Live(partition) => {
                self.owners.insert(*partition, instance);
                for pending in self.pending.iter_mut().filter(|pending| pending.at <= at) {
                    pending.waits_for.remove(partition);
                    if pending.waits_for.is_empty() {
                        let durations = &mut self.tallies.entry(pending.blow).or_default().durations;
                        durations.push(at.saturating_sub(pending.at));
                    }
                }
                self.pending.retain(|pending| !pending.waits_for.is_empty());
            }
        }
    }

    /// An instance was struck; answers which partitions it had.
    pub fn struck(&mut self, blow: Blow, instance: u32, at: Duration) -> BTreeSet<i32> {
        self.tallies.entry(blow).or_default().count += 1;
        let owned = self.owners.extract_if(.., |_, owner| *owner == instance);
        let waits_for: BTreeSet<i32> = owned.map(|(partition, _)| partition).collect();
        if !waits_for.is_empty() {
            self.pending.push(Pending {
                blow,
                at,
                waits_for: waits_for.clone(),
            });
        }
        waits_for
    }

    /// The figures, by kind.
    pub fn figures(&self) -> Vec<Recovery> {
        let figure = |(blow, tally): (&Blow, &Tally)| {
            let mut seconds: Vec<f64> = tally.durations.iter().map(Duration::as_secs_f64).collect();
            seconds.sort_by(f64::total_cmp);
            Recovery {
                blow: *blow,
                count: tally.count,
                measured: seconds.len(),
                median_seconds: median(&seconds),
                max_seconds: seconds.last().copied(),
            }
        };
        self.tallies.iter().map(figure).collect()
    }
}

/// The middle of numbers in order; of an even number of them, the middle between the two there.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_log() {
        let line = |rest: &str| told(&format!(r#"{{"timestamp":"t","level":"INFO",{rest},"target":"x"}}"#));
        assert_eq!(
            line(r#""message":"partitions assigned","partitions":"[0, 5]""#),
            Some(Told::Assigned(vec![0, 5]))
        );
        assert_eq!(
            line(r#""message":"partitions revoked","partitions":"[2]""#),
            Some(Told::Revoked(vec![2]))
        );
        assert_eq!(
            line(r#""message":"partition is live","partition":4,"homes":9,"offset":77"#),
            Some(Told::Live(4))
        );
        assert_eq!(line(r#""message":"joining the group","group":"g""#), None);
        assert_eq!(told("thread 'main' panicked at src/x.rs:1"), None);
    }

    #[test]
    fn counts_until_the_last_partition_of_the_struck_one_is_live() {
        let at = Duration::from_secs;
        let mut recoveries = Recoveries::default();
        recoveries.heard(0, at(1), &Told::Assigned(vec![0, 1]));
        recoveries.heard(1, at(1), &Told::Assigned(vec![2]));
        for (instance, partition) in [(0, 0), (0, 1), (1, 2)] {
            recoveries.heard(instance, at(2), &Told::Live(partition));
        }
        assert_eq!(recoveries.struck(Blow::Kill, 0, at(10)), BTreeSet::from([0, 1]));
        recoveries.heard(0, at(11), &Told::Live(0));
        recoveries.heard(1, at(12), &Told::Live(2));
        // Killed again before it was whole: the first kill waits on.
        assert_eq!(recoveries.struck(Blow::Kill, 0, at(13)), BTreeSet::from([0]));
        recoveries.heard(1, at(15), &Told::Live(1));
        recoveries.heard(0, at(16), &Told::Live(0));
        let nothing = recoveries.struck(Blow::Restart, 7, at(20));
        assert!(nothing.is_empty());
        assert_eq!(
            recoveries.figures(),
            [
                Recovery {
                    blow: Blow::Kill,
                    count: 2,
                    measured: 2,
                    median_seconds: Some(4.0),
                    max_seconds: Some(5.0)
                },
                Recovery {
                    blow: Blow::Restart,
                    count: 1,
                    measured: 0,
                    median_seconds: None,
                    max_seconds: None
                },
            ]
        );
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let cases: [(&[f64], _); 4] = [
            (&[], None),
            (&[2.0], Some(2.0)),
            (&[1.0, 4.0], Some(2.5)),
            (&[1.0, 2.0, 9.0], Some(2.0)),
        ];
        for (numbers, middle) in cases {
            assert_eq!(median(numbers), middle);
        }
    }

    #[test]
    fn a_partition_handed_over_before_the_blow_is_not_waited_for() {
        let mut recoveries = Recoveries::default();
        let at = Duration::from_secs;
        recoveries.heard(0, at(1), &Told::Assigned(vec![0, 1]));
        recoveries.heard(0, at(2), &Told::Revoked(vec![1]));
        recoveries.heard(1, at(3), &Told::Live(1));
        // What an old owner says late takes nothing from the new one.
        recoveries.heard(0, at(3), &Told::Revoked(vec![1]));
        assert_eq!(recoveries.struck(Blow::Freeze, 0, at(4)), BTreeSet::from([0]));
        assert_eq!(recoveries.struck(Blow::Freeze, 1, at(4)), BTreeSet::from([1]));
    }
}
