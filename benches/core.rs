//! How fast the core is: a reading through the whole fold, one threshold of the learned rule, one snapshot.
//!
//! `cargo bench --bench core`. Compare figures of one run only: machines differ, and so do days.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jiff::civil::date;
use jiff::tz::TimeZone;
use tapwatch::detect::inactivity::learned::thresholds;
use tapwatch::history::{History, arrival};
use tapwatch::model::RawRecord;
use tapwatch::partition::{Partition, Rules};
use tapwatch::simulate::District;

struct Log {
    history: History,
    payloads: Vec<u8>,
    ends: Vec<usize>,
}

impl Log {
    fn new(homes: u32, days: u32) -> Self {
        let district = District {
            seed: 1,
            homes,
            days,
            start: date(2026, 1, 1),
            interval_seconds: 3_600,
            time_zone: TimeZone::UTC,
            incidents_per_home_month: 0.2,
        };
        let (history, _) = district.history();
        let (mut payloads, mut ends) = (Vec::new(), Vec::new());
        for row in &history.rows {
            history.json(row, &mut payloads);
            ends.push(payloads.len());
        }
        Self {
            history,
            payloads,
            ends,
        }
    }

    fn records(&self) -> impl Iterator<Item = RawRecord<'_>> {
        self.history.rows.iter().enumerate().map(|(index, row)| {
            let start = if index == 0 { 0 } else { self.ends[index - 1] };
            RawRecord {
                offset: index as i64,
                timestamp: Some(arrival(row)),
                key: Some(self.history.name(row).household.as_bytes()),
                value: Some(&self.payloads[start..self.ends[index]]),
            }
        })
    }
}

fn readings(c: &mut Criterion) {
    let log = Log::new(2_000, 20);
    let rules = Arc::new(Rules::default());
    let mut group = c.benchmark_group("readings");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(log.history.rows.len() as u64));
    group.bench_function("bytes to effects, 2000 homes", |b| {
        b.iter_batched_ref(
            || Partition::new(Arc::clone(&rules)),
            |partition| black_box(partition.apply(log.records())),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn one_home(c: &mut Criterion) {
    let log = Log::new(20, 70);
    let mut partition = Partition::new(Arc::new(Rules::default()));
    partition.apply(log.records());
    let usage = partition.arena().usage(0);
    let routine = usage.routine();
    c.bench_function("threshold of the learned rule, 60 days", |b| {
        b.iter(|| {
            black_box(thresholds(
                routine,
                routine.next_hour(),
                &TimeZone::UTC,
                [400.0].into_iter(),
            ))
        });
    });
    c.bench_function("snapshot of a home, 60 days", |b| {
        b.iter(|| black_box(partition.snapshot(0)))
    });
}

criterion_group!(benches, readings, one_home);
criterion_main!(benches);
