//! The simulation is clean, finds every mistake, and repeats itself.

use super::*;
use crate::parallel::{all_processors, each_in_parallel};

#[test]
fn what_subscribers_see_is_what_the_core_says_whatever_fails() {
    let mut figures = Figures::default();
    for seed in 0..300 {
        match run_seed(seed, None).outcome {
            Ok(more) => figures.add(&more),
            Err(what) => panic!("{}\n{what}\n{}", reproduction(seed, None), story(seed, None)),
        }
    }
    let Figures {
        alerts,
        area_alerts,
        dead_letters,
        verdicts,
        rebuilds,
        crashes,
    } = figures;
    assert!(area_alerts > 300, "{figures:?}");
    assert!(alerts > 3_000 && dead_letters > 300, "{figures:?}");
    assert!(verdicts.iter().all(|count| *count > 100), "{figures:?}");
    assert!(rebuilds > 3_000 && crashes > 1_000, "{figures:?}");
}

/// Seeds within which each mistake is found.
const SEEDS: u64 = 1_000;

#[test]
fn every_mistake_is_found() {
    let hidden = each_in_parallel(all_processors(), Mutation::ALL.to_vec(), |mutation| {
        seeds_to_find(mutation, 0, SEEDS).is_none().then_some(mutation)
    });
    assert_eq!(hidden.into_iter().flatten().collect::<Vec<_>>(), []);
}

#[test]
fn a_seed_repeats_exactly() {
    for seed in 0..10 {
        assert_eq!(run_seed(seed, None), run_seed(seed, None));
    }
    let mutation = Some(Mutation::OffsetOffByOne);
    let found = (0..SEEDS)
        .map(|seed| run_seed(seed, mutation))
        .find(|report| report.outcome.is_err());
    let found = found.expect("it is found");
    assert_eq!(run_seed(found.seed, mutation), found);
}

#[test]
fn a_failing_seed_is_made_shorter_and_still_fails() {
    let mutation = Some(Mutation::ForgetAborted);
    let seed = (0..SEEDS)
        .find(|seed| run_seed(*seed, mutation).outcome.is_err())
        .expect("it is found");
    let plan = Plan::of(seed);
    let (_, actions) = shortened(&plan, mutation, 60);
    assert!(
        actions.len() < plan.actions.len() / 2,
        "{} of {}",
        actions.len(),
        plan.actions.len()
    );
    let again = quietly(|| world::run_actions(&plan.setup, actions.iter(), mutation));
    assert!(again.is_err(), "{}", story::tell(&plan.setup, &actions));
}

#[test]
fn leaving_out_actions_ends_with_those_that_matter() {
    let actions: Vec<Planned> = (0..100)
        .map(|salt| Planned {
            salt,
            action: plan::Action::Shuffle,
        })
        .collect();
    let left = story::minimise(&actions, 1_000, |left| {
        let has = |wanted| left.iter().any(|planned| planned.salt == wanted);
        has(17) && has(71)
    });
    let left: Vec<u64> = left.iter().map(|planned| planned.salt).collect();
    assert_eq!(left, [17, 71]);
}
