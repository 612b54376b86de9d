//! `tapwatch verify faults`: the engine on a simulated cluster, in virtual time, with everything going wrong that may.
//!
//! Constraints: no clock, no thread, no I/O; a seed decides everything, and repeats it.
//! Form: a `Plan` is drawn from a seed; a world runs it on the real [`crate::engine`] over the ports in
//! `ports/` and the cluster in `cluster/`; the oracle reads the same logs in one go.
//! Operation: what subscribers see must equal the oracle's word, record for record, and so must every home's state;
//! then everything dies, one fresh instance must rebuild the same and publish nothing, and what it does in the hours
//! after that is compared too. On the way it is watched: time may pass only at the end of a partition, nothing is read
//! while too much waits, restores keep to their number, and homes come before the first reading.
//! Limits: brokers lose nothing they acknowledged; retention removes only what no restart needs; one group, one topic;
//! stored states are whole, and the rules stay the same. What only costs (bytes, latency, earlier replay) is not judged,
//! but for the distance of replay at the end of a partition.

mod cluster;
mod dice;
mod oracle;
mod plan;
mod ports;
mod story;
mod world;

#[cfg(test)]
mod faults_tests;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use self::plan::{Plan, Planned};
use crate::engine::Mutation;

pub use self::world::Figures;

/// Runs that a failing seed is made shorter with.
const TRIALS: usize = 400;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many seeds.
    pub seeds: u64,
    /// The first.
    pub first_seed: u64,
    /// A mistake that is to be found.
    pub mutation: Option<Mutation>,
    /// Every mistake in turn.
    pub mutations: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it is as it should be: no seed failed, or each mistake was found.
    pub is_good: bool,
    /// Seeds run.
    pub seeds: u64,
}

/// What came of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedReport {
    /// The seed.
    pub seed: u64,
    /// What it did, or what is wrong.
    pub outcome: Result<Figures, String>,
}

/// Runs one seed.
pub fn run_seed(seed: u64, mutation: Option<Mutation>) -> SeedReport {
    let plan = Plan::of(seed);
    SeedReport {
        seed,
        outcome: quietly(|| world::run(&plan, mutation)),
    }
}

/// A failing seed with as few actions as `trials` runs can find, in words.
pub fn story(seed: u64, mutation: Option<Mutation>) -> String {
    let plan = Plan::of(seed);
    let (what, actions) = shortened(&plan, mutation, TRIALS);
    format!("{what}\n{}", story::tell(&plan.setup, &actions))
}

fn shortened(plan: &Plan, mutation: Option<Mutation>, trials: usize) -> (String, Vec<Planned>) {
    let mut what = match quietly(|| world::run(plan, mutation)) {
        Ok(_) => return (String::from("it does not fail"), plan.actions.clone()),
        Err(what) => what,
    };
    let kind = kind(&what).to_owned();
    let fails = |actions: &[&Planned]| {
        let outcome = quietly(|| world::run_actions(&plan.setup, actions.iter().copied(), mutation));
        let found = outcome.err().filter(|found| self::kind(found) == kind);
        found.map(|found| what = found).is_some()
    };
    let actions = story::minimise(&plan.actions, trials, fails);
    (what, actions)
}

/// The kind of a failure: its words up to the first figure. A shorter story must tell of the same.
fn kind(what: &str) -> &str {
    what.split(|c: char| c.is_ascii_digit() || c == ':')
        .next()
        .unwrap_or(what)
}

/// Runs what `options` say, and prints what is worth saying.
pub fn run(options: &Options, print: &mut dyn FnMut(&str)) -> Outcome {
    if options.mutations {
        return find_mutations(options, print);
    }
    let mut figures = Figures::default();
    let mut failed = 0;
    for seed in options.first_seed..options.first_seed.saturating_add(options.seeds) {
        match run_seed(seed, options.mutation).outcome {
            Ok(more) => figures.add(&more),
            Err(what) => {
                failed += 1;
                print(&format!("{}\n{what}", reproduction(seed, options.mutation)));
                if failed == 1 {
                    print(&story(seed, options.mutation));
                }
            }
        }
    }
    let Figures {
        alerts,
        area_alerts,
        dead_letters,
        verdicts: [committed, aborted, doubtful],
        rebuilds,
        crashes,
    } = figures;
    print(&format!(
        "{} seeds, {failed} failed: {alerts} alerts, {area_alerts} of zones and {dead_letters} dead letters, each once; {committed} transactions \
         committed, {aborted} aborted, {doubtful} in doubt; {rebuilds} partitions rebuilt, {crashes} processes gone",
        options.seeds
    ));
    Outcome {
        is_good: failed == 0,
        seeds: options.seeds,
    }
}

/// The seeds that it takes to find a mistake; `None` if these do not.
pub fn seeds_to_find(mutation: Mutation, first_seed: u64, seeds: u64) -> Option<u64> {
    let mut all = first_seed..first_seed.saturating_add(seeds);
    let found = all.find(|seed| run_seed(*seed, Some(mutation)).outcome.is_err())?;
    Some(found - first_seed + 1)
}

fn find_mutations(options: &Options, print: &mut dyn FnMut(&str)) -> Outcome {
    let mut outcome = Outcome {
        is_good: true,
        seeds: 0,
    };
    for mutation in Mutation::ALL {
        let name = name(mutation);
        match seeds_to_find(mutation, options.first_seed, options.seeds) {
            Some(seeds) => {
                outcome.seeds += seeds;
                print(&format!("{name}: found after {seeds} seeds"));
            }
            None => {
                outcome.seeds += options.seeds;
                outcome.is_good = false;
                print(&format!("{name}: NOT FOUND in {} seeds", options.seeds));
            }
        }
    }
    outcome
}

/// The name of a mistake on the command line.
pub fn name(mutation: Mutation) -> String {
    let name = serde_json::to_value(mutation).ok();
    name.and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn reproduction(seed: u64, mutation: Option<Mutation>) -> String {
    let mutation = mutation.map_or(String::new(), |mutation| format!(" --mutation {}", name(mutation)));
    format!("tapwatch verify faults --first-seed {seed} --seeds 1{mutation}")
}

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a simulation without a word about panics, which are part of it; one that is not contained is a failure.
fn quietly<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                loud(info);
            }
        }));
    });
    let before = IS_QUIET.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    IS_QUIET.set(before);
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(format!("the engine panicked: {}", text.unwrap_or_default()))
    })
}
