//! What is done to which instance, and when: all of it drawn beforehand from a seed.

use std::time::Duration;

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// After so many kills each of the other blows comes once.
const KILLS_BESIDE_OTHERS: u32 = 6;
/// An instance is left alone for so long after a blow is over.
const BREATH: Duration = Duration::from_millis(200);

/// What a schedule is drawn from.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub kills: u32,
    /// Instances by number from 0; one more, a guest, joins and leaves.
    pub instances: u32,
    /// The mean time between two blows.
    pub every: Duration,
    /// How long the group waits for a member that says nothing.
    pub session: Duration,
}

/// What can happen to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Blow {
    /// SIGKILL, and started again at once.
    Kill,
    /// SIGKILL, and started again about when its session ends.
    KillAndWait,
    /// SIGSTOP for longer than its session, then SIGCONT.
    Freeze,
    /// One instance more for some seconds, and a rebalance at both ends.
    Guest,
    /// SIGTERM, and started again.
    Restart,
    /// It ended by itself. No schedule holds this.
    EndedByItself,
}

impl Blow {
    /// As people say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "killed, restarted at once",
            Self::KillAndWait => "killed, restarted later",
            Self::Freeze => "frozen past its session",
            Self::Guest => "joined and left",
            Self::Restart => "stopped in good order",
            Self::EndedByItself => "ended by itself",
        }
    }
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Start,
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Terminate,
    /// SIGSTOP.
    Freeze,
    /// SIGCONT.
    Thaw,
}

/// When, to whom, what, and as a part of which blow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub at: Duration,
    pub instance: u32,
    pub action: Action,
    pub blow: Blow,
}

/// Draws a schedule. Blows to several instances overlap; those to one do not.
pub fn schedule(plan: &Plan) -> Vec<Step> {
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
    let others = plan.kills.div_ceil(KILLS_BESIDE_OTHERS);
    let mut blows: Vec<Blow> = (0..plan.kills)
        .map(|_| {
            if random.random_bool(0.75) {
                Blow::Kill
            } else {
                Blow::KillAndWait
            }
        })
        .collect();
    for blow in [Blow::Freeze, Blow::Guest, Blow::Restart] {
        blows.extend((0..others).map(|_| blow));
    }
    blows.shuffle(&mut random);
    let mut free_from = vec![Duration::ZERO; plan.instances as usize + 1];
    let (mut steps, mut at) = (Vec::new(), Duration::ZERO);
    for blow in blows {
        at += plan.every.mul_f64(random.random_range(0.1..1.9));
        let candidates = if blow == Blow::Guest {
            plan.instances..plan.instances + 1
        } else {
            0..plan.instances
        };
        let earliest = candidates.clone().map(|instance| free_from[instance as usize]).min();
        at = at.max(earliest.unwrap_or_default());
        let free: Vec<u32> = candidates
            .filter(|instance| free_from[*instance as usize] <= at)
            .collect();
        let Some(instance) = free.choose(&mut random).copied() else {
            continue; // Only where there are no instances at all.
        };
        let length = length(blow, plan.session, &mut random);
        let [first, last] = match blow {
            Blow::Freeze => [Action::Freeze, Action::Thaw],
            Blow::Guest => [Action::Start, Action::Terminate],
            Blow::Restart => [Action::Terminate, Action::Start],
            Blow::Kill | Blow::KillAndWait | Blow::EndedByItself => [Action::Kill, Action::Start],
        };
        for (at, action) in [(at, first), (at + length, last)] {
            steps.push(Step {
                at,
                instance,
                action,
                blow,
            });
        }
        free_from[instance as usize] = at + length + BREATH;
    }
    // Stable: what happens at one moment happens in the order in which it was drawn.
    steps.sort_by_key(|step| step.at);
    steps
}

/// How long a blow lasts.
fn length(blow: Blow, session: Duration, random: &mut ChaCha8Rng) -> Duration {
    let seconds = |range: std::ops::Range<f64>, random: &mut ChaCha8Rng| -> Duration {
        Duration::from_secs_f64(random.random_range(range))
    };
    match blow {
        Blow::Kill | Blow::EndedByItself => Duration::ZERO,
        // Sometimes back before the group has missed it, sometimes after.
        Blow::KillAndWait => session.mul_f64(random.random_range(0.3..1.6)),
        Blow::Freeze => session + seconds(1.0..4.0, random),
        Blow::Guest => seconds(4.0..10.0, random),
        Blow::Restart => seconds(0.2..3.0, random),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64) -> Plan {
        Plan {
            seed,
            kills: 30,
            instances: 3,
            every: Duration::from_secs(4),
            session: Duration::from_secs(6),
        }
    }

    #[test]
    fn a_seed_repeats_and_another_does_not() {
        assert_eq!(schedule(&plan(7)), schedule(&plan(7)));
        assert_ne!(schedule(&plan(7)), schedule(&plan(8)));
    }

    #[test]
    fn it_holds_what_was_asked_for_in_order_of_time() {
        for seed in 0..50 {
            let steps = schedule(&plan(seed));
            let count = |action, blow: fn(Blow) -> bool| {
                steps
                    .iter()
                    .filter(|step| step.action == action && blow(step.blow))
                    .count()
            };
            assert_eq!(count(Action::Kill, |_| true), 30);
            assert_eq!(count(Action::Start, |blow| blow != Blow::Guest), 35);
            assert_eq!((count(Action::Freeze, |_| true), count(Action::Thaw, |_| true)), (5, 5));
            assert_eq!(count(Action::Terminate, |blow| blow == Blow::Guest), 5);
            assert!(steps.is_sorted_by_key(|step| step.at));
            let end = steps.last().expect("steps").at.as_secs();
            assert!((60..400).contains(&end), "{end} s");
        }
    }

    #[test]
    fn an_instance_bears_one_blow_at_a_time() {
        for seed in 0..50 {
            let steps = schedule(&plan(seed));
            for instance in 0..=3 {
                let own: Vec<&Step> = steps.iter().filter(|step| step.instance == instance).collect();
                for blow in own.chunks(2) {
                    let [first, last] = blow else {
                        panic!("a blow without its end")
                    };
                    assert_eq!(first.blow, last.blow);
                    assert_eq!(first.blow == Blow::Guest, instance == 3);
                    if first.blow == Blow::Freeze {
                        assert!(last.at - first.at > Duration::from_secs(6), "shorter than the session");
                    }
                }
                assert!(own.is_sorted_by_key(|step| step.at));
            }
        }
    }
}
