//! How fast the core is: a reading through the whole fold, one threshold of the learned rule, one snapshot.
//!
//! `cargo bench --bench core`. Compare figures of one run only: machines differ, and so do days.

mod support;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use tapwatch::detect::inactivity::Condition;
use tapwatch::detect::inactivity::hazard::Hazard;
use tapwatch::partition::{Partition, Rules};

use support::Log;

fn readings(c: &mut Criterion) {
    let log = Log::new(2_000, 20, 3_600);
    // What the taught table costs: the same rules without it.
    let mut fixed = Rules::default();
    let of_fixed = &mut fixed.programmes[0].detectors.inactivity;
    of_fixed
        .rules
        .retain(|rule| !matches!(rule.when, Condition::Learned(_)));
    let mut group = c.benchmark_group("readings");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(log.history.rows.len() as u64));
    for (name, rules) in [
        ("bytes to effects, 2000 homes", Rules::default()),
        ("the same, fixed hours alone", fixed),
    ] {
        let rules = Arc::new(rules);
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || Partition::new(Arc::clone(&rules)),
                |partition| black_box(partition.apply(log.records())),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn one_home(c: &mut Criterion) {
    let log = Log::new(20, 70, 3_600);
    let mut partition = Partition::new(Arc::new(Rules::default()));
    partition.apply(log.records());
    let usage = partition.arena().usage(0);
    let routine = usage.routine();
    let hazard = Hazard::default();
    let (start, zone) = (routine.next_hour(), TimeZone::UTC);
    c.bench_function("threshold of the learned rule, 60 days", |b| {
        b.iter(|| black_box(hazard.thresholds(black_box(routine), start, &zone, [400.0])));
    });
    c.bench_function("snapshot of a home, 60 days", |b| {
        b.iter(|| black_box(partition.snapshot(0)))
    });
}

criterion_group!(benches, readings, one_home);
criterion_main!(benches);
