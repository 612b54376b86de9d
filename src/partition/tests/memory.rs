use std::mem::size_of;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::arena::Slot;
use super::*;

/// Sixty days of hourly readings of 2,000 homes, 98 % of days delivered, losses of days in clusters.
#[test]
fn a_home_takes_little_memory() {
    const HOMES: usize = 2_000;
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut partition = Partition::new(rules());
    let mut lost = vec![false; HOMES];
    for day in 0..60u32 {
        for lost in &mut lost {
            // A day is lost after a lost one in half of the cases: 1 in 50 over all.
            *lost = random.random_bool(if *lost { 0.5 } else { 0.0102 });
        }
        for place in day * 24..day * 24 + 24 {
            let hours = (0..HOMES).filter(|home| !lost[*home]).map(|home| {
                let litres = if random.random_bool(0.3) { 12.5 } else { 0.0 };
                hour(&format!("home-{home:07}"), place, litres)
            });
            let batch: Vec<_> = hours.collect();
            apply(&mut partition, &batch);
        }
        partition.checkpoints(Stamp::default(), 1 << 20);
        partition.replay_point();
    }
    assert_eq!(partition.arena().len(), HOMES);
    let bytes = partition.bytes() / HOMES;
    let slot = size_of::<Slot>();
    let stored = (0..HOMES as u32)
        .map(|home| partition.snapshot(home).len())
        .sum::<usize>()
        / HOMES;
    println!("{slot} bytes a slot, {bytes} bytes a home all in, {stored} bytes stored");
    assert!(slot <= 536, "{slot} bytes a slot");
    assert!(bytes <= 600, "{bytes} bytes a home");
}
