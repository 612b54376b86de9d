//! How likely it is that so few homes use water, or that so many meters are silent, although nothing is the matter.

/// How much less than by their own past the homes of a supplied zone use water together, and how often: on Sunday mornings,
/// holidays, in the summer all of them sleep longer or are away. Weights are shares of the hours, values the share of homes
/// otherwise expected. Measured on one Spanish town for windows of an hour, which are the most uneven
/// (`docs/adr/0016-area-outage.md`), and kept for the long ones, because elsewhere half a town leaves for a feast.
const QUIET: [(f64, f64); 5] = [(0.7794, 1.0), (0.2, 0.8), (0.02, 0.5), (5e-4, 0.35), (1e-4, 0.2)];

/// A probability never greater than this is no evidence, and the rest need not be added up.
const NO_EVIDENCE: f64 = 1.0;

/// An upper bound of the probability that at most `found` of `homes` homes used water in a supplied zone, where
/// `expected` were to be expected by each home's own past.
///
/// Homes are independent, each with a chance of its own, once it is given how quiet the day is; it is summed over
/// `QUIET`. The number found then is a sum of unlike trials (Poisson-binomial); its lower tail is at most that of the
/// binomial with the same mean (Hoeffding, 1956) as long as `found` is at most the mean less one, or none. Only the sums
/// need to be known, and partitions can add them up.
pub fn too_few(homes: u32, found: u32, expected: f64) -> f64 {
    if homes == 0 {
        return NO_EVIDENCE;
    }
    let chance = expected / f64::from(homes);
    QUIET
        .iter()
        .map(|(weight, share)| weight * at_most(homes, found, share * chance))
        .sum()
}

/// An upper bound of the probability that `found` of `homes` or more use water although at most `share` of those
/// expected have any.
pub(super) fn more_than_residual(homes: u32, found: u32, expected: f64, share: f64) -> f64 {
    too_many(homes, found, share * expected / f64::from(homes.max(1)))
}

/// The probability that `found` of `of` or more are, where each is with probability `chance`.
pub fn too_many(of: u32, found: u32, chance: f64) -> f64 {
    if found == 0 {
        return NO_EVIDENCE;
    }
    lower_tail(of, of.saturating_sub(found), 1.0 - chance)
}

/// The bound for one mean.
fn at_most(homes: u32, found: u32, chance: f64) -> f64 {
    let mean = f64::from(homes) * chance;
    if found > 0 && f64::from(found) > mean - 1.0 {
        return NO_EVIDENCE;
    }
    lower_tail(homes, found, chance)
}

/// P(X ≤ found) of the binomial, summed from the greatest term down, which is the last.
fn lower_tail(of: u32, found: u32, chance: f64) -> f64 {
    if found >= of || chance <= 0.0 {
        return 1.0;
    }
    if chance >= 1.0 {
        return 0.0;
    }
    let (n, odds) = (f64::from(of), chance / (1.0 - chance));
    // In logarithms first: (1 - p)^n is no number any more for large zones.
    let mut log = n * (-chance).ln_1p();
    let mut greatest = log;
    let mut logs = Vec::with_capacity(found as usize + 1);
    logs.push(log);
    for k in 0..found {
        log += ((n - f64::from(k)) / f64::from(k + 1) * odds).ln();
        greatest = greatest.max(log);
        logs.push(log);
    }
    let sum: f64 = logs.iter().map(|log| (log - greatest).exp()).sum();
    (greatest.exp() * sum).min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// P(X ≤ found) of unlike trials, exactly.
    fn exact(chances: &[f64], found: usize) -> f64 {
        let mut of = vec![1.0];
        for p in chances {
            of.push(0.0);
            for k in (0..of.len()).rev() {
                let one_less = if k == 0 { 0.0 } else { of[k - 1] };
                of[k] = of[k] * (1.0 - p) + one_less * p;
            }
        }
        of[..=found].iter().sum()
    }

    proptest! {
        #[test]
        fn the_bound_holds_for_unlike_homes(
            chances in prop::collection::vec(0.01f64..0.99, 1..40), found in 0usize..40
        ) {
            let found = found.min(chances.len());
            let mean: f64 = chances.iter().sum();
            let bound = at_most(chances.len() as u32, found as u32, mean / chances.len() as f64);
            prop_assert!(bound >= exact(&chances, found) - 1e-12, "{} {}", bound, exact(&chances, found));
        }

        #[test]
        fn the_tails_are_those_of_the_binomial(n in 1u32..60, k in 0u32..60, p in 0.01f64..0.99) {
            let k = k.min(n);
            let chances = vec![p; n as usize];
            prop_assert!((lower_tail(n, k, p) - exact(&chances, k as usize)).abs() < 1e-9);
            let upper = if k == 0 { 1.0 } else { 1.0 - exact(&chances, k as usize - 1) };
            prop_assert!((too_many(n, k, p) - upper).abs() < 1e-9);
        }
    }

    #[test]
    fn zones_of_any_size_have_a_number() {
        assert!(too_few(100_000, 0, 60_000.0) < 1e-300);
        assert!(too_few(100_000, 0, 60_000.0) >= 0.0);
        assert_eq!(too_few(0, 0, 0.0), 1.0);
        assert!(too_few(3, 0, 2.9) > 1e-3, "three homes are never enough");
        assert!(too_few(500, 240, 480.0) > 1e-3, "half of a large zone may be away");
        assert!((QUIET.iter().map(|(weight, _)| weight).sum::<f64>() - 1.0).abs() < 1e-9);
    }
}
