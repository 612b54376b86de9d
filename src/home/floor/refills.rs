//! A cistern that fills again and again, told by the size of its refills.

use crate::home::window::WINDOW_HOURS;

/// By how much of a step of the meter the mean of refills may miss a part of the floor.
const SURE_OF_REFILL: f32 = 0.25;
/// How many times an hour a cistern fills at most, where its refills are told by their size.
const MOST_REFILLS: f32 = 5.0;

/// What an hour has above the floor with one refill more, where a cistern fills a little more often than a whole number of times an
/// hour, so that few hours have one: as much goes into the floor a whole number of times, and came twice with the floor alone in the
/// hours beside it.
pub(super) fn one_refill_more(
    floor: f32,
    step: f32,
    litres: impl Fn(u32) -> Option<f32> + Copy,
    next: u32,
) -> Option<f32> {
    let above = |hour| litres(hour).map(|litres| litres - floor);
    let at_floor = |hour: &u32| above(*hour).is_some_and(|above| (0.0..=step + 1e-4).contains(&above));
    let hours = next.saturating_sub(WINDOW_HOURS)..next;
    let (sum, count) = hours
        .clone()
        .filter(at_floor)
        .filter_map(above)
        .fold((0.0, 0.0), |(sum, count), above| (sum + above, count + 1.0));
    let even = sum / count;
    let single = |hour: &u32| at_floor(&(hour - 1)) && at_floor(&(hour + 1)) && !at_floor(hour);
    let singles = || (hours.start + 1..next - 1).filter(single).filter_map(above);
    let of_size = singles().filter_map(|least| {
        let alike = singles().filter(|above| (least..=least + step + 1e-4).contains(above));
        let (most, more, refills) = alike.fold((0.0_f32, 0.0, 0.0), |(most, sum, count), above| {
            (most.max(above), sum + above, count + 1.0)
        });
        let refill = more / refills - even;
        let times = ((floor + even) / refill).round();
        let is_part =
            (1.0..=MOST_REFILLS).contains(&times) && ((floor + even) / times - refill).abs() <= SURE_OF_REFILL * step;
        (refills >= 2.0 && is_part).then_some(most)
    });
    of_size.reduce(f32::min)
}
